//! `rydes localstack up|down|logs`.

use clap::{Args, Subcommand};

use super::Context;
use crate::error::{Error, Result};

/// Bring LocalStack up or down on this machine.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start LocalStack, with Docker where it answers, from packages elsewhere
    Up,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    _ = (context, command);
    Err(Error::other("not there yet"))
}
