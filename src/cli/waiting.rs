//! Shows what a command waits for while it makes or removes the resources of a stack.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::flow::events::{Step, StepState};
use crate::stack::Waiting;
use crate::terminal::Output;
use crate::terminal::steps::StepDisplay;

/// How often a wait is reported where nothing can be redrawn.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Shows each wait in place on a terminal, and with a line now and then elsewhere.
pub(super) fn waiting(output: &Output) -> impl Fn(Waiting) + Send + Sync + use<> {
    let steps = Mutex::new(StepDisplay::new(output));
    let told = Mutex::new(None::<Instant>);
    let output = output.clone();
    move |waiting| {
        let (subject, detail) = match waiting {
            Waiting::QueueName(name, left) => (
                "waiting".to_owned(),
                format!("up to {} s: {name} was deleted less than a minute ago", left.as_secs()),
            ),
            Waiting::Table(name) => ("waiting".to_owned(), format!("for table {name}")),
            Waiting::Counts(left) => (
                "waiting".to_owned(),
                // Rounded up.
                format!(
                    "up to {} s, until the counts of queues can be trusted",
                    left.as_millis().div_ceil(1_000)
                ),
            ),
            Waiting::Shows(what) => ("waiting".to_owned(), format!("for {what} to become visible")),
            Waiting::Trace => {
                ("waiting".to_owned(), "for recently made resources to become visible".to_owned())
            }
            Waiting::Unlisted => {
                ("waiting".to_owned(), "a removed subscription is still listed".to_owned())
            }
            Waiting::Gone(left) => {
                ("waiting".to_owned(), format!("for {left} resources to disappear"))
            }
        };
        if !output.is_attended() {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                *told = Some(Instant::now());
                output.note(&format!("{subject}: {detail}"));
            }
            return;
        }
        let step = Step { subject, detail, state: StepState::Running };
        steps.lock().unwrap_or_else(PoisonError::into_inner).show(&step);
    }
}
