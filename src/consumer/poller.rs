//! Receives messages: permits before polls, long polls that are never dropped, back-off on errors.
//! A quiet queue has one poll. Some rounds of full receives add another, and the first receive that is
//! not full takes them all away.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Backoff, Message, Source, Trouble, Wait};
use crate::error::{Error, Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// Messages that one receive brings at most.
const MAX_BATCH: usize = 10;
/// Polls of one queue at once.
const MAX_POLLS: usize = 8;
/// Rounds of full receives after which there is one poll more.
const ROUNDS: usize = 8;
/// How long a poll of a busy queue waits for more permits: a receive costs the same for one message
/// as for ten.
const PERMIT_LINGER: Duration = Duration::from_millis(100);

/// A message with the permit that it is handled under.
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) permit: OwnedSemaphorePermit,
    /// When the receive was asked for.
    pub(super) asked: Instant,
}

/// What one poll brought.
struct PollResult {
    permits: Vec<OwnedSemaphorePermit>,
    asked: Instant,
    messages: Result<Vec<Message>>,
}

/// Polls until `stop` reaches [`Stage::Drain`]; hands every message over. The polls under way then are let
/// finish, and what they bring is handed over too. After a receive that was neither full nor empty it
/// takes `poll_pause`.
///
/// # Errors
/// Ends with the first error that will not pass, after the other polls.
pub(super) async fn poll(
    source: &impl Source,
    permits: &Arc<Semaphore>,
    stop: &StopSignal,
    poll_pause: Duration,
    mut dispatch: impl FnMut(Received),
    trouble: &(dyn Fn(Trouble) + Send + Sync),
) -> Result<()> {
    let receive = async |permits: Vec<OwnedSemaphorePermit>, wait: Wait| {
        let asked = Instant::now();
        let messages = source.receive(permits.len(), wait).await;
        PollResult { permits, asked, messages }
    };
    let mut polls = FuturesUnordered::new();
    let mut pace = Pace::new(poll_pause, source.name(), trouble);
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
            taken = take(permits, is_busy), if more && !rests => {
                let is_alone = polls.is_empty() && !stop.has_reached(Stage::ShortPolls);
                let wait = if is_alone { Wait::Long } else { Wait::Short };
                polls.push(receive(taken, wait));
            }
        }
    }
}

/// How a queue is polled just now.
struct Pace<'a> {
    /// The queue.
    name: &'a str,
    /// Where its troubles are reported to.
    trouble: &'a (dyn Fn(Trouble) + Send + Sync),
    /// Polls at once.
    polls: usize,
    /// Full receives in a row with so many polls.
    full: usize,
    backoff: Backoff,
    /// No new poll before this time.
    rest: Instant,
    /// How long it rests after a receive that was neither full nor empty.
    poll_pause: Duration,
}

impl<'a> Pace<'a> {
    fn new(
        poll_pause: Duration,
        name: &'a str,
        trouble: &'a (dyn Fn(Trouble) + Send + Sync),
    ) -> Self {
        let (backoff, rest) = (Backoff::default(), Instant::now());
        Self { name, trouble, polls: 1, full: 0, backoff, rest, poll_pause }
    }

    /// Whether the last receive was full.
    fn is_busy(&self) -> bool {
        self.polls > 1 || self.full > 0
    }

    /// Hands over what a poll brought, and sets the pace by it.
    ///
    /// # Errors
    /// The poll's error, when it will not pass.
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
                    // Several polls of a queue that has run dry would share what comes among them.
                    (self.polls, self.full) = (1, 0);
                } else {
                    self.full += 1;
                    if self.full >= ROUNDS * self.polls && self.polls < MAX_POLLS {
                        (self.polls, self.full) = (self.polls + 1, 0);
                    }
                }
                if (1..permits.len()).contains(&messages.len()) {
                    self.rest = Instant::now() + self.poll_pause;
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
                // Of several polls that failed together the first sets the rest.
                if self.backoff.is_calm() || self.rest <= Instant::now() {
                    self.rest = Instant::now() + self.backoff.next_wait();
                }
                Ok(())
            }
            Err(error) => Err(error),
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

/// Why receives fail, in the same words for every queue that they fail for alike.
fn reason(error: &Error) -> String {
    let causes = error.causes();
    match error.kind() {
        Kind::Unreachable => error.to_string(),
        _ if causes.is_empty() => error.to_string(),
        _ => format!("receiving fails: {}", causes.join(": ")),
    }
}

/// Permits for one receive: at least one, at most ten. Where the queue is busy and there are fewer,
/// some more may come.
async fn take(permits: &Arc<Semaphore>, busy: bool) -> Vec<OwnedSemaphorePermit> {
    let acquire = || Arc::clone(permits).acquire_owned();
    let mut taken = vec![acquire().await.expect("the semaphore is never closed")];
    let enough = async {
        while taken.len() < MAX_BATCH {
            match Arc::clone(permits).try_acquire_owned() {
                Ok(permit) => taken.push(permit),
                Err(_) if busy => {
                    taken.push(acquire().await.expect("the semaphore is never closed"));
                }
                Err(_) => return,
            }
        }
    };
    tokio::select! {
        () = enough => {}
        () = sleep(PERMIT_LINGER) => {}
    }
    taken
}
