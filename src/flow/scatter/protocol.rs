//! Concurrent submissions of one id, from any process and in any order. An accepted submission keeps its row: no
//! other submission can remove it.
//!
//! A row carries the mark of the submission that wrote it. If a submission finds the id taken, it first takes the
//! mark off. A submission whose publish was refused removes its row only while the row carries its own mark: then
//! no other submission relies on that row, now or later.

use crate::aws::{Adopted, Forgotten, Recorded, RequestInsert};
use crate::consumer::Effect;
use crate::core::RequestRow;
use crate::core::text::printable;
use crate::error::{Error, Result};

/// Attempts to claim an id. One fails if the id is taken, but its row is gone a moment later.
const TRIES: u32 = 2;

/// A submission that was not refused.
#[derive(Debug)]
pub enum Scattered {
    /// The topic accepted it.
    Published(RequestRow),
    /// It was published before, and every expected provider has a row.
    Answered(RequestRow),
    /// Its row or its message may or may not exist. An existing row stays, so that it can be submitted again.
    Unknown(Error),
}

/// Table and topic, as a submission needs them.
pub(super) trait RfqStore: Sync {
    /// Writes the row if the id is new.
    fn record(
        &self,
        insert: &RequestInsert,
    ) -> impl Future<Output = Result<Recorded, (Error, Effect)>> + Send;

    /// Takes the mark off a row that another submission has written.
    fn adopt(&self, insert: &RequestInsert) -> impl Future<Output = Result<Adopted>> + Send;

    fn has_all_answers(&self, row: &RequestRow) -> impl Future<Output = Result<bool>> + Send;

    fn publish(&self, row: &RequestRow)
    -> impl Future<Output = Result<(), (Error, Effect)>> + Send;

    /// Removes a row that still carries the mark of this submission.
    fn forget(&self, insert: &RequestInsert) -> impl Future<Output = Result<Forgotten>> + Send;
}

/// Records a request, then publishes it. `check` fails if an existing row belongs to another request.
///
/// # Errors
/// When the row or the message was refused, with what became of the row; the error of `check`.
pub(super) async fn submit(
    backend: &impl RfqStore,
    insert: RequestInsert,
    check: impl FnOnce(&RequestRow) -> Result<()>,
) -> Result<Scattered> {
    let claim = match claim(backend, &insert).await {
        Ok(claim) => claim,
        Err((error, Effect::Possible)) => {
            let message = "the request may or may not have been written; it was not published";
            return Ok(Scattered::Unknown(Error::other(message).because(error)));
        }
        Err((error, Effect::Excluded)) => return Err(error),
    };
    if let Claim::Shared(stored) = claim {
        check(&stored)?;
        return publish_stored(backend, *stored).await;
    }
    match backend.publish(&insert.row).await {
        Ok(()) => Ok(Scattered::Published(insert.row)),
        Err((error, Effect::Possible)) => Ok(unpublished(error)),
        Err((error, Effect::Excluded)) => {
            Err(withdrawn(error, &insert.row, backend.forget(&insert).await))
        }
    }
}

/// Publishes a request that has a row, unless every expected provider has answered it. `None` if the id has no row.
///
/// # Errors
/// When the row could not be read, or the message was refused; the error of `check`.
pub(super) async fn submit_stored(
    backend: &impl RfqStore,
    insert: &RequestInsert,
    check: impl FnOnce(&RequestRow) -> Result<()>,
) -> Result<Option<Scattered>> {
    match backend.adopt(insert).await? {
        Adopted::Own | Adopted::Gone => Ok(None),
        Adopted::Other(stored) => {
            check(&stored)?;
            publish_stored(backend, *stored).await.map(Some)
        }
    }
}

/// Publishes the row of another submission, unless every expected provider has answered it.
async fn publish_stored(backend: &impl RfqStore, stored: RequestRow) -> Result<Scattered> {
    match backend.has_all_answers(&stored).await {
        Ok(true) => return Ok(Scattered::Answered(stored)),
        Ok(false) => {}
        Err(error) => return Ok(unpublished(error)),
    }
    match backend.publish(&stored).await {
        Ok(()) => Ok(Scattered::Published(stored)),
        Err((error, Effect::Possible)) => Ok(unpublished(error)),
        Err((error, Effect::Excluded)) => {
            Err(refused(error, &stored, "was kept, because another submission wrote it"))
        }
    }
}

/// The row that a submission uses.
enum Claim {
    /// This submission wrote it, and may remove it while the row carries its mark.
    Own,
    /// Another submission wrote it; it stays.
    Shared(Box<RequestRow>),
}

/// Writes the row, or adopts an existing one.
async fn claim(backend: &impl RfqStore, insert: &RequestInsert) -> Result<Claim, (Error, Effect)> {
    for _ in 0..TRIES {
        match backend.record(insert).await? {
            Recorded::New => return Ok(Claim::Own),
            Recorded::Taken => {}
        }
        // The row may be this submission's own, if the confirmation was lost.
        match backend.adopt(insert).await.map_err(|error| (error, Effect::Possible))? {
            Adopted::Own => return Ok(Claim::Own),
            Adopted::Other(stored) => return Ok(Claim::Shared(stored)),
            Adopted::Gone => {}
        }
    }
    let id = &insert.row.id;
    let message = format!("concurrent submissions of RFQ {id} keep failing; nothing was sent");
    Err((Error::other(message), Effect::Excluded))
}

/// The row exists; the message may or may not.
fn unpublished(error: Error) -> Scattered {
    let message = "the request may or may not have been published; its row was kept";
    Scattered::Unknown(Error::other(message).because(error))
}

/// The error of a refused publish, with what became of its row.
fn withdrawn(error: Error, row: &RequestRow, forgotten: Result<Forgotten>) -> Error {
    match forgotten {
        Ok(Forgotten::Removed) => error,
        Ok(Forgotten::Kept) => refused(error, row, "was kept, because another submission uses it"),
        Err(second) => refused(error, row, &format!("could not be removed: {second}")),
    }
}

fn refused(error: Error, row: &RequestRow, became: &str) -> Error {
    let id = printable(row.id.as_str());
    error.within(format!("the topic refused the request; its row {id} {became}"))
}

#[cfg(test)]
mod tests;
