//! The state of a stack: its queues, its dead letters, and some RFQs.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::findings::{Finding, documents};
use super::names::{Prefix, follow};
use super::quotes::{best, over};
use super::subscriptions::{self, add_delivery};
use super::table::{Column, cut, spaced, width_of, wrapped};
use super::tone::{Line, Tone, headed_with};
use crate::aws::QueueCounts;
use crate::core::aggregate::{CompletedBy, Gathering};
use crate::core::text::printable;
use crate::core::{Responder, Timestamp, show_duration};
use crate::stack::{Depths, Subscriber, Subscribers};

/// The widest route, the narrowest, and the widest price.
const LONGEST_ROUTE: usize = 30;
const SHORTEST_ROUTE: usize = 8;
const LONGEST_PRICE: usize = 10;

/// The columns that give way when space is short.
const ROUTE: usize = 1;
const AGE: usize = 2;

const TITLES: [&str; 6] = ["RFQ", "ROUTE", "AGE", "ANSWERED", "BEST", "STATE"];

type ProviderDepth = (Responder, Option<QueueCounts>);

/// The queues in lines. Consecutive providers whose queues hold the same share a line. `look` is the command that
/// shows dead letters. Where the lines do not fit, names lose their common beginning, and the command has a line of
/// its own.
pub fn queues(depths: &Depths, look: &str, width: Option<u16>) -> Vec<Line> {
    let whole = queue_lines(depths, look, &Prefix::default(), Room::Enough);
    let widest = whole.iter().map(|line| line.text.width()).max().unwrap_or(0);
    let Some(width) = width.filter(|width| widest > usize::from(*width)) else { return whole };
    let prefix = Prefix::of(depths.providers.iter().map(|(name, _)| name));
    let below = prefix.explained().map(|explained| Line::new(Tone::Faint, explained));
    let letters = depths.provider_dead_letters.total() + depths.response_dead_letters.total();
    let look = (letters > 0).then(|| Line::new(Tone::Faint, format!("dead letters: {look}")));
    let below: Vec<_> = below.into_iter().chain(look).collect();
    let cut = |line: Line| Line { text: cut(&line.text, width.into()), ..line };
    let lines = queue_lines(depths, "", &prefix, Room::Narrow).into_iter().map(cut);
    lines.chain(below.iter().flat_map(|line| line.wrapped(Some(width)))).collect()
}

/// Whether the lines of the queues fit as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    Narrow,
}

fn queue_lines(depths: &Depths, look: &str, prefix: &Prefix, room: Room) -> Vec<Line> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut tones = vec![Tone::Faint];
    let alike =
        |(a, held): &ProviderDepth, (b, holds): &ProviderDepth| held == holds && follow(a, b);
    for group in depths.providers.chunk_by(alike) {
        let (Some((first, counts)), Some((last, _))) = (group.first(), group.last()) else {
            continue;
        };
        let name = prefix.range(first, last);
        tones.push(tone_of(counts.is_some_and(QueueCounts::is_unread)));
        rows.push(match *counts {
            Some(counts) => queue(name, counts, group.len(), room),
            None => vec![name, "-".into(), "-".into(), "no such queue here".into()],
        });
    }
    rows.push(queue("responses".to_owned(), depths.responses, 1, room));
    tones.push(tone_of(depths.responses.is_unread()));
    for (name, counts) in [
        ("dead letters (requests)", depths.provider_dead_letters),
        ("dead letters (responses)", depths.response_dead_letters),
    ] {
        let look = if counts.total() > 0 { look } else { "" };
        tones.push(tone_of(counts.total() > 0));
        rows.push(vec![name.into(), counts.total().to_string(), "-".into(), look.into()]);
    }
    let columns =
        [Column::Left("QUEUE"), Column::Right("READY"), Column::Right("IN HAND"), Column::Left("")];
    let gap = if room == Room::Narrow { 1 } else { 2 };
    let lines = spaced(&columns, &rows, gap).into_iter().zip(tones);
    lines.map(|(text, tone)| Line::new(tone, text)).collect()
}

/// The tone of what needs a person, or does not.
fn tone_of(needs_a_person: bool) -> Tone {
    if needs_a_person { Tone::Failed } else { Tone::Plain }
}

/// Notes about subscriptions, in lines. `setup` is the command that turns raw delivery on.
pub fn subscribers(subscribers: &Subscribers, setup: &str, width: Option<u16>) -> Vec<String> {
    let mut sentences = subscriptions::sentences(subscribers, Some(setup));
    sentences.extend(subscriptions::unmarked(subscribers, setup));
    sentences.iter().flat_map(|sentence| wrapped(sentence, width)).collect()
}

/// Cells of queues that hold the same. The note begins with what needs a person; where it would be cut, `each` stands
/// with the names.
fn queue(name: String, counts: QueueCounts, queues: usize, room: Room) -> Vec<String> {
    let holds_each = queues > 1 && counts.total() > 0;
    let (name, in_each) = match room {
        Room::Narrow if holds_each => (format!("{name}, each"), false),
        Room::Narrow | Room::Enough => (name, holds_each),
    };
    let note = match (counts.is_unread(), in_each) {
        (true, true) => "no reader, in each",
        (true, false) => "no reader",
        (false, true) => "in each",
        (false, false) => "",
    };
    vec![name, counts.ready.to_string(), counts.in_flight.to_string(), note.to_owned()]
}

/// The RFQs in lines of at most this width.
pub fn rfqs(gatherings: &[Gathering], now: Timestamp, width: Option<u16>) -> Vec<Line> {
    let row = |gathering: &Gathering| {
        let request = &gathering.request;
        let route = format!("{} -> {}", printable(&request.ride.from), printable(&request.ride.to));
        let age = request.submitted_at.map(|at| show_duration(now.saturating_since(at)));
        let answered = match gathering.expected {
            Some(expected) => format!("{}/{expected}", gathering.answered),
            None => gathering.answered.to_string(),
        };
        let by = if gathering.unmet_order().is_some() { " (by price)" } else { "" };
        let price = gathering.best.as_ref().map(|best| cut(&best.price.to_string(), LONGEST_PRICE));
        let price = price.map(|price| price + by);
        vec![
            printable(&request.id.short()),
            route,
            age.unwrap_or_else(|| "-".to_owned()),
            answered,
            price.unwrap_or_else(|| "-".to_owned()),
            state(gathering, now),
        ]
    };
    let mut rows: Vec<_> = gatherings.iter().map(row).collect();
    let mut columns = vec![
        Column::Left(TITLES[0]),
        Column::Left(TITLES[1]),
        Column::Right(TITLES[2]),
        Column::Right(TITLES[3]),
        Column::Right(TITLES[4]),
        Column::Left(TITLES[5]),
    ];
    // When space is short, the route is cut; when that is not enough, the age goes.
    let others = |columns: &[Column<'_>], rows: &[Vec<String>], gap: usize| {
        let wide = |at: usize| width_of(columns[at].title(), rows, at) + gap;
        (0..columns.len()).filter(|at| *at != ROUTE).map(wide).sum::<usize>()
    };
    let width = width.map_or(usize::MAX, usize::from);
    let mut gap = 2;
    if others(&columns, &rows, gap).saturating_add(SHORTEST_ROUTE) > width {
        gap = 1;
        columns.remove(AGE);
        for row in &mut rows {
            row.remove(AGE);
        }
    }
    let room = width.saturating_sub(others(&columns, &rows, gap));
    for row in &mut rows {
        row[ROUTE] = cut(&row[ROUTE], room.clamp(SHORTEST_ROUTE, LONGEST_ROUTE));
    }
    let gap = u16::try_from(gap).unwrap_or_default();
    let all = if rows.is_empty() { Vec::new() } else { spaced(&columns, &rows, gap) };
    let lines = all.iter().map(|line| cut(line, width)).collect();
    headed_with(lines, gatherings.iter().map(tone_of_rfq))
}

/// One that is over has the tone of its answer.
fn tone_of_rfq(gathering: &Gathering) -> Tone {
    match (gathering.completed_by, &gathering.best, &gathering.regret) {
        (None, ..) => Tone::Plain,
        (Some(_), _, Some(_)) => Tone::Late,
        (Some(_), Some(_), None) => Tone::Best,
        (Some(_), None, None) => Tone::Failed,
    }
}

fn state(gathering: &Gathering, now: Timestamp) -> String {
    match (gathering.completed_by, gathering.time_left(now)) {
        (None, Some(left)) => format!("gathering, {} left", show_duration(left)),
        _ => over(gathering),
    }
}

/// Where the stack is, for the document.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    /// The name of the stack.
    pub stack: &'a str,
    /// The URL of LocalStack, or `AWS`.
    pub endpoint: &'a str,
    /// The version of LocalStack.
    pub version: Option<&'a str>,
    /// The account, if it is known.
    pub account: Option<&'a str>,
    /// The AWS region.
    pub region: &'a str,
}

/// What the document holds only with `--check` or on AWS.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusExtras<'a> {
    /// What needs a person; `None` without `--check`.
    pub findings: Option<&'a [Finding]>,
    /// The names of external providers that are not bound to senders; `None` if they are not known.
    pub unbound: Option<&'a [String]>,
}

/// Says which providers' replies may come from any sender; `None` if there are none. `bind` is the command.
pub fn unbound(providers: &[String], bind: &str) -> Option<String> {
    let sentence = match providers {
        [] => return None,
        [one] => format!("{one} is not bound to a sender: any provider can sign with its name"),
        several => {
            format!(
                "{} external providers are not bound to a sender: {}",
                several.len(),
                several.join(", ")
            )
        }
    };
    Some(format!("{sentence}; `{bind}` binds one"))
}

/// The document of `--output json`.
pub fn document(
    heading: Heading<'_>,
    depths: &Depths,
    subscribers: &Subscribers,
    gatherings: &[Gathering],
    extras: StatusExtras<'_>,
) -> Value {
    let held = |counts: QueueCounts| json!({"ready": counts.ready, "in-hand": counts.in_flight});
    let provider = |(responder, counts): &ProviderDepth| {
        let is_its = |one: &&Subscriber| one.responder == *responder;
        let subscriber = subscribers.live.iter().find(is_its);
        let mut provider = json!({
            "responder": responder.as_str(),
            "ready": counts.map(|counts| counts.ready),
            "in-hand": counts.map(|counts| counts.in_flight),
            "unread": counts.is_some_and(QueueCounts::is_unread),
        });
        add_delivery(&mut provider, subscriber.and_then(|one| one.delivery.as_ref()));
        provider
    };
    let rfq = |gathering: &Gathering| {
        json!({
            "rfq-id": gathering.request.id.as_str(),
            "from": gathering.request.ride.from,
            "to": gathering.request.ride.to,
            "customer": gathering.request.ride.customer,
            "submitted-at": gathering.request.submitted_at,
            "deadline": gathering.request.deadline,
            "status": gathering.status.word(),
            "completed-by": gathering.completed_by.map(CompletedBy::word),
            "expected": gathering.expected,
            "not-asked": gathering.not_asked,
            "answered": gathering.answered,
            "late": gathering.late,
            "best": best(gathering),
        })
    };
    json!({
        "stack": heading.stack,
        "endpoint": heading.endpoint,
        "version": heading.version,
        "account": heading.account,
        "region": heading.region,
        "providers": depths.providers.iter().map(provider).collect::<Vec<_>>(),
        "inactive": subscriptions::inactive(&subscribers.inactive),
        "non-queue-subscribers": subscriptions::non_queues(&subscribers.non_queues),
        "unmarked-filters": subscribers.is_unmarked,
        "responses": held(depths.responses),
        "dead-letters": {
            "requests": held(depths.provider_dead_letters),
            "responses": held(depths.response_dead_letters),
        },
        "unbound": extras.unbound,
        "findings": extras.findings.map(documents),
        "rfqs": gatherings.iter().map(rfq).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ProviderName;

    #[test]
    fn unbound_providers_are_counted() {
        let said = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            unbound(&names, "rydes providers add NAME --sender ID")
        };
        let binds = "; `rydes providers add NAME --sender ID` binds one";
        let one = "acme is not bound to a sender: any provider can sign with its name";
        let two = "2 external providers are not bound to a sender: acme, globex";
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["acme"]), Some(format!("{one}{binds}")));
        assert_eq!(said(&["acme", "globex"]), Some(format!("{two}{binds}")));
    }

    #[test]
    fn an_alarm_is_a_word_on_a_narrow_terminal_too() {
        let held = |ready, in_flight| QueueCounts { ready, in_flight };
        let of = |counts: &dyn Fn(usize) -> QueueCounts| Depths {
            providers: (1..=10)
                .map(|number| (ProviderName::simulated(number).responder(), Some(counts(number))))
                .collect(),
            responses: held(0, 0),
            provider_dead_letters: held(0, 0),
            response_dead_letters: held(0, 0),
        };
        let second = |depths: &Depths, width| {
            let lines = queues(depths, "rydes dlq list", Some(width));
            assert!(lines.iter().all(|line| line.text.width() <= usize::from(width)));
            let text = lines[1].text.split_whitespace().collect::<Vec<_>>().join(" ");
            (lines[1].tone, text)
        };
        let unread = of(&|_| held(1, 0));
        let (red, plain) = (Tone::Failed, Tone::Plain);
        let wide = "UnicornManagementResource1..10 1 0 no reader, in each".to_owned();
        assert_eq!(second(&unread, 79), (red, wide));
        for width in [49, 50] {
            let narrow = "…1..10, each 1 0 no reader".to_owned();
            assert_eq!(second(&unread, width), (red, narrow));
        }
        let busy = of(&|number| if number < 10 { held(0, 2) } else { held(0, 0) });
        assert_eq!(second(&busy, 49), (plain, "…1..9, each 0 2".to_owned()));
        assert_eq!(
            second(&of(&|_| held(0, 0)), 49),
            (plain, "UnicornManagementResource1..10 0 0".to_owned())
        );
    }
}
