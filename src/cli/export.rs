//! `rydes export`.

use clap::Args;

use super::Context;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Command {}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    _ = (context, command);
    Err(Error::other("not written yet"))
}
