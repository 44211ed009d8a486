//! Turns results into text and JSON. Prints nothing.

pub mod advise;
pub(crate) mod amount;
pub(crate) mod bench;
pub(crate) mod chaos;
pub mod clock;
mod csv;
pub mod details;
pub(crate) mod events;
mod figures;
pub(crate) mod findings;
pub mod history;
pub(crate) mod json_text;
mod legend;
pub(crate) mod letter;
pub(crate) mod letters;
mod names;
pub mod otlp;
pub(crate) mod owner;
pub(crate) mod page;
pub mod picture;
pub(crate) mod prose;
pub mod quotes;
pub(crate) mod replayed;
pub mod report;
pub(crate) mod served;
pub(crate) mod setup;
pub(crate) mod stacks;
pub mod status;
pub(crate) mod subscriptions;
pub(crate) mod table;
pub mod template;
#[cfg(test)]
mod tests;
pub mod tone;
pub mod trace;
pub(crate) mod usage;
pub(crate) mod verify;
pub mod workers;

/// `1 row`, `2 rows`, `2 replies`.
pub(crate) fn count_of(number: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if number == 1 => format!("{number} {what}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{number} {stem}ies"),
        _ => format!("{number} {what}s"),
    }
}
