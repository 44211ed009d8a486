//! The state of one RFQ, from its rows, the time and the conditions. No I/O, no clock, no AWS type: every reader
//! computes the same. More rows never undo `complete`, and `best` only gets better in the order that the request asks for.

use std::cmp::Ordering;
use std::time::Duration;

use crate::core::{
    Answer, AnswerRow, BestBy, Condition, Decimal, Details, Pointer, Price, RequestRow, Responder,
    Rows, Timestamp,
};

/// The reason of a missing provider whose subscription has a filter. The rows do not show filters.
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
}

impl State {
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
    /// The payload that came with it.
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

impl Quote {
    /// False only if its provider is known to be unexpected.
    fn may_win(&self) -> bool {
        self.expected != Some(false)
    }
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
    /// The payload that came with its answer or its receipt.
    pub details: Option<Details>,
    /// Its attempts, if it failed and reported them.
    pub attempts: Option<u32>,
    /// Whether its answer came in time; `None` while there is none.
    pub timing: Option<Timing>,
    /// Milliseconds from submission to its answer.
    pub after_ms: Option<i64>,
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
    /// How long a waiter allows without anything new; [`aggregate`] never sets it.
    pub stall: Option<Duration>,
    /// How many providers were expected; `None` if not recorded.
    pub expected: Option<usize>,
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
    /// Every expected provider in natural order, then the unexpected ones.
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
        cutoff(&self.request)
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
        let has_answered = |provider: &&Provider| match provider.state {
            State::Waiting | State::Silent | State::Missing => false,
            State::Quoted | State::Declined | State::Failed | State::Late => {
                provider.expected == Some(true)
            }
        };
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

    /// How many providers are in this state.
    pub fn count(&self, state: State) -> usize {
        self.providers.iter().filter(|provider| provider.state == state).count()
    }
}

/// The state at `now`. `until` overrides the conditions of the request row; `all` is always among them.
pub fn aggregate(rows: &Rows, now: Timestamp, until: Option<&[Condition]>) -> Gathering {
    let request = &rows.request;
    let view = RowsAt { request, answers: &rows.answers };
    let until = conditions(until.unwrap_or(&request.until));
    let met = until.iter().filter_map(|condition| view.met(condition)).min_by_key(|(at, _)| *at);
    let (status, completed_by) = match met {
        Some((_, by)) => (Status::Complete, Some(by)),
        None if request.closed_at.is_some() => (Status::Closed, Some(CompletedBy::Closed)),
        None if request.deadline.is_some_and(|deadline| now > deadline) => {
            (Status::Expired, Some(CompletedBy::Deadline))
        }
        None => (Status::Gathering, None),
    };
    let quotes = view.quotes();
    let best =
        quotes.iter().find(|quote| quote.may_win() && quote.timing == Timing::InTime).cloned();
    let regret = view.regret(&quotes, best.as_ref());
    Gathering {
        expected: request.expected.as_ref().map(Vec::len),
        answered: view.expected_answers().filter(|row| view.answered_in_time(row)).count(),
        late: view
            .expected_answers()
            .filter(|row| is_answer(row) && view.timing(row.time()) != Timing::InTime)
            .count(),
        unexpected: request.expected.as_ref().map(|_| {
            let unexpected = |row: &&AnswerRow| view.expects(&row.responder) == Some(false);
            rows.answers.iter().filter(unexpected).filter(|row| is_answer(row)).count()
        }),
        providers: view.providers(completed_by),
        request: request.clone(),
        until,
        status,
        completed_by,
        stall: None,
        last_in_time: view.last_in_time(),
        quotes,
        best,
        regret,
    }
}

fn cutoff(request: &RequestRow) -> Option<Timestamp> {
    [request.deadline, request.closed_at].into_iter().flatten().min()
}

/// The conditions with `all` among them, first.
fn conditions(asked: &[Condition]) -> Vec<Condition> {
    let others = asked.iter().filter(|condition| **condition != Condition::All).cloned();
    std::iter::once(Condition::All).chain(others).collect()
}

/// A quote, a decline or a failure: a receipt settles nothing.
fn is_answer(row: &AnswerRow) -> bool {
    match row.answer {
        Answer::Quote(_) | Answer::Declined(_) | Answer::Failed { .. } => true,
        Answer::Silent(_) => false,
    }
}

/// When something happened. An unknown time sorts before every known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Occurrence {
    Unknown,
    Known(Timestamp),
}

impl Occurrence {
    fn of(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Unknown, Self::Known)
    }
}

struct RowsAt<'a> {
    request: &'a RequestRow,
    answers: &'a [AnswerRow],
}

impl RowsAt<'_> {
    /// `None` if the expected providers are not recorded.
    fn expects(&self, responder: &Responder) -> Option<bool> {
        self.request.expected.as_ref().map(|expected| expected.contains(responder))
    }

    /// The expected providers' rows; all rows if the expected providers are not recorded.
    fn expected_answers(&self) -> impl Iterator<Item = &AnswerRow> {
        self.answers.iter().filter(|row| self.expects(&row.responder) != Some(false))
    }

    fn cutoff(&self) -> Option<Timestamp> {
        cutoff(self.request)
    }

    fn timing(&self, at: Option<Timestamp>) -> Timing {
        match (at, self.cutoff()) {
            (Some(at), Some(cutoff)) if at > cutoff => Timing::Late(at.millis_since(cutoff)),
            _ => Timing::InTime,
        }
    }

    fn answered_in_time(&self, row: &AnswerRow) -> bool {
        self.settled_at(row).is_some()
    }

    /// When this provider first answered in time, replaced failures included; `None` if it has not.
    fn settled_at(&self, row: &AnswerRow) -> Option<Occurrence> {
        let failure = row.failed_at.filter(|at| self.timing(Some(*at)) == Timing::InTime);
        let answered = is_answer(row) && self.timing(row.time()) == Timing::InTime;
        let answer = answered.then(|| Occurrence::of(row.time()));
        failure.map(Occurrence::Known).into_iter().chain(answer).min()
    }

    fn last_in_time(&self) -> Option<Timestamp> {
        let answers = self.answers.iter().filter(|row| is_answer(row)).map(AnswerRow::time);
        let failures = self.answers.iter().map(|row| row.failed_at);
        let in_time = |at: &Timestamp| self.timing(Some(*at)) == Timing::InTime;
        answers.chain(failures).flatten().filter(in_time).max()
    }

    /// When the condition was met and by what; `None` while it is not.
    fn met(&self, condition: &Condition) -> Option<(Occurrence, CompletedBy)> {
        match condition {
            Condition::All => {
                let expected = self.request.expected.as_deref().filter(|all| !all.is_empty())?;
                let settled = expected.iter().map(|responder| {
                    let row = self.answers.iter().find(|row| row.responder == *responder)?;
                    self.settled_at(row)
                });
                let all: Option<Vec<_>> = settled.collect();
                Some((all?.into_iter().max()?, CompletedBy::All))
            }
            Condition::Count(count) => {
                let mut times: Vec<_> = self.winning_times(|_| true).collect();
                times.sort_unstable();
                Some((*times.get(count.checked_sub(1)?)?, CompletedBy::Count))
            }
            Condition::Price(most) => {
                let first = self.winning_times(|price| price <= most).min()?;
                Some((first, CompletedBy::Price))
            }
        }
    }

    /// The times of expected providers' quotes that are in time and have a `wanted` price.
    fn winning_times(&self, wanted: impl Fn(&Price) -> bool) -> impl Iterator<Item = Occurrence> {
        self.expected_answers()
            .filter(move |row| row.quote().is_some_and(&wanted))
            .map(AnswerRow::time)
            .filter(|at| self.timing(*at) == Timing::InTime)
            .map(Occurrence::of)
    }

    fn regret(&self, quotes: &[Quote], best: Option<&Quote>) -> Option<Regret> {
        let late = quotes.iter().find(|quote| quote.may_win() && quote.timing != Timing::InTime)?;
        // After the closing no deadline would have been long enough.
        let closed = self.request.closed_at.is_some_and(|closed| late.at > Some(closed));
        let is_better = |best: &Quote| self.compare(late, best).is_lt();
        best.is_none_or(is_better).then(|| Regret {
            responder: late.responder.clone(),
            price: late.price.clone(),
            value: late.value.clone(),
            deadline_needed_ms: late.after_ms.filter(|_| !closed),
        })
    }

    fn after_ms(&self, at: Option<Timestamp>) -> Option<i64> {
        Some(at?.millis_since(self.request.submitted_at?))
    }

    /// Whether a quote is better than another, whenever they came.
    fn compare(&self, a: &Quote, b: &Quote) -> Ordering {
        self.request.best_by.compare((a.value.as_ref(), &a.price), (b.value.as_ref(), &b.price))
    }

    /// The better ones first, then by time (unknown last) and name.
    fn quotes(&self) -> Vec<Quote> {
        let quote = |row: &AnswerRow| {
            Some(Quote {
                responder: row.responder.clone(),
                price: row.quote()?.clone(),
                value: self.request.best_by.value(row.details.as_ref()),
                details: row.details.clone(),
                at: row.time(),
                sent_at: row.sent_at,
                after_ms: self.after_ms(row.time()),
                timing: self.timing(row.time()),
                expected: self.expects(&row.responder),
            })
        };
        let mut quotes: Vec<Quote> = self.answers.iter().filter_map(quote).collect();
        quotes.sort_by(|a, b| {
            let key = |quote: &Quote| (quote.at.is_none(), quote.at);
            self.compare(a, b)
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| a.responder.cmp(&b.responder))
        });
        quotes
    }

    fn providers(&self, ended: Option<CompletedBy>) -> Vec<Provider> {
        let mut expected = self.request.expected.clone().unwrap_or_default();
        expected.sort();
        expected.dedup();
        let mut others: Vec<_> = self.answers.iter().map(|row| row.responder.clone()).collect();
        others.retain(|responder| !expected.contains(responder));
        others.sort();
        expected.into_iter().chain(others).map(|who| self.provider(who, ended)).collect()
    }

    fn provider(&self, responder: Responder, ended: Option<CompletedBy>) -> Provider {
        let row = self.answers.iter().find(|row| row.responder == responder);
        let state = match (row.map(|row| (row, &row.answer)), ended) {
            (Some((row, Answer::Quote(_))), _) => match self.timing(row.time()) {
                Timing::InTime => State::Quoted,
                Timing::Late(_) => State::Late,
            },
            (Some((_, Answer::Declined(_))), _) => State::Declined,
            (Some((_, Answer::Failed { .. })), _) => State::Failed,
            (_, None) => State::Waiting,
            (Some((_, Answer::Silent(_))), Some(_)) => State::Silent,
            (None, Some(_)) => State::Missing,
        };
        let attempts = row.and_then(|row| match row.answer {
            Answer::Failed { attempts, .. } => attempts,
            Answer::Quote(_) | Answer::Declined(_) | Answer::Silent(_) => None,
        });
        let answer = row.filter(|row| is_answer(row));
        Provider {
            state,
            expected: self.expects(&responder),
            reason: row.and_then(|row| row.answer.reason()).map(str::to_owned),
            details: row.and_then(|row| row.details.clone()),
            attempts,
            timing: answer.map(|row| self.timing(row.time())),
            after_ms: answer.and_then(|row| self.after_ms(row.time())),
            responder,
        }
    }
}
