//! What a handler holds of its message beside the text: the seat that it takes among those in hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Message;
use super::lease::LeaseProbe;

/// The room for messages of one queue that made way, counted in messages of up to a KiB. It is far below the
/// 120,000 messages that SQS allows in flight per queue, and holds ten MiB of bodies at most.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub(super) const WAITING: usize = 10_000;
/// Each so many bytes of a body take the room of one more message.
const UNIT: usize = 1_024;

/// A message's seat. Clones are the same seat, which is free when the last of them is gone.
#[derive(Debug, Clone)]
pub struct Seat(Arc<SeatState>);

#[derive(Debug)]
struct SeatState {
    now: Mutex<Now>,
    waiting: Arc<Semaphore>,
    /// How much room it needs there.
    size: u32,
    lease: LeaseProbe,
    /// Notified when it makes way.
    made_way: Notify,
}

/// What a message takes at the moment.
#[derive(Debug)]
struct Now {
    /// One of the permits of those that are worked on, or room among those that wait.
    _permit: OwnedSemaphorePermit,
    /// Until when it waits.
    until: Option<Instant>,
}

impl Seat {
    /// The seat of `message`, which takes this permit and may wait among those others.
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

    /// Lets another message be received in its seat, since this one only waits for `wait` and is finished
    /// soon after. It stays hidden meanwhile. False where too many wait already: then it keeps its seat.
    /// A consumer that stops gives it back at once if the drain is shorter than the wait.
    #[must_use]
    pub fn make_way(&self, wait: Duration) -> bool {
        let Ok(room) = Arc::clone(&self.0.waiting).try_acquire_many_owned(self.0.size) else {
            return false;
        };
        *self.now() = Now { _permit: room, until: Some(Instant::now() + wait) };
        self.0.made_way.notify_one();
        true
    }

    /// Returns when it has made way to wait beyond this time.
    pub(super) async fn waits_beyond(&self, time: Instant) {
        while self.now().until.is_none_or(|until| until <= time) {
            self.0.made_way.notified().await;
        }
    }

    /// Whether the message may be in another receiver's hand: its visibility ran out before it could be
    /// extended, as happens where a process is stopped for a while.
    pub fn has_lapsed(&self) -> bool {
        self.0.lease.has_lapsed()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
