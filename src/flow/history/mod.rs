//! The past gatherings of a stack: all rows, read from the table or from exported files, grouped by RFQ.

use crate::core::history::{LeftOut, Period};
use crate::core::{Rows, Timestamp};
use crate::error::{Error, Result};

/// Every row that was read, grouped by RFQ, partly in a temporary file.
#[derive(Debug)]
pub struct History {
    /// When the rows were read from the table; for files, the latest time in any row.
    pub read_at: Timestamp,
    /// Rows of requests and answers.
    pub rows: u64,
    /// Rows that are neither.
    pub foreign: u64,
}

/// What was looked back on.
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

impl History {
    /// Passes the rows of each gathering that is over to `take`, in no particular order.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn each_gathering(self, period: Period, take: &mut dyn FnMut(&Rows)) -> Result<Coverage> {
        _ = (period, take);
        Err(Error::other("not written yet"))
    }
}
