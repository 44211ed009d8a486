//! The topic's subscriptions: which are alive, which only seem to be, and how each one delivers.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};

use crate::aws::{Aws, CONCURRENCY, Subscription, Topic};
use crate::core::{Names, ProviderName, Responder};
use crate::error::Result;

/// Who receives requests, and who is listed without receiving any.
#[derive(Debug, Clone, Default)]
pub struct Subscribers {
    /// The live subscriptions, in natural order.
    pub live: Vec<Subscriber>,
    /// The others, in natural order; none of a queue that has a live subscription too.
    pub inactive: Vec<Inactive>,
}

/// A live subscription.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The name that its queue counts under.
    pub responder: Responder,
    /// Its name in this stack; `None` for a queue from elsewhere.
    pub name: Option<ProviderName>,
    /// Its queue's ARN.
    pub queue_arn: String,
    /// How it delivers; `None` where that may not be read.
    pub delivery: Option<SubscriptionDelivery>,
}

impl Subscriber {
    /// A live subscription that delivers in this way.
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

/// How a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionDelivery {
    /// What it lets through, unless that is everything.
    pub filter: Option<Filter>,
    /// Whether the queue receives the message itself, and not an envelope of SNS's around it.
    pub is_raw: bool,
}

/// What a subscription lets through.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The policy, JSON as its owner wrote it.
    pub policy: String,
    /// What the policy is about.
    pub scope: FilterScope,
}

/// What a filter policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterScope {
    /// The attributes of a message; those of requests have none.
    Attributes,
    /// Its body.
    Body,
}

impl FilterScope {
    /// The word of the service.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attributes => "MessageAttributes",
            Self::Body => "MessageBody",
        }
    }
}

/// A subscription that is listed, but receives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inactive {
    /// The name that its queue would count under.
    pub responder: Responder,
    /// Its queue's ARN.
    pub queue_arn: String,
    /// Why it receives nothing.
    pub state: Inactivity,
}

/// Why a subscription receives nothing. SNS lists a word in the place of its ARN, and takes no
/// request about it.
/// <https://repost.aws/knowledge-center/sns-cross-account-subscription>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inactivity {
    /// Its queue's owner has not confirmed it.
    Pending,
    /// Another account than its owner's has deleted it.
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

impl SubscriptionDelivery {
    /// How a subscription with these attributes delivers.
    pub(super) fn of(attributes: &HashMap<String, String>) -> Self {
        let is = |name: &str, value: &str| attributes.get(name).is_some_and(|is| is == value);
        let lets_all_through = |policy: &str| {
            policy.trim().is_empty()
                || serde_json::from_str::<Map<String, Value>>(policy)
                    .is_ok_and(|keys| keys.is_empty())
        };
        let policy = attributes.get("FilterPolicy").filter(|policy| !lets_all_through(policy));
        let is_on_body = is("FilterPolicyScope", FilterScope::Body.word());
        Self {
            filter: policy.map(|policy| Filter {
                policy: policy.clone(),
                scope: if is_on_body { FilterScope::Body } else { FilterScope::Attributes },
            }),
            is_raw: is("RawMessageDelivery", "true"),
        }
    }
}

/// The subscriptions of SQS queues that a topic lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) live: Vec<Subscription>,
    pub(super) inactive: Vec<Inactive>,
}

impl Listed {
    /// All that the topic lists.
    ///
    /// # Errors
    /// Not set up when there is no topic.
    pub(super) async fn of(topic: &Topic) -> Result<Self> {
        let names = &topic.aws.names;
        let mut listed = Self::default();
        for subscription in topic.list().await? {
            listed.take(names, subscription);
        }
        Ok(listed.sorted())
    }

    /// Takes in a subscription; SNS lists a word in the place of the ARN of one that is not live.
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

    /// The same in natural order, without duplicates.
    fn sorted(mut self) -> Self {
        let live: Vec<_> = self.live.iter().map(|live| &live.queue_arn).collect();
        self.inactive.retain(|inactive| !live.contains(&&inactive.queue_arn));
        self.inactive.sort_by(|a, b| a.responder.cmp(&b.responder));
        self.inactive.dedup();
        self
    }

    /// The names that the live ones count under, in natural order.
    pub(super) fn responders(&self, names: &Names) -> Vec<Responder> {
        let name = |subscription: &Subscription| names.responder(subscription.queue());
        let mut providers: Vec<_> = self.live.iter().map(name).collect();
        providers.sort();
        providers.dedup();
        providers
    }

    /// The same with how each live subscription delivers: one `GetSubscriptionAttributes` each.
    pub(super) async fn with_deliveries(self, topic: &Topic) -> Result<Subscribers> {
        Ok(Subscribers { live: deliveries(topic, self.live).await?, inactive: self.inactive })
    }
}

/// The providers that are subscribed to a topic, in natural order.
///
/// # Errors
/// Not set up when there is no topic.
pub async fn subscribed(topic: &Topic) -> Result<Vec<Responder>> {
    Ok(Listed::of(topic).await?.responders(&topic.aws.names))
}

/// Those of these providers whose subscriptions have a filter; a provider whose subscription may not be read
/// is left out. One `GetSubscriptionAttributes` for each that is subscribed, and the requests that find the
/// topic.
///
/// # Errors
/// Any passing error of a request.
pub async fn filtered(aws: &Aws, among: &[Responder]) -> Result<Vec<Responder>> {
    let look = async { filtered_at(&aws.topic().await?, among).await };
    match look.await {
        Err(error) if !error.is_transient() => Ok(Vec::new()),
        looked => looked,
    }
}

async fn filtered_at(topic: &Topic, among: &[Responder]) -> Result<Vec<Responder>> {
    let names = &topic.aws.names;
    let listed = Listed::of(topic).await?.live.into_iter();
    let asked = listed.filter(|one| among.contains(&names.responder(one.queue()))).collect();
    let subscribers = deliveries(topic, asked).await?;
    let has_filter =
        |one: &Subscriber| one.delivery.as_ref().is_some_and(|delivery| delivery.filter.is_some());
    // Of several queues that count under one name, one without a filter is enough.
    let is_filtered = |who: &&Responder| {
        let mut own = subscribers.iter().filter(|one| one.responder == **who).peekable();
        own.peek().is_some() && own.all(has_filter)
    };
    Ok(among.iter().filter(is_filtered).cloned().collect())
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

/// The attributes of a subscription; `None` where they may not be read, or where it has gone.
///
/// # Errors
/// A passing error of the request.
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
            (None, FilterScope::Attributes),
            (Some("MessageAttributes"), FilterScope::Attributes),
            (Some("MessageBody"), FilterScope::Body),
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
    fn delivery_is_raw_where_that_is_said() {
        assert!(delivery(&[("RawMessageDelivery", "true")]).is_raw);
        assert!(!delivery(&[("RawMessageDelivery", "false")]).is_raw);
        assert!(!delivery(&[]).is_raw);
    }
}
