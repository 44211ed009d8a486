//! Records a request for quotes, then publishes it, alone or in a batch. No request is lost between the two steps:
//! submitting the same id again publishes a row whose message is missing.

mod protocol;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::protocol::RfqStore;
pub use self::protocol::Scattered;
use crate::aws::{
    Adopted, Aws, Forgotten, MAX_PUBLISHED, MAX_PUBLISHED_BYTES, MAX_STATEMENTS,
    MAX_STATEMENTS_BYTES, Recorded, RequestInsert, Table, Topic,
};
use crate::consumer::{Batcher, Effect, Limits, Refusal};
use crate::core::{
    Condition, ExcludedProvider, RequestRow, Responder, Ride, Timestamp, show_duration,
};
use crate::error::{Error, Kind, Permanence, Result};
use crate::flow::draft::Submission;
use crate::shutdown::StopSignal;
use crate::stack::{Audience, Recipients};

/// The default maximum age of the register of providers that requests share.
const REGISTER_AGE: Duration = Duration::from_secs(5);
/// Batches in flight at once: of 25 rows, and of ten messages.
const MAX_IN_FLIGHT: usize = 4;
/// The same where the backend is quick.
const MAX_QUICK_IN_FLIGHT: usize = 8;
/// A row or a message waits for no others while no batch is in flight.
const LINGER: Duration = Duration::ZERO;
/// While a batch is in flight, it waits at most this long.
const MAX_WAIT: Duration = Duration::from_millis(100);
const ATTEMPTS: u32 = 5;

/// Scatters one request to the subscribed providers, but for those whose filters exclude it.
///
/// # Errors
/// Not set up when there is no topic; the errors of [`Scatter::submit`].
pub async fn submit(aws: &Aws, submission: Submission) -> Result<Scattered> {
    Scatter::new(aws, Way::Singly).await?.submit(submission).await
}

/// Scatters requests to the subscribed providers.
pub struct Scatter {
    table: Table,
    topic: Topic,
    register: Mutex<Register>,
    register_age: Duration,
    way: Way,
}

struct Register {
    recipients: Arc<Recipients>,
    looked: Instant,
}

/// How rows and messages go out.
enum Way {
    /// Each in a request of its own.
    Singly,
    /// Together with those of other requests.
    Batched { rows: Batcher<RequestInsert, Recorded>, messages: Batcher<String, ()> },
}

impl Scatter {
    /// Scatters requests in batches, which run on `tasks`. Once `stop` drains, no batch waits for more entries. A
    /// fatal error of a batch triggers `stop`.
    ///
    /// # Errors
    /// Not set up when there is no topic; when no provider is subscribed.
    pub async fn batched(aws: &Aws, tasks: &TaskTracker, stop: &StopSignal) -> Result<Self> {
        let limits = |count, bytes| Limits {
            count,
            bytes,
            linger: LINGER,
            max_wait: MAX_WAIT,
            max_in_flight: MAX_IN_FLIGHT,
            max_quick_in_flight: MAX_QUICK_IN_FLIGHT,
            attempts: ATTEMPTS,
        };
        let mut scatter = Self::new(aws, Way::Singly).await?;
        let (table, topic) = (scatter.table.clone(), scatter.topic.clone());
        let rows = limits(MAX_STATEMENTS, MAX_STATEMENTS_BYTES);
        let rows = Batcher::start(tasks, rows, stop.clone(), RequestInsert::size, move |batch| {
            let table = table.clone();
            async move { table.record_all(&batch).await }
        });
        let messages = limits(MAX_PUBLISHED, MAX_PUBLISHED_BYTES);
        let messages = Batcher::start(tasks, messages, stop.clone(), String::len, move |batch| {
            let topic = topic.clone();
            async move { topic.publish_all(&batch).await }
        });
        scatter.way = Way::Batched { rows, messages };
        Ok(scatter)
    }

    async fn new(aws: &Aws, way: Way) -> Result<Self> {
        let topic = aws.topic().await?;
        let recipients = Recipients::of(&topic).await?;
        if recipients.is_empty() {
            return Err(no_provider());
        }
        let register = Register { recipients: Arc::new(recipients), looked: Instant::now() };
        let register = Mutex::new(register);
        Ok(Self { table: aws.table(), topic, register, register_age: REGISTER_AGE, way })
    }

    /// Sets the maximum age of the register of providers.
    #[must_use]
    pub fn register_age(mut self, most: Duration) -> Self {
        self.register_age = most;
        self
    }

    /// Records a request, then publishes it.
    ///
    /// # Errors
    /// When no provider is subscribed, or the filters of all exclude the request; when the table or the topic refused
    /// it, and then its row is removed again unless another submission uses it; a conflict when a request with other
    /// content has the id.
    pub async fn submit(&self, submission: Submission) -> Result<Scattered> {
        let recipients = self.recipients().await;
        if recipients.is_empty() {
            return Err(no_provider());
        }
        let mut row = addressed(&submission, &recipients);
        if is_addressed_to_none(&row) {
            // No answer can show that a policy has changed: only new policies may exclude all.
            let recipients = self.reread().await;
            row = addressed(&submission, &recipients);
        }
        let is_excluded = is_addressed_to_none(&row);
        let kept = recipients.retention().of_rows();
        let insert = RequestInsert { row, submission: Uuid::new_v4(), kept };
        let check = |stored: &RequestRow| check_same(&submission, stored);
        if !is_excluded {
            return protocol::submit(self, insert, check).await;
        }
        // If the id has a row, that row says who was asked: its details may be others.
        let stored = protocol::submit_stored(self, &insert, check).await?;
        stored.ok_or_else(|| all_excluded(&insert.row.not_asked))
    }

    /// The register. If a refresh fails, the old one counts.
    async fn recipients(&self) -> Arc<Recipients> {
        let mut register = self.register.lock().await;
        if register.looked.elapsed() > self.register_age {
            Arc::make_mut(&mut register.recipients).refresh().boxed().await;
            // The requests that waited for this refresh use its result, however long it took.
            register.looked = Instant::now();
        }
        Arc::clone(&register.recipients)
    }

    /// The register with those policies alone that were read a moment ago.
    async fn reread(&self) -> Recipients {
        let mut register = self.register.lock().await;
        Arc::make_mut(&mut register.recipients).reread(self.register_age).boxed().await
    }
}

impl RfqStore for Scatter {
    async fn record(&self, insert: &RequestInsert) -> Result<Recorded, (Error, Effect)> {
        let Way::Batched { rows, .. } = &self.way else {
            return self.table.record(insert).boxed().await;
        };
        let failed = |refusal| failed("writing the request row", &refusal);
        rows.submit(insert.clone()).await.map_err(failed)
    }

    async fn adopt(&self, insert: &RequestInsert) -> Result<Adopted> {
        self.table.adopt(insert).boxed().await
    }

    async fn has_all_answers(&self, row: &RequestRow) -> Result<bool> {
        let Some(rows) = self.table.rows(&row.id).boxed().await? else { return Ok(false) };
        let expected = row.expected.as_deref().unwrap_or_default();
        let has_row = |who: &Responder| rows.answers.iter().any(|answer| answer.responder == *who);
        Ok(!expected.is_empty() && expected.iter().all(has_row))
    }

    async fn publish(&self, row: &RequestRow) -> Result<(), (Error, Effect)> {
        let message = row.message();
        let Way::Batched { messages, .. } = &self.way else {
            return self.topic.publish(&message).boxed().await;
        };
        let failed = |refusal| failed("publishing the request", &refusal);
        messages.submit(message).await.map_err(failed)
    }

    async fn forget(&self, insert: &RequestInsert) -> Result<Forgotten> {
        self.table.forget(insert).boxed().await
    }
}

fn no_provider() -> Error {
    Error::new(Kind::NoProvider, "no provider is subscribed; nothing was written")
}

/// Keys that the refusal of an excluded request names.
const NAMED_KEYS: usize = 5;

fn all_excluded(not_asked: &[ExcludedProvider]) -> Error {
    let all = not_asked.len();
    let filters = if all == 1 {
        "filter of the provider excludes"
    } else {
        "filters of all providers exclude"
    };
    let keys: BTreeSet<_> = not_asked.iter().filter_map(|one| one.key.as_deref()).collect();
    let keys = keys.into_iter().take(NAMED_KEYS).collect::<Vec<_>>().join(", ");
    let message = format!("the {filters} this request (keys: {keys}); nothing was written");
    Error::new(Kind::AllExcluded, message)
}

/// The error of a batch entry that was refused.
fn failed(doing: &str, refusal: &Refusal) -> (Error, Effect) {
    let error = Error::other(format!("{doing} failed")).because(refusal.to_string());
    let error = match refusal.permanence {
        Permanence::Transient => error.transient(),
        Permanence::Permanent | Permanence::Fatal => error,
    };
    (error, refusal.effect)
}

/// The row of a request that is submitted now, with who is asked.
fn addressed(submission: &Submission, recipients: &Recipients) -> RequestRow {
    let submitted = Timestamp::now();
    let row = RequestRow {
        submitted_at: Some(submitted),
        deadline: Some(submitted.plus(submission.deadline.value())),
        until: Condition::with_all(&submission.until),
        best_by: submission.best_by.clone().unwrap_or_default(),
        details: submission.details.clone(),
        ..RequestRow::new(submission.id.clone(), submission.ride.clone())
    };
    let Audience { expected, not_asked } = recipients.split(|| row.message());
    RequestRow { expected: Some(expected), not_asked, ..row }
}

fn is_addressed_to_none(row: &RequestRow) -> bool {
    row.expected.as_ref().is_some_and(Vec::is_empty)
}

/// Fails if the stored RFQ differs from the submission. Parts that the submission leaves out are not compared, nor a
/// deadline or conditions that the row lacks.
fn check_same(submission: &Submission, stored: &RequestRow) -> Result<()> {
    let conflict = |field: &'static str, with: String| {
        let message = format!("RFQ {} exists with {with}; nothing was sent", stored.id);
        Err(Error::new(Kind::Conflict, message).about(field))
    };
    let Ride { from, to, customer } = &stored.ride;
    let asked = &submission.ride;
    let is_same_customer = !submission.is_customer_named || asked.customer == *customer;
    if asked.from != *from || asked.to != *to || !is_same_customer {
        let content = format!("other content: from `{from}` to `{to}` for `{customer}`");
        return conflict("rfq-id", content);
    }
    if let (Some(named), Some(submitted), Some(deadline)) =
        (submission.deadline.named(), stored.submitted_at, stored.deadline)
        && submitted.plus(*named) != deadline
    {
        let length = show_duration(deadline.saturating_since(submitted));
        return conflict("deadline", format!("another deadline: {length}"));
    }
    if submission.details.is_some() && submission.details != stored.details {
        return conflict("details", "other details".to_owned());
    }
    if let Some(by) = submission.best_by.as_ref().filter(|by| **by != stored.best_by) {
        let by = format!("another order: `{}`, not `{by}`", stored.best_by);
        return conflict("best-by", by);
    }
    let words =
        |until: &[Condition]| until.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (named, there) = (words(&Condition::with_all(&submission.until)), words(&stored.until));
    if !submission.until.is_empty() && !there.is_empty() && named != there {
        let there = there.into_iter().collect::<Vec<_>>().join(", ");
        return conflict("until", format!("other conditions: {there}"));
    }
    Ok(())
}
