//! Writes rows as lines: ASCII only, the key first, the other attributes by name.

use std::collections::HashMap;
use std::io::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::aws::Item;

/// The names that come first.
const KEY: [&str; 2] = ["id", "responder"];

/// Adds the line of a row, with its line break.
pub fn write_line(item: &Item, line: &mut Vec<u8>) {
    write_fields(sorted(item), line);
}

/// The same with these attributes alone, in this order.
pub fn write_some(item: &Item, names: &[&str], line: &mut Vec<u8>) {
    write_fields(names.iter().filter_map(|name| item.get_key_value(*name)), line);
}

fn write_fields<'a>(
    fields: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
    line: &mut Vec<u8>,
) {
    line.extend(b"{\"Item\":");
    write_map(fields, line);
    line.extend(b"}\n");
}

/// The attributes, the key first. The order makes two exports of the same row the same.
fn sorted(item: &HashMap<String, AttributeValue>) -> Vec<(&String, &AttributeValue)> {
    let rank = |name: &str| KEY.iter().position(|key| *key == name).unwrap_or(KEY.len());
    let mut fields: Vec<_> = item.iter().collect();
    fields.sort_unstable_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
    fields
}

fn write_map<'a>(
    fields: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
    line: &mut Vec<u8>,
) {
    line.push(b'{');
    for (position, (name, value)) in fields.into_iter().enumerate() {
        if position > 0 {
            line.push(b',');
        }
        write_text(name, line);
        line.push(b':');
        write_value(value, line);
    }
    line.push(b'}');
}

fn write_value(value: &AttributeValue, line: &mut Vec<u8>) {
    let mut one = |kind: &str, write: &dyn Fn(&mut Vec<u8>)| {
        line.extend([b"{\"", kind.as_bytes(), b"\":"].concat());
        write(line);
        line.push(b'}');
    };
    match value {
        AttributeValue::S(text) => one("S", &|line| write_text(text, line)),
        AttributeValue::N(number) => one("N", &|line| write_text(number, line)),
        AttributeValue::B(bytes) => one("B", &|line| write_bytes(bytes.as_ref(), line)),
        AttributeValue::Bool(truth) => one("BOOL", &|line| line.extend(truth.to_string().bytes())),
        AttributeValue::Null(truth) => one("NULL", &|line| line.extend(truth.to_string().bytes())),
        AttributeValue::Ss(all) => one("SS", &|line| write_list(all, write_string, line)),
        AttributeValue::Ns(all) => one("NS", &|line| write_list(all, write_string, line)),
        AttributeValue::Bs(all) => {
            one("BS", &|line| {
                write_list(all, |bytes, line| write_bytes(bytes.as_ref(), line), line);
            });
        }
        AttributeValue::L(all) => one("L", &|line| write_list(all, write_value, line)),
        AttributeValue::M(fields) => one("M", &|line| write_map(sorted(fields), line)),
        // A type of a later version of the SDK.
        _ => one("NULL", &|line| line.extend(b"true")),
    }
}

fn write_list<T>(all: &[T], write: impl Fn(&T, &mut Vec<u8>), line: &mut Vec<u8>) {
    line.push(b'[');
    for (position, one) in all.iter().enumerate() {
        if position > 0 {
            line.push(b',');
        }
        write(one, line);
    }
    line.push(b']');
}

#[expect(clippy::ptr_arg, reason = "it writes one of a list of `String`")]
fn write_string(text: &String, line: &mut Vec<u8>) {
    write_text(text, line);
}

fn write_bytes(bytes: &[u8], line: &mut Vec<u8>) {
    write_text(&BASE64_STANDARD.encode(bytes), line);
}

/// A JSON string, ASCII only.
fn write_text(text: &str, line: &mut Vec<u8>) {
    line.push(b'"');
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        line.extend(text.bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' => line.extend(b"\\\""),
                '\\' => line.extend(b"\\\\"),
                ' '..='~' => line.push(u8::try_from(c).unwrap_or(b'?')),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(line, "\\u{unit:04x}").expect("writing to memory cannot fail");
                    }
                }
            }
        }
    }
    line.push(b'"');
}
