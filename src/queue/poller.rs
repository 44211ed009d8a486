//! Receives messages: permits before polls, long polls that are never dropped, back-off on errors.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::{Backoff, Ending, Message, Source, Trouble};
use crate::error::Result;

/// Messages that one receive brings at most.
const MAX_BATCH: usize = 10;

/// A message with the permit that it is handled under.
pub(super) struct Delivery {
    pub(super) message: Message,
    pub(super) permit: OwnedSemaphorePermit,
    /// When the receive was asked for.
    pub(super) since: Instant,
}

/// Polls until the `ending` begins; hands every message over. The poll under way then is let
/// finish, and what it brings is handed over too.
///
/// # Errors
/// Ends with the first error that will not pass.
pub(super) async fn poll(
    source: &impl Source,
    permits: &Arc<Semaphore>,
    ending: &Ending,
    mut hand_over: impl FnMut(Delivery),
    trouble: &(dyn Fn(Trouble) + Send + Sync),
) -> Result<()> {
    let mut backoff = Backoff::default();
    while let Some(mut taken) = take(permits, ending).await {
        let since = Instant::now();
        match source.receive(taken.len()).await {
            Ok(messages) => {
                if !backoff.is_calm() {
                    trouble(Trouble::Over { subject: source.name().to_owned() });
                    backoff.reset();
                }
                for message in messages {
                    let Some(permit) = taken.pop() else { break };
                    hand_over(Delivery { message, permit, since });
                }
            }
            Err(error) if error.is_transient() => {
                if backoff.is_calm() {
                    let subject = source.name().to_owned();
                    trouble(Trouble::Began { subject, reason: error.to_string() });
                }
                drop(taken);
                tokio::select! {
                    () = sleep(backoff.next_wait()) => {}
                    () = ending.begins() => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Permits for one receive: at least one, at most ten; `None` once the end has begun.
async fn take(permits: &Arc<Semaphore>, ending: &Ending) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = ending.begins() => return None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok()?,
    };
    let mut taken = vec![first];
    while taken.len() < MAX_BATCH
        && let Ok(permit) = Arc::clone(permits).try_acquire_owned()
    {
        taken.push(permit);
    }
    Some(taken)
}
