//! Reads a line. Errors describe the fault and repeat nothing of the line.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;

use super::DEPTH;
use crate::aws::Item;

/// The first bytes of Amazon Ion, in binary and as text.
const ION: [&[u8]; 2] = [b"\xe0\x01\x00\xea", b"$ion_"];
/// Names at the top of a line of an incremental export.
const INCREMENTAL: [&str; 4] = ["Metadata", "Keys", "NewImage", "OldImage"];
/// Names at the top of the files that list an export.
const MANIFEST: [&str; 6] =
    ["version", "exportArn", "itemCount", "md5Checksum", "etag", "dataFileS3Key"];

/// Why a line is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// It belongs to an incremental export: a change, not a row.
    #[error("it is a line of an incremental export")]
    Incremental,
    /// It belongs to the list of the files of an export.
    #[error("it belongs to the manifest of an export")]
    Manifest,
    /// It is Amazon Ion.
    #[error("it is Amazon Ion, not JSON")]
    Ion,
    /// It is no JSON, or is cut off.
    #[error("{0}")]
    NotJson(&'static str),
    /// It is JSON of another shape.
    #[error("{0}")]
    NotARow(&'static str),
}

const NO_ROW: &str = "it is not `{\"Item\": {...}}`";
const NO_VALUE: &str = "an attribute is not of the form `{\"S\": \"...\"}`";
const NO_NUMBER: &str = "a number is malformed";
const NO_BYTES: &str = "binary data is not base64";
const TWICE: &str = "it has the same name twice";
const TOO_DEEP: &str = "it is nested deeper than 32 levels";
const CUT: &str = "it is cut off";
const NO_JSON: &str = "it is not JSON";
/// Our own errors that mean another kind of file.
const INCREMENTAL_MARK: &str = "incremental";
const MANIFEST_MARK: &str = "manifest";

/// Reads the row of a line, with or without its line break.
///
/// # Errors
/// Says what is wrong with the line.
pub fn read_line(line: &[u8]) -> Result<Item, Misread> {
    if ION.iter().any(|mark| line.starts_with(mark)) {
        return Err(Misread::Ion);
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let read = json.deserialize_map(Line).and_then(|item| json.end().map(|()| item));
    read.map_err(|error| match error.classify() {
        Category::Eof => Misread::NotJson(CUT),
        Category::Syntax | Category::Io => Misread::NotJson(NO_JSON),
        Category::Data => misread(&error.to_string()),
    })
}

/// The words of our own errors; those of serde may repeat a part of the line.
fn misread(said: &str) -> Misread {
    if said.starts_with(INCREMENTAL_MARK) {
        return Misread::Incremental;
    }
    if said.starts_with(MANIFEST_MARK) {
        return Misread::Manifest;
    }
    let ours = [NO_ROW, NO_VALUE, NO_NUMBER, NO_BYTES, TWICE, TOO_DEEP];
    let ours = ours.into_iter().find(|words| said.starts_with(words));
    Misread::NotARow(ours.unwrap_or(NO_ROW))
}

struct Line;

impl<'de> Visitor<'de> for Line {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = None;
        while let Some(name) = map.next_key_seed(Text)? {
            match &*name {
                "Item" if item.is_none() => item = Some(map.next_value_seed(Fields { depth: 0 })?),
                "Item" => return Err(A::Error::custom(TWICE)),
                name => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::custom(kind_of_line(name)));
                }
            }
        }
        item.ok_or_else(|| A::Error::custom(NO_ROW))
    }
}

/// The error for a line that begins with this name.
fn kind_of_line(name: &str) -> &'static str {
    if INCREMENTAL.contains(&name) {
        INCREMENTAL_MARK
    } else if MANIFEST.contains(&name) {
        MANIFEST_MARK
    } else {
        NO_ROW
    }
}

/// Attributes by name, at this depth.
struct Fields {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Item, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut fields = HashMap::new();
        while let Some(name) = map.next_key_seed(Text)? {
            let value = map.next_value_seed(Value { depth: self.depth })?;
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(fields)
    }
}

/// A value at this depth.
#[derive(Clone, Copy)]
struct Value {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = AttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<AttributeValue, D::Error> {
        if self.depth >= DEPTH {
            return Err(D::Error::custom(TOO_DEEP));
        }
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributeValue, A::Error> {
        let kind = map.next_key_seed(Text)?;
        let deeper = Self { depth: self.depth + 1 };
        let value = match kind.as_deref() {
            Some("S") => AttributeValue::S(map.next_value_seed(Text)?),
            Some("N") => AttributeValue::N(number(map.next_value_seed(Text)?)?),
            Some("B") => AttributeValue::B(bytes(&map.next_value_seed(Text)?)?),
            Some("BOOL") => AttributeValue::Bool(map.next_value()?),
            Some("NULL") => AttributeValue::Null(map.next_value()?),
            Some("SS") => AttributeValue::Ss(map.next_value_seed(List(Text))?),
            Some("NS") => {
                let all = map.next_value_seed(List(Text))?.into_iter().map(number);
                AttributeValue::Ns(all.collect::<Result<_, _>>()?)
            }
            Some("BS") => {
                let all = map.next_value_seed(List(Text))?;
                AttributeValue::Bs(all.iter().map(|text| bytes(text)).collect::<Result<_, _>>()?)
            }
            Some("L") => AttributeValue::L(map.next_value_seed(List(deeper))?),
            Some("M") => AttributeValue::M(map.next_value_seed(Fields { depth: deeper.depth })?),
            _ => return Err(A::Error::custom(NO_VALUE)),
        };
        if map.next_key_seed(Text)?.is_some() {
            return Err(A::Error::custom(NO_VALUE));
        }
        Ok(value)
    }
}

struct List<T>(T);

impl<'de, T: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for List<T> {
    type Value = Vec<T::Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeSeed<'de> + Copy> Visitor<'de> for List<T> {
    type Value = Vec<T::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element_seed(self.0)? {
            all.push(one);
        }
        Ok(all)
    }
}

/// A string, copied once.
#[derive(Clone, Copy)]
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// The text of a number as it is, so that none of its digits is lost.
fn number<E: serde::de::Error>(text: String) -> Result<String, E> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || !part.is_empty();
    let is_number =
        has_digits && !exponent.is_empty() && [whole, part, exponent].into_iter().all(are_digits);
    if is_number { Ok(text) } else { Err(E::custom(NO_NUMBER)) }
}

fn bytes<E: serde::de::Error>(text: &str) -> Result<Blob, E> {
    BASE64_STANDARD.decode(text).map(Blob::new).map_err(|_| E::custom(NO_BYTES))
}
