//! The result of a chaos test, for people and for programs.

use serde_json::{Value, json};

use super::count_of;
use super::quotes::seconds_of;
use super::table::{Column, lines};
use crate::core::text::printable;
use crate::tools::bench::chaos::{ChaosPlan, ChaosResult};
use crate::tools::bench::proxy::ProxyCounts;

/// Findings of one kind that are shown.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Copy)]
pub struct Proxied {
    /// The intended share of failing requests.
    pub share: f64,
    pub counts: ProxyCounts,
}

/// For people.
pub fn report(plan: &ChaosPlan, outcome: &ChaosResult, proxied: Option<Proxied>) -> Vec<String> {
    let mut rows = vec![
        ["killed".to_owned(), killed(plan, outcome)],
        ["copies".to_owned(), copies(outcome)],
        [
            "delivered again".to_owned(),
            format!(
                "{}, {}",
                count_of(outcome.redelivered, "request"),
                count_of(outcome.duplicates, "reply")
            ),
        ],
    ];
    if let Some(Proxied { counts, .. }) = proxied {
        let failed = format!("{} of {} requests", counts.failed, counts.requests);
        rows.insert(1, ["failed by the proxy".to_owned(), failed]);
    }
    if outcome.resubmitted > 0 {
        let again = format!(
            "{}, with the line that the error printed",
            count_of(outcome.resubmitted, "time")
        );
        rows.push(["submitted again".to_owned(), again]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let mut all = vec![format!(
        "{} RFQs to {} providers, {} a second, seed {}, in {}",
        plan.rfqs,
        plan.providers.len(),
        plan.rate,
        plan.behaviour.seed,
        seconds_of(outcome.took)
    )];
    let columns = [Column::Left(""), Column::Left("")];
    all.extend(lines(&columns, &rows).into_iter().skip(1).map(|line| format!("  {line}")));
    for (what, findings) in findings(outcome) {
        all.extend(findings.iter().take(SHOWN).map(|one| format!("{what}: {}", printable(one))));
        if findings.len() > SHOWN {
            all.push(format!("{what}: {} more", findings.len() - SHOWN));
        }
    }
    all
}

fn killed(plan: &ChaosPlan, outcome: &ChaosResult) -> String {
    let workers = match plan.workers {
        1 => "the one worker process".to_owned(),
        several => format!("one of {several} worker processes"),
    };
    format!("{workers}, {}", count_of(outcome.killed.into(), "time"))
}

fn copies(outcome: &ChaosResult) -> String {
    let spoilt = match outcome.spoilt {
        0 => String::new(),
        spoilt => format!(", {spoilt} spoilt by a fault"),
    };
    format!(
        "{}: {} answered{spoilt}, {} lost, {} doubled, {} unexplained",
        outcome.copies,
        outcome.answered,
        outcome.lost.len(),
        outcome.doubled.len(),
        outcome.unexplained.len()
    )
}

fn findings(outcome: &ChaosResult) -> [(&'static str, &Vec<String>); 4] {
    [
        ("lost", &outcome.lost),
        ("doubled", &outcome.doubled),
        ("unexplained", &outcome.unexplained),
        ("a worker ended", &outcome.ended),
    ]
}

/// For programs.
pub fn document(plan: &ChaosPlan, outcome: &ChaosResult, proxied: Option<Proxied>) -> Value {
    json!({
        "name": "rydes chaos",
        "seed": plan.behaviour.seed,
        "rfqs": plan.rfqs,
        "providers": plan.providers.len(),
        "rate": plan.rate,
        "workers": plan.workers,
        "seconds": (outcome.took.as_secs_f64() * 10.0).round() / 10.0,
        "killed": outcome.killed,
        "ended": outcome.ended,
        "requests": proxied.map(|proxied| proxied.counts.requests),
        "failing": proxied.map(|proxied| proxied.share),
        "failed": proxied.map(|proxied| proxied.counts.failed),
        "copies": outcome.copies,
        "answered": outcome.answered,
        "spoilt": outcome.spoilt,
        "lost": outcome.lost,
        "doubled": outcome.doubled,
        "unexplained": outcome.unexplained,
        "redelivered": outcome.redelivered,
        "duplicates": outcome.duplicates,
        "resubmitted": outcome.resubmitted,
    })
}
