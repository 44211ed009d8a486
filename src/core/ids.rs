//! Names and ids, checked when they are parsed.

use std::cmp::Ordering;
use std::fmt;

use super::text::is_unsafe;

/// In characters (contract, section 3).
const RFQ_ID_MAX: usize = 128;
/// In characters (contract, section 3).
const RESPONDER_MAX: usize = 64;
/// `<stack>-<provider>` has to fit into the 80 characters of an SQS queue name.
const STACK_MAX: usize = 32;
const PROVIDER_MAX: usize = 47;
/// Suffixes of the stack's own resources. No provider may have such a name.
const OWN_SUFFIXES: [&str; 5] = [
    "RequestForQuotesTopic",
    "RequestForQuotesDeadLetters",
    "RequestForQuotesResponseQueue",
    "RequestForQuotesResponseDeadLetters",
    "RidesBookingTable",
];

/// The id of a request for quotes: 1 to 128 characters; ours are UUIDs of version 4.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RfqId(String);

impl RfqId {
    /// A new random id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// A version 4 UUID from these random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }

    /// Checks an id.
    ///
    /// # Errors
    /// The id is empty or longer than 128 characters.
    pub fn parse(id: &str) -> Result<Self, String> {
        match id.chars().count() {
            0 => Err("`rfq-id` is empty".to_owned()),
            n if n > RFQ_ID_MAX => Err(format!("`rfq-id` is longer than {RFQ_ID_MAX} characters")),
            _ => Ok(Self(id.to_owned())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight characters, for people to read.
    pub fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }
}

impl fmt::Display for RfqId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which a provider answers: 1 to 64 characters, not `-`, none of them unsafe for a terminal.
/// Ordered naturally: `Resource2` comes before `Resource10`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Responder(String);

impl Responder {
    /// Checks the name in a reply.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name.chars().count() {
            0 => Err("`responder` is empty".to_owned()),
            n if n > RESPONDER_MAX => {
                Err(format!("`responder` is longer than {RESPONDER_MAX} characters"))
            }
            _ if name == "-" => Err("`responder` is `-`, the key of the request row".to_owned()),
            _ if name.chars().any(is_unsafe) => {
                Err("`responder` holds control characters".to_owned())
            }
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// A name from the table or the topic's subscriptions, unchecked: other programs may have written it.
    pub fn stored(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialOrd for Responder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Responder {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_cmp(&self.0, &other.0)
    }
}

/// A provider of this stack: `^[A-Za-z][A-Za-z0-9_]{0,46}$`, but no suffix of the stack's own resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderName(String);

impl ProviderName {
    /// Checks a provider's name.
    ///
    /// # Errors
    /// Says what a valid name looks like.
    pub fn parse(name: &str) -> Result<Self, String> {
        let mut chars = name.chars();
        let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.len() <= PROVIDER_MAX;
        if !valid {
            return Err(format!(
                "a provider's name is a letter, then up to {} letters, digits or `_`",
                PROVIDER_MAX - 1
            ));
        }
        if OWN_SUFFIXES.contains(&name) {
            return Err("this name is one of the stack's own".to_owned());
        }
        Ok(Self(name.to_owned()))
    }

    /// What [`ProviderName::parse`] accepts but for the stack's own names, as a regular expression.
    pub const PATTERN: &str = "^[A-Za-z][A-Za-z0-9_]{0,46}$";

    /// A reference to this parameter of a template, in place of a name.
    pub fn parameter(name: &str) -> Self {
        Self(format!("${{{name}}}"))
    }

    /// The simulated provider with this number, counted from 1, under its name in the original.
    pub fn simulated(number: usize) -> Self {
        Self(format!("UnicornManagementResource{number}"))
    }

    /// The number in a name made by [`ProviderName::simulated`]; `None` for other names.
    pub fn number(&self) -> Option<usize> {
        self.0.strip_prefix("UnicornManagementResource")?.parse().ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in this provider's replies.
    pub fn responder(&self) -> Responder {
        Responder(self.0.clone())
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialOrd for ProviderName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProviderName {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_cmp(&self.0, &other.0)
    }
}

/// The prefix of the names of a stack's resources: `^[A-Za-z][A-Za-z0-9-]{0,31}$`. Ordered naturally.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StackName(String);

impl StackName {
    /// The stack to use when none is named.
    pub const DEFAULT: &str = "wild-rydes";
    /// What [`StackName::parse`] accepts, as a regular expression.
    pub const PATTERN: &str = "^[A-Za-z][A-Za-z0-9-]{0,31}$";

    /// A reference to this parameter of a template, in place of a name.
    pub fn parameter(name: &str) -> Self {
        Self(format!("${{{name}}}"))
    }

    /// Checks a stack's name.
    ///
    /// # Errors
    /// Says what a valid name looks like.
    pub fn parse(name: &str) -> Result<Self, String> {
        let mut chars = name.chars();
        let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '-')
            && name.len() <= STACK_MAX;
        if valid {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "a stack's name is a letter, then up to {} letters, digits or `-`",
                STACK_MAX - 1
            ))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialOrd for StackName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StackName {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_cmp(&self.0, &other.0)
    }
}

/// Compares runs of digits by value, all else by character, and last by bytes: only identical names are equal.
fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) {
        let order = if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            let (number_a, number_b) = (take_digits(&mut rest_a), take_digits(&mut rest_b));
            number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b))
        } else {
            rest_a = &rest_a[first_a.len_utf8()..];
            rest_b = &rest_b[first_b.len_utf8()..];
            first_a.cmp(&first_b)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b))
}

/// Takes the digits off the front of `rest`; returns them without leading zeros.
fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_comes_before_ten() {
        let mut names: Vec<_> =
            ["R10", "R2", "R1", "a", "R", "R02"].map(Responder::stored).into_iter().collect();
        names.sort();
        let names: Vec<_> = names.iter().map(Responder::as_str).collect();
        assert_eq!(names, ["R", "R1", "R02", "R2", "R10", "a"]);
    }

    #[test]
    fn refuses_names_that_could_be_taken_for_something_else() {
        for bad in ["", "-", "a\u{1b}[0m", "a\u{202e}b", "a\u{2028}", &"x".repeat(65)] {
            assert!(Responder::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "b-c", "1a", "RequestForQuotesTopic", &"x".repeat(48), "é"] {
            assert!(ProviderName::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "-a", "a_b", &"x".repeat(33), "a b"] {
            assert!(StackName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Responder::parse(&"ü".repeat(64)).is_ok());
        assert!(ProviderName::parse(&"x".repeat(47)).is_ok());
        assert!(StackName::parse(&"x".repeat(32)).is_ok());
    }
}
