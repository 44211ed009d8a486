//! The stacks of an account and region.

use serde_json::{Value, json};

use super::table::{Column, cut, cut_middle, lines, width_of};
use crate::core::{Timestamp, show_duration};
use crate::stack::StackSummary;

const TITLES: [&str; 5] = ["STACK", "AGE", "PROVIDERS", "ROWS", "DEAD LETTERS"];
const COLUMNS: [Column<'static>; 5] = [
    Column::Left(TITLES[0]),
    Column::Right(TITLES[1]),
    Column::Right(TITLES[2]),
    Column::Right(TITLES[3]),
    Column::Right(TITLES[4]),
];
/// The least that is left of a name.
const SHORTEST_NAME: usize = 5;

/// The table, its header first; nothing without stacks.
pub fn table(stacks: &[StackSummary], now: Timestamp, width: Option<u16>) -> Vec<String> {
    let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let row = |stack: &StackSummary| {
        let age = stack.made_at.map(|at| show_duration(now.saturating_since(at)));
        vec![
            stack.name.to_string(),
            age.unwrap_or_else(|| "-".to_owned()),
            shown(stack.providers.map(|providers| providers as u64)),
            shown(stack.rows),
            shown(dead_letters(stack)),
        ]
    };
    let mut rows: Vec<_> = stacks.iter().map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let Some(width) = width.map(usize::from) else { return lines(&COLUMNS, &rows) };
    // When space is short, only the names are cut.
    let numbers: usize = (1..COLUMNS.len()).map(|at| width_of(TITLES[at], &rows, at) + 2).sum();
    for row in &mut rows {
        row[0] = cut_middle(&row[0], width.saturating_sub(numbers).max(SHORTEST_NAME));
    }
    lines(&COLUMNS, &rows).iter().map(|line| cut(line, width)).collect()
}

fn dead_letters(stack: &StackSummary) -> Option<u64> {
    let counts = [stack.dead_requests, stack.dead_replies];
    counts.iter().any(Option::is_some).then(|| counts.into_iter().flatten().sum())
}

/// A stack for programs.
pub fn document(stack: &StackSummary) -> Value {
    json!({
        "stack": stack.name.as_str(),
        "account": stack.account,
        "made-at": stack.made_at,
        "providers": stack.providers,
        "rows": stack.rows,
        "dead-letters": {"requests": stack.dead_requests, "responses": stack.dead_replies},
    })
}
