//! The terminal for bars and live regions, behind the writer: a stopped terminal blocks nothing.

use std::fmt::Write as _;
use std::io;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

use super::Output;
use super::backlog::{StdStream, Worth};
use super::writer::Writer;

/// Redraws a second, at most.
const HERTZ: u8 = 20;

#[derive(Debug)]
pub(super) struct WriterTerm {
    writer: Writer,
    stream: StdStream,
    term: Term,
    frame: Mutex<String>,
}

impl WriterTerm {
    pub(super) fn stdout(output: &Output) -> ProgressDrawTarget {
        Self::target(output, StdStream::Out, Term::stdout())
    }

    pub(super) fn stderr(output: &Output) -> ProgressDrawTarget {
        Self::target(output, StdStream::Err, Term::stderr())
    }

    fn target(output: &Output, stream: StdStream, term: Term) -> ProgressDrawTarget {
        let writer = output.writer.clone();
        let screen = Self { writer, stream, term, frame: Mutex::default() };
        ProgressDrawTarget::term_like_with_hz(Box::new(screen), HERTZ)
    }

    /// Adds to the frame. While earlier frames wait, the first piece is refused: the next redraw then still starts
    /// from what the screen shows.
    fn add(&self, text: &str) -> io::Result<()> {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        if frame.is_empty() && !self.writer.takes_frames(self.stream) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        frame.push_str(text);
        Ok(())
    }

    fn move_by(&self, count: usize, direction: char) -> io::Result<()> {
        let mut sequence = String::new();
        if count > 0 {
            _ = write!(sequence, "\u{1b}[{count}{direction}");
        }
        self.add(&sequence)
    }
}

impl TermLike for WriterTerm {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text).and_then(|()| self.add("\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let frame = take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        if !frame.is_empty() {
            self.writer.push(self.stream, frame, Worth::Frame);
        }
        Ok(())
    }
}
