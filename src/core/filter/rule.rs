//! One rule of a key, against one value of a message.

use super::number::{Range, equal};
use super::tree::Node;
use super::truth::Truth;

const NULL: &str = "AWS's pages do not say what `anything-but` does with null";
const NOT_TEXT: &str =
    "AWS's pages do not say what `anything-but` with a part of a string does with other values";
const CASES: &str = "letters beyond ASCII have more than one lower case";

/// A value that is no array and no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string.
    Text(String),
}

/// One of the values of a key in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The same value.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-exact-matching>
    Equals(Scalar),
    /// A string with this beginning.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-prefix-matching>
    Prefix(String),
    /// A string with this end.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-suffix-matching>
    Suffix(String),
    /// The same string in any case.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-equals-ignore>
    EqualsIgnoreCase(String),
    /// A value other than each of these. Of an array, one such element is enough.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-anything-but-matching>
    AnythingBut(Vec<Scalar>),
    /// A string without this beginning.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-anything-but-matching-prefix>
    AnythingButPrefix(String),
    /// A string without this end.
    /// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html#string-anything-but-matching>
    AnythingButSuffix(String),
    /// A number in a range.
    /// <https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html#numeric-value-range-matching>
    Numeric(Range),
    /// Whether the key is there.
    /// <https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html>
    Exists(bool),
    /// An operator with an effect that is not known, as a doubt.
    Unknown(String),
}

impl Rule {
    /// Whether a value that is there matches. `exists` matches by the key, not here.
    pub fn matches(&self, value: &Node) -> Truth<'_> {
        match (self, value) {
            (Self::Unknown(what), _) => Truth::Unknown(what),
            // Of an array or an object, only what is inside has a value.
            (Self::Exists(_), _)
            | (_, Node::List(_) | Node::Object(_) | Node::Unreadable | Node::TooDeep) => Truth::No,
            (Self::Equals(wanted), _) => wanted.is(value),
            (Self::Numeric(range), Node::Number(number)) => range.contains(number),
            (Self::Prefix(start), Node::Text(text)) => Truth::from(text.starts_with(start)),
            (Self::Suffix(end), Node::Text(text)) => Truth::from(text.ends_with(end)),
            (Self::EqualsIgnoreCase(wanted), Node::Text(text)) => same_letters(wanted, text),
            (Self::AnythingBut(_), Node::Null) => Truth::Unknown(NULL),
            (Self::AnythingBut(not), _) => {
                Truth::any(not.iter().map(|not| not.is(value))).opposite()
            }
            (Self::AnythingButPrefix(start), Node::Text(text)) => {
                Truth::from(!text.starts_with(start))
            }
            (Self::AnythingButSuffix(end), Node::Text(text)) => Truth::from(!text.ends_with(end)),
            (Self::AnythingButPrefix(_) | Self::AnythingButSuffix(_), _) => {
                Truth::Unknown(NOT_TEXT)
            }
            // Numbers that are written as strings are no numbers.
            (
                Self::Numeric(_) | Self::Prefix(_) | Self::Suffix(_) | Self::EqualsIgnoreCase(_),
                _,
            ) => Truth::No,
        }
    }
}

impl Scalar {
    fn is<'a>(&self, value: &Node) -> Truth<'a> {
        match (self, value) {
            (Self::Null, Node::Null) => Truth::Yes,
            (Self::Bool(wanted), Node::Bool(value)) => Truth::from(wanted == value),
            (Self::Number(wanted), Node::Number(number)) => equal(wanted, number),
            (Self::Text(wanted), Node::Text(text)) => Truth::from(wanted == text),
            _ => Truth::No,
        }
    }
}

/// Unicode has more than one way to fold cases, and AWS's pages name none.
fn same_letters<'a>(wanted: &str, text: &str) -> Truth<'a> {
    if wanted.eq_ignore_ascii_case(text) {
        return Truth::Yes;
    }
    if wanted.is_ascii() && text.is_ascii() {
        return Truth::No;
    }
    let by_lower = Truth::from(wanted.to_lowercase() == text.to_lowercase());
    let by_upper = Truth::from(wanted.to_uppercase() == text.to_uppercase());
    Truth::agreed([by_lower, by_upper], CASES)
}

#[cfg(test)]
mod tests {
    use super::Truth::{No, Unknown, Yes};
    use super::*;

    #[test]
    fn letters_are_the_same_in_any_case() {
        let same = same_letters;
        assert_eq!((same("tennis", "TenniS"), same("tennis", "tenni")), (Yes, No));
        assert_eq!((same("ZÜRICH", "zürich"), same("zürich", "zurich")), (Yes, No));
        // The upper case of ß is SS, and its lower case ß.
        assert_eq!(same("straße", "STRASSE"), Unknown(CASES));
        assert_eq!(same("\u{212a}", "K"), Unknown(CASES));
    }

    #[test]
    fn values_of_different_kinds_are_never_equal() {
        let kinds = [
            (Scalar::Null, Node::Null),
            (Scalar::Bool(true), Node::Bool(true)),
            (Scalar::Number("1".to_owned()), Node::Number("1")),
            (Scalar::Text("1".to_owned()), Node::Text("1".into())),
        ];
        for (at, (wanted, _)) in kinds.iter().enumerate() {
            for (other, (_, value)) in kinds.iter().enumerate() {
                assert_eq!(wanted.is(value), Truth::from(at == other), "{wanted:?} {value:?}");
            }
        }
        assert_eq!(Scalar::Bool(true).is(&Node::Bool(false)), No);
    }
}
