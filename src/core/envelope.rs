//! The envelope that SNS puts around a message where raw delivery is off.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html>

use std::borrow::Cow;

use super::Request;
use super::fields::{Fields, present};
use super::text::without_mark;

/// The message in an SNS envelope, exactly as published; `None` if the body is no envelope. An envelope is a JSON
/// object whose `Type` is `Notification` and whose `Message` is a string.
pub fn opened(body: &str) -> Option<String> {
    let fields: Fields = serde_json::from_str(without_mark(body)).ok()?;
    let text = |name| serde_json::from_str::<String>(present(&fields, name)?).ok();
    if text("Type")? == "Notification" { text("Message") } else { None }
}

impl Request {
    /// Reads a request as its queue delivers it: bare, or in an SNS envelope. A body that is a request itself is
    /// never opened, even if it has the fields of an envelope. Also returns the message exactly as published.
    ///
    /// # Errors
    /// Says why it cannot be read.
    pub fn delivered(body: &str) -> Result<(Self, Cow<'_, str>), String> {
        let bare = Self::decode(body).map(|request| (request, Cow::Borrowed(body)));
        bare.or_else(|reason| match opened(body) {
            Some(message) => match Self::decode(&message) {
                Ok(request) => Ok((request, Cow::Owned(message))),
                Err(reason) => Err(format!("in an SNS envelope: {reason}")),
            },
            None => Err(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const REQUEST: &str = r#"{"rfq-id": "x", "from": "Zürich", "to": "B", "customer": "c"}"#;

    fn envelope(message: &Value) -> String {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:x", "Message": message,
            "Timestamp": "2026-01-31T12:00:00.000Z", "UnsubscribeURL": "http://x"})
        .to_string()
    }

    #[test]
    fn an_envelope_is_opened_and_a_bare_request_is_read_as_it_is() {
        let bare = Request::decode(REQUEST).expect("a request");
        assert_eq!(Request::delivered(REQUEST), Ok((bare.clone(), REQUEST.into())));
        let marked = |text: &str| format!("\u{feff}{text}");
        for body in [
            envelope(&json!(REQUEST)),
            marked(REQUEST),
            marked(&envelope(&json!(REQUEST))),
            envelope(&json!(marked(REQUEST))),
        ] {
            let (request, published) = Request::delivered(&body).expect("a request");
            assert_eq!(request, bare, "{body}");
            assert!([REQUEST, &marked(REQUEST)].contains(&&*published), "{published}");
        }
        assert_eq!(opened(&envelope(&json!(REQUEST))).as_deref(), Some(REQUEST), "byte for byte");
    }

    #[test]
    fn a_request_that_looks_like_an_envelope_is_a_request() {
        let other = REQUEST.replace("\"x\"", "\"other\"");
        let mut request: Value = serde_json::from_str(REQUEST).expect("JSON");
        request["Type"] = json!("Notification");
        request["Message"] = json!(other);
        let request = request.to_string();
        let (read, _) = Request::delivered(&request).expect("a request");
        assert_eq!(read.id.as_str(), "x");
    }

    #[test]
    fn nothing_else_is_an_envelope() {
        for (body, reason) in [
            (
                envelope(&json!(REQUEST)).replace("Notification", "SubscriptionConfirmation"),
                "`rfq-id`",
            ),
            (envelope(&json!(REQUEST)).replace("Notification", "notification"), "`rfq-id`"),
            (envelope(&json!(REQUEST)).replace("\"Type\"", "\"type\""), "`rfq-id`"),
            (envelope(&json!({"rfq-id": "x"})), "`rfq-id`"),
            (envelope(&Value::Null), "`rfq-id`"),
            (json!({"Type": ["Notification"], "Message": REQUEST}).to_string(), "`rfq-id`"),
            ("Notification".to_owned(), "not JSON"),
        ] {
            let refused = Request::delivered(&body).expect_err(&body);
            assert!(refused.starts_with(reason), "{body}: {refused}");
        }
        let twice = envelope(&json!(envelope(&json!(REQUEST))));
        for (body, reason) in [
            (twice, "in an SNS envelope: `rfq-id` is missing"),
            (envelope(&json!("hello")), "in an SNS envelope: not JSON"),
        ] {
            let refused = Request::delivered(&body).expect_err(&body);
            assert!(refused.starts_with(reason), "{body}: {refused}");
        }
    }
}
