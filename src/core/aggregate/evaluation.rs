//! What the rows of an RFQ add up to.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{CompletedBy, Gathering, Provider, Quote, Regret, State, Status, Timing, cutoff};
use crate::core::{Answer, AnswerRow, Condition, Price, RequestRow, Responder, Rows, Timestamp};

/// The state at `now`. `until` overrides the conditions of the request row; `all` is always among them.
pub fn aggregate(rows: &Rows, now: Timestamp, until: Option<&[Condition]>) -> Gathering {
    let request = &rows.request;
    let view = Evaluation::of(rows);
    let until = Condition::with_all(until.unwrap_or(&request.until));
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
        status,
        completed_by,
        met_at: met.and_then(|(at, _)| at.known()),
        stall: None,
        last_in_time: view.last_in_time(),
        quotes,
        best,
        regret,
    }
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

    fn known(self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Known(at) => Some(at),
        }
    }
}

/// The rows, with the providers that they name.
struct Evaluation<'a> {
    request: &'a RequestRow,
    answers: &'a [AnswerRow],
    rows: HashMap<&'a Responder, &'a AnswerRow>,
    /// `None` if the expected providers are not recorded.
    expected: Option<HashSet<&'a Responder>>,
    /// Recorded as not asked, without those that are expected.
    excluded: HashSet<&'a Responder>,
}

impl<'a> Evaluation<'a> {
    fn of(rows: &'a Rows) -> Self {
        let request = &rows.request;
        let expected: Option<HashSet<_>> =
            request.expected.as_ref().map(|all| all.iter().collect());
        // Without a list of those that were asked, nothing is known of the others.
        let is_excluded =
            |who: &&Responder| expected.as_ref().is_some_and(|expected| !expected.contains(*who));
        let excluded = request.not_asked.iter().map(|one| &one.responder);
        Self {
            request,
            answers: &rows.answers,
            rows: rows.answers.iter().map(|row| (&row.responder, row)).collect(),
            excluded: excluded.filter(is_excluded).collect(),
            expected,
        }
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
