//! `rydes completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::version::VERSION;
use super::{Cli, Context};
use crate::error::exit;

#[derive(Debug, Args)]
#[command(after_help = "Install for bash:
  mkdir -p ~/.local/share/bash-completion/completions
  rydes completions bash > ~/.local/share/bash-completion/completions/rydes
          requires the package bash-completion

Install for zsh:
  mkdir -p ~/.zfunc
  rydes completions zsh > ~/.zfunc/_rydes
          ~/.zshrc needs `fpath+=~/.zfunc` before `compinit`

Install for fish:
  mkdir -p ~/.config/fish/completions
  rydes completions fish > ~/.config/fish/completions/rydes.fish

Install for elvish:
  mkdir -p ~/.config/elvish/lib
  rydes completions elvish > ~/.config/elvish/lib/rydes.elv
          ~/.config/elvish/rc.elv needs `use rydes`

Install for PowerShell:
  rydes completions powershell >> $PROFILE")]
pub(super) struct Command {
    /// Shell that reads the script
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(context: &Context, command: &Command) -> u8 {
    // These scripts ask the program, which knows the submitted RFQs. Those of `clap_complete` must be generated
    // again for each version, and in bash they split `--fault NAME=KIND` into three words.
    let script = match command.shell {
        Shell::Bash => include_str!("completions/rydes.bash").to_owned(),
        Shell::Zsh => include_str!("completions/rydes.zsh").to_owned(),
        Shell::Fish => include_str!("completions/rydes.fish").to_owned(),
        shell => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut shown(), "rydes", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    };
    context.output.data(script.trim_end());
    if context.output.is_terminal() {
        context.output.suggest("next: rydes completions --help shows how to install it");
    }
    exit::DONE
}

/// The program without its hidden commands: `clap_complete` would offer them.
fn shown() -> clap::Command {
    let program = Cli::command();
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    clap::Command::new("rydes")
        .version(VERSION)
        .disable_help_subcommand(true)
        .args(program.get_arguments())
        .subcommands(commands)
}
