//! `rydes completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Context};
use crate::error::exit;

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  rydes completions bash > ~/.local/share/bash-completion/completions/rydes")]
pub(super) struct Command {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(context: &Context, command: &Command) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "rydes", &mut script);
    context.output.data(String::from_utf8_lossy(&script).trim_end());
    exit::DONE
}
