//! Keeps received messages hidden while they are in hand. One task extends what is about to run
//! out, in batches; what leaves the table is never extended again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Lasting, Source};

/// Entries that one extension holds.
const MAX_BATCH: usize = 10;
/// How soon an extension that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The table of leases of one queue. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leases(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    visibility: Duration,
    table: Mutex<HashMap<u64, Lease>>,
    changed: Notify,
}

#[derive(Debug)]
struct Lease {
    receipt: String,
    /// When to extend it.
    due: Instant,
}

/// A message's lease: it is extended until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    key: u64,
    leases: Leases,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leases.table().remove(&self.key);
    }
}

impl Leases {
    /// An empty table. `visibility` is how long the queue hides a message.
    pub(super) fn new(visibility: Duration) -> Self {
        let table = Mutex::default();
        Self(Arc::new(Shared { visibility, table, changed: Notify::new() }))
    }

    /// Takes a delivery into the table. `since` is when the receive was asked for, which is when
    /// its visibility began to run at the earliest. `key` tells deliveries apart.
    pub(super) fn hold(&self, key: u64, receipt: &str, since: Instant) -> Held {
        let lease = Lease { receipt: receipt.to_owned(), due: self.due(since) };
        self.table().insert(key, lease);
        self.0.changed.notify_one();
        Held { key, leases: self.clone() }
    }

    /// Extends what is due, for ever.
    pub(super) async fn keep(&self, source: impl Source) {
        loop {
            let next = self.table().values().map(|lease| lease.due).min();
            match next {
                None => self.0.changed.notified().await,
                Some(due) => {
                    tokio::select! {
                        () = sleep_until(due) => self.extend_due(&source).await,
                        () = self.0.changed.notified() => {}
                    }
                }
            }
        }
    }

    async fn extend_due(&self, source: &impl Source) {
        let now = Instant::now();
        let due: Vec<(u64, String)> = self
            .table()
            .iter()
            .filter(|(_, lease)| lease.due <= now)
            .map(|(key, lease)| (*key, lease.receipt.clone()))
            .collect();
        for batch in due.chunks(MAX_BATCH) {
            let receipts: Vec<_> = batch.iter().map(|(_, receipt)| receipt.clone()).collect();
            let began = Instant::now();
            let results = source.extend(&receipts).await;
            let mut table = self.table();
            for (position, (key, _)) in batch.iter().enumerate() {
                let result = results.as_ref().ok().and_then(|results| results.get(position));
                match result {
                    Some(Ok(())) => {
                        if let Some(lease) = table.get_mut(key) {
                            lease.due = self.due(began);
                        }
                    }
                    // The delivery is not ours any more: extending it again would change nothing.
                    Some(Err(refusal)) if refusal.lasting == Lasting::Permanent => {
                        table.remove(key);
                    }
                    Some(Err(_)) | None => {
                        if let Some(lease) = table.get_mut(key) {
                            lease.due = began + RETRY.min(self.0.visibility / 4);
                        }
                    }
                }
            }
        }
    }

    /// Two thirds of the visibility are used up before it is extended.
    fn due(&self, since: Instant) -> Instant {
        since + self.0.visibility * 2 / 3
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u64, Lease>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
