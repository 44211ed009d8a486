//! The required settings of a stack's queues, and what differs from them on an existing queue.

use std::collections::HashMap;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::late::{Origin, Seen};
use super::queue_state::{Attributes, QueueState};
use super::{ArnScope, Change, Difference, stack_tag};
use crate::aws::{Aws, is_not_found};
use crate::core::{Names, PROVIDER_TAG, ProviderName, Retention, SENDER_TAG, STACK_TAG};
use crate::error::Result;

/// Receives after which SQS itself moves a message to the dead letters. Workers give up earlier.
const MAX_RECEIVES: u32 = 10;
/// The id of the stack's statement in a queue's policy.
const POLICY_SID: &str = "rydes-topic";

#[derive(Debug, Clone)]
pub(super) struct QueueSpec {
    pub(super) name: String,
    pub(super) attributes: Attributes,
    /// The statement that its policy must hold.
    pub(super) statement: Option<Value>,
    pub(super) tags: HashMap<String, String>,
    /// Where its dead letter queue comes from.
    target: Origin,
}

impl QueueSpec {
    /// `kind` is the value of the `rydes:provider` tag.
    pub(super) fn provider(
        names: &Names,
        scope: &ArnScope,
        name: &ProviderName,
        kind: &str,
    ) -> Self {
        let queue = names.provider_queue(name);
        let dead_letters = scope.queue_arn(&names.provider_dead_letters());
        let mut spec = Self::worked(names, queue, &dead_letters);
        spec.statement = Some(topic_may_send(names, scope, &spec.name));
        spec.tags.insert(PROVIDER_TAG.to_owned(), kind.to_owned());
        spec
    }

    pub(super) fn response(names: &Names, scope: &ArnScope) -> Self {
        let dead_letters = scope.queue_arn(&names.response_dead_letters());
        Self::worked(names, names.response_queue(), &dead_letters)
    }

    /// The topic's redrive sends here too.
    pub(super) fn provider_dead_letters(
        names: &Names,
        scope: &ArnScope,
        retention: Retention,
    ) -> Self {
        let mut spec = Self::dead_letters(names, names.provider_dead_letters(), retention);
        spec.statement = Some(topic_may_send(names, scope, &spec.name));
        spec
    }

    pub(super) fn response_dead_letters(names: &Names, retention: Retention) -> Self {
        Self::dead_letters(names, names.response_dead_letters(), retention)
    }

    fn worked(names: &Names, name: String, dead_letters: &str) -> Self {
        let redrive = json!({"deadLetterTargetArn": dead_letters, "maxReceiveCount": MAX_RECEIVES});
        let attributes = HashMap::from([
            (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "20".to_owned()),
            (QueueAttributeName::VisibilityTimeout, "30".to_owned()),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ]);
        Self { name, attributes, statement: None, tags: stack_tag(names), target: Origin::Found }
    }

    fn dead_letters(names: &Names, name: String, retention: Retention) -> Self {
        let retention = retention.of_dead_letters().as_secs().to_string();
        let attributes = HashMap::from([
            (QueueAttributeName::MessageRetentionPeriod, retention),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
        ]);
        Self { name, attributes, statement: None, tags: stack_tag(names), target: Origin::Found }
    }

    /// Notes whether this run has made the dead letter queue.
    #[must_use]
    pub(super) fn after(mut self, dead_letters: &Change) -> Self {
        self.target = dead_letters.into();
        self
    }

    /// The result of creating or changing the queue. A dead letter queue that this run has made may not show yet.
    pub(super) fn seen<T, E>(
        &self,
        aws: &Aws,
        doing: &str,
        outcome: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Seen<()>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match outcome {
            Ok(_) => Ok(Seen::Shown(())),
            Err(error) if self.target == Origin::Made && is_target_missing(&error) => {
                Ok(Seen::Missing(format!("the dead letter queue of {}", self.name)))
            }
            Err(error) => Err(aws.error(doing, &error)),
        }
    }

    fn is_external(&self) -> bool {
        self.tags.get(PROVIDER_TAG).is_some_and(|kind| kind == "external")
    }

    /// The settings to change on an existing queue, with their new values.
    pub(super) fn attributes_to_set(&self, found: &QueueState) -> Attributes {
        let mut wanted = self.attributes.clone();
        wanted.retain(|name, value| {
            let is = found.attributes.get(name).map(String::as_str).unwrap_or_default();
            match name {
                QueueAttributeName::RedrivePolicy => !same_redrive(is, value),
                // The owner's own key encrypts too, and SQS allows only one of the two.
                QueueAttributeName::SqsManagedSseEnabled => is != value && !found.has_key(),
                // An external provider may take longer over a request than a simulated one.
                QueueAttributeName::VisibilityTimeout if self.is_external() => {
                    seconds(is) < seconds(value)
                }
                _ => is != value,
            }
        });
        let policy = found.attributes.get(&QueueAttributeName::Policy);
        wanted.extend(self.policy(policy).map(|policy| (QueueAttributeName::Policy, policy)));
        wanted
    }

    /// The existing policy with the stack's statement added; `None` if there is nothing to add.
    pub(super) fn policy(&self, existing: Option<&String>) -> Option<String> {
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

    /// The change that setting these attributes and tags makes: the values before and after.
    pub(super) fn change(
        &self,
        found: &QueueState,
        attributes: &Attributes,
        tags: &HashMap<String, String>,
    ) -> Change {
        let of_attribute = |(name, value): (&QueueAttributeName, &String)| {
            let is = found.attributes.get(name).map(String::as_str);
            if *name != QueueAttributeName::Policy {
                return Difference::new(name.as_str(), is, value);
            }
            // A policy may be long, and its other statements belong to the queue's owner.
            let statement = self.statement.as_ref().map(Value::to_string).unwrap_or_default();
            Difference::new(name.as_str(), is.and_then(found_statement).as_deref(), &statement)
        };
        let of_tag = |(name, value): (&String, &String)| {
            Difference::new(name, found.tags.get(name).map(String::as_str), value)
        };
        Change::of(attributes.iter().map(of_attribute).chain(tags.iter().map(of_tag)).collect())
    }

    /// The tags to add or to change. The tag `rydes:provider` is set when the queue is made, and never changed.
    pub(super) fn missing_tags(&self, found: &QueueState) -> HashMap<String, String> {
        let missing = |name: &String, value: &String| {
            [STACK_TAG, SENDER_TAG].contains(&name.as_str()) && found.tags.get(name) != Some(value)
        };
        let tags = self.tags.iter().filter(|(name, value)| missing(name, value));
        tags.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The policy statement that lets only the stack's topic send to a queue.
fn topic_may_send(names: &Names, scope: &ArnScope, queue: &str) -> Value {
    json!({
        "Sid": POLICY_SID,
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": scope.queue_arn(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": scope.topic_arn(&names.topic())}},
    })
}

/// Whether a queue was refused because its dead letter queue does not exist: AWS reports an invalid value.
fn is_target_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let says = |word: &str| error.message().is_some_and(|text| text.to_lowercase().contains(word));
    is_not_found(error) || (says("dead letter target") && says("not exist"))
}

/// The statement with the stack's id in a policy.
fn found_statement(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let is_ours = |statement: &&Value| statement["Sid"] == POLICY_SID;
    Some(policy["Statement"].as_array()?.iter().find(is_ours)?.to_string())
}

fn seconds(value: &str) -> u64 {
    value.parse().unwrap_or(0)
}

/// Compares redrive policies. Services return the count as a number or as text.
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

    fn spec() -> QueueSpec {
        QueueSpec {
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
            target: Origin::Found,
        }
    }

    fn found(attributes: &[(QueueAttributeName, &str)], tags: &[(&str, &str)]) -> QueueState {
        let owned =
            |(name, value): &(QueueAttributeName, &str)| (name.clone(), (*value).to_owned());
        let tag = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        QueueState {
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
        assert_eq!(spec().attributes_to_set(&same), HashMap::new());
        assert_eq!(spec().missing_tags(&same), HashMap::new());
    }

    #[test]
    fn a_key_of_the_owners_encrypts_too() {
        let managed = QueueAttributeName::SqsManagedSseEnabled;
        let spec = QueueSpec {
            attributes: HashMap::from([(managed.clone(), "true".to_owned())]),
            statement: None,
            ..spec()
        };
        let keyed = |key| {
            let attributes =
                [(managed.clone(), "false"), (QueueAttributeName::KmsMasterKeyId, key)];
            spec.attributes_to_set(&found(&attributes, &[]))
        };
        assert_eq!(keyed("alias/mine"), HashMap::new());
        assert_eq!(keyed(""), spec.attributes);
    }

    #[test]
    fn an_external_provider_may_take_longer() {
        let setting = QueueAttributeName::VisibilityTimeout;
        let differs = |kind: &str, is: &str| {
            let spec = QueueSpec {
                attributes: HashMap::from([(setting.clone(), "30".to_owned())]),
                statement: None,
                tags: HashMap::from([(PROVIDER_TAG.to_owned(), kind.to_owned())]),
                ..spec()
            };
            !spec.attributes_to_set(&found(&[(setting.clone(), is)], &[])).is_empty()
        };
        assert!(!differs("external", "30") && !differs("external", "300"));
        assert!(differs("external", "5") && differs("simulated", "300"));
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
