//! The options of `rydes submit`, and the command lines that repeat them.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::Args;

use crate::cli::Context;
use crate::cli::input::{read_details, text_of};
use crate::cli::until::stored;
use crate::core::{BestBy, Details, Ride, Until, parse_duration};
use crate::error::{Error, Result};
use crate::flow::draft::{
    DEADLINE, Draft, Misspelling, Submission, Term, Terms, check_deadline, misspellings, read_json,
};
use crate::settings::{Settings, quoted};
use crate::terminal::Output;
use crate::view::details::Field;

const USAGE: &str = "rydes submit FROM TO, or rydes submit --from CITY --to CITY";

#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "rydes submit FROM TO [--deadline 15s] [--until 3] [--wait]",
    after_help = "Examples:
  rydes submit Frankfurt \"Las Vegas\"
  rydes submit --from Frankfurt --to Rome      the same with options
  rydes submit Frankfurt Rome --deadline 5s --wait
  rydes submit A B --until 3 --until price:20  ends at 3 quotes or a price of 20
  rydes submit A B --count 1000
  rydes submit A B --details '{\"seats\": 4}' --best-by min:/eta-minutes
  rydes submit --file request.json
  rydes submit --batch requests.jsonl          one request per line

A request in a file is a JSON object with these fields:
  required  from, to
  optional  customer, rfq-id, details, deadline, until, best-by"
)]
pub(in crate::cli) struct Command {
    /// Start and end of the ride
    #[arg(value_name = "FROM TO")]
    cities: Vec<String>,
    /// Start of the ride
    #[arg(long, value_name = "CITY")]
    from: Option<String>,
    /// End of the ride
    #[arg(long, value_name = "CITY")]
    to: Option<String>,
    /// Name of the customer [default: anonymous]
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// Time that providers have to answer, 10ms to 24h [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    deadline: Option<Duration>,
    /// End early: after `3` quotes, or at a price of 20 or less with `price:20`; with --wait also
    /// after 5 s without news with `stall:5s`; repeatable
    #[arg(long, value_name = "CONDITION")]
    pub(super) until: Vec<Until>,
    /// What makes a quote the best: `price`, or a number in the details of the reply, the lowest or the
    /// highest, as in `min:/eta-minutes` or `max:/stars` [default: price]
    #[arg(long, value_name = "ORDER", value_parser = BestBy::from_str)]
    best_by: Option<BestBy>,
    /// Details for the providers: JSON, `@FILE`, or `@-` for stdin
    #[arg(long, value_name = "JSON", allow_negative_numbers = true, conflicts_with = "file")]
    details: Option<String>,
    /// Read the request from this JSON file, or from stdin with `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cities", "from", "to", "customer"])]
    file: Option<PathBuf>,
    /// Id of the RFQ, to submit it again after an error; nothing is doubled [default: a new one]
    #[arg(long, value_name = "ID")]
    rfq_id: Option<String>,
    /// Submit N copies in batches, each with its own id, up to 10000000
    #[arg(long, value_name = "N", conflicts_with_all = ["rfq_id", "wait"], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) count: Option<u32>,
    /// Submit the lines of this JSONL file in batches, or of stdin with `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cities", "from", "to", "customer", "details", "file", "rfq_id", "wait", "count"])]
    pub(super) batch: Option<PathBuf>,
    /// Wait for the quotes, as `rydes quotes --watch` does
    #[arg(short = 'w', long)]
    pub(super) wait: bool,
    /// With --wait: add a column, as `rydes quotes --show` does; repeatable
    #[arg(long, value_name = "FIELD", requires = "wait")]
    pub(super) show: Vec<Field>,
    /// With --wait: exit 0 where there is a best quote, however the wait ended
    #[arg(long, requires = "wait")]
    pub(super) accept_partial: bool,
}

pub(in crate::cli) fn deadline(text: &str) -> Result<Duration, String> {
    check_deadline(parse_duration(text)?)
}

/// Warns of a field that is ignored. `place` says where it is.
pub(super) fn warn(output: &Output, place: &str, misspelling: &Misspelling) {
    let Misspelling { written, meant } = misspelling;
    output.warning(&format!(
        "{place}`{}` is not a field of a request; it is ignored",
        quoted(written)
    ));
    output.hint(&format!("write `{meant}`"));
}

impl Command {
    /// The terms of requests that name none.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            deadline: self.deadline.map_or(Term::Default(DEADLINE), Term::Named),
            until: stored(&self.until),
            best_by: self.best_by.clone(),
        }
    }

    /// The request, checked before anything is sent.
    pub(super) async fn submission(&self, context: &Context) -> Result<Submission> {
        if let Some(file) = self.file.clone() {
            let (name, text) = text_of(context, file).await?;
            for misspelling in misspellings(&text) {
                warn(&context.output, &format!("{name}: "), &misspelling);
            }
            let (draft, terms) = read_json(&name, &text, &self.terms())?;
            let rfq_id = self.rfq_id.clone().or(draft.rfq_id);
            return Draft { rfq_id, ..draft }.check(str::to_owned, terms);
        }
        let (from, to) = self.cities()?;
        let Self { customer, rfq_id, .. } = self.clone();
        let is_missing = from.is_none() || to.is_none();
        let details = self.details(context).await?;
        let draft = Draft { ride: Ride { from, to, customer }, rfq_id, details };
        let is_placed = |field: &str| !self.cities.is_empty() && ["from", "to"].contains(&field);
        let name = |field: &str| {
            if is_placed(field) { field.to_uppercase() } else { format!("--{field}") }
        };
        let checked = draft.check(name, self.terms());
        checked.map_err(|error| if is_missing { error.hint(USAGE) } else { error })
    }

    /// Start and end of the ride, as two words or as two options.
    fn cities(&self) -> Result<(Option<String>, Option<String>)> {
        let option = self.from.as_ref().map(|_| "--from").or(self.to.as_ref().map(|_| "--to"));
        let problem = match (&self.cities[..], option) {
            ([], None) => "FROM and TO are missing".to_owned(),
            ([], Some(_)) => return Ok((self.from.clone(), self.to.clone())),
            ([from, to], None) => return Ok((Some(from.clone()), Some(to.clone()))),
            (_, Some(option)) => format!("FROM and TO cannot be used with `{option}`"),
            ([from], None) => format!("TO is missing after `{}`", quoted(from)),
            (more, None) => format!("FROM and TO are two cities, not {}", more.len()),
        };
        let error = Error::invalid(format!("{problem}; nothing was sent"));
        Err(match self.cities.len() {
            3.. => error.hint("a name of several words has quotes, as in \"Las Vegas\""),
            _ => error.hint(USAGE),
        })
    }

    async fn details(&self, context: &Context) -> Result<Option<Details>> {
        match &self.details {
            Some(typed) => read_details(context, typed).await,
            None => Ok(None),
        }
    }

    /// The command line that submits the same request again.
    pub(super) fn retry(&self, settings: &Settings, submission: &Submission) -> String {
        let is_file = |typed: &&str| typed.starts_with('@') && *typed != "@-";
        let details = self.details.as_deref().filter(is_file).map(quoted);
        // Details that were read with the ride are named with it.
        let file = self.file.as_ref().filter(|file| file.as_os_str() != "-");
        let file = file.filter(|_| submission.details.is_some());
        match file {
            Some(file) => {
                let ride = format!("--file {}", quoted(&file.display().to_string()));
                retry_of(settings, submission, &ride)
            }
            None => retry(settings, submission, details),
        }
    }
}

/// ` --deadline 15000ms` if it was named. A default is not compared with the stored request.
fn deadline_option(deadline: Term<Duration>) -> String {
    match deadline {
        Term::Named(length) => format!(" --deadline {}ms", length.as_millis()),
        Term::Default(_) => String::new(),
    }
}

/// Details as an option, if they are not too long for a command line.
fn typed_details(details: &Details) -> String {
    const LONGEST: usize = 1_000;
    if details.as_str().len() <= LONGEST { quoted(details.as_str()) } else { "@FILE".to_owned() }
}

/// The command line that submits the same request again. `details` is the quoted `@FILE` that was typed.
pub(super) fn retry(
    settings: &Settings,
    submission: &Submission,
    details: Option<String>,
) -> String {
    let ride = &submission.ride;
    let customer = if submission.is_customer_named {
        format!(" --customer {}", quoted(&ride.customer))
    } else {
        String::new()
    };
    let details = submission.details.as_ref().map_or(String::new(), |own| {
        format!(" --details {}", details.unwrap_or_else(|| typed_details(own)))
    });
    let (from, to) = (quoted(&ride.from), quoted(&ride.to));
    retry_of(settings, submission, &format!("--from {from} --to {to}{customer}{details}"))
}

/// The command line that submits a request again, with the options that name what is asked for.
fn retry_of(settings: &Settings, submission: &Submission, what: &str) -> String {
    let until = submission.until.iter().map(|until| format!(" --until {until}"));
    settings.command(&format!(
        "submit --rfq-id {} {what}{}{}{}",
        quoted(submission.id.as_str()),
        deadline_option(submission.deadline),
        until.collect::<String>(),
        best_by_option(submission.best_by.as_ref())
    ))
}

fn best_by_option(by: Option<&BestBy>) -> String {
    by.map_or(String::new(), |by| format!(" --best-by {}", quoted(&by.to_string())))
}

/// The command that reads lines from stdin, with the options for lines that name nothing else.
pub(super) fn from_stdin(settings: &Settings, command: &Command) -> String {
    let until = command.until.iter().map(|until| format!(" --until {until}"));
    let Terms { deadline, best_by, .. } = command.terms();
    let options = until.fold(deadline_option(deadline), |options, until| options + &until);
    let options = options + &best_by_option(best_by.as_ref());
    settings.command(&format!("submit --batch -{options}"))
}
