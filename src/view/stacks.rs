//! The stacks of an account and region.

use serde_json::{Value, json};

use super::table::{Column, cut, cut_middle, lines, width_of};
use super::tone::{Line, Tone, headed_with};
use crate::core::{Timestamp, show_duration};
use crate::stack::StackSummary;

const TITLES: [&str; 5] = ["STACK", "AGE", "PROVIDERS", "ROWS", "DEAD LETTERS"];
/// The last title on a narrow terminal.
const DEAD: &str = "DEAD";
/// The least that is left of a name.
const SHORTEST_NAME: usize = 5;

/// The table, its header first; nothing without stacks.
pub fn table(stacks: &[StackSummary], now: Timestamp, width: Option<u16>) -> Vec<Line> {
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
    let width = width.map_or(usize::MAX, usize::from);
    let mut titles = TITLES;
    let numbers = |titles: [&str; 5], rows: &[Vec<String>]| -> usize {
        (1..titles.len()).map(|at| width_of(titles[at], rows, at) + 2).sum()
    };
    if numbers(titles, &rows) + width_of(titles[0], &rows, 0) > width {
        titles[4] = DEAD;
    }
    // When space is short, only the names are cut.
    let room = width.saturating_sub(numbers(titles, &rows)).max(SHORTEST_NAME);
    for row in &mut rows {
        row[0] = cut_middle(&row[0], room);
    }
    let [name, numbers @ ..] = titles;
    let columns: Vec<_> =
        std::iter::once(Column::Left(name)).chain(numbers.map(Column::Right)).collect();
    let has_letters = |stack| dead_letters(stack).is_some_and(|count| count > 0);
    let tones =
        stacks.iter().map(|stack| if has_letters(stack) { Tone::Failed } else { Tone::Plain });
    headed_with(lines(&columns, &rows).iter().map(|line| cut(line, width)).collect(), tones)
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
