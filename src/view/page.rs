//! The state of an RFQ for the page: the document of `--output json`, and the terminal's texts for people.

use serde_json::{Value, json};

use super::details::{self, Field};
use super::quotes::{document as plain, rows, said};
use super::table::price;
use super::tone::texts;
use super::trace::{document as timeline_document, step, tick, unsaid};
use crate::core::Rows;
use crate::core::aggregate::{Gathering, State, Status};
use crate::core::text::printable;
use crate::core::timeline::Timeline;

/// The fields of `quotes --output json`, and these for people. `table` has a row for each provider with `place`,
/// `responder`, `quote`, `fields`, `after`, `note` and `state`, in the order of the terminal. `fields` has the
/// titles of the details that are shown. `shown` has `from`, `to` and `customer`, safe to print. `truth` has sentences. `timeline` has the fields of `trace --output json`, with
/// `span-ms` (the end of its scale), `ticks` (the labels on it) and `shown` (`name`, `quote` and `unsaid` of each
/// provider).
///
/// While the rows stay the same, only the end of the RFQ by the clock changes the document.
pub fn document(rows: &Rows, gathering: &Gathering) -> Value {
    let timeline = Timeline::of(rows, gathering);
    let mut document = plain(gathering);
    let fields = details::shown(gathering, &details::common(gathering));
    let titles = fields.iter().map(|field| field.title(details::WIDTHS[0]));
    document["fields"] = titles.collect();
    document["table"] = table(gathering, &fields);
    let request = &gathering.request;
    document["shown"] = json!({
        "from": printable(&request.ride.from),
        "to": printable(&request.ride.to),
        "customer": printable(&request.ride.customer),
    });
    document["truth"] = json!(texts(&said(gathering, None)));
    document["timeline"] = timeline_document(&timeline, gathering);
    let span = span(&timeline, gathering);
    document["timeline"]["span-ms"] = json!(span);
    document["timeline"]["ticks"] = ticks(span);
    let shown = timeline.lanes.iter().map(|lane| {
        json!({
            "name": printable(lane.provider.responder.as_str()),
            "quote": lane.price.as_ref().map(price),
            "unsaid": unsaid(&timeline, lane),
        })
    });
    document["timeline"]["shown"] = shown.collect();
    document
}

/// The end of the scale. While answers are gathered, it reaches at least to the deadline or to 20 s, the sooner of
/// both: so the bars grow and the scale stays.
fn span(timeline: &Timeline, gathering: &Gathering) -> i64 {
    const NEAR: i64 = 20_000;
    let deadline = timeline.deadline.filter(|_| gathering.status == Status::Gathering);
    timeline.span().max(deadline.map_or(0, |deadline| deadline.min(NEAR)))
}

/// The labels of the scale, each with its place.
fn ticks(span: i64) -> Value {
    const ROOM: usize = 5;
    let step = step(span, ROOM);
    // A label at the very end would stick out.
    let places =
        (0..).map(|n| n * step).take_while(|at| at.saturating_mul(20) <= span.saturating_mul(19));
    places.map(|at| json!({"ms": at, "label": tick(at, step)})).collect()
}

/// The rows of the terminal's table, then the providers that have not answered yet, and those that were not asked.
fn table(gathering: &Gathering, fields: &[Field]) -> Value {
    let row = |cells: &[String], state: State| {
        let cell = |position: usize| cells.get(position).map_or("", String::as_str);
        json!({
            "place": cell(0),
            "responder": cell(1),
            "quote": cell(2),
            "fields": cells[3..3 + fields.len()],
            "after": cell(3 + fields.len()),
            "note": cell(4 + fields.len()),
            "state": state.word(),
        })
    };
    let said = rows(gathering, fields).into_iter().map(|one| row(&one.cells, one.state));
    let waiting = gathering.providers.iter().filter(|provider| provider.state == State::Waiting);
    let waiting = waiting.map(|provider| {
        let name = printable(provider.responder.as_str());
        let receipt = provider.reason.as_deref().map(printable);
        let note = receipt
            .map_or("waiting".to_owned(), |r| format!("took the request, sent no quote yet: {r}"));
        let cells = [String::new(), name, "-".into()].into_iter();
        let cells = cells.chain(fields.iter().map(|field| field.cell(provider.details.as_ref())));
        row(&cells.chain(["-".into(), note]).collect::<Vec<_>>(), State::Waiting)
    });
    let not_asked = gathering.providers.iter().filter(|one| one.state == State::NotAsked);
    let not_asked = not_asked.map(|provider| {
        let name = printable(provider.responder.as_str());
        let reason = provider.reason.as_deref().map(printable).unwrap_or_default();
        let cells = [String::new(), name, "-".into()].into_iter();
        let cells = cells.chain(fields.iter().map(|_| String::new()));
        let note = format!("not asked: {reason}");
        row(&cells.chain(["-".into(), note]).collect::<Vec<_>>(), State::NotAsked)
    });
    said.chain(waiting).chain(not_asked).collect()
}
