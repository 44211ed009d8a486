//! Waits between attempts: exponential with full jitter.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::Result;

/// The upper bound of the first wait.
const FIRST: Duration = Duration::from_millis(200);
/// The upper bound of any wait: a worker finds a restarted backend within 30 s.
const LONGEST: Duration = Duration::from_secs(20);

/// The waits between the attempts of one series of failures.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A random wait up to a bound that doubles with each failure, from 200 ms to 20 s.
    pub fn next_wait(&mut self) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        // A new hash seed is random enough to keep clients apart.
        let random = RandomState::new().hash_one(self.failures);
        most.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX))
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing has failed since the last success.
    pub fn is_calm(&self) -> bool {
        self.failures == 0
    }
}

/// How long [`retry_transient`] tries.
const PERSISTENCE: Duration = Duration::from_secs(15);

/// Retries `work` for 15 s while its errors are transient, so that a failed first request does not end a long run.
///
/// # Errors
/// The first error that is not transient, or the last transient one.
pub async fn retry_transient<T>(mut work: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let until = Instant::now() + PERSISTENCE;
    let mut backoff = Backoff::default();
    loop {
        match work().await {
            Err(error) if error.is_transient() && Instant::now() < until => {
                sleep(backoff.next_wait()).await;
            }
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    #[tokio::test(start_paused = true)]
    async fn what_fails_in_passing_is_tried_for_a_while_and_nothing_else_is() {
        let failing = async |passing: bool, times: u32| {
            let mut calls = 0;
            let tried = retry_transient(async || {
                calls += 1;
                let error = Error::new(Kind::Other, "x");
                match (calls <= times, passing) {
                    (false, _) => Ok(()),
                    (true, true) => Err(error.transient()),
                    (true, false) => Err(error),
                }
            });
            (tried.await.is_ok(), calls)
        };
        assert_eq!(failing(true, 3).await, (true, 4));
        assert_eq!(failing(false, 3).await, (false, 1));
        let began = Instant::now();
        assert!(!failing(true, u32::MAX).await.0);
        assert!((PERSISTENCE..2 * PERSISTENCE + LONGEST).contains(&began.elapsed()));
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let mut backoff = Backoff::default();
        for most in [200, 400, 800, 1_600] {
            assert!(backoff.next_wait() <= Duration::from_millis(most));
        }
        for _ in 0..50 {
            assert!(backoff.next_wait() <= LONGEST);
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
