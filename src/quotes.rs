//! The read side: one snapshot, or snapshots until a condition or the deadline.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use crate::aggregate::{Gathering, Status, aggregate};
use crate::aws::{Aws, QueueCounts};
use crate::error::Result;
use crate::model::{Condition, Responder, RfqId, Timestamp};

/// The shortest wait between two reads.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two reads when nothing new comes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How many times as long as a read took the next one waits.
const RESPITE: u32 = 10;
/// A reply that was sent before the deadline may take this long into the table.
const GRACE: Duration = Duration::from_millis(250);

/// How an RFQ stands now; `None` when there is no such RFQ.
///
/// # Errors
/// Not set up when there is no table.
pub async fn snapshot(
    aws: &Aws,
    id: &RfqId,
    until: Option<&[Condition]>,
) -> Result<Option<Gathering>> {
    let rows = aws.table().rows(id).await?;
    Ok(rows.map(|rows| aggregate(&rows, Timestamp::now(), until)))
}

/// How long a wait lasts.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Conditions for this wait instead of the stored ones.
    pub until: Option<Vec<Condition>>,
    /// How long to stay for late answers after the end.
    pub linger: Duration,
    /// The end of a wait for an RFQ without a deadline.
    pub timeout: Duration,
}

/// A wait for one RFQ: snapshots, each later than the one before.
#[derive(Debug)]
pub struct Watch<'a> {
    aws: &'a Aws,
    id: RfqId,
    patience: Patience,
    began: Instant,
    next_read: Instant,
    quiet: u32,
    answers: usize,
    ended: Option<Instant>,
    over: bool,
}

impl<'a> Watch<'a> {
    /// A wait that begins now. Nothing is read before the first [`Watch::next`].
    pub fn new(aws: &'a Aws, id: RfqId, patience: Patience) -> Self {
        let now = Instant::now();
        Self {
            aws,
            id,
            patience,
            began: now,
            next_read: now,
            quiet: 0,
            answers: 0,
            ended: None,
            over: false,
        }
    }

    /// Whether the last snapshot was the final one.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The next snapshot; `None` when there is no such RFQ.
    ///
    /// # Errors
    /// Any error of a read.
    pub async fn next(&mut self) -> Result<Option<Gathering>> {
        sleep_until(self.next_read).await;
        let asked = Instant::now();
        // Where this read fails, the next one does not follow at once.
        self.next_read = asked + LONGEST_WAIT;
        let Some(gathering) = snapshot(self.aws, &self.id, self.patience.until.as_deref()).await?
        else {
            return Ok(None);
        };
        let took = asked.elapsed();
        let answers = gathering.providers.iter().filter(|p| p.after_ms.is_some()).count();
        self.quiet = if answers == self.answers { self.quiet + 1 } else { 0 };
        self.answers = answers;
        let now = Instant::now();
        let closing = self.closing(&gathering, now);
        self.over = now >= closing;
        self.next_read = (now + self.wait(took)).min(closing);
        Ok(Some(gathering))
    }

    /// How long to wait after a read that took so long: longer when nothing new comes.
    fn wait(&self, took: Duration) -> Duration {
        let wait = SHORTEST_WAIT.max(took * RESPITE);
        let patient = wait.mul_f64(1.25_f64.powi(i32::try_from(self.quiet.min(20)).unwrap_or(20)));
        patient.min(LONGEST_WAIT.max(wait))
    }

    /// When the final read is due.
    fn closing(&mut self, gathering: &Gathering, now: Instant) -> Instant {
        let end = match gathering.status {
            Status::Complete | Status::Closed => now,
            Status::Gathering | Status::Expired => match gathering.request.deadline {
                Some(deadline) => {
                    // The read has to come after the deadline by the clock that judges it.
                    let left = deadline.plus(GRACE).after(Timestamp::now());
                    if left.is_zero() { now } else { now + left + Duration::from_millis(1) }
                }
                None => self.began + self.patience.timeout,
            },
        };
        if end > now || self.patience.linger.is_zero() {
            return end;
        }
        let ended = *self.ended.get_or_insert(now);
        let everybody = gathering
            .expected
            .is_some_and(|expected| gathering.answered + gathering.late >= expected);
        if everybody { now } else { ended + self.patience.linger }
    }
}

/// Where the copies of a request lie, as one look at the queues tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// Provider queues whose copies nobody has received.
    pub unread: usize,
    /// Provider queues whose copies somebody has in hand.
    pub in_hand: usize,
    /// Replies that nobody has gathered.
    pub replies: u64,
}

/// Looks once at the queues of the expected providers and at the response queue. Nothing is
/// received.
///
/// # Errors
/// Any error of a request.
pub async fn copies(aws: &Aws, expected: &[Responder]) -> Result<Copies> {
    let names = expected.iter().filter_map(|responder| {
        let name = crate::model::ProviderName::parse(responder.as_str()).ok()?;
        Some(aws.names.provider_queue(&name))
    });
    let counts = |name: String| async move { aws.queue(name).await?.counts().await };
    let (providers, response) =
        tokio::join!(join_all(names.map(counts)), counts(aws.names.response_queue()));
    // A queue that is not here is somebody else's, or gone: nobody can say what lies in it.
    let providers: Vec<QueueCounts> = providers.into_iter().filter_map(Result::ok).collect();
    let response = response?;
    Ok(Copies {
        unread: providers.iter().filter(|counts| counts.ready > 0).count(),
        in_hand: providers.iter().filter(|counts| counts.in_hand > 0).count(),
        replies: response.total(),
    })
}
