//! What a stack consists of: names, settings, policies and tags (contract, section 2). `setup` makes it, `setup
//! --check` compares with it, and the template prints it. Pure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::KeyType;
use serde_json::json;

use super::spec::QueueSpec;
use super::{ArnScope, Filter, stack_tag};
use crate::core::{Names, ProviderName, Retention};

/// All resources of a stack.
pub(super) struct StackDescription {
    pub(super) topic: TopicSpec,
    pub(super) provider_dead_letters: QueueSpec,
    pub(super) response_dead_letters: QueueSpec,
    pub(super) response: QueueSpec,
    /// The queues of the simulated providers.
    pub(super) providers: Vec<(ProviderName, QueueSpec)>,
    pub(super) subscription: SubscriptionSpec,
    pub(super) table: TableSpec,
}

impl StackDescription {
    /// The description of a stack with these simulated providers.
    pub(super) fn of(
        names: &Names,
        scope: &ArnScope,
        providers: impl Iterator<Item = ProviderName>,
        retention: Retention,
    ) -> Self {
        let of_provider = |name: ProviderName| {
            let spec = QueueSpec::provider(names, scope, &name, "simulated");
            (name, spec)
        };
        Self {
            topic: TopicSpec::of(names, retention),
            provider_dead_letters: QueueSpec::provider_dead_letters(names, scope, retention),
            response_dead_letters: QueueSpec::response_dead_letters(names, retention),
            response: QueueSpec::response(names, scope),
            providers: providers.map(of_provider).collect(),
            subscription: SubscriptionSpec::of(names, scope, None),
            table: TableSpec::of(names),
        }
    }
}

/// The topic that requests are published to.
#[derive(Debug, Clone)]
pub(super) struct TopicSpec {
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
}

impl TopicSpec {
    /// The tags include the retention where it is not the default.
    fn of(names: &Names, retention: Retention) -> Self {
        let tags = stack_tag(names).into_iter();
        let kept = retention.tags().map(|(name, days)| (name.to_owned(), days));
        Self { name: names.topic(), tags: tags.chain(kept).collect() }
    }
}

/// The subscription of a provider's queue.
#[derive(Debug, Clone)]
pub(super) struct SubscriptionSpec {
    /// In the order in which SNS takes them.
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl SubscriptionSpec {
    /// Raw delivery, and a redrive policy of its own. With a filter, also its scope and then its policy. A policy
    /// without keys has no scope.
    pub(super) fn of(names: &Names, scope: &ArnScope, filter: Option<&Filter>) -> Self {
        let dead_letters = scope.queue_arn(&names.provider_dead_letters());
        let redrive = json!({"deadLetterTargetArn": dead_letters}).to_string();
        let mut attributes =
            vec![("RawMessageDelivery", "true".to_owned()), ("RedrivePolicy", redrive)];
        if let Some(filter) = filter {
            if !filter.is_empty() {
                attributes.push(("FilterPolicyScope", filter.scope.word().to_owned()));
            }
            attributes.push((FILTER_POLICY, filter.policy.clone()));
        }
        Self { attributes }
    }
}

/// The attribute of a subscription that holds its policy.
pub(super) const FILTER_POLICY: &str = "FilterPolicy";

/// The table of requests and answers, on demand.
#[derive(Debug, Clone)]
pub(super) struct TableSpec {
    pub(super) name: String,
    /// The RFQ, then who answered.
    pub(super) keys: [(&'static str, KeyType); 2],
    /// The attribute with the time after which DynamoDB may delete a row.
    pub(super) expires: &'static str,
    pub(super) tags: HashMap<String, String>,
}

impl TableSpec {
    pub(super) fn of(names: &Names) -> Self {
        Self {
            name: names.table(),
            keys: [("id", KeyType::Hash), ("responder", KeyType::Range)],
            expires: "expires-at",
            tags: stack_tag(names),
        }
    }
}
