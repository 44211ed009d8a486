//! Points in time and durations, as the contract writes them.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Serialize, Serializer};

/// A point in time, to the millisecond, in UTC. Written `2026-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A time in milliseconds since the epoch; `None` outside the years -9999 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis).ok().map(|_| Self(millis))
    }

    /// The system clock's time, clamped to the range of a [`Timestamp`].
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    fn of(time: SystemTime) -> Self {
        let millis = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let millis = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        };
        let earliest = jiff::Timestamp::MIN.as_second() * 1_000;
        Self(millis.clamp(earliest, Self::latest()))
    }

    /// The latest time that can be written, in milliseconds since the epoch.
    fn latest() -> i64 {
        jiff::Timestamp::MAX.as_second() * 1_000
    }

    /// Reads RFC 3339; `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        // jiff reads the last millisecond of its range but cannot write it.
        text.parse::<jiff::Timestamp>()
            .ok()
            .and_then(|time| Self::from_millis(time.as_millisecond()))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This much later, at most the latest time that can be written.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis).min(Self::latest()))
    }

    /// This time as a clock shows it that is `fast` milliseconds fast; negative means slow.
    #[must_use]
    pub fn by_clock(self, fast: i64) -> Self {
        Self::from_millis(self.0.saturating_add(fast)).unwrap_or(self)
    }

    /// How many milliseconds this is after `earlier`; negative when it is before.
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The time left from `now` until this; zero when it has passed.
    pub fn saturating_since(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - now.0).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Nothing here takes longer than a day.
const LONGEST: Duration = Duration::from_hours(24);

/// Reads a duration such as `15s`, `250ms` or `1m 30s`. A number without a unit is seconds.
///
/// # Errors
/// Says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let is_number = text.contains(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let with_unit = if is_number { format!("{text}s") } else { text.to_owned() };
    let duration = with_unit
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| not_read(text).to_owned())?;
    if duration > LONGEST { Err("a duration is 24h at the most".to_owned()) } else { Ok(duration) }
}

/// Reads how long ago something was: a duration of any length, also in days and weeks of 24 hours a day.
///
/// # Errors
/// Says what it looks like.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    if let Ok(duration) = parse_duration(text) {
        return Ok(duration);
    }
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    length
        .and_then(|length| Duration::try_from(length).ok())
        .ok_or_else(|| "a time ago is a number with a unit, as in `24h` or `7d`".to_owned())
}

/// What is wrong with a text that is no duration.
fn not_read(text: &str) -> &'static str {
    let of_number = text.strip_prefix('-').and_then(|rest| rest.chars().next());
    if of_number.is_some_and(|c| c.is_ascii_digit()) {
        "a duration cannot be negative"
    } else {
        "a duration is a number of seconds, or a number with a unit, as in `15s` or `250ms`"
    }
}

/// A duration as people read it: `812 ms`, `1.5 s`, `15 s`, `3 min`, `2 h`, `2 days`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() > 0 => format!("{} ms", duration.subsec_millis()),
        0..=119 if duration.subsec_millis() >= 50 && seconds < 100 => {
            format!("{:.1} s", duration.as_secs_f64())
        }
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_contract_wants_and_reads_it_back() {
        let time = Timestamp::from_millis(1_769_860_800_007).expect("in range");
        assert_eq!(time.to_string(), "2026-01-31T12:00:00.007Z");
        assert_eq!(Timestamp::parse("2026-01-31T13:00:00.007+01:00"), Some(time));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse(""), None);
    }

    #[test]
    fn whatever_is_read_can_be_written() {
        for text in [
            "9999-12-30T22:00:00Z",
            "9999-12-30T22:00:00.5Z",
            "9999-12-30T21:59:59.999Z",
            "9999-12-31T23:59:59.999Z",
            "-009999-01-02T01:59:59Z",
            "-009999-01-02T01:59:59.001Z",
            "-009999-01-02T01:59:58.999Z",
        ] {
            if let Some(time) = Timestamp::parse(text) {
                assert!(!time.to_string().is_empty(), "{text}");
                assert!(!time.plus(Duration::from_hours(24)).to_string().is_empty(), "{text}");
            }
        }
        let last = Timestamp::parse("9999-12-30T21:59:59Z").expect("in range");
        assert!(last.plus(Duration::MAX).to_string().starts_with("9999-"));
    }

    #[test]
    fn a_clock_that_shows_any_time_can_be_read() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let before = |seconds: u64| SystemTime::UNIX_EPOCH - Duration::from_secs(seconds);
        // 9999-12-31T23:59:50Z, later than any time that can be written.
        let late = Timestamp::of(at(253_402_300_790));
        assert_eq!(late.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(late.plus(Duration::from_secs(15)), late);
        assert_eq!(Timestamp::parse(&late.to_string()), Some(late));
        assert_eq!(Timestamp::of(at(1_769_860_800)).to_string(), "2026-01-31T12:00:00.000Z");
        assert_eq!(Timestamp::of(before(1)).to_string(), "1969-12-31T23:59:59.000Z");
        for time in [at(9_000_000_000_000), before(9_000_000_000_000)].map(Timestamp::of) {
            assert!(!time.to_string().is_empty());
            assert_eq!(Timestamp::from_millis(time.as_millis()), Some(time));
        }
    }

    #[test]
    fn an_age_may_be_longer_than_a_day() {
        let hours = |age: &str| parse_age(age).expect(age).as_secs() / 3_600;
        assert_eq!(["24h", "7d", "2 weeks", "1d 12h"].map(hours), [24, 168, 336, 36]);
        assert_eq!(parse_age("90"), Ok(Duration::from_secs(90)));
        for bad in ["", "-7d", "d", "7 months", "yesterday", "99999999999999d"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_and_shows_durations() {
        assert_eq!(parse_duration("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for (seconds, millis) in [("0", 0), ("15", 15_000), ("0.25", 250), ("86400", 86_400_000)] {
            assert_eq!(parse_duration(seconds), Ok(Duration::from_millis(millis)), "{seconds}");
        }
        for bad in ["", "-3s", "-3", "+3", ".", "1.2.3", "1e3", "x", "1 fortnight", "25h", "86401"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for negative in ["-5", "-5s", "-1h 5m"] {
            let problem = parse_duration(negative).expect_err(negative);
            assert_eq!(problem, "a duration cannot be negative", "{negative}");
        }
        assert_eq!(parse_duration("-0s"), Ok(Duration::ZERO));
        assert_eq!(show_duration(Duration::from_millis(812)), "812 ms");
        assert_eq!(show_duration(Duration::from_secs(15)), "15 s");
        assert_eq!(show_duration(Duration::from_mins(5)), "5 min");
        assert_eq!(show_duration(Duration::from_hours(47)), "47 h");
        assert_eq!(show_duration(Duration::from_hours(721)), "30 days");
    }
}
