//! The two messages: the request on the topic, the reply on the response queue.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::fields::{Fields, present};
use super::text::{compact_json_of, trimmed, without_mark};
use super::{Details, Price, ProviderName, Responder, RfqId, Ride, Timestamp};

/// In characters (contract, section 3).
const REASON_MAX: usize = 1_024;
/// In bytes, as JSON (contract, section 10).
const DETAILS_MAX: usize = 65_536;

/// Bytes of a usual message without its details.
const OTHER_FIELDS: usize = 256;

/// A request for quotes, as providers receive it. Workers pass its details on with the message, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The RFQ's id.
    pub id: RfqId,
    /// What is asked for.
    pub ride: Ride,
    /// When it was submitted; `None` in the original's requests.
    pub submitted_at: Option<Timestamp>,
    /// When answers are due; `None` in the original's requests.
    pub deadline: Option<Timestamp>,
}

impl Request {
    /// The message as it is published: JSON, ASCII only (SQS refuses some Unicode characters).
    pub fn encode(&self, details: Option<&Details>) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Message<'a> {
            rfq_id: &'a str,
            from: &'a str,
            to: &'a str,
            customer: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            submitted_at: Option<Timestamp>,
            #[serde(skip_serializing_if = "Option::is_none")]
            deadline: Option<Timestamp>,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Details>,
        }
        let message = Message {
            rfq_id: self.id.as_str(),
            from: &self.ride.from,
            to: &self.ride.to,
            customer: &self.ride.customer,
            submitted_at: self.submitted_at,
            deadline: self.deadline,
            details,
        };
        compact_json_of(
            &message,
            OTHER_FIELDS + details.map_or(0, |details| details.as_str().len()),
        )
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Says why it cannot be read.
    pub fn decode(body: &str) -> Result<Self, String> {
        let fields = object(body)?;
        Ok(Self {
            id: RfqId::parse(&required_text(&fields, "rfq-id")?)?,
            ride: Ride {
                from: required_text(&fields, "from")?,
                to: required_text(&fields, "to")?,
                customer: required_text(&fields, "customer")?,
            },
            submitted_at: time(&fields, "submitted-at"),
            deadline: time(&fields, "deadline"),
        })
    }
}

/// A provider's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A price.
    Quote(Price),
    /// It will not quote, for this reason.
    Declined(String),
    /// All its attempts failed.
    Failed {
        /// What went wrong.
        reason: String,
        /// How many attempts there were, if known.
        attempts: Option<u32>,
        /// When each attempt began, as far as known.
        attempted_at: Vec<Timestamp>,
    },
    /// A receipt: the provider took the request and will not answer it, for this reason.
    Silent(String),
}

/// An answer with its details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailedAnswer {
    /// The answer itself.
    pub answer: Answer,
    /// At most 65,536 bytes.
    pub details: Option<Details>,
}

impl From<Answer> for DetailedAnswer {
    fn from(answer: Answer) -> Self {
        Self { answer, details: None }
    }
}

impl DetailedAnswer {
    /// Reads what a real provider says: a JSON number, which is a quote, or an object with exactly one of `quote`,
    /// `declined`, `failed` and `silent`, and perhaps `details`. Other fields are ignored.
    ///
    /// # Errors
    /// Says why it is no answer.
    pub fn decode(said: &str) -> Result<Self, String> {
        let said = trimmed(said);
        if said.starts_with('{') {
            let fields = object(said)?;
            let details = details(&fields)?;
            return Ok(Self { answer: answer(&fields)?, details });
        }
        let value: &RawValue =
            serde_json::from_str(said).map_err(|error| format!("not JSON: {error}"))?;
        if is_number(value.get()) {
            Price::parse(value.get()).map(|price| Answer::Quote(price).into())
        } else {
            Err("neither a JSON number nor an object".to_owned())
        }
    }
}

impl Answer {
    /// The name of its field in messages and rows.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Quote(_) => "quote",
            Self::Declined(_) => "declined",
            Self::Failed { .. } => "failed",
            Self::Silent(_) => "silent",
        }
    }

    /// The reason; `None` for a quote.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Quote(_) => None,
            Self::Declined(reason) | Self::Failed { reason, .. } | Self::Silent(reason) => {
                Some(reason)
            }
        }
    }

    /// A higher rank replaces a lower one; within a rank the first answer stays.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Silent(_) => 0,
            Self::Failed { .. } => 1,
            Self::Quote(_) | Self::Declined(_) => 2,
        }
    }
}

/// A provider's reply, as the consumer receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The name under which the provider answers.
    pub responder: Responder,
    /// The RFQ that it answers.
    pub id: RfqId,
    /// The answer itself.
    pub answer: Answer,
    /// The details, at most 65,536 bytes.
    pub details: Option<Details>,
    /// The parts of the request that the reply repeats.
    pub ride: Ride<Option<String>>,
    /// When the provider received the request, by its own clock.
    pub received_at: Option<Timestamp>,
    /// When the provider answered, by its own clock.
    pub answered_at: Option<Timestamp>,
}

impl Reply {
    /// A provider's reply to a request, with the times of its receipt and of the answer. All but a quote repeat
    /// the request's texts, so that the original's reader understands their rows.
    pub fn to(
        request: &Request,
        provider: &ProviderName,
        answer: impl Into<DetailedAnswer>,
        (received, answered): (Timestamp, Timestamp),
    ) -> Self {
        let DetailedAnswer { answer, details } = answer.into();
        let is_quote = matches!(answer, Answer::Quote(_));
        Self {
            responder: provider.responder(),
            id: request.id.clone(),
            ride: request.ride.map(|text| (!is_quote).then(|| text.clone())),
            answer,
            details,
            received_at: Some(received),
            answered_at: Some(answered),
        }
    }

    /// The message as it is sent: JSON, ASCII only.
    pub fn encode(&self) -> String {
        #[derive(Default, Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Message<'a> {
            responder: &'a str,
            rfq_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            quote: Option<Number>,
            #[serde(skip_serializing_if = "Option::is_none")]
            declined: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            silent: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            failed: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            attempts: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            attempted_at: Option<&'a [Timestamp]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            from: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            to: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            customer: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            received_at: Option<Timestamp>,
            #[serde(skip_serializing_if = "Option::is_none")]
            answered_at: Option<Timestamp>,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Details>,
        }
        let mut message = Message {
            responder: self.responder.as_str(),
            rfq_id: self.id.as_str(),
            from: self.ride.from.as_deref(),
            to: self.ride.to.as_deref(),
            customer: self.ride.customer.as_deref(),
            received_at: self.received_at,
            answered_at: self.answered_at,
            details: self.details.as_ref(),
            ..Message::default()
        };
        match &self.answer {
            Answer::Quote(price) => message.quote = Some(price.to_json()),
            Answer::Declined(reason) => message.declined = Some(reason),
            Answer::Silent(reason) => message.silent = Some(reason),
            Answer::Failed { reason, attempts, attempted_at } => {
                message.failed = Some(reason);
                message.attempts = *attempts;
                message.attempted_at = Some(attempted_at);
            }
        }
        let details = self.details.as_ref().map_or(0, |details| details.as_str().len());
        compact_json_of(&message, OTHER_FIELDS + details)
    }

    /// Reads a reply; the original's has three fields. Malformed optional fields count as absent.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn decode(body: &str) -> Result<Self, String> {
        let fields = object(body)?;
        let responder = Responder::parse(&required_text(&fields, "responder")?)?;
        let id = RfqId::parse(&required_text(&fields, "rfq-id")?)?;
        Ok(Self {
            responder,
            id,
            answer: answer(&fields)?,
            details: details(&fields)?,
            ride: Ride {
                from: text(&fields, "from"),
                to: text(&fields, "to"),
                customer: text(&fields, "customer"),
            },
            received_at: time(&fields, "received-at"),
            answered_at: time(&fields, "answered-at"),
        })
    }
}

fn answer(fields: &Fields) -> Result<Answer, String> {
    let mut kinds = ["quote", "declined", "failed", "silent"]
        .into_iter()
        .filter_map(|kind| present(fields, kind).map(|value| (kind, value)));
    let (kind, value) =
        kinds.next().ok_or("none of `quote`, `declined`, `failed` and `silent` is there")?;
    if let Some((second, _)) = kinds.next() {
        return Err(format!("both `{kind}` and `{second}` are there"));
    }
    if kind == "quote" {
        if !is_number(value) {
            return Err("`quote` is not a number".to_owned());
        }
        return Price::parse(value).map(Answer::Quote);
    }
    let reason: String = read(value).ok_or_else(|| format!("`{kind}` is not a string"))?;
    if reason.chars().count() > REASON_MAX {
        return Err(format!("`{kind}` is longer than {REASON_MAX} characters"));
    }
    Ok(match kind {
        "declined" => Answer::Declined(reason),
        "failed" => Answer::Failed {
            reason,
            attempts: present(fields, "attempts").and_then(read),
            attempted_at: attempted_at(fields),
        },
        _ => Answer::Silent(reason),
    })
}

fn details(fields: &Fields) -> Result<Option<Details>, String> {
    let Some(written) = present(fields, "details") else { return Ok(None) };
    let read = Details::parse(written).map_err(|problem| format!("`details`: {problem}"))?;
    match read {
        Some(details) if details.as_str().len() > DETAILS_MAX => {
            Err(format!("`details` is longer than {DETAILS_MAX} bytes"))
        }
        read => Ok(read),
    }
}

/// Whether a JSON value is a number.
fn is_number(value: &str) -> bool {
    value.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// Empty if the list is malformed.
fn attempted_at(fields: &Fields) -> Vec<Timestamp> {
    present(fields, "attempted-at")
        .and_then(read::<Vec<String>>)
        .and_then(|times| times.iter().map(|time| Timestamp::parse(time)).collect())
        .unwrap_or_default()
}

fn object(body: &str) -> Result<Fields<'_>, String> {
    serde_json::from_str(without_mark(body)).map_err(|error| {
        if error.is_data() { "not a JSON object".to_owned() } else { format!("not JSON: {error}") }
    })
}

fn read<'a, T: Deserialize<'a>>(value: &'a str) -> Option<T> {
    serde_json::from_str(value).ok()
}

fn required_text(fields: &Fields, name: &str) -> Result<String, String> {
    let value = present(fields, name).ok_or_else(|| format!("`{name}` is missing"))?;
    read(value).ok_or_else(|| format!("`{name}` is not a string"))
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    present(fields, name).and_then(read)
}

fn time(fields: &Fields, name: &str) -> Option<Timestamp> {
    Timestamp::parse(&text(fields, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_the_original_providers() {
        let body = r#"{"responder": "UnicornManagementResource1", "rfq-id": "a-b", "quote": 57}"#;
        let reply = Reply::decode(body).expect("the original's own reply");
        assert_eq!(reply.answer, Answer::Quote(Price::whole(57)));
        assert_eq!((reply.ride.from, reply.received_at), (None, None));
    }

    #[test]
    fn refuses_with_a_reason() {
        for (body, reason) in [
            ("hello", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"rfq-id": "x", "quote": 1}"#, "`responder` is missing"),
            (r#"{"responder": null, "rfq-id": "x", "quote": 1}"#, "`responder` is missing"),
            (r#"{"responder": "-", "rfq-id": "x", "quote": 1}"#, "key of the request row"),
            (r#"{"responder": "r", "quote": 1}"#, "`rfq-id` is missing"),
            (r#"{"responder": "r", "rfq-id": "", "quote": 1}"#, "`rfq-id` is empty"),
            (r#"{"responder": "r", "rfq-id": "x"}"#, "none of"),
            (r#"{"responder": "r", "rfq-id": "x", "quote": 1, "declined": "n"}"#, "both"),
            (r#"{"responder": "r", "rfq-id": "x", "quote": "1"}"#, "not a number"),
            (r#"{"responder": "r", "rfq-id": "x", "quote": 1e126}"#, "beyond"),
            (r#"{"responder": "r", "rfq-id": "x", "quote": -1}"#, "negative"),
            (r#"{"responder": "r", "rfq-id": "x", "declined": 7}"#, "not a string"),
        ] {
            let refused = Reply::decode(body).expect_err(body);
            assert!(refused.contains(reason), "{body}: {refused}");
        }
        let digits = format!(r#"{{"responder": "r", "rfq-id": "x", "quote": {}}}"#, "9".repeat(39));
        assert!(Reply::decode(&digits).is_err());
        let long =
            format!(r#"{{"responder": "r", "rfq-id": "x", "silent": "{}"}}"#, "x".repeat(1_025));
        assert!(Reply::decode(&long).is_err());
    }

    #[test]
    fn a_real_provider_says_a_number_or_an_object() {
        let quote = Answer::Quote(Price::parse("57.10").expect("a price"));
        let own = r#"{"quote": 57.10, "responder": 7, "rfq-id": [], "answered-at": {}, "new": 1}"#;
        for said in
            ["57.10", " 57.10\n", "\u{feff}57.10", own, r#"{"quote":57.10,"details":{"eta":7}}"#]
        {
            let decoded = DetailedAnswer::decode(said).expect(said);
            assert_eq!(decoded.answer, quote, "{said}");
            let details = decoded.details.map(|details| details.as_str().to_owned());
            assert_eq!(details.as_deref(), said.contains("details").then_some(r#"{"eta":7}"#));
        }
        let failed = Answer::Failed { reason: "x".into(), attempts: None, attempted_at: vec![] };
        for (said, answer) in [
            (r#"{"declined": "too far"}"#, Answer::Declined("too far".into())),
            (r#"{"silent": "", "quote": null}"#, Answer::Silent(String::new())),
            (r#"{"failed": "x"}"#, failed),
        ] {
            assert_eq!(DetailedAnswer::decode(said), Ok(answer.into()), "{said}");
        }
        let details = |length| format!(r#"{{"quote": 1, "details": "{}"}}"#, "x".repeat(length));
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(DetailedAnswer::decode(&details(DETAILS_MAX - 2)).is_ok());
        for (said, reason) in [
            ("<html>", "not JSON"),
            ("57 58", "not JSON"),
            (r#"{"quote": 5"#, "not JSON"),
            ("01", "not JSON"),
            (r#""57""#, "neither a JSON number nor an object"),
            ("[57]", "neither"),
            ("null", "neither"),
            ("-1", "negative"),
            ("1e126", "beyond"),
            ("{}", "none of"),
            (r#"{"quote": 1, "declined": "n"}"#, "both"),
            (r#"{"quote": "1"}"#, "not a number"),
            (&details(DETAILS_MAX - 1), "`details` is longer"),
            (r#"{"quote": 1, "details": "\udc00"}"#, "`details`: a string holds half"),
            (
                &format!(r#"{{"quote": 1, "details": {}}}"#, nested(101)),
                "`details`: it has more than",
            ),
        ] {
            let refused = DetailedAnswer::decode(said).expect_err(said);
            assert!(refused.contains(reason), "{said}: {refused}");
        }
    }

    #[test]
    fn details_travel_in_both_messages_as_they_were_written() {
        let written = r#"{ "b": 1.50, "a": [1E+5, "Z\u00fcrich"], "c": null }"#;
        let sent = r#""details":{"b":1.50,"a":[1E+5,"Z\u00fcrich"],"c":null}}"#;
        let body =
            format!(r#"{{"responder": "r", "rfq-id": "x", "quote": 1, "details": {written}}}"#);
        let reply = Reply::decode(&body).expect("a good reply");
        assert!(reply.encode().ends_with(sent), "{}", reply.encode());
        let ride = Ride { from: "A".into(), to: "B".into(), customer: "c".into() };
        let id = RfqId::parse("x").expect("an id");
        let request = Request { id, ride, submitted_at: None, deadline: None };
        let message = request.encode(reply.details.as_ref());
        assert!(message.ends_with(sent), "{message}");
        assert_eq!(Request::decode(&message), Ok(request), "workers leave them in the message");
        for refused in ["\"\\ud800\"".to_owned(), format!("\"{}\"", "x".repeat(DETAILS_MAX))] {
            let body = body.replace(written, &refused);
            let reason = Reply::decode(&body).expect_err("refused");
            assert!(reason.starts_with("`details`"), "{reason}");
        }
        assert_eq!(Reply::decode(&body.replace(written, "null")).expect("good").details, None);
    }

    #[test]
    fn malformed_extras_count_as_absent_and_the_last_of_two_keys_counts() {
        let body = r#"{"responder": "r", "rfq-id": "x", "quote": 1, "quote": 2,
            "received-at": 5, "answered-at": "noon", "from": [], "declined": null, "new": {}}"#;
        let reply = Reply::decode(body).expect("a good reply");
        assert_eq!(reply.answer, Answer::Quote(Price::whole(2)));
        assert_eq!((reply.received_at, reply.answered_at, reply.ride.from), (None, None, None));
    }

    #[test]
    fn a_price_never_goes_through_a_float() {
        let body = r#"{"responder": "r", "rfq-id": "x", "quote": 12345678901234567890.12}"#;
        let reply = Reply::decode(body).expect("a good reply");
        assert!(reply.encode().contains(r#""quote":12345678901234567890.12"#));
    }

    #[test]
    fn what_is_sent_is_ascii_and_reads_back() {
        let time = Timestamp::parse("2026-01-31T12:00:00.000Z");
        let reply = Reply {
            responder: Responder::stored("UnicornManagementResource3"),
            id: RfqId::random(),
            answer: Answer::Failed {
                reason: "engine \u{ffff} fault".to_owned(),
                attempts: Some(5),
                attempted_at: time.into_iter().collect(),
            },
            details: None,
            ride: Ride {
                from: Some("Zürich".to_owned()),
                to: Some("東京".to_owned()),
                customer: Some("cmr".to_owned()),
            },
            received_at: time,
            answered_at: time,
        };
        let body = reply.encode();
        assert!(body.is_ascii());
        assert_eq!(Reply::decode(&body), Ok(reply));
    }
}
