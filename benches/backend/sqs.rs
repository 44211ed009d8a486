//! The queues: standard ones, with visibility timeouts, long polls and dead letter queues.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use rydes::core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::Backend;
use crate::http::{ACCOUNT, Answer, REGION, Refused, lacking, read, refused, wait, write};

/// Messages of one receive at most.
const MAX_RECEIVED: usize = 10;
/// Entries of one batch at most.
const MAX_BATCH: usize = 10;
/// Bytes of the messages of one batch at most.
const MAX_BYTES: usize = 1_048_576;
/// The visibility timeout of a queue that sets none.
const VISIBILITY: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Queues {
    by_name: RefCell<BTreeMap<String, Rc<Queue>>>,
}

pub(crate) struct Queue {
    name: String,
    attributes: RefCell<BTreeMap<String, String>>,
    tags: RefCell<BTreeMap<String, String>>,
    messages: RefCell<Messages>,
    /// Notified when a message becomes visible.
    more: Notify,
}

#[derive(Default)]
struct Messages {
    visible: VecDeque<Message>,
    /// By receipt handle.
    hidden: HashMap<u64, (Instant, Message)>,
    /// When hidden messages are due to come back. An entry whose message has gone, or comes later, is stale.
    returns: BTreeSet<(Instant, u64)>,
    next_receipt: u64,
}

struct Message {
    id: String,
    body: String,
    attributes: Option<Value>,
    sent_at: i64,
    receives: u32,
}

thread_local! {
    static NEXT_ID: Cell<u64> = const { Cell::new(1) };
}

impl Message {
    fn new(body: String, attributes: Option<Value>) -> Self {
        let number = NEXT_ID.with(|next| next.replace(next.get() + 1));
        let (high, low) = (number >> 48, number & 0xffff_ffff_ffff);
        let id = format!("00000000-0000-4000-{high:04x}-{low:012x}");
        Self { id, body, attributes, sent_at: Timestamp::now().as_millis(), receives: 0 }
    }
}

impl Queues {
    pub(crate) fn named(&self, name: &str) -> Result<Rc<Queue>, Refused> {
        let found = self.by_name.borrow().get(name).cloned();
        found.ok_or_else(|| {
            let message = "The specified queue does not exist.";
            refused("AWS.SimpleQueueService.NonExistentQueue", message)
        })
    }

    /// The queue at a URL or with an ARN.
    pub(crate) fn find(&self, url: &str) -> Result<Rc<Queue>, Refused> {
        self.named(url.rsplit(['/', ':']).next().unwrap_or_default())
    }
}

impl Queue {
    fn url(&self) -> String {
        // The SDK sends every call to its endpoint, whatever the URL.
        format!("http://127.0.0.1/{ACCOUNT}/{}", self.name)
    }

    pub(crate) fn put(&self, body: String, attributes: Option<Value>) -> String {
        let message = Message::new(body, attributes);
        let id = message.id.clone();
        self.messages.borrow_mut().visible.push_back(message);
        self.more.notify_one();
        id
    }

    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.borrow().get(name).cloned()
    }

    /// How often a message is received at most, and the queue that it goes to then.
    fn redrive(&self) -> Option<(u32, String)> {
        let policy: Value = serde_json::from_str(&self.attribute("RedrivePolicy")?).ok()?;
        let most = policy.get("maxReceiveCount")?;
        let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
        let target = policy.get("deadLetterTargetArn")?.as_str()?.to_owned();
        Some((u32::try_from(most).ok()?, target))
    }
}

impl Messages {
    /// Brings back what has been hidden long enough.
    fn bring_back(&mut self) {
        let now = Instant::now();
        while let Some(&(due, receipt)) = self.returns.first()
            && due <= now
        {
            self.returns.pop_first();
            if self.hidden.get(&receipt).is_some_and(|(until, _)| *until <= now)
                && let Some((_, message)) = self.hidden.remove(&receipt)
            {
                self.visible.push_back(message);
            }
        }
    }

    /// Sets until when a hidden message is hidden.
    fn hide(&mut self, receipt: u64, until: Instant) -> bool {
        let Some((due, _)) = self.hidden.get_mut(&receipt) else { return false };
        *due = until;
        self.returns.insert((until, receipt));
        true
    }
}

/// The name of the queue that a request names; empty if it names none.
pub(crate) fn queue_of(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let url = text.split_once("\"QueueUrl\":\"").and_then(|(_, rest)| rest.split('"').next());
    url.and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}

pub(crate) async fn answer(
    backend: &Backend,
    action: &str,
    body: &[u8],
    delay: Duration,
) -> Answer {
    if action == "ReceiveMessage" {
        return receive(backend, read(body)?, delay).await;
    }
    wait(delay).await;
    let queues = &backend.queues;
    match action {
        "SendMessageBatch" => send(queues, read(body)?),
        "DeleteMessageBatch" => delete(queues, read(body)?),
        "ChangeMessageVisibilityBatch" => hide(queues, read(body)?),
        "CreateQueue" => Ok(create(queues, read(body)?)),
        "GetQueueUrl" => {
            let queue = queues.named(&read::<ByName>(body)?.queue_name)?;
            Ok(write(&json!({"QueueUrl": queue.url()})))
        }
        "ListQueues" => Ok(list(queues, &read(body)?)),
        "DeleteQueue" => {
            let queue = queues.find(&read::<ByUrl>(body)?.queue_url)?;
            queues.by_name.borrow_mut().remove(&queue.name);
            Ok(write(&json!({})))
        }
        "GetQueueAttributes" => attributes(queues, &read(body)?),
        "SetQueueAttributes" => {
            let Attributes { queue_url, attributes } = read(body)?;
            queues.find(&queue_url)?.attributes.borrow_mut().extend(attributes);
            Ok(write(&json!({})))
        }
        "ListQueueTags" => {
            let queue = queues.find(&read::<ByUrl>(body)?.queue_url)?;
            let tags = &*queue.tags.borrow();
            Ok(write(&json!({"Tags": tags})))
        }
        "TagQueue" => {
            let Tags { queue_url, tags } = read(body)?;
            queues.find(&queue_url)?.tags.borrow_mut().extend(tags);
            Ok(write(&json!({})))
        }
        "UntagQueue" => {
            let TagKeys { queue_url, tag_keys } = read(body)?;
            let queue = queues.find(&queue_url)?;
            queue.tags.borrow_mut().retain(|key, _| !tag_keys.contains(key));
            Ok(write(&json!({})))
        }
        _ => Err(lacking(format!("SQS {action}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ByName {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ByUrl {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    #[serde(default)]
    queue_name_prefix: String,
    #[serde(rename = "MaxResults")]
    _max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AttributeNames {
    queue_url: String,
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attributes {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tags {
    queue_url: String,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TagKeys {
    queue_url: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Receive {
    queue_url: String,
    #[serde(default)]
    max_number_of_messages: Option<usize>,
    #[serde(default)]
    wait_time_seconds: u64,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Batch<E> {
    queue_url: String,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendEntry {
    id: String,
    message_body: String,
    message_attributes: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct HideEntry {
    id: String,
    receipt_handle: String,
    visibility_timeout: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_attributes: Option<Value>,
}

async fn receive(backend: &Backend, asked: Receive, delay: Duration) -> Answer {
    let queue = backend.queues.find(&asked.queue_url)?;
    let end = Instant::now() + Duration::from_secs(asked.wait_time_seconds);
    let taken = loop {
        let (taken, next) = take(backend, &queue, &asked);
        if !taken.is_empty() || Instant::now() >= end {
            break taken;
        }
        // Until the next message, the next return of a hidden one, or the end of the poll.
        let until = next.map_or(end, |next| next.min(end));
        _ = timeout_at(until, queue.more.notified()).await;
    };
    if !queue.messages.borrow().visible.is_empty() {
        // One notification may stand for several messages.
        queue.more.notify_one();
    }
    backend.figures.borrow_mut().received(taken.len());
    let took_from = Instant::now();
    wait(delay).await;
    if !taken.is_empty() {
        backend.figures.borrow_mut().took("ReceiveMessage", &queue.name, took_from.elapsed());
    }
    Ok(if taken.is_empty() { write(&json!({})) } else { write(&json!({"Messages": taken})) })
}

/// Takes visible messages, and returns when the next hidden one comes back.
fn take(backend: &Backend, queue: &Queue, asked: &Receive) -> (Vec<Received>, Option<Instant>) {
    let most = asked.max_number_of_messages.unwrap_or(1).min(MAX_RECEIVED);
    let most = backend.partial.borrow_mut().most(most);
    let own = || queue.attribute("VisibilityTimeout")?.parse().ok().map(Duration::from_secs);
    let visibility = asked.visibility_timeout.map(Duration::from_secs).or_else(own);
    let until = Instant::now() + visibility.unwrap_or(VISIBILITY);
    let redrive = queue.redrive();
    let messages = &mut *queue.messages.borrow_mut();
    messages.bring_back();
    let mut taken = Vec::new();
    while taken.len() < most
        && let Some(mut message) = messages.visible.pop_front()
    {
        message.receives += 1;
        if let Some((most, target)) = &redrive
            && message.receives > *most
            && let Ok(target) = backend.queues.find(target)
        {
            target.messages.borrow_mut().visible.push_back(message);
            target.more.notify_one();
            continue;
        }
        let receipt = messages.next_receipt;
        messages.next_receipt += 1;
        taken.push(shown(&message, receipt, asked));
        messages.hidden.insert(receipt, (until, message));
        messages.hide(receipt, until);
    }
    (taken, messages.returns.first().map(|(due, _)| *due))
}

fn shown(message: &Message, receipt: u64, asked: &Receive) -> Received {
    let mut attributes = Map::new();
    for name in &asked.message_system_attribute_names {
        let value = match name.as_str() {
            "SentTimestamp" => message.sent_at.to_string(),
            "ApproximateReceiveCount" => message.receives.to_string(),
            "SenderId" => ACCOUNT.to_owned(),
            _ => continue,
        };
        attributes.insert(name.clone(), Value::String(value));
    }
    let wanted = !asked.message_attribute_names.is_empty();
    Received {
        message_id: message.id.clone(),
        receipt_handle: receipt.to_string(),
        body: message.body.clone(),
        attributes,
        message_attributes: message.attributes.clone().filter(|_| wanted),
    }
}

fn checked<E>(batch: Batch<E>) -> Result<(String, Vec<E>), Refused> {
    if batch.entries.len() > MAX_BATCH {
        let message = "Maximum number of entries per request are 10.";
        return Err(refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", message));
    }
    Ok((batch.queue_url, batch.entries))
}

fn send(queues: &Queues, batch: Batch<SendEntry>) -> Answer {
    let (url, entries) = checked(batch)?;
    let queue = queues.find(&url)?;
    if entries.iter().map(|entry| entry.message_body.len()).sum::<usize>() > MAX_BYTES {
        let message = "Batch requests cannot be longer than 1048576 bytes.";
        return Err(refused("AWS.SimpleQueueService.BatchRequestTooLong", message));
    }
    let sent: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let id = queue.put(entry.message_body, entry.message_attributes);
            json!({"Id": entry.id, "MessageId": id, "MD5OfMessageBody": ""})
        })
        .collect();
    Ok(write(&json!({"Successful": sent})))
}

/// The answer to a batch: the entries that were done, and those whose receipt handles are unknown.
fn per_entry(results: impl Iterator<Item = (String, bool)>) -> Vec<u8> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, is_done) in results {
        if is_done {
            done.push(json!({"Id": id}));
        } else {
            let code = "ReceiptHandleIsInvalid";
            failed.push(json!({"Id": id, "Code": code, "SenderFault": true}));
        }
    }
    write(&json!({"Successful": done, "Failed": failed}))
}

fn delete(queues: &Queues, batch: Batch<DeleteEntry>) -> Answer {
    let (url, entries) = checked(batch)?;
    let queue = queues.find(&url)?;
    let hidden = &mut queue.messages.borrow_mut().hidden;
    Ok(per_entry(entries.into_iter().map(|entry| {
        let receipt = entry.receipt_handle.parse::<u64>().ok();
        // SQS deletes a message that has been deleted before without complaint.
        let is_known = receipt.inspect(|receipt| drop(hidden.remove(receipt))).is_some();
        (entry.id, is_known)
    })))
}

fn hide(queues: &Queues, batch: Batch<HideEntry>) -> Answer {
    let (url, entries) = checked(batch)?;
    let queue = queues.find(&url)?;
    let messages = &mut *queue.messages.borrow_mut();
    let now = Instant::now();
    let answer = per_entry(entries.into_iter().map(|entry| {
        let until = now + Duration::from_secs(entry.visibility_timeout);
        let receipt = entry.receipt_handle.parse().ok();
        (entry.id, receipt.is_some_and(|receipt| messages.hide(receipt, until)))
    }));
    messages.bring_back();
    queue.more.notify_one();
    Ok(answer)
}

fn create(queues: &Queues, asked: Create) -> Vec<u8> {
    let queue = Rc::new(Queue {
        name: asked.queue_name.clone(),
        attributes: RefCell::new(asked.attributes),
        tags: RefCell::new(asked.tags),
        messages: RefCell::default(),
        more: Notify::new(),
    });
    let mut queues = queues.by_name.borrow_mut();
    let url = queue.url();
    queues.entry(asked.queue_name).or_insert(queue);
    write(&json!({"QueueUrl": url}))
}

fn list(queues: &Queues, asked: &List) -> Vec<u8> {
    let queues = queues.by_name.borrow();
    let named = queues.values().filter(|queue| queue.name.starts_with(&asked.queue_name_prefix));
    let urls: Vec<_> = named.map(|queue| queue.url()).collect();
    write(&json!({"QueueUrls": urls}))
}

fn attributes(queues: &Queues, asked: &AttributeNames) -> Answer {
    let queue = queues.find(&asked.queue_url)?;
    let (visible, hidden) = {
        let messages = &mut *queue.messages.borrow_mut();
        messages.bring_back();
        (messages.visible.len(), messages.hidden.len())
    };
    let mut all = BTreeMap::from([
        ("QueueArn".to_owned(), format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", queue.name)),
        ("ApproximateNumberOfMessages".to_owned(), visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible".to_owned(), hidden.to_string()),
        ("ApproximateNumberOfMessagesDelayed".to_owned(), "0".to_owned()),
    ]);
    all.extend(queue.attributes.borrow().clone());
    let is_asked =
        |name: &String| asked.attribute_names.iter().any(|asked| asked == "All" || asked == name);
    all.retain(|name, _| is_asked(name));
    Ok(write(&json!({"Attributes": all})))
}
