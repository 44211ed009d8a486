//! A JSON object from outside. A field's value is parsed only when it is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's fields with their values as raw JSON. Of duplicate keys the last counts.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(Name<'a>, &'a RawValue)>);

/// Borrowed if it is written without escapes.
#[derive(Debug, serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Fields<'_> {
    /// Whether it has the field, even if its value is `null`.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(Name(other), _)| other == name)
    }
}

/// A field's value as raw JSON; `None` if it is absent or `null`.
pub fn present<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    let (_, value) = fields.0.iter().rev().find(|(Name(other), _)| other == name)?;
    Some(value.get()).filter(|value| *value != "null")
}

impl<'a> Fields<'a> {
    /// Names and values in the order of the text, duplicates too.
    pub fn each(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.0.into_iter().map(|(Name(name), value)| (name, value))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_however_it_is_written_and_the_last_counts() {
        let object = r#"{"a": 1, "\u0061\u00e9": "x", "b": null, "a": [2, {"a": 3}]}"#;
        let fields: Fields = serde_json::from_str(object).expect("an object");
        assert_eq!(present(&fields, "a"), Some(r#"[2, {"a": 3}]"#));
        assert_eq!(present(&fields, "aé"), Some(r#""x""#));
        assert_eq!((present(&fields, "b"), present(&fields, "c")), (None, None));
        let array = serde_json::from_str::<Fields>("[1]").expect_err("no object");
        assert!(array.is_data());
    }
}
