//! The topic of a stack and its subscriptions.

use std::collections::HashMap;

use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::types::Tag;
use serde_json::Value;

use super::description::{FILTER_POLICY, SubscriptionSpec, TopicSpec};
use super::late::{Origin, Seen, until_shown};
use super::{ArnScope, Change, Difference, Mode, OnWait};
use super::{Filter, Subscribers, SubscriptionDelivery, TopicTags};
use crate::aws::Subscription;
use crate::aws::{Aws, is_not_found};
use crate::core::{FILTERS_TAG, KEEP_DEAD_LETTERS_TAG, KEEP_TAG};
use crate::error::{Error, Kind, Result};

#[derive(Debug, Clone)]
pub(super) struct TopicState {
    pub(super) arn: String,
    pub(super) tags: HashMap<String, String>,
}

impl TopicState {
    /// Tags that should say how long the stack keeps what it is told, but name no number of days.
    pub(super) fn unread_days(&self) -> Vec<String> {
        let read: Vec<_> =
            TopicTags::read(&self.tags).retention.tags().map(|(name, _)| name).collect();
        let tags = [KEEP_TAG, KEEP_DEAD_LETTERS_TAG].into_iter();
        let unread = tags.filter(|name| self.tags.contains_key(*name) && !read.contains(name));
        let say =
            |name| format!("tag {name} of the topic is no number of days: the default counts");
        unread.map(say).collect()
    }
}

/// Looks for the stack's topic: at its ARN if the account is known, else in the list of topics.
pub(super) async fn look(aws: &Aws, scope: Option<&ArnScope>) -> Result<Option<TopicState>> {
    let name = aws.names.topic();
    let arn = match scope {
        Some(scope) => Some(scope.topic_arn(&name)),
        None => search(aws, &name).await?,
    };
    let Some(arn) = arn else { return Ok(None) };
    // The tags do not show whether it exists: for a missing topic LocalStack returns none, and no error.
    match aws.clients.sns.get_topic_attributes().topic_arn(&arn).send().await {
        Err(error) if is_not_found(&error) => return Ok(None),
        Err(error) => return Err(aws.error(&format!("looking at topic {name}"), &error)),
        Ok(_) => {}
    }
    match aws.clients.sns.list_tags_for_resource().resource_arn(&arn).send().await {
        Ok(found) => {
            let tags =
                found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
            Ok(Some(TopicState { tags: tags.collect(), arn }))
        }
        Err(error) if is_not_found(&error) || error.code() == Some("ResourceNotFound") => Ok(None),
        Err(error) => Err(aws.error(&format!("looking at topic {name}"), &error)),
    }
}

async fn search(aws: &Aws, name: &str) -> Result<Option<String>> {
    let ending = format!(":{name}");
    let mut pages = aws.clients.sns.list_topics().into_paginator().items().send();
    while let Some(topic) = pages.next().await {
        let topic = topic.map_err(|error| aws.error("listing the topics", &error))?;
        if let Some(arn) = topic.topic_arn().filter(|arn| arn.ends_with(&ending)) {
            return Ok(Some(arn.to_owned()));
        }
    }
    Ok(None)
}

pub(super) async fn ensure(
    aws: &Aws,
    spec: &TopicSpec,
    found: Option<&TopicState>,
    mode: Mode,
) -> Result<Change> {
    let name = &spec.name;
    let Some(found) = found else {
        if mode == Mode::Apply {
            let tags = built(spec.tags.iter())?;
            let created = aws.clients.sns.create_topic().name(name).set_tags(Some(tags)).send();
            created.await.map_err(|error| aws.error(&format!("creating topic {name}"), &error))?;
        }
        return Ok(Change::Created);
    };
    let missing: Vec<_> =
        spec.tags.iter().filter(|(name, value)| found.tags.get(*name) != Some(value)).collect();
    if mode == Mode::Apply && !missing.is_empty() {
        let tags = built(missing.iter().copied())?;
        let tag = aws.clients.sns.tag_resource().resource_arn(&found.arn).set_tags(Some(tags));
        tag.send().await.map_err(|error| aws.error(&format!("tagging topic {name}"), &error))?;
    }
    let difference = |(name, value): (&String, &String)| {
        Difference::new(name, found.tags.get(name).map(String::as_str), value)
    };
    Ok(Change::of(missing.into_iter().map(difference).collect()))
}

fn built<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Result<Vec<Tag>> {
    let one = |(name, value)| Tag::builder().key(name).value(value).build();
    let tags: std::result::Result<_, _> = tags.map(one).collect();
    tags.map_err(|error| Error::other("building the topic's tags").because(error))
}

/// The value of a mark.
const MARKED: &str = "true";

/// Marks a topic with filters, or removes the mark of one without, so that submitters know whether to read policies.
pub(super) async fn ensure_mark(
    aws: &Aws,
    topic: &TopicState,
    subscribers: &Subscribers,
    mode: Mode,
) -> Result<Change> {
    let (is_marked, has_filters) =
        (TopicTags::read(&topic.tags).has_filters, subscribers.have_filter());
    // A subscription that may not be read may be the one with a filter.
    let may_have_filter = subscribers.live.iter().any(|one| one.delivery.is_none());
    if is_marked == has_filters || (is_marked && may_have_filter) {
        return Ok(Change::Kept);
    }
    match (mode, has_filters) {
        // A mark too many costs a read and misleads no command.
        (Mode::Check, false) => return Ok(Change::Kept),
        (Mode::DryRun | Mode::Check, _) => {}
        (Mode::Apply, true) => mark(aws, &topic.arn, FILTERS_TAG).await?,
        (Mode::Apply, false) => {
            let untag = aws.clients.sns.untag_resource().resource_arn(&topic.arn);
            let untagged = untag.tag_keys(FILTERS_TAG).send().await;
            untagged.map_err(|error| aws.error("removing the mark of the topic", &error))?;
        }
    }
    let setting = FILTERS_TAG.to_owned();
    let is = topic.tags.get(FILTERS_TAG).cloned();
    let wanted = has_filters.then(|| MARKED.to_owned());
    Ok(Change::Changed(vec![Difference { setting, is, wanted }]))
}

/// A mark that is missing.
pub(super) fn unmarked(tag: &str) -> Difference {
    Difference::new(tag, None, MARKED)
}

/// Marks a topic with this tag.
pub(super) async fn mark(aws: &Aws, arn: &str, tag: &str) -> Result<()> {
    let tag = Tag::builder().key(tag).value(MARKED).build();
    let tag = tag.map_err(|error| Error::other("building the topic's tag").because(error))?;
    let tagged = aws.clients.sns.tag_resource().resource_arn(arn).tags(tag).send().await;
    tagged.map(drop).map_err(|error| aws.error("marking the topic", &error))
}

/// Subscribes a queue; waits for a topic that was made a moment ago.
async fn subscribe(
    aws: &Aws,
    scope: &ArnScope,
    queue: &str,
    attributes: HashMap<String, String>,
    (topic, on_wait): (Origin, OnWait<'_>),
) -> Result<()> {
    let name = aws.names.topic();
    let subscribe = async || {
        let call = aws.clients.sns.subscribe().topic_arn(scope.topic_arn(&name)).protocol("sqs");
        let call = call.endpoint(scope.queue_arn(queue)).return_subscription_arn(true);
        match call.set_attributes(Some(attributes.clone())).send().await {
            Ok(_) => Ok(Seen::Shown(())),
            Err(error) if topic == Origin::Made && is_not_found(&error) => {
                Ok(Seen::Missing(format!("topic {name}")))
            }
            Err(error) => Err(aws.error(&format!("subscribing queue {queue}"), &error)),
        }
    };
    until_shown(on_wait, subscribe).await
}

/// Creates or mends the subscription of a queue, and returns how it then delivers. A new `topic` may not show yet.
pub(super) async fn ensure_subscription(
    aws: &Aws,
    scope: &ArnScope,
    queue: &str,
    existing: &[Subscription],
    filter: Option<&Filter>,
    mode: Mode,
    (topic, on_wait): (Origin, OnWait<'_>),
) -> Result<(Change, SubscriptionDelivery)> {
    let queue_arn = scope.queue_arn(queue);
    if let Some(found) = existing.iter().find(|found| found.queue_arn == queue_arn) {
        let topic = aws.topic_at(scope.topic_arn(&aws.names.topic()));
        match topic.attributes(found, &setting_up(queue)).await {
            Ok(is) => {
                let change = mend(aws, scope, found, &is, filter, mode).await?;
                return Ok((
                    change,
                    SubscriptionDelivery {
                        is_raw: true,
                        has_redrive: true,
                        ..SubscriptionDelivery::of(&is)
                    },
                ));
            }
            // It is still listed, but no longer exists.
            Err(error) if error.kind() == Kind::NotSetUp => {}
            Err(error) => return Err(error),
        }
    }
    if mode == Mode::Apply {
        let filter = filter.filter(|filter| !filter.is_empty());
        let attributes = SubscriptionSpec::of(&aws.names, scope, filter).attributes.into_iter();
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).collect();
        subscribe(aws, scope, queue, attributes, (topic, on_wait)).await?;
    }
    let filter = filter.cloned();
    Ok((Change::Created, SubscriptionDelivery { filter, is_raw: true, has_redrive: true }))
}

fn setting_up(queue: &str) -> String {
    format!("setting up the subscription of queue {queue}")
}

/// Sets what differs on a subscription; `is` holds its attributes. Without a `filter`, its own stays.
pub(super) async fn mend(
    aws: &Aws,
    scope: &ArnScope,
    found: &Subscription,
    is: &HashMap<String, String>,
    filter: Option<&Filter>,
    mode: Mode,
) -> Result<Change> {
    let doing = setting_up(found.queue());
    let wanted = SubscriptionSpec::of(&aws.names, scope, filter).attributes;
    let mut changed = Vec::new();
    let has_policy = SubscriptionDelivery::of(is).filter.is_some();
    let is_same = |(name, value): &&(&str, String)| {
        let clears = *name == FILTER_POLICY && filter.is_some_and(Filter::is_empty);
        if clears { !has_policy } else { same(is.get(*name), value) }
    };
    for (name, value) in wanted.iter().filter(|wanted| !is_same(wanted)) {
        changed.push(Difference::new(name, is.get(*name).map(String::as_str), value));
        if mode == Mode::Apply {
            aws.clients
                .sns
                .set_subscription_attributes()
                .subscription_arn(&found.arn)
                .attribute_name(*name)
                .attribute_value(value)
                .send()
                .await
                .map_err(|error| aws.error(&doing, &error))?;
        }
    }
    Ok(Change::of(changed))
}

/// Whether two attribute values are equal, as text or as JSON.
fn same(is: Option<&String>, wanted: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    is.is_some_and(|is| is == wanted || (read(is).is_some() && read(is) == read(wanted)))
}
