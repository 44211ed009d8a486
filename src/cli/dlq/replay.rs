//! `rydes dlq replay`.

use clap::Args;
use serde_json::json;

use super::super::Context;
use super::{hidden, missing};
use crate::aws::Aws;
use crate::core::ProviderName;
use crate::error::{Error, Result, exit};
use crate::flow::letters;
use crate::flow::replay::{Choice, ReplayMode, ReplayOutcome, Replayed, replay};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::replayed::{late_replays, replayed_document, replayed_line};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq replay --all
  rydes dlq replay --all --dry-run      where each would go, or why it stays
  rydes dlq replay 2f9c1c5e
  rydes dlq replay --all --to acme      for requests of unknown origin")]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Provider for requests of unknown origin, or whose queue is gone
    #[arg(long, value_name = "PROVIDER", value_parser = ProviderName::parse)]
    to: Option<ProviderName>,
    /// Say where each letter would go; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// The letters that are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Letters that `rydes dlq list` shows, by their ids or the beginnings of them
    #[arg(value_name = "ID", value_parser = an_id_not_all)]
    typed: Vec<String>,
    /// Same as the argument ID; repeatable
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// All that lie there now
    #[arg(long, conflicts_with_all = ["typed", "ids"])]
    all: bool,
}

pub(super) async fn run(context: &Context, command: Replay) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let choice = chosen(context, &aws, command).await?;
    let mode = choice.mode;
    let mut counts = ReplayCounts::default();
    let mut documents = Vec::new();
    let mut absent = choice.ids.clone().unwrap_or_default();
    let mut told = async |replayed: Replayed| {
        absent.remove(&replayed.letter.id);
        counts.count(&replayed);
        match output.format {
            Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
                let line = replayed_line(&replayed, mode);
                let is_moved = matches!(replayed.outcome, ReplayOutcome::Moved(_));
                if is_moved || mode == ReplayMode::DryRun {
                    output.data(&line);
                } else {
                    output.warning(&line);
                }
            }
            Format::Jsonl => output.json(&replayed_document(&replayed, mode)),
            Format::Json => documents.push(replayed_document(&replayed, mode)),
        }
        context.room().await;
    };
    let ended = replay(&aws, &choice, &context.shutdown.part(), &mut told).await;
    let mut absent: Vec<_> = absent.into_iter().collect();
    absent.sort();
    let held = *ended.as_ref().unwrap_or(&0);
    if output.format == Format::Json {
        output.json(&json!({
            "dry-run": mode == ReplayMode::DryRun,
            "letters": documents,
            "not-found": absent,
            "hidden": held,
        }));
    }
    output.note(&counts.sentence(mode));
    if counts.late > 0 {
        output.note(&late_replays(counts.late));
        output.hint("for quotes in time, submit a new request");
    }
    ended.map_err(|error| match error.field() {
        Some(field) => Error::invalid(format!("`--{field}`: {error}")),
        None => error,
    })?;
    if context.shutdown.is_signalled() {
        return Err(context.shutdown.error());
    }
    if !absent.is_empty() {
        let error = missing(&aws, &settings, &absent, &counts.of_others(mode)).await;
        let of_others = counts.judge().err();
        let hints = of_others.iter().flat_map(Error::hints);
        return Err(hints.fold(error, |error, hint| error.hint(hint.clone())));
    }
    match (mode, counts.judge()) {
        (ReplayMode::Apply, judged) => judged?,
        (ReplayMode::DryRun, Err(_)) if counts.unsent > 0 => {
            let letters = count_of(counts.unsent, "letter");
            let message = format!("the queues of {letters} could not be looked up");
            return Err(Error::other(message).hint("run the command again"));
        }
        // That a letter would stay is an answer, not a failure.
        (ReplayMode::DryRun, Err(error)) => {
            error.hints().iter().for_each(|hint| output.hint(hint));
        }
        (ReplayMode::DryRun, Ok(())) => {}
    }
    if held > 0 { Err(hidden(held)) } else { Ok(exit::DONE) }
}

async fn chosen(context: &Context, aws: &Aws, command: Replay) -> Result<Choice> {
    let mode = if command.dry_run { ReplayMode::DryRun } else { ReplayMode::Apply };
    let ids = if command.which.all {
        None
    } else {
        let typed = [command.which.typed, command.which.ids].concat();
        let look = Box::pin(letters::ids(aws, &typed));
        Some(context.visibly("reading the dead letters", look).await?)
    };
    Ok(Choice { ids, to: command.to, mode })
}

/// An id or the beginning of one, but not the word of those who mean the option.
fn an_id_not_all(text: &str) -> Result<String, &'static str> {
    if text == "all" { Err("for all letters, write `--all`") } else { Ok(text.to_owned()) }
}

#[derive(Debug, Default)]
struct ReplayCounts {
    moved: u64,
    copied: u64,
    homeless: u64,
    unsent: u64,
    cut: u64,
    /// Of those that are moved, those whose deadline is over.
    late: u64,
}

impl ReplayCounts {
    fn count(&mut self, replayed: &Replayed) {
        match &replayed.outcome {
            ReplayOutcome::Moved(_) | ReplayOutcome::Movable(_) => {
                self.moved += 1;
                self.late += u64::from(replayed.overdue_by.is_some());
            }
            ReplayOutcome::Copied(..) => self.copied += 1,
            ReplayOutcome::Homeless(_) => self.homeless += 1,
            ReplayOutcome::Unsent(_) => self.unsent += 1,
            ReplayOutcome::Cut(_) => self.cut += 1,
        }
    }

    fn sentence(&self, mode: ReplayMode) -> String {
        if mode == ReplayMode::DryRun {
            let stay = match self.stay() {
                0 => String::new(),
                stay => format!(", {stay} would stay"),
            };
            return format!("{} would be replayed{stay}; nothing was moved", self.moved);
        }
        let mut sentence = format!("{} replayed", self.moved);
        for (count, what) in
            [(self.copied, "replayed but not deleted"), (self.stay(), "not replayed")]
        {
            if count > 0 {
                sentence = format!("{sentence}, {count} {what}");
            }
        }
        sentence
    }

    /// What became of the letters beside one that was not found.
    fn of_others(&self, mode: ReplayMode) -> String {
        let is_moved_alone = self.copied + self.stay() == 0;
        match (mode, self.moved) {
            (ReplayMode::DryRun, _) => "; nothing was moved".to_owned(),
            (ReplayMode::Apply, 0) if is_moved_alone => "; nothing was replayed".to_owned(),
            (ReplayMode::Apply, 1) if is_moved_alone => "; 1 other was replayed".to_owned(),
            (ReplayMode::Apply, moved) if is_moved_alone => {
                format!("; {moved} others were replayed")
            }
            (ReplayMode::Apply, _) => format!("; the others: {}", self.sentence(mode)),
        }
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
                error = error
                    .hint("for requests of unknown origin, or whose queue is gone: --to PROVIDER");
            }
            if self.cut > 0 {
                error = error.hint(
                    "a cut letter cannot be replayed: its sender must send the message of this length and \
                     SHA-256 again",
                );
            }
            return Err(error);
        }
        if self.copied > 0 {
            let copied = count_of(self.copied, "letter");
            return Err(Error::other(format!("{copied} could not be deleted after the replay"))
                .hint("do not replay them again: delete them with `rydes dlq purge ID`"));
        }
        Ok(())
    }
}
