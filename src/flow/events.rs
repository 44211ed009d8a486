//! Everything that can happen, as data: the loops report events, `output` alone prints them.

use std::sync::Arc;
use std::time::Duration;

use crate::consumer::Trouble;
use crate::core::{Answer, ProviderName, Responder, RfqId};

/// What happens at the workers and the response consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A provider received a request, for the first time or again.
    Received {
        /// The provider.
        provider: ProviderName,
        /// The RFQ.
        id: RfqId,
        /// How often the request has been received, this time included.
        count: u32,
    },
    /// A real provider is asked.
    Asked {
        /// The provider.
        provider: ProviderName,
        /// The RFQ.
        id: RfqId,
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// A line for a real provider's owner: from a program's stderr, from the body of an HTTP refusal, or about the
    /// headers file.
    Said {
        /// The provider.
        provider: ProviderName,
        /// The line, without its end.
        line: String,
    },
    /// A provider's answer is on the response queue.
    Answered {
        /// The provider.
        provider: ProviderName,
        /// The RFQ.
        id: RfqId,
        /// What it answered.
        answer: Answer,
        /// The time from the receipt of the request to this answer.
        took: Duration,
        /// How long after the deadline, if it was too late.
        late_by: Option<Duration>,
    },
    /// A provider stays silent and leaves no receipt.
    Mute {
        /// The provider.
        provider: ProviderName,
        /// The RFQ.
        id: RfqId,
    },
    /// A faulty provider sent something besides its answer, or instead of it.
    Strayed {
        /// The provider.
        provider: ProviderName,
        /// The RFQ of the request.
        id: RfqId,
        /// What it sent.
        what: Stray,
    },
    /// A fault crashed a provider's worker, and a new worker replaces it.
    Crashed {
        /// The provider.
        provider: ProviderName,
        /// The RFQ of the request that it was handling.
        id: RfqId,
        /// Whether the reply was sent before the crash.
        sent: bool,
    },
    /// An attempt to answer failed; it will be tried again.
    AttemptFailed {
        /// The provider.
        provider: ProviderName,
        /// The RFQ.
        id: RfqId,
        /// Why.
        reason: String,
        /// Which attempt it was, from 1.
        attempt: u32,
        /// When it is tried again.
        again_in: Duration,
    },
    /// A request was given back to its queue because the worker stops.
    GivenBack {
        /// The provider.
        provider: ProviderName,
    },
    /// A message that is in hand, or was finished a moment ago, was delivered again. It was not handled again.
    Again {
        /// The name of the queue.
        queue: String,
    },
    /// A request that cannot be read went to the dead letters.
    Unreadable {
        /// The provider whose copy it was.
        provider: ProviderName,
        /// Why.
        reason: String,
    },
    /// A request whose answer is a failure is among the dead letters.
    Buried {
        /// The provider whose copy it was.
        provider: ProviderName,
    },
    /// The provider no longer has the request in hand.
    Finished {
        /// The provider.
        provider: ProviderName,
    },
    /// A provider's queue is gone: it was removed.
    Left {
        /// The provider.
        provider: ProviderName,
    },
    /// An answer is in the table.
    Gathered {
        /// Who answered.
        responder: Responder,
        /// The RFQ.
        id: RfqId,
        /// The answer.
        answer: Answer,
        /// Whether it is the first answer or replaced one of a lower rank.
        how: Gathered,
        /// The time from `sent-at` to `gathered-at`, if the former is known.
        took: Option<Duration>,
    },
    /// A reply was refused and went to the dead letters.
    Refused {
        /// Why.
        reason: String,
    },
    /// A problem began, or is over.
    Trouble(Trouble),
}

/// What a faulty provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stray {
    /// A body that is not JSON, instead of its answer.
    Poison,
    /// A second reply.
    Second(Answer),
    /// Its answer, to this id.
    WrongId(RfqId),
}

/// How an answer came into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// It is this provider's first answer.
    First,
    /// It replaced an answer of a lower rank.
    Replacing,
    /// It was not stored: the row has an answer of the same or a higher rank.
    Duplicate,
}

/// One step of a longer piece of work, such as bringing LocalStack up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the step is about, in a word or two: `python packages`.
    pub subject: String,
    /// What exactly: a version, an address, a number of bytes.
    pub detail: String,
    /// How far it is.
    pub state: StepState,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Under way.
    Running,
    /// Done: what came of it, in a word, and how long it took.
    Done(String, Duration),
}

/// Where a piece of work reports its events to.
pub type Sink<E> = Arc<dyn Fn(E) + Send + Sync>;
