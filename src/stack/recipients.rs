//! Who is asked: SNS sends a copy of a request only where the subscription's filter policy matches.
//! <https://www.enterpriseintegrationpatterns.com/patterns/messaging/RecipientList.html>

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::subscriptions::{Listed, readable_attributes};
use super::{SubscriptionDelivery, TopicTags};
use crate::aws::{CONCURRENCY, Subscription, Topic};
use crate::core::filter::{FilterInput, FilterOutcome, FilterPolicy, FilterScope};
use crate::core::{ExcludedProvider, Responder, Retention};
use crate::error::Result;

/// How long policies that were read count.
const POLICIES_AGE: Duration = Duration::from_mins(5);
/// When they cannot be read again, how long they still count: as long as AWS may take to apply a change.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html>
const LONGEST_AGE: Duration = Duration::from_mins(15);
/// The pause after a read of policies that failed.
const PAUSE: Duration = Duration::from_secs(30);
/// When reading the list takes longer, the old list is used.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// When reading policies takes longer, the old ones are used.
const POLICIES_TIMEOUT: Duration = Duration::from_secs(10);

/// The subscribed queues with their filter policies.
#[derive(Debug, Clone)]
pub struct Recipients {
    topic: Topic,
    live: Vec<Subscription>,
    policies: Policies,
    retention: Retention,
}

/// The subscribed providers, split by one request. Both lists are in natural order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Providers that are asked, or may be.
    pub expected: Vec<Responder>,
    /// Providers whose filters exclude the request.
    pub not_asked: Vec<ExcludedProvider>,
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
        let (policies, retention) = (Policies::default(), Retention::default());
        let mut recipients = Self { topic: topic.clone(), live, policies, retention };
        recipients.read_policies(|_| true).await;
        Ok(recipients)
    }

    /// Lists the subscriptions again, and reads policies that are old or new. If the list cannot be read in time, the
    /// old one counts.
    pub async fn refresh(&mut self) {
        let listed = timeout(LIST_TIMEOUT, Box::pin(Listed::of(&self.topic))).await;
        if let Ok(Ok(listed)) = listed {
            self.live = listed.live;
        }
        let now = Instant::now();
        self.read_policies(|known| known.is_due(now)).await;
    }

    /// Reads the policies again that were not tried within `pause`. Those that could not be read this last time exclude
    /// nothing in the result; elsewhere they still count.
    pub async fn reread(&mut self, pause: Duration) -> Self {
        self.read_policies(|known| known.tried.elapsed() > pause).await;
        let mut certain = self.clone();
        certain.policies.known.retain(|_, known| known.is_read());
        certain
    }

    /// Reads the policies that `is_due` picks, and those that were never read.
    async fn read_policies(&mut self, is_due: impl Fn(&Known) -> bool) {
        let arns: Vec<_> = self.live.iter().map(|one| one.arn.clone()).collect();
        let due = self.policies.select(&arns, is_due);
        if due.is_empty() {
            return;
        }
        let unread = self.live.iter().filter(|one| due.contains(&one.arn)).cloned().collect();
        let retention = &mut self.retention;
        let read = policies_of(&self.topic, unread, retention);
        let read = timeout(POLICIES_TIMEOUT, Box::pin(read)).await;
        let read = read.unwrap_or(Reading::Failed);
        self.policies.take(read, &due, &arns, Instant::now());
    }

    /// How long the stack keeps rows: as the topic's tags said when they were last read, else by default.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Whether no queue is subscribed.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Splits the providers by a request. `message` is only called if there are policies.
    pub fn split(&self, message: impl FnOnce() -> String) -> Audience {
        let body = if self.policies.are_none() { String::new() } else { message() };
        let message = FilterInput::new(&body);
        // Several queues may count under one name: one that is asked is enough.
        let mut keys: BTreeMap<Responder, Option<String>> = BTreeMap::new();
        for subscription in &self.live {
            let excluding = self.policies.excluding(&subscription.arn, &message);
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
                Some(key) => not_asked.push(ExcludedProvider { responder, key: Some(key) }),
            }
        }
        Audience { expected, not_asked }
    }
}

/// A subscription's policy; `None` if everything passes, or if it may not be read.
type ReadPolicy = Option<(FilterPolicy, FilterScope)>;

/// What came of reading policies.
enum Reading {
    /// By ARN. A policy that could not be read just now is missing.
    Read(HashMap<String, ReadPolicy>),
    /// The topic is not marked, or its tags may not be read: no policy counts.
    Unmarked,
    /// The topic's tags could not be read just now.
    Failed,
}

/// A policy that was read at least once.
#[derive(Debug, Clone)]
struct Known {
    policy: ReadPolicy,
    /// When it was last read.
    read: Instant,
    /// When reading it was last tried.
    tried: Instant,
}

impl Known {
    /// Whether the last try read it.
    fn is_read(&self) -> bool {
        self.read == self.tried
    }

    fn is_due(&self, now: Instant) -> bool {
        now >= self.tried + if self.is_read() { POLICIES_AGE } else { PAUSE }
    }
}

/// The policies that were read, by the subscription's ARN.
#[derive(Debug, Clone, Default)]
struct Policies {
    known: HashMap<String, Known>,
}

impl Policies {
    /// The subscriptions that `is_due` picks, and those that were never read.
    fn select(&self, live: &[String], is_due: impl Fn(&Known) -> bool) -> Vec<String> {
        let is_unread = |arn: &&String| self.known.get(*arn).is_none_or(&is_due);
        live.iter().filter(is_unread).cloned().collect()
    }

    /// Takes what came of reading the policies of the `due` subscriptions.
    fn take(&mut self, reading: Reading, due: &[String], live: &[String], now: Instant) {
        for arn in due {
            self.known.entry(arn.clone()).and_modify(|known| known.tried = now);
        }
        let read = match reading {
            Reading::Read(policies) => policies,
            Reading::Unmarked => live.iter().map(|arn| (arn.clone(), None)).collect(),
            Reading::Failed => HashMap::new(),
        };
        let read = read.into_iter();
        self.known.extend(read.map(|(arn, policy)| (arn, Known { policy, read: now, tried: now })));
        self.known.retain(|arn, _| live.contains(arn));
        for known in self.known.values_mut().filter(|known| now > known.read + LONGEST_AGE) {
            known.policy = None;
        }
    }

    fn are_none(&self) -> bool {
        self.known.values().all(|known| known.policy.is_none())
    }

    /// The key with which a subscription's policy excludes a message; `None` if it does not, or if that is unknown.
    fn excluding(&self, arn: &str, message: &FilterInput) -> Option<String> {
        let (policy, scope) = self.known.get(arn)?.policy.as_ref()?;
        match policy.evaluate(*scope, message) {
            FilterOutcome::NotAsked { key } => Some(match scope {
                FilterScope::MessageBody => key,
                FilterScope::MessageAttributes => format!("{}.{key}", scope.word()),
            }),
            FilterOutcome::Asked | FilterOutcome::CannotTell { .. } => None,
        }
    }
}

/// Reads the topic's tags, then the policies if the topic has the mark of filters.
async fn policies_of(
    topic: &Topic,
    subscriptions: Vec<Subscription>,
    retention: &mut Retention,
) -> Reading {
    let tags = match TopicTags::of(topic).await {
        Ok(tags) => tags,
        Err(error) if error.is_transient() => return Reading::Failed,
        Err(_) => return Reading::Unmarked,
    };
    *retention = tags.retention;
    if !tags.has_filters {
        return Reading::Unmarked;
    }
    let read = stream::iter(subscriptions).map(|subscription| async move {
        let attributes = readable_attributes(topic, &subscription).await.ok()?;
        let filter = attributes.and_then(|all| SubscriptionDelivery::of(&all).filter);
        let policy = filter
            .and_then(|filter| Some((FilterPolicy::parse(&filter.policy).ok()?, filter.scope)));
        Some((subscription.arn, policy))
    });
    let read: Vec<_> = read.buffer_unordered(CONCURRENCY).collect().await;
    Reading::Read(read.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of these subscriptions, those that are named twice have a policy.
    fn read(all: &[&str]) -> Reading {
        let policy = FilterPolicy::parse(r#"{"from": ["Oslo"]}"#).expect("a policy");
        let of = |arn: &&str| {
            let is_twice = all.iter().filter(|other| *other == arn).count() == 2;
            ((*arn).to_owned(), is_twice.then(|| (policy.clone(), FilterScope::MessageBody)))
        };
        Reading::Read(all.iter().map(of).collect())
    }

    fn arns(all: &[&str]) -> Vec<String> {
        all.iter().map(|arn| (*arn).to_owned()).collect()
    }

    fn excludes(policies: &Policies, arn: &str) -> bool {
        policies.excluding(arn, &FilterInput::new(r#"{"from": "A"}"#)).is_some()
    }

    /// The subscriptions whose policies are read at this time.
    fn due(policies: &Policies, live: &[String], now: Instant) -> Vec<String> {
        policies.select(live, |known| known.is_due(now))
    }

    #[test]
    fn old_policies_are_read_again_and_new_ones_at_once() {
        let mut policies = Policies::default();
        let (begin, live) = (Instant::now(), arns(&["a", "b"]));
        assert_eq!(due(&policies, &live, begin), live);
        policies.take(read(&["a", "a", "b"]), &live, &live, begin);
        let later = begin + POLICIES_AGE - Duration::from_secs(1);
        assert_eq!(due(&policies, &live, later), arns(&[]));
        let (live, new) = (arns(&["a", "c"]), arns(&["c"]));
        assert_eq!(due(&policies, &live, later), new);
        assert!(excludes(&policies, "a") && !excludes(&policies, "b"));
        // One that could not be read is tried again at once, until it is.
        policies.take(read(&[]), &new, &live, later);
        assert_eq!(due(&policies, &live, later), new);
        policies.take(read(&["c", "c"]), &new, &live, later);
        assert_eq!(due(&policies, &live, later), arns(&[]));
        assert_eq!(due(&policies, &live, begin + POLICIES_AGE), arns(&["a"]));
        assert_eq!(due(&policies, &live, later + POLICIES_AGE), live);
    }

    #[test]
    fn policies_that_cannot_be_read_again_count_for_a_while() {
        let mut policies = Policies::default();
        let (begin, live) = (Instant::now(), arns(&["a"]));
        policies.take(read(&["a", "a"]), &live, &live, begin);
        let mut now = begin + POLICIES_AGE;
        for failed in [Reading::Failed, read(&[])] {
            policies.take(failed, &live, &live, now);
            assert!(excludes(&policies, "a"));
            assert_eq!(due(&policies, &live, now + PAUSE / 2), arns(&[]));
            now += PAUSE;
            assert_eq!(due(&policies, &live, now), live);
        }
        let late = begin + LONGEST_AGE + PAUSE;
        policies.take(Reading::Failed, &live, &live, late);
        assert!(!excludes(&policies, "a"), "AWS may have applied another one long ago");
        assert_eq!(due(&policies, &live, late + PAUSE / 2), arns(&[]));
        policies.take(read(&["a", "a"]), &live, &live, late + PAUSE);
        assert!(excludes(&policies, "a"));
    }

    #[test]
    fn one_that_cannot_be_read_takes_nothing_from_the_others() {
        let mut policies = Policies::default();
        let (begin, live) = (Instant::now(), arns(&["a", "b"]));
        policies.take(read(&["a", "a", "b", "b"]), &live, &live, begin);
        let late = begin + LONGEST_AGE + PAUSE;
        policies.take(read(&["a", "a"]), &live, &live, late);
        assert!(excludes(&policies, "a") && !excludes(&policies, "b"));
        assert_eq!(due(&policies, &live, late + PAUSE), arns(&["b"]));
        let certain = |policies: &Policies| policies.known["a"].is_read();
        assert!(certain(&policies));
        policies.take(Reading::Failed, &arns(&["a"]), &live, late + POLICIES_AGE);
        assert!(!certain(&policies) && excludes(&policies, "a"));
    }

    #[test]
    fn where_tags_may_not_be_read_nothing_is_excluded() {
        let mut policies = Policies::default();
        let (begin, live) = (Instant::now(), arns(&["a"]));
        policies.take(read(&["a", "a"]), &live, &live, begin);
        policies.take(Reading::Unmarked, &live, &live, begin + POLICIES_AGE);
        assert!(policies.are_none() && !excludes(&policies, "a"));
    }
}
