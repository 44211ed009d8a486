//! One SQS queue: receive, send, delete and extend, in batches, with one result per entry.

use std::time::Duration;

use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::Aws;
use super::error::{per_entry, refusal, rejection};
use crate::consumer::{Effect, Entries, Message, Refusal, Source, Wait};
use crate::core::Timestamp;
use crate::error::Result;

/// The longest wait of a receive.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
pub const MAX_WAIT: Duration = Duration::from_secs(20);
/// Entries that a batch of SQS holds, and messages that a receive brings.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_BATCH: usize = 10;
/// The wait of a receive that is one of several, or that must not delay a stop.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// How much longer than its wait a receive may take.
const RECEIVE_SLACK: Duration = Duration::from_secs(5);

/// One queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(crate) aws: Aws,
    name: String,
    url: String,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The text of the message.
    pub body: String,
    /// String attributes.
    pub attributes: Vec<(&'static str, String)>,
}

impl Outgoing {
    /// A message without attributes.
    pub fn plain(body: String) -> Self {
        Self { body, attributes: Vec::new() }
    }

    /// Its bytes in a batch: body, names, types and values.
    pub fn size(&self) -> usize {
        let attribute =
            |(name, value): &(&str, String)| attribute_size(name, "String", value.len());
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

pub(super) fn attribute_size(name: &str, data_type: &str, value: usize) -> usize {
    name.len() + data_type.len() + value
}

/// How many messages a queue holds, as SQS estimates it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Ready to be received, or delayed.
    pub ready: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
}

impl QueueCounts {
    /// Whether messages are ready but none is in flight: no worker reads the queue.
    pub fn is_unread(self) -> bool {
        self.ready > 0 && self.in_flight == 0
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.ready + self.in_flight
    }
}

impl Aws {
    /// Finds a queue by its name.
    ///
    /// # Errors
    /// Not set up when there is none.
    pub async fn queue(&self, name: String) -> Result<Queue> {
        let found = self.clients.sqs.get_queue_url().queue_name(&name).send().await;
        let found = found.map_err(|error| self.error(&format!("finding queue {name}"), &error))?;
        let url = found.queue_url().ok_or_else(|| self.not_set_up())?;
        Ok(Queue { aws: self.clone(), url: url.to_owned(), name })
    }
}

impl Queue {
    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits up to `wait` for up to `max` messages; hides them for `visibility`.
    /// Never drop this call half way: a message delivered to the closed connection would stay hidden.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
        sender: WithSender,
    ) -> Result<Vec<Message>> {
        let limit = wait + RECEIVE_SLACK;
        // The poller backs off itself; retries here would only lengthen a drain.
        let request = self.aws.clients.polls.receive_message();
        let mut request = self.asking(request, max, wait, visibility);
        if sender == WithSender::Asked {
            request = request.message_system_attribute_names(MessageSystemAttributeName::SenderId);
        }
        let received = timeout(limit, request.send())
            .await
            .map_err(|_| self.silent("receiving from", limit))?
            .map_err(|error| self.error("receiving from", &error))?;
        let messages = received.messages.unwrap_or_default();
        self.aws.meter.received(messages.len());
        Ok(messages.into_iter().filter_map(message).collect())
    }

    pub(super) fn asking(
        &self,
        request: ReceiveMessageFluentBuilder,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> ReceiveMessageFluentBuilder {
        request
            .queue_url(&self.url)
            .max_number_of_messages(count(max.min(MAX_BATCH)))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
    }

    /// Sends up to 10 messages; one result per message, in order.
    ///
    /// # Errors
    /// Any error of the request as a whole.
    pub async fn send(&self, messages: &[Outgoing]) -> Result<Entries> {
        self.send_entries(messages, |message, id| {
            let mut entry =
                SendMessageBatchRequestEntry::builder().id(id).message_body(&message.body);
            for (name, value) in &message.attributes {
                let value = MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value(value)
                    .build()
                    .expect("the data type is set");
                entry = entry.message_attributes(*name, value);
            }
            entry.build().expect("id and body are set")
        })
        .await
    }

    /// Sends up to 10 messages; one result per message, in order. `entry` makes an entry of a message and its id.
    /// If SQS rejects the whole call, each message is sent alone.
    pub(super) async fn send_entries<T>(
        &self,
        messages: &[T],
        entry: impl Fn(&T, String) -> SendMessageBatchRequestEntry,
    ) -> Result<Entries> {
        let entries = |messages: &[T]| {
            let positions = (0..messages.len()).map(|position| position.to_string());
            messages.iter().zip(positions).map(|(message, id)| entry(message, id)).collect()
        };
        match self.send_batch(entries(messages)).await? {
            Ok(results) => return Ok(results),
            Err(rejection) if messages.len() == 1 => return Ok(vec![Err(rejection)]),
            Err(_) => {}
        }
        let mut results = Vec::with_capacity(messages.len());
        for message in messages.chunks(1) {
            match self.send_batch(entries(message)).await {
                Ok(Ok(mut result)) => results.append(&mut result),
                Ok(Err(rejection)) => results.push(Err(rejection)),
                Err(error) if error.is_fatal() => return Err(error),
                // The messages before it are sent: only this one is retried.
                Err(error) => results.push(Err(Refusal {
                    effect: Effect::Possible,
                    ..refusal(Some("RequestFailed"), Some(&error.to_string()))
                })),
            }
        }
        Ok(results)
    }

    /// Sends entries in one call. The inner `Err` is a rejection of the whole call.
    async fn send_batch(
        &self,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<Result<Entries, Refusal>> {
        let count = entries.len();
        let call = self.aws.clients.sqs.send_message_batch().queue_url(&self.url);
        let sent = match call.set_entries(Some(entries)).send().await {
            Ok(sent) => sent,
            Err(error) => {
                let rejection = rejection(&error);
                return rejection.map(Err).ok_or_else(|| self.error("sending to", &error));
            }
        };
        let done =
            sent.successful().iter().map(aws_sdk_sqs::types::SendMessageBatchResultEntry::id);
        Ok(Ok(per_entry(count, done, failures(sent.failed()))))
    }

    /// Deletes up to 10 deliveries; one result per receipt, in order.
    ///
    /// # Errors
    /// Any error of the request as a whole.
    pub async fn delete(&self, receipts: &[String]) -> Result<Entries> {
        let entries = receipts.iter().enumerate().map(|(position, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(receipt)
                .build()
                .expect("id and receipt are set")
        });
        let deleted = self
            .aws
            .clients
            .sqs
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .map_err(|error| self.error("deleting from", &error))?;
        let done =
            deleted.successful().iter().map(aws_sdk_sqs::types::DeleteMessageBatchResultEntry::id);
        Ok(per_entry(receipts.len(), done, failures(deleted.failed())))
    }

    /// Hides up to 10 deliveries for `visibility` from now; zero gives them back. One result each, in order.
    ///
    /// # Errors
    /// Any error of the request as a whole.
    pub async fn hide(&self, receipts: &[String], visibility: Duration) -> Result<Entries> {
        let entries = receipts.iter().enumerate().map(|(position, receipt)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds(visibility))
                .build()
                .expect("id and receipt are set")
        });
        let hidden = self
            .aws
            .clients
            .sqs
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .map_err(|error| self.error("changing the visibility in", &error))?;
        let done = hidden
            .successful()
            .iter()
            .map(aws_sdk_sqs::types::ChangeMessageVisibilityBatchResultEntry::id);
        Ok(per_entry(receipts.len(), done, failures(hidden.failed())))
    }

    /// The queue at this URL. No request is made.
    pub(crate) fn at(aws: &Aws, name: String, url: String) -> Self {
        Self { aws: aws.clone(), name, url }
    }

    /// A queue in the same account and region. No request is made: a missing queue shows only in use.
    pub(crate) fn sibling(&self, name: String) -> Self {
        let beside = self.url.rsplit_once('/').map_or("", |(beside, _)| beside);
        Self { aws: self.aws.clone(), url: format!("{beside}/{name}"), name }
    }

    /// How many messages it holds. Nothing is received.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn counts(&self) -> Result<QueueCounts> {
        Ok(self.attributes().await?.1)
    }

    /// The queue's ARN.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn arn(&self) -> Result<String> {
        Ok(self.look().await?.0)
    }

    /// Its ARN and how many messages it holds, in one request. Nothing is received.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn look(&self) -> Result<(String, QueueCounts)> {
        let (arn, counts) = self.attributes().await?;
        Ok((arn.ok_or_else(|| self.aws.not_set_up())?, counts))
    }

    async fn attributes(&self) -> Result<(Option<String>, QueueCounts)> {
        let [ready, delayed, in_flight, arn] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::QueueArn,
        ];
        let names = [&ready, &delayed, &in_flight, &arn].map(Clone::clone);
        let found = self
            .aws
            .clients
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .boxed()
            .await
            .map_err(|error| self.error("looking at", &error))?;
        let attributes = found.attributes.unwrap_or_default();
        let number =
            |name| attributes.get(&name).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        let counts =
            QueueCounts { ready: number(ready) + number(delayed), in_flight: number(in_flight) };
        Ok((attributes.get(&arn).cloned(), counts))
    }

    fn silent(&self, doing: &str, limit: Duration) -> crate::error::Error {
        let cause = format!("{doing} {}: no answer within {} s", self.name, limit.as_secs());
        self.aws.unreachable(Some(&self.url)).because(cause).transient()
    }

    pub(super) fn error<E>(
        &self,
        doing: &str,
        error: &aws_sdk_sqs::error::SdkError<E>,
    ) -> crate::error::Error
    where
        E: aws_sdk_sqs::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.aws.error(&format!("{doing} {}", self.name), error)
    }
}

/// `None` for a message without id, body or receipt, which SQS never sends.
fn message(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let mut attributes = message.attributes.unwrap_or_default();
    let sender = attributes.remove(&MessageSystemAttributeName::SenderId);
    let number = |name: &MessageSystemAttributeName| attributes.get(name)?.parse::<i64>().ok();
    Some(Message {
        id: message.message_id?,
        body: message.body?,
        receipt: message.receipt_handle?,
        receive_count: number(&MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
        sent_at: number(&MessageSystemAttributeName::SentTimestamp)
            .and_then(Timestamp::from_millis),
        sender,
    })
}

fn failures(failed: &[BatchResultErrorEntry]) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
    failed.iter().map(|entry| (entry.id(), entry.code(), entry.message()))
}

/// Whole seconds, rounded up, as SQS counts.
fn seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A queue with the settings of its consumer.
#[derive(Debug, Clone)]
pub struct PolledQueue {
    /// The queue.
    pub queue: Queue,
    /// How long a receive waits for messages, 20 s at the most.
    pub wait: Duration,
    /// How long received messages are hidden.
    pub visibility: Duration,
    /// Whether a receive asks who sent each message.
    pub sender: WithSender,
}

/// Whether a receive asks who sent each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithSender {
    /// It does: `SenderId` comes with the message.
    Asked,
    /// It does not.
    NotAsked,
}

impl Source for PolledQueue {
    fn name(&self) -> &str {
        self.queue.name()
    }

    async fn receive(&self, max: usize, wait: Wait) -> Result<Vec<Message>> {
        let wait = match wait {
            Wait::Long => self.wait,
            Wait::Short => self.wait.min(SHORT_WAIT),
        };
        self.queue.receive(max, wait, self.visibility, self.sender).boxed().await
    }

    async fn delete(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.delete(receipts).boxed().await
    }

    async fn extend(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.hide(receipts, self.visibility).boxed().await
    }

    async fn release(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.hide(receipts, Duration::ZERO).boxed().await
    }
}
