//! What the rows of an RFQ add up to, under its own deadline or another one.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{CompletedBy, Gathering, Provider, Quote, Regret, State, Status, Timing, cutoff};
use crate::core::{
    Answer, AnswerRow, Condition, Decimal, Price, RequestRow, Responder, Rows, Timestamp,
};

/// The state at `now`. `until` overrides the conditions of the request row; `all` is always among them.
pub fn aggregate(rows: &Rows, now: Timestamp, until: Option<&[Condition]>) -> Gathering {
    let request = &rows.request;
    let view = Evaluation::of(rows);
    let until = Condition::with_all(until.unwrap_or(&request.until));
    let (end, completed_by) = view.end(&until, |deadline| now > deadline);
    let best = view.best();
    let regret = view.regret(best);
    Gathering {
        expected: request.expected.as_ref().map(|expected| expected.len() + view.proven().count()),
        not_asked: view.not_asked().count(),
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
        status: end.status(),
        completed_by,
        met_at: match end {
            End::Met(at) => at.known(),
            End::Closed | End::Expired | End::Open => None,
        },
        stall: None,
        last_in_time: view.last_in_time(),
        quotes: view.ranked.iter().map(|ranked| view.quote(ranked)).collect(),
        best: best.map(|ranked| view.quote(ranked)),
        regret: regret.map(|ranked| view.regret_of(ranked)),
    }
}

/// False only if its provider is known to be unexpected.
fn may_win(quote: &Ranked<'_>) -> bool {
    quote.expected != Some(false)
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
pub(super) enum Occurrence {
    Unknown,
    Known(Timestamp),
}

impl Occurrence {
    fn of(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Unknown, Self::Known)
    }

    pub(super) fn known(self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Known(at) => Some(at),
        }
    }
}

/// How a gathering ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A condition was met.
    Met(Occurrence),
    Closed,
    Expired,
    /// It goes on.
    Open,
}

impl End {
    pub(super) fn status(self) -> Status {
        match self {
            Self::Met(_) => Status::Complete,
            Self::Closed => Status::Closed,
            Self::Expired => Status::Expired,
            Self::Open => Status::Gathering,
        }
    }
}

/// A quote in its place among the others.
#[derive(Debug)]
pub(super) struct Ranked<'a> {
    pub(super) row: &'a AnswerRow,
    pub(super) price: &'a Price,
    /// The number in its details that orders the quotes.
    value: Option<Decimal>,
    /// Whether its provider was expected; `None` if the expected providers are not recorded.
    expected: Option<bool>,
}

/// The rows, with the providers that they name.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    request: &'a RequestRow,
    /// The request's own, unless another one is tried.
    deadline: Option<Timestamp>,
    answers: &'a [AnswerRow],
    /// The quotes, the better ones first, then by time (unknown last) and name. No deadline changes this order.
    pub(super) ranked: Vec<Ranked<'a>>,
    rows: HashMap<&'a Responder, &'a AnswerRow>,
    /// `None` if the expected providers are not recorded.
    expected: Option<HashSet<&'a Responder>>,
    /// Recorded as not asked, without those that are expected.
    excluded: HashSet<&'a Responder>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn of(rows: &'a Rows) -> Self {
        let request = &rows.request;
        let expected: Option<HashSet<_>> =
            request.expected.as_ref().map(|all| all.iter().collect());
        // Without a list of those that were asked, nothing is known of the others.
        let is_excluded =
            |who: &&Responder| expected.as_ref().is_some_and(|expected| !expected.contains(*who));
        let excluded = request.not_asked.iter().map(|one| &one.responder);
        let mut new = Self {
            request,
            deadline: request.deadline,
            answers: &rows.answers,
            ranked: Vec::new(),
            rows: rows.answers.iter().map(|row| (&row.responder, row)).collect(),
            excluded: excluded.filter(is_excluded).collect(),
            expected,
        };
        new.ranked = new.rank();
        new
    }

    /// Evaluates the gathering under another deadline from now on.
    pub(super) fn set_deadline(&mut self, deadline: Option<Timestamp>) {
        self.deadline = deadline;
    }

    /// How it stands under these conditions. `has_passed` tells whether the deadline has.
    pub(super) fn end(
        &self,
        until: &[Condition],
        has_passed: impl Fn(Timestamp) -> bool,
    ) -> (End, Option<CompletedBy>) {
        let met = until.iter().filter_map(|condition| self.met(condition));
        match met.min_by_key(|(at, _)| *at) {
            Some((at, by)) => (End::Met(at), Some(by)),
            None if self.request.closed_at.is_some() => (End::Closed, Some(CompletedBy::Closed)),
            None if self.deadline.is_some_and(has_passed) => {
                (End::Expired, Some(CompletedBy::Deadline))
            }
            None => (End::Open, None),
        }
    }

    /// The first quote in time of a provider that may win.
    pub(super) fn best(&self) -> Option<&Ranked<'a>> {
        self.ranked.iter().find(|one| may_win(one) && self.is_in_time(one))
    }

    /// The best of the quotes in time that had come by then.
    pub(super) fn best_by(&self, end: Option<Timestamp>) -> Option<&Ranked<'a>> {
        let had_come = |one: &Ranked<'_>| end.is_none() || one.row.time() <= end;
        self.ranked.iter().find(|one| may_win(one) && self.is_in_time(one) && had_come(one))
    }

    /// The first late quote of a provider that may win, if it is better than `best`.
    pub(super) fn regret(&self, best: Option<&Ranked<'a>>) -> Option<&Ranked<'a>> {
        let late = self.ranked.iter().find(|one| may_win(one) && !self.is_in_time(one))?;
        let is_better = |best: &Ranked<'_>| self.compare(late, best).is_lt();
        best.is_none_or(is_better).then_some(late)
    }

    fn is_in_time(&self, quote: &Ranked<'_>) -> bool {
        self.timing(quote.row.time()) == Timing::InTime
    }

    /// `None` if the expected providers are not recorded. An answer proves that its provider was asked: a filter
    /// may have changed a moment before.
    fn expects(&self, responder: &Responder) -> Option<bool> {
        let is_expected = self.expected.as_ref()?.contains(responder);
        let is_proven = || self.excluded.contains(responder) && self.rows.contains_key(responder);
        Some(is_expected || is_proven())
    }

    /// Providers that are recorded as not asked, and have a row.
    fn proven(&self) -> impl Iterator<Item = &'a Responder> {
        self.excluded.iter().copied().filter(|who| self.rows.contains_key(who))
    }

    /// Providers that are recorded as not asked, and have no row.
    fn not_asked(&self) -> impl Iterator<Item = &'a Responder> {
        self.excluded.iter().copied().filter(|who| !self.rows.contains_key(who))
    }

    /// The expected providers' rows; all rows if the expected providers are not recorded.
    fn expected_answers(&self) -> impl Iterator<Item = &'a AnswerRow> {
        self.answers.iter().filter(|row| self.expects(&row.responder) != Some(false))
    }

    /// Answers after this are late.
    pub(super) fn cutoff(&self) -> Option<Timestamp> {
        cutoff(self.deadline, self.request.closed_at)
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

    /// The times at which answers came. Between two of them every deadline gives the same answers in time.
    pub(super) fn answer_times(&self) -> impl Iterator<Item = Timestamp> {
        let failures = self.answers.iter().filter_map(|row| row.failed_at);
        self.answers.iter().filter_map(AnswerRow::time).chain(failures)
    }

    /// The expected providers whose answer met a condition at this time; if none was met, those without an answer in
    /// time.
    pub(super) fn waited_for(&self, end: End) -> impl Iterator<Item = &'a Responder> {
        let expected = self.request.expected.iter().flatten().chain(self.proven());
        expected.filter(move |responder| {
            let row = self.rows.get(responder).copied();
            let settled = row.and_then(|row| self.settled_at(row));
            match end {
                End::Met(at) => {
                    settled == Some(at) || row.is_some_and(|row| self.quoted_at(row) == Some(at))
                }
                End::Closed | End::Expired | End::Open => settled.is_none(),
            }
        })
    }

    /// When this provider quoted in time.
    fn quoted_at(&self, row: &AnswerRow) -> Option<Occurrence> {
        let is_quote = row.quote().is_some() && self.timing(row.time()) == Timing::InTime;
        is_quote.then(|| Occurrence::of(row.time()))
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
                    let row = *self.rows.get(responder)?;
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

    fn regret_of(&self, late: &Ranked<'_>) -> Regret {
        // After the closing no deadline would have been long enough.
        let closed = self.request.closed_at.is_some_and(|closed| late.row.time() > Some(closed));
        Regret {
            responder: late.row.responder.clone(),
            price: late.price.clone(),
            value: late.value.clone(),
            deadline_needed_ms: self.after_ms(late.row.time()).filter(|_| !closed),
        }
    }

    fn after_ms(&self, at: Option<Timestamp>) -> Option<i64> {
        Some(at?.millis_since(self.request.submitted_at?))
    }

    /// Whether a quote is better than another, whenever they came.
    fn compare(&self, a: &Ranked<'_>, b: &Ranked<'_>) -> Ordering {
        self.request.best_by.compare((a.value.as_ref(), a.price), (b.value.as_ref(), b.price))
    }

    fn rank(&self) -> Vec<Ranked<'a>> {
        let ranked = |row: &'a AnswerRow| {
            Some(Ranked {
                row,
                price: row.quote()?,
                value: self.request.best_by.value(row.details.as_ref()),
                expected: self.expects(&row.responder),
            })
        };
        let mut all: Vec<Ranked> = self.answers.iter().filter_map(ranked).collect();
        all.sort_by(|a, b| {
            let key = |one: &Ranked| (one.row.time().is_none(), one.row.time());
            self.compare(a, b)
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| a.row.responder.cmp(&b.row.responder))
        });
        all
    }

    fn quote(&self, ranked: &Ranked<'_>) -> Quote {
        let row = ranked.row;
        Quote {
            responder: row.responder.clone(),
            price: ranked.price.clone(),
            value: ranked.value.clone(),
            details: row.details.clone(),
            at: row.time(),
            sent_at: row.sent_at,
            after_ms: self.after_ms(row.time()),
            timing: self.timing(row.time()),
            expected: ranked.expected,
        }
    }

    fn providers(&self, ended: Option<CompletedBy>) -> Vec<Provider> {
        let sorted = |mut all: Vec<Responder>| {
            all.sort();
            all.dedup();
            all
        };
        let expected = self.request.expected.iter().flatten().chain(self.proven());
        let expected = sorted(expected.cloned().collect());
        let not_asked = sorted(self.not_asked().cloned().collect());
        let mut others: Vec<_> = self.answers.iter().map(|row| row.responder.clone()).collect();
        others.retain(|responder| self.expects(responder) != Some(true));
        let all = expected.into_iter().chain(not_asked).chain(sorted(others));
        all.map(|who| self.provider(who, ended)).collect()
    }

    /// Why the filter of a provider excluded the request.
    fn filter_reason(&self, responder: &Responder) -> String {
        let mut all = self.request.not_asked.iter();
        let key = all.find(|one| one.responder == *responder).and_then(|one| one.key.as_deref());
        key.map_or_else(|| "its filter".to_owned(), |key| format!("its filter on the key {key}"))
    }

    fn provider(&self, responder: Responder, ended: Option<CompletedBy>) -> Provider {
        let row = self.rows.get(&responder).copied();
        let state = match (row.map(|row| (row, &row.answer)), ended) {
            (Some((row, Answer::Quote(_))), _) => match self.timing(row.time()) {
                Timing::InTime => State::Quoted,
                Timing::Late(_) => State::Late,
            },
            (Some((_, Answer::Declined(_))), _) => State::Declined,
            (Some((_, Answer::Failed { .. })), _) => State::Failed,
            (None, _) if self.excluded.contains(&responder) => State::NotAsked,
            (_, None) => State::Waiting,
            (Some((_, Answer::Silent(_))), Some(_)) => State::Silent,
            (None, Some(_)) => State::Missing,
        };
        let reason = match state {
            State::NotAsked => Some(self.filter_reason(&responder)),
            _ => row.and_then(|row| row.answer.reason()).map(str::to_owned),
        };
        let attempts = row.and_then(|row| match row.answer {
            Answer::Failed { attempts, .. } => attempts,
            Answer::Quote(_) | Answer::Declined(_) | Answer::Silent(_) => None,
        });
        let answer = row.filter(|row| is_answer(row));
        Provider {
            state,
            expected: self.expects(&responder),
            reason,
            details: row.and_then(|row| row.details.clone()),
            attempts,
            timing: answer.map(|row| self.timing(row.time())),
            after_ms: answer.and_then(|row| self.after_ms(row.time())),
            responder,
        }
    }
}
