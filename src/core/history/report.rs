//! What each provider did in past gatherings, and how those ended.

use std::collections::BTreeMap;
use std::time::Duration;

use super::MOST_COUNTED;
use super::durations::{Durations, Ratios};
use crate::core::aggregate::{CompletedBy, Gathering, Provider, Quote, State, Timing, aggregate};
use crate::core::{Responder, Rows, Timestamp};

/// A report on past gatherings.
#[derive(Debug, Clone)]
pub struct Report {
    /// The provider whose reasons are counted too.
    pub in_depth: Option<Responder>,
    /// The gatherings.
    pub rfqs: u64,
    /// The first and the last submission.
    pub submitted: Option<(Timestamp, Timestamp)>,
    /// How they ended.
    pub ends: Ends,
    /// Gatherings with a best quote.
    pub with_best: u64,
    /// Milliseconds from submission to the end.
    pub time_to_end: Durations,
    /// Answers that were asked for: the expected providers of each gathering.
    pub asked: u64,
    /// Those that came in time.
    pub answered_in_time: u64,
    /// Answers of providers that were not expected.
    pub unexpected: u64,
    /// Each provider that was expected at least once, in natural order of names.
    pub providers: BTreeMap<Responder, ProviderRecord>,
    /// Requests to further providers, beyond the thousand that are counted one by one.
    pub asked_of_others: u64,
}

/// How many gatherings ended in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Complete: every expected provider answered in time.
    pub all: u64,
    /// Complete: enough providers quoted.
    pub count: u64,
    /// Complete: a quote was cheap enough.
    pub price: u64,
    /// Closed before.
    pub closed: u64,
    /// The deadline passed before.
    pub deadline: u64,
}

/// What one provider did. Each request is in one of the counts from `quoted` to `late`, whose sum is `asked`.
#[derive(Debug, Clone, Default)]
pub struct ProviderRecord {
    /// Gatherings that expected it.
    pub asked: u64,
    /// It quoted in time.
    pub quoted: u64,
    /// It declined, in time or not.
    pub declined: u64,
    /// It failed, in time or not.
    pub failed: u64,
    /// It sent a receipt alone.
    pub silent: u64,
    /// It has no row.
    pub missing: u64,
    /// It quoted too late.
    pub late: u64,
    /// Milliseconds from submission to its quotes, declines and failures, late ones included.
    pub times: Durations,
    /// Its quote was the best.
    pub best: u64,
    /// Its late quote would have been the best.
    pub missed: u64,
    /// Prices of its quotes in time, as multiples of the best price of the same gathering. A price above a best price of
    /// zero is left out.
    pub prices: Ratios,
    /// Reasons of its declines, failures and receipts; only of the provider in depth.
    pub reasons: BTreeMap<(Refusal, String), u64>,
    /// Refusals with further reasons, beyond the thousand that are counted one by one.
    pub other_reasons: u64,
}

/// The kinds of replies that have a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It declined.
    Declined,
    /// It failed.
    Failed,
    /// It sent a receipt alone.
    Silent,
}

impl Refusal {
    /// The word of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declined => State::Declined.word(),
            Self::Failed => State::Failed.word(),
            Self::Silent => State::Silent.word(),
        }
    }

    fn of(state: State) -> Option<Self> {
        match state {
            State::Declined => Some(Self::Declined),
            State::Failed => Some(Self::Failed),
            State::Silent => Some(Self::Silent),
            State::Quoted | State::Late | State::Waiting | State::Missing | State::NotAsked => None,
        }
    }
}

impl Report {
    /// A report without gatherings, in depth on this provider.
    pub fn new(in_depth: Option<Responder>) -> Self {
        Self {
            in_depth,
            rfqs: 0,
            submitted: None,
            ends: Ends::default(),
            with_best: 0,
            // Many RFQs end at the same deadline, which is to be told exactly.
            time_to_end: Durations::fine(),
            asked: 0,
            answered_in_time: 0,
            unexpected: 0,
            providers: BTreeMap::new(),
            asked_of_others: 0,
        }
    }

    /// Adds a gathering that is over.
    pub fn add(&mut self, rows: &Rows) {
        let gathering = aggregate(rows, after_deadline(rows), None);
        self.rfqs += 1;
        if let Some(at) = gathering.request.submitted_at {
            let (first, last) = self.submitted.unwrap_or((at, at));
            self.submitted = Some((first.min(at), last.max(at)));
        }
        self.ends.count_one(gathering.completed_by);
        self.with_best += u64::from(gathering.best.is_some());
        let end = gathering.ended_at().zip(gathering.request.submitted_at);
        if let Some((ended, submitted)) = end {
            self.time_to_end.add(ended.millis_since(submitted));
        }
        self.asked += count(gathering.expected);
        self.answered_in_time += count(gathering.expected.map(|_| gathering.answered));
        self.unexpected += count(gathering.unexpected);
        for provider in gathering.providers.iter().filter(|one| one.expected == Some(true)) {
            self.add_provider(provider, &gathering);
        }
    }

    fn add_provider(&mut self, provider: &Provider, gathering: &Gathering) {
        let responder = &provider.responder;
        if !self.providers.contains_key(responder) {
            let is_full = self.providers.len() >= MOST_COUNTED;
            if is_full && self.in_depth.as_ref() != Some(responder) {
                self.asked_of_others += 1;
                return;
            }
            self.providers.insert(responder.clone(), ProviderRecord::default());
        }
        let Some(record) = self.providers.get_mut(responder) else { return };
        record.add(provider);
        let is = |quote: &Quote| quote.responder == *responder;
        record.best += u64::from(gathering.best.as_ref().is_some_and(is));
        record.missed += u64::from(
            gathering.regret.as_ref().is_some_and(|regret| regret.responder == *responder),
        );
        let quote =
            gathering.quotes.iter().find(|quote| is(quote) && quote.timing == Timing::InTime);
        let ratio = quote.zip(gathering.best.as_ref()).and_then(|(quote, best)| ratio(quote, best));
        if let Some(ratio) = ratio {
            record.prices.add(ratio);
        }
        if self.in_depth.as_ref() == Some(responder) {
            record.add_reason(provider);
        }
    }
}

/// A moment at which nothing more comes in time. Only the deadline is compared with it, so without one any will do.
fn after_deadline(rows: &Rows) -> Timestamp {
    let epoch = || Timestamp::from_millis(0).expect("the epoch is a time");
    rows.request.deadline.unwrap_or_else(epoch).plus(Duration::from_millis(1))
}

/// A price as a multiple of the best one; `None` if it lies above zero, and the best one is zero.
fn ratio(quote: &Quote, best: &Quote) -> Option<f64> {
    if quote.price == best.price {
        return Some(1.0);
    }
    let best = best.price.approximate();
    (best > 0.0).then(|| quote.price.approximate() / best)
}

impl Ends {
    fn count_one(&mut self, by: Option<CompletedBy>) {
        match by {
            Some(CompletedBy::All) => self.all += 1,
            Some(CompletedBy::Count) => self.count += 1,
            Some(CompletedBy::Price) => self.price += 1,
            Some(CompletedBy::Closed) => self.closed += 1,
            Some(CompletedBy::Deadline) => self.deadline += 1,
            Some(CompletedBy::Stall) | None => {}
        }
    }

    /// Gatherings that a condition ended.
    pub fn complete(&self) -> u64 {
        self.all + self.count + self.price
    }
}

impl ProviderRecord {
    fn add(&mut self, provider: &Provider) {
        self.asked += 1;
        match provider.state {
            State::Quoted => self.quoted += 1,
            State::Declined => self.declined += 1,
            State::Failed => self.failed += 1,
            State::Late => self.late += 1,
            State::Silent => self.silent += 1,
            State::Missing | State::Waiting | State::NotAsked => self.missing += 1,
        }
        if let Some(after) = provider.after_ms {
            self.times.add(after);
        }
    }

    fn add_reason(&mut self, provider: &Provider) {
        let refusal = Refusal::of(provider.state);
        let Some((refusal, reason)) = refusal.zip(provider.reason.as_deref()) else { return };
        let key = (refusal, reason.to_owned());
        let is_full = self.reasons.len() == MOST_COUNTED;
        match self.reasons.get_mut(&key) {
            Some(count) => *count += 1,
            None if is_full => self.other_reasons += 1,
            None => _ = self.reasons.insert(key, 1),
        }
    }
}

fn count(number: Option<usize>) -> u64 {
    number.unwrap_or(0) as u64
}
