//! A JSON document as it is written: numbers keep their digits, objects their duplicate keys. What is nested too
//! deep, and text that is no Unicode, has a place in it and no value.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::core::fields::Fields;

/// Levels of nesting that are read.
pub const DEEPEST: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's text.
    Number(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object's fields in their order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// A string, or an object with a key, that holds half of a surrogate pair.
    Unreadable,
    /// An array or an object below the deepest level.
    TooDeep,
}

impl<'a> Node<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// Says, with line and column, where it stops being JSON.
    pub fn read(document: &'a str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(document)?;
        Ok(Self::of(raw, DEEPEST))
    }

    fn of(raw: &'a RawValue, levels: usize) -> Self {
        let text = raw.get();
        let below = levels.checked_sub(1);
        match (text.as_bytes().first(), below) {
            (Some(b'{'), Some(below)) => Self::object(text, below),
            (Some(b'['), Some(below)) => Self::list(text, below),
            (Some(b'{' | b'['), None) => Self::TooDeep,
            (Some(b'"'), _) => {
                serde_json::from_str(text).map_or(Self::Unreadable, |Text(text)| Self::Text(text))
            }
            (Some(b't'), _) => Self::Bool(true),
            (Some(b'f'), _) => Self::Bool(false),
            (Some(b'n'), _) => Self::Null,
            _ => Self::Number(text),
        }
    }

    fn object(text: &'a str, below: usize) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields>(text) else { return Self::Unreadable };
        let fields = fields.each().map(|(name, value)| (name, Self::of(value, below)));
        Self::Object(fields.collect())
    }

    fn list(text: &'a str, below: usize) -> Self {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return Self::Unreadable;
        };
        Self::List(items.into_iter().map(|item| Self::of(item, below)).collect())
    }
}

/// Borrowed if it is written without escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_digits_and_duplicates() {
        let read = Node::read(r#" {"a": [3e1, "\u00e9", null], "a": {"$b": true}} "#);
        let list = vec![Node::Number("3e1"), Node::Text("é".into()), Node::Null];
        let inner = Node::Object(vec![("$b".into(), Node::Bool(true))]);
        let whole = vec![("a".into(), Node::List(list)), ("a".into(), inner)];
        assert_eq!(read.expect("JSON"), Node::Object(whole));
    }

    #[test]
    fn what_has_no_value_does_not_spoil_the_rest() {
        let read = Node::read(r#"["\ud800", {"\udc00": 1}, 1]"#).expect("JSON");
        let Node::List(items) = read else { panic!("no list") };
        assert_eq!(items, [Node::Unreadable, Node::Unreadable, Node::Number("1")]);
        let spoof = Node::read(r#"{"$serde_json::private::Number": "1"}"#).expect("JSON");
        assert!(matches!(spoof, Node::Object(_)));
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let shown = |levels: usize| format!("{:?}", Node::read(&deep(levels)).expect("JSON"));
        assert!(!shown(DEEPEST).contains("TooDeep"));
        assert!(shown(DEEPEST + 1).contains("TooDeep") && shown(10_000).contains("TooDeep"));
    }

    #[test]
    fn what_is_no_json_has_a_place() {
        let error = Node::read("{\n\"a\": 01}").expect_err("no JSON");
        assert_eq!((error.line(), error.column()), (2, 7));
        for bad in ["", "{", "NaN", "{'a': 1}", "[1] 2", "\u{feff}{}", "{\"a\": \"\n\"}"] {
            assert!(Node::read(bad).is_err(), "{bad}");
        }
    }
}
