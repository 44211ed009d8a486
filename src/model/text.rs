//! Text from outside is hostile until it has been through here.

use std::fmt::Write as _;

use serde::Serialize;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Whether a character may not be printed as it is: Unicode C* (control, format and with it bidi,
/// surrogate, private use, unassigned), Zl and Zp.
pub fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.general_category_group() == GeneralCategoryGroup::Other
        || matches!(
            c.general_category(),
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
        )
}

/// The text with every unsafe character escaped as `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Escapes what is not printable ASCII in a JSON text. In JSON such characters occur within strings
/// alone, so the document stays the same to every reader.
pub fn ascii_json(json: String) -> String {
    let is_plain = |c: char| c.is_ascii() && c != '\u{7f}';
    if json.chars().all(is_plain) {
        return json;
    }
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if is_plain(c) {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
    }
    ascii
}

/// A JSON document on one line, ASCII only.
pub fn compact_json(document: &impl Serialize) -> String {
    ascii_json(serde_json::to_string(document).expect("our own documents can be written"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("x\u{202e}y\u{2028}z\u{7f}"), "x\\u{202e}y\\u{2028}z\\u{7f}");
        assert_eq!(printable("Zürich → 東京"), "Zürich → 東京");
    }

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let value = serde_json::json!({"to": "Zürich \u{1f984}\u{7f}\u{ffff}"});
        let json = compact_json(&value);
        assert_eq!(json, r#"{"to":"Z\u00fcrich \ud83e\udd84\u007f\uffff"}"#);
        assert_eq!(serde_json::from_str::<Value>(&json).expect("valid JSON"), value);
    }
}
