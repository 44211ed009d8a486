//! The topic's subscriptions: which are live, which are only listed, and how each one delivers.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};

use super::TopicTags;
use crate::aws::{Aws, CONCURRENCY, NonQueueSubscriber, Subscription, Subscriptions, Topic};
use crate::core::filter::{FilterInput, FilterOutcome, FilterPolicy, FilterScope};
use crate::core::{Names, ProviderName, Responder};
use crate::error::Result;

#[derive(Debug, Clone, Default)]
pub struct Subscribers {
    /// In natural order.
    pub live: Vec<Subscriber>,
    /// In natural order, without queues that have a live subscription too.
    pub inactive: Vec<Inactive>,
    /// Subscribers that are no queues. None of them is expected to answer.
    pub non_queues: Vec<NonQueueSubscriber>,
    /// Whether a subscription has a filter policy, and the topic is not marked as having any.
    pub is_unmarked: bool,
}

impl Subscribers {
    /// Whether a live subscription has a filter policy.
    pub fn have_filter(&self) -> bool {
        let has_filter =
            |one: &Subscriber| one.delivery.as_ref().is_some_and(|d| d.filter.is_some());
        self.live.iter().any(has_filter)
    }
}

#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The name that its queue counts under.
    pub responder: Responder,
    /// Its name in this stack; `None` for a queue from elsewhere.
    pub name: Option<ProviderName>,
    pub queue_arn: String,
    /// `None` if it may not be read.
    pub delivery: Option<SubscriptionDelivery>,
}

impl Subscriber {
    pub(super) fn of(
        names: &Names,
        subscription: &Subscription,
        delivery: Option<SubscriptionDelivery>,
    ) -> Self {
        Self {
            responder: names.responder(subscription.queue()),
            name: names.provider(subscription.queue()),
            queue_arn: subscription.queue_arn.clone(),
            delivery,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionDelivery {
    /// `None` if everything passes.
    pub filter: Option<Filter>,
    /// Whether the queue receives the bare message, without SNS's envelope.
    pub is_raw: bool,
    /// Whether copies that cannot be delivered go to a dead letter queue.
    pub has_redrive: bool,
}

/// What a subscription lets through.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// JSON as its owner wrote it.
    pub policy: String,
    pub scope: FilterScope,
}

/// A subscription that is listed, but receives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inactive {
    /// The name that its queue would count under.
    pub responder: Responder,
    pub queue_arn: String,
    pub state: Inactivity,
}

/// Why a subscription receives nothing. SNS lists a word instead of its ARN, and accepts no request about it.
/// <https://repost.aws/knowledge-center/sns-cross-account-subscription>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inactivity {
    /// Its queue's owner has not confirmed it.
    Pending,
    /// An account other than its owner's has deleted it.
    Deleted,
}

impl Inactivity {
    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deleted => "deleted",
        }
    }
}

/// Whether a policy has no keys.
fn lets_all_through(policy: &str) -> bool {
    let keys = || serde_json::from_str::<Map<String, Value>>(policy);
    policy.trim().is_empty() || keys().is_ok_and(|keys| keys.is_empty())
}

/// Whether a redrive policy names a dead letter queue.
fn has_target(policy: &str) -> bool {
    let policy = serde_json::from_str::<Value>(policy).unwrap_or_default();
    policy["deadLetterTargetArn"].as_str().is_some_and(|arn| !arn.is_empty())
}

impl Filter {
    /// Whether its policy has no keys: everything passes.
    pub fn is_empty(&self) -> bool {
        lets_all_through(&self.policy)
    }

    /// False only if the policy certainly lets the request through.
    pub fn may_exclude(&self, message: &str) -> bool {
        let policy = FilterPolicy::parse(&self.policy);
        !policy.is_ok_and(|policy| {
            policy.evaluate(self.scope, &FilterInput::new(message)) == FilterOutcome::Asked
        })
    }
}

impl SubscriptionDelivery {
    pub(super) fn of(attributes: &HashMap<String, String>) -> Self {
        let is = |name: &str, value: &str| attributes.get(name).is_some_and(|is| is == value);
        let policy = attributes.get("FilterPolicy").filter(|policy| !lets_all_through(policy));
        let scope = attributes.get("FilterPolicyScope").and_then(|word| FilterScope::parse(word));
        Self {
            filter: policy
                .map(|policy| Filter { policy: policy.clone(), scope: scope.unwrap_or_default() }),
            is_raw: is("RawMessageDelivery", "true"),
            has_redrive: attributes.get("RedrivePolicy").is_some_and(|policy| has_target(policy)),
        }
    }
}

/// The subscriptions of SQS queues that a topic lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) live: Vec<Subscription>,
    pub(super) inactive: Vec<Inactive>,
    pub(super) non_queues: Vec<NonQueueSubscriber>,
}

impl Listed {
    /// All that the topic lists. The error is `NotSetUp` when there is no topic.
    pub(super) async fn of(topic: &Topic) -> Result<Self> {
        let names = &topic.aws.names;
        let mut listed = Self::default();
        let Subscriptions { queues, non_queues } = topic.list().await?;
        for subscription in queues {
            listed.take(names, subscription);
        }
        listed.non_queues = non_queues;
        Ok(listed.sorted())
    }

    /// Adds a subscription. SNS lists a word instead of the ARN of one that is not live.
    fn take(&mut self, names: &Names, subscription: Subscription) {
        if subscription.arn.starts_with("arn:") {
            self.live.push(subscription);
            return;
        }
        let is_deleted = subscription.arn == "Deleted";
        let state = if is_deleted { Inactivity::Deleted } else { Inactivity::Pending };
        let responder = names.responder(subscription.queue());
        self.inactive.push(Inactive { responder, queue_arn: subscription.queue_arn, state });
    }

    /// Sorts the inactive ones, without duplicates and without queues that have a live subscription.
    fn sorted(mut self) -> Self {
        let live: Vec<_> = self.live.iter().map(|live| &live.queue_arn).collect();
        self.inactive.retain(|inactive| !live.contains(&&inactive.queue_arn));
        self.inactive.sort_by(|a, b| a.responder.cmp(&b.responder));
        self.inactive.dedup();
        self.non_queues.sort();
        self
    }

    /// The names that the live ones count under, in natural order, without duplicates.
    pub(super) fn responders(&self, names: &Names) -> Vec<Responder> {
        let name = |subscription: &Subscription| names.responder(subscription.queue());
        let mut providers: Vec<_> = self.live.iter().map(name).collect();
        providers.sort();
        providers.dedup();
        providers
    }

    /// Adds how each live subscription delivers: one `GetSubscriptionAttributes` each, and one
    /// `ListTagsForResource` if any has a filter.
    pub(super) async fn with_deliveries(self, topic: &Topic) -> Result<Subscribers> {
        let Self { live, inactive, non_queues } = self;
        let live = deliveries(topic, live).await?;
        let mut subscribers = Subscribers { live, inactive, non_queues, is_unmarked: false };
        if subscribers.have_filter() {
            subscribers.is_unmarked = !may_be_marked(topic).await?;
        }
        Ok(subscribers)
    }
}

/// The subscribed providers, in natural order. The error is `NotSetUp` when there is no topic.
pub async fn subscribed(topic: &Topic) -> Result<Vec<Responder>> {
    Ok(Listed::of(topic).await?.responders(&topic.aws.names))
}

/// The filters of each provider in `among` whose subscriptions all have one that can be read. Finds the topic, then
/// sends one `GetSubscriptionAttributes` per subscription of these providers. Returns only transient errors.
pub async fn filters_of(aws: &Aws, among: &[Responder]) -> Result<HashMap<Responder, Vec<Filter>>> {
    let look = async { filters_at(&aws.topic().await?, among).await };
    match look.await {
        Err(error) if !error.is_transient() => Ok(HashMap::new()),
        looked => looked,
    }
}

/// Whether the topic is marked as having filters, so that submissions read them; also if its tags may not be read.
/// Returns only transient errors.
pub async fn is_marked(aws: &Aws) -> Result<bool> {
    match aws.topic().await {
        Ok(topic) => may_be_marked(&topic).await,
        Err(error) if !error.is_transient() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Without the right to read tags, nothing can be said, and no advice given. Returns only transient errors.
async fn may_be_marked(topic: &Topic) -> Result<bool> {
    match TopicTags::of(topic).await {
        Err(error) if !error.is_transient() => Ok(true),
        tags => tags.map(|tags| tags.has_filters),
    }
}

async fn filters_at(topic: &Topic, among: &[Responder]) -> Result<HashMap<Responder, Vec<Filter>>> {
    let names = &topic.aws.names;
    let listed = Listed::of(topic).await?.live.into_iter();
    let asked = listed.filter(|one| among.contains(&names.responder(one.queue()))).collect();
    let mut filters: HashMap<Responder, Option<Vec<Filter>>> = HashMap::new();
    for Subscriber { responder, delivery, .. } in deliveries(topic, asked).await? {
        let all = filters.entry(responder).or_insert_with(|| Some(Vec::new()));
        // Several queues may count under one name: one queue without a filter is enough.
        match (delivery.and_then(|delivery| delivery.filter), all.as_mut()) {
            (Some(filter), Some(all)) => all.push(filter),
            (_, _) => *all = None,
        }
    }
    Ok(filters.into_iter().filter_map(|(who, filters)| Some((who, filters?))).collect())
}

async fn deliveries(topic: &Topic, subscriptions: Vec<Subscription>) -> Result<Vec<Subscriber>> {
    let subscribers = stream::iter(subscriptions).map(|subscription| async move {
        let attributes = readable_attributes(topic, &subscription).await?;
        let delivery = attributes.as_ref().map(SubscriptionDelivery::of);
        Ok(Subscriber::of(&topic.aws.names, &subscription, delivery))
    });
    let mut all: Vec<_> = subscribers.buffered(CONCURRENCY).try_collect().await?;
    all.sort_by(|a, b| a.responder.cmp(&b.responder));
    Ok(all)
}

/// `None` if the attributes may not be read, or the subscription has gone. Returns only transient errors.
pub(super) async fn readable_attributes(
    topic: &Topic,
    subscription: &Subscription,
) -> Result<Option<HashMap<String, String>>> {
    let doing = format!("looking at the subscription of queue {}", subscription.queue());
    match topic.attributes(subscription, &doing).await {
        Ok(attributes) => Ok(Some(attributes)),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(attributes: &[(&str, &str)]) -> SubscriptionDelivery {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        SubscriptionDelivery::of(&attributes.iter().map(owned).collect())
    }

    #[test]
    fn an_empty_policy_is_no_filter_and_one_without_a_scope_is_about_attributes() {
        for policy in ["", " ", "{}", " { } "] {
            assert_eq!(delivery(&[("FilterPolicy", policy)]).filter, None, "{policy:?}");
        }
        for (scope, means) in [
            (None, FilterScope::MessageAttributes),
            (Some("MessageAttributes"), FilterScope::MessageAttributes),
            (Some("MessageBody"), FilterScope::MessageBody),
        ] {
            let attributes = [("FilterPolicy", "{\"a\":[1]}")];
            let scope = scope.map(|scope| ("FilterPolicyScope", scope));
            let filter = delivery(&attributes.into_iter().chain(scope).collect::<Vec<_>>()).filter;
            assert_eq!(filter, Some(Filter { policy: "{\"a\":[1]}".to_owned(), scope: means }));
        }
        let unreadable = delivery(&[("FilterPolicy", "{")]);
        assert!(unreadable.filter.is_some(), "a policy that cannot be read is not empty");
    }

    #[test]
    fn a_redrive_policy_names_a_queue() {
        let has = |policy: &str| delivery(&[("RedrivePolicy", policy)]).has_redrive;
        assert!(has(r#"{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:q"}"#));
        for none in ["", "{}", "null", r#"{"deadLetterTargetArn": ""}"#] {
            assert!(!has(none), "{none}");
        }
        assert!(!delivery(&[]).has_redrive);
    }

    #[test]
    fn delivery_is_raw_where_that_is_said() {
        assert!(delivery(&[("RawMessageDelivery", "true")]).is_raw);
        assert!(!delivery(&[("RawMessageDelivery", "false")]).is_raw);
        assert!(!delivery(&[]).is_raw);
    }
}
