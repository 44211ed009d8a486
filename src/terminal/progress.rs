//! Progress of a long operation: a bar on a terminal, a line now and then elsewhere.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::WriterTerm;
use super::{Output, Verbosity};
use crate::core::show_duration;
use crate::view::{amount, count_of};

/// How often a line reports the progress where nothing can be redrawn.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Rfqs(u64),
    /// RFQs from a file of this many bytes.
    Bytes(u64),
    /// RFQs, not known how many.
    Unknown,
    /// Rows of a table of about this many bytes, if known.
    Table(Option<u64>),
    /// Rows from files of this many bytes, if known.
    Files(Option<u64>),
}

impl Total {
    /// The length of the bar.
    fn length(self) -> Option<u64> {
        match self {
            Self::Rfqs(length) | Self::Bytes(length) => Some(length),
            Self::Unknown => None,
            Self::Table(bytes) | Self::Files(bytes) => bytes.filter(|bytes| *bytes > 0),
        }
    }

    /// So far.
    fn text(self, verb: &str, count: u64, bytes: u64) -> String {
        let rows = || format!("{} {verb}, {}", count_of(count, "row"), amount::bytes(bytes));
        match (self, self.length()) {
            (Total::Rfqs(whole), _) => format!("{count} of {whole} {verb}"),
            (Total::Bytes(_) | Total::Unknown, _) => format!("{count} {verb}"),
            (Total::Table(_), Some(whole)) => {
                format!("{} of about {}", rows(), amount::bytes(whole))
            }
            (Total::Files(_), Some(whole)) => format!("{} of {}", rows(), amount::bytes(whole)),
            (Total::Table(_) | Total::Files(_), None) => rows(),
        }
    }

    /// Whether the bar measures bytes.
    fn is_of_bytes(self) -> bool {
        matches!(self, Self::Bytes(_) | Self::Table(_) | Self::Files(_))
    }
}

/// A bar that counts RFQs or rows. Its length may measure the bytes that they come from.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    bar: ProgressBar,
    whole: Total,
    verb: &'static str,
    /// When the first report came.
    began: OnceLock<Instant>,
    told: Mutex<Instant>,
    /// What the last report said.
    text: Mutex<String>,
}

impl Progress {
    /// `verb` says what happens to them: `submitted`.
    pub fn new(output: &Output, whole: Total, verb: &'static str) -> Self {
        let target = if output.is_attended() && output.verbosity > Verbosity::Quiet {
            WriterTerm::stderr(output)
        } else {
            ProgressDrawTarget::hidden()
        };
        let length = whole.length();
        let template = if length.is_some() { "  {bar:30} {msg}" } else { "  {spinner} {msg}" };
        let bar = ProgressBar::with_draw_target(length, target);
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        let now = Instant::now();
        let began = OnceLock::new();
        let (told, text) = (Mutex::new(now), Mutex::default());
        Self { output: output.clone(), bar, whole, verb, began, told, text }
    }

    /// Reports the RFQs or rows done so far, and the bytes read.
    pub fn at(&self, count: u64, bytes: u64) {
        let position = if self.whole.is_of_bytes() { bytes } else { count };
        let length = self.bar.length();
        let pace = Pace {
            count,
            position,
            length,
            elapsed: self.began.get_or_init(Instant::now).elapsed(),
        };
        let text = format!("{}{}", self.text(count, bytes), pace.told());
        // What is known about only may turn out to be more.
        self.bar.set_position(length.map_or(position, |length| position.min(length)));
        self.tell(&text);
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Says why it does not go on for now, until the next report.
    pub fn pause(&self, why: &str) {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.tell(&if text.is_empty() { why.to_owned() } else { format!("{text}; {why}") });
    }

    fn tell(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        if !self.bar.is_hidden() {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            self.output.note(text);
        }
    }

    /// Calls `print` with the bar out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn text(&self, count: u64, bytes: u64) -> String {
        self.whole.text(self.verb, count, bytes)
    }
}
/// A rate is told after this long: what begins in a burst, or slowly, has no other before.
const MEASURED: Duration = Duration::from_secs(2);
/// The part of the whole, one in so many, after which the time left is told.
const FORESEEABLE: u64 = 10;

/// How fast it goes.
struct Pace {
    /// RFQs or rows so far.
    count: u64,
    /// The position of the bar.
    position: u64,
    /// Its length, if known.
    length: Option<u64>,
    elapsed: Duration,
}

impl Pace {
    /// `, 120/s, 8 s left`: each part once there is enough to measure it by.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    fn told(&self) -> String {
        if self.elapsed < MEASURED || self.position == 0 {
            return String::new();
        }
        let seconds = self.elapsed.as_secs_f64();
        let rate = format!(", {:.0}/s", self.count as f64 / seconds);
        let Some(left) = self.length.map(|length| length.saturating_sub(self.position)) else {
            return rate;
        };
        if self.position < left / (FORESEEABLE - 1) {
            return rate;
        }
        let left = seconds / self.position as f64 * left as f64;
        format!(
            "{rate}, {} left",
            show_duration(Duration::try_from_secs_f64(left.ceil()).unwrap_or_default())
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_with_their_bytes() {
        let text = |whole: Total| whole.text("read", 12_000, 4_870_000);
        let of_table = text(Total::Table(Some(1_240_000_000)));
        assert_eq!(of_table, "12000 rows read, 4.8 MB of about 1.2 GB");
        assert_eq!(text(Total::Files(Some(9_000_000))), "12000 rows read, 4.8 MB of 9.0 MB");
        for unknown in [Total::Files(None), Total::Table(Some(0))] {
            assert_eq!(text(unknown), "12000 rows read, 4.8 MB");
        }
        assert_eq!(Total::Rfqs(20).text("submitted", 3, 0), "3 of 20 submitted");
        assert_eq!(Total::Unknown.text("submitted", 3, 0), "3 submitted");
    }

    #[test]
    fn a_rate_is_told_once_there_is_one() {
        let told = |position, length, elapsed| {
            Pace { count: position, position, length, elapsed: Duration::from_millis(elapsed) }
                .told()
        };
        // A slow beginning is no forecast.
        assert_eq!(told(1, Some(1_000), 400), "");
        assert_eq!(told(0, Some(1_000), 60_000), "");
        assert_eq!(told(40, Some(1_000), 2_000), ", 20/s");
        assert_eq!(told(100, Some(1_000), 2_000), ", 50/s, 18 s left");
        assert_eq!(told(1_000, Some(1_000), 2_000), ", 500/s, 0 s left");
        assert_eq!(told(500, None, 2_000), ", 250/s");
    }
}
