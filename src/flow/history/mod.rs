//! The past gatherings of a stack: all rows, read from the table or from exported files, grouped by RFQ.
//!
//! The rows of one RFQ may be far apart: a scan reads segments side by side, and an export to S3 has no order.
//! So each row goes to a partition by its RFQ, and partitions that outgrow the memory go to a temporary file.

mod files;
mod gzip;
mod partitions;

use std::collections::BTreeMap;

pub use self::files::{FileProgress, RowFile, read_files};
use self::partitions::Partitions;
use crate::aws::dynamodb_json::{read_line, write_some};
use crate::aws::{Item, LOOKED_BACK_ON, REQUEST_KEY, read_answer, read_expiry, read_request};
use crate::core::history::{Eligibility, LeftOut, Period};
use crate::core::{AnswerRow, RequestRow, RfqId, Rows, Timestamp};
use crate::error::{Error, Result};

/// All rows that were read, in partitions by RFQ. Some may be in a temporary file.
#[derive(Debug)]
pub struct History {
    /// When the rows were read from the table; for files, the latest time in any row.
    pub read_at: Timestamp,
    /// Rows of requests and answers.
    pub rows: u64,
    /// Rows that are neither: those of other programs.
    pub foreign: u64,
    partitions: Partitions,
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
}

/// Takes rows in any order.
#[derive(Debug)]
pub struct HistoryBuilder {
    partitions: Partitions,
    rows: u64,
    foreign: u64,
    latest: Option<Timestamp>,
}

impl Default for HistoryBuilder {
    fn default() -> Self {
        Self { partitions: Partitions::new(), rows: 0, foreign: 0, latest: None }
    }
}

impl HistoryBuilder {
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
        self.latest = self.latest.max(latest(&row));
        self.partitions.add(&id, |lines| write_some(item, &LOOKED_BACK_ON, lines))
    }

    /// Rows so far, of any kind.
    pub fn count(&self) -> u64 {
        self.rows + self.foreign
    }

    /// All rows, which were read from the table at this time.
    pub fn read_at(self, read_at: Timestamp) -> History {
        let Self { partitions, rows, foreign, latest: _ } = self;
        History { read_at, rows, foreign, partitions }
    }

    /// All rows, which came from files. They count as read at the latest time in any of them, so the
    /// result is the same on any day.
    pub fn of_files(self) -> History {
        // Without any time no RFQ is looked back on.
        let read_at = self.latest.unwrap_or_else(Timestamp::now);
        self.read_at(read_at)
    }
}

impl History {
    /// Passes the rows of each gathering that is over to `take`, in no particular order. If several rows have the
    /// same key, the last one counts.
    ///
    /// Ids without a request row are counted only where the period has no limits: their time is unknown.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn each_gathering(self, period: Period, take: &mut dyn FnMut(&Rows)) -> Result<Coverage> {
        let Self { read_at, rows, foreign, partitions } = self;
        let mut left_out = LeftOut::default();
        partitions.each(|lines| {
            for found in grouped(lines)?.into_values() {
                let Some((request, expires_at)) = found.request else {
                    left_out.without_request += u64::from(period.holds(None));
                    continue;
                };
                if !period.holds(request.submitted_at) {
                    continue;
                }
                let rows = Rows { request, answers: found.answers.into_values().collect() };
                let eligibility = Eligibility::of(&rows, expires_at, read_at);
                left_out.count(eligibility);
                if eligibility == Eligibility::Over {
                    take(&rows);
                }
            }
            Ok(())
        })?;
        Ok(Coverage { read_at, rows, foreign, left_out })
    }
}

/// What a row is.
enum Row {
    Request(RequestRow, Option<Timestamp>),
    Answer(AnswerRow),
}

/// The rows of one RFQ. Answers are in the order of the table's sort key, as a query reads them.
#[derive(Default)]
struct Found {
    request: Option<(RequestRow, Option<Timestamp>)>,
    answers: BTreeMap<String, AnswerRow>,
}

/// The RFQ of a row, and what the row is; `None` for a row of another program.
fn read(item: &Item) -> Option<(RfqId, Row)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let id = RfqId::parse(text("id")?).ok()?;
    let row = if text("responder")? == REQUEST_KEY {
        Row::Request(read_request(&id, item)?, read_expiry(item))
    } else {
        Row::Answer(read_answer(item)?)
    };
    Some((id, row))
}

/// The latest time that shows when the row was there. A deadline and an expiry may lie ahead, and so may the times
/// of a provider whose clock is wrong.
fn latest(row: &Row) -> Option<Timestamp> {
    match row {
        Row::Request(request, _) => request.submitted_at.max(request.closed_at),
        Row::Answer(answer) => answer.sent_at.max(answer.gathered_at).max(answer.failed_at),
    }
}

fn grouped(lines: &[u8]) -> Result<BTreeMap<RfqId, Found>> {
    let mut rfqs = BTreeMap::<RfqId, Found>::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let item = read_line(line).map_err(|misread| {
            Error::other("another program changed the temporary file").because(misread.to_string())
        })?;
        let Some((id, row)) = read(&item) else { continue };
        let found = rfqs.entry(id).or_default();
        match row {
            Row::Request(request, expires_at) => found.request = Some((request, expires_at)),
            Row::Answer(answer) => {
                found.answers.insert(answer.responder.as_str().to_owned(), answer);
            }
        }
    }
    Ok(rfqs)
}
