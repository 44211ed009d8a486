//! What holds of everything that comes from outside, whatever it is. Each check reads the bytes as one
//! decoder does: what is accepted is as good as it is promised to be and survives another trip, what is
//! refused is told why in few words.
//!
//! Shared by the tests beside it and by the targets in `fuzz`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use rydes::aws::dynamodb_json::{read_line, write_line};
use rydes::cli::submit::lines::{BatchLine, read_lines};
use rydes::cli::submit::shape::look;
use rydes::core::text::{ascii_json, is_refused, is_unsafe, printable};
use rydes::core::{
    Answer, BestBy, Condition, Decimal, DetailedAnswer, Details, Pointer, Price, ProviderName,
    Reply, Request, Responder, RfqId, Ride, StackName, Timestamp, Until, opened, parse_duration,
};
use rydes::flow::draft::of_json;
use rydes::flow::draft::{Submission, Terms};
use rydes::flow::provider::{Fault, FaultKind};
use rydes::view::clock::Clock;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const DAY: Duration = Duration::from_hours(24);
/// The longest line of a batch, in bytes.
const LONGEST_LINE: usize = 524_288;
/// The longest message that SNS takes, in bytes.
const LONGEST_MESSAGE: usize = 262_144;
/// A refusal repeats nothing of what came, so it is never long.
const LONGEST_REFUSAL: usize = 160;

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The body of a request.
pub fn request(bytes: &[u8]) {
    let body = text(bytes);
    let read = Request::decode(&body);
    let delivered = Request::delivered(&body).map(|(request, _)| request);
    let enveloped = json!({"Type": "Notification", "Message": body}).to_string();
    assert_eq!(opened(&enveloped).as_deref(), Some(&*body));
    let opened = Request::delivered(&enveloped).map(|(request, _)| request);
    assert_eq!(opened.ok(), read.clone().ok());
    if let Err(problem) = &delivered {
        is_refusal(problem);
    }
    let request = match read {
        Ok(request) => request,
        Err(problem) => return is_refusal(&problem),
    };
    assert_eq!(delivered.as_ref(), Ok(&request), "a request is no envelope");
    is_id(&request.id);
    [request.submitted_at, request.deadline].into_iter().flatten().for_each(is_time);
    let sent = request.encode(None);
    is_ascii(&sent);
    assert_eq!(Request::decode(&sent), Ok(request));
}

/// The body of a reply.
pub fn reply(bytes: &[u8]) {
    let reply = match Reply::decode(&text(bytes)) {
        Ok(reply) => reply,
        Err(problem) => return is_refusal(&problem),
    };
    is_responder(&reply.responder);
    is_id(&reply.id);
    let reason = reply.answer.reason().unwrap_or_default();
    assert!(reason.chars().count() <= 1_024, "{reason}");
    match &reply.answer {
        Answer::Quote(price) => is_price(price),
        Answer::Failed { attempted_at, .. } => attempted_at.iter().copied().for_each(is_time),
        Answer::Declined(_) | Answer::Silent(_) => {}
    }
    [reply.received_at, reply.answered_at].into_iter().flatten().for_each(is_time);
    let sent = reply.encode();
    is_ascii(&sent);
    assert_eq!(Reply::decode(&sent), Ok(reply));
}

/// What a real provider says.
pub fn answer(bytes: &[u8]) {
    let answer = match DetailedAnswer::decode(&text(bytes)) {
        Ok(answer) => answer,
        Err(problem) => return is_refusal(&problem),
    };
    let ride = Ride { from: "A".to_owned(), to: "B".to_owned(), customer: "c".to_owned() };
    let request = Request { id: RfqId::random(), ride, submitted_at: None, deadline: None };
    let provider = ProviderName::parse("acme").expect("a name");
    let time = Timestamp::from_millis(0).expect("in range");
    let reply = Reply::to(&request, &provider, answer, (time, time));
    let sent = reply.encode();
    is_ascii(&sent);
    assert_eq!(Reply::decode(&sent), Ok(reply), "every answer can be sent");
}

/// A line of an export.
pub fn export(bytes: &[u8]) {
    let item = match read_line(bytes) {
        Ok(item) => item,
        Err(misread) => return is_refusal(&misread.to_string()),
    };
    let mut line = Vec::new();
    write_line(&item, &mut line);
    is_ascii(str::from_utf8(&line).expect("it is text").strip_suffix('\n').expect("a line"));
    assert_eq!(read_line(&line), Ok(item));
}

/// A price.
pub fn price(bytes: &[u8]) {
    match Price::parse(&text(bytes)) {
        Ok(price) => is_price(&price),
        Err(problem) => is_refusal(&problem),
    }
}

/// A point in time.
pub fn time(bytes: &[u8]) {
    if let Some(time) = Timestamp::parse(&text(bytes)) {
        is_time(time);
    }
}

/// What is typed: conditions, durations, faults and names.
pub fn words(bytes: &[u8]) {
    let text = text(bytes);
    until(&text);
    duration(&text);
    order(&text);
    fault(&text);
    names(&text);
}

fn until(text: &str) {
    match Condition::parse(text) {
        Ok(condition) => {
            assert_eq!(text.parse(), Ok(Until::Complete(condition.clone())));
            is_condition(&condition);
        }
        Err(problem) => is_refusal(&problem),
    }
    match text.parse::<Until>() {
        Ok(Until::Complete(condition)) => assert_eq!(Condition::parse(text), Ok(condition)),
        Ok(Until::Stall(stall)) => {
            assert!(!stall.is_zero() && stall <= DAY, "{stall:?}");
            assert_eq!(Until::Stall(stall).to_string().parse(), Ok(Until::Stall(stall)));
        }
        Err(problem) => is_refusal(&problem),
    }
}

fn duration(text: &str) {
    match parse_duration(text) {
        Ok(duration) => assert!(duration <= DAY, "{duration:?}"),
        Err(problem) => is_refusal(&problem),
    }
}

fn fault(text: &str) {
    let fault = match text.parse::<Fault>() {
        Ok(fault) => fault,
        Err(problem) => return is_refusal(&problem),
    };
    assert_eq!(fault.to_string().parse::<Fault>().as_ref(), Ok(&fault));
    if let Some(provider) = &fault.provider {
        is_provider(provider);
    }
    match fault.kind {
        FaultKind::Decline(reason) => {
            assert!(!reason.is_empty() && reason.len() <= 1_024, "{reason}");
            assert_eq!(reason.trim(), reason);
        }
        FaultKind::Slow(think) => assert!(think <= DAY, "{think:?}"),
        FaultKind::Clock(fast) => assert!(fast.unsigned_abs() <= 86_400_000, "{fast}"),
        _ => {}
    }
}

fn names(text: &str) {
    match RfqId::parse(text) {
        Ok(id) => is_id(&id),
        Err(problem) => is_refusal(&problem),
    }
    match Responder::parse(text) {
        Ok(responder) => is_responder(&responder),
        Err(problem) => is_refusal(&problem),
    }
    match ProviderName::parse(text) {
        Ok(provider) => is_provider(&provider),
        Err(problem) => is_refusal(&problem),
    }
    match StackName::parse(text) {
        Ok(stack) => {
            let name = stack.as_str();
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 32);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        }
        Err(problem) => is_refusal(&problem),
    }
}

/// A file of requests, one on a line.
pub fn batch_line(bytes: &[u8]) {
    let mut rest = bytes;
    let (head, _) = look(&mut rest).expect("bytes can be read");
    assert_eq!([&head, rest].concat(), bytes, "what was looked at is read again");
    let (sender, mut read) = mpsc::channel(bytes.len() + 1);
    read_lines(bytes, &sender);
    drop(sender);
    let read = std::iter::from_fn(|| read.blocking_recv());
    let read: Vec<BatchLine> = read.map(|line| line.expect("bytes can be read")).collect();
    let numbers: Vec<_> = read.iter().map(|line| line.number).collect();
    assert_eq!(numbers, lines_with_something(bytes));
    assert!(read.is_sorted_by_key(|line| line.bytes));
    assert!(read.last().is_none_or(|line| line.bytes <= bytes.len() as u64));
    for line in read {
        match line.text {
            Ok(text) => {
                assert!(text.len() <= LONGEST_LINE + 1, "{}", text.len());
                submission(&text);
            }
            Err(problem) => is_refusal(&problem),
        }
    }
}

/// The numbers of the lines that are not blank.
fn lines_with_something(bytes: &[u8]) -> Vec<u64> {
    let blank = |line: &[u8]| {
        let text = str::from_utf8(line).map(|text| text.trim_start_matches('\u{feff}'));
        line.len() <= LONGEST_LINE && text.is_ok_and(|text| text.trim().is_empty())
    };
    let numbered = bytes.split(|byte| *byte == b'\n').zip(1..);
    numbered.filter(|(line, _)| !blank(line)).map(|(_, number)| number).collect()
}

fn submission(line: &str) {
    let submission = match of_json("the line", line, &Terms::default()) {
        Ok(submission) => submission,
        Err(error) => {
            is_refusal(&error.to_string());
            return error.causes().iter().for_each(|cause| is_refusal(cause));
        }
    };
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(line).expect("it was read");
    for name in ["from", "to"] {
        assert!(fields[name].get().starts_with('"'), "{line}");
    }
    let Submission { id, ride, is_customer_named: _, deadline, until, best_by, details } =
        submission;
    is_id(&id);
    assert!(!id.as_str().contains(is_unsafe) && ![".", ".."].contains(&id.as_str()), "{id:?}");
    for text in [&ride.from, &ride.to, &ride.customer] {
        assert!((1..=256).contains(&text.chars().count()), "{text}");
        assert!(text.trim() == text && !text.contains(is_refused), "{text:?}");
        assert!(!text.starts_with('\u{feff}'), "{text:?}");
        is_safe(&printable(text));
    }
    assert!((Duration::from_millis(10)..=DAY).contains(&deadline.value()), "{deadline:?}");
    assert!(until.len() <= 16, "{until:?}");
    until.iter().for_each(is_condition);
    if let Some(by) = best_by {
        assert_eq!(by.to_string().parse(), Ok(by));
    }
    let request = Request { id, ride, submitted_at: None, deadline: None };
    let sent = request.encode(details.as_ref());
    is_ascii(&sent);
    assert!(sent.len() <= LONGEST_MESSAGE, "{}", sent.len());
    assert_eq!(Request::decode(&sent), Ok(request));
}

/// Details, a place in them, and the number there.
pub fn details(bytes: &[u8]) {
    let text = text(bytes);
    let (json, place) = text.rsplit_once('\n').unwrap_or((&text, ""));
    order(place);
    let details = match Details::parse(json) {
        Ok(Some(details)) => details,
        Ok(None) => return assert_eq!(json.trim().trim_start_matches('\u{feff}').trim(), "null"),
        Err(problem) => return is_refusal(&problem),
    };
    let kept = details.as_str();
    is_ascii(kept);
    assert_eq!(Details::parse(kept), Ok(Some(details.clone())), "it is kept as it is");
    let value = details.to_value();
    assert!(
        json.contains("$serde_json")
            || serde_json::from_str::<Value>(kept).ok() == Some(value.clone())
    );
    let names: Vec<_> = value.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
    assert_eq!(details.fields(), names);
    for name in names {
        let Ok(pointer) = Pointer::to_field(&name) else { continue };
        let part = details.part(&pointer).expect("it is there");
        assert_eq!(
            Details::parse(part).expect("JSON").map(|part| part.to_value()),
            value.get(&name).filter(|value| !value.is_null()).cloned()
        );
    }
    if let Ok(pointer) = Pointer::parse(place) {
        // `Value` has the empty pointer and positions with a sign, too.
        let found = details.part(&pointer).map(|part| Details::parse(part).expect("JSON"));
        let found = found.map(|part| part.map_or(Value::Null, |part| part.to_value()));
        assert!(found.is_none() || found.as_ref() == value.pointer(place));
        let decimal = details.part(&pointer).and_then(Decimal::of_json);
        assert!(
            decimal.is_none_or(|decimal| Decimal::of_json(&decimal.to_string()) == Some(decimal))
        );
    }
}

/// What orders quotes.
fn order(text: &str) {
    match text.parse::<BestBy>() {
        Ok(by) => assert_eq!(by.to_string(), text),
        Err(problem) => is_refusal(&problem),
    }
}

/// A text that is shown, and that goes into JSON.
pub fn shown(bytes: &[u8]) {
    let text = text(bytes);
    let shown = printable(&text);
    is_safe(&shown);
    assert_eq!(printable(&shown), shown);
    assert!(text.contains(is_unsafe) || shown == text, "{text}");
    let json = Value::from(&*text).to_string();
    assert_eq!(same_in_ascii(&json), Some(Value::from(&*text)));
    same_in_ascii(&text);
}

/// What a JSON text means, by itself and in ASCII; `None` where it is no JSON.
fn same_in_ascii(json: &str) -> Option<Value> {
    let ascii = ascii_json(json.to_owned());
    assert!(ascii.is_ascii() && !ascii.contains('\u{7f}'), "{ascii}");
    let meant = serde_json::from_str(json).ok()?;
    assert_eq!(serde_json::from_str(&ascii).ok().as_ref(), Some(&meant));
    Some(meant)
}

fn is_refusal(problem: &str) {
    assert!((1..=LONGEST_REFUSAL).contains(&problem.chars().count()), "{problem}");
    is_safe(problem);
}

/// Nothing in it would be obeyed by a terminal, and nothing is unseen but what words and pictographs are
/// written with: one joiner beside a letter beyond ASCII, and the tags of a flag.
pub fn is_safe(shown: &str) {
    let all: Vec<char> = shown.chars().collect();
    for (place, c) in all.iter().enumerate().filter(|(_, c)| is_unsafe(**c)) {
        let neighbours = [place.checked_sub(1), Some(place + 1)];
        let mut neighbours = neighbours.into_iter().flatten().filter_map(|at| all.get(at));
        let is_right = match c {
            '\u{200c}' | '\u{200d}' => {
                neighbours.clone().any(|c| !c.is_ascii()) && !neighbours.any(|c| is_unsafe(*c))
            }
            '\u{e0030}'..='\u{e007f}' => {
                let before = all[..place].iter().rev().find(|c| !is_unsafe(**c));
                before == Some(&'\u{1f3f4}')
            }
            _ => false,
        };
        assert!(is_right, "{c:?} at {place} of {shown:?}");
    }
}

/// SQS takes it, and a terminal shows it as it is.
pub fn is_ascii(sent: &str) {
    assert!(sent.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{sent:?}");
}

fn is_id(id: &RfqId) {
    assert!((1..=128).contains(&id.as_str().chars().count()), "{id}");
}

fn is_responder(responder: &Responder) {
    let name = responder.as_str();
    assert!((1..=64).contains(&name.chars().count()) && name != "-", "{name}");
    is_safe(name);
    assert_eq!(printable(name), name);
}

fn is_provider(provider: &ProviderName) {
    let name = provider.as_str();
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 47, "{name}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
    assert_eq!(Responder::parse(name), Ok(provider.responder()));
}

fn is_condition(condition: &Condition) {
    match condition {
        Condition::All => {}
        Condition::Count(count) => assert!(*count > 0),
        Condition::Price(price) => is_price(price),
    }
    let written = condition.to_string();
    is_ascii(&written);
    assert_eq!(Condition::parse(&written).as_ref(), Ok(condition));
}

/// DynamoDB stores it: 38 digits at most, 0 or 1e-130 to 9.99e125; and it is written in one way alone.
pub fn is_price(price: &Price) {
    let plain = price.to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, "1"));
    assert!(whole == "0" || !whole.starts_with('0'), "{plain}");
    assert!(!fraction.is_empty() && !fraction.ends_with('0'), "{plain}");
    let digits = plain.replacen('.', "", 1);
    assert!(!whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()), "{plain}");
    assert!(digits.trim_matches('0').len() <= 38, "{plain}");
    if plain != "0" {
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        let power = i64::try_from(whole.len()).expect("short") - 1;
        let power = power - i64::try_from(zeros).expect("short");
        assert!((-130..=125).contains(&power), "{plain}");
    }
    assert_eq!(price.to_json().to_string(), plain);
    assert_eq!(Price::parse(&plain).as_ref(), Ok(price));
}

/// It can be written, read again, and reckoned with.
pub fn is_time(time: Timestamp) {
    let written = time.to_string();
    is_ascii(&written);
    assert_eq!(Timestamp::parse(&written), Some(time));
    assert_eq!(Timestamp::from_millis(time.as_millis()), Some(time));
    let next_day = time.plus(DAY);
    assert_eq!(Timestamp::parse(&next_day.to_string()), Some(next_day));
    assert!(next_day.millis_since(time) <= 86_400_000 && next_day.saturating_since(time) <= DAY);
    let of_day = Clock::utc(time).precise(time);
    let of_day = of_day.strip_suffix(" UTC").expect("it names its zone");
    assert!(written.ends_with(&format!("T{of_day}Z")), "{written}: {of_day}");
}
