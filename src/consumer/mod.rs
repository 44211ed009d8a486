//! The consumer under every worker: poll, lease, batch, drain. It knows no RFQ, no AWS and no terminal.
//! A queue is a [`Source`]; a function handles each message and returns a [`Verdict`].

mod backoff;
mod batcher;
mod consume;
mod last_few;
mod lease;
mod poller;
mod response_time;
mod seat;
#[cfg(test)]
mod tests;
mod troubles;

use std::fmt;
use std::future::Future;

pub use backoff::{Backoff, retry_transient};
pub use batcher::{Batcher, Limits, Outcome};
pub use consume::{ConsumeOptions, Consumer, Notice, Verdict};
pub use last_few::LastFew;
pub use poller::Polling;
pub use seat::Seat;
pub use troubles::Troubles;

use crate::core::Timestamp;
use crate::error::{Permanence, Result};

/// One delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message's own id, the same at every delivery.
    pub id: String,
    /// The text of the message.
    pub body: String,
    /// The receipt handle of this delivery.
    pub receipt: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
    /// When the queue took it, by the queue's clock.
    pub sent_at: Option<Timestamp>,
    /// Who sent it, as the queue names senders; `None` if the queue was not asked, or does not say.
    pub sender: Option<String>,
}

/// Why one entry of a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The service's error code.
    pub code: String,
    /// The service's message.
    pub message: String,
    /// Whether it is worth another try.
    pub permanence: Permanence,
    /// Whether the entry may have been taken.
    pub effect: Effect,
}

/// Whether a request that failed may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The service refused it and did nothing.
    Excluded,
    /// There was no answer, or one that leaves it open.
    Possible,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// One result per entry, in the order of the entries.
pub type Entries<T = ()> = Vec<Result<T, Refusal>>;

/// How long a receive waits on an empty queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as the queue allows: the one poll of a quiet queue.
    Long,
    /// A moment: one of several polls, or a poll when a stop is near.
    Short,
}

/// A queue as the consumer needs it.
pub trait Source: Clone + Send + Sync + 'static {
    /// Its name, for reports.
    fn name(&self) -> &str;

    /// Waits for up to `max` messages. The consumer never drops this future half way: the queue could deliver a
    /// message to the closed connection, where it would stay hidden.
    fn receive(&self, max: usize, wait: Wait) -> impl Future<Output = Result<Vec<Message>>> + Send;

    /// Deletes deliveries, up to 10.
    fn delete(&self, receipts: &[String]) -> impl Future<Output = Result<Entries>> + Send;

    /// Hides deliveries, up to 10, for the queue's visibility timeout, counted from now.
    fn extend(&self, receipts: &[String]) -> impl Future<Output = Result<Entries>> + Send;

    /// Gives deliveries back at once, up to 10.
    fn release(&self, receipts: &[String]) -> impl Future<Output = Result<Entries>> + Send;
}

/// A fault, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Requests fail and are retried.
    Began {
        /// What is affected, such as a queue.
        subject: String,
        /// The cause.
        reason: String,
    },
    /// They succeed again.
    Over {
        /// What is affected, such as a queue.
        subject: String,
    },
    /// The reporter stopped first, so the end of the fault stays unknown.
    Abandoned {
        /// What is affected, such as a queue.
        subject: String,
    },
    /// One entry of a batch was refused for good.
    Entry {
        /// What was being done, and where.
        subject: String,
        /// The cause.
        reason: String,
    },
}
