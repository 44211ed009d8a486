//! The past gatherings of a stack: all rows, read from the table or from exported files, grouped by RFQ.
//!
//! The rows of one RFQ may be far apart: a scan reads segments side by side, and an export to S3 has no order.
//! So each row goes to a partition by its RFQ, and partitions that outgrow the memory go to a temporary file.

mod files;
mod gzip;
mod partitions;
mod rows;
mod times;

pub use self::files::{FileProgress, RowFile, read_files};
pub use self::gzip::export_comment;
use self::partitions::Partitions;
use self::rows::{grouped, read, write};
use self::times::ReadTime;
use crate::aws::Item;
use crate::core::history::{Eligibility, LeftOut, Period, is_unsettled};
use crate::core::{Rows, Timestamp};
use crate::error::Result;

/// All rows that were read, in partitions by RFQ. Some may be in a temporary file.
#[derive(Debug)]
pub struct History {
    /// When the rows were read: of several files, the latest time.
    pub read_at: Timestamp,
    /// Rows of requests and answers.
    pub rows: u64,
    /// Rows that are neither: those of other programs.
    pub foreign: u64,
    partitions: Partitions,
    times: Vec<ReadTime>,
}

/// What was read, and what was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// As [`History::read_at`].
    pub read_at: Timestamp,
    /// As [`History::rows`].
    pub rows: u64,
    /// As [`History::foreign`].
    pub foreign: u64,
    /// RFQs in the period that were left out.
    pub left_out: LeftOut,
    /// How certain it is that those that are still going on were.
    pub going_on: GoingOn,
    /// RFQs in the period that count, but may get further late answers.
    pub unsettled: u64,
}

/// Whether RFQs were still going on when they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GoingOn {
    /// They were.
    #[default]
    Surely,
    /// They may have been: it is not known exactly when the rows of some were read.
    Perhaps,
}

/// Takes rows in any order, file by file.
#[derive(Debug)]
pub struct HistoryBuilder {
    partitions: Partitions,
    rows: u64,
    foreign: u64,
    times: Vec<ReadTime>,
}

impl HistoryBuilder {
    /// Takes the rows of the table, which are read from this time on.
    pub fn of_table(read_at: Timestamp) -> Self {
        let mut table = Self::of_files();
        table.begin_file(Some(read_at));
        table
    }

    /// Takes the rows of files.
    pub fn of_files() -> Self {
        Self { partitions: Partitions::new(), rows: 0, foreign: 0, times: Vec::new() }
    }

    /// The next rows are those of another file. Without the time at which they were read from the table, the latest time
    /// in them counts, so the result is the same on any day.
    pub fn begin_file(&mut self, read_at: Option<Timestamp>) {
        self.times.push(ReadTime::exactly(read_at));
    }

    /// Takes a row. A row that is neither a request nor an answer is counted.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn take(&mut self, item: &Item) -> Result<()> {
        let Some((id, row)) = read(item) else {
            self.foreign += 1;
            return Ok(());
        };
        self.rows += 1;
        if let Some(time) = self.times.last_mut() {
            time.see(&row);
        }
        let file = self.times.len().saturating_sub(1);
        self.partitions.add(&id, |lines| write(item, file, lines))
    }

    /// Rows so far, of any kind.
    pub fn count(&self) -> u64 {
        self.rows + self.foreign
    }

    /// All rows.
    pub fn complete(self) -> History {
        let Self { partitions, rows, foreign, times } = self;
        // Without any time no RFQ is looked back on.
        let read_at = times.iter().filter_map(ReadTime::at).max().unwrap_or_else(Timestamp::now);
        History { read_at, rows, foreign, partitions, times }
    }
}

impl History {
    /// Passes the rows of each gathering that is over to `take`, in no particular order. If several rows have the
    /// same key, a closed request and the answer of the higher rank count, else the last one.
    ///
    /// Ids without a request row are counted only where the period has no limits: their time is unknown.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn each_gathering(self, period: Period, take: &mut dyn FnMut(&Rows)) -> Result<Coverage> {
        let Self { read_at, rows, foreign, partitions, times } = self;
        let (left_out, going_on) = (LeftOut::default(), GoingOn::default());
        let mut coverage = Coverage { read_at, rows, foreign, left_out, going_on, unsettled: 0 };
        partitions.each(|lines| {
            for found in grouped(lines)?.into_values() {
                let Some((request, expires_at)) = found.request else {
                    coverage.left_out.without_request += u64::from(period.holds(None));
                    continue;
                };
                if !period.holds(request.submitted_at) {
                    continue;
                }
                let rows = Rows { request, answers: found.answers.into_values().collect() };
                let files = || found.files.iter().filter_map(|file| times.get(*file));
                let own = files().filter_map(ReadTime::at).max().unwrap_or(read_at);
                let eligibility = Eligibility::of(&rows, expires_at, own, read_at);
                coverage.left_out.count(eligibility);
                match eligibility {
                    Eligibility::Over => {
                        coverage.unsettled += u64::from(is_unsettled(&rows, own));
                        take(&rows);
                    }
                    Eligibility::GoingOn if !files().all(ReadTime::is_exact) => {
                        coverage.going_on = GoingOn::Perhaps;
                    }
                    Eligibility::GoingOn | Eligibility::Expired | Eligibility::Untimed => {}
                }
            }
            Ok(())
        })?;
        Ok(coverage)
    }
}
