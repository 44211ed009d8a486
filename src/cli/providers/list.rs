//! `rydes providers list`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::config;
use crate::cli::{Context, setup_again};
use crate::core::Senders;
use crate::core::text::printable;
use crate::error::{Result, exit};
use crate::flow::provider::Served;
use crate::stack::{self, ProviderKind, Registered, Subscriber, Subscribers, SubscriptionDelivery};
use crate::terminal::Format;
use crate::view::served::{SIMULATED, document, what_answers};
use crate::view::subscriptions::{self, add_delivery, unmarked};
use crate::view::table::{Column, lines_without};
use crate::view::tone::{Line, Tone};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers list
  rydes providers list --config providers.toml   with what answers for each
  rydes providers list --json")]
pub(super) struct Command {
    /// Show how `providers run --config FILE` would serve each provider
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let settings = context.settings()?;
    let config = command.config.as_deref();
    let config = config.map(|path| config::read(path, &settings.stack)).transpose()?;
    let aws = context.connect(&settings).await?;
    let look = Box::pin(stack::register_in_full(&aws));
    let (register, subscribers) = context.visibly("reading the register", look).await?;
    let delivery = |entry: &Registered| {
        let is_its = |one: &&Subscriber| one.queue_arn == entry.queue_arn;
        subscribers.live.iter().find(is_its)?.delivery.as_ref()
    };
    let served = |entry: &Registered| -> Option<&Served> {
        let real = config.as_ref()?.served.iter();
        let is_external = entry.kind == ProviderKind::External;
        real.into_iter().find(|one| is_external && Some(&one.name) == entry.name.as_ref())
    };
    if matches!(context.output.format, Format::Json | Format::Jsonl) {
        let entry = |entry: &Registered| {
            let mut provider = json!({
                "provider": entry.responder.as_str(),
                "kind": entry.kind.word(),
                "queue": entry.queue,
                "queue-arn": entry.queue_arn,
            });
            add_delivery(&mut provider, delivery(entry));
            provider["senders"] = json!(entry.senders.as_ref().map(Senders::ids));
            if config.is_some() {
                provider["served-by"] = json!(served(entry).map(document));
            }
            provider
        };
        context.output.json(&json!({
            "providers": register.iter().map(entry).collect::<Vec<_>>(),
            "inactive": subscriptions::inactive(&subscribers.inactive),
            "non-queue-subscribers": subscriptions::non_queues(&subscribers.non_queues),
            "unmarked-filters": subscribers.is_unmarked,
        }));
        return Ok(exit::DONE);
    }
    let row = |entry: &Registered| {
        let mut row = vec![
            printable(entry.responder.as_str()),
            entry.kind.word().to_owned(),
            printable(&entry.queue),
            note(delivery(entry), entry),
        ];
        if config.is_some() {
            row.insert(2, served_by(entry, served(entry)));
        }
        row
    };
    let rows: Vec<_> = register.iter().map(row).collect();
    let mut columns = ["PROVIDER", "KIND", "QUEUE", ""].map(Column::Left).to_vec();
    if config.is_some() {
        columns.insert(2, Column::Left("SERVED BY"));
    }
    // A queue has the name of its stack and of its provider.
    let spare = columns.len() - 2;
    let width = context.output.width();
    let mut table = lines_without(&columns, &rows, spare, width).into_iter();
    let title = table.next().map(|title| Line::new(Tone::Faint, title));
    context.output.toned(&title.into_iter().chain(table.map(Line::from)).collect::<Vec<_>>());
    // Each live subscription already has a row.
    let inactive = Subscribers { live: Vec::new(), ..subscribers.clone() };
    for sentence in subscriptions::sentences(&inactive, None) {
        context.output.note(&sentence);
    }
    if let Some(sentence) = unmarked(&subscribers, &settings.command(&setup_again(&subscribers))) {
        context.output.hint(&sentence);
    }
    Ok(exit::DONE)
}

/// What is particular about a provider: its filter, and its senders.
fn note(delivery: Option<&SubscriptionDelivery>, entry: &Registered) -> String {
    let senders = entry.senders.as_ref().map(|senders| format!("sent by {senders}"));
    let filter = Some(subscriptions::note(delivery)).filter(|filter| !filter.is_empty());
    senders.into_iter().chain(filter).collect::<Vec<_>>().join("; ")
}

/// How `providers run` with the file serves a provider.
fn served_by(entry: &Registered, served: Option<&Served>) -> String {
    match (entry.kind, served) {
        (ProviderKind::Simulated, _) => SIMULATED.to_owned(),
        (ProviderKind::External, Some(served)) => what_answers(&served.by),
        (ProviderKind::External, None) => "-".to_owned(),
    }
}
