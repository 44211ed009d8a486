//! The only place that prints. Answers go to stdout, everything else to stderr; a closed pipe ends
//! the output, not the program's manners.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Style;
use serde_json::Value;

use crate::error::Error;
use crate::model::text::{compact_json, printable};

pub mod account;
pub mod bench;
pub mod chaos;
pub mod letters;
pub mod live;
mod names;
pub mod page;
pub mod picture;
pub mod progress;
pub mod quotes;
pub mod setup;
pub mod status;
pub mod steps;
pub mod subscriptions;
pub(crate) mod table;
pub mod trace;
pub mod verify;
pub mod workers;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One line of JSON per change or event.
    Jsonl,
    /// The original's own response (`quotes` alone).
    Workshop,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said beside the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors alone.
    Quiet,
    /// What a person wants to know.
    #[default]
    Normal,
    /// More of it.
    Verbose,
}

/// Prints. Cheap to clone; every clone knows when stdout was closed.
#[derive(Debug, Clone)]
pub struct Output {
    /// How answers are written.
    pub format: Format,
    /// How much is said beside the answer.
    pub verbosity: Verbosity,
    out_color: bool,
    err_color: bool,
    closed: Arc<AtomicBool>,
}

impl Output {
    /// An output as the options want it. `no_color` is whether the environment asks for none.
    pub fn new(format: Format, verbosity: Verbosity, color: Color, no_color: bool) -> Self {
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color,
        };
        Self {
            format,
            verbosity,
            out_color: wanted(io::stdout().is_terminal()),
            err_color: wanted(io::stderr().is_terminal()),
            closed: Arc::default(),
        }
    }

    /// Whether whoever read stdout has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether answers go to a person's terminal.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether what is said beside the answer goes to a person's terminal.
    pub fn is_attended(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Writes a line of the answer to stdout. It must be safe to print.
    pub fn data(&self, line: &str) {
        let mut stdout = io::stdout().lock();
        if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes lines of the answer to stdout.
    pub fn lines(&self, lines: &[String]) {
        for line in lines {
            self.data(line);
        }
    }

    /// Writes a JSON document to stdout, on one line, ASCII only.
    pub fn json(&self, value: &Value) {
        self.data(&compact_json(value));
    }

    /// Writes a line for people to stderr, made safe to print.
    pub fn note(&self, line: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.stderr(&safe(line));
        }
    }

    /// Writes a line to stderr that only `-v` asks for, made safe to print.
    pub fn detail(&self, line: &str) {
        if self.verbosity == Verbosity::Verbose {
            self.stderr(&safe(line));
        }
    }

    /// Writes an error with its causes and hints to stderr.
    pub fn error(&self, error: &Error) {
        let red = self.err_style().red().bold();
        self.stderr(&format!("{} {}", red.apply_to("error:"), safe(&error.to_string())));
        for cause in error.causes() {
            self.stderr(&format!("  caused by: {}", safe(&cause)));
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }

    /// Writes a warning to stderr.
    pub fn warning(&self, line: &str) {
        let yellow = self.err_style().yellow().bold();
        self.stderr(&format!("{} {}", yellow.apply_to("warning:"), safe(line)));
    }

    /// Writes what to do next to stderr.
    pub fn hint(&self, hint: &str) {
        let cyan = self.err_style().cyan();
        self.stderr(&format!("{} {}", cyan.apply_to("hint:"), safe(hint)));
    }

    /// The style that text on stdout begins with: colours only where they are wanted.
    pub fn out_style(&self) -> Style {
        Style::new().force_styling(self.out_color)
    }

    /// The style that text on stderr begins with: colours only where they are wanted.
    pub fn err_style(&self) -> Style {
        Style::new().for_stderr().force_styling(self.err_color)
    }

    #[expect(clippy::unused_self, reason = "every way out goes through an output")]
    fn stderr(&self, line: &str) {
        // Nobody can be told that stderr is closed.
        _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// Text made safe to print, its line breaks kept.
fn safe(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
