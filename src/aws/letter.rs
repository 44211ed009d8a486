//! Dead letters: looked at without being taken, and sent back to where they came from.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use futures_util::FutureExt as _;
use tokio_util::task::TaskTracker;

use super::Queue;
use super::batch_sender::limits;
use super::burial::{CUT_LENGTH, CUT_SHA256, REASON, SOURCE};
use super::queue::{MAX_BATCH, attribute_size};
use crate::consumer::{Batcher, Entries};
use crate::core::Timestamp;
use crate::error::Result;
use crate::shutdown::StopSignal;

/// How long a letter that is looked at is hidden from others, unless it is released before.
const VISIBILITY: Duration = Duration::from_secs(30);
/// How long a receive waits, so that SQS asks all of its servers.
const WAIT: Duration = Duration::from_secs(1);
/// Attributes that say why a message became a dead letter: ours, and those of SNS.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html>
const DLQ_ATTRIBUTES: [&str; 5] = [REASON, SOURCE, "RequestID", "ErrorCode", "ErrorMessage"];

/// A message in a dead letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of the message.
    pub id: String,
    /// What it says.
    pub body: String,
    /// Why it is there, where whoever moved it said so.
    pub reason: Option<String>,
    /// Where it came from, as far as anybody wrote it down.
    pub source: Option<LetterSource>,
    /// How often it has been received, this look included.
    pub receive_count: u32,
    /// When it came into this queue.
    pub sent_at: Option<Timestamp>,
    /// What the body was before it was cut to fit; `None` where it is whole.
    pub cut: Option<Cut>,
}

/// What a body was before it was cut, as the attributes of its letter say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes it had.
    pub length: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Who says which queue a dead letter came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterSource {
    /// SQS, which moved it here.
    Queue(String),
    /// Whoever sent it here, in the attribute `rydes-source`.
    Sender(String),
}

impl LetterSource {
    /// The name of the queue.
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::Sender(name) => name,
        }
    }
}

/// A dead letter that is in hand: hidden from others for 30 s.
#[derive(Debug, Clone)]
pub struct ReceivedLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// The handle of this delivery.
    pub receipt: String,
    /// Its attributes but those that say why it is here.
    attributes: HashMap<String, MessageAttributeValue>,
}

impl ReceivedLetter {
    /// How many bytes it counts for in a batch.
    fn size(&self) -> usize {
        let value = |value: &MessageAttributeValue| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            text + value.binary_value.as_ref().map_or(0, |blob| blob.as_ref().len())
        };
        let attributes = self.attributes.iter();
        let attributes =
            attributes.map(|(name, said)| attribute_size(name, &said.data_type, value(said)));
        self.letter.body.len() + attributes.sum::<usize>()
    }
}

impl Queue {
    /// Up to `most` messages, hidden while they are looked at, then released.
    ///
    /// # Errors
    /// Any error of a request; what was received comes back by itself then.
    pub async fn letters(&self, most: usize) -> Result<Vec<DeadLetter>> {
        let (mut letters, mut receipts) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let outcome = loop {
            let left = most.saturating_sub(letters.len());
            if left == 0 {
                break Ok(());
            }
            match self.receive_letters(left).await {
                Ok(received) if received.is_empty() => break Ok(()),
                Ok(received) => {
                    let before = letters.len();
                    for held in received {
                        receipts.push(held.receipt);
                        if seen.insert(held.letter.id.clone()) {
                            letters.push(held.letter);
                        }
                    }
                    // What comes back already will come back for ever.
                    if letters.len() == before {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.release_letters(&receipts).await?;
        outcome.map(|()| letters)
    }

    /// Takes up to `most` letters in hand, ten at the most.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn receive_letters(&self, most: usize) -> Result<Vec<ReceivedLetter>> {
        use MessageSystemAttributeName as Name;
        let request = self.aws.clients.sqs.receive_message();
        let request = self
            .asking(request, most, WAIT, Some(VISIBILITY))
            .message_system_attribute_names(Name::DeadLetterQueueSourceArn)
            .message_attribute_names("All");
        let received =
            request.send().await.map_err(|error| self.error("receiving from", &error))?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(held).collect())
    }

    /// Gives letters back.
    ///
    /// # Errors
    /// Any error of a request; they come back by themselves then.
    pub async fn release_letters(&self, receipts: &[String]) -> Result<()> {
        for receipts in receipts.chunks(MAX_BATCH) {
            // An entry that is not released comes back when its time is over.
            self.hide(receipts, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Starts a batcher that sends letters to this queue, as they are but for the attributes that say
    /// why they became dead letters.
    pub fn resender(&self, tasks: &TaskTracker, stop: &StopSignal) -> Batcher<ReceivedLetter, ()> {
        let queue = Arc::new(self.clone());
        Batcher::start(tasks, limits(), stop.clone(), ReceivedLetter::size, move |batch| {
            let queue = Arc::clone(&queue);
            async move { queue.send_letters(&batch).await }.boxed()
        })
    }

    /// Starts a batcher that deletes deliveries.
    pub fn deleter(&self, tasks: &TaskTracker, stop: &StopSignal) -> Batcher<String, ()> {
        let queue = Arc::new(self.clone());
        Batcher::start(tasks, limits(), stop.clone(), String::len, move |batch| {
            let queue = Arc::clone(&queue);
            async move { queue.delete(&batch).await }.boxed()
        })
    }

    async fn send_letters(&self, letters: &[ReceivedLetter]) -> Result<Entries> {
        self.send_entries(letters, |held, id| {
            let attributes = &held.attributes;
            SendMessageBatchRequestEntry::builder()
                .id(id)
                .message_body(&held.letter.body)
                .set_message_attributes((!attributes.is_empty()).then(|| attributes.clone()))
                .build()
                .expect("id and body are set")
        })
        .await
    }
}

/// A letter as it was received; `None` for what SQS never sends: one without id, body or receipt.
fn held(message: aws_sdk_sqs::types::Message) -> Option<ReceivedLetter> {
    use MessageSystemAttributeName as Name;
    let system = message.attributes.unwrap_or_default();
    let mut attributes = message.message_attributes.unwrap_or_default();
    let said = |name: &str| attributes.get(name)?.string_value.clone();
    let source = system.get(&Name::DeadLetterQueueSourceArn);
    let source = source.and_then(|arn| arn.rsplit(':').next()).map(str::to_owned);
    let count = system.get(&Name::ApproximateReceiveCount);
    let sent = system.get(&Name::SentTimestamp);
    let letter = DeadLetter {
        id: message.message_id?,
        body: message.body?,
        reason: said(REASON).or_else(|| said("ErrorMessage")),
        source: source.map(LetterSource::Queue).or_else(|| said(SOURCE).map(LetterSource::Sender)),
        receive_count: count.and_then(|count| count.parse().ok()).unwrap_or(1),
        sent_at: sent.and_then(|at| at.parse().ok()).and_then(Timestamp::from_millis),
        cut: said(CUT_LENGTH)
            .and_then(|length| length.parse().ok())
            .zip(said(CUT_SHA256))
            .map(|(length, sha256)| Cut { length, sha256 }),
    };
    attributes.retain(|name, _| !DLQ_ATTRIBUTES.contains(&name.as_str()));
    Some(ReceivedLetter { letter, receipt: message.receipt_handle?, attributes })
}
