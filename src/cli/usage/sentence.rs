//! What is wrong with a command line, in our own words. Knows clap's errors, but no command.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::guesses::{self, Guess};
use crate::core::nearest;
use crate::error::Error;
use crate::settings::quoted;

/// The error with what to type instead.
pub(super) fn of(error: &clap::Error, arguments: &[OsString]) -> Error {
    let argument = text(error, ContextKind::InvalidArg);
    match (error.kind(), argument) {
        (ErrorKind::UnknownArgument, Some(typed)) => unknown(error, typed, arguments),
        (ErrorKind::InvalidSubcommand, _) => no_command(error),
        (ErrorKind::InvalidValue, Some(argument)) => no_value(error, argument),
        (ErrorKind::ValueValidation, Some(argument)) => {
            let problem = error.source().map(ToString::to_string).unwrap_or_default();
            let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
            Error::invalid(format!("`{}`: {}", with_value(argument, value), in_words(&problem)))
        }
        (ErrorKind::ArgumentConflict, Some(argument)) => conflict(error, argument),
        (ErrorKind::MissingRequiredArgument, _) => missing(error, arguments),
        _ => as_clap_says(error),
    }
}

fn as_clap_says(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let text = text.trim_end();
    Error::invalid(text.strip_prefix("error: ").unwrap_or(text))
}

/// An option that the command does not have, or a word too many.
fn unknown(error: &clap::Error, typed: &str, arguments: &[OsString]) -> Error {
    let command = guesses::command_in(&usage(error));
    if !typed.starts_with('-') {
        let problem = Error::invalid(format!("unexpected argument `{}`", quoted(typed)));
        return problem.hint(match guesses::dashless(&command, typed) {
            Some(meant) => format!("write `{meant}`"),
            None => format!("{command} --help"),
        });
    }
    if let Some(with_option) = negative(typed, arguments) {
        let problem = format!("`{with_option}`: the value cannot be negative");
        return Error::invalid(problem).hint(format!("{command} --help"));
    }
    let problem = Error::invalid(format!("`{command}` has no option `{typed}`"));
    let similar = guesses::similar_options(&command, typed);
    match guesses::option(&command, typed) {
        Some(Guess::Typed(meant)) => problem.hint(format!("write `{meant}`")),
        Some(Guess::Said(advice)) => problem.hint(advice),
        None if !similar.is_empty() => problem.hint(write_one(&similar)),
        None => match text(error, ContextKind::SuggestedArg) {
            Some(similar) => problem.hint(format!("write `{}`", name(similar))),
            None => problem.hint(format!("{command} --help")),
        },
    }
}

/// `--deadline -5`, where the second word was read as an option.
fn negative(typed: &str, arguments: &[OsString]) -> Option<String> {
    let is_number = |word: &str| {
        let digit = word.strip_prefix('-').and_then(|rest| rest.chars().next());
        digit.is_some_and(|c| c.is_ascii_digit())
    };
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let mut pairs = words.windows(2);
    let pair = pairs.find(|pair| {
        let is_option = pair[0].starts_with("--") && pair[0].len() > 2 && !pair[0].contains('=');
        is_option && is_number(&pair[1]) && pair[1].starts_with(typed)
    })?;
    Some(format!("{} {}", quoted(&pair[0]), quoted(&pair[1])))
}

fn no_command(error: &clap::Error) -> Error {
    let above = guesses::command_in(&usage(error));
    let typed = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let problem = Error::invalid(format!("`{above}` has no command `{}`", quoted(typed)));
    let meant = match guesses::command(&above, typed) {
        Some(meant) => vec![meant.to_owned()],
        None => guesses::similar_commands(&above, typed),
    };
    if meant.is_empty() {
        return problem.hint(format!("{above} --help"));
    }
    let whole: Vec<_> = meant.iter().map(|meant| format!("{above} {meant}")).collect();
    problem.hint(write_one(&whole))
}

/// ``write `a` or `b` ``.
fn write_one(all: &[String]) -> String {
    let all: Vec<_> = all.iter().map(|one| format!("`{one}`")).collect();
    format!("write {}", all.join(" or "))
}

/// A value that is none of the possible ones, or no value at all.
fn no_value(error: &clap::Error, argument: &str) -> Error {
    let possible = texts(error, ContextKind::ValidValue).join(", ");
    match text(error, ContextKind::InvalidValue) {
        Some(value) if !value.is_empty() => {
            let problem = format!("`{}`: expected one of {possible}", with_value(argument, value));
            match nearest(value, texts(error, ContextKind::ValidValue)) {
                Some(similar) => Error::invalid(problem).hint(format!("write `{similar}`")),
                None => Error::invalid(problem),
            }
        }
        _ if possible.is_empty() => Error::invalid(format!("`{}` needs a value", name(argument))),
        _ => Error::invalid(format!("`{}` needs a value: {possible}", name(argument))),
    }
}

fn conflict(error: &clap::Error, argument: &str) -> Error {
    let others = texts(error, ContextKind::PriorArg);
    let argument = name(argument);
    if others.iter().all(|other| name(other) == argument) {
        return Error::invalid(format!("`{argument}` can be given only once"));
    }
    let others: Vec<_> = others.iter().map(|other| format!("`{}`", name(other))).collect();
    Error::invalid(format!("`{argument}` cannot be used with {}", others.join(", ")))
}

fn missing(error: &clap::Error, arguments: &[OsString]) -> Error {
    let all = texts(error, ContextKind::InvalidArg);
    let command = guesses::command_in(&usage(error));
    if let [option] = all[..]
        && let Some(typed) = guesses::requiring(&command, option, arguments)
    {
        let unsent = if command == "rydes submit" { "; nothing was sent" } else { "" };
        // A program is typed after two dashes.
        let dashes = if option.starts_with('-') { "" } else { "-- " };
        let (typed, option) = (quoted(&typed), format!("{dashes}{}", name(option)));
        let problem = Error::invalid(format!("`{typed}` requires `{option}`{unsent}"));
        return problem.hint(format!("add `{option}`, or leave out `{typed}`"));
    }
    let named: Vec<_> = all.iter().map(|argument| choice(argument)).collect();
    let are = if named.len() == 1 { "is" } else { "are" };
    let problem = Error::invalid(format!("{} {are} missing", named.join(", ")));
    match plain_groups(usage(error).trim()) {
        usage if usage.is_empty() => problem,
        usage => problem.hint(usage),
    }
}

/// The usage line without its title.
fn usage(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().replacen("Usage:", "", 1),
        _ => String::new(),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    texts(error, kind).first().copied()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text],
        Some(ContextValue::Strings(all)) => all.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `--from` of `--from <CITY>`, `NAME` of `<NAME>...`.
fn name(argument: &str) -> &str {
    let name = argument.split(' ').next().unwrap_or(argument);
    if name.starts_with('-') { name } else { name.trim_matches(['<', '>', '[', ']', '.']) }
}

/// An option with its value, or the value alone where it needs no name.
fn with_value(argument: &str, value: &str) -> String {
    if argument.starts_with('-') {
        format!("{} {}", name(argument), quoted(value))
    } else {
        quoted(value)
    }
}

/// ``one of `ID`, `--all` `` of `<ID|--all>`.
fn choice(argument: &str) -> String {
    let all = argument.strip_prefix('<').filter(|rest| rest.contains('|'));
    let Some(all) = all else { return format!("`{}`", name(argument)) };
    let all: Vec<_> =
        all.split('|').map(|one| format!("`{}`", name(one.trim_matches('>')))).collect();
    format!("one of {}", all.join(", "))
}

/// A usage line that writes `<--id <ID>|ID>` as `(--id <ID> | ID)`.
pub(in crate::cli) fn plain_groups(usage: &str) -> String {
    let Some((before, rest)) = usage.split_once('<') else { return usage.to_owned() };
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0
    });
    let end = end.unwrap_or(rest.len());
    let (group, after) = (&rest[..end], rest[end..].strip_prefix('>').unwrap_or_default());
    if group.contains('|') {
        format!("{before}({}){}", group.replace('|', " | "), plain_groups(after))
    } else {
        format!("{before}<{group}>{}", plain_groups(after))
    }
}

/// Problems that clap and Rust find by themselves, as people say them.
fn in_words(problem: &str) -> String {
    if let Some((_, range)) = problem.split_once(" is not in ") {
        return range_in_words(range).unwrap_or_else(|| problem.to_owned());
    }
    match problem {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it is not a whole number".to_owned()
        }
        "number too large to fit in target type" => "the number is too large".to_owned(),
        "number too small to fit in target type" => "the number is too small".to_owned(),
        _ => problem.to_owned(),
    }
}

/// `expected a number from 1 to 100` of `1..=100`.
fn range_in_words(range: &str) -> Option<String> {
    let (low, high) = range.split_once("..")?;
    let high = match high.strip_prefix('=') {
        Some(high) => high.parse::<i64>().ok()?,
        None => high.parse::<i64>().ok()?.checked_sub(1)?,
    };
    Some(format!("expected a number from {low} to {high}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_said_as_people_say_them() {
        for (problem, said) in [
            ("0 is not in 1..=100", "expected a number from 1 to 100"),
            ("-1 is not in 0..5", "expected a number from 0 to 4"),
            ("invalid digit found in string", "it is not a whole number"),
            ("a stack's name is a letter", "a stack's name is a letter"),
        ] {
            assert_eq!(in_words(problem), said);
        }
    }

    #[test]
    fn groups_are_written_in_parentheses() {
        for (usage, plain) in [
            ("rydes x [OPTIONS] <--id <ID>|--all>", "rydes x [OPTIONS] (--id <ID> | --all)"),
            ("rydes x <-a|--b> <NAME>", "rydes x (-a | --b) <NAME>"),
            ("rydes x <NAME>...", "rydes x <NAME>..."),
            ("rydes x <NAME> <ID|--all>", "rydes x <NAME> (ID | --all)"),
        ] {
            assert_eq!(plain_groups(usage), plain);
        }
        assert_eq!(choice("<--id <ID>|--all>"), "one of `--id`, `--all`");
        assert_eq!(choice("<ID|--all>"), "one of `ID`, `--all`");
        assert_eq!(choice("<NAME>..."), "`NAME`");
        assert_eq!(choice("--from <CITY>"), "`--from`");
    }
}
