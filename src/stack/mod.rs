//! Makes, compares and removes the resources of a stack (contract, section 2).
//!
//! Each resource is looked at first, then created, changed or kept: AWS refuses to create one that exists with
//! other attributes. The next run completes an interrupted one.

mod bindings;
mod change;
mod checkup;
mod depths;
mod description;
mod late;
mod listing;
mod made;
mod others;
mod policies;
mod provider_kind;
mod queue;
mod queue_state;
mod recipients;
mod register;
mod removal;
mod setup;
mod spec;
mod subscriptions;
mod table;
mod teardown;
mod template;
mod topic;
mod topic_tags;
mod unasked;

use std::collections::HashMap;
use std::time::Duration;

pub use bindings::{ConsumerRules, read_binding_state};
pub use change::{Change, Difference, Mode, Untagged};
pub use checkup::{Capacity, Checkup, TableTrouble, checkup};
pub use depths::{
    Backlog, Depths, all_depths, count_lag, depths, depths_and_subscribers, is_simulated,
};
pub use listing::{StackList, StackSummary, stack_names, stacks};
pub use provider_kind::ProviderKind;
pub use recipients::{Audience, Recipients};
pub use register::{
    AddRequest, Added, Binding, Registered, add, provider_kind, register, register_in_full,
};
pub use removal::{OpenRequests, Removed, remove};
pub use setup::{SetupReport, SetupRequest, setup};
pub use subscriptions::{
    Filter, Inactive, Inactivity, Subscriber, Subscribers, SubscriptionDelivery, filters_of,
    is_marked, subscribed,
};
pub use teardown::{Inventory, find, inventory, teardown};
pub use template::cloudformation;
pub use topic_tags::TopicTags;
pub use unasked::UnaskedProvider;

use crate::aws::{Aws, CONCURRENCY, Remedy};
use crate::core::{Names, STACK_TAG};
use crate::error::{Error, Result};

/// Something that takes time while resources are made or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// SQS still holds the name of a deleted queue, for at most this long.
    QueueName(String, Duration),
    /// A table is still being deleted, created or changed.
    Table(String),
    /// This resource was made by this run and does not show yet.
    Shows(String),
    /// Only part of a stack shows: the rest may have been made a moment ago.
    Trace,
    /// A subscription was removed and is still listed.
    Unlisted,
    /// This many resources still show after they were deleted.
    Gone(usize),
    /// Queue counts may still lag behind, for at most this long.
    Counts(Duration),
}

pub type OnWait<'a> = &'a (dyn Fn(Waiting) + Send + Sync);

/// Partition, region and account: what ARNs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ArnScope {
    partition: String,
    region: String,
    account: String,
}

impl ArnScope {
    fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':').skip(1).map(str::to_owned);
        let (partition, _service) = (parts.next()?, parts.next()?);
        Some(Self { partition, region: parts.next()?, account: parts.next()? })
    }

    /// `None` if the account is unknown.
    fn known(aws: &Aws) -> Option<Self> {
        Some(Self {
            partition: aws.partition.clone(),
            region: aws.region.clone(),
            account: aws.account.clone()?,
        })
    }

    fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    fn topic_arn(&self, name: &str) -> String {
        self.arn("sns", name)
    }

    fn arn(&self, service: &str, name: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{name}", self.partition, self.region, self.account)
    }
}

/// The tag of each resource.
fn stack_tag(names: &Names) -> HashMap<String, String> {
    HashMap::from([(STACK_TAG.to_owned(), names.stack().as_str().to_owned())])
}

fn is_ours(tags: &HashMap<String, String>, names: &Names) -> bool {
    tags.get(STACK_TAG).is_some_and(|stack| stack == names.stack().as_str())
}

/// Fails for a resource that lacks the stack's tag, unless it is to be adopted.
fn check_owner(
    aws: &Aws,
    what: &str,
    tags: &HashMap<String, String>,
    untagged: Untagged,
) -> Result<()> {
    match (is_ours(tags, &aws.names), untagged) {
        (true, _) | (false, Untagged::Adopt) => Ok(()),
        (false, Untagged::Refuse) => Err(Error::other(format!(
            "{what} exists, but lacks the tag {STACK_TAG} = {}; it was left alone",
            aws.names.stack()
        ))
        .hint(aws.remedy(Remedy::Adopt))),
    }
}
