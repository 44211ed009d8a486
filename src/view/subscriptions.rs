//! Notes about subscriptions: filters, envelopes, and those that receive nothing.

use serde_json::{Value, json};

use super::table::{cut, cut_middle};
use crate::aws::NonQueueSubscriber;
use crate::core::filter::FilterScope;
use crate::core::text::printable;
use crate::stack::{Filter, Inactive, Inactivity, Subscriber, Subscribers, SubscriptionDelivery};

/// The longest policy that is shown; JSON has all of it.
const LONGEST_POLICY: usize = 200;
const LONGEST_ENDPOINT: usize = 120;

/// A sentence for each subscription that does not deliver every request unchanged to a queue. `setup` is the command
/// that turns raw delivery on.
pub fn sentences(subscribers: &Subscribers, setup: Option<&str>) -> Vec<String> {
    let live = subscribers.live.iter().flat_map(|subscriber| of_live(subscriber, setup));
    let inactive = subscribers.inactive.iter().map(|inactive| {
        let who = printable(inactive.responder.as_str());
        format!("{who} receives nothing: its subscription {}", state(inactive))
    });
    let others = subscribers.non_queues.iter().map(|other| {
        let (protocol, endpoint) = (printable(&other.protocol), printable(&other.endpoint));
        let endpoint = cut_middle(&endpoint, LONGEST_ENDPOINT);
        format!("{protocol} {endpoint}: subscribed, but not a queue; it is not expected to answer")
    });
    live.chain(inactive).chain(others).collect()
}

/// Says how submissions learn of filters that were set by hand, if they do not know of them yet.
pub fn unmarked(subscribers: &Subscribers, setup: &str) -> Option<String> {
    let sentence = format!(
        "submissions ignore these filters and wait for excluded providers; run `{setup}` to mark the topic"
    );
    subscribers.is_unmarked.then_some(sentence)
}

fn of_live(subscriber: &Subscriber, setup: Option<&str>) -> Vec<String> {
    let Some(delivery) = &subscriber.delivery else { return Vec::new() };
    let who = printable(subscriber.responder.as_str());
    let mut all = Vec::new();
    if let Some(filter) = &delivery.filter {
        all.push(format!("{who}: its subscription has a {}", shown(filter)));
    }
    if !delivery.is_raw {
        let what = match setup.filter(|_| subscriber.name.is_some()) {
            Some(setup) => format!("`{setup}` turns it on"),
            None => "it receives SNS envelopes".to_owned(),
        };
        all.push(format!("{who}: raw delivery is off; {what}"));
    }
    all
}

/// A sentence for each subscription that cannot be unsubscribed: it disappears with the topic.
pub fn going(inactive: &[Inactive]) -> Vec<String> {
    let sentence = |inactive: &Inactive| {
        let who = printable(inactive.responder.as_str());
        format!("{who}: its subscription {}; it goes with the topic", state(inactive))
    };
    inactive.iter().map(sentence).collect()
}

fn state(inactive: &Inactive) -> &'static str {
    match inactive.state {
        Inactivity::Pending => "is not confirmed",
        Inactivity::Deleted => "was deleted",
    }
}

/// The filter of a subscription, for a column; empty without one.
pub fn note(delivery: Option<&SubscriptionDelivery>) -> String {
    delivery.and_then(|delivery| delivery.filter.as_ref()).map(shown).unwrap_or_default()
}

/// `filter on the body: {"customer":["gold"]}`.
fn shown(filter: &Filter) -> String {
    let scope = match filter.scope {
        FilterScope::MessageAttributes => "attributes",
        FilterScope::MessageBody => "the body",
    };
    format!("filter on {scope}: {}", cut(&printable(&filter.policy), LONGEST_POLICY))
}

/// Adds the delivery settings of a subscription to a document; all null if they may not be read.
pub fn add_delivery(document: &mut Value, delivery: Option<&SubscriptionDelivery>) {
    let filter = delivery.and_then(|delivery| delivery.filter.as_ref());
    document["filter-policy"] = json!(filter.map(|filter| &filter.policy));
    document["filter-policy-scope"] = json!(filter.map(|filter| filter.scope.word()));
    document["raw-delivery"] = json!(delivery.map(|delivery| delivery.is_raw));
}

/// The live subscriptions that have a filter, for a document.
pub fn filters(subscribers: &Subscribers) -> Value {
    let filters = subscribers.live.iter().filter_map(|subscriber| {
        let filter = subscriber.delivery.as_ref()?.filter.as_ref()?;
        Some(json!({
            "responder": subscriber.responder.as_str(),
            "queue-arn": subscriber.queue_arn,
            "filter-policy": filter.policy,
            "filter-policy-scope": filter.scope.word(),
        }))
    });
    filters.collect()
}

/// The subscriptions that receive nothing, for a document.
pub fn inactive(inactive: &[Inactive]) -> Value {
    let one = |inactive: &Inactive| {
        json!({
            "responder": inactive.responder.as_str(),
            "queue-arn": inactive.queue_arn,
            "state": inactive.state.word(),
        })
    };
    inactive.iter().map(one).collect()
}

/// The subscribers that are no queues, for a document.
pub fn non_queues(subscribers: &[NonQueueSubscriber]) -> Value {
    subscribers
        .iter()
        .map(|other| json!({"protocol": other.protocol, "endpoint": other.endpoint}))
        .collect()
}
