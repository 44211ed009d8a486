//! Resources that show some time after they were made, as on AWS: reads answer "not found", lists lack
//! them, their tags are empty.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rydes::tools::bench::proxy::{ProxyFault, Rewrite};
use serde_json::{Value, json};

const NO_QUEUE: &str = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist",
    "message": "The specified queue does not exist."}"#;
const NO_TARGET: &str = r#"{"__type": "com.amazonaws.sqs#InvalidParameterValue", "message":
    "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."}"#;
const NO_TABLE: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
    "message": "Requested resource not found"}"#;
const NO_TOPIC: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code>\
    <Message>Topic does not exist</Message></Error></ErrorResponse>";

/// Which kinds of reads are late, and what they are late about.
#[derive(Default)]
pub struct Late {
    /// How long each kind of read lags behind; of one resource alone, by kind and name.
    lags: HashMap<String, Duration>,
    /// For how long each kind of read sees nothing.
    blind: HashMap<String, Duration>,
    /// When a read first saw too little. Lags and blindness count from there: how fast a command comes to its reads is
    /// up to the machine.
    looked: Option<Instant>,
    /// When each resource was made: by its name, a subscription by `sub:` and its queue's.
    made: HashMap<String, Instant>,
}

impl Late {
    pub fn lag(&mut self, kind: &str, by: Duration) {
        self.lags.insert(kind.to_owned(), by);
    }

    pub fn blind(&mut self, kind: &str, during: Duration) {
        self.blind.insert(kind.to_owned(), during);
    }

    /// How a request goes wrong; takes down what it makes.
    pub fn take(&mut self, operation: &str, body: &[u8]) -> Option<ProxyFault> {
        if operation.starts_with('/') {
            return None;
        }
        let asked = Asked::of(body);
        if let Some(target) = asked.target()
            && self.hides("RedrivePolicy", &target)
        {
            return Some(ProxyFault::Answer(400, NO_TARGET));
        }
        if let Some(fault) = self.fault(operation, &asked) {
            return Some(fault);
        }
        match operation {
            "CreateQueue" | "CreateTopic" | "CreateTable" => self.note(asked.name()),
            "Subscribe" => self.note(format!("sub:{}", last(&asked.field("Endpoint")))),
            _ => {}
        }
        None
    }

    fn note(&mut self, name: String) {
        self.made.entry(name).or_insert_with(Instant::now);
    }

    /// Whether this kind of read does not see a resource yet.
    fn hides(&mut self, kind: &str, name: &str) -> bool {
        let lag = self.lags.get(&format!("{kind} {name}")).or(self.lags.get(kind));
        let lag = lag.and_then(|lag| Some((*lag, *self.made.get(name)?)));
        let blind = self.blind.get(kind).copied();
        if lag.is_none() && blind.is_none() {
            return false;
        }
        let looked = *self.looked.get_or_insert_with(Instant::now);
        lag.is_some_and(|(lag, made)| made.max(looked).elapsed() < lag)
            || blind.is_some_and(|during| looked.elapsed() < during)
    }

    fn fault(&mut self, operation: &str, asked: &Asked) -> Option<ProxyFault> {
        let is_hidden = self.hides(operation, &asked.name());
        match operation {
            "GetQueueUrl" | "GetQueueAttributes" => {
                is_hidden.then_some(ProxyFault::Answer(400, NO_QUEUE))
            }
            "GetTopicAttributes" | "Subscribe" => {
                is_hidden.then_some(ProxyFault::Answer(404, NO_TOPIC))
            }
            "DescribeTable" | "DescribeTimeToLive" | "UpdateTimeToLive" => {
                is_hidden.then_some(ProxyFault::Answer(400, NO_TABLE))
            }
            "ListQueueTags" => is_hidden.then(|| rewrite(|_| "{}".to_owned())),
            "ListTagsOfResource" => is_hidden.then(|| rewrite(|_| r#"{"Tags": []}"#.to_owned())),
            "ListTagsForResource" => is_hidden.then(|| rewrite(|body| without(body, |_| true))),
            "ListQueues" => {
                Some(self.hidden(operation, "")).filter(|hidden| !hidden.is_empty()).map(|hidden| {
                    rewrite(move |body| {
                        let mut answer: Value = serde_json::from_str(body).expect("JSON");
                        if let Some(urls) = answer["QueueUrls"].as_array_mut() {
                            urls.retain(|url| !hidden.covers(last(url.as_str().expect("a URL"))));
                        }
                        answer.to_string()
                    })
                })
            }
            "ListSubscriptionsByTopic" => Some(self.hidden(operation, "sub:"))
                .filter(|hidden| !hidden.is_empty())
                .map(|hidden| {
                    rewrite(move |body| {
                        without(body, |member| {
                            let endpoint = between(member, "<Endpoint>", "</Endpoint>");
                            hidden.covers(&format!("sub:{}", last(endpoint)))
                        })
                    })
                }),
            _ => None,
        }
    }

    /// What a list lacks, of the names that begin so.
    fn hidden(&mut self, kind: &str, start: &str) -> Hidden {
        if self.hides(kind, "") {
            return Hidden::All;
        }
        let names = self.made.keys().filter(|name| name.starts_with(start));
        let mut names: Vec<_> = names.cloned().collect();
        names.retain(|name| self.hides(kind, name));
        Hidden::These(names)
    }
}

/// What a list lacks.
enum Hidden {
    All,
    These(Vec<String>),
}

impl Hidden {
    fn is_empty(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|hidden| hidden == name),
        }
    }
}

fn rewrite(body: impl Fn(&str) -> String + Send + Sync + 'static) -> ProxyFault {
    ProxyFault::Rewrite(Rewrite(Arc::new(body)))
}

/// An answer of SNS without some of its members.
fn without(body: &str, is_hidden: impl Fn(&str) -> bool) -> String {
    let mut parts = body.split("<member>");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (member, rest) = part.split_once("</member>").expect("a member ends");
        if !is_hidden(member) {
            kept.extend(["<member>", member, "</member>"]);
        }
        kept.push_str(rest);
    }
    kept
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(inside, _)| inside)
}

/// The name at the end of an ARN or a URL.
fn last(text: &str) -> &str {
    text.rsplit([':', '/']).next().unwrap_or_default()
}

/// What a request says: JSON, or a form of SNS's.
struct Asked(Value);

impl Asked {
    fn of(body: &[u8]) -> Self {
        let form = || {
            let text = String::from_utf8_lossy(body);
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            let plain = |text: &str| text.replace("%3A", ":").replace("%2F", "/");
            pairs.map(|(name, value)| (name.to_owned(), json!(plain(value)))).collect()
        };
        Self(serde_json::from_slice(body).unwrap_or_else(|_| Value::Object(form())))
    }

    fn field(&self, name: &str) -> String {
        self.0[name].as_str().unwrap_or_default().to_owned()
    }

    /// The name of the resource that it is about.
    fn name(&self) -> String {
        let fields =
            ["QueueName", "QueueUrl", "TopicArn", "Name", "TableName", "ResourceArn"].iter();
        let named = fields.map(|field| self.field(field)).find(|value| !value.is_empty());
        named.map_or_else(String::new, |value| last(&value).to_owned())
    }

    /// The dead letter queue that it names.
    fn target(&self) -> Option<String> {
        let policy = self.0["Attributes"]["RedrivePolicy"].as_str()?;
        let policy: Value = serde_json::from_str(policy).ok()?;
        Some(last(policy["deadLetterTargetArn"].as_str()?).to_owned())
    }
}
