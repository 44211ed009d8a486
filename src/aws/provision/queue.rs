//! The queues of a stack: what they should be like, what they are like, and from one to the other.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Change, Mode, Patience, Place, Waiting};
use crate::aws::names::{PROVIDER_TAG, STACK_TAG};
use crate::aws::{Aws, error};
use crate::error::Result;
use crate::model::ProviderName;

/// How long the name of a deleted queue is held.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
const NAME_HELD: Duration = Duration::from_mins(1);
/// How much longer than that it is tried.
const NAME_SLACK: Duration = Duration::from_secs(15);
/// Receives after which SQS itself moves a message to the dead letters. Workers give up earlier.
const MAX_RECEIVES: u32 = 10;
/// How long dead letters are kept: the longest there is, 14 days.
const DEAD_LETTER_RETENTION: Duration = Duration::from_hours(14 * 24);
/// The id of our statement in a queue's policy.
const POLICY_SID: &str = "rydes-topic";

type Attributes = HashMap<QueueAttributeName, String>;

/// What a queue should be like.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) name: String,
    attributes: Attributes,
    /// The statement that its policy must hold.
    statement: Option<Value>,
    tags: HashMap<String, String>,
}

/// What a queue is like.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) url: String,
    attributes: Attributes,
    pub(super) tags: HashMap<String, String>,
}

impl Spec {
    /// A provider's queue. `kind` is the value of its `rydes:provider` tag.
    pub(super) fn provider(aws: &Aws, place: &Place, name: &ProviderName, kind: &str) -> Self {
        let queue = aws.names.provider_queue(name);
        let dead_letters = place.queue_arn(&aws.names.provider_dead_letters());
        let mut spec = Self::worked(aws, queue, &dead_letters);
        spec.statement = Some(topic_may_send(aws, place, &spec.name));
        spec.tags.insert(PROVIDER_TAG.to_owned(), kind.to_owned());
        spec
    }

    /// The response queue.
    pub(super) fn response(aws: &Aws, place: &Place) -> Self {
        let dead_letters = place.queue_arn(&aws.names.response_dead_letters());
        Self::worked(aws, aws.names.response_queue(), &dead_letters)
    }

    /// The dead letters of the provider queues; the topic's redrive sends here too.
    pub(super) fn provider_dead_letters(aws: &Aws, place: &Place) -> Self {
        let mut spec = Self::dead_letters(aws, aws.names.provider_dead_letters());
        spec.statement = Some(topic_may_send(aws, place, &spec.name));
        spec
    }

    /// The dead letters of the response queue.
    pub(super) fn response_dead_letters(aws: &Aws) -> Self {
        Self::dead_letters(aws, aws.names.response_dead_letters())
    }

    fn worked(aws: &Aws, name: String, dead_letters: &str) -> Self {
        let redrive = json!({"deadLetterTargetArn": dead_letters, "maxReceiveCount": MAX_RECEIVES});
        let attributes = HashMap::from([
            (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "20".to_owned()),
            (QueueAttributeName::VisibilityTimeout, "30".to_owned()),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ]);
        Self { name, attributes, statement: None, tags: stack_tag(aws) }
    }

    fn dead_letters(aws: &Aws, name: String) -> Self {
        let retention = DEAD_LETTER_RETENTION.as_secs().to_string();
        let attributes = HashMap::from([
            (QueueAttributeName::MessageRetentionPeriod, retention),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
        ]);
        Self { name, attributes, statement: None, tags: stack_tag(aws) }
    }

    /// The settings that have to be set on what was found, with the values to set.
    fn differences(&self, found: &Found) -> Attributes {
        let mut wanted = self.attributes.clone();
        wanted.retain(|name, value| {
            let is = found.attributes.get(name).map(String::as_str).unwrap_or_default();
            match name {
                QueueAttributeName::RedrivePolicy => !same_redrive(is, value),
                _ => is != value,
            }
        });
        let policy = found.attributes.get(&QueueAttributeName::Policy);
        wanted.extend(self.policy(policy).map(|policy| (QueueAttributeName::Policy, policy)));
        wanted
    }

    /// The policy to set: the one there is with our statement in it; `None` when it is in already.
    fn policy(&self, existing: Option<&String>) -> Option<String> {
        let statement = self.statement.as_ref()?;
        let mut policy = existing
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
        let mut statements = match policy["Statement"].take() {
            Value::Array(statements) => statements,
            Value::Null => Vec::new(),
            single => vec![single],
        };
        if statements.contains(statement) {
            return None;
        }
        statements.retain(|other| other["Sid"] != POLICY_SID);
        statements.push(statement.clone());
        policy["Statement"] = Value::Array(statements);
        Some(policy.to_string())
    }

    /// The tags that are missing. Whether a provider is simulated is settled when its queue is
    /// made, so that tag is never changed.
    fn missing_tags(&self, found: &Found) -> HashMap<String, String> {
        let missing = |name: &String, value: &String| {
            name == STACK_TAG && found.tags.get(name) != Some(value)
        };
        let tags = self.tags.iter().filter(|(name, value)| missing(name, value));
        tags.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// Looks at a queue: its attributes and tags; `None` when there is none.
pub(super) async fn look(aws: &Aws, name: &str) -> Result<Option<Found>> {
    let doing = || format!("looking at queue {name}");
    let url = match aws.clients.sqs.get_queue_url().queue_name(name).send().await {
        Ok(found) => found.queue_url.unwrap_or_default(),
        Err(error) if error::is_not_found(&error) => return Ok(None),
        Err(error) => return Err(aws.error(&doing(), &error)),
    };
    let attributes = aws
        .clients
        .sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All)
        .send();
    let tags = aws.clients.sqs.list_queue_tags().queue_url(&url).send();
    let (attributes, tags) = tokio::join!(attributes, tags);
    // A queue that goes away in between was being deleted.
    let attributes = match attributes {
        Err(error) if error::is_not_found(&error) => return Ok(None),
        attributes => attributes.map_err(|error| aws.error(&doing(), &error))?,
    };
    let tags = match tags {
        Err(error) if error::is_not_found(&error) => return Ok(None),
        tags => tags.map_err(|error| aws.error(&doing(), &error))?,
    };
    Ok(Some(Found {
        url,
        attributes: attributes.attributes.unwrap_or_default(),
        tags: tags.tags.unwrap_or_default(),
    }))
}

impl Found {
    pub(super) fn arn(&self) -> Option<&str> {
        self.attributes.get(&QueueAttributeName::QueueArn).map(String::as_str)
    }

    pub(super) fn is_simulated(&self) -> bool {
        self.tags.get(PROVIDER_TAG).is_some_and(|kind| kind == "simulated")
    }

    /// Messages that it holds, in hand and delayed ones included.
    pub(super) fn messages(&self) -> u64 {
        let number = |name: &QueueAttributeName| -> u64 {
            self.attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        number(&QueueAttributeName::ApproximateNumberOfMessages)
            + number(&QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            + number(&QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
    }
}

/// Makes a queue what it should be.
pub(super) async fn ensure(
    aws: &Aws,
    spec: &Spec,
    found: Option<&Found>,
    mode: Mode,
    patience: Patience<'_>,
) -> Result<Change> {
    let Some(found) = found else {
        if mode == Mode::Apply {
            create(aws, spec, patience).await?;
        }
        return Ok(Change::Created);
    };
    let attributes = spec.differences(found);
    let tags = spec.missing_tags(found);
    let mut changed: Vec<_> = attributes.keys().map(|name| name.as_str().to_owned()).collect();
    changed.extend(tags.keys().cloned());
    changed.sort();
    if changed.is_empty() {
        return Ok(Change::Kept);
    }
    if mode == Mode::Apply {
        set(aws, spec, found, attributes, tags).await?;
    }
    Ok(Change::Changed(changed))
}

async fn set(
    aws: &Aws,
    spec: &Spec,
    found: &Found,
    attributes: Attributes,
    tags: HashMap<String, String>,
) -> Result<()> {
    let doing = format!("setting up queue {}", spec.name);
    if !attributes.is_empty() {
        aws.clients
            .sqs
            .set_queue_attributes()
            .queue_url(&found.url)
            .set_attributes(Some(attributes))
            .send()
            .await
            .map_err(|error| aws.error(&doing, &error))?;
    }
    if !tags.is_empty() {
        aws.clients
            .sqs
            .tag_queue()
            .queue_url(&found.url)
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(|error| aws.error(&doing, &error))?;
    }
    Ok(())
}

/// Creates a queue; waits while its name is held after a deletion.
async fn create(aws: &Aws, spec: &Spec, patience: Patience<'_>) -> Result<()> {
    let mut attributes = spec.attributes.clone();
    attributes.extend(spec.policy(None).map(|policy| (QueueAttributeName::Policy, policy)));
    let began = Instant::now();
    loop {
        let created = aws
            .clients
            .sqs
            .create_queue()
            .queue_name(&spec.name)
            .set_attributes(Some(attributes.clone()))
            .set_tags(Some(spec.tags.clone()))
            .send()
            .await;
        let Err(error) = created else { return Ok(()) };
        let held = error.code().is_some_and(|code| code.ends_with("QueueDeletedRecently"));
        if !held || began.elapsed() > NAME_HELD + NAME_SLACK {
            return Err(aws.error(&format!("creating queue {}", spec.name), &error));
        }
        let left = NAME_HELD.saturating_sub(began.elapsed());
        patience(Waiting::QueueName(spec.name.clone(), left));
        sleep(Duration::from_secs(2)).await;
    }
}

fn stack_tag(aws: &Aws) -> HashMap<String, String> {
    HashMap::from([(STACK_TAG.to_owned(), aws.names.stack().as_str().to_owned())])
}

/// The statement that lets the stack's topic, and it alone, send to a queue.
fn topic_may_send(aws: &Aws, place: &Place, queue: &str) -> Value {
    json!({
        "Sid": POLICY_SID,
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": place.queue_arn(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": place.topic_arn(&aws.names.topic())}},
    })
}

/// Whether two redrive policies mean the same; services give the count back as number or text.
fn same_redrive(is: &str, wanted: &str) -> bool {
    let read = |text: &str| {
        let policy: Value = serde_json::from_str(text).ok()?;
        let count = policy["maxReceiveCount"].to_string();
        let target = policy["deadLetterTargetArn"].as_str()?.to_owned();
        Some((target, count.trim_matches('"').to_owned()))
    };
    read(is).is_some_and(|is| Some(is) == read(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            name: "q".to_owned(),
            attributes: HashMap::from([(
                QueueAttributeName::RedrivePolicy,
                r#"{"deadLetterTargetArn":"a","maxReceiveCount":10}"#.to_owned(),
            )]),
            statement: Some(json!({"Sid": POLICY_SID, "Effect": "Allow"})),
            tags: HashMap::from([
                (STACK_TAG.to_owned(), "x".to_owned()),
                (PROVIDER_TAG.to_owned(), "simulated".to_owned()),
            ]),
        }
    }

    fn found(attributes: &[(QueueAttributeName, &str)], tags: &[(&str, &str)]) -> Found {
        let owned =
            |(name, value): &(QueueAttributeName, &str)| (name.clone(), (*value).to_owned());
        let tag = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Found {
            url: String::new(),
            attributes: attributes.iter().map(owned).collect(),
            tags: tags.iter().map(tag).collect(),
        }
    }

    #[test]
    fn what_means_the_same_is_kept() {
        let same = found(
            &[
                (
                    QueueAttributeName::RedrivePolicy,
                    r#"{"maxReceiveCount":"10","deadLetterTargetArn":"a"}"#,
                ),
                (
                    QueueAttributeName::Policy,
                    r#"{"Statement":[{"Sid":"owner"},{"Sid":"rydes-topic","Effect":"Allow"}]}"#,
                ),
            ],
            &[(STACK_TAG, "x"), (PROVIDER_TAG, "external")],
        );
        assert_eq!(spec().differences(&same), HashMap::new());
        assert_eq!(spec().missing_tags(&same), HashMap::new());
    }

    #[test]
    fn the_owners_own_statements_stay() {
        let other = r#"{"Statement":{"Sid":"owner"}}"#.to_owned();
        let policy = spec().policy(Some(&other)).expect("ours is missing");
        let policy: Value = serde_json::from_str(&policy).expect("valid JSON");
        let sids: Vec<_> = policy["Statement"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|s| s["Sid"].clone())
            .collect();
        assert_eq!(sids, ["owner", POLICY_SID]);
    }
}
