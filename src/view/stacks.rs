//! The stacks of an account and region.

use serde_json::{Value, json};

use super::table::{Column, cut, lines};
use crate::core::{Timestamp, show_duration};
use crate::stack::StackSummary;

const COLUMNS: [Column<'static>; 5] = [
    Column::Left("STACK"),
    Column::Right("AGE"),
    Column::Right("PROVIDERS"),
    Column::Right("ROWS"),
    Column::Right("DEAD LETTERS"),
];

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
    let rows: Vec<_> = stacks.iter().map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let width = width.map_or(usize::MAX, usize::from);
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
