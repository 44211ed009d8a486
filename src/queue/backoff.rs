//! Waits between attempts: exponential with full jitter.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait of all.
const LONGEST: Duration = Duration::from_secs(30);

/// The waits of one series of failures.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: anything from nothing to twice as much as before, 30 s at the most.
    pub fn next_wait(&mut self) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        // A process-wide random seed hashed with nothing: enough to keep clients apart.
        let random = RandomState::new().hash_one(self.failures);
        most.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX))
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether there was no failure since the last success.
    pub fn is_calm(&self) -> bool {
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
