//! The timeline of an RFQ: bars in the terminal, and the same numbers for programs.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::clock::Clock;
use super::names::Prefix;
use super::quotes::{seconds, truth};
use super::table::{cut, cut_middle, price};
use super::tone::{Line, Tone};
use crate::core::aggregate::{Gathering, State};
use crate::core::text::printable;
use crate::core::timeline::{Lane, Slowest, Timeline, TimelineStep};

/// The widest name, value and bar.
const LONGEST_NAME: usize = 32;
const LONGEST_VALUE: usize = 8;
const WIDEST_BAR: usize = 96;
/// The narrowest bar before names are cut.
const NARROWEST_BAR: usize = 24;
/// Columns between name, value, mark and bar.
const GAPS: usize = 4;
/// The most lines of a title.
const TITLE_LINES: usize = 3;
/// The least distance between labels of the scale.
const TICK: usize = 10;

/// The timeline in lines of at most this width.
pub fn lines(timeline: &Timeline, gathering: &Gathering, clock: &Clock, width: u16) -> Vec<Line> {
    let columns = usize::from(width).max(40);
    let prefix = Prefix::of_asked(&gathering.providers);
    let mut names: Vec<_> =
        timeline.lanes.iter().map(|lane| printable(lane.provider.responder.as_str())).collect();
    let values: Vec<_> =
        timeline.lanes.iter().map(|lane| cut(&value(lane), LONGEST_VALUE)).collect();
    let widest = |texts: &[String]| texts.iter().map(|t| t.width()).max().unwrap_or(0);
    let value_width = widest(&values);
    let room = columns.saturating_sub(value_width + GAPS + NARROWEST_BAR);
    let is_short = widest(&names) > room.min(LONGEST_NAME);
    if is_short {
        let short = timeline.lanes.iter().map(|lane| prefix.leave_out(&lane.provider.responder));
        names = short.collect();
    }
    let name_width = widest(&names).min(LONGEST_NAME).min(room.max(8));
    let bar = columns.saturating_sub(name_width + value_width + GAPS).min(WIDEST_BAR);
    let scale = Scale { span: timeline.span(), columns: bar };

    let title = Line::new(Tone::Title, title(gathering, clock));
    // Cities have any length.
    let mut all: Vec<Line> = title.wrapped(Some(width)).take(TITLE_LINES).collect();
    let answer = truth(gathering, clock.now());
    all.extend(answer.iter().flat_map(|sentence| sentence.wrapped(Some(width))));
    if timeline.origin.is_some() && !timeline.lanes.is_empty() {
        let indent = " ".repeat(name_width + value_width + GAPS);
        all.push(Line::new(Tone::Faint, format!("{indent}{}", ticks(scale))));
    }
    for ((lane, name), value) in timeline.lanes.iter().zip(&names).zip(&values) {
        let name = cut_middle(name, name_width);
        let padding = " ".repeat(name_width.saturating_sub(name.width()));
        let before = " ".repeat(value_width.saturating_sub(value.width()));
        let mark = match lane {
            _ if lane.is_best => '*',
            _ if is_stranger(lane) => '?',
            _ if is_late(lane) => '+',
            _ => ' ',
        };
        let bar = draw(timeline, lane, scale);
        let line = format!("{name}{padding}  {before}{value}{mark} {bar}");
        let tone = if lane.is_best { Tone::Best } else { Tone::of(&lane.provider) };
        all.push(Line::new(tone, line.trim_end()));
    }
    let faint = |text| Line::new(Tone::Faint, text);
    all.extend(packed(&legend(timeline), "  ", columns).into_iter().map(faint));
    let explained = prefix.explained().filter(|_| is_short).map(faint);
    let prefix = if is_short { prefix } else { Prefix::default() };
    let slowest = packed(&slowest(timeline, &prefix), ", ", columns);
    all.extend(slowest.into_iter().map(faint));
    all.extend(explained.iter().flat_map(|line| line.wrapped(Some(width))));
    let mut sentences: Vec<Line> = beyond(timeline).map(Line::from).into_iter().collect();
    sentences.extend(timeline.disagreement().map(|step| Line::from(disagreement(&step))));
    all.extend(sentences.iter().flat_map(|sentence| sentence.wrapped(Some(width))));
    all
}

fn title(gathering: &Gathering, clock: &Clock) -> String {
    let request = &gathering.request;
    let submitted = request.submitted_at.map(|at| format!("  submitted {}", clock.precise(at)));
    format!(
        "{}  {} -> {}{}",
        printable(&request.id.short()),
        printable(&request.ride.from),
        printable(&request.ride.to),
        submitted.unwrap_or_default()
    )
}

/// The price, or a word for another answer.
fn value(lane: &Lane) -> String {
    match (&lane.price, lane.provider.state) {
        (Some(quoted), _) => price(quoted),
        (None, State::Declined) => "declined".to_owned(),
        (None, State::Failed) => "failed".to_owned(),
        (None, State::Silent) => "silent".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

/// Maps `span` milliseconds to `columns` columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) span: i64,
    pub(super) columns: usize,
}

impl Scale {
    /// The column nearest to a time. Negative times are in the first column.
    pub(super) fn column(self, at: i64) -> usize {
        let last = self.columns.saturating_sub(1);
        let at = u128::try_from(at.max(0)).unwrap_or(0);
        let span = u128::try_from(self.span.max(1)).unwrap_or(1);
        let column = (at * (last as u128) * 2 + span) / (span * 2);
        usize::try_from(column).unwrap_or(last).min(last)
    }
}

/// The distance between about `room` labels, in milliseconds: 1, 2 or 5 times a power of ten.
pub(super) fn step(span: i64, room: usize) -> i64 {
    let room = i64::try_from(room).unwrap_or(1).max(1);
    let mut steps = (0..16_u32).flat_map(|power| [1, 2, 5].map(|n| n * 10_i64.pow(power)));
    steps.find(|step| span / step <= room).unwrap_or(span.max(1))
}

/// The labels of a scale, in one line.
pub(super) fn ticks(scale: Scale) -> String {
    let mut line = String::new();
    let step = step(scale.span, scale.columns / TICK);
    for at in (0..).map(|n| n * step).take_while(|at| *at <= scale.span) {
        let (column, label) = (scale.column(at), tick(at, step));
        if column + label.len() <= scale.columns && (line.len() < column || at == 0) {
            line.push_str(&" ".repeat(column - line.len()));
            line.push_str(&label);
        }
    }
    line
}

/// `5s`, `0.5s` or `20ms`.
pub(super) fn tick(at: i64, step: i64) -> String {
    match step {
        ..100 => format!("{at}ms"),
        100..1_000 => format!("{}.{}s", at / 1_000, at % 1_000 / 100),
        _ => format!("{}s", at / 1_000),
    }
}

/// The bar of one lane.
fn draw(timeline: &Timeline, lane: &Lane, scale: Scale) -> String {
    let mut cells = vec![' '; scale.columns];
    let mut fill = |from: Option<i64>, to: Option<i64>, letter: char| {
        if let (Some(from), Some(to)) = (from, to) {
            let (from, to) = (scale.column(from), scale.column(to));
            cells[from..to.max(from)].fill(letter);
        }
    };
    fill(lane.submitted, lane.received, '.');
    fill(lane.received, lane.answered, '=');
    fill(lane.answered.or(lane.sent), lane.end(), '-');
    for (at, letter) in [(timeline.deadline, '|'), (timeline.closed, '!')] {
        if let Some(at) = at.filter(|at| *at <= scale.span) {
            cells[scale.column(at)] = letter;
        }
    }
    let tries = lane.attempted.iter().chain(&lane.failed);
    for at in tries {
        cells[scale.column(*at)] = 'r';
    }
    if let Some(end) = lane.end() {
        cells[scale.column(end)] = if is_receipt(lane) { 'x' } else { 'o' };
    }
    let said = unsaid(timeline, lane);
    let apart = if said.is_empty() { "" } else { " " };
    for (cell, letter) in cells.iter_mut().zip(said.chars().chain(apart.chars())) {
        *cell = letter;
    }
    cells.into_iter().collect()
}

/// Whether it answered although it is not a provider of the stack.
fn is_stranger(lane: &Lane) -> bool {
    lane.provider.expected == Some(false) && lane.provider.state != State::NotAsked
}

/// Whether its answer came too late.
fn is_late(lane: &Lane) -> bool {
    lane.provider.late_by().is_some()
}

/// Whether its row is a receipt. Before the end, a provider with a receipt still counts as waiting.
pub(super) fn is_receipt(lane: &Lane) -> bool {
    lane.has_row && matches!(lane.provider.state, State::Silent | State::Waiting)
}

/// The text in place of a bar that cannot be drawn.
pub(super) fn unsaid<'a>(timeline: &Timeline, lane: &'a Lane) -> &'a str {
    match lane.provider.state {
        _ if lane.end().is_some() => "",
        _ if lane.has_row => "no times",
        State::Waiting if timeline.origin.is_some() => "waiting",
        State::NotAsked => "not asked",
        State::Missing => lane.provider.reason.as_deref().unwrap_or("missing"),
        _ => "no trace",
    }
}

/// Joins parts into lines of at most this width. No part is broken.
pub(super) fn packed(parts: &[String], separator: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let end = separator.trim_end();
    for (position, part) in parts.iter().enumerate() {
        let end = if position + 1 < parts.len() { end } else { "" };
        match lines.last_mut() {
            Some(line) if line.width() + separator.len() + part.width() + end.len() <= width => {
                line.push_str(separator);
                line.push_str(part);
            }
            last => {
                if let Some(line) = last {
                    line.push_str(separator.trim_end());
                }
                lines.push(part.clone());
            }
        }
    }
    lines
}

/// The meanings of the letters that occur.
fn legend(timeline: &Timeline) -> Vec<String> {
    let any = |holds: &dyn Fn(&Lane) -> bool| timeline.lanes.iter().any(holds);
    let span = timeline.span();
    let within = |at: Option<i64>| at.is_some_and(|at| at <= span);
    let parts = [
        (any(&|lane| lane.took(TimelineStep::PickUp).is_some()), ". queued"),
        (any(&|lane| lane.took(TimelineStep::Thinking).is_some()), "= thinking"),
        (any(&|lane| lane.gathered.is_some()), "- reply"),
        (any(&|lane| lane.end().is_some() && !is_receipt(lane)), "o gathered"),
        (any(&is_receipt), "x silent"),
        (any(&|lane| !lane.attempted.is_empty() || lane.failed.is_some()), "r failed attempt"),
        (within(timeline.deadline), "| deadline"),
        (within(timeline.closed), "! closed"),
        (any(&|lane| lane.is_best), "* best"),
        (any(&|lane| is_late(lane) && !is_stranger(lane)), "+ late"),
        (any(&is_stranger), "? unexpected"),
    ];
    let parts = parts.into_iter().filter(|(is, _)| *is).map(|(_, text)| text.to_owned());
    let untimed = "no row has times: the original's functions write none".to_owned();
    parts.chain(timeline.origin.is_none().then_some(untimed)).collect()
}

/// A note about a deadline that is beyond the scale.
pub(super) fn beyond(timeline: &Timeline) -> Option<String> {
    let deadline = timeline.deadline.filter(|deadline| *deadline > timeline.span())?;
    Some(format!("the deadline of {} is beyond this scale", seconds(deadline)))
}

/// The slowest provider of each step.
pub(super) fn slowest(timeline: &Timeline, prefix: &Prefix) -> Vec<String> {
    let slowest = timeline.slowest();
    let first = std::iter::once("slowest ").chain(std::iter::repeat(""));
    let said = slowest.iter().zip(first).map(|(slowest, before)| {
        let who = prefix.leave_out(&slowest.lane.provider.responder);
        format!("{before}{} {} ({who})", slowest.step.word(), seconds(slowest.took))
    });
    said.collect()
}

/// A note about a step that ended before it began. Only two clocks can tell which one is ahead.
pub(super) fn disagreement(step: &Slowest<'_>) -> String {
    let who = printable(step.lane.provider.responder.as_str());
    let by = seconds(step.took.saturating_neg());
    let uncounted = "its pick-up and sending are not counted as slowest";
    let what = match step.step {
        TimelineStep::PickUp => format!("{who}'s is {by} behind the submitter's; {uncounted}"),
        TimelineStep::Thinking => {
            format!("{who} says that it answered {by} before it received the request")
        }
        TimelineStep::Sending => format!("{who}'s is {by} ahead of the queue's; {uncounted}"),
        TimelineStep::Gather => format!("the consumer's is {by} behind the queue's"),
    };
    format!("clocks disagree: {what}")
}

/// The document of `--output json`: milliseconds since `origin`.
pub fn document(timeline: &Timeline, gathering: &Gathering) -> Value {
    let lane = |lane: &Lane| {
        let mut value = json!({
            "responder": lane.provider.responder.as_str(),
            "state": lane.provider.state.word(),
            "expected": lane.provider.expected,
            "quote": lane.price.as_ref().map(crate::core::Price::to_json),
            "reason": lane.provider.reason,
            "best": lane.is_best,
            "received-ms": lane.received,
            "attempted-ms": lane.attempted,
            "failed-ms": lane.failed,
            "answered-ms": lane.answered,
            "sent-ms": lane.sent,
            "gathered-ms": lane.gathered,
        });
        let steps = TimelineStep::ALL.map(|step| (step.word().to_owned(), json!(lane.took(step))));
        value["took-ms"] = Value::Object(steps.into_iter().collect());
        value
    };
    let slowest = timeline.slowest();
    let slowest = TimelineStep::ALL.map(|step| {
        let slowest = slowest.iter().find(|slowest| slowest.step == step);
        let slowest = slowest.map(|slowest| {
            json!({"responder": slowest.lane.provider.responder.as_str(), "ms": slowest.took})
        });
        (step.word().to_owned(), json!(slowest))
    });
    let request = &gathering.request;
    json!({
        "rfq-id": request.id.as_str(),
        "from": request.ride.from,
        "to": request.ride.to,
        "customer": request.ride.customer,
        "origin": timeline.origin,
        "submitted-at": request.submitted_at,
        "status": gathering.status.word(),
        "completed-by": gathering.completed_by.map(crate::core::aggregate::CompletedBy::word),
        "best-by": request.best_by.to_string(),
        "by": gathering.best_by().to_string(),
        "deadline-ms": timeline.deadline,
        "closed-ms": timeline.closed,
        "providers": timeline.lanes.iter().map(lane).collect::<Vec<_>>(),
        "slowest": Value::Object(slowest.into_iter().collect()),
    })
}
