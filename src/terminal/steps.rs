//! The steps of a long operation: a spinner for the current one on a terminal, a line for each finished one.

use std::mem::replace;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::screen::WriterTerm;
use super::{Output, Verbosity};
use crate::core::show_duration;
use crate::core::text::printable;
use crate::flow::events::{Step, StepState};

/// Shorter steps are shown without their time.
const WORTH_TELLING: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct StepDisplay {
    output: Output,
    spinner: ProgressBar,
    current: Mutex<String>,
}

impl StepDisplay {
    pub fn new(output: &Output) -> Self {
        let spinner = if output.is_attended() && output.verbosity > Verbosity::Quiet {
            ProgressBar::with_draw_target(None, WriterTerm::stderr(output))
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("  {msg} {spinner} {elapsed}")
            .expect("the template is valid");
        spinner.set_style(style);
        Self { output: output.clone(), spinner, current: Mutex::default() }
    }

    pub fn show(&self, step: &Step) {
        let subject = printable(&step.subject);
        let detail = printable(&step.detail);
        match &step.state {
            StepState::Running => {
                self.spinner.set_message(format!("{subject:<16}  {detail}"));
                // A step may be reported several times. Its time runs from the first report.
                let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
                if replace(&mut *current, subject.clone()) != subject {
                    self.spinner.reset_elapsed();
                }
                self.spinner.enable_steady_tick(Duration::from_millis(100));
            }
            StepState::Done(outcome, took) => {
                let took = if *took < WORTH_TELLING { String::new() } else { show_duration(*took) };
                let line = format!("  {subject:<16}  {detail:<34}  {outcome:<10}  {took}");
                self.spinner.suspend(|| self.output.note(line.trim_end()));
            }
        }
    }
}

impl Drop for StepDisplay {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
