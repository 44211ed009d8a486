//! The state of an RFQ, for people and for programs.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::names::short_all;
use super::table::{Column, cut, cut_middle, lines, price, width_of, wrapped};
use crate::core::aggregate::{
    CompletedBy, Gathering, Provider, Quote, Regret, State, Status, Timing,
};
use crate::core::text::{compact_json, printable};
use crate::core::{Condition, Responder, StackName, Timestamp, Until};

/// Rows that a table shows before it folds.
pub const MOST_ROWS: usize = 20;

const TITLES: [&str; 5] = ["#", "RESPONDER", "QUOTE", "AFTER", "NOTE"];
const COLUMNS: [Column; 5] = [
    Column::Right(TITLES[0]),
    Column::Left(TITLES[1]),
    Column::Right(TITLES[2]),
    Column::Right(TITLES[3]),
    Column::Left(TITLES[4]),
];
/// The columns that are cut when space is short.
const RESPONDER: usize = 1;
const NOTE: usize = 4;
/// The width of the gaps between the columns, and of the indent.
const GAPS: usize = 9;
/// The widest note. A reason may have 1,024 characters; JSON has all of them.
const LONGEST_NOTE: usize = 200;
/// The least width of a note and a name when space is short.
const SHORTEST_NOTE: usize = 16;
const SHORTEST_NAME: usize = 12;

/// How a table is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The stack to name in the corner.
    pub stack: &'a StackName,
    /// The time that the countdown starts from.
    pub now: Timestamp,
    /// The width in columns; without one, only very long notes are cut.
    pub width: Option<u16>,
    /// Rows of answers to show before folding.
    pub rows: usize,
}

/// The table with its title above and the summary below.
pub fn table(gathering: &Gathering, frame: Frame<'_>) -> Vec<String> {
    let mut all = vec![title(gathering, frame)];
    let rows: Vec<_> = rows(gathering).into_iter().map(|(_, cells)| cells).collect();
    let folded = rows.len().saturating_sub(frame.rows);
    let shown: Vec<_> = rows.into_iter().take(frame.rows).collect();
    let shown = narrowed(shown, frame.width);
    all.extend(lines(&COLUMNS, &shown).into_iter().map(|line| format!(" {line}")));
    if folded > 0 {
        all.push(format!("    ... and {folded} more"));
    }
    let out = still_out(gathering);
    if !out.is_empty() {
        let sentence = format!("    {} still out: {}", out.len(), short_all(&out));
        all.push(frame.width.map_or(sentence.clone(), |width| cut(&sentence, width.into())));
    }
    let truth = truth(gathering, frame.now);
    all.extend(truth.iter().flat_map(|sentence| wrapped(sentence, frame.width)));
    all
}

/// The line of [`table`] that has the best quote, from 0: title and header come first, then the quotes by price.
pub fn best_line(gathering: &Gathering) -> Option<usize> {
    gathering.best.as_ref().map(|_| 2)
}

/// Cuts names and notes to the width that the other columns leave.
fn narrowed(mut rows: Vec<Vec<String>>, width: Option<u16>) -> Vec<Vec<String>> {
    let wide = |column: usize| width_of(TITLES[column], &rows, column);
    let (name, note) = (wide(RESPONDER), wide(NOTE));
    let (name, note) = match width {
        None => (name, note.min(LONGEST_NOTE)),
        Some(width) => {
            let others = wide(0) + wide(2) + wide(3) + GAPS;
            let left = usize::from(width).saturating_sub(others);
            let name = name.min(left.saturating_sub(note.min(SHORTEST_NOTE)).max(SHORTEST_NAME));
            (name, note.min(LONGEST_NOTE).min(left.saturating_sub(name)))
        }
    };
    for row in &mut rows {
        row[RESPONDER] = cut_middle(&row[RESPONDER], name);
        row[NOTE] = cut(&row[NOTE], note);
    }
    rows
}

fn title(gathering: &Gathering, frame: Frame<'_>) -> String {
    let request = &gathering.request;
    let title = format!(
        "RFQ {}  {} -> {}  for {}",
        printable(&request.id.short()),
        printable(&request.ride.from),
        printable(&request.ride.to),
        printable(&request.ride.customer)
    );
    let stack = frame.stack.as_str();
    let width = usize::from(frame.width.unwrap_or(80)).min(80);
    let gap = width.saturating_sub(title.width() + stack.len());
    let title = format!("{title}{}{stack}", " ".repeat(gap.max(2)));
    frame.width.map_or(title.clone(), |width| cut(&title, width.into()))
}

/// Place, name, price, time and note. In-time quotes come first, by price; among them, quotes of unexpected
/// providers come last and have no place. Then come the providers in other states, except those that may still
/// answer.
pub(super) fn rows(gathering: &Gathering) -> Vec<(State, Vec<String>)> {
    let in_time = gathering.quotes.iter().filter(|quote| quote.timing == Timing::InTime);
    let (expected, strangers): (Vec<_>, Vec<_>) =
        in_time.partition(|quote| quote.expected != Some(false));
    let row = |place: String, quote: &Quote| {
        let cells = vec![
            place,
            printable(quote.responder.as_str()),
            price(&quote.price),
            after(quote.after_ms),
            note(gathering, quote),
        ];
        (State::Quoted, cells)
    };
    let places = expected.into_iter().zip(1..);
    let mut rows: Vec<_> =
        places.map(|(quote, place): (&Quote, usize)| row(place.to_string(), quote)).collect();
    rows.extend(strangers.into_iter().map(|quote| row(String::new(), quote)));
    let others = gathering
        .providers
        .iter()
        .filter(|provider| !matches!(provider.state, State::Quoted | State::Waiting));
    rows.extend(others.map(|provider| (provider.state, other_row(gathering, provider))));
    rows
}

fn note(gathering: &Gathering, quote: &Quote) -> String {
    let is_best = gathering.best.as_ref().is_some_and(|best| best.responder == quote.responder);
    match (is_best, gathering.status) {
        (true, Status::Gathering) => "best so far".to_owned(),
        (true, Status::Complete | Status::Closed | Status::Expired) => "best".to_owned(),
        (false, _) if quote.expected == Some(false) => "unexpected".to_owned(),
        (false, _) => String::new(),
    }
}

fn other_row(gathering: &Gathering, provider: &Provider) -> Vec<String> {
    let reason = provider.reason.as_deref().map(printable).unwrap_or_default();
    let late = gathering.quotes.iter().find(|quote| quote.responder == provider.responder);
    let unexpected = if provider.expected == Some(false) { ", unexpected" } else { "" };
    let note = match provider.state {
        State::Declined => format!("declined: {reason}{unexpected}"),
        State::Failed => match provider.attempts {
            Some(1) => format!("failed: {reason}, 1 try{unexpected}"),
            Some(attempts) => format!("failed: {reason}, {attempts} tries{unexpected}"),
            None => format!("failed: {reason}{unexpected}"),
        },
        State::Silent => format!("silent: {reason} (receipt)"),
        State::Late => match late.map(|quote| quote.timing) {
            Some(Timing::Late(by)) => format!("late +{}{unexpected}", seconds(by)),
            Some(Timing::InTime) | None => "late".to_owned(),
        },
        State::Missing if provider.reason.is_some() => format!("missing: {reason}"),
        State::Missing => match (gathering.completed_by, deadline_after(gathering)) {
            (Some(CompletedBy::Deadline), Some(deadline)) => {
                format!("missing: no answer by {}", seconds(deadline))
            }
            _ => "missing: no answer by then".to_owned(),
        },
        State::Quoted | State::Waiting => String::new(),
    };
    let late = late.filter(|_| provider.state == State::Late);
    vec![
        String::new(),
        printable(provider.responder.as_str()),
        late.map_or_else(|| "-".to_owned(), |quote| price(&quote.price)),
        after(provider.after_ms),
        note,
    ]
}

/// The summary, then what a longer wait would have brought.
pub fn truth(gathering: &Gathering, now: Timestamp) -> Vec<String> {
    said(gathering, gathering.time_left(now))
}

/// The same, with the time left if it is shown.
pub(super) fn said(gathering: &Gathering, left: Option<Duration>) -> Vec<String> {
    let answered = match gathering.expected {
        Some(expected) => format!("{} of {expected} answered", gathering.answered),
        None => format!("{} answered", gathering.answered),
    };
    let detailed = format!("{answered}{}", kinds(gathering));
    if gathering.completed_by.is_none() {
        let out = still_out(gathering).len();
        let left = left.map(|left| format!(", {} left", seconds_of(left))).unwrap_or_default();
        let out = if out > 0 { format!(", {out} still out") } else { String::new() };
        return vec![format!("{detailed}{out}{left}")];
    }
    let over = over(gathering);
    let answered = match gathering.late {
        0 => detailed,
        late => format!("{answered} in time, {late} late"),
    };
    let out = match still_out(gathering).len() {
        0 => String::new(),
        out => format!(", {out} still out"),
    };
    let best = match &gathering.best {
        Some(best) => format!("best {}", best.price),
        None => "no quote in time".to_owned(),
    };
    let mut all = vec![format!("{over}: {answered}{out}, {best}")];
    if let Some(regret) = &gathering.regret {
        all.extend(regret_lines(gathering, regret));
    }
    all
}

/// Whether the RFQ is over, and what ended it.
pub fn over(gathering: &Gathering) -> String {
    let wanted = |wanted: &dyn Fn(&Condition) -> Option<String>| {
        gathering.until.iter().filter_map(wanted).collect::<Vec<_>>().join(" or ")
    };
    match gathering.completed_by {
        None => "gathering".to_owned(),
        Some(CompletedBy::All) => "complete".to_owned(),
        Some(CompletedBy::Closed) => {
            match gathering.request.closed_at.zip(gathering.request.submitted_at) {
                Some((closed, submitted)) => {
                    format!("over, it was closed after {}", seconds(closed.millis_since(submitted)))
                }
                None => "over, it was closed".to_owned(),
            }
        }
        Some(CompletedBy::Deadline) => "over by deadline".to_owned(),
        Some(CompletedBy::Count) => {
            let wanted = wanted(&|condition| match condition {
                Condition::Count(count) => Some(count.to_string()),
                Condition::All | Condition::Price(_) => None,
            });
            format!("complete by count, {wanted} wanted")
        }
        Some(CompletedBy::Price) => {
            let wanted = wanted(&|condition| match condition {
                Condition::Price(price) => Some(price.to_string()),
                Condition::All | Condition::Count(_) => None,
            });
            format!("complete by price, {wanted} or less wanted")
        }
        Some(CompletedBy::Stall) => match gathering.stall {
            Some(stall) => format!("not over, but nothing new for {}", seconds_of(stall)),
            None => "not over, but nothing new".to_owned(),
        },
    }
}

fn regret_lines(gathering: &Gathering, regret: &Regret) -> Vec<String> {
    let who = printable(regret.responder.as_str());
    let first = match &gathering.best {
        Some(best) => {
            format!("a late quote of {} from {who} would have beaten {}", regret.price, best.price)
        }
        None => format!("a late quote of {} from {who} would have won", regret.price),
    };
    let late = gathering.quotes.iter().find(|quote| quote.responder == regret.responder);
    match (regret.deadline_needed_ms, late.map(|quote| quote.timing)) {
        (_, Some(Timing::Late(by))) if gathering.request.closed_at == gathering.cutoff() => {
            vec![format!("{first};"), format!("it came {} after the closing", seconds(by))]
        }
        (Some(needed), _) if needed > 0 => {
            let whole = needed.saturating_add(999) / 1_000;
            vec![format!("{first};"), format!("a deadline of {whole} s would have caught it")]
        }
        _ => vec![first],
    }
}

/// ` (6 quotes, 1 declined)`: the kinds of the answers in time.
fn kinds(gathering: &Gathering) -> String {
    let counted = |kind: &dyn Fn(&Provider) -> bool| {
        let counts = |provider: &&Provider| provider.expected != Some(false) && kind(provider);
        gathering.providers.iter().filter(counts).count()
    };
    let quotes = counted(&|provider| provider.state == State::Quoted);
    let parts = [
        (quotes, if quotes == 1 { "quote" } else { "quotes" }),
        (counted(&|provider| provider.state == State::Declined), "declined"),
        (counted(&|provider| provider.state == State::Failed), "failed"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn still_out(gathering: &Gathering) -> Vec<&Responder> {
    let waiting = gathering.providers.iter().filter(|provider| provider.state == State::Waiting);
    waiting.filter(|provider| provider.expected != Some(false)).map(|p| &p.responder).collect()
}

fn deadline_after(gathering: &Gathering) -> Option<i64> {
    Some(gathering.request.deadline?.millis_since(gathering.request.submitted_at?))
}

fn after(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".to_owned(), seconds)
}

/// `0.8 s`; negative where clocks disagree.
pub(super) fn seconds(millis: i64) -> String {
    let tenths = millis.div_euclid(100);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{} s", tenths.abs() / 10, tenths.abs() % 10)
}

fn seconds_of(duration: Duration) -> String {
    seconds(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// The document of `--output json` (contract, section 6).
pub fn document(gathering: &Gathering) -> Value {
    let request = &gathering.request;
    let quote = |quote: &Quote| {
        json!({
            "responder": quote.responder.as_str(),
            "quote": quote.price.to_json(),
            "sent-at": quote.sent_at,
            "after-ms": quote.after_ms,
            "late": quote.timing != Timing::InTime,
            "expected": quote.expected,
        })
    };
    let provider = |provider: &Provider| {
        json!({
            "responder": provider.responder.as_str(),
            "state": provider.state.word(),
            "expected": provider.expected,
            "reason": provider.reason,
        })
    };
    json!({
        "rfq-id": request.id.as_str(),
        "from": request.ride.from,
        "to": request.ride.to,
        "customer": request.ride.customer,
        "submitted-at": request.submitted_at,
        "deadline": request.deadline,
        "until": until(gathering),
        "closed-at": request.closed_at,
        "status": gathering.status.word(),
        "completed-by": gathering.completed_by.map(CompletedBy::word),
        "expected": gathering.expected,
        "answered": gathering.answered,
        "late": gathering.late,
        "unexpected": gathering.unexpected,
        "quotes": gathering.quotes.iter().map(quote).collect::<Vec<_>>(),
        "best": best(gathering),
        "providers": gathering.providers.iter().map(provider).collect::<Vec<_>>(),
        "regret": gathering.regret.as_ref().map(|regret| {
            json!({
                "responder": regret.responder.as_str(),
                "quote": regret.price.to_json(),
                "deadline-needed-ms": regret.deadline_needed_ms,
            })
        }),
    })
}

/// The best quote, for a document.
pub(super) fn best(gathering: &Gathering) -> Value {
    let best = gathering.best.as_ref();
    json!(best.map(|best| {
        json!({"responder": best.responder.as_str(), "quote": best.price.to_json()})
    }))
}

/// The conditions that applied, including the stall limit of this wait.
fn until(gathering: &Gathering) -> Vec<String> {
    let stall = gathering.stall.map(|stall| Until::Stall(stall).to_string());
    gathering.until.iter().map(ToString::to_string).chain(stall).collect()
}

/// The original's own response, as Python's `json.dumps` writes it.
pub fn workshop(gathering: &Gathering) -> String {
    let text = |text: &str| compact_json(&text);
    let mut quotes: Vec<_> = gathering.quotes.iter().collect();
    quotes.sort_by(|a, b| a.responder.as_str().cmp(b.responder.as_str()));
    let quotes: Vec<_> = quotes
        .into_iter()
        .map(|quote| {
            let price = text(&quote.price.to_string());
            format!("{{\"responder\": {}, \"quote\": {price}}}", text(quote.responder.as_str()))
        })
        .collect();
    let request = &gathering.request;
    format!(
        "{{\"quotes\": [{}], \"rfq-id\": {}, \"from\": {}, \"to\": {}, \"customer\": {}}}",
        quotes.join(", "),
        text(request.id.as_str()),
        text(&request.ride.from),
        text(&request.ride.to),
        text(&request.ride.customer)
    )
}

/// A provider whose answer is new since the last snapshot of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    provider: Provider,
    price: Option<String>,
}

/// The news since the previous snapshot.
pub fn news(before: Option<&Gathering>, now: &Gathering) -> Vec<News> {
    let known: HashMap<_, _> = before
        .map(|before| before.providers.iter().map(|p| (&p.responder, p.state)).collect())
        .unwrap_or_default();
    let tells = |state: State| !matches!(state, State::Waiting | State::Missing | State::Silent);
    now.providers
        .iter()
        .filter(|provider| tells(provider.state))
        .filter(|provider| known.get(&provider.responder) != Some(&provider.state))
        .map(|provider| {
            let quote = now.quotes.iter().find(|quote| quote.responder == provider.responder);
            News { provider: provider.clone(), price: quote.map(|quote| quote.price.to_string()) }
        })
        .collect()
}

impl News {
    /// A line for people: `+0.6 s  quoted    UnicornManagementResource9  80`.
    pub fn line(&self) -> String {
        let what = match (&self.price, &self.provider.reason) {
            (Some(price), _) => price.clone(),
            (None, reason) => reason.as_deref().map(printable).unwrap_or_default(),
        };
        format!(
            "+{}  {:<8}  {}  {what}",
            after(self.provider.after_ms),
            self.provider.state.word(),
            printable(self.provider.responder.as_str())
        )
    }

    /// A line for programs.
    pub fn document(&self, gathering: &Gathering) -> Value {
        let quote =
            gathering.quotes.iter().find(|quote| quote.responder == self.provider.responder);
        json!({
            "rfq-id": gathering.request.id.as_str(),
            "status": gathering.status.word(),
            "responder": self.provider.responder.as_str(),
            "state": self.provider.state.word(),
            "quote": quote.map(|quote| quote.price.to_json()),
            "after-ms": self.provider.after_ms,
            "reason": self.provider.reason,
        })
    }
}
