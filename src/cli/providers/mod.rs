//! `rydes providers run|list|add|remove|try`.

mod config;
mod list;
mod program;
mod run;
pub(super) mod service;
mod trial;

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, waiting};
use crate::cli::input::typed_or_read;
use crate::core::ProviderName;
use crate::core::filter::{FilterPolicy, FilterScope, PolicyProblem, is_operator};
use crate::core::text::{printable, trimmed};
use crate::error::{Error, Kind, Result, exit};
use crate::stack::{self, Change, Filter, OpenRequests, ProviderKind, Removed, Untagged};
use crate::terminal::{Format, Output};
use crate::view::count_of;

/// Run providers, simulated and real; list, add, remove and try them.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

impl Command {
    /// Whether this runs workers, which handle signals themselves.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.action, Action::Run(_))
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Answer requests as simulated providers, or by a program or an endpoint; gather the answers
    Run(run::Command),
    /// Show who is subscribed, and what their subscriptions filter
    List(list::Command),
    /// Make a queue and a subscription for a real provider
    Add(Add),
    /// Unsubscribe providers and delete their queues
    ///
    /// An empty queue is counted for a minute on AWS (2 s on LocalStack) before it is deleted, since
    /// counts lag behind. A queue that holds requests is kept.
    Remove(Remove),
    /// Ask a program or an endpoint once, without AWS, and show the reply that would be sent
    Try(trial::Command),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers add acme         prints what acme has to know
  rydes providers add acme --only '{\"from\": [\"Oslo\"]}'
  rydes providers add acme --only '{}'     lets every request through again")]
struct Add {
    /// The provider's name: a letter, then letters, digits or `_`
    #[arg(value_name = "NAME", value_parser = ProviderName::parse)]
    name: ProviderName,
    /// Filter policy: ask the provider only for requests that match it. JSON, `@FILE`, or `@-` for
    /// stdin; `{}` removes it [default: keep the current policy]
    #[arg(long, value_name = "POLICY")]
    only: Option<String>,
    /// Take over a queue of the right name that lacks the stack's tag
    #[arg(long)]
    adopt: bool,
}

#[derive(Debug, Args)]
struct Remove {
    /// The providers
    #[arg(value_name = "NAME", required = true, value_parser = ProviderName::parse)]
    names: Vec<ProviderName>,
    /// Delete queues that still hold requests, which are lost
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    match command.action {
        Action::Run(command) => run::run(context, command).await,
        Action::List(command) => list::run(context, command).await,
        Action::Try(command) => trial::run(context, command).await,
        Action::Add(command) => add(context, command).await,
        Action::Remove(command) => remove(context, command).await,
    }
}

async fn add(context: &Context, command: Add) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let filter = match &command.only {
        Some(typed) => Some(policy(output, &typed_or_read(context, typed).await?)?),
        None => None,
    };
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let untagged = if command.adopt { Untagged::Adopt } else { Untagged::Refuse };
    let on_wait = waiting(output);
    let adding = Box::pin(stack::add(&aws, &command.name, filter.as_ref(), untagged, &on_wait));
    let added = adding.await.map_err(|error| match (error.kind(), &filter) {
        (Kind::Other, Some(_)) => {
            let remove = settings.command(&format!("providers remove {}", command.name));
            error.hint(format!("if a queue was made before this error: {remove}"))
        }
        _ => error,
    })?;
    drop(on_wait);
    if matches!(output.format, Format::Json | Format::Jsonl) {
        output.json(&json!({
            "provider": command.name.as_str(),
            "created": added.queue == Change::Created,
            "queue-url": added.queue_url,
            "queue-arn": added.queue_arn,
            "response-queue-url": added.response_queue_url,
            "response-queue-arn": added.response_queue_arn,
            "filter-policy": added.filter.as_ref().map(|filter| &filter.policy),
        }));
        return Ok(exit::DONE);
    }
    let name = &command.name;
    let asked = match (&added.filter, &filter) {
        (Some(filter), _) => Some(format!(
            "{name} is asked only for requests that match {}",
            printable(&filter.policy)
        )),
        (None, Some(_)) => Some(format!("{name} is asked for every request")),
        (None, None) => None,
    };
    let note_filter = || {
        if let Some(asked) = &asked {
            output.note(asked);
        }
        if filter.is_some() && aws.is_real() {
            output.note("AWS takes up to 15 minutes to apply a filter");
        }
    };
    if added.kind == ProviderKind::Simulated {
        note_filter();
        return Ok(exit::DONE);
    }
    let what = match (&added.queue, &added.subscription) {
        (Change::Kept, Change::Kept) => "was there already",
        _ => "is ready",
    };
    output.note(&format!("{name} {what}; what its owner needs:"));
    for line in [
        format!("receive requests from  {}", added.queue_url),
        format!("                       {}", added.queue_arn),
        format!("send replies to        {}", added.response_queue_url),
        format!("                       {}", added.response_queue_arn),
        "a request              {\"rfq-id\": ..., \"from\": ..., \"to\": ..., \"customer\": ..., \"deadline\": ..., \"details\": ...}"
            .to_owned(),
        format!(
            "a reply                {{\"responder\": \"{name}\", \"rfq-id\": ..., \"quote\": 57}}"
        ),
        "                       or \"declined\": \"why\" in the place of the quote; perhaps \"details\"".to_owned(),
        "rights                 sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility on the first,"
            .to_owned(),
        "                       sqs:SendMessage on the second".to_owned(),
    ] {
        output.data(&line);
    }
    note_filter();
    let run = settings.command(&format!("providers run {name} -- PROGRAM"));
    output.note(&format!("next: {run}, or with --http URL; or a consumer of its own"));
    Ok(exit::DONE)
}

/// The fields of a request's message.
const FIELDS: [&str; 7] =
    ["rfq-id", "from", "to", "customer", "submitted-at", "deadline", "details"];

/// Checks a policy on the message's body. What it does with some requests may be unknown; that is a warning.
fn policy(output: &Output, json: &str) -> Result<Filter> {
    let wrong = |problem: PolicyProblem| Error::invalid(format!("`--only`: {problem}"));
    let policy = FilterPolicy::parse(json).map_err(wrong)?;
    policy.check(FilterScope::MessageBody).map_err(wrong)?;
    for unknown in policy.unknowns() {
        output.warning(&format!(
            "`rydes` does not know {} at {}; where it decides, an answer is expected",
            unknown.what, unknown.place
        ));
    }
    for key in policy.keys() {
        let (first, _) = key.split_once('.').unwrap_or((key, ""));
        if !FIELDS.contains(&first) {
            output.warning(&format!(
                "requests have no field `{first}`; they have {}",
                FIELDS.map(|field| format!("`{field}`")).join(", ")
            ));
        }
        if let Some(operator) = key.split('.').find(|part| is_operator(part)) {
            output.warning(&format!(
                "`{operator}` in `{key}` is read as a key; an operator stands in an array, as in \
                 `[{{\"{operator}\": ...}}]`"
            ));
        }
    }
    Ok(Filter { policy: trimmed(json).to_owned(), scope: FilterScope::MessageBody })
}

async fn remove(context: &Context, command: Remove) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let requests = if command.force { OpenRequests::Lose } else { OpenRequests::Keep };
    let mut names = command.names;
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let on_wait = waiting(output);
    let removed = Box::pin(stack::remove(&aws, &names, requests, &on_wait)).await?;
    drop(on_wait);
    let (mut code, mut report) = (exit::DONE, Vec::new());
    for (name, removed) in names.iter().zip(removed) {
        let (state, left) = match removed {
            Removed::Gone(lost) => ("removed", lost),
            Removed::Kept(left) => ("unsubscribed", left),
            Removed::Nothing => ("nothing", 0),
        };
        report.push(json!({"provider": name.as_str(), "state": state, "requests": left}));
        match removed {
            Removed::Gone(0) => output.note(&format!("{name} is removed")),
            Removed::Gone(lost) => {
                let are = if lost == 1 { "is" } else { "are" };
                let lost = count_of(lost, "request");
                output.note(&format!("{name} is removed; {lost} in its queue {are} lost"));
            }
            Removed::Nothing => output.note(&format!("{name} was not there")),
            Removed::Kept(left) => {
                code = exit::ERROR;
                let left = count_of(left, "request");
                output.warning(&format!(
                    "{name} is unsubscribed, but its queue was kept: it holds {left}"
                ));
                let again = settings.command(&format!("providers remove {name}"));
                output.hint(&format!("{again} once it is empty, or with --force to lose them"));
            }
        }
    }
    if matches!(output.format, Format::Json | Format::Jsonl) {
        output.json(&json!({"providers": report}));
    }
    Ok(code)
}
