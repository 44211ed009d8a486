//! When a gathering is complete.

use std::fmt;

use super::price::Price;

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
            return Price::parse(price).map(Self::Price);
        }
        match text.parse::<usize>() {
            Ok(count) if count > 0 => Ok(Self::Count(count)),
            _ => Err("a condition is `all`, a number of quotes or `price:20`".to_owned()),
        }
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
