//! `rydes dlq purge`.

use clap::Args;

use super::super::Context;
use super::super::confirmation::Confirmation;
use super::{hidden, missing};
use crate::error::{Error, Result, exit};
use crate::flow::letters::ids;
use crate::flow::purge::{Purged, count, purge};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::replayed::{counted, purge_document, purged};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq purge                      counts the letters and asks
  rydes dlq purge --yes                for scripts
  rydes dlq purge 2f9c1c5e             one of them")]
pub(super) struct Purge {
    /// Only these letters, by their ids or the beginnings of them
    #[arg(value_name = "ID", value_parser = an_id_not_all)]
    typed: Vec<String>,
    /// Same as the argument ID; repeatable
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) async fn run(context: &Context, command: Purge) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line_with_account());
    let look = async {
        let chosen = match [command.typed, command.ids].concat().as_slice() {
            [] => None,
            typed => Some(ids(&aws, typed).await?),
        };
        let found = count(&aws, chosen.as_ref()).await?;
        Ok((chosen, found))
    };
    let (chosen, found) = context.visibly("counting the dead letters", Box::pin(look)).await?;
    let is_there = |id: &&String| found.iter().any(|of| of.ids.contains(*id));
    let mut absent: Vec<_> = chosen.iter().flatten().filter(|id| !is_there(id)).cloned().collect();
    absent.sort();
    if !absent.is_empty() {
        return Err(missing(&aws, &settings, &absent, "; nothing was deleted").await);
    }
    let held = found.iter().map(|of| of.hidden).sum();
    let counts = found.each_ref().map(|of| of.ids.len());
    let mut done = Purged::default();
    let mut outcome = Ok(());
    if counts != [0, 0] {
        let question = format!("delete {} for good", counted(&found));
        command.confirmation.ask(context, &aws, &question, "deleted").await?;
        outcome = purge(&aws, found, &context.shutdown.part(), &mut done).await;
        output.note(&purged(&done));
    } else if held == 0 {
        output.note("no dead letters: nothing to delete");
    }
    if output.format != Format::Table {
        output.json(&purge_document(counts, held, &done));
    }
    outcome?;
    judge(context, counts.iter().sum(), &done)?;
    if held > 0 { Err(hidden(held)) } else { Ok(exit::DONE) }
}

/// An id or the beginning of one, but not the word of those who mean all.
fn an_id_not_all(text: &str) -> Result<String, &'static str> {
    if text == "all" {
        Err("to delete all letters, write `rydes dlq purge` without an id")
    } else {
        Ok(text.to_owned())
    }
}

/// Fails unless all that was counted is deleted.
fn judge(context: &Context, counted: usize, done: &Purged) -> Result<()> {
    if let Some((_, why)) = done.refused.first() {
        let refused = count_of(done.refused.len() as u64, "letter");
        return Err(Error::other(format!("{refused} could not be deleted")).because(why.as_str()));
    }
    match (counted as u64).saturating_sub(done.count()) {
        0 => Ok(()),
        _ if context.shutdown.is_signalled() => Err(context.shutdown.error()),
        left => Err(Error::other(format!(
            "{} were counted but not found again, and were not deleted",
            count_of(left, "letter")
        ))
        .hint("another receiver holds or has deleted them: look again after 30 s")),
    }
}
