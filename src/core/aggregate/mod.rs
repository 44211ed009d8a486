//! The state of one RFQ, from its rows, the time and the conditions. No I/O, no clock, no AWS type: every reader
//! computes the same. More rows never undo `complete`, and `best` only gets better in the order that the request asks for.

mod evaluation;
mod hindsight;

use std::time::Duration;

pub use self::evaluation::aggregate;
pub use self::hindsight::{Hindsight, Verdict};
use crate::core::{
    BestBy, Condition, Decimal, Details, Pointer, Price, RequestRow, Responder, Timestamp,
};

/// The reason of a missing provider whose subscription has a filter. The row shows only filters that excluded the request.
pub const FILTERED: &str = "its subscription has a filter";

/// How the gathering stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Answers may still come in time.
    Gathering,
    /// A condition is met.
    Complete,
    /// It was closed before any condition was met.
    Closed,
    /// Its deadline has passed before any condition was met.
    Expired,
}

impl Status {
    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gathering => "gathering",
            Self::Complete => "complete",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

/// What ended the gathering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletedBy {
    /// Every expected provider answered in time.
    All,
    /// Enough expected providers quoted in time.
    Count,
    /// A quote was cheap enough.
    Price,
    /// It was closed.
    Closed,
    /// The deadline passed.
    Deadline,
    /// Nothing new came for as long as the waiter allows; the gathering itself goes on.
    Stall,
}

impl CompletedBy {
    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Count => "count",
            Self::Price => "price",
            Self::Closed => "closed",
            Self::Deadline => "deadline",
            Self::Stall => "stall",
        }
    }
}

/// The state of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It quoted in time.
    Quoted,
    /// It declined, in time or not.
    Declined,
    /// It failed, in time or not.
    Failed,
    /// It quoted too late.
    Late,
    /// It has not answered, except perhaps with a receipt, and the gathering goes on.
    Waiting,
    /// It sent a receipt alone, and the gathering has ended.
    Silent,
    /// It has no row, and the gathering has ended.
    Missing,
    /// Its filter excluded the request, and it has no row.
    NotAsked,
}

impl State {
    /// Whether it quoted, declined or failed, in time or not.
    pub fn is_answer(self) -> bool {
        match self {
            Self::Quoted | Self::Declined | Self::Failed | Self::Late => true,
            Self::Waiting | Self::Silent | Self::Missing | Self::NotAsked => false,
        }
    }

    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quoted => "quoted",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Waiting => "waiting",
            Self::Silent => "silent",
            Self::Missing => "missing",
            Self::NotAsked => "not-asked",
        }
    }
}

/// A quote, in time or late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Who quoted.
    pub responder: Responder,
    /// The price.
    pub price: Price,
    /// The number in its details that orders the quotes; `None` where it has none, or where the price orders them.
    pub value: Option<Decimal>,
    /// The details that came with it.
    pub details: Option<Details>,
    /// The time that decides whether it is late.
    pub at: Option<Timestamp>,
    /// When the response queue took the reply, if known.
    pub sent_at: Option<Timestamp>,
    /// Milliseconds from submission; negative if clocks disagree.
    pub after_ms: Option<i64>,
    /// Whether it came in time.
    pub timing: Timing,
    /// Whether its provider was expected; `None` if the expected providers are not recorded.
    pub expected: Option<bool>,
}

/// Whether an answer came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Not after the deadline or the closing, as far as known.
    InTime,
    /// This many milliseconds after the earlier of the two.
    Late(i64),
}

/// One provider's part in a gathering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name under which it answers.
    pub responder: Responder,
    /// Its state now.
    pub state: State,
    /// Whether it was expected; `None` if the expected providers are not recorded.
    pub expected: Option<bool>,
    /// The reason it gave; for a missing provider, a possible explanation.
    pub reason: Option<String>,
    /// The details that came with its answer or its receipt.
    pub details: Option<Details>,
    /// Its attempts, if it failed and reported them.
    pub attempts: Option<u32>,
    /// Whether its answer came in time; `None` while there is none.
    pub timing: Option<Timing>,
    /// Milliseconds from submission to its answer.
    pub after_ms: Option<i64>,
}

impl Provider {
    /// How many milliseconds too late its quote, decline or failure came; `None` if none came too late.
    pub fn late_by(&self) -> Option<i64> {
        match self.timing {
            Some(Timing::Late(by)) => Some(by),
            Some(Timing::InTime) | None => None,
        }
    }
}

/// A late quote that would have won.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regret {
    /// Who quoted too late.
    pub responder: Responder,
    /// The price.
    pub price: Price,
    /// As [`Quote::value`].
    pub value: Option<Decimal>,
    /// The shortest deadline, in milliseconds, that would have caught it. `None` if the quote came after the
    /// closing, or if the submission time is not recorded.
    pub deadline_needed_ms: Option<i64>,
}

/// The state of one RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// The request row.
    pub request: RequestRow,
    /// The conditions that applied.
    pub until: Vec<Condition>,
    /// Whether it goes on, and if not, how it ended.
    pub status: Status,
    /// What ended it, or ended a wait for it.
    pub completed_by: Option<CompletedBy>,
    /// When a condition was first met; `None` if none is, or if the rows that meet it have no times.
    pub met_at: Option<Timestamp>,
    /// How long a waiter allows without anything new; [`aggregate`] never sets it.
    pub stall: Option<Duration>,
    /// How many providers are expected to answer, with those whose answer proves that they were asked; `None` if not
    /// recorded.
    pub expected: Option<usize>,
    /// Subscribed providers whose filters excluded the request.
    pub not_asked: usize,
    /// Expected providers that quoted, declined or failed in time; all such providers if `expected` is `None`.
    pub answered: usize,
    /// The same providers' late answers.
    pub late: usize,
    /// Answers of unexpected providers; `None` if `expected` is.
    pub unexpected: Option<usize>,
    /// The time of the last answer in time, or of the last failure in time that was replaced.
    pub last_in_time: Option<Timestamp>,
    /// Every quote, the better ones first, then by time and name.
    pub quotes: Vec<Quote>,
    /// The first of them that came in time from an expected provider.
    pub best: Option<Quote>,
    /// Every expected provider in natural order, then those that were not asked, then the unexpected ones.
    pub providers: Vec<Provider>,
    /// The first late quote of an expected provider, if it would have won.
    pub regret: Option<Regret>,
}

impl Gathering {
    /// How long until the deadline; `None` without one.
    pub fn time_left(&self, now: Timestamp) -> Option<Duration> {
        self.request.deadline.map(|deadline| deadline.saturating_since(now))
    }

    /// Answers after this are late: the deadline or the closing, whichever comes first.
    pub fn cutoff(&self) -> Option<Timestamp> {
        cutoff(self.request.deadline, self.request.closed_at)
    }

    /// When it ended: at the condition that was met, else at the closing or the deadline. `None` while it goes on, or if
    /// the time is not recorded.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Gathering => None,
            Status::Complete => self.met_at,
            Status::Closed | Status::Expired => self.cutoff(),
        }
    }

    /// The time of a closing now. It is never before an answer that is in time: a closing must not make a gathered
    /// answer late, even if clocks disagree.
    pub fn closing_time(&self, now: Timestamp) -> Timestamp {
        self.last_in_time.map_or(now, |last| last.max(now))
    }

    /// What orders the quotes: the price, too, where no quote has the value that was asked for.
    pub fn best_by(&self) -> &BestBy {
        const PRICE: &BestBy = &BestBy::Price;
        let has_value = self.quotes.iter().any(|quote| quote.value.is_some());
        if has_value { &self.request.best_by } else { PRICE }
    }

    /// The place of the value that was asked for, if there are quotes and none has it.
    pub fn unmet_order(&self) -> Option<&Pointer> {
        let is_unmet = !self.quotes.is_empty() && *self.best_by() == BestBy::Price;
        self.request.best_by.pointer().filter(|_| is_unmet)
    }

    /// Whether every expected provider has answered, in time or not.
    pub fn is_settled(&self) -> bool {
        // `answered` and `late` both count a provider that failed in time and quoted late.
        let has_answered =
            |provider: &&Provider| provider.state.is_answer() && provider.expected == Some(true);
        let answered = self.providers.iter().filter(has_answered).count();
        self.expected.is_some_and(|expected| answered >= expected)
    }

    /// The expected providers in state [`State::Missing`].
    pub fn missing(&self) -> Vec<Responder> {
        let missing = |provider: &&Provider| {
            provider.state == State::Missing && provider.expected == Some(true)
        };
        self.providers.iter().filter(missing).map(|provider| provider.responder.clone()).collect()
    }

    /// Sets [`FILTERED`] as the reason of missing providers in `filtered`, whose subscriptions have filters.
    pub fn explain(&mut self, filtered: &[Responder]) {
        for provider in &mut self.providers {
            if provider.state == State::Missing && filtered.contains(&provider.responder) {
                provider.reason = Some(FILTERED.to_owned());
            }
        }
    }

    /// Whether no provider has answered.
    pub fn is_unanswered(&self) -> bool {
        !self.providers.iter().any(|provider| provider.state.is_answer())
    }

    /// How many providers are in this state.
    pub fn count(&self, state: State) -> usize {
        self.providers.iter().filter(|provider| provider.state == state).count()
    }
}

/// The end of a gathering that no condition ends: the deadline or the closing, whichever comes first.
pub(in crate::core) fn cutoff(
    deadline: Option<Timestamp>,
    closed: Option<Timestamp>,
) -> Option<Timestamp> {
    [deadline, closed].into_iter().flatten().min()
}
