//! Removes providers. It unsubscribes them first, then counts their queues for as long as counts may lag behind,
//! so that it deletes no queue with requests that a count did not show yet.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::count_lag;
use super::late::look_at_queue;
use super::made::until_unlisted;
use super::setup::scope_of;
use super::subscriptions::Listed;
use super::{CONCURRENCY, OnWait, Untagged, Waiting, check_owner};
use crate::aws::{Aws, Queue, is_not_found};
use crate::core::{CLOUDFORMATION_TAG, ProviderName};
use crate::error::{Error, Kind, Result};

/// A queue is counted at least this often while its count may lag behind.
const COUNTS: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Unsubscribed; its queue was deleted, with this many requests in it.
    Gone(u64),
    /// Unsubscribed; its queue was kept, with this many requests in it.
    Kept(u64),
    Nothing,
}

/// What to do with the requests that a removed provider's queue still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenRequests {
    /// Keep the queue.
    Keep,
    /// Delete the queue and lose them.
    Lose,
}

/// Unsubscribes providers and deletes their queues: all at once with [`OpenRequests::Lose`], else those that stay
/// empty while counts may lag behind. Returns what became of each, in order.
///
/// # Errors
/// Not set up when there is no stack; when a queue lacks the stack's tag, before anything is changed.
pub async fn remove(
    aws: &Aws,
    names: &[ProviderName],
    requests: OpenRequests,
    on_wait: OnWait<'_>,
) -> Result<Vec<Removed>> {
    let beside = &aws.queue(aws.names.response_queue()).await?;
    let scope = scope_of(beside).await?;
    let urls: Vec<Option<String>> = stream::iter(names)
        .map(|name| find(aws, name, on_wait))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let topic = aws.topic_at(scope.topic_arn(&aws.names.topic()));
    let subscriptions = Listed::of(&topic).await?.live;
    let (mut left, mut ended) = (Vec::new(), Vec::new());
    for name in names {
        let queue_arn = scope.queue_arn(&aws.names.provider_queue(name));
        let own: Vec<_> = subscriptions.iter().filter(|s| s.queue_arn == queue_arn).collect();
        for subscription in &own {
            let call = aws.clients.sns.unsubscribe().subscription_arn(&subscription.arn);
            let gone = call.send().await;
            gone.map_err(|error| aws.error(&format!("unsubscribing {name}"), &error))?;
            ended.push(subscription.arn.as_str());
        }
        left.push(!own.is_empty());
    }
    if !ended.is_empty() {
        until_unlisted(&topic, &ended, on_wait).await?;
    }
    // From here on no new request arrives.
    let there = names.iter().zip(&urls).filter(|(_, url)| url.is_some());
    let there = there.map(|(name, _)| beside.sibling(aws.names.provider_queue(name))).collect();
    let lag = match requests {
        OpenRequests::Keep => count_lag(aws),
        OpenRequests::Lose => Duration::ZERO,
    };
    let count = async |queue: &Queue| match queue.counts().await {
        Ok(counts) => Ok(counts.total()),
        // It was deleted meanwhile.
        Err(error) if error.kind() == Kind::NotSetUp => Ok(0),
        Err(error) => Err(error),
    };
    let mut counts = settled(there, lag, count, on_wait).await?.into_iter();
    let mut removed = Vec::new();
    for ((name, url), has_left) in names.iter().zip(&urls).zip(left) {
        removed.push(match url {
            None if has_left => Removed::Gone(0),
            None => Removed::Nothing,
            Some(url) => match counts.next().unwrap_or_default() {
                held if held > 0 && requests == OpenRequests::Keep => Removed::Kept(held),
                held => delete(aws, name, url, held).await?,
            },
        });
    }
    Ok(removed)
}

async fn find(aws: &Aws, name: &ProviderName, on_wait: OnWait<'_>) -> Result<Option<String>> {
    let queue = aws.names.provider_queue(name);
    let found = look_at_queue(aws, &queue, Untagged::Refuse, on_wait).await?;
    let Some(found) = found else { return Ok(None) };
    check_owner(aws, &format!("queue {queue}"), &found.tags, Untagged::Refuse)?;
    if let Some(stack) = found.tags.get(CLOUDFORMATION_TAG) {
        let message =
            format!("queue {queue} belongs to CloudFormation stack `{stack}`; it was left alone");
        return Err(Error::other(message)
            .hint("take the provider out of that stack's template, then update the stack"));
    }
    Ok(Some(found.url))
}

async fn delete(aws: &Aws, name: &ProviderName, url: &str, held: u64) -> Result<Removed> {
    match aws.clients.sqs.delete_queue().queue_url(url).send().await {
        Ok(_) => Ok(Removed::Gone(held)),
        Err(error) if is_not_found(&error) => Ok(Removed::Gone(0)),
        Err(error) => {
            let queue = aws.names.provider_queue(name);
            Err(aws.error(&format!("deleting queue {queue}"), &error))
        }
    }
}

/// What each queue holds, in order: its first count above 0, or 0 if all counts are 0, the last of them taken
/// after `lag`. Without a lag each queue is counted once.
async fn settled<Q>(
    queues: Vec<Q>,
    lag: Duration,
    count: impl AsyncFn(&Q) -> Result<u64>,
    on_wait: OnWait<'_>,
) -> Result<Vec<u64>> {
    let began = Instant::now();
    let mut held = vec![0; queues.len()];
    loop {
        let is_last = began.elapsed() >= lag;
        let empty: Vec<usize> = (0..queues.len()).filter(|&at| held[at] == 0).collect();
        let counted: Vec<(usize, u64)> = stream::iter(empty)
            .map(|at| {
                let counted = count(&queues[at]);
                async move { Ok::<_, Error>((at, counted.await?)) }
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        for (at, count) in counted {
            held[at] = count;
        }
        if is_last || !held.contains(&0) {
            return Ok(held);
        }
        let left = lag.saturating_sub(began.elapsed());
        on_wait(Waiting::Counts(left));
        sleep(left.min(lag / COUNTS)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Mutex;

    use super::*;

    const LAG: Duration = Duration::from_mins(1);

    /// Counts queues that show these counts from these seconds on. Returns what each holds, how often it was
    /// counted, and the reported seconds left.
    async fn counted(queues: &[&[(u64, u64)]], lag: Duration) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
        let began = Instant::now();
        let looks = RefCell::new(vec![0; queues.len()]);
        let told = Mutex::new(Vec::new());
        let count = async |&at: &usize| {
            looks.borrow_mut()[at] += 1;
            let now = began.elapsed().as_secs();
            let shown = queues[at].iter().rev().find(|(since, _)| *since <= now);
            Ok(shown.map_or(0, |(_, count)| *count))
        };
        let on_wait = |waiting| {
            let Waiting::Counts(left) = waiting else { panic!("{waiting:?}") };
            told.lock().expect("not poisoned").push(left.as_secs());
        };
        let all = (0..queues.len()).collect();
        let held = settled(all, lag, count, &on_wait).await.expect("it counts");
        (held, looks.into_inner(), told.into_inner().expect("not poisoned"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_empty_when_it_stays_so_for_as_long_as_counts_lag() {
        let began = Instant::now();
        let (held, looks, told) = counted(&[&[]], LAG).await;
        assert_eq!((held, looks, told), (vec![0], vec![5], vec![60, 45, 30, 15]));
        assert!(began.elapsed() >= LAG, "the last count comes after the lag");
    }

    #[tokio::test(start_paused = true)]
    async fn what_turns_up_later_is_found_and_not_waited_for_any_longer() {
        for (since, looks) in [(0, 1), (1, 2), (44, 4), (46, 5), (60, 5)] {
            let counted = counted(&[&[(since, 3)]], LAG).await;
            assert_eq!((counted.0, counted.1), (vec![3], vec![looks]), "{since}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_several_is_counted_until_it_is_known() {
        let (held, looks, _) = counted(&[&[(0, 2)], &[], &[(20, 1), (40, 0)]], LAG).await;
        assert_eq!(held, [2, 0, 1]);
        assert_eq!(looks, [1, 5, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_lag_nothing_is_waited_for() {
        let began = Instant::now();
        let (held, looks, told) = counted(&[&[(0, 2)], &[]], Duration::ZERO).await;
        assert_eq!((held, looks, told), (vec![2, 0], vec![1, 1], vec![]));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(counted(&[], LAG).await.0, Vec::<u64>::new());
        assert_eq!(began.elapsed(), Duration::ZERO, "and nothing where there is no queue");
    }
}
