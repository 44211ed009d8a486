//! What the owner of a real provider needs to start: the way to its queues, and the messages.

use serde_json::{Value, json};

use super::tone::{Line, Tone};
use crate::core::ProviderName;
use crate::core::text::printable;

/// All that depends on the provider and its stack.
pub(crate) struct Needs {
    pub(crate) provider: ProviderName,
    pub(crate) stack: String,
    pub(crate) region: String,
    /// `None` on AWS.
    pub(crate) local: Option<LocalAccess>,
    pub(crate) queue_url: String,
    pub(crate) queue_arn: String,
    pub(crate) response_queue_url: String,
    pub(crate) response_queue_arn: String,
}

/// The way to LocalStack.
pub(crate) struct LocalAccess {
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: &'static str,
}

/// The lines for a person. Only sentences are wrapped: a URL or a document that is broken cannot be copied.
pub(crate) fn lines(needs: &Needs, width: Option<u16>) -> Vec<Line> {
    let Needs { region, queue_url, queue_arn, response_queue_url, response_queue_arn, .. } = needs;
    let way = match &needs.local {
        Some(LocalAccess { endpoint, access_key, secret_key }) => format!(
            "Endpoint     {endpoint}\n\
             Region       {region}\n\
             Credentials  access key {access_key}, secret key {secret_key}"
        ),
        None => format!(
            "Region       {region}\n\
             Credentials  any that the AWS SDK finds: environment, profile, role\n\
             Rights       sqs:ReceiveMessage, sqs:DeleteMessage and\n             \
                          sqs:ChangeMessageVisibility on the first queue,\n             \
                          sqs:SendMessage on the second"
        ),
    };
    let queues = format!(
        "Receive requests from\n  {queue_url}\n  {queue_arn}\n\
         Send replies to\n  {response_queue_url}\n  {response_queue_arn}"
    );
    let replies = REPLIES.replace("NAME", needs.provider.as_str());
    let parts = format!("{queues}\n\n{REQUEST}\n\n{replies}\n\n{REFUSED}");
    let titled = |line: &str| {
        let is_title = !line.is_empty() && !line.starts_with(' ');
        Line::new(if is_title { Tone::Title } else { Tone::Plain }, printable(line))
    };
    let way = format!("{way}\n\n");
    let way = way.lines().map(|line| Line::from(printable(line)));
    let wrapped = |line: Line| line.wrapped(width.filter(|_| !is_copied(&line.text)));
    way.chain(parts.lines().map(titled)).flat_map(wrapped).collect()
}

/// Whether a line is there to be copied: an endpoint, a queue, or a part of a document.
fn is_copied(line: &str) -> bool {
    let line = line.trim_start();
    line.contains("://") || ["arn:", "{", "\""].iter().any(|begin| line.starts_with(begin))
}

const REQUEST: &str = r#"A request
  {"rfq-id": "78c371f6-87c4-4e6e-8c7d-33403c7b7049",
   "from": "Frankfurt", "to": "Rome", "customer": "cmr",
   "submitted-at": "2026-01-31T12:00:00.000Z",
   "deadline": "2026-01-31T12:00:15.000Z", "details": {"seats": 4}}
  The last three fields may be absent, and other fields may be added.
  Delete a request once SQS has confirmed the reply to it, not before."#;

const REPLIES: &str = r#"A reply is one of
  {"responder": "NAME", "rfq-id": "78c3...", "quote": 57.10}
  {"responder": "NAME", "rfq-id": "78c3...", "declined": "fully booked"}
  {"responder": "NAME", "rfq-id": "78c3...", "failed": "engine fault"}
  {"responder": "NAME", "rfq-id": "78c3...", "silent": "closed today"}
  `silent` is a receipt: the request was taken, and no answer follows.
  Each may also have
   "received-at": "2026-01-31T12:00:00.100Z",
   "answered-at": "2026-01-31T12:00:01.300Z",
   "details": {"eta-minutes": 7}"#;

const REFUSED: &str = "\
A reply is refused, and becomes a dead letter, if
  it is not a JSON object, or has no responder or no rfq-id
  it has none of the four fields, or two of them
  its responder is empty, `-`, or longer than 64 characters
  its responder has control, bidi or line separator characters
  its rfq-id is empty, or longer than 128 characters
  its quote is not a number, or is below 0
  its quote has more than 38 digits, or is not 0 and below 1e-130
  its quote is above 9.99e125
  its reason is not a text, or is longer than 1,024 characters
  its details are larger than 65,536 bytes";

/// Adds the way to the queues to a document. On AWS endpoint and credentials are null.
pub(crate) fn add_access(document: &mut Value, needs: &Needs) {
    let local = needs.local.as_ref();
    document["endpoint"] = json!(local.map(|local| &local.endpoint));
    document["region"] = json!(needs.region);
    document["credentials"] = json!(local.map(|local| json!({
        "access-key-id": local.access_key,
        "secret-access-key": local.secret_key,
    })));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Reply, Request};
    use crate::view::tone::texts;

    /// The JSON that these lines show, each from its first brace to the end of its last line.
    fn shown(text: &str) -> Vec<String> {
        let documents = text.split("\n  {").skip(1).map(|rest| {
            let lines = rest.lines().enumerate();
            let own = lines.take_while(|(at, line)| *at == 0 || line.starts_with("   "));
            format!("{{{}", own.map(|(_, line)| line).collect::<String>())
        });
        documents.collect()
    }

    #[test]
    fn what_is_shown_is_what_is_read() {
        let [request] = &shown(REQUEST)[..] else { panic!("{:?}", shown(REQUEST)) };
        let (request, _) = Request::delivered(request).expect("a request");
        assert!(request.deadline.is_some() && request.ride.to == "Rome", "{request:?}");
        let replies = shown(REPLIES);
        assert_eq!(replies.len(), 4);
        for reply in replies {
            Reply::decode(&reply.replace("NAME", "acme"))
                .unwrap_or_else(|why| panic!("{reply}: {why}"));
        }
        let lines = [REQUEST, REPLIES, REFUSED].into_iter().flat_map(str::lines);
        assert!(lines.into_iter().all(|line| line.len() <= 80));
    }

    #[test]
    fn what_is_said_to_be_refused_is_refused() {
        let long = |length: usize| "x".repeat(length);
        let reply = |who: &str, id: &str, more: &str| {
            format!(r#"{{"responder": "{who}", "rfq-id": "{id}", {more}}}"#)
        };
        let one = r#""quote": 1"#;
        let many = format!(r#""quote": {}"#, "9".repeat(39));
        let reason = format!(r#""declined": "{}""#, long(1_025));
        let details = format!(r#"{one}, "details": "{}""#, long(65_536));
        for refused in [
            "[]".to_owned(),
            r#"{"rfq-id": "x", "quote": 1}"#.to_owned(),
            r#"{"responder": "a", "quote": 1}"#.to_owned(),
            reply("a", "x", r#""z": 1"#),
            reply("a", "x", r#""quote": 1, "declined": "no""#),
            reply("", "x", one),
            reply("-", "x", one),
            reply(&long(65), "x", one),
            reply("a\u{202e}", "x", one),
            reply("a\u{2028}", "x", one),
            reply("a", "", one),
            reply("a", &long(129), one),
            reply("a", "x", r#""quote": "1""#),
            reply("a", "x", r#""quote": -1"#),
            reply("a", "x", &many),
            reply("a", "x", r#""quote": 1e-131"#),
            reply("a", "x", r#""quote": 1e126"#),
            reply("a", "x", r#""failed": 7"#),
            reply("a", "x", &reason),
            reply("a", "x", &details),
        ] {
            assert!(Reply::decode(&refused).is_err(), "{refused}");
        }
        for read in [reply("a", "x", one), reply(&long(64), &long(128), r#""quote": 9.99e125"#)] {
            Reply::decode(&read).unwrap_or_else(|why| panic!("{read}: {why}"));
        }
    }

    #[test]
    fn on_aws_the_owner_brings_credentials_and_needs_rights() {
        let needs = Needs {
            provider: ProviderName::parse("acme").expect("a name"),
            stack: "x".to_owned(),
            region: "eu-central-1".to_owned(),
            local: None,
            queue_url: "https://q/acme".to_owned(),
            queue_arn: "arn:acme".to_owned(),
            response_queue_url: "https://q/replies".to_owned(),
            response_queue_arn: "arn:replies".to_owned(),
        };
        let text = texts(&lines(&needs, None)).join("\n");
        for needed in [
            "Region       eu-central-1",
            "any that the AWS SDK finds",
            "sqs:SendMessage",
            "https://q/acme",
            "arn:replies",
            "{\"responder\": \"acme\", ",
        ] {
            assert!(text.contains(needed), "{needed} is not in:\n{text}");
        }
        assert!(!text.contains("Endpoint") && !text.contains("NAME"), "{text}");
        let mut document = json!({});
        add_access(&mut document, &needs);
        let expected = json!({"endpoint": null, "region": "eu-central-1", "credentials": null});
        assert_eq!(document, expected);
    }
}
