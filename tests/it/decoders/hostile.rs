//! What somebody might send on purpose, each with what becomes of it: `None` where it is read, else a
//! word of why it is refused.

use aws_sdk_dynamodb::types::AttributeValue;
use rydes::aws::{Item, read_answer, read_request};
use rydes::core::{
    Answer, Price, ProviderName, Reply, Request, Responder, RfqId, StackName, Timestamp, Until,
    parse_duration,
};
use rydes::flow::draft::Terms;
use rydes::flow::draft::of_json;
use rydes::flow::provider::Fault;

use super::check;

/// A case and its outcome.
type Case = (String, Option<&'static str>);

fn case(text: impl Into<String>, outcome: Option<&'static str>) -> Case {
    (text.into(), outcome)
}

/// Holds each case against its outcome, and against what holds of everything.
fn hold<T>(target: &str, cases: &[Case], read: impl Fn(&str) -> Result<T, String>) {
    for (text, outcome) in cases {
        let shown: String = text.chars().take(99).collect();
        match (read(text), outcome) {
            (Ok(_), None) => {}
            (Err(problem), Some(word)) => assert!(problem.contains(word), "{shown}: {problem}"),
            (Ok(_), Some(word)) => panic!("{shown} is read, not refused: {word}"),
            (Err(problem), None) => panic!("{shown} is refused: {problem}"),
        }
        check(target, text.as_bytes());
    }
}

/// What any message may be instead of one.
fn no_messages() -> Vec<Case> {
    vec![
        case("", Some("not JSON")),
        case("\u{0}", Some("not JSON")),
        case("null", Some("not a JSON object")),
        case("[".repeat(10_000), Some("not a JSON object")),
        case("{\"a\":".repeat(10_000), Some("not JSON")),
        case("\"".to_owned() + &"x".repeat(200_000) + "\"", Some("not a JSON object")),
        case("{} {}", Some("not JSON")),
        case("\u{feff}{}", Some("missing")),
        case("{\"a\":1,}", Some("not JSON")),
        case("{'a':1}", Some("not JSON")),
        case("{\"a\":\"\\x\"}", Some("not JSON")),
        case("{\"a\":\"\u{1b}\"}", Some("not JSON")),
        case("{\"\\ud800\":1}", Some("not JSON")),
    ]
}

#[test]
fn replies() {
    let body = |fields: &str| format!(r#"{{"responder":"r","rfq-id":"x",{fields}}}"#);
    let quote = |quote: &str| body(&format!("\"quote\":{quote}"));
    let responder = |name: &str| quote(&format!("1,\"responder\":\"{name}\""));
    let long = "x".repeat(200_000);
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let mut cases = no_messages();
    cases.extend([
        case(quote("57"), None),
        case("\u{feff}".to_owned() + &quote("57"), None),
        case(quote("-0"), None),
        case(quote("1E-130"), None),
        case(quote("-1"), Some("negative")),
        case(quote("01"), Some("not JSON")),
        case(quote("+1"), Some("not JSON")),
        case(quote(".5"), Some("not JSON")),
        case(quote("NaN"), Some("not JSON")),
        case(quote("1e999"), Some("beyond")),
        case(quote("1e-999"), Some("beyond")),
        case(quote("10e9223372036854775807"), Some("beyond")),
        case(quote("1e99999999999999999999"), Some("decimal number")),
        case(quote(&"9".repeat(39)), Some("38 significant digits")),
        case(quote(&"9".repeat(200_000)), Some("38 significant digits")),
        case(quote("\"57\""), Some("not a number")),
        case(quote("[57]"), Some("not a number")),
        case(quote(r#"{"$serde_json::private::Number":"57"}"#), Some("not a number")),
        case(quote("1,\"quote\":2"), None),
        case(quote("1,\"declined\":null"), None),
        case(quote("1,\"declined\":\"no\""), Some("both")),
        case(quote("null"), Some("none of")),
        case(quote(&format!("1,\"new\":{deep}")), None),
        case(quote(r#"1,"new":"\ud800""#), None),
        case(quote(&format!("1,\"from\":\"{long}\"")), None),
        case(quote("1,\"received-at\":\"9999-12-30T22:00:00Z\""), None),
        case(body(r#""silent":"\ud800""#), Some("not a string")),
        case(body(r#""silent":"\u001b[2J""#), None),
        case(body(&format!("\"silent\":\"{long}\"")), Some("longer than 1024")),
        case(body(r#""failed":"f","attempts":-1,"attempted-at":["noon"]"#), None),
        case(responder("-"), Some("key of the request row")),
        case(responder(""), Some("empty")),
        case(responder(".."), None),
        case(responder("../../etc/passwd"), None),
        case(responder("R1' OR '1'='1"), None),
        case(responder("\\u001b[2J"), Some("control characters")),
        case(responder("a\u{202e}b"), Some("control characters")),
        case(responder("\u{feff}-"), Some("control characters")),
        case(responder("\\ud800"), Some("not a string")),
        case(responder(&"é".repeat(64)), None),
        case(responder(&long), Some("longer than 64")),
        case(quote("1,\"rfq-id\":\"\""), Some("empty")),
        case(quote("1,\"rfq-id\":7"), Some("not a string")),
        case(quote(&format!("1,\"rfq-id\":\"{long}\"")), Some("longer than 128")),
    ]);
    hold("reply", &cases, Reply::decode);
}

#[test]
fn requests() {
    let body =
        |fields: &str| format!(r#"{{"rfq-id":"x","from":"A","to":"B","customer":"c"{fields}}}"#);
    let mut cases = no_messages();
    cases.extend([
        case(body(""), None),
        case(body(",\"from\":\"\""), None),
        case(body(",\"from\":null"), Some("`from` is missing")),
        case(body(",\"from\":{}"), Some("`from` is not a string")),
        case(body(",\"customer\":\"\\ud83e\""), Some("`customer` is not a string")),
        case(body(",\"deadline\":\"noon\",\"submitted-at\":7"), None),
        case(body(",\"deadline\":\"9999-12-30T21:59:59.999Z\""), None),
        case(body(",\"rfq-id\":\"../../etc/passwd\""), None),
        case(body(",\"rfq-id\":\"\""), Some("empty")),
        case(body(&format!(",\"rfq-id\":\"{}\"", "x".repeat(129))), Some("longer than 128")),
        case(body(&format!(",\"to\":\"{}\"", "\\u001b".repeat(30_000))), None),
    ]);
    hold("request", &cases, Request::decode);
}

#[test]
fn prices() {
    hold(
        "price",
        &[
            case("9.99e125", None),
            case("0e-9223372036854775807", None),
            case("007", None),
            case("1.", None),
            case("1e126", Some("beyond")),
            case("10e9223372036854775807", Some("beyond")),
            case("0.1e-9223372036854775807", Some("decimal number")),
            case("1e-131", Some("beyond")),
            case("-1e999999999999", Some("negative")),
            case("9".repeat(200_000), Some("38 significant digits")),
            case(format!("0.{}1", "0".repeat(400)), Some("beyond")),
            case("1_0", Some("decimal number")),
            case("１", Some("decimal number")),
            case("1e", Some("decimal number")),
            case("--1", Some("decimal number")),
            case("inf", Some("decimal number")),
            case(" 1", Some("decimal number")),
        ],
        Price::parse,
    );
}

#[test]
fn times() {
    let read = |text: &str| Timestamp::parse(text).ok_or_else(|| "no time".to_owned());
    hold(
        "time",
        &[
            case("2026-01-31T12:00:60Z", None),
            case("-009999-01-02T01:59:59Z", None),
            case("9999-12-30T22:00:00Z", None),
            case("9999-12-30T22:00:00.999999999Z", Some("no time")),
            case("9999-12-31T00:00:00Z", Some("no time")),
            case("2026-02-30T12:00:00Z", Some("no time")),
            case("2026-01-31T12:00:00", Some("no time")),
            case("2026-01-31T12:00:00+99:00", Some("no time")),
            case("10000-01-01T00:00:00Z", Some("no time")),
            case("1769860800", Some("no time")),
            case("2026-01-31T12:00:00.".to_owned() + &"9".repeat(200_000) + "Z", Some("no time")),
        ],
        read,
    );
}

#[test]
fn conditions_durations_and_faults() {
    hold(
        "words",
        &[
            case("price:0", None),
            case("18446744073709551615", None),
            case("18446744073709551616", Some("a condition is")),
            case("stall:24h", None),
            case("stall:24h 1ns", Some("24h at the most")),
            case("stall:9223372036854775807s", Some("24h at the most")),
            case("price:".to_owned() + &"9".repeat(200_000), Some("38 significant digits")),
            case("\u{1b}[2J", Some("a condition is")),
        ],
        str::parse::<Until>,
    );
    hold(
        "words",
        &[
            case("PT24H", None),
            case("-0s", None),
            case("-1ns", Some("cannot be negative")),
            case("1h ".repeat(60_000), Some("number with a unit")),
            case("9".repeat(200_000) + "s", Some("number with a unit")),
        ],
        parse_duration,
    );
    hold(
        "words",
        &[
            case("R1=silent@1e-300", None),
            case("silent@-0", None),
            case("decline:\u{1b}[2J", None),
            case("silent@nan", Some("from 0 to 1")),
            case("silent@1e999", Some("from 0 to 1")),
            case("decline:".to_owned() + &"x".repeat(1_025), Some("at most 1024")),
            case("../../etc/passwd=silent", Some("a provider's name")),
            case("a=b=silent", Some("the kinds are")),
            case("=".repeat(200_000), Some("a provider's name")),
        ],
        str::parse::<Fault>,
    );
}

#[test]
fn names() {
    let long = "x".repeat(200_000);
    let refused = |word| [case("", Some(word)), case(&long, Some(word)), case("é\n", Some(word))];
    let mut bad = refused("a provider's name").to_vec();
    bad.extend(["-", "..", "a/b", "a-b", "1a"].map(|name| case(name, Some("a provider's name"))));
    bad.push(case("RidesBookingTable", Some("the stack's own")));
    hold("words", &bad, ProviderName::parse);
    let mut bad = refused("a stack's name").to_vec();
    bad.extend(["-", "..", "a/b", "a_b", "1a"].map(|name| case(name, Some("a stack's name"))));
    hold("words", &bad, StackName::parse);
    let good = ["..", "a/b", "a b", "東京", "1"].map(|name| case(name, None));
    hold("words", &good, Responder::parse);
    hold("words", &good, RfqId::parse);
}

#[test]
fn lines_of_a_batch() {
    let line = |fields: &str| format!(r#"{{"from":"A","to":"B"{fields}}}"#);
    let read = |line: &str| {
        of_json("the line", line, &Terms::default()).map_err(|error| error.to_string())
    };
    let mut cases = no_messages();
    // A file's first line, or a body, may begin with it.
    cases.retain(|(text, _)| !text.starts_with('\u{feff}'));
    cases.extend([
        case(line(""), None),
        case("\u{feff}".to_owned() + &line(""), None),
        case("\u{feff}{}", Some("missing")),
        case(line(",\"from\":\"\\ufeffA\\u200d\\u00ad\\u200e\\ufeff\""), None),
        case(line(",\"to\":\"\\u202a\""), Some("control characters")),
        case(line(",\"rfq-id\":\".\""), Some("browsers remove")),
        case(line(",\"rfq-id\":\"..\""), Some("browsers remove")),
        case(line(",\"rfq-id\":\"...\""), None),
        case(line(&format!(",\"until\":[{}1]", "1,".repeat(15))), None),
        case(line(&format!(",\"until\":[{}1]", "1,".repeat(16))), Some("at most 16")),
        case(line(&format!(",\"new\":{}{}", "[".repeat(9_999), "]".repeat(9_999))), None),
        case(line(r#","new":"\ud800""#), None),
        case(line(r#","from":{"$serde_json::private::RawValue":"\"A\""}"#), Some("not a string")),
        case(line(",\"from\":\"C\""), None),
        case(line(",\"from\":\" \\u001b\""), Some("control characters")),
        case(line(&format!(",\"to\":\"{}\"", "x".repeat(257))), Some("longer than 256")),
        case(line(",\"rfq-id\":\"-\""), None),
        case(line(",\"rfq-id\":\"\\u202e\""), Some("control characters")),
        case(line(",\"rfq-id\":\"\\u2028x\\n\""), None),
        case(line(",\"rfq-id\":\"\\u2028\""), Some("empty")),
        case(line(",\"deadline\":\"0\""), Some("10 ms to 24 h")),
        case(line(",\"deadline\":\"25h\""), Some("24h at the most")),
        case(line(",\"deadline\":15"), None),
        case(line(",\"deadline\":-15"), Some("cannot be negative")),
        case(line(",\"deadline\":1e1"), Some("number with a unit")),
        case(line(",\"deadline\":[15]"), Some("not a string")),
        case(line(",\"until\":-1"), Some("a condition is")),
        case(line(",\"until\":1e3"), Some("a condition is")),
        case(line(",\"until\":[[\"3\"]]"), Some("a condition is a text")),
        case(line(",\"until\":\"price:1e999\""), Some("beyond")),
    ]);
    hold("batch_line", &cases, read);
}

#[test]
fn rows_of_somebody_else() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let row = |fields: &[(&str, AttributeValue)]| -> Item {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let id = RfqId::parse("x").expect("a good id");
    let texts = [("from", text("")), ("to", text("\u{1b}[2J")), ("customer", text("c"))];
    let bare = read_request(&id, &row(&texts)).expect("the three texts are enough");
    assert_eq!((bare.expected, bare.until.len(), bare.deadline), (None, 0, None));
    for missing in 0..3 {
        let mut fields = texts.to_vec();
        fields[missing].1 = number("1");
        assert_eq!(read_request(&id, &row(&fields)), None);
    }
    let mixed = AttributeValue::L(vec![text("R1"), number("2"), AttributeValue::Null(true)]);
    let conditions = AttributeValue::L(vec![text("price:x"), text("3"), text("stall:5s")]);
    let odd = [
        ("expected", mixed),
        ("until", conditions),
        ("deadline", text("noon")),
        ("closed-at", number("1769860800")),
    ];
    let odd = read_request(&id, &row(&[&texts[..], &odd].concat())).expect("the texts are there");
    assert_eq!((odd.expected.map(|all| all.len()), odd.until.len()), (Some(1), 1));
    assert_eq!((odd.deadline, odd.closed_at), (None, None));

    let who = ("responder", text("../../etc/passwd"));
    for (field, kind) in [
        (("quote", number("16")), Some("quote")),
        (("quote", number("1E+126")), None),
        (("quote", number("-1")), None),
        (("quote", number("NaN")), None),
        (("quote", text("16")), None),
        (("declined", text("")), Some("declined")),
        (("failed", text("f")), Some("failed")),
        (("silent", number("1")), None),
        (("new", text("x")), None),
    ] {
        let read = read_answer(&row(&[who.clone(), field.clone()]));
        assert_eq!(read.map(|row| row.answer.kind()), kind, "{field:?}");
        assert_eq!(read_answer(&row(&[field])), None);
    }
    let both = row(&[who.clone(), ("quote", number("16")), ("declined", text("no"))]);
    assert_eq!(read_answer(&both).map(|row| row.answer.kind()), Some("quote"));
    let times = AttributeValue::L(vec![text("2026-01-31T12:00:00Z"), text("noon"), number("1")]);
    let failed = [who, ("failed", text("f")), ("attempts", number("-1")), ("attempted-at", times)];
    let failed = read_answer(&row(&failed)).expect("a failure");
    let Answer::Failed { attempts, attempted_at, .. } = failed.answer else { panic!("{failed:?}") };
    assert_eq!((attempts, attempted_at.len()), (None, 1));
}
