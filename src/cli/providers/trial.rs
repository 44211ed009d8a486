//! `rydes providers try`: asks a program or an endpoint once, without AWS.

use std::io::{IsTerminal as _, Read as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::service::ServiceArgs;
use crate::cli::input::read_details;
use crate::cli::{Context, attended, env};
use crate::core::{
    Answer, ProviderName, Request, RfqId, Ride, StackName, Timestamp, show_duration,
};
use crate::error::{Error, Result, exit};
use crate::flow::draft::check_message_size;
use crate::flow::events::{Event, Sink};
use crate::flow::provider::{Consequence, Trial, TrialRequest, ask_once};
use crate::settings::Env;
use crate::terminal::{Format, Output};
use crate::view::events::said;

/// The most that a request may have, in bytes: what SQS takes.
const MAX_REQUEST: u64 = 1_048_576;
/// The deadline of a request that is made up.
const DEADLINE: Duration = Duration::from_secs(15);
const FROM: &str = "Frankfurt";
const TO: &str = "Las Vegas";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers try -- ./quote.py
  rydes providers try --from Oslo --to Rome --http http://localhost:8000/rides
  rydes providers try < request.json -- ./quote.py

Request: read from stdin, unless an option names it or stdin is a terminal.

Exit code: 0 for a quote, a decline or a receipt, 8 for a failure.")]
pub(super) struct Command {
    /// Start of the ride [default: Frankfurt]
    #[arg(long, value_name = "CITY")]
    from: Option<String>,
    /// End of the ride [default: Las Vegas]
    #[arg(long, value_name = "CITY")]
    to: Option<String>,
    /// Name of the customer
    #[arg(long, value_name = "NAME", default_value = "try")]
    customer: String,
    /// Details of the request: JSON, `@FILE`, or `@-` for stdin
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    details: Option<String>,
    /// Name of the provider in the reply
    #[arg(long, value_name = "NAME", default_value = "trial", value_parser = ProviderName::parse)]
    provider: ProviderName,
    #[command(flatten)]
    service: ServiceArgs,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let Some(by) = command.service.served_by(None)? else {
        return Err(Error::invalid("no program and no endpoint to try")
            .hint("`rydes providers try -- PROGRAM` or `rydes providers try --http URL`"));
    };
    let (request, body) = command.request(context).await?;
    let stack = stack_name(context)?;
    let output = context.output.clone();
    let sink: Sink<Event> = Arc::new(move |event| {
        if let Event::Said { provider, line } = event {
            output.note(&said(&provider, &line));
        }
    });
    let provider = &command.provider;
    let asked = TrialRequest { provider, stack: &stack, by: &by, request: &request, body: &body };
    let trial = ask_once(asked, &sink).await?;
    print(&context.output, &request, &trial);
    let is_failed = matches!(trial.reply.answer, Answer::Failed { .. });
    Ok(if is_failed { exit::BAD_VERDICT } else { exit::DONE })
}

/// The stack that the provider sees. Nothing else about the backend matters here.
fn stack_name(context: &Context) -> Result<StackName> {
    let variable = Env::new(&env).text("RYDES_STACK")?;
    let name = context.typed.stack.clone().or(variable);
    StackName::parse(name.as_deref().unwrap_or(StackName::DEFAULT)).map_err(Error::invalid)
}

impl Command {
    /// The request, and its text: made of the options, or read from stdin.
    async fn request(&self, context: &Context) -> Result<(Request, String)> {
        let is_typed = self.from.is_some() || self.to.is_some() || self.details.is_some();
        if is_typed || std::io::stdin().is_terminal() {
            let ride = Ride {
                from: self.from.clone().unwrap_or_else(|| FROM.to_owned()),
                to: self.to.clone().unwrap_or_else(|| TO.to_owned()),
                customer: self.customer.clone(),
            };
            let now = Timestamp::now();
            let (submitted_at, deadline) = (Some(now), Some(now.plus(DEADLINE)));
            let request = Request { id: RfqId::random(), ride, submitted_at, deadline };
            let details = match &self.details {
                Some(typed) => read_details(context, typed).await?,
                None => None,
            };
            let body = request.encode(details.as_ref());
            check_message_size(body.len())?;
            return Ok((request, body));
        }
        let read = || {
            let mut body = String::new();
            std::io::stdin().take(MAX_REQUEST + 1).read_to_string(&mut body).map(|_| body)
        };
        let body = attended(context, read).await?;
        let body = body.map_err(|error| Error::invalid("cannot read stdin").because(error))?;
        if body.trim().is_empty() {
            return Err(Error::invalid("stdin holds no request")
                .hint("give --from and --to, or a request on stdin"));
        }
        if body.len() as u64 > MAX_REQUEST {
            return Err(Error::invalid(format!("the request is longer than {MAX_REQUEST} bytes")));
        }
        let (request, published) = Request::delivered(&body)
            .map_err(|reason| Error::invalid(format!("stdin holds no request: {reason}")))?;
        let published = published.into_owned();
        Ok((request, published))
    }
}

fn print(output: &Output, request: &Request, trial: &Trial) {
    let reply = trial.reply.encode();
    let problem = problem(request, trial);
    if matches!(output.format, Format::Json | Format::Jsonl) {
        let reply: Value = serde_json::from_str(&reply).expect("a reply is JSON");
        let took = u64::try_from(trial.took.as_millis()).unwrap_or(u64::MAX);
        output.json(&json!({"reply": reply, "took-ms": took, "problem": problem}));
        return;
    }
    output.data(&reply);
    let kind = match &trial.reply.answer {
        Answer::Quote(price) => format!("quote of {price}"),
        other => other.kind().to_owned(),
    };
    output.note(&format!("{kind} after {} ms", trial.took.as_millis()));
    if let Some(problem) = problem {
        output.warning(&problem);
    }
}

/// What is wrong, and what a worker would do about it.
fn problem(request: &Request, trial: &Trial) -> Option<String> {
    let reason = trial.reply.answer.reason().unwrap_or_default();
    let answered = trial.reply.answered_at.zip(request.deadline);
    Some(match trial.consequence {
        Consequence::Retry => format!(
            "{reason}: a worker would make up to five attempts, then send this failure and keep the \
             request among the dead letters"
        ),
        Consequence::DeadLetter => format!(
            "{reason}: a worker would send this failure and keep the request among the dead letters"
        ),
        Consequence::Expired => {
            "the deadline of the request has passed, so the provider was not asked".to_owned()
        }
        Consequence::None if matches!(trial.reply.answer, Answer::Failed { .. }) => {
            format!("{reason}: a worker would send this failure")
        }
        Consequence::None => match answered {
            Some((answered, deadline)) if answered > deadline => {
                let late = show_duration(answered.saturating_since(deadline));
                format!("the answer is {late} after the deadline: it would be late")
            }
            _ => return None,
        },
    })
}
