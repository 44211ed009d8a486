//! How an RFQ stands, in sentences.

use std::fmt::Write as _;
use std::time::Duration;

use crate::core::aggregate::{CompletedBy, Gathering, Provider, Regret, State, Status, Timing};
use crate::core::text::printable;
use crate::core::{Condition, Decimal, Pointer, Price, Responder, Timestamp, show_duration};
use crate::view::count_of;
use crate::view::names::Prefix;
use crate::view::table::number;
use crate::view::tone::{Line, Tone};

/// What a provider did that sent only a receipt.
pub(super) const NO_QUOTE: &str = "took the request, sent no quote";

/// How an RFQ stands: the best quote, how it ended or how long it still has, and what a longer wait would have
/// brought.
pub fn truth(gathering: &Gathering, now: Timestamp) -> Vec<Line> {
    let mut all = vec![best_line(gathering)];
    all.extend(standing(gathering, gathering.time_left(now)));
    all
}

/// The same without the best quote, and with the time left only if it is given.
pub(in crate::view) fn standing(gathering: &Gathering, left: Option<Duration>) -> Vec<Line> {
    let mut all = vec![Line::from(summary(gathering, left))];
    all.extend(unmet_order(gathering).map(Line::from));
    if gathering.status != Status::Gathering
        && let Some(regret) = &gathering.regret
    {
        all.push(Line::new(Tone::Late, regret_line(gathering, regret)));
    }
    all
}

/// `best 16 · acme · 3.1 s`, or that there is none.
fn best_line(gathering: &Gathering) -> Line {
    let is_over = gathering.status != Status::Gathering;
    let Some(best) = &gathering.best else {
        return Line::from(if is_over {
            without_quote(gathering)
        } else {
            "no quote yet".to_owned()
        });
    };
    let so_far = if is_over { "" } else { " so far" };
    let offer = offer(gathering, &best.price, best.value.as_ref());
    let after = best.after_ms.map(|after| format!(" · {}", seconds(after)));
    let who = printable(best.responder.as_str());
    let line = format!("best{so_far} {offer} · {who}{}", after.unwrap_or_default());
    Line::new(Tone::Best, line)
}

/// Why there is no quote: all providers have refused, or none has quoted in time.
fn without_quote(gathering: &Gathering) -> String {
    let (declined, failed) =
        (count_in_time(gathering, State::Declined), count_in_time(gathering, State::Failed));
    let refused = declined + failed;
    if refused == 0 || gathering.expected != Some(refused) {
        return "no quote in time".to_owned();
    }
    let how = match (declined, failed) {
        (_, 0) => "declined",
        (0, _) => "failed",
        _ => "declined or failed",
    };
    match refused {
        1 => format!("no quote: the only provider {how}"),
        _ => format!("no quote: all {refused} providers {how}"),
    }
}

/// How many of the expected providers answered so in time.
fn count_in_time(gathering: &Gathering, state: State) -> usize {
    let counts = |provider: &&Provider| {
        provider.expected != Some(false)
            && provider.state == state
            && provider.timing == Some(Timing::InTime)
    };
    gathering.providers.iter().filter(counts).count()
}

/// `deadline passed: 8 of 10 answered in time (6 quotes, 1 declined, 1 failed), 1 late`.
fn summary(gathering: &Gathering, left: Option<Duration>) -> String {
    let mut summary = match gathering.expected {
        Some(expected) => format!("{} of {expected} answered", gathering.answered),
        None => format!("{} answered", gathering.answered),
    };
    if gathering.late > 0 {
        summary += " in time";
    }
    summary += &kinds(gathering);
    if gathering.late > 0 {
        _ = write!(summary, ", {} late", gathering.late);
    }
    match gathering.completed_by {
        None => match left {
            Some(left) => format!("{summary}, {} left", countdown(left)),
            None => summary,
        },
        Some(_) => format!("{}{}: {summary}", over(gathering), beyond_count(gathering)),
    }
}

/// Whether the RFQ is over, and what ended it.
pub fn over(gathering: &Gathering) -> String {
    match gathering.completed_by {
        None => "gathering".to_owned(),
        Some(CompletedBy::All) => "complete".to_owned(),
        Some(CompletedBy::Closed) => {
            match gathering.request.closed_at.zip(gathering.request.submitted_at) {
                Some((closed, submitted)) => {
                    format!("closed after {}", seconds(closed.millis_since(submitted)))
                }
                None => "closed".to_owned(),
            }
        }
        Some(CompletedBy::Deadline) => "deadline passed".to_owned(),
        Some(CompletedBy::Count) => {
            format!("ended after {}, as asked", count_of(least_count(gathering), "quote"))
        }
        Some(CompletedBy::Price) => {
            let prices = gathering.until.iter().filter_map(|condition| match condition {
                Condition::Price(price) => Some(price.to_string()),
                Condition::All | Condition::Count(_) => None,
            });
            let prices = prices.collect::<Vec<_>>().join(" or ");
            format!("ended at a price of {prices} or less, as asked")
        }
        Some(CompletedBy::Stall) => match gathering.stall {
            Some(stall) => format!("nothing new for {}, still gathering", show_duration(stall)),
            None => "nothing new, still gathering".to_owned(),
        },
    }
}

/// The lowest count that was asked for: it is met first.
fn least_count(gathering: &Gathering) -> u64 {
    let counts = gathering.until.iter().filter_map(|condition| match condition {
        Condition::Count(count) => Some(*count as u64),
        Condition::All | Condition::Price(_) => None,
    });
    counts.min().unwrap_or(0)
}

/// `, and 2 more came`: the quotes that came in time beside those that ended it.
fn beyond_count(gathering: &Gathering) -> String {
    if gathering.completed_by != Some(CompletedBy::Count) {
        return String::new();
    }
    match (count_in_time(gathering, State::Quoted) as u64).saturating_sub(least_count(gathering)) {
        0 => String::new(),
        more => format!(", and {more} more came"),
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

fn regret_line(gathering: &Gathering, regret: &Regret) -> String {
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
            format!("{first}; it came {} after the closing", seconds(by))
        }
        (Some(needed), _) if needed > 0 => {
            let whole = needed.saturating_add(999) / 1_000;
            format!("{first}; a deadline of {whole} s would have caught it")
        }
        _ => first,
    }
}

/// ` (6 quotes, 1 declined)`: the kinds of the answers in time. Their sum is `answered`.
fn kinds(gathering: &Gathering) -> String {
    let (quotes, declined) =
        (count_in_time(gathering, State::Quoted), count_in_time(gathering, State::Declined));
    // A failure in time counts even if a late quote has replaced it.
    let failed = gathering.answered.saturating_sub(quotes + declined);
    let parts = [
        (quotes, if quotes == 1 { "quote" } else { "quotes" }),
        (declined, "declined"),
        (failed, "failed"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Which providers are waited for: `waiting for 3: …3, …7, and …4 (took the request, sent no quote)`; `None` if none
/// is.
pub(super) fn waiting_for(gathering: &Gathering, prefix: &Prefix) -> Option<String> {
    let waiting = gathering.providers.iter().filter(|provider| provider.state == State::Waiting);
    let waiting = waiting.filter(|provider| provider.expected != Some(false));
    // Only a receipt gives a reason.
    let (took, unheard): (Vec<_>, Vec<_>) = waiting.partition(|provider| provider.reason.is_some());
    let names = |of: &[&Provider]| {
        prefix.ranges(&of.iter().map(|provider| &provider.responder).collect::<Vec<_>>())
    };
    let waiting = format!("waiting for {}: ", took.len() + unheard.len());
    match (&*unheard, &*took) {
        ([], []) => None,
        (_, []) => Some(waiting + &names(&unheard)),
        ([], _) => Some(format!("{waiting}{} ({NO_QUOTE})", names(&took))),
        _ => Some(format!("{waiting}{}, and {} ({NO_QUOTE})", names(&unheard), names(&took))),
    }
}

/// Says what `silent` means; `None` if no provider is.
pub(super) fn silence(gathering: &Gathering) -> Option<String> {
    let is_any = gathering.providers.iter().any(|provider| provider.state == State::Silent);
    is_any.then(|| format!("silent: {NO_QUOTE}"))
}

/// Which providers were not asked, and the reason: `2 not asked: 8, 9 (its filter on customer)`. Providers with the
/// same reason follow each other.
pub(super) fn not_asked(gathering: &Gathering, prefix: &Prefix) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<&Responder>)> = Vec::new();
    for provider in gathering.providers.iter().filter(|one| one.state == State::NotAsked) {
        let reason = provider.reason.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, who)) => who.push(&provider.responder),
            None => reasons.push((reason, vec![&provider.responder])),
        }
    }
    let part = |(why, who): &(&str, Vec<&Responder>)| {
        format!("{} ({})", prefix.ranges(who), printable(why))
    };
    let parts: Vec<_> = reasons.iter().map(part).collect();
    (!parts.is_empty()).then(|| format!("{} not asked: {}", gathering.not_asked, parts.join("; ")))
}

pub(super) fn after(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".to_owned(), seconds)
}

/// `812 ms`, `3.1 s`; negative where clocks disagree.
pub(in crate::view) fn seconds(millis: i64) -> String {
    if (-999..=999).contains(&millis) {
        return format!("{millis} ms");
    }
    let tenths = millis.div_euclid(100);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{} s", tenths.abs() / 10, tenths.abs() % 10)
}

/// The same for a duration.
pub(in crate::view) fn seconds_of(duration: Duration) -> String {
    seconds(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// `0.8 s`: the same unit in the last minutes. Before that `2 min 5 s`, `1 h 59 min`.
fn countdown(left: Duration) -> String {
    let seconds = left.as_secs();
    match seconds {
        0..=119 => {
            let tenths = left.as_millis() / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        120..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}
