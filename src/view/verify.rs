//! Where every copy of a request is, for people and for programs.

use serde_json::{Value, json};

use super::count_of;
use super::names::{follow, range};
use super::table::wrapped;
use super::trace::{Clock, time_of_day};
use crate::aws::QueueCounts;
use crate::core::Responder;
use crate::core::aggregate::State;
use crate::core::text::printable;
use crate::flow::verify::{Conservation, CopyLocation};

/// The account in lines: one or two if every copy has a row, else more lines for the copies without one.
pub fn lines(conservation: &Conservation, width: Option<u16>) -> Vec<String> {
    sentences(conservation).iter().flat_map(|sentence| wrapped(sentence, width)).collect()
}

fn sentences(conservation: &Conservation) -> Vec<String> {
    let id = printable(&conservation.gathering.request.id.short());
    let copies = conservation.sent();
    if conservation.gathering.expected.is_none() {
        let rows = count_of(conservation.gathering.providers.len() as u64, "row");
        return vec![format!(
            "the providers asked for {id} are unknown: {rows}, no copy to look for"
        )];
    }
    let count = |is: &dyn Fn(CopyLocation) -> bool| {
        conservation.copies.iter().filter(|(_, found)| is(*found)).count()
    };
    let in_flight = count(&CopyLocation::is_in_flight);
    let unexplained = count(&CopyLocation::is_unexplained);
    let not_sent = conservation.copies.len() - copies;
    let mut all = Vec::new();
    if in_flight + unexplained == 0 {
        let sent = plural_of(copies, "copy", "copies");
        let not_sent = match not_sent {
            0 => String::new(),
            count => format!("; {count} not sent (filter)"),
        };
        all.push(format!("{sent} of {id}: {}{not_sent}", kinds(conservation)));
        all.push("in queues 0, unexplained 0: everything is accounted for".to_owned());
        return all;
    }
    let rows = copies - in_flight - unexplained;
    let parts = [
        (rows > 0, kinds(conservation)),
        (in_flight > 0, format!("{in_flight} in flight")),
        (true, format!("{unexplained} unexplained")),
        (not_sent > 0, format!("{not_sent} not sent (filter)")),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect();
    let copies = plural_of(copies, "copy", "copies");
    let asked =
        conservation.gathering.request.submitted_at.map(|at| time_of_day(at, Clock::Seconds));
    let asked = asked.map_or_else(String::new, |at| format!(", asked {at}"));
    let accounted = rows + in_flight;
    all.push(format!(
        "{accounted} of {copies} of {id}{asked}, accounted for: {}",
        parts.join(", ")
    ));
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
        all.push(format!("  {}  no row; {}", range(first, last), whereabouts(*found, group.len())));
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
        CopyLocation::Unseen => "maybe on its way: it was asked a moment ago".to_owned(),
        CopyLocation::Elsewhere => "its queue cannot be looked at from here".to_owned(),
        CopyLocation::Nothing => "its queue and the response queue are empty".to_owned(),
        CopyLocation::NotSent => "its filter excluded the request".to_owned(),
        CopyLocation::NoQueue => "it has no queue here, and no reply waits".to_owned(),
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
        "accounted": conservation.sent() - unexplained.len(),
        "not-sent": conservation.copies.len() - conservation.sent(),
        "in-flight": conservation.copies.iter().filter(|(_, found)| found.is_in_flight()).count(),
        "settled": conservation.is_settled(),
        "unexplained": unexplained.iter().map(|who| who.as_str()).collect::<Vec<_>>(),
        "copies": conservation.copies.iter().map(copy).collect::<Vec<_>>(),
        "dead-letters": conservation.dead_letters.map(|(requests, responses)| {
            json!({"requests": requests, "responses": responses})
        }),
    })
}
