//! Reads the queues of a stack: names, attributes, tags. It must not change them.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::aws::{Aws, Queue, is_not_found};
use crate::core::{PROVIDER_TAG, Timestamp};
use crate::error::Result;

pub(super) type Attributes = HashMap<QueueAttributeName, String>;

#[derive(Debug, Clone)]
pub(super) struct QueueState {
    pub(super) url: String,
    pub(super) attributes: Attributes,
    pub(super) tags: HashMap<String, String>,
}

/// The URLs of all queues with the stack's name prefix. The prefix only narrows the search: the tag decides.
pub(super) async fn list(aws: &Aws) -> Result<Vec<String>> {
    urls(aws, Some(aws.names.prefix())).await
}

/// The URLs of all queues of this account and region whose names begin so.
pub(super) async fn urls(aws: &Aws, prefix: Option<String>) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    let mut pages = aws
        .clients
        .sqs
        .list_queues()
        .set_queue_name_prefix(prefix)
        .max_results(1_000)
        .into_paginator()
        .items()
        .send();
    while let Some(url) = pages.next().await {
        urls.push(url.map_err(|error| aws.error("listing the queues", &error))?);
    }
    Ok(urls)
}

pub(super) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// `None` when there is no such queue.
pub(super) async fn look(aws: &Aws, name: &str) -> Result<Option<QueueState>> {
    let doing = || format!("looking at queue {name}");
    let url = match aws.clients.sqs.get_queue_url().queue_name(name).send().await {
        Ok(found) => found.queue_url.unwrap_or_default(),
        Err(error) if is_not_found(&error) => return Ok(None),
        Err(error) => return Err(aws.error(&doing(), &error)),
    };
    look_at(aws, name, url).await
}

/// `None` when there is no such queue.
pub(super) async fn look_at(aws: &Aws, name: &str, url: String) -> Result<Option<QueueState>> {
    let doing = || format!("looking at queue {name}");
    let attributes = aws
        .clients
        .sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All)
        .send();
    let (attributes, tags) = tokio::join!(attributes, tags_at(aws, name, &url));
    // A queue that disappears in between was being deleted.
    let attributes = match attributes {
        Err(error) if is_not_found(&error) => return Ok(None),
        attributes => attributes.map_err(|error| aws.error(&doing(), &error))?,
    };
    let attributes = attributes.attributes.unwrap_or_default();
    Ok(tags?.map(|tags| QueueState { url, attributes, tags }))
}

/// The tags of a queue beside another one of the same stack; `None` when there is no such queue.
pub(super) async fn tags_beside(
    beside: &Queue,
    name: String,
) -> Result<Option<HashMap<String, String>>> {
    let queue = beside.sibling(name);
    tags_at(&queue.aws, queue.name(), queue.url()).await
}

async fn tags_at(aws: &Aws, name: &str, url: &str) -> Result<Option<HashMap<String, String>>> {
    match aws.clients.sqs.list_queue_tags().queue_url(url).send().await {
        Ok(found) => Ok(Some(found.tags.unwrap_or_default())),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(aws.error(&format!("looking at queue {name}"), &error)),
    }
}

/// Whether a queue with these tags is a simulated provider's.
pub(super) fn is_simulated(tags: &HashMap<String, String>) -> bool {
    tags.get(PROVIDER_TAG).is_some_and(|kind| kind == "simulated")
}

impl QueueState {
    pub(super) fn made_at(&self) -> Option<Timestamp> {
        let seconds: i64 =
            self.attributes.get(&QueueAttributeName::CreatedTimestamp)?.parse().ok()?;
        Timestamp::from_millis(seconds.checked_mul(1_000)?)
    }

    pub(super) fn arn(&self) -> Option<&str> {
        self.attributes.get(&QueueAttributeName::QueueArn).map(String::as_str)
    }

    /// Whether the owner's KMS key encrypts it.
    pub(super) fn has_key(&self) -> bool {
        self.attributes
            .get(&QueueAttributeName::KmsMasterKeyId)
            .is_some_and(|key| !key.trim().is_empty())
    }

    pub(super) fn is_simulated(&self) -> bool {
        is_simulated(&self.tags)
    }

    /// All messages: visible, in flight and delayed.
    pub(super) fn messages(&self) -> u64 {
        let number = |name: &QueueAttributeName| -> u64 {
            self.attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        number(&QueueAttributeName::ApproximateNumberOfMessages)
            + number(&QueueAttributeName::ApproximateNumberOfMessagesDelayed)
            + number(&QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
    }
}
