//! A stack of a test's own: set up through the program, looked at with the SDK.

use std::collections::HashMap;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::Message;
use serde_json::Value;

use super::localstack::endpoint;
use super::{Ran, Rydes, ends_within, eventually, rydes};

/// How long anything may take on a slow machine.
pub const LIMIT: Duration = Duration::from_mins(1);

/// A row, or the part of it that a test writes.
pub type Item = HashMap<String, AttributeValue>;

/// A stack that nobody else has.
pub struct Stack {
    /// Its name.
    pub name: String,
    runtime: tokio::runtime::Runtime,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

/// Workers that run in the background; stopped in good order when this goes.
pub struct Workers(Option<Child>);

impl Stack {
    /// A name and clients; nothing is set up.
    pub fn named() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let credentials = Credentials::new("test", "test", None, None, "test");
        let region = Region::new("us-east-1");
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .endpoint_url(endpoint());
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials)
            .endpoint_url(endpoint());
        Self {
            name: format!("t{}-{number}", std::process::id()),
            runtime,
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
        }
    }

    /// A stack with so many simulated providers.
    pub fn with(providers: u8) -> Self {
        let stack = Self::named();
        stack.rydes(&format!("setup --providers {providers}")).run().exits(0);
        stack
    }

    /// A command about this stack.
    pub fn rydes(&self, arguments: &str) -> Rydes {
        rydes(&format!("--stack {} {arguments}", self.name)).env("AWS_ENDPOINT_URL", endpoint())
    }

    /// Workers with these options, polling often enough for a test.
    pub fn workers(&self, options: &str) -> Workers {
        let run = format!("providers run --poll-wait 1s --progress none -q {options}");
        Workers(Some(self.rydes(&run).start()))
    }

    /// Submits a request; returns its id.
    pub fn submit(&self, options: &str) -> String {
        let ran =
            self.rydes(&format!("submit --from Frankfurt --to Rome {options}")).run().exits(0);
        ran.stdout.trim().to_owned()
    }

    /// How an RFQ stands.
    pub fn quotes(&self, id: &str) -> Value {
        let ran = self.rydes(&format!("quotes {id} -o json")).run().exits(0);
        serde_json::from_str(&ran.stdout).expect("one JSON document")
    }

    /// Waits for an RFQ to end.
    pub fn watch(&self, id: &str, options: &str) -> Ran {
        self.rydes(&format!("quotes {id} --watch {options}")).within(LIMIT).run()
    }

    fn url(&self, queue: &str) -> String {
        let name = format!("{}-{queue}", self.name);
        let found = self.runtime.block_on(self.sqs.get_queue_url().queue_name(name).send());
        found.expect("the queue is there").queue_url.expect("it has a URL")
    }

    /// Puts a message into a queue of the stack.
    pub fn send(&self, queue: &str, body: &str) {
        let url = self.url(queue);
        let sent = self.sqs.send_message().queue_url(url).message_body(body).send();
        self.runtime.block_on(sent).expect("it is sent");
    }

    /// Receives this many messages from a queue of the stack, with their attributes.
    pub fn receive(&self, queue: &str, count: usize) -> Vec<Message> {
        let url = self.url(queue);
        let mut all = Vec::new();
        let complete = eventually(LIMIT, || {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&url)
                .max_number_of_messages(10)
                .message_attribute_names("All")
                .wait_time_seconds(1)
                .send();
            let received = self.runtime.block_on(received).expect("it can be received from");
            all.extend(received.messages.unwrap_or_default());
            all.len() >= count
        });
        assert!(complete, "{} of {count} messages in {queue}", all.len());
        all
    }

    /// Writes a row as it is.
    pub fn put(&self, item: Item) {
        let table = format!("{}-RidesBookingTable", self.name);
        let put = self.dynamodb.put_item().table_name(table).set_item(Some(item)).send();
        self.runtime.block_on(put).expect("it is written");
    }

    /// The rows of an RFQ, by responder.
    pub fn rows(&self, id: &str) -> HashMap<String, Item> {
        let query = self
            .dynamodb
            .query()
            .table_name(format!("{}-RidesBookingTable", self.name))
            .consistent_read(true)
            .key_condition_expression("id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
            .send();
        let found = self.runtime.block_on(query).expect("it can be read");
        let name = |item: &Item| item["responder"].as_s().expect("a text").clone();
        found.items.unwrap_or_default().into_iter().map(|item| (name(&item), item)).collect()
    }
}

impl Workers {
    /// Stops them in good order; returns their exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.0.take().and_then(end)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            end(child);
        }
    }
}

/// SIGTERM, then the exit code.
fn end(mut child: Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    if !ends_within(&mut child, LIMIT) {
        child.kill().expect("it can be killed");
    }
    child.wait().expect("it can be waited for").code()
}

/// A row of texts.
pub fn item<const N: usize>(texts: [(&str, &str); N]) -> Item {
    texts.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into()
}
