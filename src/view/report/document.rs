//! A report for programs: times in milliseconds, shares from 0 to 1.

use serde_json::{Map, Value, json};

use super::depth::frequent;
use super::histogram::bins;
use super::ranked;
use crate::core::Responder;
use crate::core::history::{Durations, ProviderRecord, Report};
use crate::flow::history::Coverage;
use crate::view::figures::ratio;
use crate::view::history::{coverage as document_of, fields, line_of};

/// The document of `--output json`.
pub fn document(report: &Report, coverage: &Coverage) -> Value {
    let mut document = stack(report, coverage);
    let providers = ranked(report).into_iter().map(|(name, record)| provider(name, record, report));
    document.insert("providers".to_owned(), Value::Array(providers.map(Value::Object).collect()));
    Value::Object(document)
}

/// The lines of `--output jsonl`: the stack, then each provider. `of` tells them apart.
pub fn lines(report: &Report, coverage: &Coverage) -> Vec<Value> {
    let of_provider = |(name, record)| line_of("provider", provider(name, record, report));
    let providers = ranked(report).into_iter().map(of_provider);
    std::iter::once(line_of("stack", stack(report, coverage))).chain(providers).collect()
}

fn stack(report: &Report, coverage: &Coverage) -> Map<String, Value> {
    let ends = &report.ends;
    let stack = json!({
        "rfqs": report.rfqs,
        "first-submitted-at": report.submitted.map(|(first, _)| first),
        "last-submitted-at": report.submitted.map(|(_, last)| last),
        "completed-by": {
            "all": ends.all,
            "count": ends.count,
            "price": ends.price,
            "closed": ends.closed,
            "deadline": ends.deadline,
        },
        "with-best": report.with_best,
        "with-best-share": ratio(report.with_best, report.rfqs),
        "time-to-end-ms": times(&report.time_to_end),
        "asked": report.asked,
        "answered-in-time": report.answered_in_time,
        "answered-in-time-share": ratio(report.answered_in_time, report.asked),
        "unexpected": report.unexpected,
        "asked-of-others": report.asked_of_others,
    });
    let whole = [document_of(coverage), stack];
    whole.into_iter().flat_map(fields).collect()
}

fn provider(name: &Responder, record: &ProviderRecord, report: &Report) -> Map<String, Value> {
    let mut provider = fields(json!({
        "provider": name.as_str(),
        "asked": record.asked,
        "quoted": record.quoted,
        "declined": record.declined,
        "failed": record.failed,
        "silent": record.silent,
        "missing": record.missing,
        "late": record.late,
        "time-to-answer-ms": times(&record.times),
        "best": record.best,
        "best-share": ratio(record.best, record.asked),
        "missed": record.missed,
        "above-best": above_best(record),
    }));
    if report.in_depth.as_ref() == Some(name) {
        provider.extend(fields(depth(record)));
    }
    provider
}

/// What only a report in depth has.
fn depth(record: &ProviderRecord) -> Value {
    let bins = bins(&record.times).into_iter();
    let bins = bins.map(|bin| json!({"from-ms": bin.from, "to-ms": bin.to, "count": bin.count}));
    let whole = record.reasons.values().sum::<u64>() + record.other_reasons;
    let reasons = frequent(record).into_iter().map(|(refusal, reason, count)| {
        let share = ratio(count, whole);
        json!({"state": refusal.word(), "reason": reason, "count": count, "share": share})
    });
    json!({
        "histogram": bins.collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "other-reasons": record.other_reasons,
    })
}

fn times(times: &Durations) -> Value {
    json!({"median": times.median(), "p95": times.p95(), "max": times.longest()})
}

/// How far its median price lies above the best one, as a share of it.
pub(super) fn above_best(record: &ProviderRecord) -> Option<f64> {
    // Ratios are known to a ten-thousandth.
    record.prices.median().map(|ratio| ((ratio - 1.0) * 10_000.0).round() / 10_000.0)
}
