//! What orders quotes, and decides which is the best.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::str::FromStr;

use super::{Decimal, Details, Pointer, Price};

/// What orders the quotes of an RFQ. Ties go by price.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BestBy {
    /// The lowest price.
    #[default]
    Price,
    /// The lowest number at this place in the reply's details.
    Min(Pointer),
    /// The highest number there.
    Max(Pointer),
}

impl BestBy {
    /// The place in the reply's details; `None` for the price.
    pub fn pointer(&self) -> Option<&Pointer> {
        match self {
            Self::Price => None,
            Self::Min(pointer) | Self::Max(pointer) => Some(pointer),
        }
    }

    /// The number that counts beside the price; `None` if the reply has none at that place.
    pub fn value(&self, details: Option<&Details>) -> Option<Decimal> {
        Decimal::of_json(details?.part(self.pointer()?)?)
    }

    /// Compares two quotes, the better one first. A quote with a value is better than any without.
    pub fn compare(
        &self,
        a: (Option<&Decimal>, &Price),
        b: (Option<&Decimal>, &Price),
    ) -> Ordering {
        let by_value = match self {
            Self::Price => Ordering::Equal,
            Self::Min(_) => (a.0.is_none(), a.0).cmp(&(b.0.is_none(), b.0)),
            Self::Max(_) => Reverse(a.0).cmp(&Reverse(b.0)),
        };
        by_value.then_with(|| a.1.cmp(b.1))
    }
}

impl FromStr for BestBy {
    type Err = String;

    /// Reads `price`, `min:/eta-minutes` or `max:/rating`.
    fn from_str(text: &str) -> Result<Self, String> {
        let pointer = |text| {
            Pointer::parse(text)
                .map_err(|problem| format!("{problem}; an example is `min:/eta-minutes`"))
        };
        match text.split_once(':') {
            None if text == "price" => Ok(Self::Price),
            Some(("min", text)) => pointer(text).map(Self::Min),
            Some(("max", text)) => pointer(text).map(Self::Max),
            _ => Err("expected `price`, `min:POINTER` or `max:POINTER`, as in `min:/eta-minutes`"
                .to_owned()),
        }
    }
}

impl fmt::Display for BestBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price => f.write_str("price"),
            Self::Min(pointer) => write!(f, "min:{pointer}"),
            Self::Max(pointer) => write!(f, "max:{pointer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(text: &str) -> BestBy {
        text.parse().expect("valid")
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["price", "min:/eta-minutes", "max:/a~1b/0", "min:"] {
            assert_eq!(by(text).to_string(), text);
        }
        for bad in ["", "Price", "price:", "min", "min:eta", "max:/~", "avg:/eta"] {
            assert!(bad.parse::<BestBy>().expect_err(bad).contains("`min:/eta-minutes`"), "{bad}");
        }
    }

    #[test]
    fn a_value_is_a_number_at_the_place() {
        let value = |by: &BestBy, json| by.value(Details::parse(json).expect("JSON").as_ref());
        let eta = by("min:/eta");
        assert_eq!(value(&eta, r#"{"eta": -7.50}"#), Decimal::of_json("-7.5"));
        for none in [r#"{"eta": "7"}"#, r#"{"eta": null}"#, r#"{"eta": 1e999}"#, "{}", "7", "null"]
        {
            assert_eq!(value(&eta, none), None, "{none}");
        }
        assert_eq!(value(&by("max:"), "7"), Decimal::of_json("7"));
        assert_eq!(value(&by("price"), r#"{"eta": 7}"#), None);
    }

    #[test]
    fn a_value_comes_before_none_and_ties_go_by_price() {
        let quotes = [(None, 1), (Some(2), 9), (Some(7), 3), (Some(7), 2), (None, 0)];
        let sorted = |by: &BestBy| {
            let mut sorted: Vec<_> = quotes
                .map(|(value, price)| (value.map(Decimal::whole), Price::whole(price)))
                .into();
            sorted.sort_by(|a, b| by.compare((a.0.as_ref(), &a.1), (b.0.as_ref(), &b.1)));
            sorted.iter().map(|(_, price)| price.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sorted(&by("min:/eta")), "9 2 3 0 1");
        assert_eq!(sorted(&by("max:/eta")), "2 3 9 0 1");
        assert_eq!(sorted(&BestBy::Price), "0 1 2 3 9");
    }
}
