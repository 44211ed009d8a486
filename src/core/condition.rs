//! When a gathering is complete, and when a wait for it ends.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::price::Price;
use super::time::parse_duration;

/// What completes a gathering. [`Condition::All`] is always among the conditions of an RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every expected provider has answered in time.
    All,
    /// This many expected providers have quoted in time.
    Count(usize),
    /// An expected provider has quoted this much or less in time.
    Price(Price),
}

impl Condition {
    /// Reads a condition as the request row stores it: `all`, `3`, `price:20`.
    ///
    /// # Errors
    /// Says what a condition looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(price) = text.strip_prefix("price:") {
            return Price::parse(price)
                .map(Self::Price)
                .map_err(|problem| format!("{problem}; an example is `price:20`"));
        }
        match text.parse::<usize>() {
            Ok(count) if count > 0 && !text.starts_with('+') => Ok(Self::Count(count)),
            _ => Err("a condition is `all`, a number of quotes such as `3`, or `price:20`".into()),
        }
    }

    /// `All`, then the others of these conditions.
    pub fn with_all(conditions: &[Self]) -> Vec<Self> {
        let others = conditions.iter().filter(|condition| **condition != Self::All).cloned();
        std::iter::once(Self::All).chain(others).collect()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Price(price) => write!(f, "price:{price}"),
        }
    }
}

/// What ends a wait. A stall belongs to the waiter alone and is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The gathering is complete.
    Complete(Condition),
    /// Nothing new came for this long.
    Stall(Duration),
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(condition) => write!(f, "{condition}"),
            Self::Stall(stall) => {
                let stall = SignedDuration::try_from(*stall).map_err(|_| fmt::Error)?;
                write!(f, "stall:{stall:#}")
            }
        }
    }
}

impl FromStr for Until {
    type Err = String;

    /// Reads a condition, or `stall:5s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(stall) = text.strip_prefix("stall:") else {
            let shape = |problem: String| match text.split_once(':') {
                Some(("price", _)) => problem,
                _ => {
                    "a condition is `all`, a number of quotes such as `3`, `price:20` or `stall:5s`"
                        .to_owned()
                }
            };
            return Condition::parse(text).map(Self::Complete).map_err(shape);
        };
        match parse_duration(stall) {
            Ok(stall) if stall.is_zero() => Err("a stall is longer than zero: `stall:5s`".into()),
            Ok(stall) => Ok(Self::Stall(stall)),
            Err(problem) => Err(format!("{problem}; an example is `stall:5s`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["all", "1", "25", "price:0", "price:19.9"] {
            assert_eq!(
                Condition::parse(text).map(|condition| condition.to_string()),
                Ok(text.into())
            );
        }
        for text in ["stall:5s", "stall:1m 30s", "stall:250ms"] {
            assert_eq!(text.parse::<Until>().map(|until| until.to_string()), Ok(text.into()));
        }
        assert_eq!("stall:1m".parse(), Ok(Until::Stall(Duration::from_mins(1))));
        assert_eq!("stall:60".parse(), Ok(Until::Stall(Duration::from_mins(1))));
        assert_eq!("all".parse(), Ok(Until::Complete(Condition::All)));
    }

    #[test]
    fn what_is_none_shows_a_good_one() {
        for (bad, good) in [
            ("", "`price:20`"),
            ("0", "`3`"),
            ("-1", "`3`"),
            ("+3", "`3`"),
            ("1.5", "`3`"),
            ("ALL", "`all`"),
            ("price:", "`price:20`"),
            ("price:x", "`price:20`"),
            ("price:-1", "`price:20`"),
            ("price:1e999", "`price:20`"),
            ("stall", "`stall:5s`"),
            ("stall:", "`stall:5s`"),
            ("stall:0", "`stall:5s`"),
            ("stall:-5", "`stall:5s`"),
            ("99999999999999999999999", "`3`"),
        ] {
            let problem = bad.parse::<Until>().expect_err(bad);
            assert!(problem.contains(good), "{bad}: {problem}");
        }
    }
}
