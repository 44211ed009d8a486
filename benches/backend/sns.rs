//! The topics: they deliver to queues, bare or in an envelope.
//! <https://docs.aws.amazon.com/sns/latest/api/>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use rydes::core::Timestamp;
use serde_json::json;

use crate::Backend;
use crate::http::{ACCOUNT, Answer, REGION, Refused, lacking, refused};

/// Subscriptions of one page.
const PAGE: usize = 100;
/// Messages of one batch at most.
const MAX_BATCH: usize = 10;
/// Bytes of a message, and of the messages of one batch, at most.
const MAX_BYTES: usize = 262_144;
/// The fields that this reads, with `#` for a number, and those that change nothing here.
const FIELDS: [&str; 19] = [
    "Action",
    "Version",
    "Name",
    "TopicArn",
    "ResourceArn",
    "SubscriptionArn",
    "Protocol",
    "Endpoint",
    "AttributeName",
    "AttributeValue",
    "NextToken",
    "Message",
    "ReturnSubscriptionArn",
    "Attributes.entry.#.key",
    "Attributes.entry.#.value",
    "Tags.member.#.Key",
    "Tags.member.#.Value",
    "PublishBatchRequestEntries.member.#.Id",
    "PublishBatchRequestEntries.member.#.Message",
];

/// The topics by their ARNs.
#[derive(Default)]
pub(crate) struct Topics(BTreeMap<String, Topic>);

#[derive(Default)]
struct Topic {
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    subscriptions: Vec<Subscription>,
    /// How many subscriptions it has had.
    subscribed: usize,
}

struct Subscription {
    arn: String,
    endpoint: String,
    attributes: BTreeMap<String, String>,
}

/// The fields of a request in the query protocol.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(crate) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let decoded = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    /// A field that is not read.
    fn unknown(&self) -> Option<&str> {
        let is_known = |name: &str| {
            let parts = name.split('.');
            let general = parts.map(|part| if part.parse::<usize>().is_ok() { "#" } else { part });
            FIELDS.contains(&general.collect::<Vec<_>>().join(".").as_str())
        };
        self.0.keys().map(String::as_str).find(|name| !is_known(name))
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The fields `NAME.1.FIRST` and `NAME.1.SECOND`, then those of 2, and so on.
    fn pairs(&self, name: &str, first: &str, second: &str) -> BTreeMap<String, String> {
        let field = |number: usize, part| self.0.get(&format!("{name}.{number}.{part}")).cloned();
        (1..).map_while(|number| field(number, first).zip(field(number, second))).collect()
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        self.pairs("Attributes.entry", "key", "value")
    }

    fn tags(&self) -> BTreeMap<String, String> {
        self.pairs("Tags.member", "Key", "Value")
    }
}

impl Topics {
    fn topic(&mut self, arn: &str) -> Result<&mut Topic, Refused> {
        self.0.get_mut(arn).ok_or_else(|| refused("NotFound", "Topic does not exist"))
    }

    fn subscription(&mut self, arn: &str) -> Result<&mut Subscription, Refused> {
        let mut all = self.0.values_mut().flat_map(|topic| &mut topic.subscriptions);
        let found = all.find(|subscription| subscription.arn == arn);
        found.ok_or_else(|| refused("NotFound", "Subscription does not exist"))
    }
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The inside of the result element.
pub(crate) fn answer(backend: &Backend, action: &str, form: &Form) -> Answer {
    if let Some(field) = form.unknown() {
        return Err(lacking(format!("SNS {action} with {field}")));
    }
    let topics = &mut *backend.topics.borrow_mut();
    let xml = match action {
        "Publish" => {
            let topic = topics.topic(form.text("TopicArn"))?;
            let id = deliver(backend, topic, form.text("TopicArn"), form.text("Message"))?;
            format!("<MessageId>{id}</MessageId>")
        }
        "PublishBatch" => {
            let topic = topics.topic(form.text("TopicArn"))?;
            publish_batch(backend, topic, form)?
        }
        "CreateTopic" => {
            let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", form.text("Name"));
            let topic = topics.0.entry(arn.clone()).or_default();
            topic.attributes.extend(form.attributes());
            topic.tags.extend(form.tags());
            format!("<TopicArn>{arn}</TopicArn>")
        }
        "DeleteTopic" => {
            topics.0.remove(form.text("TopicArn"));
            String::new()
        }
        "GetTopicAttributes" => {
            let arn = form.text("TopicArn");
            let mut attributes = topics.topic(arn)?.attributes.clone();
            attributes.insert("TopicArn".to_owned(), arn.to_owned());
            entries(&attributes)
        }
        "ListTopics" => {
            let member = |arn| format!("<member><TopicArn>{arn}</TopicArn></member>");
            format!("<Topics>{}</Topics>", topics.0.keys().map(member).collect::<String>())
        }
        "ListTagsForResource" => {
            let tags = &topics.topic(form.text("ResourceArn"))?.tags;
            let member = |(key, value): (_, &String)| {
                let value = escaped(value);
                format!("<member><Key>{key}</Key><Value>{value}</Value></member>")
            };
            format!("<Tags>{}</Tags>", tags.iter().map(member).collect::<String>())
        }
        "TagResource" => {
            topics.topic(form.text("ResourceArn"))?.tags.extend(form.tags());
            String::new()
        }
        "Subscribe" => subscribe(topics.topic(form.text("TopicArn"))?, form)?,
        "Unsubscribe" => {
            let arn = form.text("SubscriptionArn");
            for topic in topics.0.values_mut() {
                topic.subscriptions.retain(|subscription| subscription.arn != arn);
            }
            String::new()
        }
        "ListSubscriptionsByTopic" => list(topics.topic(form.text("TopicArn"))?, form),
        "GetSubscriptionAttributes" => {
            entries(&topics.subscription(form.text("SubscriptionArn"))?.attributes)
        }
        "SetSubscriptionAttributes" => {
            let subscription = topics.subscription(form.text("SubscriptionArn"))?;
            let [name, value] = ["AttributeName", "AttributeValue"].map(|name| form.text(name));
            subscription.attributes.insert(name.to_owned(), value.to_owned());
            String::new()
        }
        _ => return Err(lacking(format!("SNS {action}"))),
    };
    Ok(xml.into_bytes())
}

fn entries(attributes: &BTreeMap<String, String>) -> String {
    let entry = |(key, value): (_, &String)| {
        format!("<entry><key>{key}</key><value>{}</value></entry>", escaped(value))
    };
    format!("<Attributes>{}</Attributes>", attributes.iter().map(entry).collect::<String>())
}

/// Delivers a copy to each subscribed queue, and returns the id of the message.
fn deliver(
    backend: &Backend,
    topic: &Topic,
    topic_arn: &str,
    message: &str,
) -> Result<String, Refused> {
    if message.len() > MAX_BYTES {
        return Err(refused("InvalidParameter", "Invalid parameter: Message too long"));
    }
    let mut id = String::new();
    for subscription in &topic.subscriptions {
        let queue = backend.queues.find(&subscription.endpoint)?;
        let attribute = |name: &str| subscription.attributes.get(name);
        if attribute("FilterPolicy").is_some_and(|policy| policy != "{}") {
            return Err(lacking("filter policies"));
        }
        let is_raw = attribute("RawMessageDelivery").is_some_and(|raw| raw == "true");
        let body = if is_raw { message.to_owned() } else { envelope(topic_arn, message) };
        id = queue.put(body, None);
    }
    Ok(id)
}

fn envelope(topic_arn: &str, message: &str) -> String {
    let at = Timestamp::now().to_string();
    json!({"Type": "Notification", "TopicArn": topic_arn, "Message": message, "Timestamp": at})
        .to_string()
}

fn publish_batch(backend: &Backend, topic: &Topic, form: &Form) -> Result<String, Refused> {
    let arn = form.text("TopicArn");
    let (mut members, mut bytes) = (String::new(), 0);
    for number in 1.. {
        let field =
            |name| form.0.get(&format!("PublishBatchRequestEntries.member.{number}.{name}"));
        let Some((id, message)) = field("Id").zip(field("Message")) else { break };
        if number > MAX_BATCH {
            return Err(refused("TooManyEntriesInBatchRequest", "more than ten entries"));
        }
        bytes += message.len();
        if bytes > MAX_BYTES {
            return Err(refused("BatchRequestTooLong", "more than 262144 bytes"));
        }
        let message = deliver(backend, topic, arn, message)?;
        let member = format!("<member><Id>{id}</Id><MessageId>{message}</MessageId></member>");
        members.push_str(&member);
    }
    Ok(format!("<Successful>{members}</Successful><Failed/>"))
}

fn subscribe(topic: &mut Topic, form: &Form) -> Result<String, Refused> {
    let (protocol, endpoint) = (form.text("Protocol"), form.text("Endpoint"));
    if protocol != "sqs" {
        return Err(lacking(format!("the protocol {protocol}")));
    }
    let known = topic.subscriptions.iter().find(|known| known.endpoint == endpoint);
    let arn = if let Some(known) = known {
        known.arn.clone()
    } else {
        topic.subscribed += 1;
        let arn = format!("{}:{:08}", form.text("TopicArn"), topic.subscribed);
        let (endpoint, attributes) = (endpoint.to_owned(), form.attributes());
        topic.subscriptions.push(Subscription { arn: arn.clone(), endpoint, attributes });
        arn
    };
    Ok(format!("<SubscriptionArn>{arn}</SubscriptionArn>"))
}

fn list(topic: &Topic, form: &Form) -> String {
    let from = form.text("NextToken").parse::<usize>().unwrap_or(0);
    let mut xml = "<Subscriptions>".to_owned();
    for Subscription { arn, endpoint, .. } in topic.subscriptions.iter().skip(from).take(PAGE) {
        let topic_arn = form.text("TopicArn");
        _ = write!(
            xml,
            "<member><SubscriptionArn>{arn}</SubscriptionArn><Owner>{ACCOUNT}</Owner>\
             <Protocol>sqs</Protocol><Endpoint>{endpoint}</Endpoint>\
             <TopicArn>{topic_arn}</TopicArn></member>"
        );
    }
    xml.push_str("</Subscriptions>");
    if from + PAGE < topic.subscriptions.len() {
        _ = write!(xml, "<NextToken>{}</NextToken>", from + PAGE);
    }
    xml
}
