//! Details of requests and replies, beside the fields of their messages. `rydes` passes them on as they are. It reads
//! them only for filters, for the order of the quotes, and to show fields.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::str::Chars;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Pointer;
use super::fields::Fields;
use super::text::without_mark;

/// Levels of arrays and objects. Other programs read details too, and many parsers have such a limit.
const DEPTH_MAX: usize = 100;

/// Any JSON value except `null`. Numbers and the order of keys stay as they were written. Spaces between tokens are
/// removed, and characters beyond ASCII are escaped. A clone shares the text.
#[derive(Clone)]
pub struct Details(Arc<RawValue>);

impl Details {
    /// Reads a JSON value; `None` for `null`, which counts as absent.
    ///
    /// # Errors
    /// Says what is wrong with it: no JSON, more than 100 levels, or half of a surrogate pair.
    pub fn parse(json: &str) -> Result<Option<Self>, String> {
        let json = without_mark(json);
        let raw: &RawValue =
            serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        if raw.get() == "null" {
            return Ok(None);
        }
        let compact = RawValue::from_string(compact(raw.get())?);
        Ok(Some(Self(compact.expect("JSON without spaces is JSON").into())))
    }

    /// The JSON text, ASCII only.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON text of a part; `None` if there is no such part.
    pub fn part(&self, pointer: &Pointer) -> Option<&str> {
        pointer.find(self.as_str())
    }

    /// The names of its fields, each once; none if it is no object.
    pub fn fields(&self) -> Vec<String> {
        let fields = serde_json::from_str::<Fields>(self.as_str());
        let names = fields.into_iter().flat_map(Fields::each).map(|(name, _)| name.into_owned());
        let mut seen = HashSet::new();
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The value in a document. Numbers are exact there; of duplicate keys the last counts.
    pub fn to_value(&self) -> Value {
        value(&self.0)
    }
}

impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Details {}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Details").field(&self.as_str()).finish()
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Valid JSON without spaces between its tokens, ASCII only.
fn compact(json: &str) -> Result<String, String> {
    let mut compact = String::with_capacity(json.len());
    let mut chars = json.chars();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => continue,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("it has more than {DEPTH_MAX} levels of arrays and objects"));
        }
        compact.push(c);
        if c == '"' {
            string(&mut chars, &mut compact)?;
        }
    }
    Ok(compact)
}

/// Copies a string after its first quote.
fn string(chars: &mut Chars<'_>, compact: &mut String) -> Result<(), String> {
    // Whether the last character was the first half of a surrogate pair.
    let mut is_half = false;
    while let Some(c) = chars.next() {
        if c.is_ascii() && c != '\u{7f}' {
            compact.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(compact, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
        let unit = if c == '\\' { escape(chars, compact) } else { None };
        let is_second = unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        if is_second != is_half {
            return Err("a string holds half of a surrogate pair".to_owned());
        }
        is_half = unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit));
        if c == '"' {
            break;
        }
    }
    Ok(())
}

/// Copies an escape after its backslash. Returns its UTF-16 code unit, if it names one.
fn escape(chars: &mut Chars<'_>, compact: &mut String) -> Option<u32> {
    let kind = chars.next()?;
    compact.push(kind);
    if kind != 'u' {
        return None;
    }
    let (digits, _) = chars.as_str().split_at_checked(4)?;
    compact.push_str(digits);
    chars.nth(3);
    u32::from_str_radix(digits, 16).ok()
}

/// As `serde_json` reads it, but no key has a meaning of its own.
fn value(raw: &RawValue) -> Value {
    let json = raw.get();
    let read = match json.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Fields>(json)
            .map(|fields| {
                fields.each().map(|(name, raw)| (name.into_owned(), value(raw))).collect()
            })
            .map(|fields: Map<_, _>| Value::Object(fields)),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(json)
            .map(|all| Value::Array(all.into_iter().map(value).collect())),
        _ => serde_json::from_str(json),
    };
    read.expect("its text is valid JSON, and its strings are Unicode")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(json: &str) -> Details {
        Details::parse(json).expect("valid").expect("not null")
    }

    #[test]
    fn numbers_and_keys_stay_as_they_were_written() {
        let written =
            "\u{feff} {\"b\": 1.50, \"a\": [1E+5, -0, 12345678901234567890.10],\n\t\"b\": \"x y\"}";
        let details = parsed(written);
        let compact = r#"{"b":1.50,"a":[1E+5,-0,12345678901234567890.10],"b":"x y"}"#;
        assert_eq!(details.as_str(), compact);
        assert_eq!(serde_json::to_string(&details).expect("JSON"), compact);
        assert_eq!(parsed(details.as_str()), details);
        let value = details.to_value();
        assert_eq!(value["a"].to_string(), "[1e+5,-0,12345678901234567890.10]");
        assert_eq!(value["b"], json!("x y"));
    }

    #[test]
    fn its_text_is_ascii_and_means_the_same() {
        let details = parsed("\"Zürich \u{1f984}\u{7f} \\u00e9 \\ud83e\\udd84 \\\\u \\\" \\n\"");
        let text = r#""Z\u00fcrich \ud83e\udd84\u007f \u00e9 \ud83e\udd84 \\u \" \n""#;
        assert_eq!(details.as_str(), text);
        assert_eq!(details.to_value(), json!("Zürich \u{1f984}\u{7f} é \u{1f984} \\u \" \n"));
    }

    #[test]
    fn no_key_has_a_meaning_of_its_own() {
        for key in ["Number", "RawValue"] {
            let key = format!("$serde_json::private::{key}");
            let details = parsed(&json!({ &key: "[1]" }).to_string());
            assert_eq!(
                details.to_value().as_object().and_then(|all| all.get(&key)),
                Some(&json!("[1]"))
            );
        }
    }

    #[test]
    fn null_is_absent_and_every_other_value_is_not() {
        assert_eq!(Details::parse(" null\n"), Ok(None));
        for json in ["0", "false", "\"\"", "[]", "{}", "[null]"] {
            assert_eq!(parsed(json).as_str(), json);
        }
    }

    #[test]
    fn refuses_what_others_could_not_read() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(parsed(&nested(DEPTH_MAX)).to_value().to_string(), nested(DEPTH_MAX));
        for (json, problem) in [
            (nested(DEPTH_MAX + 1), "more than 100 levels"),
            (nested(1_000_000), "more than 100 levels"),
            (r#"{"a": "\ud800"}"#.into(), "surrogate"),
            (r#""\udc00""#.into(), "surrogate"),
            (r#""\ud800\ud800\udc00""#.into(), "surrogate"),
            (r#""\ud800x\udc00""#.into(), "surrogate"),
            (r#""\ud800\n""#.into(), "surrogate"),
            (r#"{"\ud800": 1}"#.into(), "surrogate"),
            ("{".into(), "EOF"),
            ("1 2".into(), "trailing"),
            (String::new(), "EOF"),
        ] {
            let refused = Details::parse(&json).expect_err("refused");
            assert!(refused.contains(problem), "{refused}");
        }
    }
}
