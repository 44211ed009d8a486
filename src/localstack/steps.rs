//! Reports the steps of a piece of work: under way, then what came of it. Prints nothing.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::event::{Sink, Step, StepState};

/// Where the steps are reported to.
pub(super) struct Steps(pub(super) Sink<Step>);

impl Steps {
    /// Takes one step; `work` says in a word what came of it.
    pub(super) fn take(
        &self,
        subject: &str,
        detail: &str,
        work: impl FnOnce() -> Result<&'static str>,
    ) -> Result<()> {
        let step = |state| Step { subject: subject.to_owned(), detail: detail.to_owned(), state };
        (self.0)(step(StepState::Running));
        let start = Instant::now();
        let outcome = work()?;
        (self.0)(step(StepState::Done(outcome.to_owned(), start.elapsed())));
        Ok(())
    }

    /// Reports a step that had been taken before.
    pub(super) fn kept(&self, subject: &str, detail: &str) {
        let state = StepState::Done("kept".to_owned(), Duration::ZERO);
        (self.0)(Step { subject: subject.to_owned(), detail: detail.to_owned(), state });
    }
}
