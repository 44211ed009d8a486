//! A region of the terminal that is redrawn in place, only while this process has the terminal.

use std::io::{self, IsTerminal as _};

use console::{AnsiCodeIterator, measure_text_width};
use futures_util::FutureExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use unicode_segmentation::UnicodeSegmentation as _;

use super::screen::WriterTerm;
use super::{Output, Terminal};
use crate::view::table::CUT;

/// Lines kept at the end of a region that is too high: they have the summary.
const LAST_LINES: usize = 4;

/// Redraws text in place on stdout.
#[derive(Debug)]
pub struct Live {
    output: Output,
    bar: ProgressBar,
    /// `SIGCONT`: the program was stopped and continues.
    continued: Option<Signal>,
    /// Whether the region is on the screen.
    is_drawn: bool,
    /// Whether another program had the terminal at the last draw.
    away: bool,
    /// The terminal's modes, to be restored.
    modes: Option<Termios>,
}

impl Live {
    /// An empty region. Needs a tokio runtime.
    pub fn new(output: &Output) -> Self {
        let number = rustix::process::Signal::CONT.as_raw();
        // The region works without the signal too.
        let continued = signal(SignalKind::from_raw(number)).ok();
        let output = output.clone();
        Self {
            bar: region(&output),
            output,
            continued,
            is_drawn: false,
            away: false,
            modes: hush(),
        }
    }

    /// Draws lines, unless another program has the terminal. Cuts lines that are too wide, and drops the middle of
    /// a region that is too high: it must never scroll.
    pub fn draw(&mut self, lines: Vec<String>) {
        let continued = self.continued.as_mut().and_then(|signal| signal.recv().now_or_never());
        self.away |= continued.is_some();
        if !is_foreground() {
            self.away = true;
            return;
        }
        if std::mem::take(&mut self.away) {
            // Other programs have written below the old region, so it must stay as it is.
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
            self.bar = region(&self.output);
        }
        let (columns, rows) = room();
        self.bar.set_message(fitted(lines, columns, rows).join("\n"));
        self.bar.tick();
        self.is_drawn = true;
    }

    /// Makes room for lines that stay. The next draw puts the region below them.
    pub fn make_room(&mut self) {
        if std::mem::take(&mut self.is_drawn) && is_foreground() {
            self.bar.finish_and_clear();
            self.bar = region(&self.output);
        }
    }

    /// Removes the region, to make room for text that stays.
    pub fn clear(&self) {
        if is_foreground() {
            self.bar.finish_and_clear();
        }
    }
}

fn region(output: &Output) -> ProgressBar {
    let target = match output.terminal {
        Terminal::Capable | Terminal::Colourless => WriterTerm::stdout(output),
        Terminal::Dumb => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is valid"));
    bar
}

/// Fits lines to the room of a region.
fn fitted(mut lines: Vec<String>, columns: u16, rows: u16) -> Vec<String> {
    let (width, height) = (usize::from(columns), usize::from(rows));
    if lines.len() > height {
        let below = LAST_LINES.min(height / 2);
        lines.drain(height - below..lines.len() - below);
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// Cuts a line at its end to this width in columns, and keeps its colours.
fn cut(line: &str, width: usize) -> String {
    if measure_text_width(line) <= width {
        return line.to_owned();
    }
    let mut room = Some(width.saturating_sub(CUT.len()));
    let mut shown = String::new();
    for (part, is_code) in AnsiCodeIterator::new(line) {
        if is_code {
            shown.push_str(part);
            continue;
        }
        for seen in part.graphemes(true) {
            let Some(left) = room else { break };
            room = left.checked_sub(measure_text_width(seen));
            shown.push_str(if room.is_some() { seen } else { CUT });
        }
    }
    shown
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
        if let Some(modes) = self.modes.take().filter(|_| is_foreground()) {
            // A closed terminal has no modes to restore.
            _ = tcsetattr(io::stdout(), OptionalActions::Now, &modes);
        }
    }
}

/// Stops the terminal from writing `^C` into the region. Returns the previous modes.
fn hush() -> Option<Termios> {
    let before = is_foreground().then(|| tcgetattr(io::stdout()).ok()).flatten()?;
    let mut hushed = before.clone();
    hushed.local_modes.remove(LocalModes::ECHOCTL);
    tcsetattr(io::stdout(), OptionalActions::Now, &hushed).ok()?;
    Some(before)
}

/// Whether stdout is a terminal whose foreground process group is ours.
pub fn is_foreground() -> bool {
    io::stdout().is_terminal()
        && rustix::termios::tcgetpgrp(io::stdout())
            .is_ok_and(|group| group == rustix::process::getpgrp())
}

/// The columns and rows that a region may fill: the terminal's last row stays free.
pub fn room() -> (u16, u16) {
    let (columns, rows) = size();
    (columns, rows.saturating_sub(1).max(1))
}

/// The columns that a line may fill, and the terminal's rows; without a terminal, 80 by 24. The last column stays
/// free: some terminals show a line that ends there as one row, others as two.
pub fn size() -> (u16, u16) {
    let (rows, columns) = console::Term::stdout().size_checked().unwrap_or((24, 80));
    (columns.saturating_sub(1), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_keeps_its_colours_and_whole_characters() {
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(cut(&format!("\u{1b}[1m{family}{family}\u{1b}[0m"), 3), "\u{1b}[1m...\u{1b}[0m");
        assert_eq!(cut(&family.repeat(4), 7), format!("{family}{family}..."));
    }

    #[test]
    fn what_is_drawn_fits_on_the_screen() {
        let lines = (0..30).map(|n| format!("{n} {}", "x".repeat(100))).collect();
        let fitted = fitted(lines, 40, 11);
        assert_eq!(fitted.len(), 11);
        assert!(fitted.iter().all(|line| console::measure_text_width(line) <= 40));
        assert!(fitted[6].starts_with("6 ") && fitted[7].starts_with("26 "), "{fitted:?}");
    }
}
