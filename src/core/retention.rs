//! How long a stack keeps rows and dead letters.

use std::time::Duration;

/// The tag of a topic with the days that rows are kept; absent: [`Retention::ROWS`].
pub const KEEP_TAG: &str = "rydes:keep";
/// The tag of a topic with the days that dead letters are kept; absent: [`Retention::DEAD_LETTERS`].
pub const KEEP_DEAD_LETTERS_TAG: &str = "rydes:keep-dead-letters";

const DAY: Duration = Duration::from_hours(24);

/// How long rows and dead letters are kept, in days; `None` is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The request row after its deadline, an answer after it was gathered.
    pub rows: Option<u16>,
    /// A dead letter after it was first sent.
    pub dead_letters: Option<u16>,
}

impl Retention {
    /// Days that rows are kept by default.
    pub const ROWS: u16 = 7;
    /// Days that dead letters are kept by default, which is the longest that SQS allows.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
    pub const DEAD_LETTERS: u16 = 14;

    /// Reads a topic's tags. A tag that is not a number of days, 1 or more, is ignored.
    pub fn of_tags<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut retention = Self::default();
        for (name, value) in tags {
            let days = value.parse().ok().filter(|days: &u16| *days > 0);
            match name {
                KEEP_TAG => retention.rows = days,
                KEEP_DEAD_LETTERS_TAG => {
                    retention.dead_letters = days.filter(|days| *days <= Self::DEAD_LETTERS);
                }
                _ => {}
            }
        }
        retention
    }

    /// This one; where it has `None`, the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            rows: self.rows.or(other.rows),
            dead_letters: self.dead_letters.or(other.dead_letters),
        }
    }

    /// The names and values of its tags.
    pub fn tags(self) -> impl Iterator<Item = (&'static str, String)> {
        let of = |name, days: Option<u16>| days.map(|days| (name, days.to_string()));
        [of(KEEP_TAG, self.rows), of(KEEP_DEAD_LETTERS_TAG, self.dead_letters)]
            .into_iter()
            .flatten()
    }

    /// How long a row is kept.
    pub fn of_rows(self) -> Duration {
        DAY * u32::from(self.rows.unwrap_or(Self::ROWS))
    }

    /// How long a dead letter is kept.
    pub fn of_dead_letters(self) -> Duration {
        DAY * u32::from(self.dead_letters.unwrap_or(Self::DEAD_LETTERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_how_long_and_nonsense_says_nothing() {
        let of = |tags: &[(&'static str, &'static str)]| Retention::of_tags(tags.iter().copied());
        let both = of(&[(KEEP_TAG, "3"), (KEEP_DEAD_LETTERS_TAG, "2"), ("owner", "9")]);
        assert_eq!(both, Retention { rows: Some(3), dead_letters: Some(2) });
        let tags: Vec<_> = both.tags().collect();
        assert_eq!(tags, [(KEEP_TAG, "3".to_owned()), (KEEP_DEAD_LETTERS_TAG, "2".to_owned())]);
        assert_eq!((both.of_rows(), both.of_dead_letters()), (3 * DAY, 2 * DAY));
        for nonsense in ["", "0", "-1", "3 days", "99999999"] {
            let read = of(&[(KEEP_TAG, nonsense), (KEEP_DEAD_LETTERS_TAG, nonsense)]);
            assert_eq!(read, Retention::default(), "{nonsense}");
        }
        assert_eq!(of(&[(KEEP_DEAD_LETTERS_TAG, "15")]).dead_letters, None, "SQS refuses it");
        let default = Retention::default();
        assert_eq!((default.of_rows(), default.of_dead_letters()), (7 * DAY, 14 * DAY));
        assert_eq!(both.or(default), both);
        assert_eq!(Retention { rows: Some(1), dead_letters: None }.or(both).tags().count(), 2);
    }
}
