//! Ends the gathering of an RFQ now.

use super::quotes::snapshot;
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::{RfqId, Timestamp};
use crate::error::{Error, Result};

const ATTEMPTS: usize = 4;

/// Closes an RFQ. Returns its state then, and the time of closing if this call closed it: an RFQ that is over stays
/// as it is. `None` when it does not exist.
pub async fn close(aws: &Aws, id: &RfqId) -> Result<Option<(Gathering, Option<Timestamp>)>> {
    let mut tried = Vec::new();
    loop {
        let Some(gathering) = snapshot(aws, id, None).await? else { return Ok(None) };
        if gathering.completed_by.is_some() {
            // Another process has ended it, or an attempt of this call whose confirmation was lost.
            let closed = gathering.request.closed_at.filter(|at| tried.contains(at));
            return Ok(Some((gathering, closed)));
        }
        if tried.len() == ATTEMPTS {
            return Err(Error::other("the RFQ could not be closed; it is still open"));
        }
        // Each attempt has its own time, so that none undoes what was gathered in between.
        let at = gathering.closing_time(Timestamp::now());
        match aws.table().close(id, at).await {
            Err(error) if !error.is_transient() || tried.len() + 1 == ATTEMPTS => {
                return Err(error);
            }
            Ok(()) | Err(_) => tried.push(at),
        }
    }
}
