//! The options of `rydes submit`, and the command lines that repeat them.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::until::stored;
use crate::cli::{Context, attended};
use crate::core::text::printable;
use crate::core::{Condition, Ride, Until, parse_duration};
use crate::error::{Error, Result};
use crate::flow::draft::{
    DEADLINE, Draft, JSON_MAX, Submission, Term, check_deadline, object, utf8,
};
use crate::settings::{Settings, quoted};

const USAGE: &str = "rydes submit --from CITY --to CITY [--deadline 15s] [--wait]";

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
pub(in crate::cli) struct Command {
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
    pub(super) count: Option<u32>,
    /// Submit each line of a JSONL file in batches, or of stdin with `-`; lines that have an
    /// `rfq-id` may be submitted again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "customer", "file", "rfq_id", "wait", "count"])]
    pub(super) batch: Option<PathBuf>,
    /// Go on as `rydes quotes --watch`
    #[arg(short = 'w', long)]
    pub(super) wait: bool,
}

pub(in crate::cli) fn deadline(text: &str) -> Result<Duration, String> {
    check_deadline(parse_duration(text)?)
}

impl Command {
    pub(super) fn deadline(&self) -> Term<Duration> {
        self.deadline.map_or(Term::Default(DEADLINE), Term::Named)
    }

    pub(super) fn conditions(&self) -> Vec<Condition> {
        stored(&self.until)
    }

    /// The request, checked before anything is sent.
    pub(super) async fn submission(&self, context: &Context) -> Result<Submission> {
        let draft = self.draft(context).await?;
        if self.file.is_some() {
            return draft.check(str::to_owned, self.deadline(), self.conditions());
        }
        let is_missing = draft.ride.from.is_none() || draft.ride.to.is_none();
        let option = |field: &str| format!("--{field}");
        let checked = draft.check(option, self.deadline(), self.conditions());
        checked.map_err(|error| if is_missing { error.hint(USAGE) } else { error })
    }

    /// The request, from the options or a file.
    async fn draft(&self, context: &Context) -> Result<Draft> {
        let rfq_id = self.rfq_id.clone();
        let Some(file) = self.file.clone() else {
            let Self { from, to, customer, .. } = self.clone();
            return Ok(Draft { ride: Ride { from, to, customer }, rfq_id });
        };
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "stdin".to_owned() } else { file.display().to_string() };
        // Stdin and pipes may block for any time.
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
        Ok(Draft { rfq_id, ..Draft::of_event(&name, &object(&name, &text)?)? })
    }
}

/// Reads everything, but at most one byte more than a request may have.
fn read(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(JSON_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
}

/// ` --deadline 15000ms` if it was named. A default is not compared with the stored request.
fn deadline_option(deadline: Term<Duration>) -> String {
    match deadline {
        Term::Named(length) => format!(" --deadline {}ms", length.as_millis()),
        Term::Default(_) => String::new(),
    }
}

/// The command line that submits the same request again.
pub(super) fn retry(settings: &Settings, submission: &Submission) -> String {
    let until = submission.until.iter().map(|until| format!(" --until {until}"));
    let ride = &submission.ride;
    let customer = if submission.is_customer_named {
        format!(" --customer {}", quoted(&ride.customer))
    } else {
        String::new()
    };
    settings.command(&format!(
        "submit --rfq-id {} --from {} --to {}{customer}{}{}",
        quoted(submission.id.as_str()),
        quoted(&ride.from),
        quoted(&ride.to),
        deadline_option(submission.deadline),
        until.collect::<String>()
    ))
}

/// The command that reads lines from stdin, with the options for lines that name nothing else.
pub(super) fn from_stdin(settings: &Settings, command: &Command) -> String {
    let until = command.until.iter().map(|until| format!(" --until {until}"));
    let options =
        until.fold(deadline_option(command.deadline()), |options, until| options + &until);
    settings.command(&format!("submit --batch -{options}"))
}
