//! What is wrong with a policy, and what of it is not known, each with its place. Texts from outside are cut, but
//! not made safe to print.

use std::fmt;

use crate::core::pointer::escaped;

/// The longest key or operator that is repeated, in characters.
const LONGEST_WORD: usize = 100;
/// The longest place that is repeated, in characters.
const LONGEST_PLACE: usize = 200;

/// Why a policy is refused: by AWS, or for a limit of `rydes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem(String);

impl PolicyProblem {
    /// A problem at a place in the policy; an empty place is the whole of it.
    pub(super) fn at(place: &str, what: impl fmt::Display) -> Self {
        if place.is_empty() {
            return Self(what.to_string());
        }
        Self(format!("{what}, at {}", cut(place, LONGEST_PLACE)))
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyProblem {}

/// An operator or a shape with an effect that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What it is, as in "the operator `wildcard`".
    pub what: String,
    /// Where it is, as a JSON Pointer.
    /// <https://www.rfc-editor.org/rfc/rfc6901>
    pub place: String,
}

impl Unknown {
    pub(super) fn at(place: &str, what: impl Into<String>) -> Self {
        Self { what: what.into(), place: cut(place, LONGEST_PLACE) }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}", self.what, self.place)
    }
}

/// A key or an operator as messages repeat it.
pub fn word(text: &str) -> String {
    cut(text, LONGEST_WORD)
}

/// A place one level below another, as a JSON Pointer.
pub fn below(place: &str, key: &str) -> String {
    format!("{place}/{}", escaped(&word(key)))
}

/// The place of an element.
pub fn element(place: &str, index: usize) -> String {
    format!("{place}/{index}")
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_pointers_and_never_long() {
        assert_eq!(below(&element("/a", 0), "b/~c"), "/a/0/b~1~0c");
        let long = PolicyProblem::at(&format!("/{}", "é".repeat(1_000)), "no").to_string();
        assert!(long.starts_with("no, at /éé") && long.ends_with("é…"), "{long}");
        assert_eq!(long.chars().count(), "no, at ".len() + LONGEST_PLACE + 1);
        assert_eq!(PolicyProblem::at("", "no").to_string(), "no");
        assert_eq!(word(&"x".repeat(200)).chars().count(), LONGEST_WORD + 1);
    }
}
