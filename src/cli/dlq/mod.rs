//! `rydes dlq`.

mod list;
mod purge;
mod replay;
mod show;

use clap::{Args, Subcommand};

use super::Context;
use crate::aws::Aws;
use crate::core::text::printable;
use crate::error::{Error, Result};
use crate::flow::letters::{Unfound, why_unfound};
use crate::settings::{Settings, quoted};
use crate::view::count_of;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list                   what lies there, and why
  rydes dlq show 2f9c              one letter in full
  rydes dlq replay --all           sends it all back to its queues
  rydes dlq purge                  deletes it all; asks first")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the dead letters of requests and of replies, and why they are there
    ///
    /// While letters are read, other receivers cannot see them, for 30 s at most.
    List(list::List),
    /// Show one letter in full
    Show(show::Show),
    /// Send letters back to the queues that they came from
    ///
    /// Each letter is deleted once its queue has confirmed it. Before the deadline, a new quote replaces the
    /// failure. After it, the provider sends a receipt, which replaces nothing. A request that fails again comes
    /// back, and is not replayed twice. A letter that was cut stays.
    Replay(replay::Replay),
    /// Delete letters for good
    ///
    /// It counts the letters, asks, and deletes those that it has counted: a letter that arrives later stays.
    Purge(purge::Purge),
}

impl Command {
    /// Whether letters are moved or deleted: a signal must not interrupt this half way.
    pub(super) fn takes_letters(&self) -> bool {
        matches!(self.action, Action::Replay(_) | Action::Purge(_))
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    match command.action {
        Action::List(command) => list::run(context, &command).await,
        Action::Show(command) => show::run(context, &command).await,
        Action::Replay(command) => Box::pin(replay::run(context, command)).await,
        Action::Purge(command) => Box::pin(purge::run(context, command)).await,
    }
}

/// The error for letters that were named and are not there. `done` says what became of the others.
async fn missing(aws: &Aws, settings: &Settings, absent: &[String], done: &str) -> Error {
    let first = absent.first().map_or("", String::as_str);
    let first = printable(first);
    let problem = match absent.len() {
        0 | 1 => format!("dead letter {first} was not found"),
        count => format!("{count} dead letters were not found, {first} among them"),
    };
    let error = Error::other(format!("{problem}{done}"));
    // The letters are looked for once more for the hint alone: that this fails is no other error.
    match Box::pin(why_unfound(aws, absent)).await {
        Ok(Unfound::OfRfq(id)) => {
            let list = settings.command(&format!("dlq list {}", quoted(&id)));
            error.hint(format!("`{}` names an RFQ; its letters: {list}", printable(&id)))
        }
        Ok(Unfound::Hidden(count)) => {
            let letters = count_of(count, "letter");
            error.hint(format!("another receiver holds about {letters}: try again after 30 s"))
        }
        Ok(Unfound::Unknown) | Err(_) => {
            error.hint(format!("{} shows the letters", settings.command("dlq list")))
        }
    }
}

/// The error for letters that other receivers hide.
fn hidden(count: u64) -> Error {
    let hidden = if count == 1 {
        "1 more letter is".to_owned()
    } else {
        format!("{count} more letters are")
    };
    Error::other(format!("about {hidden} held by another receiver"))
        .hint("run the command again after 30 s")
}
