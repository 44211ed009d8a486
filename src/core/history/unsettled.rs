//! Gatherings whose late answers may still be on their way.

use std::time::Duration;

use crate::core::aggregate::aggregate;
use crate::core::{Responder, Rows, Timestamp};

/// How long after the end of a gathering late answers are awaited.
const AWAITED: Duration = Duration::from_mins(10);

/// Whether an expected provider has no row, and the end was less than 10 minutes before the rows were read.
pub fn is_unsettled(rows: &Rows, read_at: Timestamp) -> bool {
    let request = &rows.request;
    let (Some(expected), Some(deadline)) = (&request.expected, request.deadline) else {
        return false;
    };
    let is_recent = |end: Timestamp| read_at < end.plus(AWAITED);
    let has_row = |name: &Responder| rows.answers.iter().any(|row| row.responder == *name);
    // No end is after the deadline.
    if !is_recent(deadline) || expected.iter().all(has_row) {
        return false;
    }
    is_recent(aggregate(rows, read_at, None).ended_at().unwrap_or(deadline))
}
