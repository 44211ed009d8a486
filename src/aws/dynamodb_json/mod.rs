//! Rows as lines of DynamoDB JSON, as AWS's export to S3 writes them: `{"Item":{"id":{"S":"..."}}}`. Pure.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>

mod read;
mod write;

pub use read::{Misread, read_line};
pub use write::{write_line, write_some};

/// How deep values may nest.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue as V;
    use proptest::prelude::*;

    use super::*;
    use crate::aws::Item;

    fn item(name: &str, value: V) -> Item {
        HashMap::from([(name.to_owned(), value)])
    }

    fn written(item: &Item) -> String {
        let mut line = Vec::new();
        write_line(item, &mut line);
        String::from_utf8(line).expect("it is ASCII")
    }

    #[test]
    fn each_type_is_written_as_aws_writes_it() {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let bytes = || Blob::new(*b"\0\xff~");
        let number = "-1234567890.12345678901234567890123456789012345678E-30";
        for (value, wanted) in [
            (
                V::S("Zürich \"\u{7f}🦄\u{1}".into()),
                r#"{"S":"Z\u00fcrich \"\u007f\ud83e\udd84\u0001"}"#,
            ),
            (V::N(number.into()), &*format!(r#"{{"N":"{number}"}}"#)),
            (V::B(bytes()), r#"{"B":"AP9+"}"#),
            (V::Bool(true), r#"{"BOOL":true}"#),
            (V::Null(true), r#"{"NULL":true}"#),
            (V::Ss(texts(&["a", "b"])), r#"{"SS":["a","b"]}"#),
            (V::Ns(texts(&["1", "2.5"])), r#"{"NS":["1","2.5"]}"#),
            (V::Bs(vec![bytes()]), r#"{"BS":["AP9+"]}"#),
            (V::L(vec![V::Null(true), V::L(vec![])]), r#"{"L":[{"NULL":true},{"L":[]}]}"#),
            (V::M(item("k", V::S("v".into()))), r#"{"M":{"k":{"S":"v"}}}"#),
        ] {
            let item = item("x", value);
            let line = written(&item);
            assert_eq!(line, format!("{{\"Item\":{{\"x\":{wanted}}}}}\n"));
            assert_eq!(read_line(line.as_bytes()), Ok(item));
        }
    }

    #[test]
    fn names_are_in_order_and_the_key_comes_first() {
        let names = ["responder", "a", "quote", "id"];
        let item = names.map(|name| (name.to_owned(), V::Bool(false))).into();
        let line = written(&item);
        let at = |name: &str| line.find(&format!("\"{name}\"")).expect("it is there");
        assert!(["id", "responder", "a", "quote"].map(at).is_sorted(), "{line}");
        let mut some = Vec::new();
        write_some(&item, &["quote", "x"], &mut some);
        assert_eq!(some, b"{\"Item\":{\"quote\":{\"BOOL\":false}}}\n");
    }

    #[test]
    fn other_kinds_of_files_are_told_apart() {
        for (line, wanted) in [
            (
                r#"{"Metadata":{"WriteTimestampMicros":{"N":"1"}},"Keys":{},"NewImage":{}}"#,
                Misread::Incremental,
            ),
            (
                r#"{"itemCount":8,"md5Checksum":"x","etag":"y","dataFileS3Key":"z"}"#,
                Misread::Manifest,
            ),
            (r#"{"version":"2020-06-30","exportArn":"x"}"#, Misread::Manifest),
            (r#"$ion_1_0 {Item:{id:"x"}}"#, Misread::Ion),
            ("\u{e0}\u{1}\u{0}\u{ea}", Misread::NotJson("it is not JSON")),
        ] {
            assert_eq!(read_line(line.as_bytes()), Err(wanted), "{line}");
        }
        assert_eq!(read_line(b"\xe0\x01\x00\xea\xee"), Err(Misread::Ion));
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for line in [
            "",
            "{",
            "{}",
            "[]",
            "1",
            "null",
            "\u{feff}",
            "{\"Item\":{}",
            "{\"Item\":{}} x",
            "{\"Item\":[]}",
            r#"{"Item":{"a":{"S":1}}}"#,
            r#"{"Item":{"a":{"N":1}}}"#,
            r#"{"Item":{"a":{"N":"x"}}}"#,
            r#"{"Item":{"a":{"N":""}}}"#,
            r#"{"Item":{"a":{"N":"1e"}}}"#,
            r#"{"Item":{"a":{"NS":["1",""]}}}"#,
            r#"{"Item":{"a":{"B":"*"}}}"#,
            r#"{"Item":{"a":{"X":"b"}}}"#,
            r#"{"Item":{"a":{}}}"#,
            r#"{"Item":{"a":{"S":"b","N":"1"}}}"#,
            r#"{"Item":{"a":"b"}}"#,
            r#"{"Item":{"a":{"BOOL":"true"}}}"#,
            r#"{"Item":{"a":{"S":"1"},"a":{"S":"2"}}}"#,
            r#"{"Item":{},"Item":{}}"#,
            r#"{"Item":{},"x":1}"#,
            r#"{"Item":{"a":{"S":"\ud800"}}}"#,
            r#"{"Item":{"a":{"L":{"S":"x"}}}}"#,
        ] {
            let misread = read_line(line.as_bytes()).expect_err(line);
            assert!(misread.to_string().len() < 160, "{misread}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize, open: &str, close: &str| {
            format!(
                r#"{{"Item":{{"a":{}{{"NULL":true}}{}}}}}"#,
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for (open, close) in [(r#"{"L":["#, "]}"), (r#"{"M":{"x":"#, "}}")] {
            assert!(read_line(nested(DEPTH - 1, open, close).as_bytes()).is_ok());
            for depth in [DEPTH, 40, 100_000] {
                assert!(read_line(nested(depth, open, close).as_bytes()).is_err(), "{depth}");
            }
        }
        let open = ["[", "{\"a\":", r#"{"L":["#, r#"{"Item":"#].map(|open| open.repeat(1_000_000));
        for text in open {
            assert!(read_line(text.as_bytes()).is_err());
        }
    }

    fn number() -> impl Strategy<Value = String> {
        "-?[0-9]{1,20}(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?"
    }

    fn value() -> impl Strategy<Value = V> {
        let blob = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Blob::new);
        let leaf = prop_oneof![
            any::<String>().prop_map(V::S),
            number().prop_map(V::N),
            blob().prop_map(V::B),
            any::<bool>().prop_map(V::Bool),
            Just(V::Null(true)),
            prop::collection::vec(any::<String>(), 1..4).prop_map(V::Ss),
            prop::collection::vec(number(), 1..4).prop_map(V::Ns),
            prop::collection::vec(blob(), 1..4).prop_map(V::Bs),
        ];
        leaf.prop_recursive(8, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(V::L),
                prop::collection::hash_map(any::<String>(), inner, 0..5).prop_map(V::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_item_survives_the_trip(item in prop::collection::hash_map(any::<String>(), value(), 0..6)) {
            let line = written(&item);
            prop_assert!(line.is_ascii() && line.ends_with('\n') && line.matches('\n').count() == 1);
            prop_assert_eq!(read_line(line.as_bytes()), Ok(item));
        }
    }
}
