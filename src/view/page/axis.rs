//! The scale of the page's bars. It always shows the deadline: one that is far away stands behind a break.

use serde_json::{Value, json};

use super::duration;
use crate::core::aggregate::{CompletedBy, Gathering, Status};
use crate::core::show_duration;
use crate::core::timeline::Timeline;
use crate::view::quotes::seconds;
use crate::view::trace::{step, tick};

/// A deadline up to here never needs a break, in milliseconds.
const NEAR: i64 = 20_000;
/// A deadline up to this many times the last event needs none either.
const SPARE: i64 = 3;
/// The most labels.
const ROOM: usize = 5;

/// The scale, in milliseconds since the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// The end of its even part.
    span: i64,
    /// Whether the deadline is beyond that.
    is_broken: bool,
    /// When the gathering ended, as far as it is known.
    ended: Option<i64>,
}

impl Axis {
    pub(super) fn of(timeline: &Timeline, gathering: &Gathering) -> Self {
        let ended = ended(timeline, gathering);
        let last = timeline.last().max(ended.unwrap_or(0));
        let far = timeline.deadline.filter(|deadline| *deadline > NEAR.max(last * SPARE));
        let goes_on = gathering.status == Status::Gathering;
        let span = match (far, timeline.deadline) {
            (Some(_), _) if goes_on => NEAR.max(with_margin(last)),
            (None, Some(deadline)) => with_margin(deadline.max(last)),
            (Some(_), _) | (None, None) => with_margin(last),
        };
        Self { span: span.max(100), is_broken: far.is_some(), ended }
    }

    pub(super) fn document(self, timeline: &Timeline) -> Value {
        let label = |at: i64| match at {
            ..1_000 => seconds(at),
            _ => show_duration(duration(at)),
        };
        json!({
            "span-ms": self.span,
            "is-broken": self.is_broken,
            "is-timed": timeline.origin.is_some(),
            "ended-ms": self.ended,
            "deadline-ms": timeline.deadline,
            "deadline": timeline.deadline.map(label),
            "closed-ms": timeline.closed,
            "closed": timeline.closed.map(label),
            "ticks": self.ticks(timeline),
        })
    }

    /// The labels of the even part, each with its place; none at the very end, nor at the line of the deadline.
    fn ticks(self, timeline: &Timeline) -> Value {
        let step = step(self.span, ROOM);
        let room = self.span / 20;
        let is_apart =
            |at: &i64| timeline.deadline.is_none_or(|deadline| (at - deadline).abs() > room);
        let places = (0..).map(|n| n * step).take_while(|at| *at <= self.span - room);
        places.filter(is_apart).map(|at| json!({"ms": at, "label": tick(at, step)})).collect()
    }
}

/// A little more, so that what is last does not touch the edge.
fn with_margin(millis: i64) -> i64 {
    millis.saturating_add(millis / 16)
}

/// When the gathering ended: until then, a provider without an answer was waited for.
fn ended(timeline: &Timeline, gathering: &Gathering) -> Option<i64> {
    let cutoff = || timeline.deadline.into_iter().chain(timeline.closed).min();
    match gathering.completed_by? {
        CompletedBy::Deadline | CompletedBy::Closed | CompletedBy::Stall => cutoff(),
        CompletedBy::All | CompletedBy::Count | CompletedBy::Price => {
            let last = gathering.last_in_time.zip(timeline.origin);
            last.map(|(last, origin)| last.millis_since(origin)).or_else(cutoff)
        }
    }
}
