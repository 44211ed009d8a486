//! The provider queues of a stack that `setup` was not asked for: real providers, and simulated ones beyond the wanted
//! number. Only a check looks at them; it reads.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::provider_kind::ProviderKind;
use super::queue_state::{self, QueueState};
use super::spec::QueueSpec;
use super::{ArnScope, CONCURRENCY, Change, is_ours};
use crate::aws::{Aws, Subscription};
use crate::core::ProviderName;
use crate::error::{Error, Result};

/// A provider that `setup` was not asked for, compared with what `providers add` makes.
#[derive(Debug, Clone)]
pub struct UnaskedProvider {
    pub name: ProviderName,
    pub kind: ProviderKind,
    /// The name of its queue.
    pub queue: String,
    pub queue_change: Change,
    pub subscription_change: Change,
}

impl UnaskedProvider {
    /// Whether it is not as described.
    pub fn differs(&self) -> bool {
        [&self.queue_change, &self.subscription_change].iter().any(|one| **one != Change::Kept)
    }
}

/// Looks at each provider queue with the stack's tag, and at each subscription of a queue with a provider's name. A
/// subscription may lack its queue, and a queue its subscription.
pub(super) async fn check(
    aws: &Aws,
    scope: &ArnScope,
    asked: &[(ProviderName, QueueSpec)],
    listed: &[Subscription],
) -> Result<Vec<UnaskedProvider>> {
    let own = |queue: &str| aws.names.provider(queue);
    let is_here = |one: &&Subscription| one.queue_arn == scope.queue_arn(one.queue());
    let subscribed: BTreeSet<_> =
        listed.iter().filter(is_here).filter_map(|one| own(one.queue())).collect();
    let urls = queue_state::list(aws).await?;
    let mut names: BTreeSet<_> =
        urls.iter().filter_map(|url| own(queue_state::name_of(url))).collect();
    names.extend(subscribed.iter().cloned());
    names.retain(|name| asked.iter().all(|(other, _)| other != name));
    let checked = stream::iter(names).map(|name| {
        let is_subscribed = subscribed.contains(&name);
        async move {
            let queue = aws.names.provider_queue(&name);
            let found = queue_state::look(aws, &queue).await?;
            // A queue of the right name without the stack's tag belongs to another owner.
            if found.as_ref().is_some_and(|found| !is_ours(&found.tags, &aws.names)) {
                return Ok(None);
            }
            let has_number = name.number().is_some();
            let kind =
                ProviderKind::of(found.as_ref().map_or(has_number, QueueState::is_simulated));
            let spec = QueueSpec::provider(&aws.names, scope, &name, kind.word());
            let queue_change = found.as_ref().map_or(Change::Created, |found| {
                spec.change(found, &spec.attributes_to_set(found), &spec.missing_tags(found))
            });
            let subscription_change = if is_subscribed { Change::Kept } else { Change::Created };
            Ok::<_, Error>(Some(UnaskedProvider {
                name,
                kind,
                queue,
                queue_change,
                subscription_change,
            }))
        }
    });
    let checked: Vec<_> = checked.buffered(CONCURRENCY).try_collect().await?;
    Ok(checked.into_iter().flatten().collect())
}
