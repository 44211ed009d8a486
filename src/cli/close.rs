//! `rydes close`.

use clap::Args;

use super::recent::Recent;
use super::{Context, env, quotes};
use crate::aws::Closed;
use crate::error::{Error, Result, exit};
use crate::model::Timestamp;
use crate::output::Format;
use crate::output::quotes::over;
use crate::quotes::snapshot;

/// End the gathering of an RFQ now.
///
/// What is there in time stays; what comes later is late. An RFQ is closed once: where it is over
/// already, nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes close 78c3
  rydes close 78c3 -o json         how it stood when it was closed")]
pub(super) struct Command {
    /// The RFQ: its id, or a unique prefix (4 characters or more) of one submitted here
    #[arg(value_name = "RFQ-ID")]
    id: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let id = Recent::of(&aws, env).find(Some(&command.id), &settings)?;
    output.note(&aws.target_line());
    let read = async || snapshot(&aws, &id, None).await?.ok_or_else(|| quotes::unknown(&aws, &id));
    let before = read().await?;
    let closed = match before.completed_by {
        Some(_) => Closed::Not,
        None => aws.table().close(&id, before.closing_time(Timestamp::now())).await?,
    };
    let after = read().await?;
    if closed == Closed::Not {
        // Whoever was faster has ended it; otherwise nothing explains that it was not closed.
        if after.completed_by.is_none() {
            return Err(Error::other("it could not be closed; it goes on"));
        }
        output.note(&format!("nothing was changed: {}", over(&after)));
    }
    quotes::print(output, &aws, &after);
    if output.format == Format::Table && closed == Closed::Now {
        output.note("answers that come later are kept, and marked late");
    }
    Ok(exit::DONE)
}
