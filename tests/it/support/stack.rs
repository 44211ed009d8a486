//! A stack of its own for each test: worked through the program, looked into with the SDK.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use futures_util::future::{join_all, join3};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Map, Number, Value};
use tempfile::TempDir;

use super::background::Background;
use super::localstack::endpoint;
use super::resources::{clients, wait};
use super::terminal::Terminal;
use super::{PATIENCE, Ran, Rydes, json, on_terminal, rydes, shell, wait_for};

/// The dead letters of the providers.
pub const PROVIDER_DEAD_LETTERS: &str = "RequestForQuotesDeadLetters";
/// The queue of the answers.
pub const RESPONSES: &str = "RequestForQuotesResponseQueue";
/// The dead letters of the response consumer.
pub const RESPONSE_DEAD_LETTERS: &str = "RequestForQuotesResponseDeadLetters";

/// A stack that no other test has.
pub struct Stack {
    /// Its name.
    pub name: String,
    state: TempDir,
    /// The URLs of its queues, each kept once it was found.
    urls: Mutex<HashMap<String, String>>,
    /// Whether there may be something to remove in the end.
    pub(super) may_be_made: AtomicBool,
}

impl Drop for Stack {
    /// What a test leaves slows the others down: LocalStack looks at every queue each second (a quarter
    /// of a core for the 2,000 of a run), and through the list of all tables at most requests about
    /// one. And `rydes` lists all topics where it looks for one.
    fn drop(&mut self) {
        if *self.may_be_made.get_mut() {
            let table = self.full("RidesBookingTable");
            let table = clients().dynamodb.delete_table().table_name(table).send();
            let topic = clients().sns.delete_topic().topic_arn(self.topic_arn()).send();
            // Many tests remove everything themselves.
            _ = wait(join3(table, self.delete_queues(), topic));
        }
    }
}

/// A message that was received.
#[derive(Debug)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// Its string attributes.
    pub attributes: HashMap<String, String>,
}

/// The name of a simulated provider.
pub fn provider(number: usize) -> String {
    format!("UnicornManagementResource{number}")
}

impl Stack {
    /// A new name; nothing is made.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Another run of these tests may use the same LocalStack.
        Self::called(format!("t{:x}x{number}", std::process::id()))
    }

    /// This name; nothing is made.
    pub fn called(name: String) -> Self {
        let state = TempDir::new().expect("a temporary folder");
        Self { name, state, urls: Mutex::default(), may_be_made: AtomicBool::new(false) }
    }

    /// `rydes` with these arguments, on this stack, with this stack's memory of RFQs.
    pub fn rydes(&self, arguments: &str) -> Rydes {
        self.note(arguments);
        rydes(arguments)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("RYDES_STACK", &self.name)
            .env("XDG_STATE_HOME", self.state.path())
            .within(PATIENCE)
    }

    /// Deletes the queues that are there; one that goes meanwhile is no failure.
    async fn delete_queues(&self) {
        let sqs = &clients().sqs;
        let found = sqs.list_queues().queue_name_prefix(self.full("")).send().await;
        let urls = found.ok().and_then(|found| found.queue_urls).unwrap_or_default();
        join_all(urls.into_iter().map(|url| sqs.delete_queue().queue_url(url).send())).await;
    }

    /// Notes a command that makes resources.
    fn note(&self, arguments: &str) {
        if arguments.contains("setup") {
            self.may_be_made.store(true, Ordering::Relaxed);
        }
    }

    /// The same as the first program of a terminal that redraws.
    pub fn on_terminal(&self, terminal: &Terminal, arguments: &str) -> Rydes {
        let command = on_terminal(arguments)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("RYDES_STACK", &self.name)
            .env("XDG_STATE_HOME", self.state.path())
            .env("TERM", "xterm")
            .within(PATIENCE);
        terminal.of(command)
    }

    /// Where this stack's memory of RFQs is kept.
    pub fn memory(&self) -> PathBuf {
        self.state.path().join("rydes/recent.jsonl")
    }

    /// `rydes` with this stack's memory of RFQs, but anywhere.
    pub fn anywhere(&self, arguments: &str) -> Rydes {
        rydes(arguments).env("XDG_STATE_HOME", self.state.path()).within(PATIENCE)
    }

    /// Runs a line that was printed to be typed, as a shell does that finds `rydes`, on this stack.
    pub fn shell(&self, line: &str) -> Ran {
        shell(line)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("RYDES_STACK", &self.name)
            .env("XDG_STATE_HOME", self.state.path())
            .run()
    }

    /// `rydes` on this stack, with the place typed rather than in the environment.
    pub fn typed(&self, arguments: &str) -> Rydes {
        self.note(arguments);
        rydes(&format!("--endpoint-url {} --stack {} {arguments}", endpoint(), self.name))
    }

    /// Runs it to its end, with the place typed.
    pub fn run(&self, arguments: &str) -> Ran {
        self.typed(arguments).run()
    }

    /// Submits a request from Frankfurt to Rome; returns its id.
    #[track_caller]
    pub fn submit(&self, options: &str) -> String {
        let submit = format!("submit --from Frankfurt --to Rome --customer cmr {options}");
        let ran = self.rydes(&submit).run().exits(0);
        let id = ran.stdout.strip_suffix('\n').expect("a line").to_owned();
        assert!(!id.is_empty() && !id.contains(char::is_whitespace), "the id alone: {id:?}");
        id
    }

    /// `rydes quotes ID --output json`.
    #[track_caller]
    pub fn quotes(&self, id: &str) -> Value {
        json(&self.rydes("quotes --output json").arg(id).run().exits(0).stdout)
    }

    /// A command in the background.
    pub fn background(&self, arguments: &str) -> Background {
        Background::start(self.rydes(arguments))
    }

    /// Providers and consumer in the background.
    pub fn providers(&self, options: &str) -> Background {
        self.background(&format!("providers run --output jsonl --poll-wait 2s {options}"))
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &str, body: &str) {
        let send = clients().sqs.send_message().queue_url(self.known_url(queue)).message_body(body);
        wait(send.send()).expect("the queue takes it");
    }

    /// Sends bodies as full batches.
    pub fn send_all(&self, queue: &str, bodies: Vec<String>) {
        const BYTES: usize = 900_000;
        const AT_ONCE: usize = 8;
        let url = self.queue_url(queue);
        let mut batches: Vec<Vec<String>> = vec![Vec::new()];
        for body in bodies {
            let last = batches.last_mut().expect("there is one");
            let bytes: usize = last.iter().map(String::len).sum();
            if last.len() == 10 || bytes + body.len() > BYTES {
                batches.push(vec![body]);
            } else {
                last.push(body);
            }
        }
        let sent =
            stream::iter(batches).map(Ok::<_, String>).try_for_each_concurrent(AT_ONCE, |batch| {
                let entries = batch.iter().enumerate().map(|(position, body)| {
                    let entry = SendMessageBatchRequestEntry::builder().id(position.to_string());
                    entry.message_body(body).build().expect("id and body are set")
                });
                let send = clients().sqs.send_message_batch().queue_url(&url);
                let send = send.set_entries(Some(entries.collect())).send();
                async move {
                    let answer = send.await.map_err(|error| format!("{error:?}"))?;
                    let failed = answer.failed();
                    if failed.is_empty() { Ok(()) } else { Err(format!("{failed:?}")) }
                }
            });
        wait(sent).expect("they are sent");
    }

    /// Publishes a message on the topic, past the program.
    pub fn publish(&self, message: &Value) {
        let publish = clients().sns.publish().topic_arn(self.topic_arn());
        let published = publish.message(message.to_string()).send();
        wait(published).expect("the topic takes it");
    }

    /// Writes a row, past the program.
    pub fn put(&self, row: &Value) {
        assert!(self.try_put(row), "it is written");
    }

    /// Writes a row, past the program, unless there is no table to take it.
    pub fn try_put(&self, row: &Value) -> bool {
        let fields = row.as_object().expect("a row is an object").iter();
        let item = fields.map(|(name, value)| (name.clone(), attribute(value))).collect();
        let put = clients().dynamodb.put_item().table_name(self.full("RidesBookingTable"));
        wait(put.set_item(Some(item)).send()).is_ok()
    }

    /// Removes a row behind the program's back.
    pub fn delete_row(&self, id: &str, responder: &str) {
        let delete = clients().dynamodb.delete_item().table_name(self.full("RidesBookingTable"));
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let delete = delete.key("id", key(id)).key("responder", key(responder));
        wait(delete.send()).expect("the row goes");
    }

    /// Removes the table behind the program's back.
    pub fn delete_table(&self) {
        let delete = clients().dynamodb.delete_table().table_name(self.full("RidesBookingTable"));
        wait(delete.send()).expect("the table goes");
    }

    /// The full name of a queue.
    pub fn full(&self, queue: &str) -> String {
        format!("{}-{queue}", self.name)
    }

    /// Receives what is there, hidden for a second; nothing is deleted.
    pub fn receive(&self, queue: &str) -> Vec<Received> {
        let receive = clients()
            .sqs
            .receive_message()
            .queue_url(self.known_url(queue))
            .max_number_of_messages(10)
            .visibility_timeout(1)
            .wait_time_seconds(1)
            .message_attribute_names("All");
        let messages = wait(receive.send()).expect("the queue answers").messages;
        let read = |message: aws_sdk_sqs::types::Message| Received {
            body: message.body.unwrap_or_default(),
            attributes: message
                .message_attributes
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, value.string_value.unwrap_or_default()))
                .collect(),
        };
        messages.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Waits until a queue holds so many messages; receives them all.
    #[track_caller]
    pub fn letters(&self, queue: &str, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} messages in {queue}"), || {
            (self.depth(queue) >= count).then_some(())
        });
        let mut found: Vec<Received> = Vec::new();
        wait_for("all of them received", || {
            for message in self.receive(queue) {
                if !found.iter().any(|other| other.body == message.body) {
                    found.push(message);
                }
            }
            (found.len() >= count).then_some(())
        });
        found
    }

    /// The URL of a queue, which stays the same when the queue is made again. Tests that count messages
    /// until something happens would otherwise ask for it each time.
    fn known_url(&self, queue: &str) -> String {
        let mut urls = self.urls.lock().expect("no test broke down");
        let url = urls.entry(queue.to_owned()).or_insert_with(|| self.queue_url(queue));
        url.clone()
    }

    /// How many messages a queue holds, received ones included.
    pub fn depth(&self, queue: &str) -> usize {
        self.counted(
            queue,
            &[
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            ],
        )
    }

    /// How many messages of a queue are in the hands of receivers.
    pub fn in_flight(&self, queue: &str) -> usize {
        self.counted(queue, &[QueueAttributeName::ApproximateNumberOfMessagesNotVisible])
    }

    /// The sum of these counts, which are of one moment.
    fn counted(&self, queue: &str, names: &[QueueAttributeName]) -> usize {
        let attributes = clients()
            .sqs
            .get_queue_attributes()
            .queue_url(self.known_url(queue))
            .set_attribute_names(Some(names.to_vec()));
        let found = wait(attributes.send()).expect("the queue answers");
        let found = found.attributes.unwrap_or_default();
        names.iter().filter_map(|name| found.get(name)?.parse::<usize>().ok()).sum()
    }

    /// Waits until a queue holds nothing.
    #[track_caller]
    pub fn drained(&self, queue: &str) {
        wait_for(&format!("{queue} empty"), || (self.depth(queue) == 0).then_some(()));
    }

    /// All rows of an RFQ, in the order of the table.
    pub fn rows(&self, id: &str) -> Vec<Value> {
        let query = clients()
            .dynamodb
            .query()
            .table_name(self.full("RidesBookingTable"))
            .consistent_read(true)
            .key_condition_expression("id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
        let found = wait(query.send()).expect("the table answers");
        found.items.unwrap_or_default().iter().map(row).collect()
    }

    /// The keys of all rows.
    pub fn keys(&self) -> HashSet<(String, String)> {
        let scan = clients().dynamodb.scan().table_name(self.full("RidesBookingTable"));
        let items = scan.consistent_read(true).into_paginator().items().send();
        let items = wait(items.collect::<Result<Vec<_>, _>>()).expect("the table answers");
        let text = |item: &HashMap<String, AttributeValue>, name: &str| {
            item[name].as_s().expect("a text").to_owned()
        };
        items.iter().map(|item| (text(item, "id"), text(item, "responder"))).collect()
    }

    /// The row of one responder, once it satisfies.
    #[track_caller]
    pub fn row_when(&self, id: &str, responder: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("the row of {responder}"), || {
            self.rows(id).into_iter().find(|row| row["responder"] == responder && wanted(row))
        })
    }
}

fn row(item: &HashMap<String, AttributeValue>) -> Value {
    fn value(attribute: &AttributeValue) -> Value {
        match attribute {
            AttributeValue::S(text) => Value::from(text.as_str()),
            AttributeValue::N(number) => {
                Value::Number(number.parse::<Number>().expect("a number of DynamoDB"))
            }
            AttributeValue::L(all) => all.iter().map(value).collect(),
            other => panic!("no attribute of ours: {other:?}"),
        }
    }
    let fields = item.iter().map(|(name, attribute)| (name.clone(), value(attribute)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Array(all) => AttributeValue::L(all.iter().map(attribute).collect()),
        other => panic!("no attribute of ours: {other}"),
    }
}
