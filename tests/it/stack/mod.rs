//! `setup`, `providers`, `teardown` and what every command has in common, through the program
//! against a real LocalStack.

mod check;
mod cloudformation;
mod completing;
mod endpoint;
mod environment;
mod foreign;
mod plan;
mod providers;
mod recipients;
pub(crate) mod resources;
mod retention;
mod screens;
mod stacks;
mod status;
mod status_check;
mod subscriptions;
mod teardown;
mod usage;
mod widths;

use crate::support::{document, says};

/// The STATE column of a table: what stands after two or more spaces at the end of each row.
fn states(table: &str) -> Vec<&str> {
    table.lines().skip(1).map(|row| row.rsplit("  ").next().unwrap_or_default().trim()).collect()
}
