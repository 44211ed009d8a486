//! A JSON object from outside, taken apart no further than somebody asks.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// An object's fields, each as it is written: what nobody asks for is never looked into, and of
/// duplicate keys the last counts.
pub type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// A field's value as it is written; `null` is absent.
pub fn present<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    fields.get(name).map(|value| value.get()).filter(|value| *value != "null")
}
