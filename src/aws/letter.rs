//! Dead letters: looked at without being taken.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;

use super::Queue;
use super::queue::MAX_BATCH;
use crate::error::Result;
use crate::model::Timestamp;

/// How long a letter that is looked at is hidden from others, unless it is released before.
const VISIBILITY: Duration = Duration::from_secs(30);
/// How long a receive waits, so that SQS asks all of its servers.
const WAIT: Duration = Duration::from_secs(1);

/// A message in a dead letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of the message.
    pub id: String,
    /// What it says.
    pub body: String,
    /// Why it is there, where whoever moved it said so.
    pub reason: Option<String>,
    /// The name of the queue that it came from, as far as anybody wrote it down.
    pub source: Option<String>,
    /// How often it has been received, this look included.
    pub receive_count: u32,
    /// When it came into this queue.
    pub sent_at: Option<Timestamp>,
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
            match self.some_letters(left).await {
                Ok(received) if received.is_empty() => break Ok(()),
                Ok(received) => {
                    let before = letters.len();
                    for (letter, receipt) in received {
                        receipts.push(receipt);
                        if seen.insert(letter.id.clone()) {
                            letters.push(letter);
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
        for receipts in receipts.chunks(MAX_BATCH) {
            // An entry that is not released comes back when its time is over.
            self.hide(receipts, Duration::ZERO).await?;
        }
        outcome.map(|()| letters)
    }

    async fn some_letters(&self, most: usize) -> Result<Vec<(DeadLetter, String)>> {
        use MessageSystemAttributeName as Name;
        let request = self.aws.sqs.receive_message();
        let request = self
            .asking(request, most, WAIT, Some(VISIBILITY))
            .message_system_attribute_names(Name::DeadLetterQueueSourceArn)
            .message_attribute_names("reason")
            .message_attribute_names("rydes-source");
        let received =
            request.send().await.map_err(|error| self.error("receiving from", &error))?;
        let letter = |message: aws_sdk_sqs::types::Message| {
            let system = message.attributes.unwrap_or_default();
            let said = message.message_attributes.unwrap_or_default();
            let said = |name: &str| said.get(name)?.string_value.clone();
            let source = system.get(&Name::DeadLetterQueueSourceArn);
            let source = source.and_then(|arn| arn.rsplit(':').next()).map(str::to_owned);
            let count = system.get(&Name::ApproximateReceiveCount);
            let sent = system.get(&Name::SentTimestamp);
            let letter = DeadLetter {
                id: message.message_id?,
                body: message.body?,
                reason: said("reason"),
                source: source.or_else(|| said("rydes-source")),
                receive_count: count.and_then(|count| count.parse().ok()).unwrap_or(1),
                sent_at: sent.and_then(|at| at.parse().ok()).and_then(Timestamp::from_millis),
            };
            Some((letter, message.receipt_handle?))
        };
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(letter).collect())
    }
}
