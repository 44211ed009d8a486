//! Prints help, or what is wrong with the command line.

use std::ffi::OsString;

use clap::ValueEnum as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{conclude, terminal};
use crate::error::{Error, exit};
use crate::terminal::{Color, Format, Output, Verbosity};

pub(super) fn usage(error: &clap::Error, color: Color) -> u8 {
    let output = Output::new(Format::Table, Verbosity::Normal, color, terminal());
    let code = print_usage(&output, error);
    conclude(&output, Ok(code))
}

pub(super) fn print_usage(output: &Output, error: &clap::Error) -> u8 {
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
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.as_slice(),
        _ => &[],
    };
    if error.kind() == ErrorKind::MissingRequiredArgument && !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
        let usage = match error.get(ContextKind::Usage) {
            Some(ContextValue::StyledStr(usage)) => {
                usage.to_string().replacen("Usage:", "usage:", 1)
            }
            _ => "usage: rydes --help".to_owned(),
        };
        output.error(&Error::invalid(format!("{} is missing", missing.join(", "))));
        output.note(&format!("  {}", usage.trim()));
        return exit::INVALID;
    }
    // The typed words may hold control characters, so the text is printed like every other error.
    let text = error.render().to_string();
    let text = text.trim_end();
    output.error(&Error::invalid(text.strip_prefix("error: ").unwrap_or(text)));
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
