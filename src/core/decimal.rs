//! Exact decimals as DynamoDB's N holds them, never floats.

use std::fmt;
use std::str::FromStr as _;

use bigdecimal::{BigDecimal, ToPrimitive as _, Zero as _};
use serde_json::Number;

/// Significant digits that a DynamoDB number holds.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub(super) const MAX_DIGITS: usize = 38;
/// Powers of ten that the first digit of a DynamoDB number may have.
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;
/// The longest plain decimal has 170 characters. Parsing time grows with the square of the length.
const MAX_CHARS: usize = 512;
/// Decimal places, or zeros before the point. With [`MAX_CHARS`] characters, a larger scale is out of range.
const MAX_SCALE: u64 = 1_024;

/// An exact decimal of at most 38 significant digits: 0, or its absolute value between 1e-130 and 9.99e125.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decimal(BigDecimal);

/// Why a text is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoDecimal {
    /// It is not written as a decimal number.
    Shape,
    /// It has more than [`MAX_DIGITS`] significant digits.
    Digits,
    /// It is too large, or too close to zero.
    Range,
}

impl Decimal {
    /// Reads a decimal such as `16`, `-0.50` or `1e3`.
    pub(super) fn parse(text: &str) -> Result<Self, NoDecimal> {
        if let Some(units) = whole_units(text) {
            return Ok(Self::whole(units));
        }
        if text.len() > MAX_CHARS {
            return Err(NoDecimal::Digits);
        }
        let shape = text.strip_prefix('-').unwrap_or(text);
        if !shape.starts_with(|c: char| c.is_ascii_digit()) || shape.contains('_') {
            return Err(NoDecimal::Shape);
        }
        let value = BigDecimal::from_str(text).map_err(|_| NoDecimal::Shape)?;
        if value.is_zero() {
            return Ok(Self(BigDecimal::zero()));
        }
        // Normalizing shifts the scale, which would overflow at the edge of an `i64`.
        if value.fractional_digit_count().unsigned_abs() > MAX_SCALE {
            return Err(NoDecimal::Range);
        }
        let value = value.normalized();
        let (digits, scale) = value.as_bigint_and_scale();
        let count = digits.magnitude().to_string().len();
        if count > MAX_DIGITS {
            return Err(NoDecimal::Digits);
        }
        let exponent = i64::try_from(count).map_or(i64::MAX, |n| (n - 1).saturating_sub(scale));
        if EXPONENTS.contains(&exponent) { Ok(Self(value)) } else { Err(NoDecimal::Range) }
    }

    /// Reads a JSON value; `None` if it is no number, or one that DynamoDB does not hold.
    pub fn of_json(json: &str) -> Option<Self> {
        Self::parse(json).ok()
    }

    pub(super) fn whole(units: u64) -> Self {
        Self(BigDecimal::from(units))
    }

    pub(super) fn is_negative(&self) -> bool {
        self.0.sign() == bigdecimal::num_bigint::Sign::Minus
    }

    pub(super) fn approximate(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::INFINITY)
    }

    /// The decimal as a JSON number, exact.
    pub fn to_json(&self) -> Number {
        Number::from_str(&self.to_string()).expect("a plain decimal is a JSON number")
    }
}

/// The value of 1 to 18 plain digits, which need no further check. Most prices are of this shape.
fn whole_units(text: &str) -> Option<u64> {
    let is_short = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok())?
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_plain_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_are_compared_exactly() {
        let decimal = |text| Decimal::of_json(text).expect("a number");
        assert!(decimal("-2") < decimal("-1.99999999999999999999999999999999999"));
        assert!(decimal("-1e-130") < decimal("0") && decimal("-1e-130").is_negative());
        assert_eq!((decimal("-0"), decimal("-1.50e1")), (decimal("0"), decimal("-15")));
        assert_eq!(decimal("-0.10").to_json().to_string(), "-0.1");
        decimal(&format!("-{}", "9".repeat(38)));
    }

    #[test]
    fn other_json_is_no_decimal() {
        let digits = format!("-{}", "9".repeat(39));
        for other in
            ["\"7\"", "true", "null", "[]", "{}", "", "1e126", "-1e126", "-1e-131", &digits]
        {
            assert_eq!(Decimal::of_json(other), None, "{other}");
        }
    }
}
