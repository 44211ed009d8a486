//! The result of `rydes bench`, as a table or as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::count_of;
use super::quotes::seconds_of;
use super::table::{Column, lines};
use super::usage::{self, rounded};
use crate::tools::bench::{Arrival, LoadPlan, Measured};

const PERCENTILES: [(&str, f64); 3] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0)];
const MIB: f64 = 1_048_576.0;

/// For people.
pub fn report(plan: &LoadPlan, measured: &Measured) -> Vec<String> {
    let of = Figures::of(plan, measured);
    let mut rows = vec![
        ["throughput".to_owned(), format!("{:.1} RFQs/s, {:.0} quotes/s", of.rfqs, of.quotes)],
        ["submit to last reply".to_owned(), latency_line(measured)],
    ];
    if let Some(cpu) = of.cpu_ms_per_quote {
        rows.push(["processor time".to_owned(), format!("{cpu:.3} ms per quote")]);
    }
    if let Some(peak) = measured.peak_memory {
        rows.push(["peak memory".to_owned(), format!("{:.1} MiB", mib(peak))]);
    }
    let (duplicates, lost) = (measured.duplicates, measured.lost);
    rows.push([
        "duplicates and losses".to_owned(),
        format!("{}, {lost} lost", count_of(duplicates, "duplicate")),
    ]);
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let (arrival, providers) = (arrival(plan.arrival), plan.providers.served.len());
    let mut all = vec![format!(
        "{} to {}, {arrival}, in {}",
        count_of(plan.rfqs.into(), "RFQ"),
        count_of(providers as u64, "provider"),
        seconds_of(measured.took)
    )];
    let columns = [Column::Left(""), Column::Left("")];
    all.extend(lines(&columns, &rows).into_iter().skip(1).map(|line| format!("  {line}")));
    all.extend(usage::lines(&measured.usage, plan.rfqs.into()));
    all
}

fn arrival(arrival: Arrival) -> String {
    match arrival {
        Arrival::Saturating => "as fast as they are taken".to_owned(),
        Arrival::Rate(rate) => format!("{rate} a second"),
    }
}

fn latency_line(measured: &Measured) -> String {
    let latency = &measured.latency;
    let mut parts: Vec<_> = PERCENTILES
        .iter()
        .map(|(name, percent)| {
            format!("{name} {:.0}", millis(latency.value_at_percentile(*percent)))
        })
        .collect();
    parts.push(format!("max {:.0} ms", millis(latency.max())));
    parts.join(", ")
}

/// For programs.
pub fn document(plan: &LoadPlan, measured: &Measured) -> Value {
    let of = Figures::of(plan, measured);
    let latency = &measured.latency;
    let mut percentiles = json!({});
    for (name, percent) in PERCENTILES {
        percentiles[name] = rounded(millis(latency.value_at_percentile(percent)), 2);
    }
    percentiles["max"] = rounded(millis(latency.max()), 2);
    let rate = match plan.arrival {
        Arrival::Saturating => Value::Null,
        Arrival::Rate(rate) => rounded(rate, 3),
    };
    let mut document = json!({
        "name": "rydes",
        "rfqs": plan.rfqs,
        "providers": plan.providers.served.len(),
        "rate": rate,
        "seconds": rounded(measured.took.as_secs_f64(), 3),
        "rfqs-per-second": rounded(of.rfqs, 2),
        "quotes": measured.quotes,
        "quotes-per-second": rounded(of.quotes, 1),
        "answers": measured.answers,
        "submit-to-gathered-ms": percentiles,
        "duplicates": measured.duplicates,
        "lost": measured.lost,
        "cpu-ms-per-quote": of.cpu_ms_per_quote.map(|ms| rounded(ms, 4)),
        "cpu-seconds": measured.processor.map(|time| rounded(time.as_secs_f64(), 3)),
        "peak-memory-mib": measured.peak_memory.map(|peak| rounded(mib(peak), 1)),
    });
    for (name, value) in usage::fields(&measured.usage, plan.rfqs.into()) {
        document[name] = value;
    }
    document
}

struct Figures {
    /// RFQs a second.
    rfqs: f64,
    /// Quotes a second.
    quotes: f64,
    cpu_ms_per_quote: Option<f64>,
}

impl Figures {
    fn of(plan: &LoadPlan, measured: &Measured) -> Self {
        let seconds = measured.took.as_secs_f64().max(1e-9);
        let quotes = real(measured.quotes);
        let per_quote = |time: Duration| time.as_secs_f64() * 1_000.0 / quotes;
        Self {
            rfqs: f64::from(plan.rfqs) / seconds,
            quotes: quotes / seconds,
            cpu_ms_per_quote: measured.processor.filter(|_| quotes > 0.0).map(per_quote),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn real(count: u64) -> f64 {
    count as f64
}

fn mib(bytes: u64) -> f64 {
    real(bytes) / MIB
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> f64 {
    real(micros) / 1_000.0
}
