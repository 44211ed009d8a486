//! `rydes dlq`.

use clap::{Args, Subcommand};

use super::Context;
use crate::aws::{Aws, Queue};
use crate::error::{Error, Result, exit};
use crate::model::Timestamp;
use crate::output::Format;
use crate::output::letters::{Letters, document, lines};
use crate::output::live::size;

/// Look at the dead letters.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what lies in the dead letters of requests and of replies, and why
    List(List),
}

/// Letters are hidden from others while they are looked at, 30 s at the most, then released.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list
  rydes dlq list --most 1000 -o json")]
struct List {
    /// How many letters of each queue are shown at the most
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: u16,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let Action::List(command) = command.action;
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let look = Box::pin(look(&aws, command.most.into()));
    let found = context.visibly("looking into the dead letters", look).await?;
    match output.format {
        Format::Table | Format::Workshop => {
            let width = output.is_terminal().then(|| size().0);
            let now = Timestamp::now();
            for letters in &found {
                for letter in &letters.letters {
                    output.lines(&lines(letters.what, letter, now, width));
                }
            }
            let [requests, replies] = &found;
            output.note(&format!("{} and {}", requests.count(), replies.count()));
        }
        Format::Json | Format::Jsonl => output.json(&document(&found)),
    }
    Ok(exit::DONE)
}

/// Both queues, side by side.
async fn look(aws: &Aws, most: usize) -> Result<[Letters<'static>; 2]> {
    let (requests, replies) = tokio::try_join!(
        aws.queue(aws.names.provider_dead_letters()),
        aws.queue(aws.names.response_dead_letters()),
    )?;
    let look = async |what, queue: Queue| {
        let held = queue.counts().await?.total();
        let letters = queue.letters(most).await?;
        Ok::<_, Error>(Letters { what, queue: queue.name().to_owned(), letters, held })
    };
    let (requests, replies) = tokio::try_join!(look("request", requests), look("reply", replies))?;
    Ok([requests, replies])
}
