//! The queues of a stack: what they are like, and making them what they should be.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{Instant, sleep};

use super::late::{Seen, until_shown};
use super::spec::Spec;
use super::{Change, Mode, Patience, Waiting};
use crate::aws::names::PROVIDER_TAG;
use crate::aws::{Aws, error};
use crate::error::Result;

/// How long the name of a deleted queue is held.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
const NAME_HELD: Duration = Duration::from_mins(1);
/// How much longer than that it is tried.
const NAME_SLACK: Duration = Duration::from_secs(15);
/// The attributes of a queue.
pub(super) type Attributes = HashMap<QueueAttributeName, String>;

/// What a queue is like.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) url: String,
    pub(super) attributes: Attributes,
    pub(super) tags: HashMap<String, String>,
}

/// The URLs of all queues whose names begin as the stack's do. The prefix only narrows the search;
/// the tag decides.
pub(super) async fn list(aws: &Aws) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    let mut pages = aws
        .clients
        .sqs
        .list_queues()
        .queue_name_prefix(aws.names.prefix())
        .max_results(1_000)
        .into_paginator()
        .items()
        .send();
    while let Some(url) = pages.next().await {
        urls.push(url.map_err(|error| aws.error("listing the queues", &error))?);
    }
    Ok(urls)
}

/// The name of the queue that has this URL.
pub(super) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// Looks at a queue: its attributes and tags; `None` when there is none.
pub(super) async fn look(aws: &Aws, name: &str) -> Result<Option<Found>> {
    let doing = || format!("looking at queue {name}");
    let url = match aws.clients.sqs.get_queue_url().queue_name(name).send().await {
        Ok(found) => found.queue_url.unwrap_or_default(),
        Err(error) if error::is_not_found(&error) => return Ok(None),
        Err(error) => return Err(aws.error(&doing(), &error)),
    };
    look_at(aws, name, url).await
}

/// Looks at the queue that has this URL; `None` when there is none.
pub(super) async fn look_at(aws: &Aws, name: &str, url: String) -> Result<Option<Found>> {
    let doing = || format!("looking at queue {name}");
    let attributes = aws
        .clients
        .sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All)
        .send();
    let (attributes, tags) = tokio::join!(attributes, tags(aws, name, &url));
    // A queue that goes away in between was being deleted.
    let attributes = match attributes {
        Err(error) if error::is_not_found(&error) => return Ok(None),
        attributes => attributes.map_err(|error| aws.error(&doing(), &error))?,
    };
    let attributes = attributes.attributes.unwrap_or_default();
    Ok(tags?.map(|tags| Found { url, attributes, tags }))
}

/// The tags of the queue that has this URL; `None` when there is none.
pub(super) async fn tags(
    aws: &Aws,
    name: &str,
    url: &str,
) -> Result<Option<HashMap<String, String>>> {
    match aws.clients.sqs.list_queue_tags().queue_url(url).send().await {
        Ok(found) => Ok(Some(found.tags.unwrap_or_default())),
        Err(error) if error::is_not_found(&error) => Ok(None),
        Err(error) => Err(aws.error(&format!("looking at queue {name}"), &error)),
    }
}

impl Found {
    pub(super) fn arn(&self) -> Option<&str> {
        self.attributes.get(&QueueAttributeName::QueueArn).map(String::as_str)
    }

    /// Whether a key of the owner's encrypts it.
    pub(super) fn has_key(&self) -> bool {
        self.attributes
            .get(&QueueAttributeName::KmsMasterKeyId)
            .is_some_and(|key| !key.trim().is_empty())
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
        set(aws, spec, found, attributes, tags, patience).await?;
    }
    Ok(Change::Changed(changed))
}

async fn set(
    aws: &Aws,
    spec: &Spec,
    found: &Found,
    attributes: Attributes,
    tags: HashMap<String, String>,
    patience: Patience<'_>,
) -> Result<()> {
    let doing = format!("setting up queue {}", spec.name);
    if !attributes.is_empty() {
        let set = async || {
            let call = aws.clients.sqs.set_queue_attributes().queue_url(&found.url);
            spec.seen(aws, &doing, call.set_attributes(Some(attributes.clone())).send().await)
        };
        until_shown(patience, set).await?;
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

/// Creates a queue; waits for its dead letters where this run has made them.
async fn create(aws: &Aws, spec: &Spec, patience: Patience<'_>) -> Result<()> {
    until_shown(patience, async || create_when_free(aws, spec, patience).await).await
}

/// Creates a queue; waits while its name is held after a deletion.
async fn create_when_free(aws: &Aws, spec: &Spec, patience: Patience<'_>) -> Result<Seen<()>> {
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
        let held = created.as_ref().err().and_then(|error| error.code());
        let held = held.is_some_and(|code| code.ends_with("QueueDeletedRecently"));
        if !held || began.elapsed() > NAME_HELD + NAME_SLACK {
            return spec.seen(aws, &format!("creating queue {}", spec.name), created);
        }
        let left = NAME_HELD.saturating_sub(began.elapsed());
        patience(Waiting::QueueName(spec.name.clone(), left));
        sleep(Duration::from_secs(2)).await;
    }
}
