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
        self.begin(subject, detail);
        let start = Instant::now();
        let outcome = work()?;
        self.report(subject, detail, StepState::Done(outcome.to_owned(), start.elapsed()));
        Ok(())
    }

    /// Reports a step as under way.
    pub(super) fn begin(&self, subject: &str, detail: &str) {
        self.report(subject, detail, StepState::Running);
    }

    /// Reports a step that had been taken before.
    pub(super) fn kept(&self, subject: &str, detail: &str) {
        self.report(subject, detail, StepState::Done("kept".to_owned(), Duration::ZERO));
    }

    fn report(&self, subject: &str, detail: &str, state: StepState) {
        (self.0)(Step { subject: subject.to_owned(), detail: detail.to_owned(), state });
    }
}
