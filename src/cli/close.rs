//! `rydes close`.

use clap::Args;

use super::recent::Recent;
use super::{Context, env, gathering};
use crate::error::{Result, exit};
use crate::flow::close::close;
use crate::view::quotes::over;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes close 78c3
  rydes close 78c3 -o json         how it stood when it was closed")]
pub(super) struct Command {
    /// Id of the RFQ, or its first 4 or more characters if it was submitted from this machine
    #[arg(value_name = "RFQ-ID")]
    id: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let id = Recent::of(&aws, env).find(Some(&command.id), &settings).await?;
    output.note(&aws.target_line());
    let Some((mut after, closed)) = close(&aws, &id).await? else {
        return Err(gathering::unknown(&aws, &id).await);
    };
    gathering::explain(output, &aws, &mut after).await;
    let since = match closed {
        Some(at) => {
            format!("replies sent after {} are kept, and marked late", context.clock().precise(at))
        }
        None => format!("it was over already ({}); nothing was changed", over(&after)),
    };
    gathering::print(output, &aws, &after, &[]);
    output.note(&since);
    Ok(exit::DONE)
}
