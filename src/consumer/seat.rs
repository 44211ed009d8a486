//! Seats: the room that a message in hand takes. A message that only waits can make way for another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Message;
use super::lease::LeaseProbe;

/// Room for one queue's waiting messages, in units: 10 MiB of bodies. SQS allows 120,000 messages in flight.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub(super) const WAITING: usize = 10_000;
/// Bytes of a body per unit of room; each message takes one unit more.
const UNIT: usize = 1_024;

/// A message's seat. Clones are the same seat, which is free once the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Seat(Arc<SeatState>);

#[derive(Debug)]
struct SeatState {
    now: Mutex<Now>,
    waiting: Arc<Semaphore>,
    /// Units of room in `waiting`.
    size: u32,
    lease: LeaseProbe,
    made_way: Notify,
}

#[derive(Debug)]
struct Now {
    /// For work, or for room among those that wait.
    _permit: OwnedSemaphorePermit,
    /// The end of its wait; `None` before it makes way.
    until: Option<Instant>,
}

impl Seat {
    /// A seat with `permit`; [`Seat::make_way`] exchanges that for room in `waiting`.
    pub(super) fn new(
        message: &Message,
        permit: OwnedSemaphorePermit,
        waiting: &Arc<Semaphore>,
        lease: LeaseProbe,
    ) -> Self {
        let size = u32::try_from(1 + message.body.len() / UNIT).unwrap_or(u32::MAX);
        let now = Mutex::new(Now { _permit: permit, until: None });
        let (waiting, made_way) = (Arc::clone(waiting), Notify::new());
        Self(Arc::new(SeatState { now, waiting, size, lease, made_way }))
    }

    /// Lets another message be received while this one only waits for `wait`; it stays hidden meanwhile. False if
    /// too many wait already: then it keeps its seat. A consumer that stops gives the message back at once if the
    /// drain is shorter than the wait.
    #[must_use]
    pub fn make_way(&self, wait: Duration) -> bool {
        let Ok(room) = Arc::clone(&self.0.waiting).try_acquire_many_owned(self.0.size) else {
            return false;
        };
        *self.now() = Now { _permit: room, until: Some(Instant::now() + wait) };
        self.0.made_way.notify_one();
        true
    }

    /// Returns once it has made way for a wait beyond `time`.
    pub(super) async fn waits_beyond(&self, time: Instant) {
        while self.now().until.is_none_or(|until| until <= time) {
            self.0.made_way.notified().await;
        }
    }

    /// Whether another receiver may hold the message: its visibility ran out, as when the process was suspended.
    pub fn has_lapsed(&self) -> bool {
        self.0.lease.has_lapsed()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
