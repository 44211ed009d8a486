//! Everything that can happen, as data: the loops report events, `output` alone prints them.

use std::sync::Arc;
use std::time::Duration;

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
