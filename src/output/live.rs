//! A region of the terminal that is redrawn in place, and only while the terminal is ours.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Redraws text in place on stdout.
#[derive(Debug)]
pub struct Live {
    bar: ProgressBar,
    /// The terminal's modes, to be put back.
    modes: Option<Termios>,
}

impl Live {
    /// An empty region.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout_with_hz(20));
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is valid"));
        Self { bar, modes: hush() }
    }

    /// Draws the text; nothing while another program has the terminal.
    pub fn draw(&self, text: String) {
        if is_foreground() {
            self.bar.set_message(text);
            self.bar.tick();
        }
    }

    /// Removes the region, to print something that stays.
    pub fn clear(&self) {
        if is_foreground() {
            self.bar.finish_and_clear();
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
        if let Some(modes) = self.modes.take().filter(|_| is_foreground()) {
            // A terminal that has gone away has no modes to put back.
            _ = tcsetattr(io::stdout(), OptionalActions::Now, &modes);
        }
    }
}

/// Stops the terminal from writing `^C` into the region; returns the modes there were.
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

/// The terminal's columns and rows; 80 by 24 where there is none.
pub fn size() -> (u16, u16) {
    let (rows, columns) = console::Term::stdout().size_checked().unwrap_or((24, 80));
    (columns, rows)
}
