//! `rydes candidates`: completes the last word of a command line, for the scripts of `rydes completions`.
//!
//! It prints lines, the best first: a word, a tab, and a description. A line without a word says `files` or
//! `folders`: the shell then completes paths. It connects to nothing, writes nothing and prints no errors: what
//! cannot be read offers no words. Bash takes a word as if it had been typed, so every word consists of characters
//! that no shell interprets.

mod line;

use std::ffi::OsString;

use clap::{Arg, Args, CommandFactory as _};

use self::line::{End, TypedLine};
use super::recent::{Recent, Submitted};
use super::{Cli, Context, env};
use crate::core::{StackName, Timestamp, show_duration};
use crate::error::{Result, exit};
use crate::flow::provider::FAULT_KINDS;
use crate::settings::{Backend, Env, RawOptions, Settings};

/// The most ids that are offered: a person reads them.
const MOST: usize = 20;
const CONDITIONS: [(&str, &str); 3] = [
    ("all", "every provider has answered"),
    ("price:", "a price of so much or less"),
    ("stall:", "nothing new for so long"),
];

#[derive(Debug, Args)]
pub(super) struct Command {
    /// The words after `rydes`, the last one as far as it was typed
    #[arg(last = true, value_name = "WORD")]
    words: Vec<OsString>,
}

/// A possible word, and its description.
struct Offer {
    word: String,
    about: String,
}

impl Offer {
    fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self { word: word.into(), about: about.into() }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let mut program = Cli::command();
    program.build();
    let words = command.words.iter().map(|word| word.to_string_lossy().into_owned());
    let line = TypedLine::read(&program, &words.collect::<Vec<_>>());
    for Offer { word, about } in offers(&line).await {
        let about = about.lines().next().unwrap_or_default();
        context.output.data(&format!("{word}\t{about}"));
    }
    Ok(exit::DONE)
}

async fn offers(line: &TypedLine<'_>) -> Vec<Offer> {
    match &line.end {
        End::Value { of, before, text } => fitting(values(line, of).await, before, text),
        End::Option(text) => fitting(options(line), "", text),
        End::Word { of, within, text } => {
            let mut offers = within.map(commands).unwrap_or_default();
            if let Some(of) = of.filter(|_| !line.is_help) {
                offers.extend(values(line, of).await);
            }
            let offers = fitting(offers, "", text);
            let is_open = offers.is_empty() && text.is_empty() && !line.is_help;
            if is_open { options(line) } else { offers }
        }
    }
}

/// Keeps the offers that begin with `text`, and puts `before` in front of each.
fn fitting(mut offers: Vec<Offer>, before: &str, text: &str) -> Vec<Offer> {
    offers.retain(|offer| offer.word.is_empty() || offer.word.starts_with(text));
    for offer in offers.iter_mut().filter(|offer| !offer.word.is_empty()) {
        offer.word.insert_str(0, before);
    }
    offers
}

fn commands(command: &clap::Command) -> Vec<Offer> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| Offer::new(command.get_name(), about(command.get_about()))).collect()
}

fn options(line: &TypedLine<'_>) -> Vec<Offer> {
    let named = line.options().into_iter().filter_map(|option| {
        let name = format!("--{}", option.get_long()?);
        Some(Offer::new(name, about(option.get_help())))
    });
    named.collect()
}

fn about(help: Option<&clap::builder::StyledStr>) -> String {
    help.map(ToString::to_string).unwrap_or_default()
}

/// The values of an argument, chosen by its id or the name of its value.
async fn values(line: &TypedLine<'_>, of: &Arg) -> Vec<Offer> {
    let possible = of.get_possible_values();
    if !possible.is_empty() {
        let of_some: fn(&str) -> &[&str] = match of.get_id().as_str() {
            "output" => |name| match name {
                "workshop" => &["quotes"],
                "otlp" => &["trace"],
                "csv" => &["report", "advise"],
                _ => &[],
            },
            _ => |_| &[],
        };
        let command = line.command.get_name();
        let may = |name: &str| of_some(name).is_empty() || of_some(name).contains(&command);
        let shown = possible.iter().filter(|value| !value.is_hide_set() && may(value.get_name()));
        return shown.map(|value| Offer::new(value.get_name(), about(value.get_help()))).collect();
    }
    let listed =
        |all: &[(&str, &str)]| all.iter().map(|(word, what)| Offer::new(*word, *what)).collect();
    let name = of.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str);
    match (of.get_id().as_str(), name) {
        ("stack", _) => stacks().await,
        ("rfq_id", _) | (_, Some("RFQ-ID")) => ids(line).await,
        (_, Some("FAULT")) => faults(line),
        (_, Some("CONDITION")) => listed(&CONDITIONS),
        (_, Some("FILE")) => vec![Offer::new("", "files")],
        (_, Some("FOLDER")) => vec![Offer::new("", "folders")],
        _ => Vec::new(),
    }
}

/// The kinds of faults, after the name of a provider if one was typed.
fn faults(line: &TypedLine<'_>) -> Vec<Offer> {
    let (End::Value { text, .. } | End::Word { text, .. } | End::Option(text)) = &line.end;
    let of = match text.split_once('=') {
        Some((name, _)) if is_plain(name) => format!("{name}="),
        _ => String::new(),
    };
    FAULT_KINDS.iter().map(|(kind, what)| Offer::new(format!("{of}{kind}"), *what)).collect()
}

/// The RFQs submitted from this machine to the selected stack, newest first.
async fn ids(line: &TypedLine<'_>) -> Vec<Offer> {
    let typed = RawOptions {
        stack: line.value("stack"),
        endpoint_url: line.value("endpoint_url"),
        region: line.value("region"),
        profile: line.value("profile"),
        backend: if line.has("aws") { Backend::Aws } else { Backend::LocalStack },
    };
    let Ok(settings) = Settings::resolve(&typed, Env::new(&env)) else { return Vec::new() };
    let (now, mut offers) = (Timestamp::now(), Vec::<Offer>::new());
    for Submitted { id, at, .. } in submitted(|one| one.is_of(&settings)).await {
        if is_plain(&id) && offers.len() < MOST && offers.iter().all(|offer| offer.word != id) {
            let age =
                at.map(|at| format!("submitted {} ago", show_duration(now.saturating_since(at))));
            offers.push(Offer::new(id, age.unwrap_or_default()));
        }
    }
    offers
}

/// The stacks to which RFQs were submitted from this machine.
async fn stacks() -> Vec<Offer> {
    let mut offers = Vec::<Offer>::new();
    for one in submitted(|one| StackName::parse(one.stack()).is_ok()).await {
        if offers.iter().all(|offer| offer.word != one.stack()) {
            offers.push(Offer::new(one.stack(), "submitted to from this machine"));
        }
    }
    offers
}

async fn submitted(is_meant: impl Fn(&Submitted) -> bool) -> impl Iterator<Item = Submitted> {
    Recent::all(env).await.into_iter().filter(move |one| is_meant(one))
}

/// Whether a shell takes a word literally.
fn is_plain(word: &str) -> bool {
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !word.is_empty() && !word.starts_with('-') && word.chars().all(is_harmless)
}
