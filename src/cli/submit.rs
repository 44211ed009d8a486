//! `rydes submit`.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::recent::Recent;
use super::{Context, attended, env, quotes};
use crate::error::{Error, Kind, Result, exit};
use crate::model::text::printable;
use crate::model::{Condition, RequestRow, RfqId, Until, parse_duration, show_duration};
use crate::output::Format;
use crate::output::setup::count_of;
use crate::quotes::Patience;
use crate::scatter::{self, Scattered, Submission, check_deadline, check_text};
use crate::settings::{Settings, quoted};

/// The longest file that `--file` reads, in bytes: a request is far below it.
const FILE_MAX: u64 = 65_536;

/// Ask every subscribed provider for a quote.
#[derive(Debug, Args)]
#[command(
    override_usage = "rydes submit --from CITY --to CITY [--deadline 15s] [--until 3] [--wait]",
    after_help = "Examples:
  rydes submit --from Frankfurt --to \"Las Vegas\"
  rydes submit --from Frankfurt --to Rome --deadline 5s --wait
  rydes submit --from A --to B --until 3 --until price:20   the first one met ends it
  rydes submit --file event.json   {\"from\": ..., \"to\": ..., \"customer\": ...}"
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
    /// How long to wait for answers, 10ms to 24h
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = deadline)]
    deadline: Duration,
    /// What completes it beside `all`: `3` quotes or `price:20`, for every reader; with --wait also
    /// `stall:5s`, for this wait; may be repeated
    #[arg(long, value_name = "CONDITION")]
    until: Vec<Until>,
    /// Read `from`, `to` and `customer` from a JSON file, or from stdin with `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "customer"])]
    file: Option<PathBuf>,
    /// Use this id; an RFQ that may have been lost half way is submitted again
    #[arg(long, value_name = "ID")]
    rfq_id: Option<String>,
    /// Go on as `rydes quotes --watch`
    #[arg(short = 'w', long)]
    wait: bool,
}

fn deadline(text: &str) -> Result<Duration, String> {
    check_deadline(parse_duration(text)?)
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let typed = Typed::of(context, &command).await?;
    let submission = submission(&command, typed)?;
    let retry = retry(&settings, &submission);
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let recent = Recent::of(&aws, env);
    let scattered = scatter::submit(&aws, submission).await.map_err(|error| {
        let nobody = error.to_string().starts_with("no provider is subscribed");
        if nobody { error.hint(settings.command("setup")) } else { error }
    })?;
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
    if let Err(error) = recent.remember(&row) {
        output.detail(&format!("the RFQ was not remembered: {error}"));
    }
    if command.wait {
        let again = settings.command(&format!("quotes {} --watch", recent.prefix(&row.id)));
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
    let prefix = recent.prefix(&row.id);
    output.note(&format!("next: {}", settings.command(&format!("quotes {prefix} --watch"))));
    Ok(exit::DONE)
}

/// The id goes to stdout, unless the quotes follow there.
fn tell(context: &Context, row: &RequestRow, wait: bool) {
    let output = &context.output;
    let id = printable(row.id.as_str());
    match output.format {
        _ if wait => output.note(&id),
        Format::Json | Format::Jsonl => output.json(&json!({
            "rfq-id": row.id.as_str(),
            "from": row.from,
            "to": row.to,
            "customer": row.customer,
            "submitted-at": row.submitted_at,
            "deadline": row.deadline,
            "expected": row.expected.as_ref().map(Vec::len),
            "until": row.until.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        Format::Table | Format::Workshop => output.data(&id),
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
    let named = |name: &str| match &command.file {
        Some(_) => name.to_owned(),
        None => format!("--{name}"),
    };
    let required = |name: &str, text: Option<String>| match text {
        Some(text) => check_text(&named(name), &text),
        None => Err(Error::invalid(format!("`{}` is missing; nothing was sent", named(name)))
            .hint("rydes submit --from CITY --to CITY [--deadline 15s] [--wait]")),
    };
    if !command.wait && quotes::shortest_stall(&command.until).is_some() {
        let problem = "`--until stall:...` is about a wait, so it needs `--wait`; nothing was sent";
        return Err(Error::invalid(problem));
    }
    let conditions = command.until.iter().filter_map(|until| match until {
        Until::Complete(condition) => Some(condition.clone()),
        Until::Stall(_) => None,
    });
    let id = match &command.rfq_id {
        Some(id) => RfqId::parse(id)
            .and_then(|id| match check_text("--rfq-id", id.as_str()) {
                Ok(_) => Ok(id),
                Err(error) => Err(error.to_string()),
            })
            .map_err(|problem| Error::invalid(format!("`--rfq-id`: {problem}")))?,
        None => RfqId::random(),
    };
    Ok(Submission {
        id,
        from: required("from", typed.from)?,
        to: required("to", typed.to)?,
        customer: check_text(
            &named("customer"),
            &typed.customer.unwrap_or_else(|| "anonymous".to_owned()),
        )?,
        deadline: command.deadline,
        until: conditions.collect(),
    })
}

/// What a request is about, as it was typed or read, before anything is checked.
struct Typed {
    from: Option<String>,
    to: Option<String>,
    customer: Option<String>,
}

impl Typed {
    async fn of(context: &Context, command: &Command) -> Result<Self> {
        let Some(file) = command.file.clone() else {
            let Command { from, to, customer, .. } = command;
            let (from, to, customer) = (from.clone(), to.clone(), customer.clone());
            return Ok(Self { from, to, customer });
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
        Self::parse(&printable(&name), text.await?)
    }

    /// The original's event.
    fn parse(name: &str, text: std::io::Result<String>) -> Result<Self> {
        let text =
            text.map_err(|error| Error::invalid(format!("cannot read {name}")).because(error))?;
        if u64::try_from(text.len()).is_ok_and(|length| length > FILE_MAX) {
            return Err(Error::invalid(format!("{name} is longer than {FILE_MAX} bytes")));
        }
        let event: Value = serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{name} is not JSON")).because(error))?;
        if !event.is_object() {
            return Err(Error::invalid(format!("{name} is not a JSON object")));
        }
        let field = |field: &str| match &event[field] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(Error::invalid(format!(
                "`{field}` in {name} is not a string; nothing was sent"
            ))),
        };
        Ok(Self { from: field("from")?, to: field("to")?, customer: field("customer")? })
    }
}

/// Everything, or a little more than a request may be.
fn read(from: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(FILE_MAX + 1).read_to_string(&mut text).map(|_| text)
}

/// The command line that submits the same request again.
fn retry(settings: &Settings, submission: &Submission) -> String {
    let until = submission.until.iter().map(|until| format!(" --until {until}"));
    settings.command(&format!(
        "submit --rfq-id {} --from {} --to {} --customer {} --deadline {}ms{}",
        quoted(submission.id.as_str()),
        quoted(&submission.from),
        quoted(&submission.to),
        quoted(&submission.customer),
        submission.deadline.as_millis(),
        until.collect::<String>()
    ))
}
