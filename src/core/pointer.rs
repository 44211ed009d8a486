//! JSON Pointers: the place of a value in a JSON document. <https://www.rfc-editor.org/rfc/rfc6901>

use std::fmt;

use serde_json::value::RawValue;

use super::fields::{Fields, present};

/// In characters. Names in details are far shorter.
const LENGTH_MAX: usize = 256;

/// A valid pointer. Its tokens are keys of objects or positions in arrays, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

impl Pointer {
    /// Reads `/eta-minutes` or `/legs/0/price`; the empty text is the whole document.
    ///
    /// # Errors
    /// Says what a pointer looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > LENGTH_MAX {
            return Err(format!("a JSON Pointer has at most {LENGTH_MAX} characters"));
        }
        let mut parts = text.split('/');
        if parts.next() != Some("") {
            return Err("a JSON Pointer begins with `/`".to_owned());
        }
        let tokens = parts.map(token).collect::<Option<_>>();
        let tokens = tokens.ok_or("in a JSON Pointer, `~` is written `~0` and `/` is `~1`")?;
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// The pointer to a top-level field.
    ///
    /// # Errors
    /// When it is too long.
    pub fn to_field(name: &str) -> Result<Self, String> {
        Self::parse(&format!("/{}", escaped(name)))
    }

    /// The JSON text of the value in valid JSON. Of duplicate keys the last counts.
    pub fn find<'a>(&self, json: &'a str) -> Option<&'a str> {
        self.tokens.iter().try_fold(json, |json, token| match json.as_bytes().first()? {
            b'{' => value(&serde_json::from_str(json).ok()?, token),
            b'[' => {
                let all: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                all.get(position(token)?).map(|raw| raw.get())
            }
            _ => None,
        })
    }
}

/// The value of a key. `null` is a value here, unlike in the fields of messages.
fn value<'a>(fields: &Fields<'a>, key: &str) -> Option<&'a str> {
    present(fields, key).or_else(|| fields.has(key).then_some("null"))
}

/// A key as a pointer has it.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn token(written: &str) -> Option<String> {
    let mut tildes = written.split('~').skip(1);
    let are_escapes = tildes.all(|after| after.starts_with(['0', '1']));
    are_escapes.then(|| written.replace("~1", "/").replace("~0", "~"))
}

/// A position has no leading zeros.
fn position(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with(['0', '+']);
    is_plain.then(|| token.parse().ok())?
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document of RFC 6901, section 5.
    const DOCUMENT: &str = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4,
        "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;

    fn find(pointer: &str) -> Option<&'static str> {
        Pointer::parse(pointer).expect("valid").find(DOCUMENT)
    }

    #[test]
    fn finds_what_the_examples_of_the_rfc_find() {
        for (pointer, value) in [
            ("", DOCUMENT),
            ("/foo", r#"["bar", "baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(find(pointer), Some(value), "{pointer}");
        }
        for absent in ["/bar", "/foo/2", "/foo/-", "/foo/01", "/foo/+1", "/foo/0/x", "/foo/"] {
            assert_eq!(find(absent), None, "{absent}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_name_and_null_is_a_value() {
        let json = r#"{"a": 1, "~1/": 2, "a": {"b": null}}"#;
        let field = |name| Pointer::to_field(name).expect("short").find(json);
        assert_eq!((field("~1/"), field("a")), (Some("2"), Some(r#"{"b": null}"#)));
        assert_eq!(Pointer::parse("/a/b").expect("valid").find(json), Some("null"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in ["a", "a/b", "/~", "/~2", "/a~"] {
            assert!(Pointer::parse(bad).is_err(), "{bad}");
        }
        assert!(Pointer::parse(&"/".repeat(LENGTH_MAX + 1)).is_err());
        assert_eq!(Pointer::parse("/~01").map(|pointer| pointer.to_string()), Ok("/~01".into()));
        assert_eq!(Pointer::parse("/~01").expect("valid").tokens, ["~1"]);
    }
}
