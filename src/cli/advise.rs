//! `rydes advise`.

use clap::Args;

use super::Context;
use super::history::HistoryArgs;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    history: HistoryArgs,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    _ = (context, command.history);
    Err(Error::other("not written yet"))
}
