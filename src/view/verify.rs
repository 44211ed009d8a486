//! Where every copy of a request is, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::clock::Clock;
use super::count_of;
use super::names::{follow, range};
use super::tone::{Line, Tone};
use crate::aws::QueueCounts;
use crate::core::Responder;
use crate::core::aggregate::State;
use crate::core::text::printable;
use crate::flow::verify::{Conservation, CopyLocation};

/// The account in lines: one or two if every copy has a row, else more lines for the copies without one.
pub fn lines(conservation: &Conservation, clock: &Clock, width: Option<u16>) -> Vec<Line> {
    sentences(conservation, clock).iter().flat_map(|sentence| sentence.wrapped(width)).collect()
}

fn sentences(conservation: &Conservation, clock: &Clock) -> Vec<Line> {
    let id = printable(&conservation.gathering.request.id.short());
    if conservation.gathering.expected.is_none() {
        let rows = count_of(conservation.gathering.providers.len() as u64, "row");
        let unknown = format!(
            "the request row of {id} does not name its providers: {rows}, no copies to account for"
        );
        return vec![unknown.into()];
    }
    let (in_flight, unexplained) = (conservation.in_flight(), conservation.unexplained().len());
    let (copies, settled) = (conservation.sent(), conservation.with_row());
    let not_sent = match conservation.copies.len() - copies {
        0 => String::new(),
        count => format!("; {count} not sent (filter)"),
    };
    if settled == copies {
        let sent = plural_of(copies, "copy", "copies");
        return vec![
            format!("{sent} of {id}: {}{not_sent}", kinds(conservation)).into(),
            "0 in flight, 0 unexplained: every copy is accounted for".to_owned().into(),
        ];
    }
    let asked = conservation.gathering.request.submitted_at;
    let asked = asked.map_or_else(String::new, |at| format!(", asked {}", clock.moment(at)));
    let mut first = format!("{id}{asked}: {settled} of {copies} settled");
    if settled > 0 {
        _ = write!(first, " ({})", kinds(conservation));
    }
    for (count, what) in [(in_flight, "in flight"), (unexplained, "unexplained")] {
        if count > 0 {
            _ = write!(first, ", {count} {what}");
        }
    }
    let tone = |is_unexplained| if is_unexplained { Tone::Failed } else { Tone::Plain };
    let mut all = vec![Line::new(tone(unexplained > 0), first + &not_sent)];
    // Consecutive copies in the same place share a line. Unexplained copies are named one by one.
    let alike = |(a, found): &Copy, (b, finds): &Copy| {
        found == finds && !found.is_unexplained() && follow(a, b)
    };
    let is_missing =
        |(_, found): &&Copy| !matches!(found, CopyLocation::Row(_) | CopyLocation::NotSent);
    let missing = conservation.copies.iter().filter(is_missing);
    let missing: Vec<Copy> = missing.cloned().collect();
    for group in missing.chunk_by(alike) {
        let (Some((first, found)), Some((last, _))) = (group.first(), group.last()) else {
            continue;
        };
        let whereabouts = whereabouts(*found, group.len());
        let text = format!("  {}  no row; {whereabouts}", range(first, last));
        all.push(Line::new(tone(found.is_unexplained()), text));
    }
    all
}

type Copy = (Responder, CopyLocation);

/// Where these copies without a row may be.
fn whereabouts(found: CopyLocation, copies: usize) -> String {
    match found {
        CopyLocation::Row(_) => "it has one".to_owned(),
        CopyLocation::Queue(QueueCounts { ready, in_flight }) => {
            let each = if copies > 1 { "each " } else { "" };
            format!("maybe in its queue ({each}{ready} ready, {in_flight} in hand)")
        }
        CopyLocation::Responses(counts) => {
            format!("maybe a reply ({} in the response queue)", counts.total())
        }
        CopyLocation::Unseen => {
            "maybe in transit: the request was submitted a moment ago".to_owned()
        }
        CopyLocation::Elsewhere => {
            "its queue belongs to another owner and cannot be read".to_owned()
        }
        CopyLocation::Nothing => "its queue and the response queue are empty".to_owned(),
        CopyLocation::NotSent => "its filter excluded the request".to_owned(),
        CopyLocation::NoQueue => {
            "this stack has no queue of that provider, and the response queue is empty".to_owned()
        }
    }
}

/// `7 quotes (1 late), 1 declined, 1 failed, 1 silent`: the copies that have a row.
fn kinds(conservation: &Conservation) -> String {
    let count = |wanted: &[State]| {
        let is = |found: &CopyLocation| matches!(found, CopyLocation::Row(state) if wanted.contains(state));
        conservation.copies.iter().filter(|(_, found)| is(found)).count()
    };
    let late = count(&[State::Late]);
    let quotes = count(&[State::Quoted, State::Late]);
    let late = if late > 0 { format!(" ({late} late)") } else { String::new() };
    let parts = [
        (quotes, format!("{}{late}", count_of(quotes as u64, "quote"))),
        (count(&[State::Declined]), format!("{} declined", count(&[State::Declined]))),
        (count(&[State::Failed]), format!("{} failed", count(&[State::Failed]))),
        // Before the end, a receipt counts as waiting. No other copy with a row does.
        (
            count(&[State::Silent, State::Waiting]),
            format!("{} silent", count(&[State::Silent, State::Waiting])),
        ),
    ];
    let parts: Vec<_> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    if parts.is_empty() { "no row".to_owned() } else { parts.join(", ") }
}

fn plural_of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The document of `--output json`.
pub fn document(conservation: &Conservation) -> Value {
    let copy = |(responder, found): &Copy| {
        let (word, state, counts) = match found {
            CopyLocation::Row(state) => (Some("row"), Some(state.word()), None),
            CopyLocation::Queue(counts) => (Some("queue"), None, Some(*counts)),
            CopyLocation::Responses(counts) => (Some("responses"), None, Some(*counts)),
            CopyLocation::Unseen => (Some("unseen"), None, Some(QueueCounts::default())),
            CopyLocation::Elsewhere => (Some("elsewhere"), None, None),
            CopyLocation::Nothing => (None, None, Some(QueueCounts::default())),
            CopyLocation::NoQueue => (None, None, None),
            CopyLocation::NotSent => (Some("not-sent"), None, None),
        };
        json!({
            "responder": responder.as_str(),
            "found": word,
            "state": state,
            "ready": counts.map(|counts| counts.ready),
            "in-hand": counts.map(|counts| counts.in_flight),
            "has-filter": found.is_unexplained().then(|| conservation.with_filter.contains(responder)),
        })
    };
    let unexplained = conservation.unexplained();
    let gathering = &conservation.gathering;
    json!({
        "rfq-id": gathering.request.id.as_str(),
        "submitted-at": gathering.request.submitted_at,
        "status": gathering.status.word(),
        "expected": gathering.expected,
        "accounted": conservation.with_row(),
        "not-sent": conservation.copies.len() - conservation.sent(),
        "in-flight": conservation.in_flight(),
        "settled": conservation.is_settled(),
        "unexplained": unexplained.iter().map(|who| who.as_str()).collect::<Vec<_>>(),
        "copies": conservation.copies.iter().map(copy).collect::<Vec<_>>(),
        "dead-letters": conservation.dead_letters.map(|(requests, responses)| {
            json!({"requests": requests, "responses": responses})
        }),
    })
}
