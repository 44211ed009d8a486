//! Prices, texts and messages: exact, ASCII on the wire, and never a panic, whatever comes.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use rydes::core::text::{ascii_json, is_unsafe, printable};
use rydes::core::{
    Answer, Condition, Details, Price, Reply, Request, Responder, RfqId, Ride, Timestamp,
};
use serde_json::{Value, json};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A number as digits and the power of ten of the first one, and how it is written by hand.
fn decimals() -> impl Strategy<Value = (String, i32)> {
    ("[1-9][0-9]{0,37}", prop_oneof![3 => -10..30_i32, 1 => -130..=125_i32])
}

/// Without exponent, leading or trailing zeros.
fn plain(digits: &str, exponent: i32) -> String {
    let digits = digits.trim_end_matches('0');
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("0.{zeros}{digits}");
    };
    match digits.split_at_checked(whole) {
        None | Some((_, "")) => format!("{digits:0<whole$}"),
        Some(("", fraction)) => format!("0.{fraction}"),
        Some((units, fraction)) => format!("{units}.{fraction}"),
    }
}

fn hash(price: &Price) -> u64 {
    let mut hasher = DefaultHasher::new();
    price.hash(&mut hasher);
    hasher.finish()
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(any::<char>(), 0..20).prop_map(String::from_iter),
        "[ -~]{0,20}",
        "[\\u{0}-\\u{a0}\\u{200b}-\\u{2030}\\u{2060}-\\u{206f}\\u{feff}\\u{ffff}\\u{e0001}]{0,12}",
    ]
}

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        1_700_000_000_000..1_900_000_000_000_i64,
        -62_000_000_000_000..253_000_000_000_000_i64,
        -400_000_000_000_000..400_000_000_000_000_i64,
    ]
    .prop_filter_map("beyond the calendar", Timestamp::from_millis)
}

fn ids() -> impl Strategy<Value = RfqId> {
    texts().prop_filter_map("no id", |id| RfqId::parse(&id).ok())
}

fn prices() -> impl Strategy<Value = Price> {
    let parsed = |text: String| Price::parse(&text).expect("a good price");
    prop_oneof![
        (0..=100_u64).prop_map(Price::whole),
        decimals().prop_map(move |(digits, exponent)| parsed(plain(&digits, exponent))),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    let failed = (texts(), of(any::<u32>()), vec(times(), 0..4));
    prop_oneof![
        prices().prop_map(Answer::Quote),
        texts().prop_map(Answer::Declined),
        failed.prop_map(|(reason, attempts, attempted_at)| Answer::Failed {
            reason,
            attempts,
            attempted_at
        }),
        texts().prop_map(Answer::Silent),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    let responder = prop_oneof!["[A-Za-z][A-Za-z0-9_]{0,46}", "[!-~äß東🦄 ]{1,20}"]
        .prop_filter_map("no responder", |name| Responder::parse(&name).ok());
    let texts = (of(texts()), of(texts()), of(texts()));
    (responder, ids(), answers(), of(details()), texts, of(times()), of(times())).prop_map(
        |(responder, id, answer, details, (from, to, customer), received_at, answered_at)| Reply {
            responder,
            id,
            answer,
            details,
            ride: Ride { from, to, customer },
            received_at,
            answered_at,
        },
    )
}

/// Details of any shape, with texts that JSON has to escape.
fn details() -> impl Strategy<Value = Details> {
    let numbers = decimals().prop_map(|(digits, exponent)| {
        let written = plain(&digits, exponent);
        serde_json::from_str(&written).expect("a number")
    });
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        numbers,
        texts().prop_map(Value::from),
        Just(json!([null])),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((texts(), inner), 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    });
    tree.prop_map(|value| {
        let spaced = serde_json::to_string_pretty(&value).expect("JSON");
        let details = Details::parse(&spaced).expect("valid").expect("not null");
        assert_eq!(details.to_value(), value);
        details
    })
}

fn requests() -> impl Strategy<Value = Request> {
    (ids(), texts(), texts(), texts(), of(times()), of(times())).prop_map(
        |(id, from, to, customer, submitted_at, deadline)| Request {
            id,
            ride: Ride { from, to, customer },
            submitted_at,
            deadline,
        },
    )
}

/// Pieces that break JSON, or make another message of it.
const PIECES: [&str; 20] = [
    "",
    "null",
    "\"",
    "{",
    "}",
    "[",
    ",",
    ":",
    "\\",
    "\\ud800",
    "-",
    "1e999",
    "10e9223372036854775808",
    "1e-9223372036854775808",
    "0.",
    "\u{0}",
    "\u{202e}",
    ",\"quote\":1",
    "\"responder\":\"-\",",
    "NaN",
];

/// What a byte flip, a cut or a foreign piece makes of a message.
fn mutated(message: String) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(PIECES.to_vec()));
    vec(edit, 1..5).prop_map(move |edits| {
        let mut chars: Vec<char> = message.chars().collect();
        for (place, cut, piece) in edits {
            let start = place.index(chars.len() + 1);
            let end = (start + cut).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

/// Reads it as everything that could come from outside; what is accepted must survive another trip.
fn read(body: &str) -> Result<(), TestCaseError> {
    if let Ok(reply) = Reply::decode(body) {
        let sent = reply.encode();
        prop_assert!(sent.is_ascii());
        prop_assert_eq!(Reply::decode(&sent), Ok(reply));
    }
    if let Ok(request) = Request::decode(body) {
        let sent = request.encode(None);
        prop_assert!(sent.is_ascii());
        prop_assert_eq!(Request::decode(&sent), Ok(request));
    }
    if let Ok(price) = Price::parse(body) {
        prop_assert_eq!(Price::parse(&price.to_string()), Ok(price));
    }
    if let Ok(condition) = Condition::parse(body) {
        prop_assert_eq!(Condition::parse(&condition.to_string()), Ok(condition));
    }
    if let Some(time) = Timestamp::parse(body) {
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }
    if let Ok(responder) = Responder::parse(body) {
        prop_assert_eq!(printable(responder.as_str()), body);
    }
    Ok(())
}

/// Format characters, bidi controls, separators, private use and noncharacters, spelled out.
fn obeyed(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e007f}'
            | '\u{f0000}'..='\u{10ffff}'
    )
}

/// What words, pictographs and flags are written with.
fn is_written(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{e0030}'..='\u{e007f}')
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn prices_are_kept_to_the_last_digit((digits, exponent) in decimals()) {
        let written = plain(&digits, exponent);
        let price = Price::parse(&written).expect("a good price");
        prop_assert_eq!(price.to_string(), written.clone());
        prop_assert_eq!(price.to_json().to_string(), written.clone());
        let (first, rest) = digits.split_at(1);
        let places = i32::try_from(rest.len()).expect("few digits");
        for other in [
            format!("{first}.{rest}0e{exponent}"),
            format!("{digits}E{:+}", exponent - places),
            format!("0.000{digits}e{}", exponent + 4),
            if written.contains('.') { format!("{written}000") } else { format!("{written}.00") },
        ] {
            let same = Price::parse(&other).expect("the same price");
            prop_assert_eq!(same.to_string(), written.clone(), "{}", other);
            prop_assert_eq!((&same, hash(&same)), (&price, hash(&price)));
        }
    }

    #[test]
    fn prices_are_ordered_by_value(a in decimals(), b in decimals()) {
        let value = |(digits, exponent): &(String, i32)| (*exponent, format!("{digits:0<38}"));
        let [one, other] = [&a, &b].map(|(digits, exponent)| {
            Price::parse(&plain(digits, *exponent)).expect("a good price")
        });
        prop_assert_eq!(one.cmp(&other), value(&a).cmp(&value(&b)));
        prop_assert_eq!(one == other, one.cmp(&other) == Ordering::Equal);
    }

    #[test]
    fn prices_beyond_what_the_table_holds_are_refused(
        (digits, exponent) in decimals(),
        beyond in prop_oneof![1..500_i64, i64::MAX - 999..=i64::MAX],
    ) {
        let too_long = format!("{digits:0<38}1");
        prop_assert!(Price::parse(&plain(&too_long, exponent)).is_err());
        let (first, rest) = digits.split_at(1);
        let too_big = 125 + i128::from(beyond);
        let too_small = -130 - i128::from(beyond);
        for bad in [
            format!("{first}.{rest}e{too_big}"),
            format!("{first}.{rest}e{too_small}"),
            format!("{digits}000e{}", 126 + i128::from(beyond)),
            format!("{digits}00e{}", i128::from(i64::MAX) - i128::from(beyond % 9) + 4),
            format!("0.{digits}e-{}", i128::from(i64::MAX) - i128::from(beyond % 9) + 4),
            format!("-{}", plain(&digits, exponent)),
        ] {
            prop_assert!(Price::parse(&bad).is_err(), "{}", bad);
        }
    }

    #[test]
    fn whole_prices_are_the_ones_that_are_read(units in any::<u64>()) {
        let (whole, read) = (Price::whole(units), Price::parse(&units.to_string()));
        prop_assert_eq!(whole.to_string(), units.to_string());
        prop_assert_eq!(Ok(hash(&whole)), read.as_ref().map(hash));
        prop_assert_eq!(Ok(whole), read);
    }

    #[test]
    fn replies_are_ascii_and_read_back(reply in replies()) {
        let sent = reply.encode();
        prop_assert!(sent.is_ascii() && !sent.contains(|c: char| c.is_control()));
        prop_assert_eq!(Reply::decode(&sent), Ok(reply));
    }

    #[test]
    fn requests_are_ascii_and_read_back(request in requests(), payload in of(details())) {
        let sent = request.encode(payload.as_ref());
        let fields: Value = serde_json::from_str(&sent).expect("JSON");
        let sent_details = fields.get("details").cloned();
        prop_assert_eq!(sent_details, payload.as_ref().map(Details::to_value));
        prop_assert!(sent.is_ascii() && !sent.contains(|c: char| c.is_control()));
        prop_assert_eq!(Request::decode(&sent), Ok(request));
    }

    #[test]
    fn nothing_that_comes_makes_a_reader_panic(text in texts(), bytes in vec(any::<u8>(), 0..60)) {
        read(&text)?;
        read(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn nearly_good_messages_make_no_reader_panic(
        body in prop_oneof![
            replies().prop_map(|reply| reply.encode()).prop_flat_map(mutated),
            (requests(), of(details()))
                .prop_map(|(request, details)| request.encode(details.as_ref()))
                .prop_flat_map(mutated),
        ],
    ) {
        read(&body)?;
    }

    #[test]
    fn nearly_good_words_make_no_reader_panic(
        text in prop_oneof![
            "-?[0-9._]{0,45}([eE][-+]?[0-9]{1,40})?",
            "(price:)?[0-9.e-]{0,8}|all",
            "-?[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?Z",
            "[0-9]{4}-0[1-9]-[12][0-9][T ][01][0-9]:[0-5][0-9](:60)?([-+][0-9]{2}:[0-9]{2})?",
        ],
    ) {
        read(&text)?;
        // The same as a quote in a reply.
        read(&format!(r#"{{"responder":"r","rfq-id":"x","quote":{text}}}"#))?;
    }

    #[test]
    fn what_is_printable_holds_nothing_a_terminal_obeys(text in texts()) {
        let shown = printable(&text);
        prop_assert!(!shown.contains(|c: char| c.is_control()));
        prop_assert!(!shown.contains(|c| (is_unsafe(c) || obeyed(c)) && !is_written(c)));
        prop_assert_eq!(printable(&shown), shown.clone());
        if !text.contains(is_unsafe) {
            prop_assert_eq!(shown, text);
        }
    }

    #[test]
    fn what_joins_no_letters_is_always_seen(
        text in "[ -~\\u{e9}\\u{df}\\u{3b1}\\u{416}\\u{6771}\\u{200c}\\u{200d}\\u{202e}\\u{e0067}\\u{e007f}]{0,12}",
    ) {
        let shown = printable(&text);
        prop_assert!(!shown.contains(is_unsafe), "{:?}", shown);
        prop_assert!(!shown.contains(obeyed), "{:?}", shown);
    }

    #[test]
    fn escaped_json_means_the_same(text in texts()) {
        let json = serde_json::Value::String(text).to_string();
        let ascii = ascii_json(json.clone());
        prop_assert!(ascii.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(
            serde_json::from_str::<String>(&ascii).expect("valid JSON"),
            serde_json::from_str::<String>(&json).expect("valid JSON")
        );
    }

    #[test]
    fn the_natural_order_is_an_order(names in vec("[aR]?[019]{0,3}[aR]?[012]{0,2}", 3)) {
        let [a, b, c] = [0, 1, 2].map(|place: usize| Responder::stored(names[place].clone()));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }
}

#[test]
fn a_message_nested_without_end_is_refused() {
    for open in ["[", "{\"a\":"] {
        assert!(Reply::decode(&open.repeat(99_999)).is_err());
        assert!(Request::decode(&open.repeat(99_999)).is_err());
        let body =
            format!(r#"{{"responder":"r","rfq-id":"x","quote":1,"new":{}"#, open.repeat(99_999));
        assert!(Reply::decode(&body).is_err());
    }
}

#[test]
fn a_quote_that_is_no_number_is_refused_however_it_is_dressed() {
    for quote in ["\"57\"", "[57]", "true", "{}", r#"{"$serde_json::private::Number":"57"}"#] {
        let body = format!(r#"{{"responder":"r","rfq-id":"x","quote":{quote}}}"#);
        assert!(Reply::decode(&body).is_err(), "{body}");
    }
}

#[test]
fn unknown_fields_are_ignored_whatever_they_hold() {
    let deep = "[".repeat(999) + &"]".repeat(999);
    let dressed = r#"{"$serde_json::private::Number":"x"}"#;
    for new in ["{}", "[[{}]]", "1e999999", r#""\ud800""#, &deep, dressed] {
        let body = format!(r#"{{"responder":"r","rfq-id":"x","quote":57,"new":{new}}}"#);
        assert!(Reply::decode(&body).is_ok(), "{body}");
    }
}

#[test]
fn null_is_absent_and_of_two_keys_the_last_counts() {
    let read =
        |fields: &str| Reply::decode(&format!(r#"{{"responder":"r","rfq-id":"x",{fields}}}"#));
    assert!(read(r#""quote":1,"declined":null"#).is_ok());
    assert!(read(r#""quote":1,"quote":null"#).is_err());
    assert!(read(r#""quote":1,"quote":null,"silent":"no""#).is_ok());
    assert!(read(r#""quote":1,"responder":"-""#).is_err());
}
