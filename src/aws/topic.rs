//! The SNS topic: who is subscribed, and publishing.

use std::time::Duration;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::error::ProvideErrorMetadata as _;

use super::error::is_throttled;
use super::{Aws, Fate, fate};
use crate::error::{Error, Result};
use crate::model::Responder;

/// How often a publish is tried, the first time included.
const ATTEMPTS: u32 = 3;

/// The stack's topic. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Topic {
    aws: Aws,
    arn: String,
}

/// One subscription of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The ARN of the subscription.
    pub(super) arn: String,
    /// The ARN of the queue.
    pub(super) queue_arn: String,
}

impl Subscription {
    /// The name of the queue.
    pub(super) fn queue(&self) -> &str {
        self.queue_arn.rsplit(':').next().unwrap_or_default()
    }
}

impl Aws {
    /// The stack's topic, derived from the response queue's ARN.
    ///
    /// # Errors
    /// Not set up when there is no response queue.
    pub async fn topic(&self) -> Result<Topic> {
        let arn = self.queue(self.names.response_queue()).await?.arn().await?;
        Ok(self.topic_at(topic_arn(&arn, &self.names.topic())))
    }

    pub(super) fn topic_at(&self, arn: String) -> Topic {
        Topic { aws: self.clone(), arn }
    }
}

/// The ARN of a topic beside a queue.
pub(super) fn topic_arn(queue_arn: &str, topic: &str) -> String {
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

    /// Who is subscribed, in natural order: the one register of the providers.
    ///
    /// # Errors
    /// Not set up when there is no topic.
    pub async fn providers(&self) -> Result<Vec<Responder>> {
        let subscriptions = self.subscriptions().await?;
        let name = |subscription: &Subscription| self.aws.names.responder(subscription.queue());
        let mut providers: Vec<_> = subscriptions.iter().map(name).collect();
        providers.sort();
        providers.dedup();
        Ok(providers)
    }

    /// The subscriptions of SQS queues, all pages.
    pub(super) async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        let mut pages = self
            .aws
            .sns
            .list_subscriptions_by_topic()
            .topic_arn(&self.arn)
            .into_paginator()
            .items()
            .send();
        let mut subscriptions = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found
                .map_err(|error| self.aws.error("listing the topic's subscriptions", &error))?;
            if let (Some("sqs"), Some(arn), Some(queue_arn)) =
                (found.protocol(), found.subscription_arn(), found.endpoint())
            {
                subscriptions
                    .push(Subscription { arn: arn.to_owned(), queue_arn: queue_arn.to_owned() });
            }
        }
        Ok(subscriptions)
    }

    /// Publishes a message. Retries by itself, because the caller has to know whether any of the
    /// attempts may have been carried out.
    ///
    /// # Errors
    /// The last attempt's error, and whether the message may be out all the same.
    pub async fn publish(&self, message: &str) -> Result<(), (Error, Fate)> {
        let mut worst = Fate::Refused;
        let mut attempt = 1;
        loop {
            let published = self
                .aws
                .sns
                .publish()
                .topic_arn(&self.arn)
                .message(message)
                .customize()
                .config_override(
                    aws_sdk_sns::Config::builder().retry_config(RetryConfig::disabled()),
                )
                .send()
                .await;
            let Err(error) = published else { return Ok(()) };
            let this = fate(&error);
            if this == Fate::Unknown {
                worst = Fate::Unknown;
            }
            let throttled = error.code().is_some_and(is_throttled);
            if attempt == ATTEMPTS || (this == Fate::Refused && !throttled) {
                return Err((self.aws.error("publishing the request", &error), worst));
            }
            tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
            attempt += 1;
        }
    }
}
