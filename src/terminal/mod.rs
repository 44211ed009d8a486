//! The only place that prints. Answers go to stdout, everything else to stderr. A closed pipe ends the output, but
//! the program still ends in order.
//!
//! Printing never waits for a reader: separate threads write queued text. A command that prints without end waits
//! for [`Output::room`], and the program ends with [`Output::finish`].

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use console::Style;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use unicode_width::UnicodeWidthStr as _;

use crate::core::text::{compact_json, printable};
use crate::error::{Error, Kind, Result};
use crate::shutdown::Shutdown;
use crate::view::clock::Clock;
use crate::view::count_of;
use crate::view::prose::laid_out;
use crate::view::table::wrapped;
use crate::view::tone::{Line, Tone};
use backlog::{StdStream, Words, Worth};
use writer::Writer;

mod backlog;
pub mod live;
pub mod progress;
mod screen;
pub mod steps;
mod writer;

/// How long the end of a command waits for a reader that reads nothing: for events and notes, and after a signal
/// for answers too. With the 25 s of a drain, it stays below the 30 s that supervisors commonly give.
const FLUSH: Duration = Duration::from_secs(3);
/// How long it waits after a second signal.
const AT_ONCE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    /// One line of JSON per change or event.
    Jsonl,
    /// The original's own response (`quotes` alone).
    Workshop,
    /// A trace, as collectors take it (`trace` alone).
    Otlp,
    /// Comma-separated values (`report` and `advise` alone).
    Csv,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// The terminal's abilities, from the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Colours and redraws.
    Capable,
    /// `NO_COLOR`: redraws.
    Colourless,
    /// `TERM=dumb`, or no `TERM`: lines only.
    Dumb,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors, warnings and hints only.
    Quiet,
    #[default]
    Normal,
    Verbose,
}

/// What one of the two streams is.
#[derive(Debug, Clone, Copy)]
struct Stream {
    is_terminal: bool,
    has_color: bool,
}

/// Prints. Clones are cheap and share one writer.
#[derive(Debug, Clone)]
pub struct Output {
    pub format: Format,
    pub verbosity: Verbosity,
    out: Stream,
    err: Stream,
    terminal: Terminal,
    writer: Writer,
}

impl Output {
    pub fn new(format: Format, verbosity: Verbosity, color: Color, terminal: Terminal) -> Self {
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && terminal == Terminal::Capable,
        };
        let stream = |is_terminal| Stream { is_terminal, has_color: wanted(is_terminal) };
        let (out, err) = (stream(io::stdout().is_terminal()), stream(io::stderr().is_terminal()));
        let yellow = Style::new().for_stderr().force_styling(err.has_color).yellow().bold();
        let events = if format == Format::Jsonl { dropped_document } else { dropped_lines };
        let writer = Writer::new(&Words {
            dropped: [events, dropped_lines],
            trouble: format!(
                "{} events are lost until stdout works again: ",
                yellow.apply_to("warning:")
            ),
        });
        Self { format, verbosity, out, err, terminal, writer }
    }

    /// Whether stdout accepts no more answers: its reader has closed it, or a write has failed.
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    pub fn is_terminal(&self) -> bool {
        self.out.is_terminal
    }

    /// Whether stdout is a terminal that redraws, and this process is in its foreground.
    pub fn is_live(&self) -> bool {
        self.terminal != Terminal::Dumb && live::is_foreground()
    }

    /// Whether stderr is a terminal that redraws.
    pub fn is_attended(&self) -> bool {
        self.terminal != Terminal::Dumb && self.is_stderr_terminal()
    }

    /// The columns of stdout; `None` where it is no terminal.
    pub fn width(&self) -> Option<u16> {
        self.is_terminal().then(|| live::size().0)
    }

    pub fn is_stderr_terminal(&self) -> bool {
        self.err.is_terminal
    }

    /// Waits for room for more answers. Signals do not end the wait.
    pub async fn room(&self) {
        self.writer.room(FLUSH).await;
    }

    /// The same for a thread that may block.
    pub fn hold_for_room(&self) {
        self.writer.hold_for_room();
    }

    /// Waits until every answer so far is written, or cannot be. Signals do not end the wait.
    pub async fn answered(&self) {
        self.writer.answered().await;
    }

    /// Ends a command: waits for the answers, calls `judge`, and waits for the rest.
    ///
    /// A reader may take any time for answers. For events and notes it has 3 s to read the next one. After a
    /// signal it has 3 s for everything, after a second one 0.2 s.
    pub async fn finish<T>(&self, shutdown: &Shutdown, judge: impl FnOnce() -> T) -> T {
        let mut over = pin!(async {
            tokio::select! {
                () = async { shutdown.first_signal().await; sleep(FLUSH).await } => {}
                () = async { shutdown.second_signal().await; sleep(AT_ONCE).await } => {}
            }
        });
        let is_over = tokio::select! {
            () = self.answered() => false,
            () = &mut over => true,
        };
        let judged = judge();
        if is_over {
            // Stderr may still be read.
            _ = timeout(AT_ONCE, self.writer.written()).await;
        } else {
            tokio::select! {
                () = self.rest() => {}
                () = over => {}
            }
        }
        judged
    }

    /// Waits until all is written, or until nothing was written for 3 s.
    async fn rest(&self) {
        loop {
            let before = self.writer.writes();
            let is_written = timeout(FLUSH, self.writer.written()).await.is_ok();
            if is_written || self.writer.writes() == before {
                return;
            }
        }
    }

    /// Waits until all is written. Only for code that runs before the program handles signals: there a signal ends
    /// the program.
    pub fn finish_now(&self) {
        self.writer.hold();
    }

    /// Whether stdout has accepted the answers so far. Returns its failure once. A closed pipe is no failure.
    pub fn delivered(&self) -> Result<()> {
        match self.writer.take_failure() {
            Some(why) => Err(Error::other("cannot write to stdout").because(why)),
            None => Ok(()),
        }
    }

    /// The same at the end, where lines that still wait count as lost. Only a signal leaves lines waiting, so the
    /// error has its `kind`.
    pub fn delivered_in_full(&self, kind: Kind) -> Result<()> {
        self.delivered()?;
        let lines = match self.writer.unwritten() {
            0 => return Ok(()),
            1 => "1 line was".to_owned(),
            count => format!("{count} lines were"),
        };
        Err(Error::new(kind, format!("stdout is not read: {lines} not written")))
    }

    /// Writes a line of the answer to stdout. It must be safe to print.
    pub fn data(&self, line: &str) {
        self.writer.push(StdStream::Out, format!("{line}\n"), Worth::Answer);
    }

    /// Writes a line that names a published RFQ, to stderr if stdout refuses it. It must be safe to print.
    pub fn id(&self, line: &str) {
        self.writer.push(StdStream::Out, format!("{line}\n"), Worth::Id);
    }

    /// Writes a log line to stdout. Drops and counts it if the reader is too slow. It must be safe to print.
    pub fn event(&self, line: &str) {
        self.writer.push(StdStream::Out, format!("{line}\n"), Worth::Event);
    }

    /// Writes a text to stdout, with colours where stdout shows them. Both forms must be safe to print.
    pub fn styled_data(&self, plain: &str, styled: &str) {
        self.data(if self.out.has_color { styled } else { plain });
    }

    /// The same on stderr.
    pub fn styled_note(&self, plain: &str, styled: &str) {
        self.stderr(if self.err.has_color { styled } else { plain });
    }

    /// Lines of the answer, in colours where stdout shows them.
    pub fn toned(&self, lines: &[Line]) {
        for line in lines {
            self.data(&painted(line, &self.out_style()));
        }
    }

    /// The same lines as text for a live region.
    pub fn painted(&self, lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| painted(line, &self.out_style())).collect()
    }

    /// A line for people on stderr, with its colour, made safe to print.
    pub fn toned_note(&self, line: &Line) {
        if self.verbosity > Verbosity::Quiet {
            let text = safe(&line.text);
            self.stderr(&painted(&Line { text, ..line.clone() }, &self.err_style()));
        }
    }

    /// A line of a log for people, on stderr: with date, time and offset unless stderr is a terminal.
    pub fn log_note(&self, line: &Line, clock: &Clock) {
        if self.is_stderr_terminal() {
            self.toned_note(line);
        } else {
            self.note(&format!("{} {}", clock.stamp(clock.now()), line.text));
        }
    }

    /// A line about what to do next, on stderr.
    pub fn suggest(&self, line: &str) {
        self.toned_note(&Line::new(Tone::Faint, line));
    }

    /// Commands to type next, on stderr: each with what it shows.
    pub fn next(&self, commands: &[(String, &str)]) {
        let widest = commands.iter().map(|(command, _)| command.width()).max().unwrap_or(0);
        for (position, (command, what)) in commands.iter().enumerate() {
            let before = if position == 0 { "next:" } else { "     " };
            let gap = " ".repeat(widest - command.width());
            let line = format!("{before} {command}{gap}   {what}");
            let line = line.trim_end();
            // A command that is broken cannot be copied; what it shows is left out first.
            let fits = !self.err.is_terminal || line.width() <= live::size().0.into();
            let shorter = format!("{before} {command}");
            self.suggest(if fits { line } else { &shorter });
        }
    }

    /// Lines of the answer. On a terminal they break between words.
    pub fn lines(&self, lines: &[String]) {
        for line in lines.iter().flat_map(|line| wrapped(line, self.width())) {
            self.data(&line);
        }
    }

    /// Writes a JSON document to stdout, on one line, ASCII only.
    pub fn json(&self, value: &Value) {
        self.data(&compact_json(value));
    }

    pub fn id_json(&self, value: &Value) {
        self.id(&compact_json(value));
    }

    /// Writes a log line in its colour, as [`Output::event`] does.
    pub fn toned_event(&self, line: &Line) {
        self.event(&painted(line, &self.out_style()));
    }

    pub fn event_json(&self, value: &Value) {
        self.event(&compact_json(value));
    }

    /// Writes a line for people to stderr, made safe to print.
    pub fn note(&self, line: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.prose(line);
        }
    }

    /// Writes a line to stderr with `-v` only, made safe to print.
    pub fn detail(&self, line: &str) {
        if self.verbosity == Verbosity::Verbose {
            self.stderr(&safe(line));
        }
    }

    pub fn error(&self, error: &Error) {
        self.marked("error:", &self.err_style().red().bold(), &error.to_string());
        for cause in error.causes() {
            self.prose(&format!("  caused by: {cause}"));
        }
        for hint in error.hints() {
            self.hint(hint);
        }
    }

    pub fn warning(&self, line: &str) {
        self.marked("warning:", &self.err_style().yellow().bold(), line);
    }

    pub fn hint(&self, hint: &str) {
        let dim = self.err_style().dim();
        for line in self.laid_out(&format!("hint: {hint}")) {
            self.stderr(&dim.apply_to(line).to_string());
        }
    }

    /// A sentence on stderr whose first word has a style of its own.
    fn marked(&self, mark: &str, style: &Style, sentence: &str) {
        let mut lines = self.laid_out(&format!("{mark} {sentence}")).into_iter();
        let first = lines.next().unwrap_or_default();
        let rest = first.strip_prefix(mark).unwrap_or_default();
        self.stderr(&format!("{}{rest}", style.apply_to(mark)));
        lines.for_each(|line| self.stderr(&line));
    }

    /// Sentences on stderr, made safe to print.
    fn prose(&self, text: &str) {
        self.laid_out(text).iter().for_each(|line| self.stderr(line));
    }

    /// Sentences as lines that are safe to print; on a terminal they break between words.
    fn laid_out(&self, text: &str) -> Vec<String> {
        let width = self.err.is_terminal.then(|| live::size().0);
        text.split('\n').flat_map(|line| laid_out(&printable(line), width)).collect()
    }

    /// The base style, without colours where they are off.
    fn out_style(&self) -> Style {
        Style::new().force_styling(self.out.has_color)
    }

    fn err_style(&self) -> Style {
        Style::new().for_stderr().force_styling(self.err.has_color)
    }

    /// Writes a question to stderr. The user answers on the same line.
    pub fn ask(&self, question: &str) {
        self.writer.push(StdStream::Err, format!("{} ", safe(question)), Worth::Event);
    }

    fn stderr(&self, line: &str) {
        self.writer.push(StdStream::Err, format!("{line}\n"), Worth::Event);
    }
}

/// The text in the colour of its meaning. `style` has no colours where they are off.
fn painted(line: &Line, style: &Style) -> String {
    let style = style.clone();
    let style = match line.tone {
        Tone::Plain => return line.text.clone(),
        Tone::Title => style.bold(),
        Tone::Faint => style.dim(),
        Tone::Best => style.green(),
        Tone::Late => style.yellow(),
        Tone::Failed => style.red(),
    };
    style.apply_to(&line.text).to_string()
}

/// The line in place of events that the reader did not read in time.
fn dropped_document(count: u64) -> String {
    compact_json(&json!({"event": "dropped", "count": count}))
}

fn dropped_lines(count: u64) -> String {
    format!("({} not written in time)", count_of(count, "line"))
}

/// Makes text safe to print, but keeps its line breaks.
fn safe(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
