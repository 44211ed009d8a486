//! What can be read of a message that may be malformed.

use super::fields::{Fields, present};
use super::text::without_mark;
use super::{Responder, RfqId, Timestamp, opened};

/// The RFQ and the responder that a message names, each as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gist {
    /// The RFQ that it belongs to.
    pub rfq: Option<RfqId>,
    /// Who replies; requests name none.
    pub responder: Option<Responder>,
}

impl Gist {
    /// Reads a request or a reply, bare or in an SNS envelope.
    pub fn of(body: &str) -> Self {
        let bare = Self::read(body);
        if bare.rfq.is_some() {
            return bare;
        }
        opened(body).map_or(bare, |message| Self::read(&message))
    }

    /// The deadline that a request names, bare or in an SNS envelope.
    pub fn deadline(body: &str) -> Option<Timestamp> {
        let read = |body: &str| {
            let fields = serde_json::from_str::<Fields>(without_mark(body)).ok()?;
            Timestamp::parse(&serde_json::from_str::<String>(present(&fields, "deadline")?).ok()?)
        };
        read(body).or_else(|| read(&opened(body)?))
    }

    fn read(body: &str) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields>(without_mark(body)) else {
            return Self::default();
        };
        let text = |name| serde_json::from_str::<String>(present(&fields, name)?).ok();
        Self {
            rfq: text("rfq-id").and_then(|id| RfqId::parse(&id).ok()),
            responder: text("responder").and_then(|name| Responder::parse(&name).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_read_is_read() {
        let gist = |body: &str| {
            let Gist { rfq, responder } = Gist::of(body);
            let rfq = rfq.map(|id| id.to_string());
            (rfq, responder.map(|name| name.to_string()))
        };
        let some = |text: &str| Some(text.to_owned());
        let reply = r#"{"rfq-id": "x", "responder": "acme", "quote": "free"}"#;
        assert_eq!(gist(reply), (some("x"), some("acme")));
        assert_eq!(gist(&format!("\u{feff}{reply}")), (some("x"), some("acme")));
        let request = r#"{"rfq-id": "x", "deadline": "2026-01-31T12:01:00Z"}"#;
        let enclosed = json!({"Type": "Notification", "Message": request}).to_string();
        let deadline = Timestamp::parse("2026-01-31T12:01:00Z");
        assert!(deadline.is_some());
        assert_eq!([request, &enclosed].map(Gist::deadline), [deadline, deadline]);
        assert_eq!(Gist::deadline(r#"{"deadline": "soon"}"#), None);
        let envelope = json!({"Type": "Notification", "Message": reply}).to_string();
        assert_eq!(gist(&envelope), (some("x"), some("acme")));
        assert_eq!(gist(r#"{"rfq-id": 7, "responder": "\u202e"}"#), (None, None));
        assert_eq!(gist(r#"{"rfq-id": "", "responder": "acme"}"#), (None, some("acme")));
        for body in ["", "not JSON", "[]", r#"{"rfq-id": "x""#] {
            assert_eq!(Gist::of(body), Gist::default(), "{body}");
            assert_eq!(Gist::deadline(body), None, "{body}");
        }
    }
}
