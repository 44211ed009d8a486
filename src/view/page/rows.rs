//! The rows of the page: the terminal's table, then the providers that have not answered yet, and those that were not
//! asked; each with its bar.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::core::Responder;
use crate::core::aggregate::{Gathering, Provider, State};
use crate::core::text::printable;
use crate::core::timeline::{Lane, Timeline};
use crate::view::details::Field;
use crate::view::names::parted;
use crate::view::quotes::{receipt, rows, seconds};

pub(super) struct Rows(Vec<Row>);

pub(super) struct Row {
    state: State,
    is_late: bool,
    /// The name, safe to print; the first part may be hidden.
    name: (String, String),
    place: String,
    quote: String,
    /// The value that orders the quotes, where the price does not.
    by: Option<String>,
    fields: Vec<String>,
    after: String,
    note: String,
    is_best: bool,
    bar: Value,
}

impl Rows {
    pub(super) fn of(
        gathering: &Gathering,
        timeline: &Timeline,
        fields: &[Field],
        order: Option<&Field>,
    ) -> Self {
        let lanes: HashMap<_, _> =
            timeline.lanes.iter().map(|lane| (&lane.provider.responder, lane)).collect();
        let names: Vec<_> = lanes.keys().copied().collect();
        let row = |(responder, state, cells): (Responder, State, Vec<String>)| {
            let mut cells = cells.into_iter();
            let mut next = || cells.next().unwrap_or_default();
            let (place, _, quote) = (next(), next(), next());
            let fields = fields.iter().map(|_| next()).collect();
            let (after, note) = (next(), next());
            let lane = lanes.get(&responder);
            let details = lane.and_then(|lane| lane.provider.details.as_ref());
            let by = order.map(|order| order.cell(details));
            let is_best = lane.is_some_and(|lane| lane.is_best);
            let is_late = lane.is_some_and(|lane| lane.provider.late_by().is_some());
            let bar = lane.map_or(Value::Null, |lane| bar(lane));
            let name = parted(&responder, &names);
            Row { state, is_late, name, place, quote, by, fields, after, note, is_best, bar }
        };
        let said =
            rows(gathering, fields).into_iter().map(|row| (row.responder, row.state, row.cells));
        let others = [State::Waiting, State::NotAsked].into_iter().flat_map(|state| {
            let all = gathering.providers.iter().filter(move |provider| provider.state == state);
            all.map(move |provider| (provider.responder.clone(), state, cells(provider, fields)))
        });
        Self(said.chain(others).map(row).collect())
    }

    pub(super) fn best(&self) -> Option<&Row> {
        self.0.iter().find(|row| row.is_best)
    }

    pub(super) fn document(&self) -> Value {
        self.0.iter().map(Row::document).collect()
    }
}

impl Row {
    /// The answer in short.
    pub(super) fn summary(&self) -> Value {
        let (prefix, name) = &self.name;
        json!({
            "quote": self.quote,
            "by": self.by,
            "prefix": prefix,
            "name": name,
            "after": (self.after != "-").then_some(&self.after),
        })
    }

    fn document(&self) -> Value {
        let (prefix, name) = &self.name;
        json!({
            "place": self.place,
            "responder": format!("{prefix}{name}"),
            "prefix": prefix,
            "name": name,
            "quote": self.quote,
            "by": self.by,
            "fields": self.fields,
            "after": self.after,
            "note": self.note,
            "state": self.state.word(),
            "tone": self.tone(),
            "bar": self.bar,
        })
    }

    /// The meaning of the bar's colour.
    fn tone(&self) -> &'static str {
        match self.state {
            _ if self.is_late => "late",
            State::Quoted if self.is_best => "best",
            State::Quoted | State::Declined => "reply",
            State::Late => "late",
            State::Failed => "failed",
            State::Waiting | State::Silent | State::Missing => "waiting",
            State::NotAsked => "none",
        }
    }
}

/// The cells of a provider that is not in the terminal's table.
fn cells(provider: &Provider, fields: &[Field]) -> Vec<String> {
    let reason = provider.reason.as_deref().map(printable);
    let note = match (provider.state, reason) {
        (State::NotAsked, reason) => format!("not asked: {}", reason.unwrap_or_default()),
        (_, Some(reason)) => receipt(&reason),
        (_, None) => "waiting".to_owned(),
    };
    let before = [String::new(), printable(provider.responder.as_str()), "-".to_owned()];
    let fields = fields.iter().map(|field| field.cell(provider.details.as_ref()));
    before.into_iter().chain(fields).chain(["-".to_owned(), note]).collect()
}

/// The times of a bar, and the same in words.
fn bar(lane: &Lane) -> Value {
    let tries = lane.attempted.iter().chain(&lane.failed);
    json!({
        "received-ms": lane.received,
        "answered-ms": lane.answered.or(lane.sent),
        "end-ms": lane.end(),
        "tries-ms": tries.collect::<Vec<_>>(),
        "story": story(lane),
    })
}

fn story(lane: &Lane) -> String {
    let moments = [
        ("received after", lane.received),
        ("answered after", lane.answered),
        ("gathered after", lane.gathered),
    ];
    let said =
        moments.into_iter().filter_map(|(what, at)| Some(format!("{what} {}", seconds(at?))));
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::aggregate::aggregate;
    use crate::core::{Answer, AnswerRow, RequestRow, RfqId, Ride, Rows as StoredRows, Timestamp};

    #[test]
    fn late_declines_are_marked_and_receipts_named_as_in_the_terminal() {
        let at = |millis| Timestamp::from_millis(millis).expect("in range");
        let row = |who: &str, answer, sent| AnswerRow {
            sent_at: Some(at(sent)),
            ..AnswerRow::new(Responder::stored(who), answer)
        };
        let failed =
            Answer::Failed { reason: "fault".into(), attempts: Some(5), attempted_at: Vec::new() };
        let answers = vec![
            row("a", Answer::Declined("too far".into()), 14_900),
            row("b", Answer::Declined("too far".into()), 15_030),
            row("c", failed, 18_200),
            row("d", Answer::Silent("busy".into()), 18_300),
        ];
        let request = RequestRow {
            submitted_at: Some(at(0)),
            deadline: Some(at(15_000)),
            expected: Some(["a", "b", "c", "d"].map(Responder::stored).into()),
            ..RequestRow::new(RfqId::parse("x").expect("valid"), Ride::default())
        };
        let rows = StoredRows { request, answers };
        let gathering = aggregate(&rows, at(20_000), None);
        let page = Rows::of(&gathering, &Timeline::of(&rows, &gathering), &[], None).document();
        let said = |at: usize| {
            ["state", "tone", "note"].map(|field| page[at][field].as_str().expect("a text"))
        };
        assert_eq!(said(0), ["declined", "reply", "declined: too far"]);
        assert_eq!(said(1), ["declined", "late", "declined late by 30 ms: too far"]);
        assert_eq!(said(2), ["failed", "late", "failed late by 3.2 s: fault, 5 attempts"]);
        assert_eq!(said(3), ["silent", "waiting", "silent: busy"]);
    }
}
