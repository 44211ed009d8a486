//! Rows of the table, which anybody with the right to write may have written: made from the bytes, read,
//! reckoned with, and shown in every way there is.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use rydes::aws::{Item, read_answer, read_request};
use rydes::core::aggregate::{Gathering, aggregate};
use rydes::core::text::compact_json;
use rydes::core::timeline::Timeline;
use rydes::core::{Answer, AnswerRow, Names, RfqId, Rows, StackName, Timestamp};
use rydes::view::clock::Clock;
use rydes::view::details::{Field, common};
use rydes::view::quotes::{Frame, News, document, news, table, truth, workshop};
use rydes::view::tone::texts;
use rydes::view::{otlp, picture, status, trace};
use serde_json::Value;

use super::checks::{is_ascii, is_price, is_safe, is_time};

const NOON: i64 = 1_769_860_800_000;
const TEXTS: [&str; 8] = [
    "Frankfurt",
    "",
    "東京",
    "a\u{1b}[2Jb",
    "\u{202e}evil",
    "line\nbreak",
    "\u{0}\u{7f}",
    "🦄\u{fe0f}",
];
const NAMES: [&str; 12] = [
    "R1",
    "R2",
    "R10",
    "UnicornManagementResource3",
    "Zoë",
    "..",
    "../../etc/passwd",
    "",
    "\u{1b}]0;title\u{7}",
    "1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}1\u{fe0f}",
    "a18446744073709551616",
    "\u{300}",
];
const NUMBERS: [&str; 12] = [
    "16",
    "0",
    "0.50",
    "99999999999999999999999999999999999999",
    "999999999999999999999999999999999999999",
    "9.99E125",
    "1E+126",
    "1E-130",
    "-1",
    "NaN",
    "10e9223372036854775808",
    "4294967296",
];
const TIMES: [&str; 8] = [
    "2026-01-31T12:00:00.000Z",
    "9999-12-30T21:59:59.999Z",
    "-009999-01-02T01:59:59.001Z",
    "0000-01-01T00:00:00Z",
    "2026-01-31T12:00:60+23:59",
    "yesterday",
    "1769860800",
    "",
];
const CONDITIONS: [&str; 8] =
    ["all", "1", "3", "18446744073709551615", "price:20", "price:1e-130", "price:x", "stall:5s"];

const ORDERS: [&str; 8] =
    ["price", "min:/eta", "max:/eta", "max:/eta", "min:", "min:/a~1b\u{1b}", "max:/a/0", "min:eta"];
const DETAILS: [&str; 12] = [
    r#"{"eta": 7, "vehicle": "unicorn"}"#,
    r#"{"eta": 7.5, "vehicle": "\u001b[2J\u202e"}"#,
    r#"{"eta": -9.99e125, "a/b\u001b": 1}"#,
    r#"{"eta": "soon", "a": [1, {"b": null}]}"#,
    r#"{"eta": 1e999, "\u001b]0;title\u0007": []}"#,
    r#"{"eta": 1, "eta": 2, "": "", "~1/": "x"}"#,
    "[0.00001234567890123456789012345]",
    "-12",
    "\"\\ud800\"",
    "{",
    "null",
    "\"東京🦄\"",
];
const FIELDS: [&str; 5] = ["eta", "vehicle", "/a/1/b", "/a~1b\u{1b}", "\u{1b}]0;title\u{7}"];

/// The row of a request and some rows of answers to it.
pub fn rows(bytes: &[u8]) {
    let mut tape = Tape(bytes);
    let id = RfqId::parse("78c371f6-87c4-4e6e-8c7d-33403c7b7049").expect("a good id");
    let Some(request) = read_request(&id, &tape.request()) else { return };
    [request.submitted_at, request.deadline, request.closed_at]
        .into_iter()
        .flatten()
        .for_each(is_time);
    let (now, width) = (tape.now(), u16::from(tape.next()) * 2);
    let rows = Rows { request, answers: answers(&mut tape) };
    let gathering = aggregate(&rows, now, None);
    let quotes = rows.answers.iter().filter(|row| row.quote().is_some()).count();
    assert_eq!(gathering.quotes.len(), quotes);
    assert!(gathering.closing_time(now) >= now);
    let timeline = Timeline::of(&rows, &gathering);
    for_people(&gathering, &timeline, now, width);
    for_programs(&gathering, &timeline);
}

/// One row per name, as the key has it.
fn answers(tape: &mut Tape) -> Vec<AnswerRow> {
    let (mut answers, mut names) = (Vec::new(), HashSet::new());
    while !tape.0.is_empty() && answers.len() < 12 {
        let Some(row) = read_answer(&tape.answer()) else { continue };
        match &row.answer {
            Answer::Quote(price) => is_price(price),
            Answer::Failed { attempted_at, .. } => attempted_at.iter().copied().for_each(is_time),
            Answer::Declined(_) | Answer::Silent(_) => {}
        }
        let times = [row.received_at, row.time(), row.gathered_at, row.failed_at];
        times.into_iter().flatten().for_each(is_time);
        if names.insert(row.responder.clone()) {
            answers.push(row);
        }
    }
    answers
}

fn for_people(gathering: &Gathering, timeline: &Timeline, now: Timestamp, width: u16) {
    let stack = StackName::parse(StackName::DEFAULT).expect("a good name");
    let mut fields: Vec<Field> = common(gathering);
    fields.extend(FIELDS.map(|field| field.parse().expect("a field")));
    let clock = Clock::utc(now);
    let mut lines = texts(&truth(gathering, now));
    let widths = if width.is_multiple_of(8) { vec![None, Some(width)] } else { vec![Some(width)] };
    for width in widths {
        let frame = Frame { stack: &stack, now, width, height: None, fields: &fields };
        lines.extend(texts(&table(gathering, frame)));
        lines.extend(texts(&status::rfqs(std::slice::from_ref(gathering), now, width)));
    }
    lines.extend(news(None, gathering).iter().map(News::line));
    lines.extend(texts(&trace::lines(timeline, gathering, &clock, width)));
    // It takes longer than all of the others.
    if width.is_multiple_of(16) {
        let svg = picture::svg(timeline, gathering, &clock).expect("it can be drawn");
        lines.extend(svg.lines().map(str::to_owned));
    }
    for line in lines {
        is_safe(&line);
    }
}

fn for_programs(gathering: &Gathering, timeline: &Timeline) {
    let names = Names::new(&StackName::parse(StackName::DEFAULT).expect("a good name"));
    let export = otlp::export(timeline, gathering, &names);
    is_otlp(&export);
    let mut documents = vec![document(gathering), trace::document(timeline, gathering), export];
    documents.extend(news(None, gathering).iter().map(|news| news.document(gathering)));
    for document in documents {
        let json = compact_json(&document);
        is_ascii(&json);
        assert_eq!(serde_json::from_str::<Value>(&json).expect("it is JSON"), document);
    }
    let workshop = workshop(gathering);
    is_ascii(&workshop);
    serde_json::from_str::<Value>(&workshop).expect("it is JSON");
}

/// No span ends before it begins, and nothing is null.
fn is_otlp(export: &Value) {
    let spans = export["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
    for span in spans.into_iter().flatten() {
        let at = |name: &str| span[name].as_str().and_then(|nanos| nanos.parse::<u64>().ok());
        let (from, to) = (at("startTimeUnixNano"), at("endTimeUnixNano"));
        assert!(from.is_some_and(|from| from > 0) && from <= to, "{span}");
    }
    assert!(!holds_null(export), "{export}");
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Array(all) => all.iter().any(holds_null),
        Value::Object(all) => all.values().any(holds_null),
        other => other.is_null(),
    }
}

/// Bytes that are read one after another, each a choice; zeros when they are used up.
struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Whether something happens that does so in one of so many cases.
    fn rarely(&mut self, one_of: u8) -> bool {
        self.next() % one_of == one_of - 1
    }

    fn one_of(&mut self, all: &[&str]) -> String {
        if self.rarely(8) {
            self.raw()
        } else {
            all[usize::from(self.next()) % all.len()].to_owned()
        }
    }

    /// What the bytes themselves say.
    fn raw(&mut self) -> String {
        let length = usize::from(self.next()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// A time near noon, before or after it.
    fn instant(&mut self) -> Timestamp {
        let away = i64::from(i16::from_be_bytes([self.next(), self.next()]));
        Timestamp::from_millis(NOON + away).expect("in range")
    }

    fn now(&mut self) -> Timestamp {
        let odd = self.time();
        if self.rarely(4) {
            Timestamp::parse(&odd).unwrap_or_else(|| self.instant())
        } else {
            self.instant()
        }
    }

    fn time(&mut self) -> String {
        if self.rarely(4) { self.one_of(&TIMES) } else { self.instant().to_string() }
    }

    fn list(&mut self, mut one: impl FnMut(&mut Self) -> String) -> AttributeValue {
        let mut all: Vec<_> = (0..self.next() % 6).map(|_| AttributeValue::S(one(self))).collect();
        if self.rarely(8) {
            all.push(self.anything());
        }
        AttributeValue::L(all)
    }

    /// An attribute of any kind.
    fn anything(&mut self) -> AttributeValue {
        match self.next() % 8 {
            0 => AttributeValue::S(self.raw()),
            1 => AttributeValue::N(self.one_of(&NUMBERS)),
            2 => AttributeValue::L(vec![AttributeValue::Null(true)]),
            3 => AttributeValue::Bool(true),
            4 => AttributeValue::M(Item::new()),
            5 => AttributeValue::Ss(vec![self.raw()]),
            6 => AttributeValue::Ns(vec![self.one_of(&NUMBERS)]),
            _ => AttributeValue::Null(true),
        }
    }

    /// Puts an attribute into a row: mostly of its own kind, sometimes of another, sometimes none.
    fn set(&mut self, item: &mut Item, name: &str, own: impl FnOnce(&mut Self) -> AttributeValue) {
        let value = match self.next() % 16 {
            15 => return,
            14 => self.anything(),
            _ => own(self),
        };
        item.insert(name.to_owned(), value);
    }

    fn request(&mut self) -> Item {
        let mut item = Item::new();
        for name in ["from", "to", "customer"] {
            self.set(&mut item, name, |tape| AttributeValue::S(tape.one_of(&TEXTS)));
        }
        for name in ["submitted-at", "deadline", "closed-at"] {
            if !self.rarely(3) {
                self.set(&mut item, name, |tape| AttributeValue::S(tape.time()));
            }
        }
        self.set(&mut item, "expected", |tape| tape.list(|tape| tape.one_of(&NAMES)));
        if self.rarely(2) {
            self.set(&mut item, "not-asked", |tape| tape.list(|tape| tape.one_of(&NAMES)));
            self.set(&mut item, "not-asked-keys", |tape| tape.list(|tape| tape.one_of(&TEXTS)));
        }
        self.set(&mut item, "until", |tape| tape.list(|tape| tape.one_of(&CONDITIONS)));
        self.set(&mut item, "best-by", |tape| AttributeValue::S(tape.one_of(&ORDERS)));
        self.set(&mut item, "details", |tape| AttributeValue::S(tape.one_of(&DETAILS)));
        item
    }

    fn answer(&mut self) -> Item {
        let mut item = Item::new();
        self.set(&mut item, "responder", |tape| AttributeValue::S(tape.one_of(&NAMES)));
        let kinds = self.next();
        for (bit, name) in ["declined", "failed", "silent"].into_iter().enumerate() {
            if kinds >> bit & 1 == 1 {
                self.set(&mut item, name, |tape| AttributeValue::S(tape.one_of(&TEXTS)));
            }
        }
        if kinds.is_multiple_of(2) {
            self.set(&mut item, "quote", |tape| AttributeValue::N(tape.one_of(&NUMBERS)));
        }
        self.set(&mut item, "attempts", |tape| AttributeValue::N(tape.one_of(&NUMBERS)));
        self.set(&mut item, "attempted-at", |tape| tape.list(Self::time));
        self.set(&mut item, "details", |tape| AttributeValue::S(tape.one_of(&DETAILS)));
        for name in ["received-at", "answered-at", "sent-at", "gathered-at", "failed-at"] {
            if !self.rarely(3) {
                self.set(&mut item, name, |tape| AttributeValue::S(tape.time()));
            }
        }
        item
    }
}
