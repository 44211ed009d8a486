//! `rydes help`.

use clap::{Args, CommandFactory as _};

use super::usage::print_usage;
use super::{Cli, Context};

/// Print the help of a command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes help                       as rydes --help
  rydes help localstack up         as rydes localstack up --help")]
pub(super) struct Command {
    /// The command; none for the program itself
    #[arg(value_name = "COMMAND", value_parser = word)]
    words: Vec<String>,
}

pub(super) fn run(context: &Context, command: &Command) -> u8 {
    // `help A B` is `A B --help`, with the same error for an unknown command.
    let words = command.words.iter().map(String::as_str);
    let line = ["rydes"].into_iter().chain(words).chain(["--help"]);
    let parsed = Cli::command().color(context.color).try_get_matches_from(line);
    let help = parsed.expect_err("`--help` ends the parsing of commands");
    print_usage(&context.output, &help)
}

fn word(text: &str) -> Result<String, &'static str> {
    if text.starts_with('-') { Err("no command begins with `-`") } else { Ok(text.to_owned()) }
}
