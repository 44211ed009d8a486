//! A request as it was typed or read. It is checked before anything is sent.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::aws::MAX_PUBLISHED_BYTES;
use crate::core::fields::{Fields, present};
use crate::core::text::{is_refused, is_unsafe, trimmed, without_mark};
use crate::core::{
    BestBy, Condition, Details, Request, RfqId, Ride, Timestamp, Until, nearest, parse_duration,
};
use crate::error::{Error, Kind, Result};

/// The longest accepted JSON of a request, in bytes: twice what SNS takes, since spaces are not sent.
pub const JSON_MAX: u64 = 524_288;
const ANONYMOUS: &str = "anonymous";
/// The deadline of a request that names none.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// The most conditions that a request may name: every reader evaluates each of them.
pub const UNTIL_MAX: usize = 16;

/// In characters.
const TEXT_MAX: usize = 256;
/// The shortest and the longest deadline.
const DEADLINES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));

/// A validated request.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The id of the RFQ.
    pub id: RfqId,
    /// What is asked for.
    pub ride: Ride,
    /// Whether the request names its customer.
    pub is_customer_named: bool,
    /// Time from submission to deadline.
    pub deadline: Term<Duration>,
    /// Conditions that complete the gathering besides `all`.
    pub until: Vec<Condition>,
    /// What orders its quotes; `None` if the request leaves it out, which means the price.
    pub best_by: Option<BestBy>,
    /// The details for the providers.
    pub details: Option<Details>,
}

/// The parts of a request that say how its answers are gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Time from submission to deadline.
    pub deadline: Term<Duration>,
    /// Conditions that complete the gathering besides `all`.
    pub until: Vec<Condition>,
    /// What orders its quotes.
    pub best_by: Option<BestBy>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deadline: Term::Default(DEADLINE), until: Vec::new(), best_by: None }
    }
}

impl Submission {
    /// The request that demos and benchmarks submit.
    pub fn sample(id: RfqId, customer: &str, deadline: Duration) -> Self {
        Self {
            id,
            ride: Ride {
                from: "Frankfurt".to_owned(),
                to: "Las Vegas".to_owned(),
                customer: customer.to_owned(),
            },
            is_customer_named: true,
            deadline: Term::Default(deadline),
            until: Vec::new(),
            best_by: None,
            details: None,
        }
    }
}

/// An optional part of a request. Only a named part is compared with an existing RFQ of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term<T> {
    /// The request names it.
    Named(T),
    /// The request leaves it out.
    Default(T),
}

impl<T> Term<T> {
    /// The value, named or default.
    pub fn value(self) -> T {
        match self {
            Self::Named(value) | Self::Default(value) => value,
        }
    }

    pub(super) fn named(&self) -> Option<&T> {
        match self {
            Self::Named(value) => Some(value),
            Self::Default(_) => None,
        }
    }
}

/// Trims and checks a city or a customer: 1 to 256 characters, without those that break a line or reorder their
/// neighbours. `name` is the field's name in messages.
///
/// # Errors
/// Invalid, with the problem.
pub fn check_text(name: &str, text: &str) -> Result<String> {
    let text = trimmed(text);
    let problem = match text.chars().count() {
        0 => "is empty",
        n if n > TEXT_MAX => "is longer than 256 characters",
        _ if text.chars().any(is_refused) => "holds control characters",
        _ => return Ok(text.to_owned()),
    };
    Err(Error::invalid(format!("`{name}` {problem}; nothing was sent")))
}

/// Checks that a deadline is 10 ms to 24 h.
///
/// # Errors
/// When it is out of range.
pub fn check_deadline(deadline: Duration) -> Result<Duration, String> {
    if (DEADLINES.0..=DEADLINES.1).contains(&deadline) {
        Ok(deadline)
    } else {
        Err("a deadline is 10 ms to 24 h away".to_owned())
    }
}

/// An unchecked request.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What is asked for.
    pub ride: Ride<Option<String>>,
    /// The id, if the customer chose one.
    pub rfq_id: Option<String>,
    /// The details for the providers.
    pub details: Option<Details>,
}

impl Draft {
    /// Takes `from`, `to`, `customer` and `details` from an event. `name` is the event's name in messages.
    ///
    /// # Errors
    /// Invalid when one of the first three is not a string, or the details cannot be passed on.
    pub fn of_event(name: &str, event: &Fields) -> Result<Self> {
        let field = |field| text(name, event, field);
        let ride = Ride { from: field("from")?, to: field("to")?, customer: field("customer")? };
        let details = match present(event, "details") {
            Some(written) => check_details("details", written)?,
            None => None,
        };
        Ok(Self { ride, rfq_id: None, details })
    }

    /// Validates the request. `named` returns a field's name in messages: `--from` or `from`.
    ///
    /// # Errors
    /// Invalid, with the problem and the field; too large if SNS would not take the message.
    pub fn check(self, named: impl Fn(&str) -> String, terms: Terms) -> Result<Submission> {
        let missing = |name: &'static str| {
            Error::invalid(format!("`{}` is missing; nothing was sent", named(name))).about(name)
        };
        let checked = |name: &'static str, text: &str| {
            check_text(&named(name), text).map_err(|error| error.about(name))
        };
        let required = |name: &'static str, text: Option<String>| {
            checked(name, &text.ok_or_else(|| missing(name))?)
        };
        let id = match &self.rfq_id {
            Some(id) => new_id(id).map_err(|problem| {
                Error::invalid(format!("`{}`: {problem}; nothing was sent", named("rfq-id")))
                    .about("rfq-id")
            })?,
            None => RfqId::random(),
        };
        let Ride { from, to, customer } = self.ride;
        let is_customer_named = customer.is_some();
        let customer = match customer {
            Some(named) => checked("customer", &named)?,
            None => ANONYMOUS.to_owned(),
        };
        let ride = Ride { from: required("from", from)?, to: required("to", to)?, customer };
        check_size(&id, &ride, self.details.as_ref())?;
        let Terms { deadline, until, best_by } = terms;
        let details = self.details;
        Ok(Submission { id, ride, is_customer_named, deadline, until, best_by, details })
    }
}

/// Checks the details of a request. `name` is its name in messages.
///
/// # Errors
/// Invalid, with the problem.
pub fn check_details(name: &str, json: &str) -> Result<Option<Details>> {
    Details::parse(json).map_err(|problem| {
        Error::invalid(format!("`{name}`: {problem}; nothing was sent")).about("details")
    })
}

/// Fails if SNS would not take the message of a request. Only details can make it so large.
fn check_size(id: &RfqId, ride: &Ride, details: Option<&Details>) -> Result<()> {
    let likely = |details: &&Details| details.as_str().len() > MAX_PUBLISHED_BYTES / 2;
    let Some(details) = details.filter(likely) else { return Ok(()) };
    // Every time has the same length.
    let time = Some(Timestamp::now());
    let request =
        Request { id: id.clone(), ride: ride.clone(), submitted_at: time, deadline: time };
    check_message_size(request.encode(Some(details)).len())
}

/// Fails if SNS would not take a message of this size, in bytes.
///
/// # Errors
/// Too large, with both sizes.
pub fn check_message_size(size: usize) -> Result<()> {
    if size <= MAX_PUBLISHED_BYTES {
        return Ok(());
    }
    let message = format!(
        "the message with its details has {size} bytes; SNS takes at most {MAX_PUBLISHED_BYTES}; \
         nothing was sent"
    );
    Err(Error::new(Kind::TooLarge, message).about("details"))
}

/// Reads a request from JSON, and checks it. [`read_json`] says what is read.
///
/// # Errors
/// Invalid, with the problem and the field; too large if SNS would not take the message.
pub fn of_json(name: &str, json: &str, terms: &Terms) -> Result<Submission> {
    let (draft, terms) = read_json(name, json, terms)?;
    draft.check(str::to_owned, terms)
}

/// The fields of a request in a file or a line.
const FIELDS: [&str; 8] =
    ["from", "to", "customer", "rfq-id", "details", "deadline", "until", "best-by"];

/// A field that is ignored, and the one that is probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misspelling {
    /// The name as it is written.
    pub written: String,
    /// The field that is near to it.
    pub meant: &'static str,
}

/// The fields whose names are near to fields that are absent. Other unknown fields may be meant for other readers.
pub fn misspellings(json: &str) -> Vec<Misspelling> {
    let Ok(fields) = object("", json) else { return Vec::new() };
    let absent = FIELDS.into_iter().filter(|known| !fields.has(known)).collect::<Vec<_>>();
    let unknown = fields.each().map(|(name, _)| name).filter(|name| !FIELDS.contains(&&**name));
    let near = unknown.filter_map(|name| {
        let meant = nearest(&name, absent.iter().copied())?;
        Some(Misspelling { written: name.into_owned(), meant })
    });
    near.collect()
}

/// Reads the original's event with optional fields `rfq-id`, `details`, `deadline`, `until` and `best-by`. `terms`
/// replace missing fields. `name` is the input's name in messages.
///
/// # Errors
/// Invalid, with the problem and the field.
pub fn read_json(name: &str, json: &str, terms: &Terms) -> Result<(Draft, Terms)> {
    let event = object(name, json)?;
    let draft = Draft { rfq_id: text(name, &event, "rfq-id")?, ..Draft::of_event(name, &event)? };
    let deadline = match duration(name, &event, "deadline")? {
        None => terms.deadline,
        Some(typed) => parse_duration(&typed)
            .and_then(check_deadline)
            .map(Term::Named)
            .map_err(|problem| invalid("deadline", &format!(": {problem}")))?,
    };
    let until = match present(&event, "until") {
        None => terms.until.clone(),
        Some(written) => match serde_json::from_str::<Vec<&RawValue>>(written) {
            Ok(all) if all.len() > UNTIL_MAX => {
                return Err(invalid("until", &format!(": at most {UNTIL_MAX} conditions")));
            }
            Ok(all) => all.into_iter().map(|one| condition(one.get())).collect::<Result<_>>()?,
            Err(_) => vec![condition(written)?],
        },
    };
    let best_by = match text(name, &event, "best-by")? {
        None => terms.best_by.clone(),
        Some(typed) => {
            let parsed = typed.parse();
            Some(parsed.map_err(|problem: String| invalid("best-by", &format!(": {problem}")))?)
        }
    };
    Ok((draft, Terms { deadline, until, best_by }))
}

/// Trims and checks the id of a new request. It refuses characters that control a terminal, and the path segments
/// that browsers remove even if they are escaped.
fn new_id(id: &str) -> Result<RfqId, String> {
    let id = RfqId::parse(id.trim())?;
    match id.as_str() {
        "." | ".." => {
            Err("`.` and `..` cannot be ids, because browsers remove them from paths".to_owned())
        }
        text if text.contains(is_unsafe) => Err("it holds control characters".to_owned()),
        _ => Ok(id),
    }
}

/// A condition in JSON is a string, or a number of quotes.
fn condition(written: &str) -> Result<Condition> {
    let condition = if is_number(written) {
        written.parse()
    } else {
        serde_json::from_str::<String>(written)
            .map_err(|_| "a condition is a text, as in `price:20`".to_owned())
            .and_then(|text| text.parse())
    };
    match condition {
        Ok(Until::Complete(condition)) => Ok(condition),
        Ok(Until::Stall(_)) => Err(invalid("until", ": `stall` ends one wait, not the RFQ")),
        Err(problem) => Err(invalid("until", &format!(": {problem}"))),
    }
}

fn invalid(field: &'static str, problem: &str) -> Error {
    Error::invalid(format!("`{field}`{problem}")).about(field)
}

/// The bytes as text. `name` is the input's name in messages.
///
/// # Errors
/// Invalid when they are not UTF-8.
pub fn utf8(name: &str, bytes: Vec<u8>) -> Result<String> {
    if is_utf16(&bytes) {
        return Err(Error::invalid(format!("{name} is UTF-16, not UTF-8; nothing was sent")));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("{name} is not UTF-8")))
}

/// Whether the input begins like UTF-16: with a byte order mark, or with a zero among its first two bytes.
pub fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..])
}

/// Reads a JSON object, after a byte order mark if there is one. `name` is the input's name in messages.
///
/// # Errors
/// Invalid when the input is anything else.
pub fn object<'a>(name: &str, json: &'a str) -> Result<Fields<'a>> {
    serde_json::from_str(without_mark(json)).map_err(|error| {
        if error.is_data() {
            Error::invalid(format!("{name} is not a JSON object"))
        } else {
            Error::invalid(format!("{name} is not JSON")).because(error)
        }
    })
}

/// A string field; `None` if it is absent or null.
fn text(name: &str, object: &Fields, field: &'static str) -> Result<Option<String>> {
    let text = present(object, field).map(serde_json::from_str).transpose();
    text.map_err(|_| invalid(field, &format!(" in {name} is not a string; nothing was sent")))
}

/// A duration in JSON is a string, or a number of seconds.
fn duration(name: &str, object: &Fields, field: &'static str) -> Result<Option<String>> {
    match present(object, field) {
        Some(written) if is_number(written) => Ok(Some(written.to_owned())),
        _ => text(name, object, field),
    }
}

fn is_number(written: &str) -> bool {
    written.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Submission, String> {
        of_json("the line", line, &Terms::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_has_what_a_submission_has() {
        let read = line(
            r#"{"from": " A ", "to": "B", "rfq-id": "x-1", "deadline": "2s", "until": ["3", "price:20"]}"#,
        )
        .expect("a good line");
        assert_eq!((read.ride.from.as_str(), read.ride.customer.as_str()), ("A", "anonymous"));
        assert!(!read.is_customer_named);
        assert_eq!((read.id.as_str(), read.deadline), ("x-1", Term::Named(Duration::from_secs(2))));
        assert_eq!(read.until.len(), 2);
        let read =
            line("\u{feff}{\"from\": \"A\", \"to\": \"B\", \"until\": [1, 2]}").expect("good");
        assert_eq!(read.until.len(), 2);
        let read = line(r#"{"from": "\ufeffA", "to": "B\u00ad\u200e"}"#).expect("good");
        assert_eq!((read.ride.from.as_str(), read.ride.to.as_str()), ("A", "B\u{ad}\u{200e}"));
        let read = line(r#"{"from": "A", "to": "B", "rfq-id": "\u2028x-1 \n"}"#).expect("good");
        assert_eq!(read.id.as_str(), "x-1");
        let read = line(r#"{"from": "A", "to": "B", "until": 3, "rfq-id": null}"#).expect("good");
        assert_eq!(
            (read.until, read.deadline),
            (vec![Condition::Count(3)], Term::Default(DEADLINE))
        );
        for seconds in ["2.5", r#""2.5""#] {
            let read = line(&format!(r#"{{"from": "A", "to": "B", "deadline": {seconds}}}"#));
            let deadline = read.expect("good").deadline;
            assert_eq!(deadline, Term::Named(Duration::from_millis(2_500)), "{seconds}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_whatever_they_hold() {
        for new in [r#""\ud800""#, "1e999999", r#"{"$serde_json::private::Number": "x"}"#] {
            let text = format!(r#"{{"from": "A", "to": "B", "new": {new}}}"#);
            assert!(line(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_near_to_an_absent_one_is_misspelt() {
        for (text, found) in [
            (
                r#"{"form": "A", "to": "B", "dealine": 5}"#,
                &[("form", "from"), ("dealine", "deadline")][..],
            ),
            (r#"{"from": "A", "to": "B", "best_by": "price"}"#, &[("best_by", "best-by")]),
            (r#"{"from": "A", "form": "A", "to": null, "too": "B"}"#, &[]),
            (r#"{"from": "A", "to": "B", "submitted-at": 1, "seats": 4}"#, &[]),
            ("[1]", &[]),
        ] {
            let misspelt = misspellings(text);
            let misspelt: Vec<_> = misspelt.iter().map(|m| (&*m.written, m.meant)).collect();
            assert_eq!(misspelt, found, "{text}");
        }
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        let many = format!(r#"{{"from": "A", "to": "B", "until": [{}1]}}"#, "1, ".repeat(16));
        for (text, problem) in [
            ("{", "not JSON"),
            ("[1]", "not a JSON object"),
            (r#"{"from": "A"}"#, "`to` is missing"),
            (r#"{"from": "A", "to": 7}"#, "`to` in the line is not a string"),
            (r#"{"from": " ", "to": "B"}"#, "`from` is empty"),
            (r#"{"from": "A", "to": "B", "rfq-id": ""}"#, "`rfq-id`"),
            (r#"{"from": "A", "to": "B", "rfq-id": "a\u001bb"}"#, "control characters"),
            (r#"{"from": "A", "to": "B", "rfq-id": "a\u200db"}"#, "control characters"),
            (r#"{"from": "A", "to": "B", "rfq-id": " . "}"#, "`rfq-id`: `.` and `..`"),
            (r#"{"from": "A", "to": "B", "rfq-id": ".."}"#, "`rfq-id`: `.` and `..`"),
            (r#"{"from": "A\u202e", "to": "B"}"#, "`from` holds control characters"),
            (r#"{"from": "A", "to": "B", "customer": "\u2066"}"#, "`customer` holds control"),
            (&many, "at most 16"),
            (r#"{"from": "A", "to": "B", "deadline": "soon"}"#, "`deadline`"),
            (r#"{"from": "A", "to": "B", "deadline": "5ms"}"#, "10 ms to 24 h"),
            (
                r#"{"from": "A", "to": "B", "deadline": -5}"#,
                "`deadline`: a duration cannot be negative",
            ),
            (r#"{"from": "A", "to": "B", "deadline": [5]}"#, "`deadline` in the line is not"),
            (r#"{"from": "A", "to": "B", "until": {}}"#, "`until`"),
            (r#"{"from": {"$serde_json::private::RawValue": "\"A\""}, "to": "B"}"#, "not a string"),
            (
                r#"{"$serde_json::private::RawValue": "{\"from\": \"A\", \"to\": \"B\"}"}"#,
                "missing",
            ),
            (
                r#"{"from": "A", "to": "B", "until": {"$serde_json::private::Number": "3"}}"#,
                "a condition is a text",
            ),
            (r#"{"from": "A", "to": "B", "until": ["stall:5s"]}"#, "one wait"),
        ] {
            let refused = line(text).expect_err(text);
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }
}
