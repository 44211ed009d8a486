//! `rydes help`, and what the help of every command has in common.

use clap::{Arg, ArgGroup, Args, CommandFactory as _};

use super::usage::{plain_groups, print_usage};
use super::{Cli, Context};

/// The line of a command's help in the place of the global options.
const GLOBAL: &str = "Global options, such as --stack and --output: rydes --help";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes help                       as rydes --help
  rydes help localstack up         as rydes localstack up --help")]
pub(super) struct Command {
    /// Command to explain [default: the program itself]
    #[arg(value_name = "COMMAND", value_parser = word)]
    words: Vec<String>,
}

/// The program whose help shows the global options, and its commands, whose help shows their own. All of them take
/// the global options.
pub(super) fn program() -> clap::Command {
    let program = Cli::command();
    let global = program.get_arguments().filter(|option| option.is_global_set());
    let hidden: Vec<_> = global.map(|option| option.clone().hide(true)).collect();
    program.mut_subcommands(|command| with_own_help("rydes", command, &hidden))
}

fn with_own_help(above: &str, command: clap::Command, hidden: &[Arg]) -> clap::Command {
    let path = format!("{above} {}", command.get_name());
    // The text has no colours. To search it for colours would take an eighth of the processor time of a start.
    let after = match command.get_after_help() {
        Some(after) => format!("{GLOBAL}\n\n{}", after.ansi()),
        None => GLOBAL.to_owned(),
    };
    let mut command = command.after_help(after);
    if command.get_groups().any(ArgGroup::is_required_set) {
        let usage = command.clone().render_usage().to_string();
        let own = [format!("Usage: {path}"), format!("Usage: {}", command.get_name())];
        let rest = own.iter().find_map(|own| usage.strip_prefix(own.as_str()));
        let rest = plain_groups(rest.expect("a usage begins with its command"));
        command = command.override_usage(format!("{path}{rest}"));
    }
    let command = command.args(hidden);
    command.mut_subcommands(|inner| with_own_help(&path, inner, hidden))
}

pub(super) fn run(context: &Context, command: &Command) -> u8 {
    // `help A B` is `A B --help`, with the same error for an unknown command.
    let words = command.words.iter().map(String::as_str);
    let line = ["rydes"].into_iter().chain(words).chain(["--help"]);
    let parsed = program().color(context.color).try_get_matches_from(line);
    let help = parsed.expect_err("`--help` ends the parsing of commands");
    print_usage(&context.output, &help, &[])
}

fn word(text: &str) -> Result<String, &'static str> {
    if text.starts_with('-') { Err("no command begins with `-`") } else { Ok(text.to_owned()) }
}
