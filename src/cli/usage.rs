//! Prints help, or what is wrong with the command line.

use std::ffi::OsString;

use clap::ValueEnum as _;
use clap::error::ErrorKind;

use super::{conclude, terminal};
use crate::error::{Error, exit};
use crate::terminal::{Color, Format, Output, Verbosity};

mod guesses;
mod sentence;

pub(super) use sentence::plain_groups;

pub(super) fn usage(error: &clap::Error, arguments: &[OsString], color: Color) -> u8 {
    let output = plain_output(color);
    let code = print_usage(&output, error, arguments);
    conclude(&output, Ok(code))
}

/// Ends with an error that is found before the form of the output is known.
pub(super) fn refuse(error: &Error, color: Color) -> u8 {
    let output = plain_output(color);
    output.error(error);
    conclude(&output, Ok(error.exit_code()))
}

fn plain_output(color: Color) -> Output {
    Output::new(Format::Table, Verbosity::Normal, color, terminal())
}

/// Prints help, or what is wrong with these arguments.
pub(super) fn print_usage(output: &Output, error: &clap::Error, arguments: &[OsString]) -> u8 {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if help {
        let (plain, styled) = (error.render().to_string(), error.render().ansi().to_string());
        if error.use_stderr() {
            output.styled_note(plain.trim_end(), styled.trim_end());
        } else {
            output.styled_data(plain.trim_end(), styled.trim_end());
        }
        return u8::try_from(error.exit_code()).unwrap_or(exit::INVALID);
    }
    // The typed words may hold control characters, so the text is printed like every other error.
    output.error(&sentence::of(error, arguments));
    exit::INVALID
}

/// The value of `--color`, read before parsing: errors of the command line use it.
pub(super) fn color(arguments: &[OsString]) -> Color {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let mut color = Color::Auto;
    while let Some(word) = words.next() {
        let said = match word.strip_prefix("--color") {
            Some("") => words.next().map(std::borrow::Cow::into_owned),
            Some(said) => said.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        let said = said.and_then(|said| Color::from_str(&said, true).ok());
        color = said.unwrap_or(color);
    }
    color
}
