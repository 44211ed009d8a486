//! Which senders the providers of a stack are bound to: a tag of each provider's queue, and a mark of the topic.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::queue_state::QueueState;
use super::subscriptions::{Listed, Subscribers};
use super::{Change, Difference, TopicTags, queue_state};
use crate::aws::{Aws, CONCURRENCY, Queue, Subscription, Topic};
use crate::core::{Responder, Retention, SENDER_TAG, Senders};
use crate::error::{Error, Kind, Result};

/// The settings of a stack that its response consumer follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerRules {
    /// Which senders' replies it gathers.
    pub bindings: Bindings,
    /// How long the rows that it writes are kept.
    pub retention: Retention,
}

impl ConsumerRules {
    /// Reads the rules: one `ListTagsForResource`; on a topic with the mark of senders also the bindings. `beside` is a
    /// queue of the stack.
    ///
    /// # Errors
    /// Any error of a request, with the right that it needs.
    pub async fn of(topic: &Topic, beside: &Queue) -> Result<Self> {
        let tags = TopicTags::of(topic).await;
        let tags = tags.map_err(|error| unread(error, "sns:ListTagsForResource"))?;
        let bindings =
            if tags.has_senders { Bindings::of(topic, beside).await? } else { Bindings::default() };
        Ok(Self { bindings, retention: tags.retention })
    }
}

/// The subscribed providers that are bound to senders. Replies of others may come from any sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings(HashMap<Responder, Senders>);

impl Bindings {
    /// Reads the bindings: `ListSubscriptionsByTopic`, and one `ListQueueTags` per provider. `beside` is a queue of the
    /// stack.
    async fn of(topic: &Topic, beside: &Queue) -> Result<Self> {
        let listed = Listed::of(topic).await;
        let listed = listed.map_err(|error| unread(error, "sns:ListSubscriptionsByTopic"))?;
        let names = &topic.aws.names;
        let queues = listed.live.iter().map(Subscription::queue);
        let providers: HashSet<_> = queues.filter_map(|queue| names.provider(queue)).collect();
        let read = stream::iter(providers).map(|provider| async move {
            let queue = topic.aws.names.provider_queue(&provider);
            let tags = queue_state::tags_beside(beside, queue).await;
            let tags = tags.map_err(|error| unread(error, "sqs:ListQueueTags"))?;
            let senders = tags.as_ref().and_then(of_tags);
            Ok::<_, Error>(senders.map(|senders| (provider.responder(), senders)))
        });
        let bound: Vec<_> = read.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(Self(bound.into_iter().flatten().collect()))
    }

    /// Checks who sent a provider's reply.
    ///
    /// # Errors
    /// Why the reply is refused.
    pub fn check(&self, responder: &Responder, sender: Option<&str>) -> Result<(), String> {
        self.0.get(responder).map_or(Ok(()), |senders| senders.check(sender))
    }
}

/// The senders that the tags of a queue name; `None` for a provider that is not bound.
pub(super) fn of_tags(tags: &HashMap<String, String>) -> Option<Senders> {
    tags.get(SENDER_TAG).map(|tag| Senders::of_tag(tag))
}

/// Which providers of a stack are bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindingState {
    /// The external providers that are not bound, in natural order.
    pub unbound: Vec<Responder>,
    /// Whether any provider is bound.
    pub is_any_bound: bool,
}

/// Reads the tags of each subscribed queue of the stack: one `GetQueueUrl`, and one `ListQueueTags` each.
///
/// # Errors
/// Any error of a request; the right to read tags may be missing.
pub async fn read_binding_state(aws: &Aws, subscribers: &Subscribers) -> Result<BindingState> {
    let beside = &aws.queue(aws.names.response_queue()).await?;
    let own = subscribers.live.iter().filter_map(|one| one.name.clone());
    let tags = stream::iter(own).map(|name| async move {
        let tags = queue_state::tags_beside(beside, aws.names.provider_queue(&name)).await?;
        Ok::<_, Error>(tags.map(|tags| (name, tags)))
    });
    let tags: Vec<_> = tags.buffered(CONCURRENCY).try_collect().await?;
    let mut state = BindingState::default();
    for (name, tags) in tags.into_iter().flatten() {
        if of_tags(&tags).is_some() {
            state.is_any_bound = true;
        } else if !queue_state::is_simulated(&tags) {
            state.unbound.push(name.responder());
        }
    }
    Ok(state)
}

/// Whether any of these queues belongs to a bound provider. Looks at each provider's queue once.
pub(super) async fn is_any_bound(aws: &Aws, queues: &[String]) -> Result<bool> {
    let providers = queues.iter().filter(|queue| aws.names.provider(queue).is_some());
    let bound = stream::iter(providers).map(|queue| async move {
        let found = queue_state::look(aws, queue).await?;
        Ok::<_, Error>(found.is_some_and(|found| of_tags(&found.tags).is_some()))
    });
    let bound: Vec<_> = bound.buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(bound.contains(&true))
}

/// Takes the binding off an existing queue of a provider.
pub(super) async fn release(aws: &Aws, found: &QueueState, name: &str) -> Result<()> {
    let untag = aws.clients.sqs.untag_queue().queue_url(&found.url).tag_keys(SENDER_TAG);
    let untagged = untag.send().await;
    untagged.map(drop).map_err(|error| aws.error(&format!("untagging queue {name}"), &error))
}

/// The change of a provider whose binding was taken off.
pub(super) fn released(found: &QueueState) -> Change {
    let (setting, is) = (SENDER_TAG.to_owned(), found.tags.get(SENDER_TAG).cloned());
    Change::Changed(vec![Difference { setting, is, wanted: None }])
}

/// The error where a binding cannot be read: without it, replies of any sender would be gathered.
fn unread(error: Error, right: &str) -> Error {
    if error.kind() != Kind::Other {
        return error;
    }
    let is_denied = error.is_fatal();
    let error = error.within("the senders of the providers cannot be read");
    if is_denied {
        error.hint(format!("allow `{right}`: docs/aws.md has the policy"))
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_provider_is_checked() {
        let acme = Responder::stored("acme");
        let tags = HashMap::from([(SENDER_TAG.to_owned(), "111111111111".to_owned())]);
        let senders = of_tags(&tags).expect("it is bound");
        let bindings = Bindings(HashMap::from([(acme.clone(), senders)]));
        assert_eq!(bindings.check(&acme, Some("111111111111")), Ok(()));
        assert!(bindings.check(&acme, Some("222222222222")).is_err());
        assert!(bindings.check(&acme, None).is_err());
        for other in ["globex", "Acme", "acme "] {
            assert_eq!(bindings.check(&Responder::stored(other), None), Ok(()), "{other}");
        }
        assert_eq!(of_tags(&HashMap::new()), None);
    }
}
