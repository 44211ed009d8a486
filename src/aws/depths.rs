//! How many messages lie in the queues of a stack. Nothing is received: each receive would count
//! towards redrive.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::subscription::Subscribers;
use super::topic::{Topic, topic_arn};
use super::{Aws, Queue, QueueCounts};
use crate::error::{Kind, Result};
use crate::model::{ProviderName, Responder};

/// How long counts may take to become right on AWS.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
const COUNT_LAG: Duration = Duration::from_mins(1);
/// The same on LocalStack, whose counts are always right: messages may be on their way.
const COUNT_LAG_LOCALSTACK: Duration = Duration::from_secs(2);

/// What the queues of a stack hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depths {
    /// Each provider with what its queue holds; `None` where there is no such queue in this account.
    pub providers: Vec<(Responder, Option<QueueCounts>)>,
    /// Replies that are not in the table yet.
    pub responses: QueueCounts,
    /// Requests that no provider could handle.
    pub provider_dead_letters: QueueCounts,
    /// Replies that could not be gathered.
    pub response_dead_letters: QueueCounts,
}

impl Aws {
    /// Looks at the queues of these providers, then at the dead letters and the response queue: in the
    /// order in which a message travels, so that none is missed on its way. One `GetQueueUrl` in all,
    /// one `GetQueueAttributes` per queue.
    ///
    /// # Errors
    /// Not set up when there is no response queue.
    pub async fn depths(&self, providers: &[Responder]) -> Result<Depths> {
        let responses = self.queue(self.names.response_queue()).await?;
        self.depths_beside(&responses, providers, None).await
    }

    /// The queues of everybody who is subscribed, and the stack's own: one `GetQueueAttributes` each.
    ///
    /// # Errors
    /// Not set up when there is no response queue or no topic.
    pub async fn all_depths(&self) -> Result<Depths> {
        let (responses, counts, topic) = self.responses_and_topic().await?;
        self.depths_beside(&responses, &topic.providers().await?, Some(counts)).await
    }

    /// The same, with who is subscribed and how each subscription delivers: one
    /// `GetSubscriptionAttributes` each.
    ///
    /// # Errors
    /// Not set up when there is no response queue or no topic.
    pub async fn depths_and_subscribers(&self) -> Result<(Depths, Subscribers)> {
        let (responses, counts, topic) = self.responses_and_topic().await?;
        let listed = topic.listed().await?;
        let providers = topic.responders(&listed.live);
        tokio::try_join!(
            self.depths_beside(&responses, &providers, Some(counts)),
            topic.subscribers(listed),
        )
    }

    /// The response queue with what it holds, and the topic, whose place the queue's ARN tells.
    async fn responses_and_topic(&self) -> Result<(Queue, QueueCounts, Topic)> {
        let responses = self.queue(self.names.response_queue()).await?;
        let (arn, counts) = responses.look().await?;
        let topic = self.topic_at(topic_arn(&arn, &self.names.topic()));
        Ok((responses, counts, topic))
    }

    /// How long the count of a queue may differ from what the queue holds.
    pub fn count_lag(&self) -> Duration {
        if self.is_real() { COUNT_LAG } else { COUNT_LAG_LOCALSTACK }
    }

    async fn depths_beside(
        &self,
        responses: &Queue,
        providers: &[Responder],
        counted: Option<QueueCounts>,
    ) -> Result<Depths> {
        let providers = try_join_all(providers.iter().map(async |provider| {
            Ok::<_, crate::error::Error>((provider.clone(), self.depth(responses, provider).await?))
        }))
        .await?;
        let dead_letters = [self.names.provider_dead_letters(), self.names.response_dead_letters()];
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

    /// What a provider's queue holds: the stack's own, else one of that name.
    async fn depth(&self, beside: &Queue, provider: &Responder) -> Result<Option<QueueCounts>> {
        let own = ProviderName::parse(provider.as_str()).ok();
        let own = own.map(|name| self.names.provider_queue(&name));
        if let Some(name) = own {
            match beside.sibling(name).counts().await {
                Ok(counts) => return Ok(Some(counts)),
                Err(error) if error.kind() == Kind::NotSetUp => {}
                Err(error) => return Err(error),
            }
        }
        // A queue of another account or region is not here, may not be looked at, or has no name that
        // could stand here.
        match beside.sibling(provider.as_str().to_owned()).counts().await {
            Ok(counts) => Ok(Some(counts)),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }
}
