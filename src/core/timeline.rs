//! The timeline of one RFQ, in milliseconds since submission. Pure: it takes the rows' times as they are.

use std::collections::HashMap;

use crate::core::aggregate::{Gathering, Provider};
use crate::core::{Answer, AnswerRow, Price, Rows, Timestamp};

/// How many milliseconds below zero a step may take before its clocks count as different.
const TOLERANCE: i64 = 100;

/// A step of a request and its answer, from submission to the table.
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

    /// The word in tables and in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::PickUp => "pick-up",
            Self::Thinking => "thinking",
            Self::Sending => "sending",
            Self::Gather => "gather",
        }
    }

    /// The word for its span in traces.
    pub fn span(self) -> &'static str {
        match self {
            Self::PickUp => "queue",
            Self::Thinking => "think",
            Self::Sending => "reply",
            Self::Gather => "gather",
        }
    }
}

/// One provider's times, in milliseconds since the origin: negative if clocks disagree, `None` if not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name and state.
    pub provider: Provider,
    /// Its price, if it quoted.
    pub price: Option<Price>,
    /// Whether its quote is the best.
    pub is_best: bool,
    /// Whether the table has a row of it.
    pub has_row: bool,
    /// When the request was submitted: 0, or `None` if not recorded.
    pub submitted: Option<i64>,
    /// When it received or first attempted the request, by its own clock.
    pub received: Option<i64>,
    /// When each failed attempt began, as far as the provider reported it.
    pub attempted: Vec<i64>,
    /// When it answered, by its own clock.
    pub answered: Option<i64>,
    /// When the response queue took the reply, by the queue's clock.
    pub sent: Option<i64>,
    /// When the row was written, by the consumer's clock.
    pub gathered: Option<i64>,
    /// When the response queue took a failure that a better answer has replaced.
    pub failed: Option<i64>,
}

impl Lane {
    /// When a step began and ended, in milliseconds since the origin. If clocks disagree, the end may be before the
    /// beginning.
    pub fn times_of(&self, step: TimelineStep) -> Option<(i64, i64)> {
        let (from, to) = match step {
            TimelineStep::PickUp => (self.submitted, self.received),
            TimelineStep::Thinking => (self.received, self.answered),
            TimelineStep::Sending => (self.answered, self.sent),
            TimelineStep::Gather => (self.sent, self.gathered),
        };
        Some((from?, to?))
    }

    /// How long a step took; negative if clocks disagree.
    pub fn took(&self, step: TimelineStep) -> Option<i64> {
        self.times_of(step).map(|(from, to)| to - from)
    }

    /// The same, but `None` where the clocks at its ends disagree. A provider's clock that is off lengthens one of
    /// the steps that it begins or ends and shortens the other.
    fn measured(&self, step: TimelineStep) -> Option<i64> {
        let is_off = |step| self.took(step).is_some_and(|took| took < -TOLERANCE);
        let between = [TimelineStep::PickUp, TimelineStep::Sending];
        let is_skewed = between.contains(&step) && between.into_iter().any(is_off);
        self.took(step).filter(|_| !is_skewed && !is_off(step))
    }

    /// The last recorded time.
    pub fn end(&self) -> Option<i64> {
        self.gathered.or(self.sent).or(self.answered)
    }

    /// The last time that the scale has to reach. The provider's own times count only if the queue and the
    /// consumer recorded none, since a provider may report any time.
    fn last(&self) -> Option<i64> {
        let ours = [self.sent, self.gathered, self.failed].into_iter().flatten().max();
        ours.or_else(|| self.received.max(self.answered))
    }
}

/// A step of one provider with its duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slowest<'a> {
    /// The step.
    pub step: TimelineStep,
    /// The provider's lane.
    pub lane: &'a Lane,
    /// In milliseconds.
    pub took: i64,
}

/// The times of one RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// When it was submitted, else the earliest time in an answer row; `None` without any.
    pub origin: Option<Timestamp>,
    /// The deadline, in milliseconds since the origin.
    pub deadline: Option<i64>,
    /// The closing, in milliseconds since the origin.
    pub closed: Option<i64>,
    /// One lane per provider, in the order of [`Gathering::providers`].
    pub lanes: Vec<Lane>,
}

impl Timeline {
    /// The timeline of these rows, whose aggregate is `gathering`.
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

    /// The end of the scale, in milliseconds: the last event, or the deadline unless it is much later.
    pub fn span(&self) -> i64 {
        const SPARE: i64 = 3;
        const LEAST: i64 = 100;
        let last = self.last();
        let deadline = self.deadline.filter(|deadline| last == 0 || *deadline <= last * SPARE);
        last.max(deadline.unwrap_or(0)).max(LEAST)
    }

    /// The last event that the scale has to reach, in milliseconds; 0 if there is none.
    pub fn last(&self) -> i64 {
        let events = self.lanes.iter().filter_map(Lane::last).chain(self.closed);
        events.max().unwrap_or(0).max(0)
    }

    /// The slowest lane for each recorded step, in the order of the steps. A step between clocks that disagree has
    /// no length.
    pub fn slowest(&self) -> Vec<Slowest<'_>> {
        let slowest = |step: TimelineStep| {
            let took = |lane| Some(Slowest { step, lane, took: Lane::measured(lane, step)? });
            // Reversed, so that the first of equals counts.
            self.lanes.iter().rev().filter_map(took).max_by_key(|slowest| slowest.took)
        };
        TimelineStep::ALL.into_iter().filter_map(slowest).collect()
    }

    /// The shortest step, if it is so far below zero that clocks must disagree.
    pub fn disagreement(&self) -> Option<Slowest<'_>> {
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
            received_at,
            answered_at,
            sent_at,
            gathered_at,
            ..AnswerRow::new(responder, answer)
        }
    }

    fn timeline(submitted: Option<i64>, answers: Vec<AnswerRow>) -> Timeline {
        let request = RequestRow {
            submitted_at: submitted.and_then(at),
            deadline: submitted.and_then(|_| at(15_000)),
            ..RequestRow::new(
                RfqId::parse("x").expect("valid"),
                Ride { from: "A".into(), to: "B".into(), customer: "c".into() },
            )
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
