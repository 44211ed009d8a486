//! What a report says in sentences: on the stack, and on one provider.

use crate::core::Responder;
use crate::core::history::{Durations, ProviderRecord, Report};
use crate::core::text::printable;
use crate::view::clock::Clock;
use crate::view::count_of;
use crate::view::figures::{distance, known, share, time, time_within};
use crate::view::tone::{Line, Tone};

/// How many RFQs there are, how they ended, how long that took, and how many answers came in time.
pub(super) fn stack(report: &Report, clock: &Clock) -> Vec<Line> {
    let title = format!("{}{}", count_of(report.rfqs, "RFQ"), submitted(report, clock));
    let further = report.asked_of_others;
    let further = (further > 0).then(|| {
        let (known, requests) = (report.providers.len(), count_of(further, "request"));
        format!("this report names {known} providers; {requests} went to others")
    });
    let sentences = [Some(ends(report)), time_to_end(report), answers(report), further];
    let sentences = sentences.into_iter().flatten().map(Line::from);
    std::iter::once(Line::new(Tone::Title, title)).chain(sentences).collect()
}

/// `, submitted from 2026-01-30 13:00:00 CET to 14:00:03 CET`, both on that day.
fn submitted(report: &Report, clock: &Clock) -> String {
    let Some((first, last)) = report.submitted else { return String::new() };
    // The second date is left out only where it is the first one.
    let to = clock.at(first).moment(last);
    if to == clock.at(first).moment(first) {
        return format!(", submitted at {}", clock.moment(first));
    }
    format!(", submitted from {} to {to}", clock.moment(first))
}

fn ends(report: &Report) -> String {
    let ends = &report.ends;
    let ended = [
        (ends.complete(), "complete"),
        (ends.closed, "closed"),
        (ends.deadline, "at the deadline"),
    ];
    let ended = counted(&ended, report.rfqs);
    let have = if report.with_best == 1 { "has" } else { "have" };
    let share = share(report.with_best, report.rfqs);
    format!("ended: {ended}; {} {have} a best quote ({share})", report.with_best)
}

/// `126 complete (63.0 %), 4 closed (2.0 %)`, without what is zero.
fn counted(counts: &[(u64, &str)], whole: u64) -> String {
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let said = counts.map(|(count, what)| format!("{count} {what} ({})", share(*count, whole)));
    said.collect::<Vec<_>>().join(", ")
}

fn time_to_end(report: &Report) -> Option<String> {
    let of_all = &report.time_to_end;
    let (median, p95) = of_all.median().zip(of_all.p95())?;
    let [half, most] = [0.5, 0.95].map(|share| within(of_all, share));
    Some(match of_all.count() {
        1 => format!("it ended after {}", time(median)),
        _ if median == p95 => format!("95 % of them ended {most}"),
        _ => format!("half of them ended {half}, 95 % {most}"),
    })
}

/// `within 10.1 s`: this share of all is.
fn within(times: &Durations, share: f64) -> String {
    format!("within {}", known(times.bound(share), time_within))
}

fn answers(report: &Report) -> Option<String> {
    let (asked, unexpected) = (report.asked, report.unexpected);
    if asked == 0 {
        let answers = count_of(unexpected, "answer");
        return (unexpected > 0).then(|| format!("{answers} came from unexpected providers"));
    }
    let in_time = report.answered_in_time;
    let share = share(in_time, asked);
    let further = match unexpected {
        0 => String::new(),
        1 => "; 1 more came from an unexpected provider".to_owned(),
        more => format!("; {more} more came from unexpected providers"),
    };
    Some(format!("{in_time} of {} came in time ({share}){further}", count_of(asked, "answer")))
}

/// How often a provider was asked, what it answered, how often it was best, and how long its answers took.
pub(super) fn provider(
    name: &Responder,
    record: &ProviderRecord,
    report: &Report,
    clock: &Clock,
) -> Vec<Line> {
    let asked = format!(
        "{}: asked by {} of {}{}",
        printable(name.as_str()),
        record.asked,
        count_of(report.rfqs, "RFQ"),
        submitted(report, clock)
    );
    let states = [
        (record.quoted, "quoted"),
        (record.declined, "declined"),
        (record.failed, "failed"),
        (record.silent, "silent"),
        (record.missing, "missing"),
        (record.late, "late"),
    ];
    let sentences = [Some(counted(&states, record.asked)), wins(record), times(&record.times)];
    let sentences = sentences.into_iter().flatten().map(Line::from);
    std::iter::once(Line::new(Tone::Title, asked)).chain(sentences).collect()
}

/// How often its quote was best, or would have been, and how its prices compare; `None` if it never quoted.
fn wins(record: &ProviderRecord) -> Option<String> {
    if record.quoted + record.late == 0 {
        return None;
    }
    let times = |count: u64| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let best = match record.best {
        0 => "its quote was never best".to_owned(),
        best => format!("its quote was best {} ({})", times(best), share(best, record.asked)),
    };
    let missed = (record.missed > 0)
        .then(|| format!("a late quote would have been best {}", times(record.missed)));
    let price = record.prices.median().map(compared);
    let parts = [Some(best), missed, price].into_iter().flatten();
    Some(parts.collect::<Vec<_>>().join("; "))
}

/// How its prices compare to the best ones, on the median.
fn compared(ratio: f64) -> String {
    let how = match distance(ratio - 1.0) {
        None => String::new(),
        Some(distance) if ratio < 1.0 => format!("{distance} below "),
        Some(distance) => format!("{distance} above "),
    };
    format!("on the median, its price is {how}that of the best quote")
}

fn times(times: &Durations) -> Option<String> {
    let (median, p95) = times.median().zip(times.p95())?;
    let (longest, count) = (times.longest()?, times.count());
    let [half, most, all] = [0.5, 0.95, 1.0].map(|share| within(times, share));
    Some(match longest {
        _ if count == 1 => format!("its answer came after {}", time(longest)),
        _ if median == longest => format!("its {count} answers came {all}"),
        _ if p95 == longest => format!("half of its {count} answers came {half}, all {all}"),
        _ => format!("half of its {count} answers came {half}, 95 % {most}, all {all}"),
    })
}
