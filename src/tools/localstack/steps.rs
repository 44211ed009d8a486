//! Reports the steps of an operation: running, then the outcome. Prints nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::flow::events::{Sink, Step, StepState};

pub(super) struct StepSink(pub(super) Sink<Step>);

impl StepSink {
    /// Takes one step; `work` returns its outcome in one word.
    pub(super) fn take(
        &self,
        subject: &str,
        detail: &str,
        work: impl FnOnce() -> Result<&'static str>,
    ) -> Result<()> {
        self.begin(subject, detail);
        self.finish(subject, detail, work)
    }

    fn finish(
        &self,
        subject: &str,
        detail: &str,
        work: impl FnOnce() -> Result<&'static str>,
    ) -> Result<()> {
        let start = Instant::now();
        let outcome = work()?;
        self.report(subject, detail, StepState::Done(outcome.to_owned(), start.elapsed()));
        Ok(())
    }

    pub(super) fn begin(&self, subject: &str, detail: &str) {
        self.report(subject, detail, StepState::Running);
    }

    /// Reports a step whose result was already there.
    pub(super) fn kept(&self, subject: &str, detail: &str) {
        self.report(subject, detail, StepState::Done("kept".to_owned(), Duration::ZERO));
    }

    fn report(&self, subject: &str, detail: &str, state: StepState) {
        (self.0)(Step { subject: subject.to_owned(), detail: detail.to_owned(), state });
    }
}

/// Concurrent steps. Those in progress are reported as one step, by their names.
pub(super) struct AtOnce<'a> {
    steps: &'a StepSink,
    /// The subject of that one step: `install`.
    purpose: &'static str,
    under_way: Mutex<Vec<&'static str>>,
}

impl<'a> AtOnce<'a> {
    pub(super) fn new(steps: &'a StepSink, purpose: &'static str) -> Self {
        Self { steps, purpose, under_way: Mutex::default() }
    }

    pub(super) fn kept(&self, subject: &str, detail: &str) {
        self.steps.kept(subject, detail);
    }

    /// Takes one of the steps, as [`StepSink::take`] does.
    pub(super) fn take(
        &self,
        subject: &'static str,
        detail: &str,
        work: impl FnOnce() -> Result<&'static str>,
    ) -> Result<()> {
        self.change(|under_way| under_way.push(subject));
        let taken = self.steps.finish(subject, detail, work);
        self.change(|under_way| under_way.retain(|other| *other != subject));
        taken
    }

    fn change(&self, change: impl FnOnce(&mut Vec<&'static str>)) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut under_way);
        if !under_way.is_empty() {
            self.steps.begin(self.purpose, &under_way.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;

    #[test]
    fn of_steps_taken_at_once_those_under_way_are_named_and_none_that_has_ended() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let steps = StepSink(Arc::new(move |step: Step| {
            let is_done = step.state != StepState::Running;
            let line =
                format!("{} {}{}", step.subject, step.detail, if is_done { "." } else { "" });
            heard.lock().expect("no panic").push(line);
        }));
        let both = AtOnce::new(&steps, "install");
        let outer = both.take("a", "1", || {
            both.take("b", "2", || Err(Error::other("no"))).expect_err("fails");
            both.take("c", "3", || Ok("done"))?;
            Ok("done")
        });
        outer.expect("succeeds");
        let told = told.lock().expect("no panic").clone();
        let wanted =
            ["install a", "install a, b", "install a", "install a, c", "c 3.", "install a"];
        assert_eq!(told, [wanted.as_slice(), &["a 1."]].concat());
    }
}
