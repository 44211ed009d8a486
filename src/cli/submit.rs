//! `rydes submit`.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::bulk::{self, Requests};
use super::recent::Recent;
use super::{Context, attended, env, quotes};
use crate::error::{Error, Kind, Result, exit};
use crate::model::text::printable;
use crate::model::{Condition, RequestRow, Until, parse_duration, show_duration};
use crate::output::Format;
use crate::output::setup::count_of;
use crate::quotes::Patience;
use crate::scatter::{self, Scattered, Submission, Term, check_deadline};
use crate::settings::{Settings, quoted};
use crate::submission::{DEADLINE, JSON_MAX, Origin, Typed, UNTIL_MAX, object, utf8};

/// Ask every subscribed provider for a quote.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "rydes submit --from CITY --to CITY [--deadline 15s] [--until 3] [--wait]",
    after_help = "Examples:
  rydes submit --from Frankfurt --to \"Las Vegas\"
  rydes submit --from Frankfurt --to Rome --deadline 5s --wait
  rydes submit --from A --to B --until 3 --until price:20   the first one met ends it
  rydes submit --file event.json   {\"from\": ..., \"to\": ..., \"customer\": ...}
  rydes submit --from A --to B --count 1000
  rydes submit --batch requests.jsonl    one such object per line, or - for stdin; a line may
                                         have an \"rfq-id\", a \"deadline\" and \"until\" too"
)]
pub(super) struct Command {
    /// Where the ride begins
    #[arg(long, value_name = "CITY")]
    from: Option<String>,
    /// Where it ends
    #[arg(long, value_name = "CITY")]
    to: Option<String>,
    /// Who asks [default: anonymous]
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// How long to wait for answers, 10ms to 24h [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    deadline: Option<Duration>,
    /// What completes it beside `all`: `3` quotes or `price:20`, for every reader; with --wait also
    /// `stall:5s`, for this wait; may be repeated
    #[arg(long, value_name = "CONDITION")]
    pub(super) until: Vec<Until>,
    /// Read `from`, `to` and `customer` from a JSON file, or from stdin with `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "customer"])]
    file: Option<PathBuf>,
    /// Use this id; an RFQ that may have been lost half way is submitted again
    #[arg(long, value_name = "ID")]
    rfq_id: Option<String>,
    /// Submit it so many times in batches, each time with an id of its own
    #[arg(long, value_name = "N", conflicts_with_all = ["rfq_id", "wait"], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: Option<u32>,
    /// Submit each line of a JSONL file in batches, or of stdin with `-`; lines that have an
    /// `rfq-id` may be submitted again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "customer", "file", "rfq_id", "wait", "count"])]
    pub(super) batch: Option<PathBuf>,
    /// Go on as `rydes quotes --watch`
    #[arg(short = 'w', long)]
    wait: bool,
}

pub(super) fn deadline(text: &str) -> Result<Duration, String> {
    check_deadline(parse_duration(text)?)
}

/// As many conditions as a request may have, or fewer.
///
/// # Errors
/// Invalid when there are more.
pub(super) fn check_until(until: &[Until]) -> Result<()> {
    if until.len() <= UNTIL_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("`--until`: at most {UNTIL_MAX} conditions")))
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    if !command.wait && quotes::shortest_stall(&command.until).is_some() {
        let problem = "`--until stall:...` is about a wait, so it needs `--wait`; nothing was sent";
        return Err(Error::invalid(problem));
    }
    check_until(&command.until)?;
    if let Some(file) = &command.batch {
        // A pipe that nobody writes to yet cannot be opened yet either.
        let (file, batch) = (file.clone(), bulk::from_stdin(&settings, &command));
        let requests = attended(context, move || Requests::of_file(&file, &batch)).await??;
        return Box::pin(bulk::run(context, command, requests)).await;
    }
    let submission = submission(&command, command.typed(context).await?)?;
    if let Some(count) = command.count {
        let requests = Requests::Count(count, Box::new(submission));
        return Box::pin(bulk::run(context, command, requests)).await;
    }
    let retry = retry(&settings, &submission);
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let recent = Recent::of(&aws, env);
    let scattered =
        scatter::submit(&aws, submission).await.map_err(|error| nobody_hint(error, &settings))?;
    let row = match scattered {
        Scattered::Published(row) => {
            let asked = row.expected.as_ref().map_or(0, |all| all.len() as u64);
            let deadline = deadline_of(&row);
            tell(context, &row, command.wait);
            let asked = count_of(asked, "provider");
            output.note(&format!("asked {asked}{deadline}"));
            warn_of_too_many(context, &row);
            row
        }
        Scattered::Answered(row) => {
            tell(context, &row, command.wait);
            output.note("it was submitted before, and every provider has answered");
            row
        }
        Scattered::Unknown(error) => {
            return Err(error.hint(format!("submit it again, nothing is doubled: {retry}")));
        }
    };
    recent.remember([&row], output).await;
    if command.wait {
        let again = settings.command(&format!("quotes {} --watch", recent.prefix(&row.id).await));
        let patience = Patience {
            stall: quotes::shortest_stall(&command.until),
            ..quotes::Stay::default().patience(&[])
        };
        let waited = quotes::wait(context, &settings, &aws, row.id, patience).await;
        return waited.map_err(|error| match error.kind() {
            Kind::Signal(_) => error,
            _ => error.hint(format!("the request is out; to wait for its quotes: {again}")),
        });
    }
    let prefix = recent.prefix(&row.id).await;
    output.note(&format!("next: {}", settings.command(&format!("quotes {prefix} --watch"))));
    Ok(exit::DONE)
}

/// The id goes to stdout, unless the quotes follow there.
fn tell(context: &Context, row: &RequestRow, wait: bool) {
    let output = &context.output;
    let id = printable(row.id.as_str());
    match output.format {
        _ if wait => output.note(&id),
        Format::Json | Format::Jsonl => output.id_json(&json!({
            "rfq-id": row.id.as_str(),
            "from": row.from,
            "to": row.to,
            "customer": row.customer,
            "submitted-at": row.submitted_at,
            "deadline": row.deadline,
            "expected": row.expected.as_ref().map(Vec::len),
            "until": row.until.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        Format::Table | Format::Workshop => output.id(&id),
    }
}

/// A number of quotes that can never come.
fn warn_of_too_many(context: &Context, row: &RequestRow) {
    let asked = row.expected.as_ref().map_or(0, Vec::len);
    for condition in &row.until {
        if matches!(condition, Condition::Count(count) if *count > asked) {
            let asked = count_of(asked as u64, "provider");
            context.output.warning(&format!(
                "`--until {condition}` is more than the {asked} asked: it ends when all have answered"
            ));
        }
    }
}

fn deadline_of(row: &RequestRow) -> String {
    match (row.submitted_at, row.deadline) {
        (Some(submitted), Some(deadline)) => {
            let wanted = show_duration(deadline.after(submitted));
            format!(", answers wanted within {wanted}")
        }
        _ => String::new(),
    }
}

/// Validates everything before anything is sent.
fn submission(command: &Command, typed: Typed) -> Result<Submission> {
    let origin = if command.file.is_some() { Origin::Json } else { Origin::Options };
    typed.check(origin, command.deadline(), command.conditions())
}

impl Command {
    /// The deadline, typed or not.
    pub(super) fn deadline(&self) -> Term<Duration> {
        self.deadline.map_or(Term::Default(DEADLINE), Term::Named)
    }

    /// The conditions that are stored.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let stored = self.until.iter().filter_map(|until| match until {
            Until::Complete(condition) => Some(condition.clone()),
            Until::Stall(_) => None,
        });
        stored.collect()
    }

    /// What is asked for, from the options or a file.
    async fn typed(&self, context: &Context) -> Result<Typed> {
        let rfq_id = self.rfq_id.clone();
        let Some(file) = self.file.clone() else {
            let Self { from, to, customer, .. } = self.clone();
            return Ok(Typed { from, to, customer, rfq_id });
        };
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "stdin".to_owned() } else { file.display().to_string() };
        // Stdin and pipes may have nothing to say for as long as they like.
        let text = attended(context, move || {
            if is_stdin {
                read(std::io::stdin().lock())
            } else {
                std::fs::File::open(file).and_then(read)
            }
        });
        let (name, text) = (printable(&name), text.await?);
        let text =
            text.map_err(|error| Error::invalid(format!("cannot read {name}")).because(error))?;
        if u64::try_from(text.len()).is_ok_and(|length| length > JSON_MAX) {
            return Err(Error::invalid(format!("{name} is longer than {JSON_MAX} bytes")));
        }
        let text = utf8(&name, text)?;
        Ok(Typed { rfq_id, ..Typed::of_event(&name, &object(&name, &text)?)? })
    }
}

/// Adds what to do where nobody is subscribed.
pub(super) fn nobody_hint(error: Error, settings: &Settings) -> Error {
    let nobody = error.to_string().starts_with("no provider is subscribed");
    if nobody { error.hint(settings.command("setup")) } else { error }
}

/// Everything, or a little more than a request may be.
fn read(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(JSON_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
}

/// ` --deadline 15000ms` where it was named: what was not is not compared.
pub(super) fn deadline_option(deadline: Term<Duration>) -> String {
    match deadline {
        Term::Named(length) => format!(" --deadline {}ms", length.as_millis()),
        Term::Default(_) => String::new(),
    }
}

/// The command line that submits the same request again.
pub(super) fn retry(settings: &Settings, submission: &Submission) -> String {
    let until = submission.until.iter().map(|until| format!(" --until {until}"));
    let customer = match &submission.customer {
        Term::Named(name) => format!(" --customer {}", quoted(name)),
        Term::Default(_) => String::new(),
    };
    settings.command(&format!(
        "submit --rfq-id {} --from {} --to {}{customer}{}{}",
        quoted(submission.id.as_str()),
        quoted(&submission.from),
        quoted(&submission.to),
        deadline_option(submission.deadline),
        until.collect::<String>()
    ))
}
