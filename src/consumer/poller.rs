//! Receives messages. Permits are taken before a poll, so that every message received can be handled. A long poll is
//! never dropped; errors are backed off from. A quiet queue has one poll. Rounds of full receives add polls. The
//! first receive that is not full takes them away; where the backend is quick, the second in a row takes one away.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Backoff, Message, Source, Trouble, Wait};
use crate::error::{Error, Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// The most messages of one receive.
const MAX_BATCH: usize = 10;
/// Polls of one queue at once, unless the backend is quick.
const MAX_POLLS: usize = 8;
/// Rounds of full receives that add a poll.
const ROUNDS: usize = 8;
/// The same where the backend is quick and there are several polls.
const QUICK_ROUNDS: usize = 2;
/// How long a poll of a busy queue waits for more permits. A receive costs the same for one message as for ten.
const PERMIT_LINGER: Duration = Duration::from_millis(100);

/// How a queue is polled.
#[derive(Debug, Clone, Copy)]
pub struct Polling {
    /// The pause after a receive that was neither full nor empty: the next receive brings the more.
    pub pause: Duration,
    /// Polls at once where the backend is quick.
    pub max_quick: usize,
}

/// A message with the permit to handle it.
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) permit: OwnedSemaphorePermit,
    /// When the receive was sent.
    pub(super) asked: Instant,
}

/// What one poll brought.
struct PollResult {
    permits: Vec<OwnedSemaphorePermit>,
    asked: Instant,
    messages: Result<Vec<Message>>,
}

/// Polls until `stop` reaches [`Stage::Drain`], and dispatches every message, also those of polls that are in flight
/// then. `is_quick` tells whether the backend is.
///
/// # Errors
/// The first permanent error, after the other polls.
pub(super) async fn poll(
    source: &impl Source,
    permits: &Arc<Semaphore>,
    stop: &StopSignal,
    polling: Polling,
    is_quick: impl Fn() -> bool + Send + Sync,
    mut dispatch: impl FnMut(Received),
    trouble: &(dyn Fn(Trouble) + Send + Sync),
) -> Result<()> {
    let receive = async |permits: Vec<OwnedSemaphorePermit>, wait: Wait| {
        let asked = Instant::now();
        let messages = source.receive(permits.len(), wait).await;
        PollResult { permits, asked, messages }
    };
    let mut polls = FuturesUnordered::new();
    let mut pace = Pace::new(polling, source.name(), &is_quick, trouble);
    let mut fatal = None;
    loop {
        if stop.has_reached(Stage::Drain) && polls.is_empty() {
            return fatal.map_or(Ok(()), Err);
        }
        let more = !stop.has_reached(Stage::Drain) && polls.len() < pace.polls;
        let (rests, is_busy) = (pace.rest > Instant::now(), pace.is_busy());
        tokio::select! {
            biased;
            Some(polled) = polls.next(), if !polls.is_empty() => {
                if let Err(error) = pace.heed(polled, &mut dispatch) {
                    fatal.get_or_insert(error);
                    stop.reach(Stage::Drain);
                }
            }
            () = stop.reached(Stage::Drain), if !stop.has_reached(Stage::Drain) => {}
            () = sleep_until(pace.rest), if more && rests => {}
            taken = async { if is_busy { take_more(permits).await } else { take(permits).await } },
                if more && !rests => {
                let is_alone = polls.is_empty() && !stop.has_reached(Stage::ShortPolls);
                let wait = if is_alone { Wait::Long } else { Wait::Short };
                polls.push(receive(taken, wait));
            }
        }
    }
}

/// How fast a queue is polled.
struct Pace<'a> {
    name: &'a str,
    is_quick: &'a (dyn Fn() -> bool + Sync),
    trouble: &'a (dyn Fn(Trouble) + Send + Sync),
    /// Polls at once.
    polls: usize,
    /// Full receives since `polls` last changed.
    full: usize,
    /// Whether the last receive was.
    was_full: bool,
    backoff: Backoff,
    /// No new poll before this time.
    rest: Instant,
    polling: Polling,
}

impl<'a> Pace<'a> {
    fn new(
        polling: Polling,
        name: &'a str,
        is_quick: &'a (dyn Fn() -> bool + Sync),
        trouble: &'a (dyn Fn(Trouble) + Send + Sync),
    ) -> Self {
        let (backoff, rest) = (Backoff::default(), Instant::now());
        Self { name, is_quick, trouble, polls: 1, full: 0, was_full: false, backoff, rest, polling }
    }

    /// Whether full receives have come lately, or there are several polls.
    fn is_busy(&self) -> bool {
        self.polls > 1 || self.full > 0
    }

    /// Dispatches what a poll brought, and sets the pace by it.
    ///
    /// # Errors
    /// The poll's error, unless it is transient.
    fn heed(
        &mut self,
        polled: PollResult,
        dispatch: &mut impl FnMut(Received),
    ) -> Result<(), Error> {
        let PollResult { permits, asked, messages } = polled;
        let subject = || self.name.to_owned();
        match messages {
            Ok(messages) => {
                if !self.backoff.is_calm() {
                    (self.trouble)(Trouble::Over { subject: subject() });
                    self.backoff.reset();
                }
                self.count(messages.len() == MAX_BATCH);
                if (1..permits.len()).contains(&messages.len()) {
                    self.rest = Instant::now() + self.polling.pause;
                }
                for (message, permit) in messages.into_iter().zip(permits) {
                    dispatch(Received { message, permit, asked });
                }
                Ok(())
            }
            Err(error) if error.is_transient() => {
                if self.backoff.is_calm() {
                    (self.trouble)(Trouble::Began { subject: subject(), reason: reason(&error) });
                }
                (self.polls, self.full) = (1, 0);
                // The first of several polls that fail together sets the pause.
                if self.backoff.is_calm() || self.rest <= Instant::now() {
                    self.rest = Instant::now() + self.backoff.next_wait();
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Pace<'_> {
    /// Counts a receive. Enough full ones add a poll. Several polls of a queue that runs dry would each bring a few
    /// messages, so those that are not full take polls away. Where the backend is quick, the first of them in a row
    /// takes none away, and each one after it takes one: SQS may bring fewer messages than it has. A single poll has the same pace with every backend: bursts are no backlog.
    fn count(&mut self, is_full: bool) {
        let is_quick = self.polls > 1 && (self.is_quick)();
        let (rounds, most) =
            if is_quick { (QUICK_ROUNDS, self.polling.max_quick) } else { (ROUNDS, MAX_POLLS) };
        self.polls = self.polls.min(most);
        let was_full = mem::replace(&mut self.was_full, is_full);
        if is_full {
            self.full += 1;
            if self.full >= rounds * self.polls {
                (self.polls, self.full) = ((self.polls + 1).min(most), 0);
            }
        } else if !is_quick {
            (self.polls, self.full) = (1, 0);
        } else if !was_full {
            (self.polls, self.full) = ((self.polls - 1).max(1), 0);
        }
    }
}

impl Drop for Pace<'_> {
    fn drop(&mut self) {
        if !self.backoff.is_calm() {
            (self.trouble)(Trouble::Abandoned { subject: self.name.to_owned() });
        }
    }
}

/// Why a receive failed, in words that are the same for every queue with the same problem.
fn reason(error: &Error) -> String {
    let causes = error.causes();
    match error.kind() {
        Kind::Unreachable => error.to_string(),
        _ if causes.is_empty() => error.to_string(),
        _ => format!("receiving fails: {}", causes.join(": ")),
    }
}

/// Permits for one receive: at least one, at most ten, without waiting for more than one.
async fn take(permits: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let mut taken = vec![acquire(permits).await];
    while taken.len() < MAX_BATCH
        && let Ok(permit) = Arc::clone(permits).try_acquire_owned()
    {
        taken.push(permit);
    }
    taken
}

/// The same for a busy queue: where there are fewer than ten, more may come within [`PERMIT_LINGER`].
async fn take_more(permits: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let mut taken = take(permits).await;
    let more = async {
        while taken.len() < MAX_BATCH {
            taken.push(acquire(permits).await);
        }
    };
    // A permit that is waited for then stays with the semaphore.
    _ = timeout(PERMIT_LINGER, more).await;
    taken
}

async fn acquire(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed")
}
