//! Counts the messages in the queues of a stack. It must not receive any: each receive counts towards redrive.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::subscriptions::{Listed, Subscribers, subscribed};
use crate::aws::{Aws, Queue, QueueCounts, Topic, topic_arn};
use crate::core::{ProviderName, Responder};
use crate::error::{Error, Kind, Result};

/// How long counts on AWS may lag behind.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
const COUNT_LAG: Duration = Duration::from_mins(1);
/// LocalStack's counts are always right, but messages may be in transit.
const COUNT_LAG_LOCALSTACK: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depths {
    /// `None` if this account has no such queue.
    pub providers: Vec<(Responder, Option<QueueCounts>)>,
    /// Replies that are not in the table yet.
    pub responses: QueueCounts,
    /// Requests that no provider could handle.
    pub provider_dead_letters: QueueCounts,
    /// Replies that could not be gathered.
    pub response_dead_letters: QueueCounts,
}

/// What the queues say about an RFQ without any answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backlog<'a> {
    /// So many replies are in the response queue: no consumer reads it.
    Replies(u64),
    /// These providers have requests in their queues: their workers do not read them.
    Requests(Vec<&'a Responder>),
    /// A consumer has replies in hand.
    Gathering,
    /// So many providers have requests in hand.
    InHand(usize),
    /// The queues are empty.
    Nothing,
}

impl Depths {
    /// What explains that there is no answer. A queue that is not here belongs to another owner: its contents are
    /// unknown.
    pub fn backlog(&self) -> Backlog<'_> {
        let known = || self.providers.iter().filter_map(|(who, counts)| Some((who, (*counts)?)));
        let unread: Vec<_> =
            known().filter(|(_, counts)| counts.ready > 0).map(|(who, _)| who).collect();
        let in_hand = known().filter(|(_, counts)| counts.in_flight > 0).count();
        match (self.responses, in_hand) {
            (QueueCounts { ready: replies @ 1.., .. }, _) => Backlog::Replies(replies),
            _ if !unread.is_empty() => Backlog::Requests(unread),
            (QueueCounts { in_flight: 1.., .. }, _) => Backlog::Gathering,
            (_, 1..) => Backlog::InHand(in_hand),
            (_, 0) => Backlog::Nothing,
        }
    }
}

/// Whether a name is one that `setup` gives to simulated providers.
pub fn is_simulated(responder: &Responder) -> bool {
    ProviderName::parse(responder.as_str()).is_ok_and(|name| name.number().is_some())
}

/// Counts the queues of these providers, then the dead letters and the response queue. Messages travel in this
/// order, so that none is missed in transit. Sends one `GetQueueUrl`, and one `GetQueueAttributes` per queue.
///
/// # Errors
/// Not set up when there is no response queue.
pub async fn depths(aws: &Aws, providers: &[Responder]) -> Result<Depths> {
    let responses = aws.queue(aws.names.response_queue()).await?;
    beside(&responses, aws, providers, None).await
}

/// Counts the queues of every subscribed provider, after the response queue: a message in transit may be missed.
pub async fn all_depths(aws: &Aws) -> Result<Depths> {
    let (responses, counts, topic) = responses_and_topic(aws).await?;
    beside(&responses, aws, &subscribed(&topic).await?, Some(counts)).await
}

/// [`all_depths`] with the subscriptions and how each delivers: one more `GetSubscriptionAttributes` each.
pub async fn depths_and_subscribers(aws: &Aws) -> Result<(Depths, Subscribers)> {
    let (responses, counts, topic) = responses_and_topic(aws).await?;
    let listed = Listed::of(&topic).await?;
    let providers = listed.responders(&aws.names);
    tokio::try_join!(
        beside(&responses, aws, &providers, Some(counts)),
        listed.with_deliveries(&topic),
    )
}

/// How long the count of a queue may differ from what the queue holds.
pub fn count_lag(aws: &Aws) -> Duration {
    if aws.is_real() { COUNT_LAG } else { COUNT_LAG_LOCALSTACK }
}

/// The response queue with its counts, and the topic. The queue's ARN supplies the topic's region and account.
async fn responses_and_topic(aws: &Aws) -> Result<(Queue, QueueCounts, Topic)> {
    let responses = aws.queue(aws.names.response_queue()).await?;
    let (arn, counts) = responses.look().await?;
    let topic = aws.topic_at(topic_arn(&arn, &aws.names.topic()));
    Ok((responses, counts, topic))
}

async fn beside(
    responses: &Queue,
    aws: &Aws,
    providers: &[Responder],
    counted: Option<QueueCounts>,
) -> Result<Depths> {
    let providers = try_join_all(providers.iter().map(async |provider| {
        Ok::<_, Error>((provider.clone(), depth(responses, aws, provider).await?))
    }))
    .await?;
    let dead_letters = [aws.names.provider_dead_letters(), aws.names.response_dead_letters()];
    let [of_providers, of_responses] = dead_letters.map(|name| responses.sibling(name));
    let of_replies = async {
        match counted {
            Some(counts) => Ok(counts),
            None => responses.counts().await,
        }
    };
    let (responses, provider_dead_letters, response_dead_letters) =
        tokio::try_join!(of_replies, of_providers.counts(), of_responses.counts())?;
    Ok(Depths { providers, responses, provider_dead_letters, response_dead_letters })
}

/// Counts the stack's queue of this provider, else the queue that has the provider's name.
async fn depth(responses: &Queue, aws: &Aws, provider: &Responder) -> Result<Option<QueueCounts>> {
    let own = ProviderName::parse(provider.as_str()).ok();
    let own = own.map(|name| aws.names.provider_queue(&name));
    if let Some(name) = own {
        match responses.sibling(name).counts().await {
            Ok(counts) => return Ok(Some(counts)),
            Err(error) if error.kind() == Kind::NotSetUp => {}
            Err(error) => return Err(error),
        }
    }
    // A queue of another account or region is missing here, may not be read, or has a name that SQS refuses.
    match responses.sibling(provider.as_str().to_owned()).counts().await {
        Ok(counts) => Ok(Some(counts)),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(ready: u64, in_flight: u64) -> QueueCounts {
        QueueCounts { ready, in_flight }
    }

    #[test]
    fn what_explains_that_there_is_no_answer() {
        let acme = Responder::stored("acme");
        let depths = |of_acme: Option<QueueCounts>, responses: QueueCounts| Depths {
            providers: vec![(acme.clone(), of_acme), (Responder::stored("globex"), None)],
            responses,
            provider_dead_letters: holds(7, 7),
            response_dead_letters: holds(7, 7),
        };
        for (of_acme, responses, said) in [
            (Some(holds(1, 1)), holds(2, 3), Backlog::Replies(2)),
            // Replies in hand are being gathered.
            (Some(holds(1, 1)), holds(0, 3), Backlog::Requests(vec![&acme])),
            (Some(holds(0, 1)), holds(0, 3), Backlog::Gathering),
            (Some(holds(0, 1)), holds(0, 0), Backlog::InHand(1)),
            (Some(holds(0, 0)), holds(0, 0), Backlog::Nothing),
            (None, holds(0, 0), Backlog::Nothing),
        ] {
            assert_eq!(depths(of_acme, responses).backlog(), said);
        }
        assert!(is_simulated(&ProviderName::simulated(4).responder()) && !is_simulated(&acme));
    }
}
