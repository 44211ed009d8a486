//! The steps of a longer piece of work: a spinner for the one under way on a terminal, a line for
//! each that is done.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::screen::Screen;
use super::{Output, Verbosity};
use crate::event::{Step, StepState};
use crate::model::show_duration;
use crate::model::text::printable;

/// Steps that took less are told without their time.
const WORTH_TELLING: Duration = Duration::from_millis(50);

/// Prints steps as they are reported.
#[derive(Debug)]
pub struct Steps {
    output: Output,
    spinner: ProgressBar,
    /// What is under way: the subject and what is said of it.
    running: Mutex<Vec<(String, String)>>,
}

impl Steps {
    /// Nothing is printed before the first step.
    pub fn new(output: &Output) -> Self {
        let spinner = if output.is_attended() && output.verbosity > Verbosity::Quiet {
            ProgressBar::with_draw_target(None, Screen::stderr(output))
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("  {msg} {spinner} {elapsed}")
            .expect("the template is valid");
        spinner.set_style(style);
        Self { output: output.clone(), spinner, running: Mutex::default() }
    }

    /// Shows one step.
    pub fn show(&self, step: &Step) {
        let subject = printable(&step.subject);
        let detail = printable(&step.detail);
        match &step.state {
            StepState::Running => {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let message = format!("{subject:<16}  {detail}");
                if let Some((_, said)) = running.iter_mut().find(|(known, _)| *known == subject) {
                    *said = message;
                } else {
                    // Its time runs from when it was first reported.
                    running.push((subject, message));
                    self.spinner.reset_elapsed();
                }
                self.spin(&running);
                self.spinner.enable_steady_tick(Duration::from_millis(100));
            }
            StepState::Done(outcome, took) => {
                // What took no time to speak of has nothing to tell about it.
                let took = if *took < WORTH_TELLING { String::new() } else { show_duration(*took) };
                let line = format!("  {subject:<16}  {detail:<34}  {outcome:<10}  {took}");
                self.spinner.suspend(|| self.output.note(line.trim_end()));
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.retain(|(known, _)| *known != subject);
                self.spin(&running);
            }
        }
    }

    /// Shows what is under way: one step with what is said of it, several by their subjects.
    fn spin(&self, running: &[(String, String)]) {
        match running {
            [] => {}
            [(_, message)] => self.spinner.set_message(message.clone()),
            several => {
                let subjects: Vec<_> =
                    several.iter().map(|(subject, _)| subject.as_str()).collect();
                self.spinner.set_message(subjects.join(", "));
            }
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
