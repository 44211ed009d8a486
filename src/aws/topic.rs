//! The SNS topic: its subscriptions, and publishing.

use std::collections::HashMap;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::types::{PublishBatchRequestEntry, PublishBatchResultEntry};
use futures_util::FutureExt as _;

use super::Aws;
use super::attempt::attempt;
use super::error::per_entry;
use super::queue::Queue;
use crate::consumer::{Effect, Entries};
use crate::error::{Error, Result};

/// Messages that a `PublishBatch` holds.
/// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
pub const MAX_PUBLISHED: usize = 10;
/// Bytes of all its messages together, same page.
pub const MAX_PUBLISHED_BYTES: usize = 262_144;

/// The stack's topic. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Topic {
    pub(crate) aws: Aws,
    arn: String,
}

/// What a topic delivers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscriptions {
    pub(crate) queues: Vec<Subscription>,
    pub(crate) non_queues: Vec<NonQueueSubscriber>,
}

/// A subscriber that is no SQS queue: nothing says under which name it would answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonQueueSubscriber {
    /// `lambda`, `https`, `email` and the like.
    pub protocol: String,
    /// Its ARN, URL or address.
    pub endpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The subscription's ARN, or the word that SNS lists in its place.
    pub(crate) arn: String,
    pub(crate) queue_arn: String,
}

impl Subscription {
    pub(crate) fn queue(&self) -> &str {
        self.queue_arn.rsplit(':').next().unwrap_or_default()
    }
}

impl Aws {
    /// The stack's topic, derived from the response queue's ARN.
    ///
    /// # Errors
    /// Not set up when there is no response queue.
    pub async fn topic(&self) -> Result<Topic> {
        self.topic_beside(&self.queue(self.names.response_queue()).await?).await
    }

    /// The stack's topic, derived from the ARN of this queue of the stack.
    ///
    /// # Errors
    /// Any error of the request.
    pub(crate) async fn topic_beside(&self, queue: &Queue) -> Result<Topic> {
        Ok(self.topic_at(topic_arn(&queue.arn().await?, &self.names.topic())))
    }

    pub(crate) fn topic_at(&self, arn: String) -> Topic {
        Topic { aws: self.clone(), arn }
    }
}

/// The ARN of a topic in the account and region of a queue.
pub(crate) fn topic_arn(queue_arn: &str, topic: &str) -> String {
    let parts: Vec<&str> = queue_arn.split(':').collect();
    let part = |position: usize| parts.get(position).copied().unwrap_or_default();
    format!("arn:{}:sns:{}:{}:{topic}", part(1), part(3), part(4))
}

impl Topic {
    /// The topic's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The account that the topic's ARN names.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// All subscriptions. Fails as not set up if there is no topic.
    pub(crate) async fn list(&self) -> Result<Subscriptions> {
        let call = self.aws.clients.sns.list_subscriptions_by_topic().topic_arn(&self.arn);
        let mut pages = call.into_paginator().items().send();
        let mut subscriptions = Subscriptions::default();
        while let Some(found) = pages.next().await {
            let found = found
                .map_err(|error| self.aws.error("listing the topic's subscriptions", &error))?;
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let (protocol, endpoint) = (text(found.protocol()), text(found.endpoint()));
            if protocol == "sqs" {
                let arn = text(found.subscription_arn());
                subscriptions.queues.push(Subscription { arn, queue_arn: endpoint });
            } else {
                subscriptions.non_queues.push(NonQueueSubscriber { protocol, endpoint });
            }
        }
        Ok(subscriptions)
    }

    /// The topic's tags.
    ///
    /// # Errors
    /// Any error of the request; the right to read tags may be missing.
    pub(crate) async fn tags(&self) -> Result<HashMap<String, String>> {
        let call = self.aws.clients.sns.list_tags_for_resource().resource_arn(&self.arn);
        let found = call.send().await;
        let found = found.map_err(|error| self.aws.error("reading the topic's tags", &error))?;
        let tags = found.tags.unwrap_or_default().into_iter();
        Ok(tags.map(|tag| (tag.key, tag.value)).collect())
    }

    pub(crate) async fn attributes(
        &self,
        subscription: &Subscription,
        doing: &str,
    ) -> Result<HashMap<String, String>> {
        let call = self.aws.clients.sns.get_subscription_attributes();
        let found = call.subscription_arn(&subscription.arn).send().await;
        let found = found.map_err(|error| self.aws.error(doing, &error))?;
        Ok(found.attributes.unwrap_or_default())
    }

    /// Publishes a message, in up to three attempts.
    ///
    /// # Errors
    /// The last attempt's error, and whether the message may have been published nevertheless.
    pub async fn publish(&self, message: &str) -> Result<(), (Error, Effect)> {
        let publish = || {
            let call = self.aws.clients.sns.publish().topic_arn(&self.arn).message(message);
            let once = aws_sdk_sns::Config::builder().retry_config(RetryConfig::disabled());
            call.customize().config_override(once).send()
        };
        let error = |(error, effect)| (self.aws.error("publishing the request", &error), effect);
        attempt(publish).await.map(drop).map_err(error)
    }

    /// Publishes up to ten messages; one result per message, in order. There is one attempt, since the caller has
    /// to know whether any message may have been published.
    ///
    /// # Errors
    /// Any error of the request as a whole.
    pub async fn publish_all(&self, messages: &[String]) -> Result<Entries> {
        let entries = messages.iter().enumerate().map(|(position, message)| {
            PublishBatchRequestEntry::builder()
                .id(position.to_string())
                .message(message)
                .build()
                .expect("id and message are set")
        });
        let call = self.aws.clients.publishes.publish_batch().topic_arn(&self.arn);
        let call = call.set_publish_batch_request_entries(Some(entries.collect()));
        let published = call.send().boxed().await;
        let published =
            published.map_err(|error| self.aws.error("publishing the requests", &error))?;
        let done = published.successful().iter().filter_map(PublishBatchResultEntry::id);
        let failed = published.failed().iter();
        let failed = failed.map(|entry| (entry.id(), entry.code(), entry.message()));
        Ok(per_entry(messages.len(), done, failed))
    }
}
