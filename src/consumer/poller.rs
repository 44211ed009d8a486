//! Receives messages. Permits are taken before a poll, so that every message received can be handled. A long poll is
//! never dropped; errors are backed off from. A quiet queue has one poll. Rounds of full receives add polls. The
//! first receive that is not full takes them away, or just one of them where receives take a short time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::response_time::ResponseTime;
use super::{Backoff, Message, Source, Trouble, Wait};
use crate::error::{Error, Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// The most messages of one receive.
const MAX_BATCH: usize = 10;
/// Polls of one queue at once, unless receives take a short time.
const MAX_POLLS: usize = 8;
/// Rounds of full receives that add a poll.
const ROUNDS: usize = 8;
/// The same where receives take a short time.
const QUICK_ROUNDS: usize = 2;
/// How long a poll of a busy queue waits for more permits. A receive costs the same for one message as for ten.
const PERMIT_LINGER: Duration = Duration::from_millis(100);

/// How a queue is polled.
#[derive(Debug, Clone, Copy)]
pub struct Polling {
    /// The pause after a receive that was neither full nor empty: the next receive brings the more.
    pub pause: Duration,
    /// Polls at once where receives take a short time.
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
/// then.
///
/// # Errors
/// The first permanent error, after the other polls.
pub(super) async fn poll(
    source: &impl Source,
    permits: &Arc<Semaphore>,
    stop: &StopSignal,
    polling: Polling,
    mut dispatch: impl FnMut(Received),
    trouble: &(dyn Fn(Trouble) + Send + Sync),
) -> Result<()> {
    let receive = async |permits: Vec<OwnedSemaphorePermit>, wait: Wait| {
        let asked = Instant::now();
        let messages = source.receive(permits.len(), wait).await;
        PollResult { permits, asked, messages }
    };
    let mut polls = FuturesUnordered::new();
    let mut pace = Pace::new(polling, source.name(), trouble);
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
    trouble: &'a (dyn Fn(Trouble) + Send + Sync),
    /// Polls at once.
    polls: usize,
    /// Full receives in a row since `polls` last changed.
    full: usize,
    /// Of receives from a queue with more messages than one receive brings.
    response_time: ResponseTime,
    backoff: Backoff,
    /// No new poll before this time.
    rest: Instant,
    polling: Polling,
}

impl<'a> Pace<'a> {
    fn new(polling: Polling, name: &'a str, trouble: &'a (dyn Fn(Trouble) + Send + Sync)) -> Self {
        let (backoff, rest) = (Backoff::default(), Instant::now());
        let response_time = ResponseTime::default();
        Self { name, trouble, polls: 1, full: 0, response_time, backoff, rest, polling }
    }

    /// Whether the last receive was full.
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
                if messages.len() < MAX_BATCH {
                    // Several polls of a queue that runs dry would each bring a few messages.
                    let left = if self.response_time.is_short() { self.polls - 1 } else { 1 };
                    (self.polls, self.full) = (left.max(1), 0);
                } else {
                    self.was_full(asked.elapsed());
                }
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
    /// Counts a full receive, which took this long. Enough of them add a poll.
    fn was_full(&mut self, took: Duration) {
        // One that follows others did not wait for messages.
        if self.is_busy() {
            self.response_time.took(took);
        }
        self.full += 1;
        let (rounds, most) = if self.response_time.is_short() {
            (QUICK_ROUNDS, self.polling.max_quick)
        } else {
            (ROUNDS, MAX_POLLS)
        };
        if self.full >= rounds * self.polls {
            (self.polls, self.full) = ((self.polls + 1).min(most), 0);
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
