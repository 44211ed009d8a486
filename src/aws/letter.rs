//! Dead letters: read without being removed, and sent back to the queues they came from.

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
use super::burial::{ATTEMPTS, CUT_LENGTH, CUT_SHA256, REASON, SOURCE};
use super::queue::{MAX_BATCH, attribute_size};
use crate::consumer::{Batcher, Entries};
use crate::core::Timestamp;
use crate::error::Result;
use crate::shutdown::StopSignal;

/// How long a received letter is hidden from others, unless it is released before.
const VISIBILITY: Duration = Duration::from_secs(30);
/// How long a receive waits, so that SQS asks all of its servers.
const WAIT: Duration = Duration::from_secs(1);
/// Attributes that say why a message became a dead letter: ours, and those of SNS.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html>
const DLQ_ATTRIBUTES: [&str; 6] =
    [REASON, SOURCE, ATTEMPTS, "RequestID", "ErrorCode", "ErrorMessage"];

/// A message in a dead letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of the message.
    pub id: String,
    /// The text of the message.
    pub body: String,
    /// Why it is there, if its sender recorded a reason.
    pub reason: Option<String>,
    /// The queue it came from, if recorded.
    pub source: Option<LetterSource>,
    /// How many attempts to answer it there were, if its sender recorded them.
    pub attempts: Option<u32>,
    /// How often it has been received, this time included. Each look at the dead letters counts too, so it is not
    /// the number of attempts.
    pub receive_count: u32,
    /// When it was sent: to this queue by a worker, or to its own queue if SQS moved it here.
    pub sent_at: Option<Timestamp>,
    /// The whole body, if it was cut to fit.
    pub cut: Option<Cut>,
}

/// The whole of a cut body, as the attributes of the letter describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The queue that a dead letter came from, by who recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterSource {
    /// SQS recorded it and moved the letter here.
    Queue(String),
    /// The sender recorded it in the attribute `rydes-source`.
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

/// A dead letter in hand: hidden from others for 30 s.
#[derive(Debug, Clone)]
pub struct ReceivedLetter {
    /// The letter itself.
    pub letter: DeadLetter,
    /// The receipt handle of this delivery.
    pub receipt: String,
    /// Without those that say why it is here.
    attributes: HashMap<String, MessageAttributeValue>,
}

impl ReceivedLetter {
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
    /// Reads up to `most` messages: hides them meanwhile, then releases them.
    ///
    /// # Errors
    /// Any error of a request. Received messages then come back once their visibility runs out.
    pub async fn letters(&self, most: usize) -> Result<Vec<DeadLetter>> {
        self.chosen_letters(most, |_| true).await
    }

    /// The same with only the letters that `is_chosen` accepts. It goes through the queue until there are `most` of
    /// them.
    ///
    /// # Errors
    /// As [`letters`](Self::letters).
    pub async fn chosen_letters(
        &self,
        most: usize,
        mut is_chosen: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Vec<DeadLetter>> {
        let (mut letters, mut receipts) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let outcome = loop {
            if letters.len() >= most {
                break Ok(());
            }
            match self.receive_letters(MAX_BATCH).await {
                Ok(received) => {
                    let before = seen.len();
                    for held in received {
                        receipts.push(held.receipt);
                        if seen.insert(held.letter.id.clone()) && is_chosen(&held.letter) {
                            letters.push(held.letter);
                        }
                    }
                    // A receive that brings only repeats would be followed by others for ever.
                    if seen.len() == before {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.release_letters(&receipts).await?;
        letters.truncate(most);
        outcome.map(|()| letters)
    }

    /// Receives up to `most` letters, but ten at most.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn receive_letters(&self, most: usize) -> Result<Vec<ReceivedLetter>> {
        use MessageSystemAttributeName as Name;
        let request = self.aws.clients.sqs.receive_message();
        let request = self
            .asking(request, most, WAIT, VISIBILITY)
            .message_system_attribute_names(Name::DeadLetterQueueSourceArn)
            .message_attribute_names("All");
        let received =
            request.send().await.map_err(|error| self.error("receiving from", &error))?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(held).collect())
    }

    /// Gives letters back.
    ///
    /// # Errors
    /// Any error of a request. The letters then come back once their visibility runs out.
    pub async fn release_letters(&self, receipts: &[String]) -> Result<()> {
        for receipts in receipts.chunks(MAX_BATCH) {
            // An entry that is not released comes back once its visibility runs out.
            self.hide(receipts, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Starts a batcher that sends letters to this queue, without the attributes of dead letters.
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

/// `None` for a message without id, body or receipt, which SQS never sends.
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
        attempts: said(ATTEMPTS).and_then(|attempts| attempts.parse().ok()),
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
