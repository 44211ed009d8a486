//! `rydes dlq show`.

use clap::Args;

use super::super::Context;
use super::missing;
use crate::error::{Result, exit};
use crate::flow::letters::find;
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

pub(super) async fn run(context: &Context, command: &Show) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let found = Box::pin(find(&aws, &command.id));
    let found = context.visibly("reading the dead letters", found).await?;
    let (kind, queue, letter) = found.ok_or_else(|| missing(&command.id, 0))?;
    match output.format {
        Format::Table | Format::Workshop => {
            output.lines(&lines(kind, &queue, &letter, &aws.names, &context.clock()));
            let replay = format!("dlq replay --id {}", letter.id);
            output.hint(&format!("to send it back: {}", settings.command(&replay)));
        }
        Format::Json | Format::Jsonl => {
            output.json(&document_of(kind, &queue, &letter, &aws.names));
        }
    }
    Ok(exit::DONE)
}
