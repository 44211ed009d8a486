//! What stands, given the rows of one RFQ, the time and the conditions.
//!
//! No I/O, no clock, no AWS type: any reader, at any time, after any restart, computes the same.
//! Everything grows one way: more rows never undo `complete`, and `best` only gets better.

use std::time::Duration;

use crate::core::{Answer, AnswerRow, Condition, Price, RequestRow, Responder, Rows, Timestamp};

/// Why a provider may be missing whose subscription has a filter: the rows cannot tell.
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
    /// A waiter saw nothing new for as long as it would wait; the gathering itself goes on.
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

/// Where one provider stands.
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
    /// Nothing but perhaps a receipt, before the end.
    Waiting,
    /// Its receipt is here, and the end has come.
    Silent,
    /// No trace of it, and the end has come.
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
    /// The time that decides whether it is late.
    pub at: Option<Timestamp>,
    /// The queue's own time of the reply, if it is known.
    pub sent_at: Option<Timestamp>,
    /// Milliseconds from submission; negative when clocks disagree.
    pub after_ms: Option<i64>,
    /// Whether it came in time.
    pub timing: Timing,
    /// Whether its provider was expected; `None` when nobody wrote down who was.
    pub expected: Option<bool>,
}

impl Quote {
    /// Whether its provider was asked, as far as anybody knows.
    fn may_win(&self) -> bool {
        self.expected != Some(false)
    }
}

/// Whether an answer came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Not after the deadline nor after the closing.
    InTime,
    /// After one of them, by this many milliseconds.
    Late(i64),
}

/// One provider's line in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Who.
    pub responder: Responder,
    /// Where it stands.
    pub state: State,
    /// Whether it was expected; `None` when nobody wrote down who was.
    pub expected: Option<bool>,
    /// Its reason, if it gave one; of one that is missing, what may explain that.
    pub reason: Option<String>,
    /// How often it tried, if it failed and said so.
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
    /// The shortest deadline, in milliseconds, that would have caught it; `None` where it came after
    /// the closing, or where the request has no time.
    pub deadline_needed_ms: Option<i64>,
}

/// Everything that can be said of one RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// The request row.
    pub request: RequestRow,
    /// The conditions it was judged by.
    pub until: Vec<Condition>,
    /// How it stands.
    pub status: Status,
    /// What ended it, or a wait for it, if anything has.
    pub completed_by: Option<CompletedBy>,
    /// How long a waiter lets nothing new come; rows alone never say.
    pub stall: Option<Duration>,
    /// How many providers were expected; `None` when nobody wrote it down.
    pub expected: Option<usize>,
    /// The expected providers' quotes, declines and failures in time.
    pub answered: usize,
    /// Their late ones.
    pub late: usize,
    /// Answers of providers that were not expected; `None` when nobody wrote down who was.
    pub unexpected: Option<usize>,
    /// The time of the last answer in time, or of the last failure in time that was replaced.
    pub last_in_time: Option<Timestamp>,
    /// Every quote, by price, then time, then name.
    pub quotes: Vec<Quote>,
    /// The cheapest quote in time of an expected provider.
    pub best: Option<Quote>,
    /// Every expected provider in natural order, then the unexpected ones.
    pub providers: Vec<Provider>,
    /// The cheapest late quote, where it would have won.
    pub regret: Option<Regret>,
}

impl Gathering {
    /// How long until the deadline; `None` without one.
    pub fn time_left(&self, now: Timestamp) -> Option<Duration> {
        self.request.deadline.map(|deadline| deadline.saturating_since(now))
    }

    /// Since when answers are late: the deadline or the closing, whichever comes first.
    pub fn cutoff(&self) -> Option<Timestamp> {
        cutoff(&self.request)
    }

    /// When a closing now would count: not before any answer that is there in time, whatever the
    /// clocks say, so that closing never undoes what has been gathered.
    pub fn closing_time(&self, now: Timestamp) -> Timestamp {
        self.last_in_time.map_or(now, |last| last.max(now))
    }

    /// Whether every expected provider has answered, in time or not.
    pub fn is_settled(&self) -> bool {
        self.expected.is_some_and(|expected| self.answered + self.late >= expected)
    }

    /// The expected providers without a trace after the end.
    pub fn missing(&self) -> Vec<Responder> {
        let missing = |provider: &&Provider| {
            provider.state == State::Missing && provider.expected == Some(true)
        };
        self.providers.iter().filter(missing).map(|provider| provider.responder.clone()).collect()
    }

    /// Gives those that are missing, and whose subscription has a filter, that for a reason.
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

/// Says what stands. `until` overrides the conditions that the request row stores; `all` is always
/// among them.
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

/// Answers after this are late.
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

/// When something happened, as far as anybody wrote it down; what nobody did counts as the earliest.
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

/// The rows, with the questions that are asked of them.
struct RowsAt<'a> {
    request: &'a RequestRow,
    answers: &'a [AnswerRow],
}

impl RowsAt<'_> {
    /// Whether a provider was expected; `None` when nobody wrote down who was.
    fn expects(&self, responder: &Responder) -> Option<bool> {
        self.request.expected.as_ref().map(|expected| expected.contains(responder))
    }

    /// The rows of the expected providers; everyone's when nobody wrote down who was.
    fn expected_answers(&self) -> impl Iterator<Item = &AnswerRow> {
        self.answers.iter().filter(|row| self.expects(&row.responder) != Some(false))
    }

    /// Answers after this are late.
    fn cutoff(&self) -> Option<Timestamp> {
        cutoff(self.request)
    }

    fn timing(&self, at: Option<Timestamp>) -> Timing {
        match (at, self.cutoff()) {
            (Some(at), Some(cutoff)) if at > cutoff => Timing::Late(at.millis_since(cutoff)),
            _ => Timing::InTime,
        }
    }

    /// Whether this provider answered in time; a failure that was replaced counts too.
    fn answered_in_time(&self, row: &AnswerRow) -> bool {
        self.settled_at(row).is_some()
    }

    /// When this provider first settled its part in time; `None` when it has not.
    fn settled_at(&self, row: &AnswerRow) -> Option<Occurrence> {
        let failure = row.failed_at.filter(|at| self.timing(Some(*at)) == Timing::InTime);
        let answered = is_answer(row) && self.timing(row.time()) == Timing::InTime;
        let answer = answered.then(|| Occurrence::of(row.time()));
        failure.map(Occurrence::Known).into_iter().chain(answer).min()
    }

    /// The last time in time at which anybody answered, or failed and was replaced.
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

    /// The times of the quotes in time, of expected providers, whose price is wanted.
    fn winning_times(&self, wanted: impl Fn(&Price) -> bool) -> impl Iterator<Item = Occurrence> {
        self.expected_answers()
            .filter(move |row| row.quote().is_some_and(&wanted))
            .map(AnswerRow::time)
            .filter(|at| self.timing(*at) == Timing::InTime)
            .map(Occurrence::of)
    }

    /// The cheapest late quote, where it would have won.
    fn regret(&self, quotes: &[Quote], best: Option<&Quote>) -> Option<Regret> {
        let late = quotes.iter().find(|quote| quote.may_win() && quote.timing != Timing::InTime)?;
        // For what came after the closing no deadline would have been long enough.
        let closed = self.request.closed_at.is_some_and(|closed| late.at > Some(closed));
        best.is_none_or(|best| late.price < best.price).then(|| Regret {
            responder: late.responder.clone(),
            price: late.price.clone(),
            deadline_needed_ms: late.after_ms.filter(|_| !closed),
        })
    }

    fn after_ms(&self, at: Option<Timestamp>) -> Option<i64> {
        Some(at?.millis_since(self.request.submitted_at?))
    }

    /// Every quote, the best first: by price, then time (unknown last), then name.
    fn quotes(&self) -> Vec<Quote> {
        let quote = |row: &AnswerRow| {
            Some(Quote {
                responder: row.responder.clone(),
                price: row.quote()?.clone(),
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
            a.price
                .cmp(&b.price)
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
            attempts,
            timing: answer.map(|row| self.timing(row.time())),
            after_ms: answer.and_then(|row| self.after_ms(row.time())),
            responder,
        }
    }
}
