//! The leases of messages in flight, and a memory of finished messages. One task extends leases before they run out,
//! in batches. A message that has left the records is never extended, and a redelivered one is not handled again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{LastFew, Source};
use crate::error::Permanence;

const MAX_BATCH: usize = 10;
const MAX_IN_FLIGHT: usize = 4;
/// The wait before a failed extension is retried.
const RETRY: Duration = Duration::from_secs(1);
/// Finished messages to remember: half a minute's at 300 a second. A delivery can lag its delete by that long.
const FINISHED: usize = 10_000;

/// The leases of one queue. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leases(Arc<LeaseTable>);

#[derive(Debug)]
struct LeaseTable {
    visibility: Duration,
    records: Mutex<LeaseRecords>,
    changed: Notify,
    /// Notified when a batch of extensions has ended.
    extended: Notify,
    seeds: [RandomState; 2],
}

#[derive(Debug)]
struct LeaseRecords {
    leases: HashMap<Key, Lease>,
    /// When the next extension is due; `None` without any.
    next_look: Option<Instant>,
    finished: LastFew<Key>,
}

/// A message's id, hashed to 128 bits: collisions are negligible.
type Key = u128;

#[derive(Debug)]
struct Lease {
    /// The newest receipt handle.
    receipt: String,
    due: Instant,
    /// When its visibility runs out. Then another receiver may have the message: only a new delivery brings it
    /// back, not an extension.
    until: Instant,
    extending: bool,
    /// Whether it is about to leave the records: no further extension may begin.
    leaving: bool,
}

#[derive(Debug)]
pub(super) enum Acquired {
    /// A message that was not in flight before.
    New(LeaseGuard),
    /// One that is in flight already; the new receipt handle replaces the old one.
    AlreadyHeld,
    /// One that was finished lately.
    Finished,
}

/// Keeps a message in flight, with its lease extended, until this is dropped.
#[derive(Debug)]
pub(super) struct LeaseGuard {
    key: Key,
    leases: Leases,
    /// Whether the drop still has to take it out of the records.
    open: bool,
}

impl LeaseGuard {
    /// Finishes the message, so that a later delivery is not handled again. Returns its newest receipt handle.
    pub(super) fn finish(mut self) -> Option<String> {
        self.open = false;
        let mut records = self.leases.records();
        records.finished.insert(self.key);
        records.leases.remove(&self.key).map(|lease| lease.receipt)
    }

    pub(super) fn watch(&self) -> LeaseProbe {
        LeaseProbe { key: self.key, leases: self.leases.clone() }
    }

    /// Takes the message out of the records to be given back. Returns its newest receipt handle once no extension is in
    /// flight, since that could overtake the release. `None` if the visibility has run out: another receiver may
    /// have the message.
    pub(super) async fn give_up(mut self) -> Option<String> {
        loop {
            // Created before the check, so that a notification in between is not missed.
            let leases = self.leases.clone();
            let extended = leases.0.extended.notified();
            {
                let mut records = leases.records();
                match records.leases.get_mut(&self.key) {
                    Some(lease) if lease.extending => lease.leaving = true,
                    _ => {
                        self.open = false;
                        let lease = records.leases.remove(&self.key)?;
                        return (!lease.has_lapsed()).then_some(lease.receipt);
                    }
                }
            }
            extended.await;
        }
    }
}

/// Reads a lease without keeping it.
#[derive(Debug)]
pub(super) struct LeaseProbe {
    key: Key,
    leases: Leases,
}

impl LeaseProbe {
    pub(super) fn has_lapsed(&self) -> bool {
        self.leases.records().leases.get(&self.key).is_some_and(Lease::has_lapsed)
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
            self.leases.records().leases.remove(&self.key);
        }
    }
}

impl Leases {
    /// `visibility` is how long the queue hides a message.
    pub(super) fn new(visibility: Duration) -> Self {
        Self(Arc::new(LeaseTable {
            visibility,
            records: Mutex::new(LeaseRecords {
                leases: HashMap::new(),
                next_look: None,
                finished: LastFew::new(FINISHED),
            }),
            changed: Notify::new(),
            extended: Notify::new(),
            seeds: [RandomState::new(), RandomState::new()],
        }))
    }

    /// Records a delivery, unless its message is there or was lately. `asked` is when the receive began.
    pub(super) fn take(&self, id: &str, receipt: &str, asked: Instant) -> Acquired {
        let [high, low] = &self.0.seeds;
        let key = Key::from(high.hash_one(id)) << 64 | Key::from(low.hash_one(id));
        // The visibility began to run at `asked` at the earliest, but a long poll may have waited since then. So
        // the extension is due after half the visibility at the earliest. That is soon enough unless the answer
        // took the other half to arrive.
        let now = Instant::now();
        let due = self.due(asked).max(now + self.0.visibility / 2);
        let until = now + self.0.visibility;
        let mut records = self.records();
        if records.finished.contains(&key) {
            return Acquired::Finished;
        }
        if let Some(lease) = records.leases.get_mut(&key) {
            receipt.clone_into(&mut lease.receipt);
            (lease.due, lease.until) = (due, until);
            return Acquired::AlreadyHeld;
        }
        let receipt = receipt.to_owned();
        records.leases.insert(key, Lease { receipt, due, until, extending: false, leaving: false });
        if records.next_look.is_none_or(|look| due < look) {
            self.0.changed.notify_one();
        }
        drop(records);
        Acquired::New(LeaseGuard { key, leases: self.clone(), open: true })
    }

    /// Extends leases as they fall due, for ever.
    pub(super) async fn keep(&self, source: impl Source) {
        loop {
            let next = {
                let mut records = self.records();
                let staying = records.leases.values().filter(|lease| !lease.leaving);
                records.next_look = staying.map(|lease| lease.due).min();
                records.next_look
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
        let due: Vec<_> = self.records().leases.iter().filter_map(due).collect();
        // Several batches at once, so that a slow one does not let the others run out.
        let batches = stream::iter(due.chunks(MAX_BATCH).map(<[Key]>::to_vec));
        batches.for_each_concurrent(MAX_IN_FLIGHT, |keys| self.extend(source, keys)).await;
    }

    async fn extend(&self, source: &impl Source, keys: Vec<Key>) {
        let batch: Vec<(Key, String)> = {
            let mut records = self.records();
            let taken = keys.into_iter().filter_map(|key| {
                let lease = records.leases.get_mut(&key)?;
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

    fn settle(
        &self,
        batch: &[(Key, String)],
        results: &[Result<(), super::Refusal>],
        began: Instant,
    ) {
        let mut records = self.records();
        for (position, (key, receipt)) in batch.iter().enumerate() {
            let Some(lease) = records.leases.get_mut(key) else { continue };
            lease.extending = false;
            if lease.receipt != *receipt {
                // It was delivered again meanwhile: the newer receipt handle has its own times.
                continue;
            }
            match results.get(position) {
                Some(Ok(())) => {
                    lease.due = self.due(began);
                    // After a late confirmation, the extension may have come too late.
                    if !lease.has_lapsed() {
                        lease.until = began + self.0.visibility;
                    }
                }
                // The receipt handle is no longer valid, so a further extension would be useless. The message
                // stays in the records, so that a new delivery is not handled a second time.
                Some(Err(refusal)) if refusal.permanence == Permanence::Permanent => {
                    lease.due = began + Duration::from_hours(24);
                    lease.until = lease.until.min(began);
                }
                Some(Err(_)) | None => lease.due = began + RETRY.min(self.0.visibility / 4),
            }
        }
        drop(records);
        self.0.extended.notify_waiters();
    }

    /// An extension is due after two thirds of the visibility.
    fn due(&self, since: Instant) -> Instant {
        since + self.0.visibility * 2 / 3
    }

    fn records(&self) -> MutexGuard<'_, LeaseRecords> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
