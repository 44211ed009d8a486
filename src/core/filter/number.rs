//! Numbers as SNS compares them: exactly, to a billion and five decimal places. Beyond that AWS's pages promise
//! nothing, so the answer is unknown where it depends on more.

use std::str::FromStr as _;

use bigdecimal::{BigDecimal, RoundingMode};

use super::truth::Truth;

/// SNS compares numbers from minus this to this.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const LARGEST: u32 = 1_000_000_000;
/// Decimal places that SNS compares.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const PLACES: i64 = 5;
/// The longest text and the largest power of ten that are read, so that hostile numbers cost little.
const LONGEST: usize = 64;

const BEYOND: &str = "a number is beyond the billion and the five decimal places that SNS compares";

/// A number that is cheap to compare: at most 64 characters, at most 64 powers of ten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnsNumber(BigDecimal);

impl SnsNumber {
    /// Reads a JSON number; `None` if it is too long, too large or too small.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let exponent = text.split_once(['e', 'E']).map_or(Some(0), |(_, power)| power.parse().ok());
        let is_small = exponent.is_some_and(|power: i64| power.unsigned_abs() <= LONGEST as u64);
        is_small.then(|| BigDecimal::from_str(text).ok().map(|value| Self(value.normalized())))?
    }

    /// Whether SNS promises to compare it exactly.
    pub fn is_exact(&self) -> bool {
        self.is_in_range() && self.0.fractional_digit_count() <= PLACES
    }

    fn is_in_range(&self) -> bool {
        self.0.abs() <= LARGEST
    }

    /// The number as it is, and rounded down and up to five places.
    fn readings(&self) -> [Self; 3] {
        let rounded = |mode| Self(self.0.with_scale_round(PLACES, mode));
        [self.clone(), rounded(RoundingMode::Floor), rounded(RoundingMode::Ceiling)]
    }
}

/// Whether a number of a policy equals one of a message, however either is written.
pub fn equal<'a>(wanted: &str, number: &str) -> Truth<'a> {
    if wanted == number {
        return Truth::Yes;
    }
    let (Some(wanted), Some(number)) = (SnsNumber::parse(wanted), SnsNumber::parse(number)) else {
        return Truth::Unknown(BEYOND);
    };
    if wanted.is_exact() && number.is_exact() {
        return Truth::from(wanted == number);
    }
    let nearest = number.readings().into_iter().any(|number| wanted.readings().contains(&number));
    if nearest { Truth::Unknown(BEYOND) } else { Truth::No }
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The end belongs to the range.
    Closed(SnsNumber),
    /// The end does not belong to it.
    Open(SnsNumber),
}

/// The numbers between two ends.
/// <https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The lower end, if there is one.
    pub low: Option<End>,
    /// The upper end, if there is one.
    pub high: Option<End>,
}

impl Range {
    /// Whether a number of a message is in the range.
    pub fn contains<'a>(&self, number: &str) -> Truth<'a> {
        let Some(number) = SnsNumber::parse(number).filter(SnsNumber::is_in_range) else {
            return Truth::Unknown(BEYOND);
        };
        let readings = number.readings();
        Truth::agreed(readings.iter().map(|number| Truth::from(self.has(number))), BEYOND)
    }

    fn has(&self, number: &SnsNumber) -> bool {
        let is_above = match &self.low {
            None => true,
            Some(End::Closed(low)) => number >= low,
            Some(End::Open(low)) => number > low,
        };
        let is_below = match &self.high {
            None => true,
            Some(End::Closed(high)) => number <= high,
            Some(End::Open(high)) => number < high,
        };
        is_above && is_below
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{No, Unknown, Yes};
    use super::*;

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        for (wanted, number, truth) in [
            ("30", "3e1", Yes),
            ("30", "30.0", Yes),
            ("301.5", "3.015e2", Yes),
            ("0", "-0.0", Yes),
            ("0.1", "1e-1", Yes),
            ("30", "31", No),
            ("0.1", "0.10001", No),
            ("9007199254740993", "9007199254740992", No),
            ("1000000000", "1e9", Yes),
            ("1e400", "1e400", Yes),
            // Beyond what SNS compares, equal numbers are equal at least where their texts are.
            ("2e9", "2000000000", Unknown(BEYOND)),
            ("0.1", "0.100001", Unknown(BEYOND)),
            ("0.1", "0.1000", Yes),
            ("0.1234567", "0.1234568", Unknown(BEYOND)),
            ("0.1234567", "0.2", No),
            ("1", "1e999999999999999999999", Unknown(BEYOND)),
            ("1", "1e-999999999", Unknown(BEYOND)),
        ] {
            assert_eq!(equal(wanted, number), truth, "{wanted} {number}");
            assert_eq!(equal(number, wanted), truth, "{number} {wanted}");
        }
        let long = "9".repeat(200_000);
        assert_eq!(equal(&long, "9"), Unknown(BEYOND));
    }

    #[test]
    fn ranges_have_open_and_closed_ends() {
        let end = |text: &str| SnsNumber::parse(text).expect("a number");
        let range = Range { low: Some(End::Open(end("0"))), high: Some(End::Closed(end("150"))) };
        for (number, truth) in [
            ("0", No),
            ("0.00001", Yes),
            ("150", Yes),
            ("1.5e2", Yes),
            ("150.00001", No),
            ("-1", No),
            ("0.000001", Unknown(BEYOND)),
            ("150.000001", Unknown(BEYOND)),
            ("7.1234567", Yes),
            ("1e10", Unknown(BEYOND)),
            ("1e99999999999", Unknown(BEYOND)),
        ] {
            assert_eq!(range.contains(number), truth, "{number}");
        }
    }

    #[test]
    fn exact_is_what_the_page_says() {
        let exact = |text: &str| SnsNumber::parse(text).map(|number| number.is_exact());
        assert_eq!(exact("-1e9"), Some(true));
        assert_eq!(exact("1000000000.00001"), Some(false));
        assert_eq!(exact("0.12345"), Some(true));
        assert_eq!(exact("0.1234500"), Some(true));
        assert_eq!(exact("0.123456"), Some(false));
        assert_eq!(exact("1e65"), None);
    }
}
