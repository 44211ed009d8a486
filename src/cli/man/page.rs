//! The pages as roff text. Prints and writes nothing.

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::facts::{ENVIRONMENT, EXIT, FILES};
use crate::cli::usage::plain_groups;
use crate::cli::version::COMMIT_DATE;

/// Describes the program beyond its one line.
const ABOUT: &str = "It runs the scatter-gather pattern on SNS, SQS and DynamoDB: it asks many providers \
     at once, gathers their answers, takes the best, and says who did not answer and why. It works on \
     LocalStack unless `--aws` is given.";
/// Why writing cannot fail.
const MEMORY: &str = "memory can be written to";
/// A line that is indented this far continues the line above it.
const CONTINUED: usize = 10;

/// The file names and texts of all pages: one for the program, and one for each command that is shown.
pub(super) fn all(program: &mut clap::Command) -> Vec<(String, String)> {
    program.build();
    let mut pages = Vec::new();
    let page = pages_of(program, program, &mut pages);
    pages.insert(0, page);
    pages
}

/// The page of a command. Adds the pages of its subcommands to `below`.
fn pages_of(
    program: &clap::Command,
    command: &clap::Command,
    below: &mut Vec<(String, String)>,
) -> (String, String) {
    for inner in shown(command) {
        let at = below.len();
        let page = pages_of(program, inner, below);
        below.insert(at, page);
    }
    (format!("{}.1", name(command)), page(program, command))
}

fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// `rydes-localstack-up`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn page(program: &clap::Command, command: &clap::Command) -> String {
    let is_program = name(command) == name(program);
    let man = Man::new(command.clone())
        .title(name(command).to_uppercase())
        .date(COMMIT_DATE)
        .source(format!("rydes {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Vec::new();
    man.render_title(&mut text).expect(MEMORY);
    // No hyphens within names of commands, and no stretched lines.
    section(&mut text, |roff| {
        roff.control("nh", []).control("ad", ["l"]);
    });
    man.render_name_section(&mut text).expect(MEMORY);
    usage(command, &mut text);
    man.render_description_section(&mut text).expect(MEMORY);
    if is_program {
        section(&mut text, |roff| {
            roff.control("PP", []).text(words(ABOUT));
        });
    }
    man.render_options_section(&mut text).expect(MEMORY);
    section(&mut text, |roff| {
        if shown(command).next().is_some() {
            roff.control("SH", ["COMMANDS"]);
            for inner in shown(command) {
                let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
                roff.control("TP", []).text(reference(name(inner))).text(words(&about));
            }
        }
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        blocks(roff, &after);
        if is_program {
            listed(roff, "EXIT STATUS", &EXIT);
            listed(roff, "ENVIRONMENT", &ENVIRONMENT);
            listed(roff, "FILES", &FILES);
        }
        see_also(roff, program, command);
    });
    tidy(&String::from_utf8_lossy(&text))
}

fn section(text: &mut Vec<u8>, write: impl FnOnce(&mut Roff)) {
    let mut roff = Roff::new();
    write(&mut roff);
    roff.to_writer(text).expect(MEMORY);
}

/// The usage line, as in the help.
fn usage(command: &clap::Command, text: &mut Vec<u8>) {
    let usage = command.clone().render_usage().to_string();
    let usage = plain_groups(usage.trim_start_matches("Usage:").trim());
    let typed = command.get_bin_name().unwrap_or(command.get_name());
    let rest = usage.strip_prefix(typed).unwrap_or_default();
    section(text, |roff| {
        roff.control("SH", ["SYNOPSIS"]).text([bold(typed), roman(rest)]);
    });
}

/// A section of names with their meanings.
fn listed(roff: &mut Roff, title: &str, all: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (name, meaning) in all {
        roff.control("TP", []).text(words(name)).text(words(meaning));
    }
}

/// The sections after the options in the help. Each begins with a line like `Examples:`. Each line below holds a
/// command and, after two spaces or more, what it does.
fn blocks(roff: &mut Roff, text: &str) {
    let mut entry: Option<(String, String)> = None;
    let lines = text.lines().map(Some).chain([None]);
    for line in lines {
        let indent = line.map(|line| line.len() - line.trim_start().len()).unwrap_or_default();
        if let (Some(line), Some((_, what)), CONTINUED..) = (line, &mut entry, indent) {
            what.push(' ');
            what.push_str(line.trim());
            continue;
        }
        if let Some((typed, what)) = entry.take() {
            roff.control("TP", []).text([bold(typed)]);
            if !what.is_empty() {
                roff.text(words(what.trim()));
            }
        }
        let Some(line) = line.filter(|line| !line.trim().is_empty()) else { continue };
        if indent > 0 {
            let (typed, what) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
            entry = Some((typed.to_owned(), what.trim().to_owned()));
            continue;
        }
        let (title, rest) = line.split_once(':').unwrap_or((line, ""));
        let title = if title == "Example" { "Examples" } else { title };
        roff.control("SH", [title.to_uppercase().as_str()]);
        if !rest.is_empty() {
            roff.text(words(rest.trim().trim_end_matches(':')));
        }
    }
}

/// Lists the program and the commands beside this one.
fn see_also(roff: &mut Roff, program: &clap::Command, command: &clap::Command) {
    roff.control("SH", ["SEE ALSO"]);
    let mut all: Vec<&str> = Vec::new();
    if name(command) == name(program) {
        all.extend(shown(program).flat_map(shown).map(name));
    } else {
        let is_parent = |one: &&clap::Command| shown(one).any(|inner| name(inner) == name(command));
        let parent = shown(program).find(is_parent);
        all.push(name(program));
        all.extend(parent.map(name));
        let beside = shown(parent.unwrap_or(program)).map(name);
        all.extend(beside.filter(|other| *other != name(command)));
        roff.text([
            bold("rydes"),
            roman("(1) lists the exit codes, the variables of the environment and the files."),
        ]);
        roff.control("PP", []);
    }
    let mut line = Vec::new();
    for (at, name) in all.into_iter().enumerate() {
        line.extend((at > 0).then(|| roman(", ")));
        line.extend(reference(name));
    }
    roff.text(line);
}

fn reference(name: &str) -> [Inline; 2] {
    [bold(name), roman("(1)")]
}

/// Makes the words between backticks bold.
fn words(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    let parts = parts.filter(|(_, part)| !part.is_empty());
    parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

/// Joins the parts to one text that passes the checkers of man pages.
fn tidy(text: &str) -> String {
    // Each part defines the apostrophe again; once is enough.
    let preamble: Vec<_> = text.lines().take_while(|line| !line.starts_with(".TH")).collect();
    let rest = text.lines().filter(|line| !preamble.contains(line));
    let lines: Vec<_> = preamble.iter().copied().chain(rest).map(str::trim_end).collect();
    let text = lines
        .join("\n")
        .replace("\n.br\n\n.br\n", "\n.sp\n")
        .replace("\n\n", "\n.sp\n")
        .replace(".RS 14", ".RS 7");
    let lines = text.lines().map(|line| {
        let is_paired = line.matches('`').count() % 2 == 0;
        if line.starts_with('.') || !is_paired {
            return line.to_owned();
        }
        let parts = line.split('`').enumerate();
        parts
            .map(|(at, part)| if at % 2 == 1 { format!("\\fB{part}\\fR") } else { part.to_owned() })
            .collect()
    });
    lines.map(|line: String| line + "\n").collect()
}
