//! Which gatherings can be looked back on.

use std::time::Duration;

use crate::core::aggregate::{Status, aggregate};
use crate::core::{RequestRow, Rows, Timestamp};

/// How long after the end of a gathering its last answers in time may still be on their way to the table.
const GRACE: Duration = Duration::from_secs(5);

/// Whether a gathering can be looked back on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// It has ended, and every row that it had is there.
    Over,
    /// Answers may still arrive in time.
    GoingOn,
    /// Some of its rows may have expired.
    Expired,
    /// It has no submission time or no deadline, like the original's rows.
    Untimed,
}

impl Eligibility {
    /// The eligibility of these rows, read at `read_at`. `expires_at` is that of the request row.
    pub fn of(rows: &Rows, expires_at: Option<Timestamp>, read_at: Timestamp) -> Self {
        let request = &rows.request;
        let (Some(submitted), Some(deadline)) = (request.submitted_at, request.deadline) else {
            return Self::Untimed;
        };
        if expires_at.is_some_and(|at| read_at >= first_expiry(submitted, deadline, at)) {
            return Self::Expired;
        }
        let has_settled = || {
            let gathering = aggregate(rows, read_at, None);
            gathering.status == Status::Complete && gathering.is_settled()
        };
        if read_at > end_of(request, deadline).plus(GRACE) || has_settled() {
            Self::Over
        } else {
            Self::GoingOn
        }
    }
}

/// When the first answer may expire. The request row is kept for some time after its deadline, and an answer for the
/// same time after it was gathered, which is never before the submission.
fn first_expiry(submitted: Timestamp, deadline: Timestamp, expires_at: Timestamp) -> Timestamp {
    submitted.plus(expires_at.saturating_since(deadline))
}

fn end_of(request: &RequestRow, deadline: Timestamp) -> Timestamp {
    request.closed_at.map_or(deadline, |closed| closed.min(deadline))
}

/// RFQs that were not looked back on, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// RFQs that are [`Eligibility::GoingOn`].
    pub going_on: u64,
    /// RFQs that are [`Eligibility::Expired`].
    pub expired: u64,
    /// RFQs that are [`Eligibility::Untimed`].
    pub untimed: u64,
    /// Ids that have answers and no request row.
    pub without_request: u64,
}

impl LeftOut {
    /// Counts an RFQ of this eligibility, unless it is over.
    pub fn count(&mut self, eligibility: Eligibility) {
        match eligibility {
            Eligibility::Over => {}
            Eligibility::GoingOn => self.going_on += 1,
            Eligibility::Expired => self.expired += 1,
            Eligibility::Untimed => self.untimed += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.going_on + self.expired + self.untimed + self.without_request
    }
}

/// A period of submission times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The earliest submission time; `None`: no limit.
    pub since: Option<Timestamp>,
    /// The time that every submission was before; `None`: no limit.
    pub before: Option<Timestamp>,
}

impl Period {
    /// Whether it holds this time. A period with a limit holds no unknown time.
    pub fn holds(&self, submitted: Option<Timestamp>) -> bool {
        match submitted {
            None => *self == Self::default(),
            Some(at) => {
                self.since.is_none_or(|since| at >= since)
                    && self.before.is_none_or(|before| at < before)
            }
        }
    }
}
