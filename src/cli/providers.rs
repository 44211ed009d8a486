//! `rydes providers run|list|add|remove`.

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde_json::json;

use super::workers;
use super::{Context, waiting};
use crate::consumer::retry_transient;
use crate::core::ProviderName;
use crate::core::text::printable;
use crate::error::{Error, Result, exit};
use crate::settings::Settings;
use crate::stack::{self, Change, OpenRequests, ProviderKind, Registered, Removed, Untagged};
use crate::stack::{Subscriber, Subscribers};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::subscriptions::{self, add_delivery};
use crate::view::table::{Column, lines};

/// Run the simulated providers; list, add and remove providers.
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
    /// Answer requests as the simulated providers, and gather the answers
    Run(workers::Providers),
    /// Show who is subscribed, and what their subscriptions filter
    List,
    /// Make a queue and a subscription for a real provider
    Add(Add),
    /// Unsubscribe providers and delete their queues
    ///
    /// An empty queue is counted for a minute on AWS (2 s on LocalStack) before it is deleted, since
    /// counts lag behind. A queue that holds requests is kept.
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  rydes providers add acme         prints what acme has to know")]
struct Add {
    /// The provider's name: a letter, then letters, digits or `_`
    #[arg(value_name = "NAME", value_parser = ProviderName::parse)]
    name: ProviderName,
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
        Action::Run(command) => run_workers(context, command).await,
        Action::List => list(context).await,
        Action::Add(command) => add(context, command).await,
        Action::Remove(command) => remove(context, command).await,
    }
}

async fn run_workers(context: &Context, command: workers::Providers) -> Result<u8> {
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let register = Box::pin(retry_transient(async || stack::register(&aws).await));
    let register = context.visibly("reading the register", register).await?;
    let providers = chosen(&settings, &register, &command.names)?;
    for fault in command.faults() {
        if let Some(name) = &fault.provider
            && !providers.contains(name)
        {
            return Err(Error::invalid(format!(
                "`--fault`: {name} is not among the simulated providers that would run"
            )));
        }
    }
    let plan = command.plan(providers);
    Box::pin(workers::run(context, &settings, &aws, &plan, &command.common)).await
}

/// The named providers, or all simulated ones.
fn chosen(
    settings: &Settings,
    register: &[Registered],
    names: &[ProviderName],
) -> Result<Vec<ProviderName>> {
    let simulated = |entry: &&Registered| entry.kind == ProviderKind::Simulated;
    if names.is_empty() {
        let all: Vec<_> =
            register.iter().filter(simulated).filter_map(|entry| entry.name.clone()).collect();
        if all.is_empty() {
            return Err(Error::other("no simulated provider is subscribed")
                .hint(format!("{} makes them", settings.command("setup"))));
        }
        return Ok(all);
    }
    let mut all = Vec::new();
    for name in names {
        match register.iter().find(|entry| entry.name.as_ref() == Some(name)) {
            Some(entry) if entry.kind == ProviderKind::Simulated => all.push(name.clone()),
            Some(_) => {
                return Err(Error::invalid(format!(
                    "{name} is a real provider; rydes makes prices up only for simulated ones"
                )));
            }
            None => return Err(Error::invalid(format!("no provider {name} is subscribed"))),
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

async fn list(context: &Context) -> Result<u8> {
    let aws = context.connect(&context.settings()?).await?;
    let look = Box::pin(stack::register_in_full(&aws));
    let (register, subscribers) = context.visibly("reading the register", look).await?;
    let delivery = |entry: &Registered| {
        let is_its = |one: &&Subscriber| one.queue_arn == entry.queue_arn;
        subscribers.live.iter().find(is_its)?.delivery.as_ref()
    };
    if matches!(context.output.format, Format::Json | Format::Jsonl) {
        let entry = |entry: &Registered| {
            let mut document = json!({
                "provider": entry.responder.as_str(),
                "kind": entry.kind.word(),
                "queue": entry.queue,
                "queue-arn": entry.queue_arn,
            });
            add_delivery(&mut document, delivery(entry));
            document
        };
        context.output.json(&json!({
            "providers": register.iter().map(entry).collect::<Vec<_>>(),
            "inactive": subscriptions::inactive(&subscribers.inactive),
        }));
        return Ok(exit::DONE);
    }
    let row = |entry: &Registered| {
        vec![
            printable(entry.responder.as_str()),
            entry.kind.word().to_owned(),
            printable(&entry.queue),
            subscriptions::note(delivery(entry)),
        ]
    };
    let rows: Vec<_> = register.iter().map(row).collect();
    let columns = ["PROVIDER", "KIND", "QUEUE", ""].map(Column::Left);
    context.output.lines(&lines(&columns, &rows));
    // Each live subscription already has a row.
    let inactive = Subscribers { live: Vec::new(), ..subscribers.clone() };
    for sentence in subscriptions::sentences(&inactive, None) {
        context.output.note(&sentence);
    }
    Ok(exit::DONE)
}

async fn add(context: &Context, command: Add) -> Result<u8> {
    let output = &context.output;
    let aws = context.connect(&context.settings()?).await?;
    output.note(&aws.target_line());
    let untagged = if command.adopt { Untagged::Adopt } else { Untagged::Refuse };
    let on_wait = waiting(output);
    let added = stack::add(&aws, &command.name, untagged, &on_wait).await?;
    drop(on_wait);
    if matches!(output.format, Format::Json | Format::Jsonl) {
        output.json(&json!({
            "provider": command.name.as_str(),
            "created": added.queue == Change::Created,
            "queue-url": added.queue_url,
            "queue-arn": added.queue_arn,
            "response-queue-url": added.response_queue_url,
            "response-queue-arn": added.response_queue_arn,
        }));
        return Ok(exit::DONE);
    }
    let name = &command.name;
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
        "a request              {\"rfq-id\": ..., \"from\": ..., \"to\": ..., \"customer\": ..., \"deadline\": ...}"
            .to_owned(),
        format!(
            "a reply                {{\"responder\": \"{name}\", \"rfq-id\": ..., \"quote\": 57}}"
        ),
        "                       or \"declined\": \"why\" in the place of the quote".to_owned(),
        "rights                 sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility on the first,"
            .to_owned(),
        "                       sqs:SendMessage on the second".to_owned(),
    ] {
        output.data(&line);
    }
    Ok(exit::DONE)
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
