//! How one submission behaves beside others of the same id. An accepted submission keeps its row; no
//! other submission can remove it, in any order and from any process.
//!
//! A row carries the mark of the submission that wrote it. A submission that finds the id taken takes
//! the mark off before anything else. A submission whose publish is refused removes its row only while
//! the row still carries its own mark: then no other submission has gone by that row, and none will.

use crate::aws::{Adopted, Forgotten, Recorded, RequestInsert};
use crate::consumer::Effect;
use crate::core::RequestRow;
use crate::core::text::printable;
use crate::error::{Error, Result};

/// How often the id may be found taken and its row gone a moment later.
const TRIES: u32 = 2;

/// A request that is out, or that may be.
#[derive(Debug)]
pub enum Scattered {
    /// The topic has taken it.
    Published(RequestRow),
    /// It had been published before, and every expected provider has a row.
    Answered(RequestRow),
    /// It is not known how far it came; a row that was written stays, so that it can be submitted again.
    Unknown(Error),
}

/// Where rows and messages go.
pub(super) trait RfqStore: Sync {
    /// Writes the row if the id is new.
    fn record(
        &self,
        insert: &RequestInsert,
    ) -> impl Future<Output = Result<Recorded, (Error, Effect)>> + Send;

    /// Takes the mark off a row that another submission has written.
    fn adopt(&self, insert: &RequestInsert) -> impl Future<Output = Result<Adopted>> + Send;

    /// Whether every expected provider has a row.
    fn has_all_answers(&self, row: &RequestRow) -> impl Future<Output = Result<bool>> + Send;

    /// Publishes the message of a row.
    fn publish(&self, row: &RequestRow)
    -> impl Future<Output = Result<(), (Error, Effect)>> + Send;

    /// Removes a row that still carries the mark of this submission.
    fn forget(&self, insert: &RequestInsert) -> impl Future<Output = Result<Forgotten>> + Send;
}

/// Records a request, then publishes it. `check` says whether a row that is there already belongs to
/// the same request.
///
/// # Errors
/// When the row or the message was refused, and what became of the row; what `check` says.
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
    let row = match &claim {
        Claim::Own => &insert.row,
        Claim::Shared(stored) => {
            check(stored)?;
            match backend.has_all_answers(stored).await {
                Ok(true) => return Ok(Scattered::Answered((**stored).clone())),
                Ok(false) => stored,
                Err(error) => return Ok(unpublished(error)),
            }
        }
    };
    match backend.publish(row).await {
        Ok(()) => Ok(Scattered::Published(row.clone())),
        Err((error, Effect::Possible)) => Ok(unpublished(error)),
        Err((error, Effect::Excluded)) => Err(match claim {
            Claim::Own => withdrawn(error, row, backend.forget(&insert).await),
            Claim::Shared(_) => {
                refused(error, row, "was kept, because another submission wrote it")
            }
        }),
    }
}

/// A row to go by.
enum Claim {
    /// This submission wrote it, and may remove it as long as it carries its mark.
    Own,
    /// Another submission wrote it; it stays.
    Shared(Box<RequestRow>),
}

/// Writes the row, or finds the one that is there.
async fn claim(backend: &impl RfqStore, insert: &RequestInsert) -> Result<Claim, (Error, Effect)> {
    for _ in 0..TRIES {
        match backend.record(insert).await? {
            Recorded::New => return Ok(Claim::Own),
            Recorded::Taken => {}
        }
        // The row may be our own, and its confirmation lost.
        match backend.adopt(insert).await.map_err(|error| (error, Effect::Possible))? {
            Adopted::Own => return Ok(Claim::Own),
            Adopted::Other(stored) => return Ok(Claim::Shared(stored)),
            Adopted::Gone => {}
        }
    }
    let id = &insert.row.id;
    let message = format!("other submissions of RFQ {id} keep being refused; nothing was sent");
    Err((Error::other(message), Effect::Excluded))
}

/// The row is there, the message may be.
fn unpublished(error: Error) -> Scattered {
    let message = "the request may or may not have been published; its row was kept";
    Scattered::Unknown(Error::other(message).because(error))
}

/// The error of a publish that was refused, with what became of the row that was written for it.
fn withdrawn(error: Error, row: &RequestRow, forgotten: Result<Forgotten>) -> Error {
    match forgotten {
        Ok(Forgotten::Removed) => error,
        Ok(Forgotten::Kept) => {
            refused(error, row, "was kept, because another submission has found it")
        }
        Err(second) => refused(error, row, &format!("could not be removed: {second}")),
    }
}

fn refused(error: Error, row: &RequestRow, became: &str) -> Error {
    let id = printable(row.id.as_str());
    error.within(format!("the topic refused the request; its row {id} {became}"))
}

#[cfg(test)]
mod tests;
