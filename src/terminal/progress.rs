//! Progress of a long operation: a bar on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::WriterTerm;
use super::{Output, Verbosity};

/// How often a line reports the progress where nothing can be redrawn.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Rfqs(u64),
    /// RFQs from a file of this many bytes.
    Bytes(u64),
    Unknown,
}

/// A bar that counts RFQs. Its length may measure the bytes that they come from.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    bar: ProgressBar,
    whole: Total,
    verb: &'static str,
    began: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    /// `verb` says what happens to RFQs: `submitted`.
    pub fn new(output: &Output, whole: Total, verb: &'static str) -> Self {
        let target = if output.is_attended() && output.verbosity > Verbosity::Quiet {
            WriterTerm::stderr(output)
        } else {
            ProgressDrawTarget::hidden()
        };
        let (length, template) = match whole {
            Total::Rfqs(count) => (Some(count), "  {bar:30} {msg}, {eta} left"),
            Total::Bytes(bytes) => (Some(bytes), "  {bar:30} {msg}, {eta} left"),
            Total::Unknown => (None, "  {spinner} {msg}"),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        let now = Instant::now();
        Self { output: output.clone(), bar, whole, verb, began: now, told: Mutex::new(now) }
    }

    /// Reports the RFQs done so far, and the bytes read from the file.
    pub fn at(&self, rfqs: u64, bytes: u64) {
        let (text, rate) = (&self.text(rfqs), self.rate(rfqs));
        self.bar.set_message(format!("{text}, {rate:.0}/s"));
        self.bar.set_position(if matches!(self.whole, Total::Bytes(_)) { bytes } else { rfqs });
        if !self.bar.is_hidden() {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            self.output.note(&format!("{text}, {rate:.0}/s"));
        }
    }

    /// Calls `print` with the bar out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn text(&self, rfqs: u64) -> String {
        match self.whole {
            Total::Rfqs(count) => format!("{rfqs} of {count} {}", self.verb),
            Total::Bytes(_) | Total::Unknown => format!("{rfqs} {}", self.verb),
        }
    }

    fn rate(&self, rfqs: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rfqs = rfqs as f64;
        rfqs / self.began.elapsed().as_secs_f64().max(0.001)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
