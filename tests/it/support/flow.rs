//! A stack of its own for each test: set up through the program, looked into with the SDK.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Number, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::localstack::endpoint;
use super::{Ran, Rydes, ends_within, rydes};

/// How long anything may take that is bound to happen.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(150);

/// The dead letters of the providers.
pub const PROVIDER_DEAD_LETTERS: &str = "RequestForQuotesDeadLetters";
/// A stack that is set up.
pub struct Stack {
    /// Its name.
    pub name: String,
    state: TempDir,
    runtime: Runtime,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
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

/// Waits for something that is bound to happen.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::sleep(PAUSE);
    }
}

/// One JSON document.
///
/// # Panics
/// When the text is anything else.
#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// One JSON document per line.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

impl Stack {
    /// A stack with so many simulated providers.
    pub fn set_up(providers: usize) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let credentials = Credentials::new("test", "test", None, None, "test");
        let region = Region::new("us-east-1");
        let stack = Self {
            name: format!("flow-{}", &id[..10]),
            state: TempDir::new().expect("a temporary folder"),
            runtime: Runtime::new().expect("an async runtime"),
            sqs: aws_sdk_sqs::Client::from_conf(
                aws_sdk_sqs::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(region.clone())
                    .credentials_provider(credentials.clone())
                    .endpoint_url(endpoint())
                    .build(),
            ),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(
                aws_sdk_dynamodb::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(region)
                    .credentials_provider(credentials)
                    .endpoint_url(endpoint())
                    .build(),
            ),
        };
        stack.rydes(&format!("setup --providers {providers}")).run().exits(0);
        stack
    }

    /// `rydes` with these arguments, on this stack, with this stack's memory of RFQs.
    pub fn rydes(&self, arguments: &str) -> Rydes {
        rydes(arguments)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("RYDES_STACK", &self.name)
            .env("XDG_STATE_HOME", self.state.path())
            .within(PATIENCE)
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
        self.background(&format!("providers run --output jsonl --poll-wait 1s {options}"))
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &str, body: &str) {
        let send = self.sqs.send_message().queue_url(self.queue_url(queue)).message_body(body);
        self.runtime.block_on(send.send()).expect("the queue takes it");
    }

    /// Publishes a message on the topic, past the program.
    pub fn publish(&self, message: &Value) {
        let arn =
            format!("arn:aws:sns:us-east-1:000000000000:{}", self.full("RequestForQuotesTopic"));
        let publish = super::aws::clients().sns.publish().topic_arn(arn);
        let published = publish.message(message.to_string()).send();
        self.runtime.block_on(published).expect("the topic takes it");
    }

    /// Writes a row of texts, past the program.
    pub fn put(&self, texts: &[(&str, &str)]) {
        let item = texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())));
        let put = self.dynamodb.put_item().table_name(self.full("RidesBookingTable"));
        let put = put.set_item(Some(item.collect())).send();
        self.runtime.block_on(put).expect("it is written");
    }

    /// Removes the table behind the program's back.
    pub fn delete_table(&self) {
        let delete = self.dynamodb.delete_table().table_name(self.full("RidesBookingTable"));
        self.runtime.block_on(delete.send()).expect("the table goes");
    }

    fn queue_url(&self, queue: &str) -> String {
        let name = format!("{}-{queue}", self.name);
        let found = self.runtime.block_on(self.sqs.get_queue_url().queue_name(name).send());
        found.expect("the queue exists").queue_url.expect("it has a URL")
    }

    /// The full name of a queue.
    pub fn full(&self, queue: &str) -> String {
        format!("{}-{queue}", self.name)
    }

    /// Receives what is there, hidden for a second; nothing is deleted.
    pub fn receive(&self, queue: &str) -> Vec<Received> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(self.queue_url(queue))
            .max_number_of_messages(10)
            .visibility_timeout(1)
            .wait_time_seconds(1)
            .message_attribute_names("All");
        let messages = self.runtime.block_on(receive.send()).expect("the queue answers").messages;
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

    /// How many messages a queue holds, received ones included.
    pub fn depth(&self, queue: &str) -> usize {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(self.queue_url(queue))
            .set_attribute_names(Some(names.to_vec()));
        let found = self.runtime.block_on(attributes.send()).expect("the queue answers");
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
        let query = self
            .dynamodb
            .query()
            .table_name(self.full("RidesBookingTable"))
            .consistent_read(true)
            .key_condition_expression("id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
        let found = self.runtime.block_on(query.send()).expect("the table answers");
        found.items.unwrap_or_default().iter().map(row).collect()
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

/// A signal to a process that we started.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// A command that runs in the background, stopped in good order when dropped.
pub struct Background {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// The lines of a stream, as they come.
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                seen.lock().expect("no reader broke down").push(line);
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn all(&self) -> Vec<String> {
        self.lines.lock().expect("no reader broke down").clone()
    }

    /// All of it, once the stream has ended.
    fn whole(&mut self) -> String {
        self.reader.take().expect("not joined yet").join().expect("it was read");
        self.all().iter().flat_map(|line| [line, "\n"]).collect()
    }
}

impl Background {
    /// Starts a command.
    pub fn start(command: Rydes) -> Self {
        let mut child = command.start();
        let stdout = Lines::of(child.stdout.take().expect("it is piped"));
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    /// What has happened so far, of a command that prints a line of JSON for each event.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.all().iter().map(|line| json(line)).collect()
    }

    /// How many events of this kind there were.
    pub fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|seen| seen["event"] == event).count()
    }

    /// Waits until there were so many events of this kind.
    #[track_caller]
    pub fn until(&self, event: &str, count: usize) {
        wait_for(&format!("{count} events `{event}` among {:?}", self.events()), || {
            (self.count(event) >= count).then_some(())
        });
    }

    /// Waits until stderr holds this.
    #[track_caller]
    pub fn says(&self, text: &str) {
        wait_for(text, || self.stderr.all().iter().any(|line| line.contains(text)).then_some(()));
    }

    /// Ends by itself; returns how, and all that it printed.
    #[track_caller]
    pub fn ends(mut self, limit: Duration) -> Ran {
        let ended = ends_within(&mut self.child, limit);
        assert!(ended, "no end after {limit:?}: {:?}", self.stderr.all());
        let code = self.child.wait().expect("it has ended").code();
        Ran { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    /// A signal to it.
    pub fn signal(&self, number: Signal) {
        signal(&self.child, number);
    }

    /// Drains and ends: exit 0 and a summary, or the test fails.
    #[track_caller]
    pub fn stop(self) -> Ran {
        self.signal(Signal::TERM);
        self.ends(PATIENCE).exits(0)
    }

    /// Ends at once, without a chance to drain.
    pub fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it can be killed");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal(Signal::TERM);
            if !ends_within(&mut self.child, PATIENCE) {
                _ = self.child.kill();
            }
        }
        _ = self.child.wait();
    }
}
