//! Which gatherings can be looked back on.

use std::time::Duration;

use crate::core::{Rows, Timestamp};

/// How long after the deadline of a gathering its last answers in time may still be on their way to the table.
const GRACE: Duration = Duration::from_secs(5);

/// Whether a gathering can be looked back on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// Its deadline has passed, and every row that it had is there.
    Over,
    /// Its deadline is ahead, or has just passed: answers may still arrive in time.
    GoingOn,
    /// Some of its rows may have expired.
    Expired,
    /// It has no submission time or no deadline, like the original's rows.
    Untimed,
}

impl Eligibility {
    /// The eligibility of these rows. `expires_at` is that of the request row. `own_read_at` is when the file of these
    /// rows was read, and `read_at` is the latest time of all files.
    pub fn of(
        rows: &Rows,
        expires_at: Option<Timestamp>,
        own_read_at: Timestamp,
        read_at: Timestamp,
    ) -> Self {
        let request = &rows.request;
        let (Some(submitted), Some(deadline)) = (request.submitted_at, request.deadline) else {
            return Self::Untimed;
        };
        if expires_at.is_some_and(|at| own_read_at >= first_expiry(submitted, deadline, at)) {
            return Self::Expired;
        }
        // Those that ended before their deadlines do not count earlier: they are the quick ones.
        if read_at > deadline.plus(GRACE) { Self::Over } else { Self::GoingOn }
    }
}

/// When the first answer may expire. The request row is kept for some time after its deadline, and an answer for the
/// same time after it was gathered, which is never before the submission.
fn first_expiry(submitted: Timestamp, deadline: Timestamp, expires_at: Timestamp) -> Timestamp {
    submitted.plus(expires_at.saturating_since(deadline))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Answer, AnswerRow, Price, RequestRow, Responder, RfqId, Ride};

    /// So many seconds after the submission.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_769_860_800_000 + seconds * 1_000).expect("in range")
    }

    /// An RFQ to two providers with a deadline after 15 s, and its quotes.
    fn rows(quotes: &[(&str, i64)]) -> Rows {
        let ride = Ride { from: "A".into(), to: "B".into(), customer: "c".into() };
        let mut request = RequestRow::new(RfqId::random(), ride);
        (request.submitted_at, request.deadline) = (Some(at(0)), Some(at(15)));
        request.expected = Some(["a", "b"].map(Responder::stored).to_vec());
        let quote = |(name, sent): &(&str, i64)| {
            let row = AnswerRow::new(Responder::stored(*name), Answer::Quote(Price::whole(1)));
            AnswerRow { sent_at: Some(at(*sent)), ..row }
        };
        Rows { request, answers: quotes.iter().map(quote).collect() }
    }

    #[test]
    fn a_gathering_is_over_once_its_deadline_has_passed() {
        let eligibility =
            |rows: &Rows, seconds| Eligibility::of(rows, None, at(seconds), at(seconds));
        let open = rows(&[("a", 3)]);
        assert_eq!([4, 15, 20].map(|now| eligibility(&open, now)), [Eligibility::GoingOn; 3]);
        assert_eq!(eligibility(&open, 21), Eligibility::Over);
        let all = rows(&[("a", 3), ("b", 4)]);
        // The quick and the closed ones do not count before the others.
        let mut closed = open.clone();
        closed.request.closed_at = Some(at(6));
        for rows in [&all, &closed] {
            assert_eq!([5, 12, 20].map(|now| eligibility(rows, now)), [Eligibility::GoingOn; 3]);
            assert_eq!(eligibility(rows, 21), Eligibility::Over);
        }
        let mut untimed = all;
        untimed.request.deadline = None;
        assert_eq!(eligibility(&untimed, 100), Eligibility::Untimed);
    }

    #[test]
    fn no_row_of_a_gathering_may_have_expired() {
        let rows = rows(&[("a", 3), ("b", 4)]);
        // Kept for 100 s: the request row after its deadline, an answer after it was gathered.
        let expires_at = Some(at(115));
        assert_eq!(Eligibility::of(&rows, expires_at, at(99), at(200)), Eligibility::Over);
        assert_eq!(Eligibility::of(&rows, expires_at, at(100), at(200)), Eligibility::Expired);
    }

    #[test]
    fn a_period_holds_its_beginning_but_not_its_end() {
        let period = Period { since: Some(at(1)), before: Some(at(3)) };
        let held = [0, 1, 2, 3].map(|seconds| period.holds(Some(at(seconds))));
        assert_eq!(held, [false, true, true, false]);
        assert!(Period::default().holds(None) && Period::default().holds(Some(at(0))));
        assert!(!Period { since: Some(at(0)), before: None }.holds(None));
    }

    #[test]
    fn what_is_left_out_is_counted_by_its_reason() {
        use Eligibility::{Expired, GoingOn, Over, Untimed};
        let mut left_out = LeftOut { without_request: 1, ..LeftOut::default() };
        for eligibility in [Over, GoingOn, Expired, Expired, Untimed] {
            left_out.count(eligibility);
        }
        let wanted = LeftOut { going_on: 1, expired: 2, untimed: 1, without_request: 1 };
        assert_eq!((left_out, left_out.total()), (wanted, 5));
    }
}
