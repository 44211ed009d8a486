//! Waits until everything that a run has made or tagged shows where commands look for it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::late::{LOOK_EVERY, SHOWS_WITHIN, Seen, until_shown};
use super::queue_state;
use super::subscriptions::Listed;
use super::{ArnScope, CONCURRENCY, Change, OnWait, Waiting, is_ours, topic};
use crate::aws::{Aws, Topic};
use crate::core::STACK_TAG;
use crate::error::{Error, Result};

#[derive(Debug, Default)]
pub(super) struct Made {
    is_topic_new: bool,
    queues: Vec<String>,
    subscribed: Vec<String>,
}

impl Made {
    /// Notes the topic, if it is new to the stack.
    pub(super) fn topic(&mut self, change: &Change) {
        self.is_topic_new = is_new(change);
    }

    pub(super) fn queue(&mut self, name: &str, change: &Change) {
        self.queues.extend(is_new(change).then(|| name.to_owned()));
    }

    pub(super) fn subscription(&mut self, queue: &str, change: &Change) {
        self.subscribed.extend(is_new(change).then(|| queue.to_owned()));
    }

    /// Waits, for up to [`SHOWS_WITHIN`], until everything new shows in the requests that commands use. Sends
    /// three per new queue, since each may show later than the others, and at most four for the rest.
    pub(super) async fn shows(
        &self,
        aws: &Aws,
        scope: &ArnScope,
        on_wait: OnWait<'_>,
    ) -> Result<()> {
        let topic = async {
            if self.is_topic_new { topic_shows(aws, scope, on_wait).await } else { Ok(()) }
        };
        tokio::try_join!(
            topic,
            self.queues_show(aws, on_wait),
            self.queues_are_listed(aws, on_wait),
            self.subscriptions_are_listed(aws, scope, on_wait),
        )?;
        Ok(())
    }

    async fn queues_show(&self, aws: &Aws, on_wait: OnWait<'_>) -> Result<()> {
        stream::iter(&self.queues)
            .map(|name| queue_shows(aws, name, on_wait))
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn queues_are_listed(&self, aws: &Aws, on_wait: OnWait<'_>) -> Result<()> {
        if self.queues.is_empty() {
            return Ok(());
        }
        let look = async || {
            let listed = queue_state::list(aws).await?;
            let listed: Vec<_> = listed.iter().map(|url| queue_state::name_of(url)).collect();
            Ok(all("queue", &self.queues, |name| listed.contains(&name)))
        };
        until_shown(on_wait, look).await
    }

    async fn subscriptions_are_listed(
        &self,
        aws: &Aws,
        scope: &ArnScope,
        on_wait: OnWait<'_>,
    ) -> Result<()> {
        if self.subscribed.is_empty() {
            return Ok(());
        }
        let topic = aws.topic_at(scope.topic_arn(&aws.names.topic()));
        let look = async || match Seen::of(Listed::of(&topic).await, &name(&topic))? {
            Seen::Shown(listed) => Ok(all("subscription", &self.subscribed, |name| {
                let arn = scope.queue_arn(name);
                listed.live.iter().any(|subscription| subscription.queue_arn == arn)
            })),
            Seen::Missing(what) => Ok(Seen::Missing(what)),
        };
        until_shown(on_wait, look).await
    }
}

/// Whether it was created, or tagged for the stack.
fn is_new(change: &Change) -> bool {
    match change {
        Change::Created => true,
        Change::Changed(settings) => settings.iter().any(|one| one.setting == STACK_TAG),
        Change::Kept => false,
    }
}

/// Names the resource that does not show, or counts several.
fn all(kind: &str, wanted: &[String], shows: impl Fn(&str) -> bool) -> Seen<()> {
    let missing: Vec<_> = wanted.iter().filter(|name| !shows(name)).collect();
    match missing.as_slice() {
        [] => Seen::Shown(()),
        [one] => Seen::Missing(format!("{kind} {one}")),
        several => Seen::Missing(format!("{} {kind}s", several.len())),
    }
}

async fn topic_shows(aws: &Aws, scope: &ArnScope, on_wait: OnWait<'_>) -> Result<()> {
    let what = format!("topic {}", aws.names.topic());
    let look = async || {
        let found = topic::look(aws, Some(scope)).await?;
        let found = found.filter(|found| is_ours(&found.tags, &aws.names));
        Ok(found.map_or_else(|| Seen::Missing(what.clone()), |_| Seen::Shown(())))
    };
    until_shown(on_wait, look).await
}

async fn queue_shows(aws: &Aws, name: &str, on_wait: OnWait<'_>) -> Result<()> {
    let look = async || {
        let found = queue_state::look(aws, name).await?;
        let is_shown = found.is_some_and(|found| is_ours(&found.tags, &aws.names));
        Ok(if is_shown { Seen::Shown(()) } else { Seen::Missing(format!("queue {name}")) })
    };
    until_shown(on_wait, look).await
}

/// Waits, for up to [`SHOWS_WITHIN`], until a topic no longer lists these subscriptions. A request submitted
/// earlier would wait for their providers.
pub(super) async fn until_unlisted(
    topic: &Topic,
    arns: &[&str],
    on_wait: OnWait<'_>,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let listed = Listed::of(topic).await?.live;
        if !listed.iter().any(|subscription| arns.contains(&subscription.arn.as_str())) {
            return Ok(());
        }
        if began.elapsed() >= SHOWS_WITHIN {
            let (topic, limit) = (name(topic), SHOWS_WITHIN.as_secs());
            return Err(Error::other(format!(
                "{topic} still lists a subscription {limit} s after it was removed"
            ))
            .hint("run the command again in a minute"));
        }
        on_wait(Waiting::Unlisted);
        sleep(LOOK_EVERY).await;
    }
}

/// `topic x`.
fn name(topic: &Topic) -> String {
    format!("topic {}", topic.arn().rsplit(':').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_or_counted() {
        let wanted = ["a", "b", "c"].map(str::to_owned);
        let seen = |shown: &str| all("queue", &wanted, |name| shown.contains(name));
        assert_eq!(seen("abc"), Seen::Shown(()));
        assert_eq!(seen("ac"), Seen::Missing("queue b".to_owned()));
        assert_eq!(seen("c"), Seen::Missing("2 queues".to_owned()));
    }
}
