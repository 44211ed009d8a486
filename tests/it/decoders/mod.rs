//! Every decoder of what comes from outside: on anything at all, on good messages that were spoiled, and
//! on what has broken decoders elsewhere. `fuzz` runs the same checks for as long as it is let.

mod checks;
mod filters;
mod hostile;
mod rows;

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

type Check = fn(&[u8]);

/// Every check, by the name of its target.
const CHECKS: [(&str, Check); 12] = [
    ("answer", checks::answer),
    ("batch_line", checks::batch_line),
    ("details", checks::details),
    ("export", checks::export),
    ("filter", filters::filter),
    ("price", checks::price),
    ("reply", checks::reply),
    ("request", checks::request),
    ("rows", rows::rows),
    ("text", checks::shown),
    ("time", checks::time),
    ("words", checks::words),
];

fn check(target: &str, bytes: &[u8]) {
    let check = CHECKS.iter().find(|(name, _)| *name == target);
    check.expect("it has a check").1(bytes);
}

fn check_all(bytes: &[u8]) {
    for (_, check) in CHECKS {
        check(bytes);
    }
}

/// The good messages that fuzzing begins with, by target.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let listed = |folder: &Path| fs::read_dir(folder).expect("it can be listed");
    let mut seeds = Vec::new();
    for target in listed(&folder).map(|entry| entry.expect("it can be listed")) {
        for seed in listed(&target.path()).map(|entry| entry.expect("it can be listed")) {
            let bytes = fs::read(seed.path()).expect("it can be read");
            seeds.push((target.file_name().to_string_lossy().into_owned(), bytes));
        }
    }
    seeds.sort();
    seeds
}

/// Pieces that break a message, or make another one of it.
const PIECES: [&str; 46] = [
    "",
    "null",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\\ud800",
    "\\udc00",
    "\\u001b[2J",
    "\\x",
    "-",
    "+",
    "0",
    "00",
    "_",
    ".",
    "e",
    "1e999",
    "e-9223372036854775808",
    "10e9223372036854775808",
    "99999999999999999999999999999999999999",
    "NaN",
    "\u{0}",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{200c}",
    "\u{200d}",
    "\u{647}",
    "\u{1f469}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e007f}",
    "\u{e0067}",
    "\u{e000}",
    ",\"quote\":1",
    ",\"quote\":null",
    "\"responder\":\"-\",",
    "../../etc/passwd",
    "\n",
    "-009999",
    "[Europe/Berlin]",
];

/// What comes into a message.
#[derive(Debug, Clone)]
enum New {
    Piece(&'static str),
    Byte(u8),
    /// What is elsewhere in it.
    Own(Index),
    /// So many of these.
    Many(&'static str, usize),
}

/// So many bytes at a place, and what takes theirs.
type Edit = (Index, usize, New);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let new = prop_oneof![
        12 => select(&PIECES).prop_map(New::Piece),
        4 => any::<u8>().prop_map(New::Byte),
        4 => any::<Index>().prop_map(New::Own),
        1 => (select(&["[", "{\"a\":", "9", "x", "\\u001b", "é"]), 0..3_000_usize)
            .prop_map(|(one, many)| New::Many(one, many)),
    ];
    let length = prop_oneof![2 => Just(0_usize), 2 => 1..3_usize, 1 => 3..40_usize];
    vec((any::<Index>(), length, new), 1..6)
}

fn spoil(message: &mut Vec<u8>, (place, length, new): Edit) {
    let start = place.index(message.len() + 1);
    let end = (start + length).min(message.len());
    let new = match new {
        New::Piece(piece) => piece.into(),
        New::Byte(byte) => vec![byte],
        New::Own(place) => {
            let start = place.index(message.len() + 1);
            message[start..].iter().take(length).copied().collect()
        }
        New::Many(one, many) => one.repeat(many).into(),
    };
    message.splice(start..end, new);
}

/// Good messages after a few edits, by target.
fn spoiled() -> impl Strategy<Value = (String, Vec<u8>)> {
    (select(seeds()), edits()).prop_map(|((target, mut message), edits)| {
        for edit in edits {
            spoil(&mut message, edit);
        }
        (target, message)
    })
}

const FIELDS: [&str; 18] = [
    "rfq-id",
    "responder",
    "from",
    "to",
    "customer",
    "quote",
    "declined",
    "failed",
    "silent",
    "attempts",
    "attempted-at",
    "received-at",
    "answered-at",
    "submitted-at",
    "deadline",
    "until",
    "",
    "$serde_json::private::RawValue",
];
const VALUES: [&str; 30] = [
    "\"x\"",
    "\"r\"",
    "\"\"",
    "\"-\"",
    "\"..\"",
    "\"2s\"",
    "\"price:20\"",
    "\"2026-01-31T12:00:00.000Z\"",
    "\"9999-12-30T21:59:59.999Z\"",
    "\"-009999-01-02T01:59:59.001Z\"",
    "\"\\u001b]0;title\\u0007\"",
    "\"\\ud800\"",
    "\"\\ud83e\\udd84\"",
    "\"\u{202e}東京\"",
    "0",
    "57",
    "19.90",
    "-0.0",
    "-1",
    "1e125",
    "1e126",
    "1E-130",
    "123456789012345678901234567890123456789",
    "4294967296",
    "null",
    "true",
    "[]",
    "[\"2026-01-31T12:00:00Z\", \"3\"]",
    "{\"$serde_json::private::Number\":\"57\"}",
    "[[{}]]",
];

/// Documents of our fields, each with something that may be its value.
fn documents() -> impl Strategy<Value = String> {
    let field = (select(&FIELDS), select(&VALUES));
    let field = field.prop_map(|(name, value)| format!(",\"{name}\":{value}"));
    let good = select(&[
        "\"rfq-id\":\"x\",\"responder\":\"r\"",
        "\"rfq-id\":\"x\",\"from\":\"A\",\"to\":\"B\",\"customer\":\"c\"",
        "\"rfq-id\":null",
    ]);
    let fields = (good, vec(field, 0..5));
    fields.prop_map(|(good, fields)| format!("{{{good}{}}}", fields.concat()))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn anything_at_all_is_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        check_all(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check_all(text.as_bytes());
    }

    #[test]
    fn rows_of_any_kind_are_read_and_shown(bytes in vec(any::<u8>(), 60..500)) {
        rows::rows(&bytes);
    }
}

proptest! {
    #![proptest_config(config(6_000))]

    #[test]
    fn spoiled_messages_are_read_or_refused((target, message) in spoiled()) {
        check(&target, &message);
    }

    #[test]
    fn documents_of_our_fields_are_read_or_refused(document in documents()) {
        for target in ["answer", "batch_line", "reply", "request", "text"] {
            check(target, document.as_bytes());
        }
    }
}

#[test]
fn the_seeds_are_good_and_each_target_has_its_file() {
    for (target, seed) in seeds() {
        check(&target, &seed);
    }
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
    let files = fs::read_dir(targets).expect("it can be listed");
    let files = files.map(|entry| entry.expect("it can be listed").file_name());
    let mut files: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    files.sort();
    assert_eq!(files, CHECKS.map(|(name, _)| format!("{name}.rs")));
}
