//! One provider in depth: the times of its answers, and its reasons.

use std::cmp::Reverse;

use super::histogram;
use crate::core::history::{ProviderRecord, Refusal};
use crate::core::text::printable;
use crate::view::count_of;
use crate::view::figures::share;
use crate::view::table::{Column, cut, lines as drawn, width_of};
use crate::view::tone::{Line, Tone, headed};

/// The most reasons that are shown.
const MOST_REASONS: usize = 10;
/// The least that is left of a reason.
const SHORTEST_REASON: usize = 8;
const TITLES: [Column<'static>; 4] =
    [Column::Right("TIMES"), Column::Right("SHARE"), Column::Left("STATE"), Column::Left("REASON")];
const REASON: usize = 3;

/// The histogram of its answer times, and the table of its reasons. Either may be empty.
pub(super) fn parts(record: &ProviderRecord, width: Option<u16>) -> Vec<Vec<Line>> {
    vec![histogram::lines(&record.times, width), reasons(record, width)]
}

/// Its reasons, the most frequent first.
pub(super) fn frequent(record: &ProviderRecord) -> Vec<(Refusal, &str, u64)> {
    let reasons = record.reasons.iter();
    let reasons = reasons.map(|((refusal, reason), count)| (*refusal, reason.as_str(), *count));
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort_by_key(|(_, _, count)| Reverse(*count));
    reasons
}

fn reasons(record: &ProviderRecord, width: Option<u16>) -> Vec<Line> {
    let all = frequent(record);
    let whole = record.reasons.values().sum::<u64>() + record.other_reasons;
    let shown = &all[..all.len().min(MOST_REASONS)];
    if shown.is_empty() {
        return Vec::new();
    }
    let row = |(refusal, reason, count): &(Refusal, &str, u64)| {
        let (share, word) = (share(*count, whole), refusal.word().to_owned());
        vec![count.to_string(), share, word, printable(reason)]
    };
    let mut rows: Vec<_> = shown.iter().map(row).collect();
    if let Some(width) = width {
        let beside = (0..REASON).map(|at| width_of(TITLES[at].title(), &rows, at) + 2);
        let room = usize::from(width).saturating_sub(beside.sum()).max(SHORTEST_REASON);
        for row in &mut rows {
            row[REASON] = cut(&row[REASON], room);
        }
    }
    let mut lines = headed(drawn(&TITLES, &rows));
    let further = (all.len() - shown.len()) as u64;
    let least = if record.other_reasons > 0 { "more than " } else { "" };
    if further > 0 {
        lines.push(Line::from(format!("and {least}{}", count_of(further, "further reason"))));
    }
    let of_all = format!("SHARE: part of its {whole} declines, failures and receipts");
    lines.extend(Line::new(Tone::Faint, of_all).wrapped(width));
    lines
}
