//! The read side: one snapshot of an RFQ, or repeated snapshots until a condition or the deadline ends the wait.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use crate::aws::Aws;
use crate::core::aggregate::{CompletedBy, Gathering, Provider, State, Status, aggregate};
use crate::core::{Condition, Responder, RfqId, Rows, Timestamp};
use crate::error::Result;
use crate::stack::{Filter, filters_of};

/// The pause between two reads grows from the shortest to the longest while no new answer arrives.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The pause is at least this many times the duration of the last read.
const RESPITE: u32 = 10;
/// A snapshot waits at most this long for a lookup of filters.
const FILTERS_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the result of a filter lookup stays valid.
const FILTERS_AGE: Duration = Duration::from_mins(1);
/// A reply sent before the deadline may take this long to reach the table.
const GRACE: Duration = Duration::from_millis(250);

/// How an RFQ stands now; `None` when it does not exist. The error is `NotSetUp` when there is no table.
pub async fn snapshot(
    aws: &Aws,
    id: &RfqId,
    until: Option<&[Condition]>,
) -> Result<Option<Gathering>> {
    let read = read(aws, id, until).await?;
    Ok(read.map(|(_, gathering)| gathering))
}

async fn read(
    aws: &Aws,
    id: &RfqId,
    until: Option<&[Condition]>,
) -> Result<Option<(Rows, Gathering)>> {
    // Taken before the read: rows read before the deadline cannot show how the RFQ stands after it.
    let asked = Timestamp::now();
    let rows = aws.table().rows(id).await?;
    Ok(rows.map(|rows| {
        let gathering = aggregate(&rows, asked, until);
        (rows, gathering)
    }))
}

/// Remembers the filters of subscriptions, so that readers do not ask for the same one again.
#[derive(Debug, Default)]
pub struct Filters {
    known: Mutex<HashMap<Responder, (Instant, Vec<Filter>)>>,
}

impl Filters {
    /// Names the filter as the reason for expected providers that are missing after the end, where it may have excluded
    /// the request. Sends no request if none is missing. A lookup that fails or times out is no error: it counts as no
    /// filter.
    pub async fn explain(&self, aws: &Aws, gathering: &mut Gathering) {
        let missing = gathering.missing();
        if missing.is_empty() {
            return;
        }
        let mut known = self.known.lock().await;
        known.retain(|_, (looked, _)| looked.elapsed() < FILTERS_AGE);
        let unknown: Vec<_> =
            missing.iter().filter(|who| !known.contains_key(who)).cloned().collect();
        if !unknown.is_empty() {
            let looked = timeout(FILTERS_TIMEOUT, filters_of(aws, &unknown)).await;
            let mut filters = looked.ok().and_then(Result::ok).unwrap_or_default();
            let now = Instant::now();
            known.extend(unknown.into_iter().map(|who| {
                let own = filters.remove(&who).unwrap_or_default();
                (who, (now, own))
            }));
        }
        let message = gathering.request.message();
        let may_exclude = |who: &Responder| {
            let filters = known.get(who).map(|(_, filters)| filters.as_slice()).unwrap_or_default();
            !filters.is_empty() && filters.iter().all(|filter| filter.may_exclude(&message))
        };
        let filtered: Vec<_> = missing.into_iter().filter(may_exclude).collect();
        drop(known);
        gathering.explain(&filtered);
    }
}

#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// Conditions that replace the stored ones for this wait.
    pub until: Option<Vec<Condition>>,
    /// Ends the wait when no provider has answered for this long.
    pub stall: Option<Duration>,
    /// How long to wait for late replies after the end.
    pub linger: Duration,
    /// Ends the wait for an RFQ without a deadline.
    pub timeout: Duration,
}

/// A wait for one RFQ, as a series of snapshots.
#[derive(Debug)]
pub struct Watch<'a> {
    aws: &'a Aws,
    id: RfqId,
    options: WaitOptions,
    began: Instant,
    next_read: Instant,
    quiet: u32,
    answers: Vec<(Responder, State)>,
    last_news: Instant,
    stalled: bool,
    ended: Option<Instant>,
    over: bool,
    rows: Option<Rows>,
}

impl<'a> Watch<'a> {
    /// Begins the wait now. The first [`Watch::next`] does the first read.
    pub fn new(aws: &'a Aws, id: RfqId, options: WaitOptions) -> Self {
        let now = Instant::now();
        Self {
            aws,
            id,
            options,
            began: now,
            next_read: now,
            quiet: 0,
            answers: Vec::new(),
            last_news: now,
            stalled: false,
            ended: None,
            over: false,
            rows: None,
        }
    }

    /// Whether the last snapshot was the final one.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the wait is over, or only waits for late replies.
    pub fn has_ended(&self) -> bool {
        self.over || self.ended.is_some()
    }

    pub fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }

    /// Waits for the next snapshot; `None` when the RFQ does not exist.
    pub async fn next(&mut self) -> Result<Option<Gathering>> {
        sleep_until(self.next_read).await;
        let asked = Instant::now();
        // If this read fails, the next one must not follow at once.
        self.next_read = asked + LONGEST_WAIT;
        let read = read(self.aws, &self.id, self.options.until.as_deref()).await?;
        let Some((rows, mut gathering)) = read else { return Ok(None) };
        self.rows = Some(rows);
        let now = Instant::now();
        self.listen(&gathering, asked, now);
        gathering.stall = self.options.stall;
        if self.stalled && gathering.completed_by.is_none() {
            gathering.completed_by = Some(CompletedBy::Stall);
        }
        // The read may miss answers that arrive while it runs, so its start time decides whether it was the last.
        let closing = self.closing(&gathering, asked);
        self.over = asked >= closing;
        self.next_read = (now + self.wait(now - asked)).min(closing.max(now));
        Ok(Some(gathering))
    }

    /// Notes new answers since the last read, or that the wait had stalled when this read began.
    fn listen(&mut self, gathering: &Gathering, asked: Instant, now: Instant) {
        let answered = |provider: &&Provider| provider.timing.is_some();
        let answers = gathering.providers.iter().filter(answered);
        let answers: Vec<_> =
            answers.map(|provider| (provider.responder.clone(), provider.state)).collect();
        if answers == self.answers {
            self.quiet += 1;
            self.stalled |= self.stall_ends().is_some_and(|end| asked >= end);
        } else {
            self.quiet = 0;
            self.answers = answers;
            self.last_news = now;
        }
    }

    /// When the wait ends unless another answer arrives.
    fn stall_ends(&self) -> Option<Instant> {
        self.options.stall.map(|stall| self.last_news + stall)
    }

    /// The pause after a read of this duration; it grows while no new answer arrives.
    fn wait(&self, took: Duration) -> Duration {
        let wait = SHORTEST_WAIT.max(took * RESPITE);
        let patient = wait.mul_f64(1.25_f64.powi(i32::try_from(self.quiet.min(20)).unwrap_or(20)));
        patient.min(LONGEST_WAIT.max(wait))
    }

    /// When the final read must begin; `asked` is when the current read began.
    fn closing(&mut self, gathering: &Gathering, asked: Instant) -> Instant {
        let since_asked = asked.elapsed();
        // The read must begin after the end by the system clock, which judges the deadline.
        let read_after = |end: Timestamp| {
            let left = end.plus(GRACE + since_asked).saturating_since(Timestamp::now());
            if left.is_zero() { asked } else { asked + left + Duration::from_millis(1) }
        };
        let cutoff = || gathering.cutoff().map_or(self.began + self.options.timeout, read_after);
        let end = match gathering.status {
            Status::Complete => asked,
            Status::Gathering if self.stalled => asked,
            Status::Gathering => self.stall_ends().map_or_else(cutoff, |end| end.min(cutoff())),
            Status::Closed | Status::Expired => cutoff(),
        };
        if end > asked || self.options.linger.is_zero() {
            return end;
        }
        let ended = *self.ended.get_or_insert(asked);
        if gathering.is_settled() { asked } else { ended + self.options.linger }
    }
}
