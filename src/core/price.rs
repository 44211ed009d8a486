//! Prices: exact decimals, never floats.

use std::fmt;
use std::str::FromStr as _;

use bigdecimal::{BigDecimal, Zero as _};
use serde_json::Number;

/// Significant digits that a DynamoDB number holds.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_DIGITS: usize = 38;
/// Powers of ten that the first digit of a DynamoDB number may have.
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;
/// The longest plain price has 169 characters. Parsing time grows with the square of the length.
const MAX_CHARS: usize = 512;
/// Decimal places, or zeros before the point. With [`MAX_CHARS`] characters, a larger scale is out of range.
const MAX_SCALE: u64 = 1_024;

/// An exact decimal of at most 38 significant digits: 0, or between 1e-130 and 9.99e125.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Price(BigDecimal);

impl Price {
    /// Reads a decimal such as `16`, `0.50` or `1e3`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(units) = whole_units(text) {
            return Ok(Self::whole(units));
        }
        if text.len() > MAX_CHARS {
            return Err(format!("the price has more than {MAX_DIGITS} significant digits"));
        }
        let shape = text.strip_prefix('-').unwrap_or(text);
        if !shape.starts_with(|c: char| c.is_ascii_digit()) || shape.contains('_') {
            return Err("a price is a decimal number, as in `20` or `19.90`".to_owned());
        }
        let value = BigDecimal::from_str(text)
            .map_err(|_| "a price is a decimal number, as in `20` or `19.90`".to_owned())?;
        if value.sign() == bigdecimal::num_bigint::Sign::Minus {
            return Err("the price is negative".to_owned());
        }
        if value.is_zero() {
            return Ok(Self(BigDecimal::zero()));
        }
        let beyond = || Err("the price is beyond the range 1e-130 to 9.99e125".to_owned());
        // Normalizing shifts the scale, which would overflow at the edge of an `i64`.
        if value.fractional_digit_count().unsigned_abs() > MAX_SCALE {
            return beyond();
        }
        let value = value.normalized();
        let (digits, scale) = value.as_bigint_and_scale();
        let count = digits.to_string().len();
        if count > MAX_DIGITS {
            return Err(format!("the price has more than {MAX_DIGITS} significant digits"));
        }
        let exponent = i64::try_from(count).map_or(i64::MAX, |n| (n - 1).saturating_sub(scale));
        if !EXPONENTS.contains(&exponent) {
            return beyond();
        }
        Ok(Self(value))
    }

    /// A price that is a whole number.
    pub fn whole(units: u64) -> Self {
        Self(BigDecimal::from(units))
    }

    /// The price as a JSON number, exact.
    pub fn to_json(&self) -> Number {
        Number::from_str(&self.to_string()).expect("a plain decimal is a JSON number")
    }
}

/// The value of 1 to 18 plain digits, which need no further check. Most prices are of this shape.
fn whole_units(text: &str) -> Option<u64> {
    let is_short = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok())?
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_plain_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).expect("a good price")
    }

    #[test]
    fn is_kept_exactly() {
        assert_eq!(price("12345678901234567890.12").to_string(), "12345678901234567890.12");
        assert_eq!(price("0.10").to_string(), "0.1");
        assert_eq!(price("1e3").to_string(), "1000");
        assert_eq!((price("1000"), price("1000").to_string()), (price("1e3"), "1000".to_owned()));
        assert_eq!(price("1E+2").to_json().to_string(), "100");
        assert_eq!(price("0e999"), price("0"));
        assert_eq!(price("-0"), price("0"));
        assert!(price("9") < price("10"));
    }

    #[test]
    fn stays_within_what_dynamodb_stores() {
        price("9.99e125");
        price("1e-130");
        price(&"9".repeat(38));
        for bad in ["1e126", "1e-131", "1e999999999999999999", "-1", "x", "", "NaN", "1_0", "+1"] {
            assert!(Price::parse(bad).is_err(), "{bad}");
        }
        assert!(Price::parse("10e9223372036854775808").is_err());
        assert!(Price::parse(&"9".repeat(39)).is_err());
        assert!(Price::parse(&"1".repeat(200_000)).is_err());
    }
}
