//! Records a request for quotes, then publishes it, alone or together with others. No request is ever
//! lost between the two: a row without its message is published again by submitting the same id.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::aws::{
    Aws, Inserted, MAX_PUBLISHED, MAX_PUBLISHED_BYTES, MAX_STATEMENTS, Recorded, Table, Topic,
};
use crate::error::{Error, Result};
use crate::model::text::is_unsafe;
use crate::model::{Condition, Request, RequestRow, Responder, RfqId, Timestamp};
use crate::queue::{Batcher, Ending, Fate, Lasting, Limits, Refusal};

/// The longest text of a request, in characters.
const TEXT_MAX: usize = 256;
/// The shortest and the longest deadline.
const DEADLINES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));

/// A request as a customer makes it, already validated.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The RFQ.
    pub id: RfqId,
    /// Where the ride begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// Who asks.
    pub customer: String,
    /// How long after submission answers are wanted.
    pub deadline: Duration,
    /// What completes the gathering beside `all`.
    pub until: Vec<Condition>,
}

/// A request that is out, or that may be.
#[derive(Debug)]
pub enum Scattered {
    /// The topic has taken it.
    Published(RequestRow),
    /// It had been published before, and every expected provider has a row.
    Answered(RequestRow),
    /// Nobody knows how far it came; whatever was written stays, so that it can be submitted again.
    Unknown(Error),
}

/// A text as the contract wants it: trimmed, 1 to 256 characters, nothing that a terminal would
/// obey. `name` says which, in messages.
///
/// # Errors
/// Invalid, with what is wrong.
pub fn check_text(name: &str, text: &str) -> Result<String> {
    let text = text.trim();
    let problem = match text.chars().count() {
        0 => "is empty",
        n if n > TEXT_MAX => "is longer than 256 characters",
        _ if text.chars().any(is_unsafe) => "holds control characters",
        _ => return Ok(text.to_owned()),
    };
    Err(Error::invalid(format!("`{name}` {problem}; nothing was sent")))
}

/// A deadline as the contract wants it: 10 ms to 24 h.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_deadline(deadline: Duration) -> Result<Duration, String> {
    if (DEADLINES.0..=DEADLINES.1).contains(&deadline) {
        Ok(deadline)
    } else {
        Err("a deadline is 10 ms to 24 h away".to_owned())
    }
}

/// How old the register of providers may be that a request goes by, where many go by it.
const REGISTER_AGE: Duration = Duration::from_secs(30);
/// How long a look at it may take, before the last one is gone by.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Statements under way at once, each with 25 rows, and messages in batches of ten.
const FLIGHTS: usize = 4;
/// A row or a message waits for no others while none are under way.
const LINGER: Duration = Duration::ZERO;
/// How long it waits at the most while others are.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a row or a message is tried.
const ATTEMPTS: u32 = 5;

/// Scatters one request to everybody who is subscribed.
///
/// # Errors
/// Not set up; when nobody is subscribed; when the topic refused it, in which case its row is gone
/// again; invalid when the id is taken by a request of other content.
pub async fn submit(aws: &Aws, submission: Submission) -> Result<Scattered> {
    Scatter::new(aws, Way::Singly).await?.submit(submission).await
}

/// Scatters requests to everybody who is subscribed.
pub struct Scatter {
    table: Table,
    topic: Topic,
    register: Mutex<Register>,
    register_age: Duration,
    way: Way,
}

/// Who is subscribed.
struct Register {
    providers: Vec<Responder>,
    looked: Instant,
}

/// How rows and messages go out.
enum Way {
    /// Each in a request of its own.
    Singly,
    /// Together with those of other requests.
    Batched { rows: Batcher<RequestRow, Inserted>, messages: Batcher<String, ()> },
}

impl Scatter {
    /// Scatters requests in batches, which are made on `tasks`. Once the `ending` has begun none waits
    /// for company any more; it begins when a batch fails for a reason that no other would be spared.
    ///
    /// # Errors
    /// Not set up; when nobody is subscribed.
    pub async fn batched(aws: &Aws, tasks: &TaskTracker, ending: &Ending) -> Result<Self> {
        let limits = |count, bytes| Limits {
            count,
            bytes,
            linger: LINGER,
            patience: PATIENCE,
            flights: FLIGHTS,
            attempts: ATTEMPTS,
        };
        let mut scatter = Self::new(aws, Way::Singly).await?;
        let (table, topic) = (scatter.table.clone(), scatter.topic.clone());
        // 25 rows of the largest kind are far below what a request may hold.
        let rows = limits(MAX_STATEMENTS, usize::MAX);
        let rows = Batcher::start(
            tasks,
            rows,
            ending.clone(),
            |_| 0,
            move |batch| {
                let table = table.clone();
                async move { table.record_all(&batch).await }
            },
        );
        let messages = limits(MAX_PUBLISHED, MAX_PUBLISHED_BYTES);
        let messages = Batcher::start(tasks, messages, ending.clone(), String::len, move |batch| {
            let topic = topic.clone();
            async move { topic.publish_all(&batch).await }
        });
        scatter.way = Way::Batched { rows, messages };
        Ok(scatter)
    }

    async fn new(aws: &Aws, way: Way) -> Result<Self> {
        let topic = aws.topic().await?;
        let providers = topic.providers().await?;
        if providers.is_empty() {
            return Err(Error::other("no provider is subscribed; nothing was written"));
        }
        let register = Mutex::new(Register { providers, looked: Instant::now() });
        Ok(Self { table: aws.table(), topic, register, register_age: REGISTER_AGE, way })
    }

    /// The same, going by a register of providers that is no older than this.
    #[must_use]
    pub fn register_age(mut self, most: Duration) -> Self {
        self.register_age = most;
        self
    }

    /// Records a request, then publishes it.
    ///
    /// # Errors
    /// When the table or the topic refused it, in which case its row is gone again; invalid when the
    /// id is taken by a request of other content.
    pub async fn submit(&self, submission: Submission) -> Result<Scattered> {
        let row = row(submission, self.expected().await);
        let recorded = match self.record(&row).await {
            Ok(recorded) => recorded,
            Err((error, Fate::Unknown)) => {
                let message = "nobody knows whether the request was written; it was not published";
                return Ok(Scattered::Unknown(Error::other(message).because(error)));
            }
            Err((error, Fate::Refused)) => return Err(error),
        };
        let (row, is_new) = match recorded {
            Recorded::New => (row, true),
            Recorded::Existing(stored) => {
                check_same(&row, &stored)?;
                (*stored, false)
            }
        };
        if !is_new {
            match self.everybody_has_a_row(&row).await {
                Ok(true) => return Ok(Scattered::Answered(row)),
                Ok(false) => {}
                Err(error) => return Ok(unpublished(error)),
            }
        }
        match self.publish(message(&row).encode()).await {
            Ok(()) => Ok(Scattered::Published(row)),
            Err((error, Fate::Unknown)) => Ok(unpublished(error)),
            Err((error, Fate::Refused)) if is_new => match self.table.forget(&row).boxed().await {
                Ok(()) => Err(error),
                Err(second) => Err(Error::other(format!(
                    "the topic refused the request, and its row {} could not be removed: {second}",
                    row.id
                ))
                .because(error)),
            },
            Err((error, Fate::Refused)) => Err(error),
        }
    }

    /// Who is subscribed, as of a moment ago; where that cannot be seen, as of the last look.
    async fn expected(&self) -> Vec<Responder> {
        let mut register = self.register.lock().await;
        if register.looked.elapsed() > self.register_age {
            let look = timeout(LOOK_TIMEOUT, self.topic.providers().boxed()).await;
            // Whoever has waited for this look goes by it, however long it took.
            register.looked = Instant::now();
            if let Ok(Ok(providers)) = look
                && !providers.is_empty()
            {
                register.providers = providers;
            }
        }
        register.providers.clone()
    }

    async fn record(&self, row: &RequestRow) -> Result<Recorded, (Error, Fate)> {
        let Way::Batched { rows, .. } = &self.way else {
            return self.table.record(row).boxed().await;
        };
        match rows.submit(row.clone()).await {
            // An attempt whose confirmation was lost may have written it.
            Ok(Inserted::Duplicate) => self.table.existing(row, Fate::Unknown).boxed().await,
            Ok(Inserted::New | Inserted::Replaced) => Ok(Recorded::New),
            Err(refusal) => Err(failed("writing the request row", &refusal)),
        }
    }

    async fn publish(&self, message: String) -> Result<(), (Error, Fate)> {
        let Way::Batched { messages, .. } = &self.way else {
            return self.topic.publish(&message).boxed().await;
        };
        let failed = |refusal| failed("publishing the request", &refusal);
        messages.submit(message).await.map_err(failed)
    }

    async fn everybody_has_a_row(&self, row: &RequestRow) -> Result<bool> {
        let Some(rows) = self.table.rows(&row.id).boxed().await? else { return Ok(false) };
        let expected = row.expected.as_deref().unwrap_or_default();
        let has_row = |who: &Responder| rows.answers.iter().any(|answer| answer.responder == *who);
        Ok(!expected.is_empty() && expected.iter().all(has_row))
    }
}

/// The error of an entry that was given up.
fn failed(doing: &str, refusal: &Refusal) -> (Error, Fate) {
    let error = Error::other(format!("{doing} failed")).because(refusal.to_string());
    let error = match refusal.lasting {
        Lasting::Passing => error.passing(),
        Lasting::Permanent => error,
    };
    (error, refusal.fate)
}

/// The row of a request that is submitted now.
fn row(submission: Submission, expected: Vec<Responder>) -> RequestRow {
    let submitted = Timestamp::now();
    let asked = submission.until.into_iter().filter(|until| *until != Condition::All);
    RequestRow {
        id: submission.id,
        from: submission.from,
        to: submission.to,
        customer: submission.customer,
        submitted_at: Some(submitted),
        deadline: Some(submitted.plus(submission.deadline)),
        expected: Some(expected),
        until: std::iter::once(Condition::All).chain(asked).collect(),
        closed_at: None,
    }
}

/// The row is there, the message may be.
fn unpublished(error: Error) -> Scattered {
    let message = "nobody knows whether the request is out; its row was kept";
    Scattered::Unknown(Error::other(message).because(error))
}

/// The message of a request row.
fn message(row: &RequestRow) -> Request {
    Request {
        id: row.id.clone(),
        from: row.from.clone(),
        to: row.to.clone(),
        customer: row.customer.clone(),
        submitted_at: row.submitted_at,
        deadline: row.deadline,
    }
}

fn check_same(row: &RequestRow, stored: &RequestRow) -> Result<()> {
    let content = |row: &RequestRow| [row.from.clone(), row.to.clone(), row.customer.clone()];
    if content(row) == content(stored) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "RFQ {} exists with other content: from {:?} to {:?} for {:?}; nothing was sent",
        row.id, stored.from, stored.to, stored.customer
    ))
    .about("rfq-id"))
}
