//! JSON from outside, laid out for people. Numbers, the order of keys and duplicate keys stay as they were written.

use std::fmt::Write as _;
use std::str::Chars;

use serde_json::value::RawValue;

use crate::core::text::{escaped, without_mark};

/// Deeper JSON is not laid out: its indents would be longer than its text.
const DEPTH_MAX: usize = 100;

/// The lines of a JSON text, safe to print and still JSON. `None` if it is no JSON, or nested too deeply.
pub(crate) fn pretty(text: &str) -> Option<Vec<String>> {
    let json: &RawValue = serde_json::from_str(without_mark(text)).ok()?;
    let mut lines = Lines { done: Vec::new(), line: String::new(), depth: 0 };
    let mut chars = json.get().chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                lines.line.push(c);
                match next_token(&chars) {
                    Some(end @ ('}' | ']')) => {
                        lines.line.push(end);
                        chars.find(|c| *c == end);
                    }
                    _ if lines.depth == DEPTH_MAX => return None,
                    _ => lines.next(1),
                }
            }
            '}' | ']' => {
                lines.next(-1);
                lines.line.push(c);
            }
            ',' => {
                lines.line.push(c);
                lines.next(0);
            }
            ':' => lines.line.push_str(": "),
            '"' => string(&mut chars, &mut lines.line),
            other => lines.line.push(other),
        }
    }
    lines.next(0);
    Some(lines.done.iter().map(|line| safe(line)).collect())
}

struct Lines {
    done: Vec<String>,
    line: String,
    depth: usize,
}

impl Lines {
    /// Ends a line. The next one is so much deeper.
    fn next(&mut self, deeper: isize) {
        self.depth = self.depth.saturating_add_signed(deeper);
        self.done.push(std::mem::replace(&mut self.line, "  ".repeat(self.depth)));
    }
}

fn next_token(chars: &Chars<'_>) -> Option<char> {
    chars.clone().find(|c| !c.is_ascii_whitespace())
}

/// Copies a string after its first quote.
fn string(chars: &mut Chars<'_>, line: &mut String) {
    line.push('"');
    while let Some(c) = chars.next() {
        line.push(c);
        match c {
            '"' => return,
            '\\' => line.extend(chars.next()),
            _ => {}
        }
    }
}

/// Escapes unsafe characters, which stand only in strings, as JSON does.
fn safe(line: &str) -> String {
    escaped(line, |safe, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(safe, "\\u{unit:04x}").expect("writing to a string cannot fail");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stays_but_the_spaces() {
        let text = r#" {"b":1.50E+2,"a":[ ],"b":{"x":"{\",\\\"[ :"},"n":[12345678901234567890.12,null,{}]} "#;
        let lines = pretty(text).expect("JSON");
        let expected = [
            "{",
            r#"  "b": 1.50E+2,"#,
            r#"  "a": [],"#,
            r#"  "b": {"#,
            r#"    "x": "{\",\\\"[ :""#,
            "  },",
            r#"  "n": ["#,
            "    12345678901234567890.12,",
            "    null,",
            "    {}",
            "  ]",
            "}",
        ];
        assert_eq!(lines, expected);
        assert_eq!(pretty("\u{feff}\"x\"").expect("JSON"), ["\"x\""]);
    }

    #[test]
    fn what_is_unsafe_is_escaped_and_stays_json() {
        let lines = pretty("[\"a\u{202e}b\u{7f}\u{e0001}é\"]").expect("JSON");
        assert_eq!(lines, ["[", r#"  "a\u202eb\u007f\udb40\udc01é""#, "]"]);
        let read: serde_json::Value = serde_json::from_str(&lines.concat()).expect("JSON");
        assert_eq!(read[0], "a\u{202e}b\u{7f}\u{e0001}é");
    }

    #[test]
    fn nothing_else_is_laid_out() {
        for text in
            ["", "not JSON", "{\"a\": 1", "1 2", &("[".repeat(101) + "1" + &"]".repeat(101))]
        {
            assert_eq!(pretty(text), None, "{text}");
        }
    }
}
