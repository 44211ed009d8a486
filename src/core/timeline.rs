//! When everything happened to one RFQ, in milliseconds since it was submitted. Pure: what the rows
//! say, by the clocks that wrote them.

use std::collections::HashMap;

use crate::core::aggregate::{Gathering, Provider};
use crate::core::{Answer, AnswerRow, Price, Rows, Timestamp};

/// A part of the way from the topic into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineStep {
    /// From submission until the provider had the request.
    PickUp,
    /// From there until it answered, failed attempts included.
    Thinking,
    /// From there until the response queue had the reply.
    Sending,
    /// From there until the consumer wrote the row.
    Gather,
}

impl TimelineStep {
    /// Every step, in order.
    pub const ALL: [Self; 4] = [Self::PickUp, Self::Thinking, Self::Sending, Self::Gather];

    /// The word for people and in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::PickUp => "pick-up",
            Self::Thinking => "thinking",
            Self::Sending => "sending",
            Self::Gather => "gather",
        }
    }
}

/// One provider's way. Times are milliseconds since the timeline's origin; negative where clocks
/// disagree, `None` where nobody wrote them down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Who, and where it stands.
    pub provider: Provider,
    /// Its price, if it quoted.
    pub price: Option<Price>,
    /// Whether its quote is the best.
    pub is_best: bool,
    /// Whether a row of it is there.
    pub has_row: bool,
    /// When the request was submitted: 0, or `None` where nobody wrote it down.
    pub submitted: Option<i64>,
    /// When it had the request: the first attempt, by its own clock.
    pub received: Option<i64>,
    /// When each failed attempt began, as far as its process knew.
    pub attempted: Vec<i64>,
    /// When it answered, by its own clock.
    pub answered: Option<i64>,
    /// When the response queue had the reply, by the queue's clock.
    pub sent: Option<i64>,
    /// When the row was written, by the consumer's clock.
    pub gathered: Option<i64>,
    /// When the failure was sent that a better answer has replaced.
    pub failed: Option<i64>,
}

impl Lane {
    /// How long a step took; negative where clocks disagree.
    pub fn took(&self, step: TimelineStep) -> Option<i64> {
        let (from, to) = match step {
            TimelineStep::PickUp => (self.submitted, self.received),
            TimelineStep::Thinking => (self.received, self.answered),
            TimelineStep::Sending => (self.answered, self.sent),
            TimelineStep::Gather => (self.sent, self.gathered),
        };
        Some(to? - from?)
    }

    /// The last thing that happened.
    pub fn end(&self) -> Option<i64> {
        self.gathered.or(self.sent).or(self.answered)
    }

    /// The last time that decides how long the scale is: the queue's and the consumer's, since a
    /// provider may write whatever it likes; its own where there is no other.
    fn last(&self) -> Option<i64> {
        let ours = [self.sent, self.gathered, self.failed].into_iter().flatten().max();
        ours.or_else(|| self.received.max(self.answered))
    }
}

/// A step with who took how long for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slowest<'a> {
    /// The step.
    pub step: TimelineStep,
    /// Whose it was.
    pub lane: &'a Lane,
    /// Milliseconds.
    pub took: i64,
}

/// Everything that happened to one RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// When it was submitted, else the first time that any row knows; `None` where none does.
    pub origin: Option<Timestamp>,
    /// The deadline, in milliseconds since the origin.
    pub deadline: Option<i64>,
    /// The closing, in milliseconds since the origin.
    pub closed: Option<i64>,
    /// A lane for each provider, in the order of the ledger.
    pub lanes: Vec<Lane>,
}

impl Timeline {
    /// The timeline of these rows and of what stands by them.
    pub fn of(rows: &Rows, gathering: &Gathering) -> Self {
        let origin = rows.request.submitted_at.or_else(|| {
            rows.answers.iter().flat_map(|row| [row.received_at, row.time()]).flatten().min()
        });
        let since = |at: Option<Timestamp>| Some(at?.millis_since(origin?));
        let by_name: HashMap<_, _> = rows.answers.iter().map(|row| (&row.responder, row)).collect();
        let lane = |provider: &Provider| {
            let row = by_name.get(&provider.responder).copied();
            let time = |of: &dyn Fn(&AnswerRow) -> Option<Timestamp>| since(row.and_then(of));
            let attempted = match row.map(|row| &row.answer) {
                Some(Answer::Failed { attempted_at, .. }) => attempted_at.as_slice(),
                _ => &[],
            };
            let attempted: Vec<_> = attempted.iter().filter_map(|at| since(Some(*at))).collect();
            let first = attempted.iter().copied().min();
            let best = gathering.best.as_ref();
            Lane {
                provider: provider.clone(),
                price: row.and_then(|row| row.quote().cloned()),
                is_best: best.is_some_and(|best| best.responder == provider.responder),
                has_row: row.is_some(),
                submitted: since(rows.request.submitted_at),
                received: time(&|row| row.received_at).into_iter().chain(first).min(),
                attempted,
                answered: time(&|row| row.answered_at),
                sent: time(&|row| row.sent_at),
                gathered: time(&|row| row.gathered_at),
                failed: time(&|row| row.failed_at),
            }
        };
        Self {
            origin,
            deadline: since(rows.request.deadline),
            closed: since(rows.request.closed_at),
            lanes: gathering.providers.iter().map(lane).collect(),
        }
    }

    /// The last thing that is worth a place on the scale, in milliseconds since the origin: the last
    /// event, and the deadline unless it would press everything else into a corner.
    pub fn span(&self) -> i64 {
        const SPARE: i64 = 3;
        const LEAST: i64 = 100;
        let events = self.lanes.iter().filter_map(Lane::last).chain(self.closed);
        let last = events.max().unwrap_or(0).max(0);
        let deadline = self.deadline.filter(|deadline| last == 0 || *deadline <= last * SPARE);
        last.max(deadline.unwrap_or(0)).max(LEAST)
    }

    /// The slowest of each step that anybody wrote down, in the order of the steps.
    pub fn slowest(&self) -> Vec<Slowest<'_>> {
        let slowest = |step: TimelineStep| {
            let took = |lane| Some(Slowest { step, lane, took: Lane::took(lane, step)? });
            // Of equals the first.
            self.lanes.iter().rev().filter_map(took).max_by_key(|slowest| slowest.took)
        };
        TimelineStep::ALL.into_iter().filter_map(slowest).collect()
    }

    /// The step that took the least, where that is so far below nothing that clocks must disagree.
    pub fn disagreement(&self) -> Option<Slowest<'_>> {
        const TOLERANCE: i64 = 100;
        let steps = self.lanes.iter().flat_map(|lane| {
            TimelineStep::ALL
                .into_iter()
                .filter_map(move |step| Some(Slowest { step, lane, took: lane.took(step)? }))
        });
        steps.min_by_key(|step| step.took).filter(|step| step.took < -TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::aggregate::aggregate;
    use crate::core::{RequestRow, Responder, RfqId, Ride};

    fn at(millis: i64) -> Option<Timestamp> {
        Timestamp::from_millis(1_769_860_800_000 + millis)
    }

    fn row(who: &str, answer: Answer, times: [Option<i64>; 4]) -> AnswerRow {
        let [received_at, answered_at, sent_at, gathered_at] = times.map(|time| at(time?));
        let responder = Responder::stored(who);
        AnswerRow {
            responder,
            answer,
            received_at,
            answered_at,
            sent_at,
            gathered_at,
            failed_at: None,
        }
    }

    fn timeline(submitted: Option<i64>, answers: Vec<AnswerRow>) -> Timeline {
        let request = RequestRow {
            id: RfqId::parse("x").expect("valid"),
            ride: Ride { from: "A".into(), to: "B".into(), customer: "c".into() },
            submitted_at: submitted.and_then(at),
            deadline: submitted.and_then(|_| at(15_000)),
            expected: None,
            until: Vec::new(),
            closed_at: None,
        };
        let rows = Rows { request, answers };
        Timeline::of(&rows, &aggregate(&rows, at(0).expect("in range"), None))
    }

    fn quote() -> Answer {
        Answer::Quote(Price::whole(1))
    }

    #[test]
    fn steps_are_what_lies_between_the_times() {
        let slow = row("a", quote(), [Some(90), Some(3_000), Some(3_004), Some(3_040)]);
        let quick = row("b", quote(), [Some(95), Some(200), Some(203), Some(210)]);
        let timeline = timeline(Some(0), vec![slow, quick]);
        let slowest: Vec<_> = timeline
            .slowest()
            .iter()
            .map(|s| (s.step, s.lane.provider.responder.as_str().to_owned(), s.took))
            .collect();
        assert_eq!(
            slowest,
            [
                (TimelineStep::PickUp, "b".to_owned(), 95),
                (TimelineStep::Thinking, "a".to_owned(), 2_910),
                (TimelineStep::Sending, "a".to_owned(), 4),
                (TimelineStep::Gather, "a".to_owned(), 36),
            ]
        );
        assert_eq!(timeline.disagreement(), None);
    }

    #[test]
    fn a_failure_begins_with_its_first_attempt() {
        let attempted_at = [50, 400, 900].into_iter().filter_map(at).collect();
        let answer = Answer::Failed { reason: "f".into(), attempts: Some(3), attempted_at };
        let failed = row("a", answer, [Some(900), Some(900), Some(905), Some(920)]);
        let timeline = timeline(Some(0), vec![failed]);
        let lane = &timeline.lanes[0];
        assert_eq!((lane.received, lane.took(TimelineStep::Thinking)), (Some(50), Some(850)));
        assert_eq!(lane.attempted, [50, 400, 900]);
    }

    #[test]
    fn a_deadline_far_away_does_not_press_the_rest_into_a_corner() {
        let soon = row("a", quote(), [Some(90), Some(800), Some(804), Some(840)]);
        assert_eq!(timeline(Some(0), vec![soon]).span(), 840);
        let later = row("a", quote(), [Some(90), Some(5_000), Some(5_004), Some(5_040)]);
        assert_eq!(timeline(Some(0), vec![later]).span(), 15_000);
        assert_eq!(timeline(Some(0), Vec::new()).span(), 15_000);
    }

    #[test]
    fn a_provider_that_dates_its_answer_into_the_far_future_moves_nobody() {
        let sane = row("a", quote(), [Some(90), Some(5_000), Some(5_004), Some(5_040)]);
        let far = 99_999_999_999_999;
        let odd = row("b", quote(), [Some(-far), Some(far), Some(5_004), Some(5_040)]);
        assert_eq!(timeline(Some(0), vec![sane, odd]).span(), 15_000);
    }

    #[test]
    fn rows_without_times_have_none_and_nothing_is_made_up() {
        let original = timeline(None, vec![row("a", quote(), [None; 4])]);
        assert_eq!((original.origin, original.lanes[0].end()), (None, None));
        assert!(original.slowest().is_empty());
    }

    #[test]
    fn what_nobody_knows_is_not_made_up() {
        let answers = vec![row("a", quote(), [Some(5_000), Some(6_000), Some(6_004), Some(6_040)])];
        let timeline = timeline(None, answers);
        assert_eq!(timeline.lanes[0].took(TimelineStep::PickUp), None);
        assert_eq!(
            timeline.slowest().first().map(|slowest| slowest.step),
            Some(TimelineStep::Thinking)
        );
    }

    #[test]
    fn clocks_that_disagree_are_noticed() {
        let early = row("a", quote(), [Some(-5_000), Some(-4_000), Some(300), Some(310)]);
        let timeline = timeline(Some(0), vec![early]);
        let disagreement = timeline.disagreement().expect("5 s");
        assert_eq!((disagreement.step, disagreement.took), (TimelineStep::PickUp, -5_000));
    }
}
