//! Subscriptions that `setup` was not asked for. It reads how they deliver, and switches raw delivery and redrive on
//! again where the queue belongs to the stack.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::SubscriptionDelivery;
use super::queue_state;
use super::subscriptions::{Subscriber, readable_attributes};
use super::{ArnScope, CONCURRENCY, Change, Mode, is_ours, topic};
use crate::aws::Aws;
use crate::aws::{Subscription, Topic};
use crate::error::{Error, Result};

/// A subscription as it is now; if it was changed, with its queue's name and the change.
pub(super) type OtherSubscription = (Subscriber, Option<(String, Change)>);

/// Looks at each subscription once; mends those of the stack's own queues that deliver envelopes or lose copies.
pub(super) async fn look(
    aws: &Aws,
    scope: &ArnScope,
    topic: &Topic,
    others: Vec<&Subscription>,
    mode: Mode,
) -> Result<Vec<OtherSubscription>> {
    let seen = stream::iter(others).map(|other| async move {
        let Some(attributes) = readable_attributes(topic, other).await? else {
            return Ok::<_, Error>((Subscriber::of(&topic.aws.names, other, None), None));
        };
        let mut delivery = SubscriptionDelivery::of(&attributes);
        let mut changed = None;
        let is_whole = delivery.is_raw && delivery.has_redrive;
        if !is_whole && is_own(aws, scope, other).await? {
            let change = topic::mend(aws, scope, other, &attributes, None, mode).await?;
            changed = Some((other.queue().to_owned(), change));
            (delivery.is_raw, delivery.has_redrive) = (true, true);
        }
        Ok((Subscriber::of(&topic.aws.names, other, Some(delivery)), changed))
    });
    seen.buffered(CONCURRENCY).try_collect().await
}

/// Whether its queue is a provider queue of this stack, by name and by tag.
async fn is_own(aws: &Aws, scope: &ArnScope, subscription: &Subscription) -> Result<bool> {
    let name = subscription.queue();
    if aws.names.provider(name).is_none() || subscription.queue_arn != scope.queue_arn(name) {
        return Ok(false);
    }
    let found = queue_state::look(aws, name).await?;
    Ok(found.is_some_and(|found| is_ours(&found.tags, &aws.names)))
}
