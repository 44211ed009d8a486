//! Who is asked: SNS sends a copy of a request only where the subscription's filter policy matches.
//! <https://www.enterpriseintegrationpatterns.com/patterns/messaging/RecipientList.html>

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::SubscriptionDelivery;
use super::subscriptions::{Listed, readable_attributes};
use crate::aws::{CONCURRENCY, Subscription, Topic};
use crate::core::filter::{FilterOutcome, FilterPolicy, FilteredMessage, Scope};
use crate::core::{NotAsked, Responder};
use crate::error::Result;

/// How long policies are taken as read. AWS itself takes up to 15 minutes to apply a change.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html>
const POLICIES_AGE: Duration = Duration::from_mins(5);
/// When reading the list takes longer, the old list is used.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// When reading policies takes longer, the old ones are used.
const POLICIES_TIMEOUT: Duration = Duration::from_secs(10);

/// The subscribed queues with their filter policies.
#[derive(Debug)]
pub struct Recipients {
    topic: Topic,
    live: Vec<Subscription>,
    /// By the subscription's ARN. A subscription without an entry lets everything through, or cannot be read.
    policies: HashMap<String, (FilterPolicy, Scope)>,
    /// When the policies were read.
    read: Instant,
}

/// The subscribed providers, as one request divides them. Both lists are in natural order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Those that are asked, and those of whom it cannot be told.
    pub expected: Vec<Responder>,
    /// Those whose filters exclude the request.
    pub not_asked: Vec<NotAsked>,
}

impl Recipients {
    /// Lists the topic's subscriptions. Reads their policies if the topic is marked as having any: one
    /// `ListTagsForResource`, then one `GetSubscriptionAttributes` per subscription. Policies that cannot be read
    /// exclude no request.
    ///
    /// # Errors
    /// Not set up when there is no topic.
    pub async fn of(topic: &Topic) -> Result<Self> {
        let live = Listed::of(topic).await?.live;
        let (topic, policies) = (topic.clone(), HashMap::new());
        let mut recipients = Self { topic, live, policies, read: Instant::now() };
        let all = recipients.live.clone();
        let read = timeout(POLICIES_TIMEOUT, policies_of(&recipients.topic, all)).await;
        if let Ok(Ok(policies)) = read {
            recipients.policies = policies;
        }
        Ok(recipients)
    }

    /// Lists the subscriptions again. Reads all policies again if they are old, else those of new subscriptions.
    /// What cannot be read in time stays as it was.
    pub async fn refresh(&mut self) {
        if let Ok(Ok(listed)) = timeout(LIST_TIMEOUT, Box::pin(Listed::of(&self.topic))).await {
            let known = std::mem::replace(&mut self.live, listed.live);
            let is_old = self.read.elapsed() >= POLICIES_AGE;
            let is_new =
                |one: &&Subscription| is_old || !known.iter().any(|old| old.arn == one.arn);
            let unread: Vec<_> = self.live.iter().filter(is_new).cloned().collect();
            if unread.is_empty() {
                return;
            }
            let read = timeout(POLICIES_TIMEOUT, Box::pin(policies_of(&self.topic, unread))).await;
            if let Ok(Ok(policies)) = read {
                if is_old {
                    self.policies.clear();
                }
                self.policies.extend(policies);
            }
            if is_old {
                self.read = Instant::now();
            }
        }
    }

    /// Whether no queue is subscribed.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Divides the providers for a request. `message` is only called if there are policies.
    pub fn divided(&self, message: impl FnOnce() -> String) -> Audience {
        let body = if self.policies.is_empty() { String::new() } else { message() };
        let message = FilteredMessage::new(&body);
        // Several queues may count under one name: one that is asked is enough.
        let mut keys: BTreeMap<Responder, Option<String>> = BTreeMap::new();
        for subscription in &self.live {
            let excluding = self.excluding(subscription, &message);
            let responder = self.topic.aws.names.responder(subscription.queue());
            let entry = keys.entry(responder).or_insert_with(|| excluding.clone());
            if excluding.is_none() {
                *entry = None;
            }
        }
        let (mut expected, mut not_asked) = (Vec::new(), Vec::new());
        for (responder, key) in keys {
            match key {
                None => expected.push(responder),
                Some(key) => not_asked.push(NotAsked { responder, key: Some(key) }),
            }
        }
        Audience { expected, not_asked }
    }

    /// The key with which a subscription's policy excludes a message; `None` if it does not, or cannot be told.
    fn excluding(&self, subscription: &Subscription, message: &FilteredMessage) -> Option<String> {
        let (policy, scope) = self.policies.get(&subscription.arn)?;
        match policy.evaluate(*scope, message) {
            FilterOutcome::NotAsked { key } => Some(key),
            FilterOutcome::Asked | FilterOutcome::CannotTell { .. } => None,
        }
    }
}

/// The policies of these subscriptions, without those that let everything through or cannot be read.
async fn policies_of(
    topic: &Topic,
    subscriptions: Vec<Subscription>,
) -> Result<HashMap<String, (FilterPolicy, Scope)>> {
    if !topic.has_filters().await? {
        return Ok(HashMap::new());
    }
    let read = stream::iter(subscriptions).map(|subscription| async move {
        // A policy that cannot be read now excludes nothing.
        let attributes = readable_attributes(topic, &subscription).await.ok()??;
        let filter = SubscriptionDelivery::of(&attributes).filter?;
        let policy = FilterPolicy::parse(&filter.policy).ok()?;
        Some((subscription.arn, (policy, filter.scope)))
    });
    let read: Vec<_> = read.buffer_unordered(CONCURRENCY).collect().await;
    Ok(read.into_iter().flatten().collect())
}
