//! The resources of a stack as the services show them.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{TableDescription, TimeToLiveDescription};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::Builder;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::PATIENCE;
use super::localstack::endpoint;
use super::stack::Stack;

/// Where all tests work unless they say otherwise.
const PLACE: &str = "us-east-1:000000000000";

/// The clients that look behind the program's back.
pub struct Clients {
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
}

/// A queue that exists.
#[derive(Debug)]
pub struct Queue {
    pub attributes: HashMap<String, String>,
    pub tags: HashMap<String, String>,
}

/// The names of everything that begins with a stack's prefix.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Names {
    pub topics: Vec<String>,
    pub queues: Vec<String>,
    pub tables: Vec<String>,
}

/// Waits for a request of the clients.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts")).block_on(work)
}

/// The clients of this process.
pub fn clients() -> &'static Clients {
    static CLIENTS: OnceLock<Clients> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let credentials = Credentials::new("test", "test", None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint())
            .http_client(Builder::new().build_http())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
            .build();
        Clients {
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
        }
    })
}

impl Stack {
    /// The ARN of a queue.
    pub fn queue_arn(&self, what: &str) -> String {
        format!("arn:aws:sqs:{PLACE}:{}", self.full(what))
    }

    /// The ARN of the topic.
    pub fn topic_arn(&self) -> String {
        format!("arn:aws:sns:{PLACE}:{}", self.full("RequestForQuotesTopic"))
    }

    /// The ARN of the table.
    pub fn table_arn(&self) -> String {
        format!("arn:aws:dynamodb:{PLACE}:table/{}", self.full("RidesBookingTable"))
    }

    /// The URL of a queue that exists.
    pub fn queue_url(&self, what: &str) -> String {
        let found = wait(clients().sqs.get_queue_url().queue_name(self.full(what)).send());
        found.expect("the queue is there").queue_url.expect("a queue has a URL")
    }

    /// A queue that exists.
    pub fn queue(&self, what: &str) -> Queue {
        let url = self.queue_url(what);
        let sqs = &clients().sqs;
        let call = sqs.get_queue_attributes().queue_url(&url);
        let found = wait(call.attribute_names(QueueAttributeName::All).send()).expect("attributes");
        let attributes = found.attributes.unwrap_or_default();
        let attributes =
            attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value));
        let tags = wait(sqs.list_queue_tags().queue_url(url).send()).expect("tags").tags;
        Queue { attributes: attributes.collect(), tags: tags.unwrap_or_default() }
    }

    /// Makes a queue that is nobody's.
    pub fn make_queue(&self, what: &str) {
        wait(clients().sqs.create_queue().queue_name(self.full(what)).send()).expect("it is made");
    }

    /// Sets an attribute of a queue.
    pub fn set(&self, what: &str, name: QueueAttributeName, value: &str) {
        let call = clients().sqs.set_queue_attributes().queue_url(self.queue_url(what));
        wait(call.attributes(name, value).send()).expect("it is set");
    }

    /// The queues that are subscribed to the topic, and the ARNs of their subscriptions.
    pub fn subscriptions(&self) -> HashMap<String, String> {
        let call = clients().sns.list_subscriptions_by_topic().topic_arn(self.topic_arn());
        let pages = wait(call.into_paginator().items().send().collect::<Result<Vec<_>, _>>());
        let subscriptions = pages.expect("the topic is there").into_iter();
        subscriptions
            .map(|found| {
                let (endpoint, arn) = (found.endpoint, found.subscription_arn);
                let queue = endpoint.expect("a queue").rsplit(':').next().map(str::to_owned);
                (queue.expect("a name"), arn.expect("an ARN"))
            })
            .collect()
    }

    /// The attributes of a queue's subscription.
    pub fn subscription(&self, what: &str) -> HashMap<String, String> {
        let arn = self.subscriptions().remove(&self.full(what)).expect("it is subscribed");
        let found = clients().sns.get_subscription_attributes().subscription_arn(arn).send();
        wait(found).expect("attributes").attributes.unwrap_or_default()
    }

    /// The tags of the topic.
    pub fn topic_tags(&self) -> HashMap<String, String> {
        let found = clients().sns.list_tags_for_resource().resource_arn(self.topic_arn()).send();
        let tags = wait(found).expect("tags").tags.unwrap_or_default();
        tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    /// The tags of the table.
    pub fn table_tags(&self) -> HashMap<String, String> {
        let found = clients().dynamodb.list_tags_of_resource().resource_arn(self.table_arn());
        let tags = wait(found.send()).expect("tags").tags.unwrap_or_default();
        tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    /// The table.
    pub fn table(&self) -> TableDescription {
        let name = self.full("RidesBookingTable");
        let found = wait(clients().dynamodb.describe_table().table_name(name).send());
        found.expect("the table is there").table.expect("it is described")
    }

    /// What the table says of the time its rows live.
    pub fn time_to_live(&self) -> TimeToLiveDescription {
        let name = self.full("RidesBookingTable");
        let found = wait(clients().dynamodb.describe_time_to_live().table_name(name).send());
        found.expect("it is described").time_to_live_description.expect("there is one")
    }

    /// All that there is, tagged or not.
    pub fn names(&self) -> Names {
        let prefix = self.full("");
        let queues = clients().sqs.list_queues().queue_name_prefix(&prefix).into_paginator();
        let queues = wait(queues.items().send().collect::<Result<Vec<_>, _>>()).expect("a list");
        let topics = clients().sns.list_topics().into_paginator().items().send();
        let topics = wait(topics.collect::<Result<Vec<_>, _>>()).expect("a list");
        let topics = topics.into_iter().filter_map(|topic| topic.topic_arn);
        let tables = clients().dynamodb.list_tables().into_paginator().items().send();
        let tables = wait(tables.collect::<Result<Vec<_>, _>>()).expect("a list");
        let ours = |names: &mut dyn Iterator<Item = String>| {
            let last = |name: String| name.rsplit(['/', ':']).next().map(str::to_owned);
            let mut names: Vec<_> =
                names.filter_map(last).filter(|name| name.starts_with(&prefix)).collect();
            names.sort();
            names
        };
        Names {
            topics: ours(&mut topics.into_iter()),
            queues: ours(&mut queues.into_iter()),
            tables: ours(&mut tables.into_iter()),
        }
    }
}

impl Queue {
    /// An attribute; empty when it is not set.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// An attribute that is JSON; null when it is not set.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.get(name)).unwrap_or_default()
    }
}
