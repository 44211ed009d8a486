//! What has happened at the workers and the consumer, counted: for a table that is redrawn, and for a summary.

mod summary;
mod table;

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use hdrhistogram::Histogram;

pub(crate) use table::MOST_REAL_LINES;
pub use table::Viewport;

use crate::consumer::Trouble;
use crate::core::text::printable;
use crate::core::{Answer, ProviderName, RfqId, Timestamp};
use crate::flow::events::{Event, Gathered, Stray};
use crate::flow::provider::{Served, ServedBy};

/// Ids in each of two generations of [`Distinct`]: more RFQs than are ever gathered at once.
const MOST_IDS: usize = 50_000;
/// The most requests that are remembered as open.
const MOST_OPEN: usize = 100_000;

/// How long a trouble with one message is shown.
const SHOWN: Duration = Duration::from_secs(10);
/// The longest time to answer that is recorded exactly, in milliseconds: an hour.
const LONGEST_TIME: u64 = 3_600_000;

#[derive(Debug, Clone, Default)]
struct ProviderCounts {
    /// The attempts and times of a real provider; `None` for a simulated one.
    real: Option<RealCounts>,
    received: u64,
    quoted: u64,
    declined: u64,
    failed: u64,
    silent: u64,
    in_flight: u64,
    unreadable: u64,
}

/// How a real provider is asked and how long it takes.
#[derive(Debug, Clone)]
struct RealCounts {
    attempts: u64,
    /// From the receipt of a request to its answer, in milliseconds.
    times: Histogram<u32>,
}

impl Default for RealCounts {
    fn default() -> Self {
        let times = Histogram::new_with_max(LONGEST_TIME, 2).expect("these bounds are valid");
        Self { attempts: 0, times }
    }
}

impl RealCounts {
    /// The time within which this share of the answers came; `None` without answers.
    fn time(&self, share: f64) -> Option<Duration> {
        let is_empty = self.times.is_empty();
        (!is_empty).then(|| Duration::from_millis(self.times.value_at_quantile(share)))
    }
}

/// Counts what happened, for the table and for the summary.
#[derive(Debug, Default)]
pub struct Tally {
    providers: BTreeMap<ProviderName, ProviderCounts>,
    rfqs: Distinct,
    /// Deliveries that were not handled again.
    again: u64,
    /// Messages that faults sent beside replies, or in their place.
    strayed: u64,
    /// Second replies that a fault has sent beside the first.
    seconds: u64,
    /// Workers that a fault made die.
    crashed: u64,
    /// Quotes, declines and failures that were sent after the deadline.
    late: u64,
    /// Requests that came after their deadlines, and got receipts.
    received_late: u64,
    gathered: u64,
    duplicates: u64,
    refused: u64,
    troubles: Vec<Standing>,
    /// Whether a request was given back to its queue.
    has_given_back: bool,
    /// Requests that were received here and are not answered. One that comes again is not counted again.
    open: HashSet<(ProviderName, RfqId)>,
}

/// A trouble that is shown.
#[derive(Debug)]
struct Standing {
    subject: String,
    reason: String,
    /// When it is forgotten; `None` where it stands until it is over.
    until: Option<Timestamp>,
}

impl Tally {
    /// Nothing has happened at these providers.
    pub fn new<'a>(providers: impl IntoIterator<Item = &'a ProviderName>) -> Self {
        let counts = providers.into_iter().map(|name| (name.clone(), ProviderCounts::default()));
        Self { providers: counts.collect(), ..Self::default() }
    }

    /// The same for served providers; real ones also count attempts and times.
    pub fn of(served: &[Served]) -> Self {
        let mut tally = Self::new(served.iter().map(|one| &one.name));
        for one in served.iter().filter(|one| !matches!(one.by, ServedBy::Simulation(_))) {
            tally.of_provider(&one.name).real = Some(RealCounts::default());
        }
        tally
    }

    /// Counts an event that happened now.
    pub fn count(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Received { provider, id, .. } => {
                if self.open.len() >= MOST_OPEN {
                    self.open.clear();
                }
                let is_new = self.open.insert((provider.clone(), id.clone()));
                let counts = self.of_provider(provider);
                counts.in_flight += 1;
                counts.received += u64::from(is_new);
                self.rfqs.count(id);
            }
            Event::Asked { provider, .. } => {
                if let Some(real) = &mut self.of_provider(provider).real {
                    real.attempts += 1;
                }
            }
            Event::Answered { provider, id, answer, took, late_by } => {
                match (answer, late_by) {
                    (_, None) => {}
                    (Answer::Silent(_), Some(by)) => self.received_late += u64::from(by >= took),
                    (_, Some(_)) => self.late += 1,
                }
                self.open.remove(&(provider.clone(), id.clone()));
                let counts = self.of_provider(provider);
                if let Some(real) = &mut counts.real
                    && !matches!(answer, Answer::Silent(_))
                {
                    real.times
                        .saturating_record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                }
                match answer {
                    Answer::Quote(_) => counts.quoted += 1,
                    Answer::Declined(_) => counts.declined += 1,
                    Answer::Failed { .. } => counts.failed += 1,
                    Answer::Silent(_) => counts.silent += 1,
                }
                let is_real = counts.real.is_some();
                if let Answer::Failed { reason, .. } = answer
                    && is_real
                {
                    let (subject, reason) = (provider.to_string(), format!("failed: {reason}"));
                    self.stand(Standing { subject, reason, until: Some(now.plus(SHOWN)) });
                }
            }
            Event::Mute { provider, id } => {
                self.open.remove(&(provider.clone(), id.clone()));
                self.of_provider(provider).silent += 1;
            }
            Event::Strayed { provider, id, what } => {
                self.open.remove(&(provider.clone(), id.clone()));
                match what {
                    Stray::Second(_) => self.seconds += 1,
                    Stray::Poison | Stray::WrongId(_) => self.strayed += 1,
                }
            }
            Event::Crashed { .. } => self.crashed += 1,
            Event::GivenBack { .. } => self.has_given_back = true,
            Event::Again { .. } => self.again += 1,
            Event::Unreadable { provider, .. } => self.of_provider(provider).unreadable += 1,
            Event::Finished { provider } => {
                let counts = self.of_provider(provider);
                counts.in_flight = counts.in_flight.saturating_sub(1);
            }
            Event::Gathered { id, how, .. } => {
                match how {
                    Gathered::First | Gathered::Replacing => self.gathered += 1,
                    Gathered::Duplicate => self.duplicates += 1,
                }
                self.rfqs.count(id);
            }
            Event::Refused { .. } => self.refused += 1,
            Event::Trouble(Trouble::Began { subject, reason }) => {
                self.stand(Standing {
                    subject: subject.clone(),
                    reason: reason.clone(),
                    until: None,
                });
            }
            Event::Trouble(Trouble::Entry { subject, reason }) => {
                let (subject, reason) = (subject.clone(), reason.clone());
                self.stand(Standing { subject, reason, until: Some(now.plus(SHOWN)) });
            }
            Event::Trouble(Trouble::Over { subject } | Trouble::Abandoned { subject }) => {
                self.troubles.retain(|standing| standing.subject != *subject);
            }
            Event::Said { .. }
            | Event::AttemptFailed { .. }
            | Event::Buried { .. }
            | Event::Left { .. } => {}
        }
    }

    /// Replaces the trouble of the same subject.
    fn stand(&mut self, new: Standing) {
        self.troubles.retain(|standing| standing.subject != new.subject);
        self.troubles.push(new);
    }

    /// The newest trouble that still stands, with the number of others.
    fn trouble(&self, now: Timestamp) -> Option<String> {
        let stands = |standing: &&Standing| standing.until.is_none_or(|until| now < until);
        let standing: Vec<_> = self.troubles.iter().filter(stands).collect();
        let newest = standing.last()?;
        let more = match standing.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "trouble: {}: {}{more}",
            printable(&newest.subject),
            printable(&newest.reason)
        ))
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.providers.values().map(|counts| counts.in_flight).sum()
    }

    fn of_provider(&mut self, provider: &ProviderName) -> &mut ProviderCounts {
        self.providers.entry(provider.clone()).or_default()
    }

    fn total(&self) -> ProviderCounts {
        let mut total = ProviderCounts::default();
        for counts in self.providers.values() {
            total.received += counts.received;
            total.quoted += counts.quoted;
            total.declined += counts.declined;
            total.failed += counts.failed;
            total.silent += counts.silent;
            total.in_flight += counts.in_flight;
            total.unreadable += counts.unreadable;
        }
        total
    }

    /// Requests that were received here, and are neither answered nor in hand: each counts once, however often it
    /// came again and was given back again.
    fn given_back(&self) -> u64 {
        if self.has_given_back {
            (self.open.len() as u64).saturating_sub(self.in_flight())
        } else {
            0
        }
    }
}

/// Counts ids, each once, in bounded memory: an id that was not seen for long is forgotten, and would count again.
#[derive(Debug, Default)]
struct Distinct {
    count: u64,
    known: HashSet<u64>,
    before: HashSet<u64>,
    hasher: RandomState,
}

impl Distinct {
    fn count(&mut self, id: &RfqId) {
        let hash = self.hasher.hash_one(id);
        if self.before.contains(&hash) || !self.known.insert(hash) {
            return;
        }
        self.count += 1;
        if self.known.len() >= MOST_IDS {
            self.before = std::mem::take(&mut self.known);
        }
    }
}

/// Whether the response consumer runs in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerPart {
    /// It runs here.
    Included,
    /// It runs elsewhere.
    LeftOut,
}
