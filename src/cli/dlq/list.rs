//! `rydes dlq list`.

use std::collections::BTreeSet;

use clap::Args;

use super::super::gathering::unknown;
use super::super::recent::Recent;
use super::super::{Context, env};
use crate::aws::{Aws, DeadLetter};
use crate::core::prefix::{Beginning, ambiguous, is_long_enough, too_short};
use crate::core::text::printable;
use crate::core::{Gist, RfqId};
use crate::error::{Error, Result, exit};
use crate::flow::letters::{QueueLook, look};
use crate::flow::quotes::snapshot;
use crate::settings::{Settings, quoted};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::letters::{count, document, many, short_ids, table};

/// The most letters that a hint names.
const MOST_NAMED: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list
  rydes dlq list 78c3                  the letters of one RFQ
  rydes dlq list --limit 1000 -o json")]
pub(super) struct List {
    /// Id of the RFQ, or its first 4 or more characters [default: the letters of all]
    #[arg(value_name = "RFQ-ID")]
    rfq: Option<String>,
    /// Most letters shown of each queue
    #[arg(long, alias = "most", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
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
        require_one(wanted, &found)?;
        require_known(context, &aws, wanted, &found).await?;
    }
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            let width = output.width();
            output.toned(&table(&found, &aws.names, &context.clock(), width));
            output.note(&sentence(&found, wanted.as_ref(), command.limit.into()));
            if found.iter().any(|letters| !letters.letters.is_empty()) {
                output.next(&next(&settings, &found, wanted.as_ref()));
            }
        }
        Format::Json | Format::Jsonl => output.json(&document(&found, &aws.names)),
    }
    Ok(exit::DONE)
}

/// `1 request and 2 replies`, `RFQ 78c371f6: 1 request and 0 replies, of about 12 letters`.
fn sentence(found: &[QueueLook; 2], wanted: Option<&RfqId>, limit: usize) -> String {
    let Some(wanted) = wanted else {
        let [requests, replies] = found;
        return format!("{} and {}", count(requests), count(replies));
    };
    let [requests, replies] = found.each_ref().map(|of| many(of.kind, of.letters.len() as u64));
    let held = count_of(found.iter().map(|of| of.held).sum(), "letter");
    let id = printable(&wanted.short());
    let is_cut = |of: &QueueLook| of.letters.len() >= limit && of.held > of.letters.len() as u64;
    let cut = if found.iter().any(is_cut) {
        format!("; the search ended at `--limit {limit}`")
    } else {
        String::new()
    };
    format!("RFQ {id}: {requests} and {replies}, of about {held}{cut}")
}

/// How to look at the letters, and how to send back those that are shown.
fn next(
    settings: &Settings,
    found: &[QueueLook; 2],
    wanted: Option<&RfqId>,
) -> [(String, &'static str); 2] {
    let show = (settings.command("dlq show ID"), "one in full");
    let ids = short_ids(found);
    let replay = match wanted {
        None => (settings.command("dlq replay --all"), "send all back"),
        Some(_) if ids.len() > MOST_NAMED => (settings.command("dlq replay ID"), "send one back"),
        Some(_) => {
            let what = if ids.len() == 1 { "send it back" } else { "send them back" };
            let named: Vec<_> = ids.iter().map(|id| quoted(id)).collect();
            (settings.command(&format!("dlq replay {}", named.join(" "))), what)
        }
    };
    [show, replay]
}

fn rfq(letter: &DeadLetter) -> Option<RfqId> {
    Gist::of(&letter.body).rfq
}

/// Whether this is the RFQ that was meant. The id of one that was submitted elsewhere may be its beginning only, as
/// the list shows it.
fn begins(id: &RfqId, wanted: &RfqId) -> bool {
    id == wanted || (is_long_enough(wanted.as_str()) && id.as_str().starts_with(wanted.as_str()))
}

/// Fails unless a letter names this RFQ, this machine remembers it, or the table has it.
async fn require_known(
    context: &Context,
    aws: &Aws,
    wanted: &RfqId,
    found: &[QueueLook],
) -> Result<()> {
    let has_letters = found.iter().any(|of| !of.letters.is_empty());
    if has_letters || Recent::of(aws, env).knows(wanted).await {
        return Ok(());
    }
    let read = context.visibly("reading the table", Box::pin(snapshot(aws, wanted, None)));
    match read.await? {
        Some(_) => Ok(()),
        None => Err(unknown(aws, wanted).await),
    }
}

/// Fails if the beginning of an id fits several RFQs, or none because it is too short.
fn require_one(wanted: &RfqId, found: &[QueueLook]) -> Result<()> {
    let ids: BTreeSet<_> = found.iter().flat_map(|of| &of.letters).filter_map(rfq).collect();
    match Beginning::of(wanted.as_str(), ids.iter().map(RfqId::as_str)) {
        Beginning::None if !is_long_enough(wanted.as_str()) => {
            Err(Error::invalid(too_short(wanted.as_str(), "an RFQ")))
        }
        Beginning::None | Beginning::One(_) => Ok(()),
        Beginning::Several(all) => Err(Error::invalid(ambiguous(wanted.as_str(), &all))),
    }
}
