//! Waits for resources that were made a moment ago and that AWS does not show yet. Only this module waits for
//! them: elsewhere a missing resource counts as not set up.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::queue_state::{self, QueueState};
use super::{Change, OnWait, Untagged, Waiting};
use crate::aws::Aws;
use crate::core::STACK_TAG;
use crate::error::{Error, Kind, Result};

/// How long a new resource may take to show. AWS documents 1 s for a queue, and no bound for the rest.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(30);
/// A shorter wait is not reported.
pub(super) const WORTH_A_WORD: Duration = Duration::from_secs(1);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a resource that another run has just made may show without its tag, or not at all.
pub(super) fn moment(aws: &Aws) -> Duration {
    Duration::from_secs(if aws.is_real() { 15 } else { 1 })
}

/// Where a resource comes from. One that this run has made may not show yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Found,
    Made,
}

impl From<&Change> for Origin {
    fn from(change: &Change) -> Self {
        match change {
            Change::Created => Self::Made,
            Change::Kept | Change::Changed(_) => Self::Found,
        }
    }
}

/// The result of a look for a new resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen<T> {
    Shown(T),
    /// This does not show yet: `queue x`, `2 subscriptions`.
    Missing(String),
}

impl<T> Seen<T> {
    /// The outcome of a request about `what`: `NotSetUp` means that `what` does not show yet.
    pub(super) fn of(outcome: Result<T>, what: &str) -> Result<Self> {
        match outcome {
            Ok(shown) => Ok(Self::Shown(shown)),
            Err(error) if error.kind() == Kind::NotSetUp => Ok(Self::Missing(what.to_owned())),
            Err(error) => Err(error),
        }
    }
}

/// Looks for up to [`SHOWS_WITHIN`], until the new resource shows. The time begins after the first look, because a
/// look that creates a queue may first wait for its name.
pub(super) async fn until_shown<T>(
    on_wait: OnWait<'_>,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let mut began = None;
    loop {
        let seen = look().await?;
        let waited = began.get_or_insert_with(Instant::now).elapsed();
        match seen {
            Seen::Shown(shown) => return Ok(shown),
            Seen::Missing(what) if waited >= SHOWS_WITHIN => return Err(overdue(&what)),
            Seen::Missing(what) => on_wait(Waiting::Shows(what)),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Looks at a resource that another run may have made. If it lacks the stack's tag and would be refused for that,
/// looks again for a [`moment`].
pub(super) async fn look_twice<T>(
    aws: &Aws,
    untagged: Untagged,
    on_wait: OnWait<'_>,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
    tags: impl Fn(&T) -> &HashMap<String, String>,
) -> Result<Option<T>> {
    let began = Instant::now();
    loop {
        let is_last = began.elapsed() >= moment(aws);
        let found = look().await?;
        let lacks_tag = found.as_ref().is_some_and(|found| !tags(found).contains_key(STACK_TAG));
        let is_refused = lacks_tag && untagged == Untagged::Refuse;
        if is_last || !is_refused {
            return Ok(found);
        }
        if moment(aws) > WORTH_A_WORD {
            on_wait(Waiting::Trace);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// [`look_twice`] for a queue.
pub(super) async fn look_at_queue(
    aws: &Aws,
    name: &str,
    untagged: Untagged,
    on_wait: OnWait<'_>,
) -> Result<Option<QueueState>> {
    let look = async || queue_state::look(aws, name).await;
    look_twice(aws, untagged, on_wait, look, |found| &found.tags).await
}

pub(super) fn overdue(what: &str) -> Error {
    let limit = SHOWS_WITHIN.as_secs();
    Error::other(format!("made, but not visible after {limit} s: {what}"))
        .hint("run the command again in a minute: it keeps what exists")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Waits for a resource that shows after this many looks. Returns the result, the reports and the time.
    async fn told(looks: usize) -> (Result<usize>, Vec<Waiting>, Duration) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let on_wait = move |waiting| heard.lock().expect("no panic").push(waiting);
        let began = Instant::now();
        let mut look = 0;
        let shown = until_shown(&on_wait, async || {
            look += 1;
            Ok(if look > looks { Seen::Shown(look) } else { Seen::Missing("queue q".to_owned()) })
        });
        let shown = shown.await;
        let said = said.lock().expect("no panic").clone();
        (shown, said, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_shows_at_once_is_not_waited_for() {
        let (shown, said, took) = told(0).await;
        assert_eq!((shown.expect("it shows"), said, took), (1, vec![], Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_shows_late_is_waited_for_with_a_word() {
        let (shown, said, took) = told(3).await;
        assert_eq!(shown.expect("it shows"), 4);
        assert_eq!(said, vec![Waiting::Shows("queue q".to_owned()); 3]);
        assert_eq!(took, 3 * LOOK_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_shows_is_named() {
        let (shown, said, took) = told(usize::MAX).await;
        let error = shown.expect_err("it does not show");
        assert_eq!(error.to_string(), "made, but not visible after 30 s: queue q");
        assert_eq!((error.exit_code(), took), (1, SHOWS_WITHIN));
        assert_eq!(said.len(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_look_that_takes_long_takes_nothing_of_the_time() {
        let mut looks = 0;
        let shown = until_shown(&|_| {}, async || {
            looks += 1;
            if looks == 1 {
                sleep(Duration::from_secs(75)).await;
            }
            Ok(if looks > 3 { Seen::Shown(looks) } else { Seen::Missing("queue q".to_owned()) })
        });
        assert_eq!(shown.await.expect("it shows"), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_is_not_waited_for() {
        let on_wait = |waiting| panic!("{waiting:?}");
        let refused =
            until_shown(&on_wait, async || Seen::<()>::of(Err(Error::other("refused")), "queue q"));
        assert_eq!(refused.await.expect_err("it is refused").to_string(), "refused");
    }
}
