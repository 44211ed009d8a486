//! `setup`, `providers`, `teardown` and what every command has in common, through the program
//! against a real LocalStack.

mod completing;
mod endpoint;
mod environment;
mod foreign;
mod plan;
mod providers;
pub(crate) mod resources;
mod screens;
mod status;
mod subscriptions;
mod teardown;
mod usage;

use serde_json::Value;

use crate::support::Ran;

/// The one JSON document on stdout.
#[track_caller]
fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).expect("one JSON document")
}

/// Whether stderr holds this text.
#[track_caller]
pub fn says(ran: &Ran, text: &str) {
    assert!(ran.stderr.contains(text), "{text:?} is not in:\n{}", ran.stderr);
}

/// The STATE column of a table: what stands after two or more spaces at the end of each row.
fn states(table: &str) -> Vec<&str> {
    table.lines().skip(1).map(|row| row.rsplit("  ").next().unwrap_or_default().trim()).collect()
}
