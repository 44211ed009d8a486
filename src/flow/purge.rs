//! Deletes dead letters for good: those that were counted before, and no others.
//!
//! SQS's `PurgeQueue` is no substitute. It also deletes letters that arrive after the count, and it does not say how
//! many it deleted: a letter could be lost in silence.

use std::collections::HashSet;

use super::letters::LetterKind;
use crate::aws::{Aws, DeadLetter, Queue};
use crate::error::{Error, Result};
use crate::shutdown::{Stage, StopSignal};

/// Letters per receive.
const AT_ONCE: usize = 10;
/// The purge of a queue ends after this many receives in a row without a new letter.
const MOST_STALE: u32 = 3;

/// The letters of one queue that are to be deleted.
#[derive(Debug, Clone)]
pub struct Counted {
    pub kind: LetterKind,
    pub ids: HashSet<String>,
    /// About how many letters other receivers hid from the count.
    pub hidden: u64,
}

/// What a purge has done so far.
#[derive(Debug, Default)]
pub struct Purged {
    pub requests: u64,
    pub replies: u64,
    /// Ids of letters that SQS did not delete, each with the reason.
    pub refused: Vec<(String, String)>,
}

impl Purged {
    pub fn count(&self) -> u64 {
        self.requests + self.replies
    }
}

/// Counts the letters of both queues: all that are there, or those with these ids.
///
/// # Errors
/// Any error of a request.
pub async fn count(aws: &Aws, chosen: Option<&HashSet<String>>) -> Result<[Counted; 2]> {
    let count = async |kind: LetterKind| {
        let queue = kind.queue(aws).await?;
        let held = queue.counts().await?.total();
        let mut seen = HashSet::new();
        // Only the ids are kept: the bodies of a full queue may not fit into memory.
        let note = |letter: &DeadLetter| {
            seen.insert(letter.id.clone());
            false
        };
        queue.chosen_letters(usize::MAX, note).await?;
        let unseen = held.saturating_sub(seen.len() as u64);
        let hidden = match chosen {
            None if unseen > 0 => unseen.min(queue.counts().await?.in_flight),
            _ => 0,
        };
        seen.retain(|id| chosen.is_none_or(|chosen| chosen.contains(id)));
        Ok::<_, Error>(Counted { kind, ids: seen, hidden })
    };
    let [requests, replies] = LetterKind::ALL;
    // A count that was broken off would leave its letters hidden.
    let (requests, replies) = tokio::join!(count(requests), count(replies));
    Ok([requests?, replies?])
}

/// Deletes what was counted, until all is done or until `stop`. `purged` holds what was done, also after an error.
///
/// # Errors
/// Any error of a request. Letters in hand then come back by themselves.
pub async fn purge(
    aws: &Aws,
    counted: [Counted; 2],
    stop: &StopSignal,
    purged: &mut Purged,
) -> Result<()> {
    for Counted { kind, ids, .. } in counted {
        if !ids.is_empty() {
            QueuePurge { kind, queue: kind.queue(aws).await?, left: ids }.run(stop, purged).await?;
        }
    }
    Ok(())
}

struct QueuePurge {
    kind: LetterKind,
    queue: Queue,
    /// Ids of letters that are neither deleted nor refused.
    left: HashSet<String>,
}

impl QueuePurge {
    async fn run(&mut self, stop: &StopSignal, purged: &mut Purged) -> Result<()> {
        let (mut seen, mut kept, mut stale) = (HashSet::new(), Vec::new(), 0);
        while !self.left.is_empty() && !stop.has_reached(Stage::Drain) && stale < MOST_STALE {
            let received = self.queue.receive_letters(AT_ONCE).await?;
            if received.is_empty() {
                break;
            }
            let before = seen.len();
            seen.extend(received.iter().map(|held| held.letter.id.clone()));
            stale = if seen.len() == before { stale + 1 } else { 0 };
            let (counted, others): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|held| self.left.contains(&held.letter.id));
            kept.extend(others.into_iter().map(|held| held.receipt));
            let counted = counted.into_iter().map(|held| (held.letter.id, held.receipt));
            kept.extend(self.delete(counted.collect(), purged).await?);
        }
        self.queue.release_letters(&kept).await
    }

    /// Deletes letters by id and receipt handle. Returns the receipt handles of those that SQS refused to delete.
    async fn delete(
        &mut self,
        letters: Vec<(String, String)>,
        purged: &mut Purged,
    ) -> Result<Vec<String>> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, receipts): (Vec<_>, Vec<_>) = letters.into_iter().unzip();
        let results = self.queue.delete(&receipts).await?;
        let mut kept = Vec::new();
        for ((id, receipt), result) in ids.into_iter().zip(receipts).zip(results) {
            self.left.remove(&id);
            match (result, self.kind) {
                (Ok(()), LetterKind::Requests) => purged.requests += 1,
                (Ok(()), LetterKind::Replies) => purged.replies += 1,
                (Err(refusal), _) => {
                    purged.refused.push((id, refusal.to_string()));
                    kept.push(receipt);
                }
            }
        }
        Ok(kept)
    }
}
