//! A topic with a queue for each policy, and one for everything.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use rydes::core::filter::FilterScope;

use crate::support::resources::{clients, wait};
use crate::support::stack::Stack;
use crate::support::wait_for;

/// What one `PublishBatch` and one `ReceiveMessage` take.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-batch-api-actions.html>
const BATCH: usize = 10;
/// LocalStack hands copies to a pool of threads. When none has come for so long, none will.
const QUIET: Duration = Duration::from_millis(600);

/// A topic and its queues, gone with this value.
pub struct TestBed {
    stack: Stack,
    /// Of the queue for everything, then of one for each policy.
    queues: Vec<String>,
}

impl Drop for TestBed {
    fn drop(&mut self) {
        let delete = |url: &String| clients().sqs.delete_queue().queue_url(url).send();
        let topic = clients().sns.delete_topic().topic_arn(self.topic()).send();
        _ = wait(futures_util::future::join(join_all(self.queues.iter().map(delete)), topic));
    }
}

impl TestBed {
    /// A topic with subscriptions of these policies.
    pub fn with(policies: &[(FilterScope, String)]) -> Self {
        let mut field = Self::empty();
        let subscribe = |(number, (scope, policy)): (usize, &(FilterScope, String))| {
            field.subscribe(number + 1, Some((*scope, policy.clone())))
        };
        let made = wait(join_all(policies.iter().enumerate().map(subscribe)));
        let urls = made.into_iter().map(|url| url.expect("LocalStack takes the policy"));
        let urls: Vec<_> = urls.collect();
        field.queues.extend(urls);
        field
    }

    /// A topic with the queue for everything.
    pub fn empty() -> Self {
        let stack = Stack::new();
        let topic = clients().sns.create_topic().name(stack.full("RequestForQuotesTopic"));
        wait(topic.send()).expect("the topic is made");
        let mut field = Self { stack, queues: Vec::new() };
        field.queues.push(wait(field.subscribe(0, None)).expect("it is subscribed"));
        field
    }

    /// Subscribes another queue.
    ///
    /// # Errors
    /// What LocalStack says of the policy that it refuses.
    pub fn add(&mut self, scope: FilterScope, policy: &str) -> Result<(), String> {
        let number = self.queues.len();
        let url = wait(self.subscribe(number, Some((scope, policy.to_owned()))))?;
        self.queues.push(url);
        Ok(())
    }

    async fn subscribe(
        &self,
        number: usize,
        filter: Option<(FilterScope, String)>,
    ) -> Result<String, String> {
        let name = format!("q{number}");
        let create = clients().sqs.create_queue().queue_name(self.stack.full(&name)).send();
        let url = create.await.expect("the queue is made").queue_url.expect("a URL");
        let subscribe = clients().sns.subscribe().topic_arn(self.topic());
        let subscribe = subscribe.protocol("sqs").endpoint(self.stack.queue_arn(&name));
        let mut subscribe = subscribe.attributes("RawMessageDelivery", "true");
        if let Some((scope, policy)) = filter {
            subscribe = subscribe.attributes("FilterPolicyScope", scope.word());
            subscribe = subscribe.attributes("FilterPolicy", policy);
        }
        match subscribe.send().await {
            Ok(_) => Ok(url),
            Err(error) => {
                clients().sqs.delete_queue().queue_url(url).send().await.expect("it is deleted");
                Err(error.message().unwrap_or_default().to_owned())
            }
        }
    }

    /// The ARN of the topic.
    pub fn topic(&self) -> String {
        self.stack.topic_arn()
    }

    /// Publishes these bodies.
    pub fn publish(&self, bodies: &[String]) {
        let publish = |bodies: &[String]| {
            let entries = bodies.iter().enumerate().map(|(id, body)| {
                let entry = PublishBatchRequestEntry::builder().id(id.to_string()).message(body);
                entry.build().expect("an entry")
            });
            let call = clients().sns.publish_batch().topic_arn(self.topic());
            call.set_publish_batch_request_entries(Some(entries.collect())).send()
        };
        for published in wait(join_all(bodies.chunks(BATCH).map(publish))) {
            let failed = published.expect("they are published").failed.unwrap_or_default();
            assert!(failed.is_empty(), "{failed:?}");
        }
    }

    /// The bodies in each policy's queue, when the queue for everything has so many and no more come.
    pub fn arrived(&self, published: usize) -> Vec<BTreeSet<String>> {
        let mut before = Vec::new();
        wait_for("all copies", || {
            thread::sleep(QUIET);
            let now = wait(join_all(self.queues.iter().map(|url| depth(url))));
            let is_done = now == before && now[0] == published;
            before = now;
            is_done.then_some(())
        });
        let drained = self.queues.iter().zip(before).skip(1);
        wait(join_all(drained.map(|(url, depth)| drained_of(url, depth))))
    }
}

/// How many messages a queue has.
async fn depth(url: &str) -> usize {
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let call = clients().sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let attributes = call.send().await.expect("the queue is there").attributes;
    attributes.expect("attributes")[&name].parse().expect("a number")
}

/// All messages of a queue that has so many, each once.
async fn drained_of(url: &str, depth: usize) -> BTreeSet<String> {
    let mut bodies = BTreeMap::new();
    while bodies.len() < depth {
        let call = clients().sqs.receive_message().queue_url(url).visibility_timeout(600);
        let received = call.max_number_of_messages(10).send().await.expect("the queue answers");
        for message in received.messages.unwrap_or_default() {
            bodies.insert(message.message_id.expect("an id"), message.body.expect("a body"));
        }
    }
    let count = bodies.len();
    let bodies: BTreeSet<_> = bodies.into_values().collect();
    assert_eq!(bodies.len(), count, "every copy comes once");
    bodies
}
