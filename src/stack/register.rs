//! The register of providers, which is the topic's subscriptions. External providers join here.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Subscribers;
use super::late::{Origin, look_at_queue};
use super::made::Made;
use super::provider_kind::ProviderKind;
use super::queue_state::{self, QueueState};
use super::setup::scope_of;
use super::spec::QueueSpec;
use super::subscriptions::{Filter, Listed};
use super::{
    CONCURRENCY, Change, Mode, OnWait, Untagged, bindings, check_owner, is_ours, queue, topic,
};
use crate::aws::{Aws, Queue};
use crate::core::{
    CLOUDFORMATION_TAG, FILTERS_TAG, ProviderName, Responder, SENDER_TAG, SENDERS_TAG, Senders,
};
use crate::error::{Error, Result};

/// A provider as the topic's subscriptions name it.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The name that it counts under.
    pub responder: Responder,
    /// Its name in this stack; `None` for a queue from elsewhere.
    pub name: Option<ProviderName>,
    pub kind: ProviderKind,
    pub queue: String,
    pub queue_arn: String,
    /// The senders that it is bound to; `None` if its replies may come from any.
    pub senders: Option<Senders>,
}

/// What to set on a provider. `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct AddRequest {
    /// What its subscription lets through.
    pub filter: Option<Filter>,
    pub binding: Option<Binding>,
}

/// Who may send a provider's replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// These senders alone.
    To(Senders),
    /// Any sender.
    Free,
}

/// What was made for an external provider.
#[derive(Debug, Clone)]
pub struct Added {
    pub kind: ProviderKind,
    pub queue: Change,
    pub subscription: Change,
    pub queue_url: String,
    pub queue_arn: String,
    /// Where its replies go.
    pub response_queue_url: String,
    pub response_queue_arn: String,
    /// What its subscription lets through; `None` if everything.
    pub filter: Option<Filter>,
    /// The name of the CloudFormation stack that made its queue; `None` if `rydes` made it.
    pub cloudformation_stack: Option<String>,
    /// The senders that it is bound to; `None` if its replies may come from any.
    pub senders: Option<Senders>,
}

/// Every subscribed queue, in natural order. The error is `NotSetUp` when there is no topic or no response queue. Sends
/// one `ListQueueTags` per provider, and three more.
pub async fn register(aws: &Aws) -> Result<Vec<Registered>> {
    let beside = aws.queue(aws.names.response_queue()).await?;
    of_listed(&Listed::of(&aws.topic_beside(&beside).await?).await?, &beside).await
}

/// The register, with all that the topic lists and how each subscription delivers: one more
/// `GetSubscriptionAttributes` each.
pub async fn register_in_full(aws: &Aws) -> Result<(Vec<Registered>, Subscribers)> {
    let beside = aws.queue(aws.names.response_queue()).await?;
    let topic = aws.topic_beside(&beside).await?;
    let listed = Listed::of(&topic).await?;
    tokio::try_join!(of_listed(&listed, &beside), listed.clone().with_deliveries(&topic))
}

async fn of_listed(listed: &Listed, beside: &Queue) -> Result<Vec<Registered>> {
    let names = &beside.aws.names;
    let mut registered: Vec<Registered> = stream::iter(&listed.live)
        .map(|subscription| async move {
            let queue = subscription.queue().to_owned();
            let name = names.provider(&queue);
            let tags = match name {
                Some(_) => queue_state::tags_beside(beside, queue.clone()).await?,
                None => None,
            };
            let tags = tags.unwrap_or_default();
            Ok::<_, Error>(Registered {
                responder: names.responder(&queue),
                name,
                kind: ProviderKind::of(queue_state::is_simulated(&tags)),
                senders: bindings::of_tags(&tags),
                queue,
                queue_arn: subscription.queue_arn.clone(),
            })
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    registered.sort_by(|a, b| a.responder.cmp(&b.responder));
    Ok(registered)
}

/// The kind of one provider, from its queue alone; `None` where the stack has no such queue. A queue of the right name
/// without the stack's tag belongs to another owner.
pub async fn provider_kind(aws: &Aws, name: &ProviderName) -> Result<Option<ProviderKind>> {
    let queue = queue_state::look(aws, &aws.names.provider_queue(name)).await?;
    let queue = queue.filter(|queue| is_ours(&queue.tags, &aws.names));
    Ok(queue.map(|queue| ProviderKind::of(queue.is_simulated())))
}

/// Makes the queue and the subscription of an external provider, or changes the filter or the binding of any. With
/// one of them, it marks the topic first. What is not requested stays as it is, and the topic is marked for it.
///
/// # Errors
/// Invalid when the name is a simulated provider's and the request is empty; not set up when there is no stack.
pub async fn add(
    aws: &Aws,
    name: &ProviderName,
    request: &AddRequest,
    untagged: Untagged,
    on_wait: OnWait<'_>,
) -> Result<Added> {
    let response = aws.queue(aws.names.response_queue()).await?;
    let scope = scope_of(&response).await?;
    let topic = aws.topic_at(scope.topic_arn(&aws.names.topic()));
    let subscriptions = Listed::of(&topic).await?.live;
    let queue_name = aws.names.provider_queue(name);
    let found = look_at_queue(aws, &queue_name, untagged, on_wait).await?;
    if let Some(found) = &found {
        check_owner(aws, &format!("queue {queue_name}"), &found.tags, untagged)?;
    }
    let kind = ProviderKind::of(found.as_ref().is_some_and(QueueState::is_simulated));
    let filter = request.filter.as_ref();
    if kind == ProviderKind::Simulated && filter.is_none() && request.binding.is_none() {
        return Err(Error::invalid(format!("{name} is a simulated provider")));
    }
    let cloudformation_stack =
        found.as_ref().and_then(|found| found.tags.get(CLOUDFORMATION_TAG)).cloned();
    let mut spec = QueueSpec::provider(&aws.names, &scope, name, kind.word());
    let bound = found.as_ref().and_then(|found| bindings::of_tags(&found.tags));
    let senders = match &request.binding {
        Some(Binding::To(senders)) => Some(senders.clone()),
        Some(Binding::Free) => None,
        None => bound.clone(),
    };
    if let Some(senders) = &senders {
        spec.tags.insert(SENDER_TAG.to_owned(), senders.tag());
        // Consumers read bindings only where the topic is marked.
        topic::mark(aws, topic.arn(), SENDERS_TAG).await?;
    }
    let queue = queue::ensure(aws, &spec, found.as_ref(), Mode::Apply, on_wait).await?;
    let queue = match (&found, &senders) {
        (Some(found), None) if bound.is_some() => {
            bindings::release(aws, found, &spec.name).await?;
            queue.and(bindings::released(found))
        }
        _ => queue,
    };
    if filter.is_some_and(|filter| !filter.is_empty()) {
        topic::mark(aws, topic.arn(), FILTERS_TAG).await?;
    }
    let ensured = topic::ensure_subscription(
        aws,
        &scope,
        &spec.name,
        &subscriptions,
        filter,
        Mode::Apply,
        (Origin::Found, on_wait),
    );
    let (subscription, delivery) = ensured.await?;
    if filter.is_none() && delivery.filter.is_some() {
        // It was set with another tool.
        topic::mark(aws, topic.arn(), FILTERS_TAG).await?;
    }
    let mut made = Made::default();
    made.queue(&spec.name, &queue);
    made.subscription(&spec.name, &subscription);
    Box::pin(made.shows(aws, &scope, on_wait)).await?;
    Ok(Added {
        kind,
        queue,
        subscription,
        queue_url: response.sibling(spec.name.clone()).url().to_owned(),
        queue_arn: scope.queue_arn(&spec.name),
        response_queue_url: response.url().to_owned(),
        response_queue_arn: scope.queue_arn(response.name()),
        filter: filter.cloned().or(delivery.filter).filter(|filter| !filter.is_empty()),
        cloudformation_stack,
        senders,
    })
}
