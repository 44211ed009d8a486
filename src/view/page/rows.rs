//! The rows of the page: the terminal's table, then the providers that have not answered yet, and those that were not
//! asked; each with its bar.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::core::aggregate::{Gathering, Provider, State};
use crate::core::text::printable;
use crate::core::timeline::{Lane, Timeline};
use crate::view::details::Field;
use crate::view::quotes::{rows, seconds};

/// The beginning of the names of simulated providers; what follows it tells them apart.
const PREFIX: &str = "UnicornManagement";

pub(super) struct Rows(Vec<Row>);

pub(super) struct Row {
    state: State,
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
        let name = |lane: &Lane| printable(lane.provider.responder.as_str());
        let lanes: HashMap<_, _> = timeline.lanes.iter().map(|lane| (name(lane), lane)).collect();
        let names: HashSet<&str> = lanes.keys().map(String::as_str).collect();
        let row = |(state, cells): (State, Vec<String>)| {
            let mut cells = cells.into_iter();
            let mut next = || cells.next().unwrap_or_default();
            let (place, name, quote) = (next(), next(), next());
            let fields = fields.iter().map(|_| next()).collect();
            let (after, note) = (next(), next());
            let lane = lanes.get(&name);
            let details = lane.and_then(|lane| lane.provider.details.as_ref());
            let by = order.map(|order| order.cell(details));
            let is_best = lane.is_some_and(|lane| lane.is_best);
            let bar = lane.map_or(Value::Null, |lane| bar(lane));
            let name = parted(name, &names);
            Row { state, name, place, quote, by, fields, after, note, is_best, bar }
        };
        let said = rows(gathering, fields).into_iter().map(|row| (row.state, row.cells));
        let others = [State::Waiting, State::NotAsked].into_iter().flat_map(|state| {
            let all = gathering.providers.iter().filter(move |provider| provider.state == state);
            all.map(move |provider| (state, cells(provider, fields)))
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
            State::Quoted if self.is_best => "best",
            State::Quoted | State::Declined => "reply",
            State::Late => "late",
            State::Failed => "failed",
            State::Waiting | State::Silent | State::Missing => "waiting",
            State::NotAsked => "none",
        }
    }
}

/// Parts a name before what tells simulated providers apart, unless another responder has the rest as its whole name.
fn parted(name: String, names: &HashSet<&str>) -> (String, String) {
    match name.strip_prefix(PREFIX) {
        Some(rest) if !rest.is_empty() && !names.contains(rest) => {
            (PREFIX.to_owned(), rest.to_owned())
        }
        _ => (String::new(), name),
    }
}

/// The cells of a provider that is not in the terminal's table.
fn cells(provider: &Provider, fields: &[Field]) -> Vec<String> {
    let reason = provider.reason.as_deref().map(printable);
    let note = match (provider.state, reason) {
        (State::NotAsked, reason) => format!("not asked: {}", reason.unwrap_or_default()),
        (_, Some(receipt)) => format!("took the request, sent no quote: {receipt}"),
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

    #[test]
    fn a_name_is_shortened_while_that_names_one_responder() {
        let part = |name: &str, others: &[&str]| {
            let (prefix, rest) = parted(name.to_owned(), &others.iter().copied().collect());
            (prefix.is_empty(), rest)
        };
        let name = "UnicornManagementResource4";
        assert_eq!(part(name, &[name, "acme"]), (false, "Resource4".to_owned()));
        assert_eq!(part(name, &[name, "Resource4"]), (true, name.to_owned()));
        assert_eq!(part("acme", &[name, "acme"]), (true, "acme".to_owned()));
        assert_eq!(part(PREFIX, &[]), (true, PREFIX.to_owned()));
    }
}
