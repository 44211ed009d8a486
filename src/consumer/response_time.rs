//! How long a backend takes for a request, and so how many are worth having in flight at once.

use tokio::time::Duration;

/// A backend that takes longer for a batch is far away or busy. One that is busy would only let more requests wait for
/// each other: LocalStack under load takes 45 to several hundred milliseconds, SQS and DynamoDB about ten.
const QUICK: Duration = Duration::from_millis(40);
/// What a refused request counts as, however soon it was refused.
const REFUSED: Duration = Duration::from_millis(200);
/// The share of the newest request in the average is one part of this many.
const WEIGHT: u32 = 8;

/// The moving average of the time that requests of one kind take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResponseTime(Option<Duration>);

impl ResponseTime {
    /// A request took this long.
    pub(super) fn took(&mut self, time: Duration) {
        let average = self.0.map_or(time, |before| (before * (WEIGHT - 1) + time) / WEIGHT);
        self.0 = Some(average);
    }

    /// A valid request was refused after this long: there were too many, or the backend is in trouble.
    pub(super) fn was_refused(&mut self, time: Duration) {
        self.took(time.max(REFUSED));
    }

    /// Whether the backend is quick enough for more requests at once; false before the first.
    pub(super) fn is_quick(self) -> bool {
        self.0.is_some_and(|average| average <= QUICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_request_among_quick_ones_does_not_count() {
        let mut time = ResponseTime::default();
        assert!(!time.is_quick(), "nothing is known");
        for _ in 0..3 {
            time.took(Duration::from_millis(10));
        }
        time.took(Duration::from_millis(200));
        assert!(time.is_quick(), "{time:?}");
        for _ in 0..5 {
            time.took(Duration::from_millis(200));
        }
        assert!(!time.is_quick(), "{time:?}");
        for _ in 0..20 {
            time.took(Duration::from_millis(10));
        }
        assert!(time.is_quick(), "{time:?}");
    }

    #[test]
    fn a_backend_that_refuses_at_once_is_not_quick() {
        let mut time = ResponseTime::default();
        time.was_refused(Duration::ZERO);
        assert!(!time.is_quick(), "{time:?}");
        for _ in 0..30 {
            time.took(Duration::from_millis(5));
        }
        assert!(time.is_quick(), "{time:?}");
        time.was_refused(Duration::ZERO);
        assert!(time.is_quick(), "{time:?}");
        time.was_refused(Duration::ZERO);
        assert!(!time.is_quick(), "{time:?}");
    }

    #[test]
    fn a_request_that_fails_after_long_counts_with_all_its_time() {
        let mut time = ResponseTime::default();
        time.took(Duration::from_millis(5));
        time.was_refused(Duration::from_secs(10));
        assert!(!time.is_quick(), "{time:?}");
    }
}
