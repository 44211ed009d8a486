//! A stack made past the program, in a fourth of the requests of `rydes setup`, which looks before it
//! makes anything and again afterwards. Most tests begin with one.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::resources::{clients, wait};
use super::stack::{PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider};

type Attributes = HashMap<QueueAttributeName, String>;

impl Stack {
    /// A stack with so many simulated providers, as `rydes setup` makes it.
    pub fn set_up(providers: usize) -> Self {
        let stack = Self::new();
        wait(join(stack.make_table(), stack.make_topic_and_queues(providers)));
        stack
    }

    /// The same with real providers of these names beside.
    pub fn with_real(providers: usize, names: &[&str]) -> Self {
        let stack = Self::set_up(providers);
        wait(join_all(names.iter().map(|name| stack.make_queue_of(name, &[]))));
        stack
    }

    async fn make_topic_and_queues(&self, providers: usize) {
        let tag = aws_sdk_sns::types::Tag::builder().key("rydes:stack").value(&self.name).build();
        let topic = clients().sns.create_topic().name(self.full("RequestForQuotesTopic"));
        let topic = topic.tags(tag.expect("a tag")).send();
        let retention = (14 * 24 * 60 * 60).to_string();
        let kept = Attributes::from([(QueueAttributeName::MessageRetentionPeriod, retention)]);
        let (topic, (), ()) = futures_util::join!(
            topic,
            self.create_queue(
                PROVIDER_DEAD_LETTERS,
                self.fed_by_topic(PROVIDER_DEAD_LETTERS, kept.clone()),
                &[]
            ),
            self.create_queue(RESPONSE_DEAD_LETTERS, kept, &[]),
        );
        topic.expect("the topic is made");
        let response = self.create_queue(RESPONSES, self.worked(RESPONSE_DEAD_LETTERS), &[]);
        join(response, join_all((1..=providers).map(|number| self.make_provider(number)))).await;
    }

    async fn make_provider(&self, number: usize) {
        self.make_queue_of(&provider(number), &[("rydes:provider", "simulated")]).await;
    }

    /// A provider's queue and its subscription.
    async fn make_queue_of(&self, name: &str, tags: &[(&str, &str)]) {
        let attributes = self.fed_by_topic(name, self.worked(PROVIDER_DEAD_LETTERS));
        self.create_queue(name, attributes, tags).await;
        let redrive = json!({"deadLetterTargetArn": self.queue_arn(PROVIDER_DEAD_LETTERS)});
        let subscribe = clients().sns.subscribe().topic_arn(self.topic_arn()).protocol("sqs");
        let subscribe = subscribe.endpoint(self.queue_arn(name));
        let subscribe = subscribe.attributes("RawMessageDelivery", "true");
        let subscribed = subscribe.attributes("RedrivePolicy", redrive.to_string()).send();
        subscribed.await.expect("the queue is subscribed");
    }

    async fn create_queue(&self, queue: &str, attributes: Attributes, tags: &[(&str, &str)]) {
        let create = clients().sqs.create_queue().queue_name(self.full(queue));
        let create = create.set_attributes(Some(attributes));
        let create = create.attributes(QueueAttributeName::SqsManagedSseEnabled, "true");
        let create = tags.iter().fold(create, |create, (key, value)| create.tags(*key, *value));
        create.tags("rydes:stack", &self.name).send().await.expect("the queue is made");
    }

    /// The attributes of a queue that workers receive from.
    fn worked(&self, dead_letters: &str) -> Attributes {
        let target = self.queue_arn(dead_letters);
        let redrive = json!({"deadLetterTargetArn": target, "maxReceiveCount": 10});
        Attributes::from([
            (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "20".to_owned()),
            (QueueAttributeName::VisibilityTimeout, "30".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ])
    }

    /// These attributes, of a queue that the topic may send to.
    fn fed_by_topic(&self, queue: &str, mut attributes: Attributes) -> Attributes {
        let statement = json!({
            "Sid": "rydes-topic",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.queue_arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic_arn()}},
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        attributes.insert(QueueAttributeName::Policy, policy.to_string());
        attributes
    }

    async fn make_table(&self) {
        self.may_be_made.store(true, Ordering::Relaxed);
        let table = self.full("RidesBookingTable");
        let dynamodb = &clients().dynamodb;
        let tag = aws_sdk_dynamodb::types::Tag::builder().key("rydes:stack").value(&self.name);
        let mut create = dynamodb.create_table().table_name(&table);
        create = create.billing_mode(BillingMode::PayPerRequest).tags(tag.build().expect("a tag"));
        for (name, kind) in [("id", KeyType::Hash), ("responder", KeyType::Range)] {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
            let text = AttributeDefinition::builder().attribute_name(name);
            let text = text.attribute_type(ScalarAttributeType::S).build();
            create = create.key_schema(key.expect("a key"));
            create = create.attribute_definitions(text.expect("an attribute"));
        }
        create.send().await.expect("the table is made");
        let live = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires-at");
        let live = live.build().expect("a specification");
        let update = dynamodb.update_time_to_live().table_name(table);
        update.time_to_live_specification(live).send().await.expect("its rows expire");
    }
}
