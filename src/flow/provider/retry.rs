//! When a failed attempt is followed by another.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::core::Timestamp;

/// Attempts at one request. The redrive policy of the queue allows more receives.
const ATTEMPTS: u32 = 5;
/// The wait after the first attempt, on average; it doubles with each.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait that a provider may ask for.
pub(super) const LONGEST: Duration = Duration::from_mins(1);

/// The wait after failed attempt number `attempt` (counted from 1): 0.2, 0.4, 0.8, 1.6 s, half of it more or less at
/// random, but at least `not_before`, up to a minute. `None` if no attempt may follow: there were five, or the next
/// would begin after the deadline, or `not_before` is after it.
pub(super) fn wait_after(
    attempt: u32,
    not_before: Duration,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    // A new hash seed is random enough to keep workers apart.
    let random = RandomState::new().hash_one(attempt) >> 32;
    let share = f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX);
    let usual = (FIRST * 2_u32.pow(attempt.saturating_sub(1))).mul_f64(0.5 + share);
    let is_in_time = |wait| deadline.is_none_or(|deadline| now.plus(wait) <= deadline);
    let wait = usual.max(not_before.min(LONGEST));
    (is_in_time(wait) && is_in_time(not_before)).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW + millis).expect("in range")
    }

    fn wait(attempt: u32, not_before: Duration, deadline: Option<i64>) -> Option<Duration> {
        wait_after(attempt, not_before, deadline.map(at), at(0))
    }

    #[test]
    fn waits_double_and_are_half_random_and_five_attempts_are_all() {
        for (attempt, usual) in [(1, 200), (2, 400), (3, 800), (4, 1_600)] {
            let waits = (0..200).map(|_| wait(attempt, Duration::ZERO, None).expect("a wait"));
            let waits: Vec<_> = waits.map(|wait| wait.as_millis()).collect();
            assert!(
                waits.iter().all(|wait| (usual / 2..=usual * 3 / 2).contains(wait)),
                "{waits:?}"
            );
            let (least, most) = (waits.iter().min(), waits.iter().max());
            assert!(least < Some(&(usual * 3 / 4)) && most > Some(&(usual * 5 / 4)), "{waits:?}");
        }
        assert_eq!(wait(5, Duration::ZERO, None), None);
        assert_eq!(wait(u32::MAX, Duration::ZERO, None), None);
    }

    #[test]
    fn a_provider_may_ask_for_a_longer_wait_up_to_a_minute() {
        assert_eq!(wait(1, Duration::from_secs(7), None), Some(Duration::from_secs(7)));
        assert_eq!(wait(1, Duration::from_hours(1), None), Some(LONGEST));
        assert!(wait(4, Duration::from_millis(1), None) >= Some(Duration::from_millis(800)));
    }

    #[test]
    fn none_begins_after_the_deadline() {
        assert_eq!(wait(1, Duration::ZERO, Some(99)), None);
        assert!(wait(1, Duration::ZERO, Some(300)).is_some());
        assert_eq!(wait(1, Duration::from_secs(7), Some(6_999)), None);
        assert_eq!(wait(1, Duration::from_secs(7), Some(7_000)), Some(Duration::from_secs(7)));
        let (longer, hour) = (Duration::from_secs(90), Duration::from_hours(1));
        assert_eq!(wait(1, longer, Some(100_000)), Some(LONGEST));
        assert_eq!(wait(1, hour, Some(100_000)), None, "it asks for more than there is");
    }
}
