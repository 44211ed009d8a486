//! `rydes dlq show`.

use clap::Args;

use super::super::Context;
use super::missing;
use crate::aws::DeadLetter;
use crate::core::{Reply, Timestamp, is_about_sender};
use crate::error::{Result, exit};
use crate::flow::letters::{LetterKind, find};
use crate::flow::replay::overdue_by;
use crate::settings::Settings;
use crate::terminal::Format;
use crate::view::letter::{document_of, lines};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes dlq show 2f9c1c5e
  rydes dlq show 2f9c1c5e -o json      the body as it is, in `body`")]
pub(super) struct Show {
    /// The letter that `rydes dlq list` shows, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
}

/// What to do with a letter: send it back, or delete it where that can bring nothing.
fn hint(settings: &Settings, kind: LetterKind, letter: &DeadLetter) -> String {
    let command = |name: &str| settings.command(&format!("dlq {name} {}", letter.id));
    let is_unreadable = kind == LetterKind::Replies && Reply::decode(&letter.body).is_err();
    if letter.cut.is_some() {
        return format!("a cut letter cannot be replayed; to delete it: {}", command("purge"));
    }
    if is_unreadable {
        return format!(
            "the body is not a valid reply, so a replay would be refused again; to delete it: {}",
            command("purge")
        );
    }
    if kind == LetterKind::Replies && letter.reason.as_deref().is_some_and(is_about_sender) {
        return format!(
            "a replay is sent with your credentials, so it is refused again unless your id is bound; \
             to delete it: {}",
            command("purge")
        );
    }
    match overdue_by(kind, letter, Timestamp::now()) {
        Some(_) => format!(
            "its deadline has passed, so a replay brings no quote in time; to send it back: {}",
            command("replay")
        ),
        None => format!("to send it back: {}", command("replay")),
    }
}

pub(super) async fn run(context: &Context, command: &Show) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let found = Box::pin(find(&aws, &command.id));
    let found = context.visibly("reading the dead letters", found).await?;
    let Some((kind, queue, letter)) = found else {
        return Err(missing(&aws, &settings, std::slice::from_ref(&command.id), "").await);
    };
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            let width = output.width();
            output.toned(&lines(kind, &queue, &letter, &aws.names, &context.clock(), width));
            output.hint(&hint(&settings, kind, &letter));
        }
        Format::Json | Format::Jsonl => {
            output.json(&document_of(kind, &queue, &letter, &aws.names));
        }
    }
    Ok(exit::DONE)
}
