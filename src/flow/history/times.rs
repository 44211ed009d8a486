//! When rows were read.

use super::rows::Row;
use crate::core::Timestamp;

/// When the rows of the table, or of one file, were read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReadTime {
    /// The time, where it is known.
    exact: Option<Timestamp>,
    /// The latest time by the clock of the queue, which no provider sets.
    queue: Option<Timestamp>,
    /// The latest time by other clocks of ours. A deadline and an expiry may lie ahead.
    other: Option<Timestamp>,
}

impl ReadTime {
    /// This time, or else the latest time in the rows.
    pub(super) fn exactly(exact: Option<Timestamp>) -> Self {
        Self { exact, ..Self::default() }
    }

    pub(super) fn see(&mut self, row: &Row) {
        match row {
            Row::Request(request, _) => {
                self.other = self.other.max(request.submitted_at).max(request.closed_at);
            }
            Row::Answer(answer) => {
                self.queue = self.queue.max(answer.sent_at).max(answer.failed_at);
                self.other = self.other.max(answer.gathered_at);
            }
        }
    }

    /// `None` if no row has a time.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.exact.or(self.queue).or(self.other)
    }

    pub(super) fn is_exact(&self) -> bool {
        self.exact.is_some()
    }
}
