//! Batched sends to one queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::task::TaskTracker;

use super::queue::{MAX_BATCH, Outgoing, Queue};
use crate::consumer::{Batcher, Limits};
use crate::shutdown::StopSignal;

/// Bytes of one batch.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const BATCH_BYTES: usize = 1_048_576;
/// How long a message waits for the next one: an RFQ reaches its providers in quick succession.
const LINGER: Duration = Duration::from_millis(4);
/// How long a message waits while other batches are in flight.
const MAX_WAIT: Duration = Duration::from_millis(100);
const MAX_IN_FLIGHT: usize = 4;
/// The same where the backend is quick.
const MAX_QUICK_IN_FLIGHT: usize = 16;
const ATTEMPTS: u32 = 5;

impl Queue {
    /// A batcher on `tasks` that sends to this queue. Once `stop` drains, batches leave without waiting.
    pub fn batch_sender(&self, tasks: &TaskTracker, stop: &StopSignal) -> Batcher<Outgoing, ()> {
        let queue = Arc::new(self.clone());
        Batcher::start(tasks, limits(), stop.clone(), Outgoing::size, move |batch| {
            let queue = Arc::clone(&queue);
            async move { queue.send(&batch).await }.boxed()
        })
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        count: MAX_BATCH,
        bytes: BATCH_BYTES,
        linger: LINGER,
        max_wait: MAX_WAIT,
        max_in_flight: MAX_IN_FLIGHT,
        max_quick_in_flight: MAX_QUICK_IN_FLIGHT,
        attempts: ATTEMPTS,
    }
}
