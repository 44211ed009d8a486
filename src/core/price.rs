//! Prices: exact decimals, never floats.

use std::fmt;

use serde_json::Number;

use super::Decimal;
use super::decimal::{MAX_DIGITS, NoDecimal};

const NEGATIVE: &str = "the price is negative";

/// An exact decimal of at most 38 significant digits: 0, or between 1e-130 and 9.99e125.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Price(Decimal);

impl Price {
    /// Reads a decimal such as `16`, `0.50` or `1e3`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = Decimal::parse(text).map_err(|problem| match problem {
            NoDecimal::Shape => "a price is a decimal number, as in `20` or `19.90`".to_owned(),
            NoDecimal::Digits | NoDecimal::Range if text.starts_with('-') => NEGATIVE.to_owned(),
            NoDecimal::Digits => format!("the price has more than {MAX_DIGITS} significant digits"),
            NoDecimal::Range => "the price is beyond the range 1e-130 to 9.99e125".to_owned(),
        })?;
        if value.is_negative() {
            return Err(NEGATIVE.to_owned());
        }
        Ok(Self(value))
    }

    /// A price that is a whole number.
    pub fn whole(units: u64) -> Self {
        Self(Decimal::whole(units))
    }

    /// The price as a number like any other.
    pub fn as_decimal(&self) -> &Decimal {
        &self.0
    }

    /// The nearest floating-point number, for statistics.
    pub fn approximate(&self) -> f64 {
        self.0.approximate()
    }

    /// The price as a JSON number, exact.
    pub fn to_json(&self) -> Number {
        self.0.to_json()
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
