//! What is to be said, as text and JSON. Prints nothing.

pub mod account;
pub mod bench;
pub mod chaos;
pub mod letters;
mod names;
pub mod page;
pub mod picture;
pub mod quotes;
pub mod setup;
pub mod status;
pub mod subscriptions;
pub mod table;
pub mod trace;
pub mod verify;
pub mod workers;

/// `1 row`, `2 rows`.
pub fn count_of(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
