//! A report on past gatherings: sentences and tables for people, a document and CSV for programs.

mod depth;
mod document;
mod histogram;
mod sentences;
mod spreadsheet;
mod table;

pub use self::document::{document, lines as jsonl};
pub use self::spreadsheet::csv;

use std::cmp::Reverse;

use super::clock::Clock;
use super::history::{left_out, nothing};
use super::names::{follow, range};
use super::tone::Line;
use crate::core::history::{ProviderRecord, Report};
use crate::core::text::printable;
use crate::core::{Responder, all_nearest};
use crate::flow::history::Coverage;

/// The most similar names that a hint offers.
const MOST_NEAR: usize = 3;
/// The most names and ranges of names that a hint lists.
const MOST_LISTED: usize = 10;

/// The report in lines of at most this width: on all providers, or in depth on one of them.
pub fn lines(report: &Report, coverage: &Coverage, clock: &Clock, width: Option<u16>) -> Vec<Line> {
    let left_out = left_out(coverage, width).into_iter().map(Line::from);
    if report.rfqs == 0 {
        let nothing = Line::from(nothing(coverage).to_owned());
        return nothing.wrapped(width).chain(left_out).collect();
    }
    let one = report.in_depth.as_ref();
    let one = one.and_then(|name| report.providers.get_key_value(name));
    let sentences = match one {
        Some((name, record)) => sentences::provider(name, record, report, clock),
        None => sentences::stack(report, clock),
    };
    let sentences = sentences.iter().flat_map(|line| line.wrapped(width));
    let mut all: Vec<Line> = sentences.chain(left_out).collect();
    let parts = match one {
        Some((_, record)) => depth::parts(record, width),
        None => vec![table::lines(&ranked(report), width)],
    };
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        all.push(Line::default());
        all.extend(part);
    }
    all
}

/// The providers of the report, the one with the most best quotes first; in depth, that one alone.
fn ranked(report: &Report) -> Vec<(&Responder, &ProviderRecord)> {
    let is_shown = |name: &Responder| report.in_depth.as_ref().is_none_or(|one| one == name);
    let mut ranked: Vec<_> = report.providers.iter().filter(|(name, _)| is_shown(name)).collect();
    ranked.sort_by_key(|(_, record)| Reverse(record.best));
    ranked
}

/// The problem, and a hint, where the report is in depth on a provider that no RFQ asked.
pub fn unasked(report: &Report) -> Option<(String, String)> {
    let name = report.in_depth.as_ref().filter(|_| report.rfqs > 0)?;
    if report.providers.contains_key(name) {
        return None;
    }
    let problem = format!("no RFQ in this report asked provider `{}`", printable(name.as_str()));
    let asked: Vec<_> = report.providers.keys().collect();
    let near = all_nearest(name.as_str(), asked.iter().map(|name| name.as_str()));
    let quoted = |name: &&str| format!("`{}`", printable(name));
    let mut near: Vec<_> = near.iter().take(MOST_NEAR).map(quoted).collect();
    let hint = match (near.pop(), asked.is_empty()) {
        (Some(last), _) if near.is_empty() => format!("write {last}"),
        (Some(last), _) => format!("write {} or {last}", near.join(", ")),
        (None, true) => "no RFQ in this report says which providers it asked".to_owned(),
        (None, false) => format!("providers that were asked: {}", listed(&asked)),
    };
    Some((problem, hint))
}

/// Names, and ranges of names that follow each other: `acme, UnicornManagementResource1..9`.
fn listed(names: &[&Responder]) -> String {
    let groups = names.chunk_by(|first, second| follow(first, second));
    let written = |group: &[&Responder]| match group {
        [first, .., last] => range(first, last),
        [only] => printable(only.as_str()),
        [] => String::new(),
    };
    let all: Vec<_> = groups.map(written).collect();
    let further = all.len().saturating_sub(MOST_LISTED);
    let listed = all[..all.len() - further].join(", ");
    if further > 0 { format!("{listed} and {further} more") } else { listed }
}
