//! What is in hand, and what was a moment ago. Received messages are kept hidden while they are in
//! hand: one task extends what is about to run out, in batches; what leaves the hand is never
//! extended again. A message that is delivered again is not handled again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{LastFew, Source};
use crate::error::Permanence;

/// Entries that one extension holds.
const MAX_BATCH: usize = 10;
/// Extensions under way at once.
const MAX_IN_FLIGHT: usize = 4;
/// How soon an extension that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Messages that are remembered after they were finished: at 300 a second all of the last half
/// minute, which is the longest that a delivery before the delete can be behind.
const FINISHED: usize = 10_000;

/// The messages of one queue that are in hand or were lately. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leases(Arc<LeaseTable>);

#[derive(Debug)]
struct LeaseTable {
    visibility: Duration,
    hand: Mutex<LeaseRecords>,
    changed: Notify,
    /// Told when extensions have come back.
    extended: Notify,
    seeds: [RandomState; 2],
}

#[derive(Debug)]
struct LeaseRecords {
    leases: HashMap<Key, Lease>,
    /// When the next look at them is due; `None` while there is nothing to look at.
    next_look: Option<Instant>,
    finished: LastFew<Key>,
}

/// A message's id, hashed to 128 bits: two that fall together do not come.
type Key = u128;

#[derive(Debug)]
struct Lease {
    /// The handle of the newest delivery.
    receipt: String,
    /// When to extend it.
    due: Instant,
    /// When its visibility runs out. Once it has, an extension does not bring the message back: another
    /// receiver may have it. A new delivery does.
    until: Instant,
    /// Whether an extension is under way.
    extending: bool,
    /// Whether it is to leave the hand, so that no other extension may begin.
    leaving: bool,
}

/// What a delivery is.
#[derive(Debug)]
pub(super) enum Acquired {
    /// A message that is not in hand: now it is.
    New(LeaseGuard),
    /// One that is in hand already; the new handle counts from now on.
    AlreadyHeld,
    /// One that was finished a moment ago.
    Finished,
}

/// A message in hand: it is extended until this is dropped.
#[derive(Debug)]
pub(super) struct LeaseGuard {
    key: Key,
    leases: Leases,
    /// Whether it still has to leave the hand.
    open: bool,
}

impl LeaseGuard {
    /// The message is done with: a later delivery is not handled again. Returns the newest handle.
    pub(super) fn finish(mut self) -> Option<String> {
        self.open = false;
        let mut hand = self.leases.hand();
        hand.finished.insert(self.key);
        hand.leases.remove(&self.key).map(|lease| lease.receipt)
    }

    /// Looks after the lease without keeping it.
    pub(super) fn watch(&self) -> LeaseProbe {
        LeaseProbe { key: self.key, leases: self.leases.clone() }
    }

    /// The message is to be given back. Returns its newest handle once no extension is under way,
    /// which could overtake what gives it back; `None` when its visibility has run out: there is nothing
    /// to give back then but what another receiver may have.
    pub(super) async fn give_up(mut self) -> Option<String> {
        loop {
            // Asked for before the look, so that what happens in between is not missed.
            let leases = self.leases.clone();
            let extended = leases.0.extended.notified();
            {
                let mut hand = leases.hand();
                match hand.leases.get_mut(&self.key) {
                    Some(lease) if lease.extending => lease.leaving = true,
                    _ => {
                        self.open = false;
                        let lease = hand.leases.remove(&self.key)?;
                        return (!lease.has_lapsed()).then_some(lease.receipt);
                    }
                }
            }
            extended.await;
        }
    }
}

/// A look at a lease, for as long as the message is in hand.
#[derive(Debug)]
pub(super) struct LeaseProbe {
    key: Key,
    leases: Leases,
}

impl LeaseProbe {
    /// Whether the visibility of the message has run out.
    pub(super) fn has_lapsed(&self) -> bool {
        self.leases.hand().leases.get(&self.key).is_some_and(Lease::has_lapsed)
    }
}

impl Lease {
    fn has_lapsed(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if self.open {
            self.leases.hand().leases.remove(&self.key);
        }
    }
}

impl Leases {
    /// Nothing is in hand. `visibility` is how long the queue hides a message.
    pub(super) fn new(visibility: Duration) -> Self {
        Self(Arc::new(LeaseTable {
            visibility,
            hand: Mutex::new(LeaseRecords {
                leases: HashMap::new(),
                next_look: None,
                finished: LastFew::new(FINISHED),
            }),
            changed: Notify::new(),
            extended: Notify::new(),
            seeds: [RandomState::new(), RandomState::new()],
        }))
    }

    /// Takes a delivery in hand, unless it is there or was lately. `asked` is when the receive was
    /// asked for.
    pub(super) fn take(&self, id: &str, receipt: &str, asked: Instant) -> Acquired {
        let [high, low] = &self.0.seeds;
        let key = Key::from(high.hash_one(id)) << 64 | Key::from(low.hash_one(id));
        // Its visibility began to run when the receive was asked for at the earliest. But a long poll
        // may have waited for it all that time: half the visibility is left at least, unless the
        // answer took the other half to travel.
        let now = Instant::now();
        let due = self.due(asked).max(now + self.0.visibility / 2);
        let until = now + self.0.visibility;
        let mut hand = self.hand();
        if hand.finished.contains(&key) {
            return Acquired::Finished;
        }
        if let Some(lease) = hand.leases.get_mut(&key) {
            receipt.clone_into(&mut lease.receipt);
            (lease.due, lease.until) = (due, until);
            return Acquired::AlreadyHeld;
        }
        let receipt = receipt.to_owned();
        hand.leases.insert(key, Lease { receipt, due, until, extending: false, leaving: false });
        if hand.next_look.is_none_or(|look| due < look) {
            self.0.changed.notify_one();
        }
        drop(hand);
        Acquired::New(LeaseGuard { key, leases: self.clone(), open: true })
    }

    /// Extends what is due, for ever.
    pub(super) async fn keep(&self, source: impl Source) {
        loop {
            let next = {
                let mut hand = self.hand();
                let staying = hand.leases.values().filter(|lease| !lease.leaving);
                hand.next_look = staying.map(|lease| lease.due).min();
                hand.next_look
            };
            match next {
                None => self.0.changed.notified().await,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => self.extend_due(&source).await,
                    () = self.0.changed.notified() => {}
                },
            }
        }
    }

    async fn extend_due(&self, source: &impl Source) {
        let now = Instant::now();
        let due =
            |(key, lease): (&Key, &Lease)| (lease.due <= now && !lease.leaving).then_some(*key);
        let due: Vec<_> = self.hand().leases.iter().filter_map(due).collect();
        // A few at a time, so that one that takes long does not let the others run out.
        let batches = stream::iter(due.chunks(MAX_BATCH).map(<[Key]>::to_vec));
        batches.for_each_concurrent(MAX_IN_FLIGHT, |keys| self.extend(source, keys)).await;
    }

    /// Extends those that are still in hand.
    async fn extend(&self, source: &impl Source, keys: Vec<Key>) {
        let batch: Vec<(Key, String)> = {
            let mut hand = self.hand();
            let taken = keys.into_iter().filter_map(|key| {
                let lease = hand.leases.get_mut(&key)?;
                lease.extending = true;
                Some((key, lease.receipt.clone()))
            });
            taken.collect()
        };
        if batch.is_empty() {
            return;
        }
        let receipts: Vec<_> = batch.iter().map(|(_, receipt)| receipt.clone()).collect();
        let began = Instant::now();
        let results = source.extend(&receipts).await;
        self.settle(&batch, results.as_ref().map_or(&[][..], Vec::as_slice), began);
    }

    /// Notes what became of an extension that began then.
    fn settle(
        &self,
        batch: &[(Key, String)],
        results: &[Result<(), super::Refusal>],
        began: Instant,
    ) {
        let mut hand = self.hand();
        for (position, (key, receipt)) in batch.iter().enumerate() {
            let Some(lease) = hand.leases.get_mut(key) else { continue };
            lease.extending = false;
            if lease.receipt != *receipt {
                // It was delivered again in the meantime: the newer handle has its own time.
                continue;
            }
            match results.get(position) {
                Some(Ok(())) => {
                    lease.due = self.due(began);
                    // Confirmed in time, or else it may have come too late.
                    if !lease.has_lapsed() {
                        lease.until = began + self.0.visibility;
                    }
                }
                // The delivery is not ours any more: extending it again would change nothing. It
                // stays in hand, so that it is not begun again when it comes again.
                Some(Err(refusal)) if refusal.permanence == Permanence::Permanent => {
                    lease.due = began + Duration::from_hours(24);
                    lease.until = lease.until.min(began);
                }
                Some(Err(_)) | None => lease.due = began + RETRY.min(self.0.visibility / 4),
            }
        }
        drop(hand);
        self.0.extended.notify_waiters();
    }

    /// Two thirds of the visibility are used up before it is extended.
    fn due(&self, since: Instant) -> Instant {
        since + self.0.visibility * 2 / 3
    }

    fn hand(&self) -> MutexGuard<'_, LeaseRecords> {
        self.0.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
