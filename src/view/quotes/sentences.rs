//! How an RFQ stands, in sentences.

use std::time::Duration;

use crate::core::aggregate::{CompletedBy, Gathering, Provider, Regret, State, Timing};
use crate::core::text::printable;
use crate::core::{Condition, Decimal, Pointer, Price, Responder, Timestamp};
use crate::view::names::short_all;
use crate::view::table::number;

/// The summary, then what a longer wait would have brought.
pub fn truth(gathering: &Gathering, now: Timestamp) -> Vec<String> {
    said(gathering, gathering.time_left(now))
}

/// The same, with the time left if it is shown.
pub(in crate::view) fn said(gathering: &Gathering, left: Option<Duration>) -> Vec<String> {
    let answered = match gathering.expected {
        Some(expected) => format!("{} of {expected} answered", gathering.answered),
        None => format!("{} answered", gathering.answered),
    };
    let detailed = format!("{answered}{}", kinds(gathering));
    if gathering.completed_by.is_none() {
        let out = still_out(gathering).len();
        let left = left.map(|left| format!(", {} left", seconds_of(left))).unwrap_or_default();
        let out = if out > 0 { format!(", {out} still out") } else { String::new() };
        let first = format!("{detailed}{out}{left}");
        return std::iter::once(first).chain(unmet_order(gathering)).collect();
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
        Some(best) => format!("best {}", offer(gathering, &best.price, best.value.as_ref())),
        None => "no quote in time".to_owned(),
    };
    let mut all = vec![format!("{over}: {answered}{out}, {best}")];
    all.extend(unmet_order(gathering));
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

/// A price, with the value that orders the quotes: `57 (/eta-minutes 4)`.
fn offer(gathering: &Gathering, price: &Price, value: Option<&Decimal>) -> String {
    match (gathering.best_by().pointer(), value) {
        (None, _) => price.to_string(),
        (Some(pointer), Some(value)) => {
            format!("{price} ({} {})", place(pointer), number(value))
        }
        (Some(pointer), None) => format!("{price} (no {})", place(pointer)),
    }
}

/// Says so if no quote has the value that was to order them.
fn unmet_order(gathering: &Gathering) -> Option<String> {
    let place = place(gathering.unmet_order()?);
    Some(format!("no quote has {place}: ordered by price"))
}

/// A place in details, safe to print.
fn place(pointer: &Pointer) -> String {
    match pointer.to_string().as_str() {
        "" => "number as its details".to_owned(),
        text => printable(text),
    }
}

fn regret_lines(gathering: &Gathering, regret: &Regret) -> Vec<String> {
    let who = printable(regret.responder.as_str());
    let late = offer(gathering, &regret.price, regret.value.as_ref());
    let first = match &gathering.best {
        Some(best) => {
            let best = offer(gathering, &best.price, best.value.as_ref());
            format!("a late quote of {late} from {who} would have beaten {best}")
        }
        None => format!("a late quote of {late} from {who} would have won"),
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

pub(super) fn still_out(gathering: &Gathering) -> Vec<&Responder> {
    let waiting = gathering.providers.iter().filter(|provider| provider.state == State::Waiting);
    waiting.filter(|provider| provider.expected != Some(false)).map(|p| &p.responder).collect()
}

/// Which providers were not asked, and the reason: `2 not asked: 8, 9 (its filter on customer)`. Providers with the
/// same reason follow each other.
pub(super) fn not_asked(gathering: &Gathering) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<&Responder>)> = Vec::new();
    for provider in gathering.providers.iter().filter(|one| one.state == State::NotAsked) {
        let reason = provider.reason.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, who)) => who.push(&provider.responder),
            None => reasons.push((reason, vec![&provider.responder])),
        }
    }
    let parts = reasons.iter().map(|(why, who)| format!("{} ({})", short_all(who), printable(why)));
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| format!("{} not asked: {}", gathering.not_asked, parts.join("; ")))
}

pub(super) fn deadline_after(gathering: &Gathering) -> Option<i64> {
    Some(gathering.request.deadline?.millis_since(gathering.request.submitted_at?))
}

pub(super) fn after(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".to_owned(), seconds)
}

/// `0.8 s`; negative where clocks disagree.
pub(in crate::view) fn seconds(millis: i64) -> String {
    let tenths = millis.div_euclid(100);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{} s", tenths.abs() / 10, tenths.abs() % 10)
}

fn seconds_of(duration: Duration) -> String {
    seconds(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
