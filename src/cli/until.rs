//! `--until`: the conditions of a request and of a wait, as they were typed.

use std::time::Duration;

use crate::core::{Condition, Until};
use crate::error::{Error, Result};
use crate::flow::draft::UNTIL_MAX;

/// Fails when there are more conditions than a request may have.
pub(super) fn check_until(until: &[Until]) -> Result<()> {
    if until.len() <= UNTIL_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("`--until`: at most {UNTIL_MAX} conditions")))
}

/// The conditions that are stored with a request. A stall belongs to one wait alone.
pub(super) fn stored(until: &[Until]) -> Vec<Condition> {
    let conditions = until.iter().filter_map(|until| match until {
        Until::Complete(condition) => Some(condition.clone()),
        Until::Stall(_) => None,
    });
    conditions.collect()
}

/// The shortest stall among the conditions of a wait.
pub(super) fn shortest_stall(until: &[Until]) -> Option<Duration> {
    let stalls = until.iter().filter_map(|until| match until {
        Until::Stall(stall) => Some(*stall),
        Until::Complete(_) => None,
    });
    stalls.min()
}
