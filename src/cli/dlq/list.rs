//! `rydes dlq list`.

use std::collections::BTreeSet;

use clap::Args;

use super::super::recent::Recent;
use super::super::{Context, env};
use crate::aws::DeadLetter;
use crate::core::text::printable;
use crate::core::{Gist, RfqId};
use crate::error::{Error, Result, exit};
use crate::flow::letters::{QueueLook, look};
use crate::terminal::Format;
use crate::terminal::live::size;
use crate::view::count_of;
use crate::view::letters::{count, document, many, table};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list
  rydes dlq list 78c3                  the letters of one RFQ
  rydes dlq list --limit 1000 -o json")]
pub(super) struct List {
    /// The RFQ whose letters are listed, or the beginning of its id; default: all letters
    #[arg(value_name = "RFQ-ID")]
    rfq: Option<String>,
    /// How many letters of each queue are shown at the most
    #[arg(long, alias = "most", value_name = "N", default_value_t = 100)]
    limit: u16,
}

pub(super) async fn run(context: &Context, command: &List) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let wanted = match &command.rfq {
        Some(typed) => Some(Recent::of(&aws, env).find(Some(typed), &settings).await?),
        None => None,
    };
    let belongs = |letter: &DeadLetter| {
        wanted.as_ref().is_none_or(|wanted| rfq(letter).is_some_and(|id| begins(&id, wanted)))
    };
    let found = Box::pin(look(&aws, command.limit.into(), belongs));
    let found = context.visibly("reading the dead letters", found).await?;
    if let Some(wanted) = &wanted {
        is_one(wanted, &found)?;
    }
    match output.format {
        Format::Table | Format::Workshop => {
            let width = output.is_terminal().then(|| size().0);
            output.toned(&table(&found, &aws.names, &context.clock(), width));
            output.note(&sentence(&found, wanted.as_ref()));
            if found.iter().any(|letters| !letters.letters.is_empty()) {
                let show = settings.command("dlq show ID");
                let replay = settings.command("dlq replay --all");
                output.hint(&format!("{show} shows one in full; {replay} sends all back"));
            }
        }
        Format::Json | Format::Jsonl => output.json(&document(&found, &aws.names)),
    }
    Ok(exit::DONE)
}

/// `1 request and 2 replies`, `RFQ 78c371f6: 1 request and 0 replies, of about 12 letters`.
fn sentence(found: &[QueueLook; 2], wanted: Option<&RfqId>) -> String {
    let Some(wanted) = wanted else {
        let [requests, replies] = found;
        return format!("{} and {}", count(requests), count(replies));
    };
    let [requests, replies] = found.each_ref().map(|of| many(of.kind, of.letters.len() as u64));
    let held = count_of(found.iter().map(|of| of.held).sum(), "letter");
    let id = printable(&wanted.short());
    format!("RFQ {id}: {requests} and {replies}, of about {held}")
}

fn rfq(letter: &DeadLetter) -> Option<RfqId> {
    Gist::of(&letter.body).rfq
}

/// Whether this is the RFQ that was meant. The id of one that was submitted elsewhere may be its beginning only, as
/// the list shows it.
fn begins(id: &RfqId, wanted: &RfqId) -> bool {
    id == wanted
        || (wanted.as_str().chars().count() >= 4 && id.as_str().starts_with(wanted.as_str()))
}

/// Fails if the beginning of an id fits several RFQs.
fn is_one(wanted: &RfqId, found: &[QueueLook]) -> Result<()> {
    let ids: BTreeSet<_> = found.iter().flat_map(|of| &of.letters).filter_map(rfq).collect();
    if ids.len() < 2 || ids.contains(wanted) {
        return Ok(());
    }
    let all: Vec<_> = ids.iter().map(|id| printable(id.as_str())).collect();
    let wanted = printable(wanted.as_str());
    Err(Error::invalid(format!("`{wanted}` may be any of {}", all.join(", "))))
}
