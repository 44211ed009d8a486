//! `rydes dlq`.

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::aws::{Aws, Queue};
use crate::core::text::printable;
use crate::core::{ProviderName, Timestamp};
use crate::error::{Error, Result, exit};
use crate::flow::replay::{Choice, LetterKind, ReplayOutcome, Replayed, replay};
use crate::terminal::Format;
use crate::terminal::live::size;
use crate::view::count_of;
use crate::view::letters::{LetterView, document, lines, replayed_document, replayed_line};

/// Look at the dead letters, and send them back to where they came from.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list                   what lies there, and why
  rydes dlq replay --all           sends it all back to its queues")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what lies in the dead letters of requests and of replies, and why
    ///
    /// Letters are hidden from others while they are looked at, 30 s at the most, then released.
    List(List),
    /// Send letters back to the queues that they came from
    ///
    /// Each letter is deleted once its queue has confirmed it. A request that is replayed before its
    /// deadline, and quoted now, replaces what had failed; after it, a receipt replaces nothing. What cannot
    /// be handled comes back, so no more are replayed than lie there at the beginning. A letter that was
    /// cut to fit stays where it is.
    Replay(Replay),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq list
  rydes dlq list --most 1000 -o json")]
struct List {
    /// How many letters of each queue are shown at the most
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: u16,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq replay --all
  rydes dlq replay --id 2f9c1c5e-3a33-4d2b-8f0e-6d1f7a0b9c11
  rydes dlq replay --all --to acme      for requests of unknown origin")]
struct Replay {
    #[command(flatten)]
    which: Which,
    /// Provider for requests of unknown origin, or whose queue is gone
    #[arg(long, value_name = "PROVIDER", value_parser = ProviderName::parse)]
    to: Option<ProviderName>,
}

/// The letters that are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Letters, by the ids that `rydes dlq list` shows; repeatable
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// All that lie there now
    #[arg(long)]
    all: bool,
}

impl Command {
    /// Whether letters are moved: a signal must not interrupt this half way.
    pub(super) fn is_replay(&self) -> bool {
        matches!(self.action, Action::Replay(_))
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    match command.action {
        Action::List(command) => list(context, &command).await,
        Action::Replay(command) => Box::pin(replay_letters(context, command)).await,
    }
}

async fn replay_letters(context: &Context, command: Replay) -> Result<u8> {
    let output = &context.output;
    let aws = context.connect(&context.settings()?).await?;
    output.note(&aws.target_line());
    let ids = (!command.which.all).then(|| command.which.ids.into_iter().collect::<HashSet<_>>());
    let choice = Choice { ids, to: command.to };
    let mut counts = ReplayCounts::default();
    let mut documents = Vec::new();
    let mut missing = choice.ids.clone().unwrap_or_default();
    let mut told = async |replayed: Replayed| {
        missing.remove(&replayed.letter.id);
        counts.count(&replayed.outcome);
        match output.format {
            Format::Table | Format::Workshop
                if matches!(replayed.outcome, ReplayOutcome::Moved(_)) =>
            {
                output.data(&replayed_line(&replayed));
            }
            Format::Table | Format::Workshop => output.warning(&replayed_line(&replayed)),
            Format::Jsonl => output.json(&replayed_document(&replayed)),
            Format::Json => documents.push(replayed_document(&replayed)),
        }
        context.room().await;
    };
    let ended = replay(&aws, &choice, &context.shutdown.part(), &mut told).await;
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort();
    let hidden = *ended.as_ref().unwrap_or(&0);
    if output.format == Format::Json {
        output.json(&json!({"letters": documents, "not-found": missing, "hidden": hidden}));
    }
    output.note(&counts.sentence());
    ended.map_err(|error| match error.field() {
        Some(field) => Error::invalid(format!("`--{field}`: {error}")),
        None => error,
    })?;
    if context.shutdown.is_signalled() {
        return Err(context.shutdown.error());
    }
    if let Some(first) = missing.first() {
        let more = match missing.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        return Err(Error::other(format!("no dead letter {}{more} is there", printable(first)))
            .hint("another receiver may hide it for up to 30 s"));
    }
    counts.judge()?;
    if hidden > 0 {
        let hidden = if hidden == 1 { "1 more is".into() } else { format!("{hidden} more are") };
        return Err(Error::other(format!("about {hidden} held by another receiver"))
            .hint("such letters are visible again after 30 s at the most"));
    }
    Ok(exit::DONE)
}

#[derive(Debug, Default)]
struct ReplayCounts {
    moved: u64,
    copied: u64,
    homeless: u64,
    unsent: u64,
    cut: u64,
}

impl ReplayCounts {
    fn count(&mut self, outcome: &ReplayOutcome) {
        match outcome {
            ReplayOutcome::Moved(_) => self.moved += 1,
            ReplayOutcome::Copied(..) => self.copied += 1,
            ReplayOutcome::Homeless(_) => self.homeless += 1,
            ReplayOutcome::Unsent(_) => self.unsent += 1,
            ReplayOutcome::Cut(_) => self.cut += 1,
        }
    }

    fn sentence(&self) -> String {
        let mut sentence = format!("{} replayed", self.moved);
        for (count, what) in
            [(self.copied, "replayed, but not deleted"), (self.stay(), "where they were")]
        {
            if count > 0 {
                sentence = format!("{sentence}, {count} {what}");
            }
        }
        sentence
    }

    /// Letters that stay in the dead letters.
    fn stay(&self) -> u64 {
        self.homeless + self.unsent + self.cut
    }

    fn judge(&self) -> Result<()> {
        if self.stay() > 0 {
            let stay = count_of(self.stay(), "letter");
            let mut error = Error::other(format!("{stay} could not be replayed"));
            if self.homeless > 0 {
                error = error.hint("name a provider for requests without a source: --to PROVIDER");
            }
            if self.cut > 0 {
                error = error.hint(
                    "a letter that was cut is not the whole message: length and SHA-256 say which one \
                     its sender has to send again",
                );
            }
            return Err(error);
        }
        if self.copied > 0 {
            let copied = count_of(self.copied, "letter");
            return Err(Error::other(format!("{copied} could not be deleted"))
                .hint("another replay would duplicate them"));
        }
        Ok(())
    }
}

async fn list(context: &Context, command: &List) -> Result<u8> {
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
                    output.lines(&lines(letters.kind, letter, now, width));
                }
            }
            let [requests, replies] = &found;
            output.note(&format!("{} and {}", requests.count(), replies.count()));
            if found.iter().any(|letters| !letters.letters.is_empty()) {
                let replay = settings.command("dlq replay --all");
                output.hint(&format!("{replay} sends them back; --id ID one of them"));
            }
        }
        Format::Json | Format::Jsonl => output.json(&document(&found)),
    }
    Ok(exit::DONE)
}

/// Reads both queues of dead letters at the same time.
async fn look(aws: &Aws, most: usize) -> Result<[LetterView; 2]> {
    let (requests, replies) = tokio::try_join!(
        aws.queue(aws.names.provider_dead_letters()),
        aws.queue(aws.names.response_dead_letters()),
    )?;
    let look = async |kind, queue: Queue| {
        let held = queue.counts().await?.total();
        let letters = queue.letters(most).await?;
        Ok::<_, Error>(LetterView { kind, queue: queue.name().to_owned(), letters, held })
    };
    let (requests, replies) =
        tokio::try_join!(look(LetterKind::Requests, requests), look(LetterKind::Replies, replies))?;
    Ok([requests, replies])
}
