//! What a gathering that is over would have come to under other deadlines than its own. It is evaluated as
//! [`aggregate`](super::aggregate) evaluates it. A closing stays where it was.

use super::evaluation::{End, Evaluation};
use super::{CompletedBy, Status};
use crate::core::{AnswerRow, Condition, Price, Responder, Rows, Timestamp};

/// A gathering under a deadline that can be changed.
#[derive(Debug)]
pub struct Hindsight<'a> {
    evaluation: Evaluation<'a>,
    until: Vec<Condition>,
}

/// How a gathering ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// How it ends. [`Status::Gathering`]: without a deadline, it does not.
    pub status: Status,
    /// What ends it.
    pub completed_by: Option<CompletedBy>,
    /// When it ends; `None` if it does not, or if the rows that meet its condition have no times.
    pub ended_at: Option<Timestamp>,
    /// The best quote in time, also one that came after a condition had been met.
    pub best: Option<&'a AnswerRow>,
    /// The best quote that had come when it ended: what a customer gets who waits until then.
    pub taken: Option<&'a AnswerRow>,
    /// The price of that quote.
    pub price: Option<&'a Price>,
    /// The late quote that would have won.
    pub regret: Option<&'a AnswerRow>,
}

impl<'a> Hindsight<'a> {
    /// The gathering under its own deadline.
    pub fn of(rows: &'a Rows) -> Self {
        Self { evaluation: Evaluation::of(rows), until: Condition::with_all(&rows.request.until) }
    }

    /// Puts it under another deadline, or under none.
    pub fn set_deadline(&mut self, deadline: Option<Timestamp>) {
        self.evaluation.set_deadline(deadline);
    }

    /// How it ends under its deadline.
    pub fn verdict(&self) -> Verdict<'a> {
        let (end, completed_by) = self.end();
        let best = self.evaluation.best();
        let regret = self.evaluation.regret(best);
        let ended_at = match end {
            End::Met(at) => at.known(),
            End::Closed | End::Expired => self.evaluation.cutoff(),
            End::Open => None,
        };
        let taken = self.evaluation.best_by(ended_at);
        Verdict {
            status: end.status(),
            completed_by,
            ended_at,
            best: best.map(|best| best.row),
            taken: taken.map(|taken| taken.row),
            price: taken.map(|taken| taken.price),
            regret: regret.map(|regret| regret.row),
        }
    }

    /// The expected providers that a customer waits for until the end: those whose answer meets the condition; if none
    /// is met, those without an answer in time.
    pub fn waited_for(&self) -> impl Iterator<Item = &'a Responder> {
        self.evaluation.waited_for(self.end().0)
    }

    /// The times of all answers, in no particular order. Deadlines with none of them in between give the same best
    /// quote.
    pub fn answer_times(&self) -> impl Iterator<Item = Timestamp> {
        self.evaluation.answer_times()
    }

    fn end(&self) -> (End, Option<CompletedBy>) {
        self.evaluation.end(&self.until, |_| true)
    }
}
