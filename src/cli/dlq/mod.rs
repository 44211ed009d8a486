//! `rydes dlq`.

mod list;
mod purge;
mod replay;
mod show;

use clap::{Args, Subcommand};

use super::Context;
use crate::core::text::printable;
use crate::error::{Error, Result};

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

/// The error for letters that were named and are not there, the first of them by its id.
fn missing(first: &str, others: usize) -> Error {
    let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    Error::other(format!("dead letter {}{more} was not found", printable(first)))
        .hint("another receiver may hold it: try again after 30 s")
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
