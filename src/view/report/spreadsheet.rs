//! A report as comma-separated values.

use super::document::above_best;
use super::ranked;
use crate::core::Responder;
use crate::core::history::{ProviderRecord, Report};
use crate::view::csv::{lines, number, text};

const HEADER: [&str; 13] = [
    "provider",
    "asked",
    "quoted",
    "declined",
    "failed",
    "silent",
    "missing",
    "late",
    "median-ms",
    "p95-ms",
    "best",
    "missed",
    "above-best",
];

/// The header, and a line for each provider. Unknown values are empty.
pub fn csv(report: &Report) -> Vec<String> {
    lines(&HEADER, ranked(report).into_iter().map(|(name, record)| cells(name, record)))
}

fn cells(name: &Responder, record: &ProviderRecord) -> Vec<String> {
    let name = text(name.as_str());
    let counts = [
        record.asked,
        record.quoted,
        record.declined,
        record.failed,
        record.silent,
        record.missing,
        record.late,
    ];
    let counts = counts.map(|count| count.to_string());
    let times = [record.times.median(), record.times.p95()].map(number);
    let prices = [record.best.to_string(), record.missed.to_string(), number(above_best(record))];
    std::iter::once(name).chain(counts).chain(times).chain(prices).collect()
}
