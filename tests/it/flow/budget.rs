//! How many requests a number of RFQs may take, by operation. The queues are filled beforehand, so
//! that what is counted does not depend on how fast the machine is.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::background::Background;
use crate::support::proxy::Proxy;
use crate::support::stack::{RESPONSES, Stack};
use crate::support::{PATIENCE, json, wait_for};

const PROVIDERS: u64 = 10;

/// What a run told of its requests.
struct Requests(Value);

impl Requests {
    fn count(&self, operation: &str) -> u64 {
        self.0["requests"]["by-operation"][operation].as_u64().unwrap_or(0)
    }

    /// Receives that brought something.
    fn receives(&self) -> u64 {
        let empty = self.0["empty-receives"].as_u64().expect("a count");
        self.count("sqs.ReceiveMessage") - empty
    }

    /// So many, or up to a quarter more where there were many: of two polls of one queue, each may
    /// get a part of the last ten messages.
    #[track_caller]
    fn within(&self, what: &str, count: u64, floor: u64) {
        let most = if floor > PROVIDERS { floor + floor.div_ceil(4) } else { floor };
        assert!((floor..=most).contains(&count), "{count} {what}, {floor} wanted: {:#}", self.0);
    }
}

/// Runs workers, then the consumer, on the queues of so many RFQs.
fn run(rfqs: u64) -> [Requests; 2] {
    let stack = Stack::set_up(10);
    let submit = format!("submit --from A --to B --deadline 1h -q --count {rfqs}");
    stack.rydes(&submit).run().exits(0);
    let answers = usize::try_from(PROVIDERS * rfqs).expect("a small number");
    for number in 1..=10 {
        let queue = crate::support::stack::provider(number);
        wait_for("every copy", || (stack.depth(&queue) * 10 == answers).then_some(()));
    }
    let poll = "-o json --poll-wait 2s";
    let workers =
        stack.background(&format!("providers run --behavior steady --no-consumer {poll}"));
    wait_for("every answer", || (stack.depth(RESPONSES) == answers).then_some(()));
    let workers = json(&workers.stop().stdout);
    let consumer = stack.background(&format!("consumer run {poll}"));
    stack.drained(RESPONSES);
    let consumer = json(&consumer.stop().stdout);
    assert_eq!((&workers["quoted"], &consumer["gathered"]), (&answers.into(), &answers.into()));
    assert_eq!(consumer["duplicates"], 0);
    for told in [&workers, &consumer] {
        assert_eq!(told["delivered-again"], 0);
        let extended = &told["requests"]["by-operation"]["sqs.ChangeMessageVisibilityBatch"];
        assert_eq!(*extended, Value::Null);
    }
    [Requests(workers), Requests(consumer)]
}

/// What a stack without work costs on AWS.
#[test]
fn nothing_to_do() {
    let stack = Stack::set_up(2);
    let began = Instant::now();
    let proxy = Proxy::start();
    let workers = stack.rydes("providers run -o json --poll-wait 20s");
    let workers = Background::start(workers.env("AWS_ENDPOINT_URL", &proxy.url));
    // Every queue is polled then.
    proxy.until("ReceiveMessage", 3);
    workers.signal(Signal::INT);
    let told = json(&workers.ends(PATIENCE).exits(0).stdout);
    let polls = began.elapsed().as_secs().div_ceil(20);
    let operations = told["requests"]["by-operation"].as_object().expect("operations");
    let is_change = |name: &&String| {
        ["sqs.Send", "sqs.Delete", "sqs.Change"].iter().any(|change| name.starts_with(change))
    };
    // Two providers and the consumer have one poll each.
    let asked = told["requests"]["by-operation"]["sqs.ReceiveMessage"].as_u64().expect("receives");
    assert!((3..=3 * polls).contains(&asked), "{asked} in {polls} polls: {told:#}");
    assert_eq!(told["empty-receives"], asked);
    assert_eq!(operations.keys().find(is_change), None, "{told:#}");
    // The register, the workers and the consumer each ask for the URL of the response queue, which tells those of the
    // providers' queues. The other two are those of the dead letters.
    assert_eq!(
        (&operations["sqs.GetQueueUrl"], &operations["sqs.ListQueueTags"]),
        (&5.into(), &2.into())
    );
}

#[test]
fn a_list_of_providers() {
    let (stack, proxy) = (Stack::set_up(3), Proxy::start());
    stack.rydes("providers list").env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    let asked = ["GetQueueUrl", "GetQueueAttributes", "ListQueueTags", "GetSubscriptionAttributes"];
    assert_eq!(asked.map(|operation| proxy.count(operation)), [1, 1, 3, 3]);
}

#[test]
fn one_rfq() {
    let [workers, consumer] = run(1);
    workers.within("receives", workers.receives(), PROVIDERS);
    workers.within("deletes", workers.count("sqs.DeleteMessageBatch"), PROVIDERS);
    // The providers begin one after another, so their answers need not meet.
    assert!((1..=PROVIDERS).contains(&workers.count("sqs.SendMessageBatch")), "{}", workers.0);
    consumer.within("receives", consumer.receives(), 1);
    consumer.within("inserts", consumer.count("dynamodb.BatchExecuteStatement"), 1);
    consumer.within("deletes", consumer.count("sqs.DeleteMessageBatch"), 1);
}

#[test]
fn ten_rfqs() {
    let [workers, consumer] = run(10);
    workers.within("receives", workers.receives(), PROVIDERS);
    workers.within("sends", workers.count("sqs.SendMessageBatch"), 10);
    workers.within("deletes", workers.count("sqs.DeleteMessageBatch"), PROVIDERS);
    consumer.within("receives", consumer.receives(), 10);
    consumer.within("deletes", consumer.count("sqs.DeleteMessageBatch"), 10);
    // Full ones would be four; what comes first does not wait for the rest.
    let inserts = consumer.count("dynamodb.BatchExecuteStatement");
    assert!((4..=10).contains(&inserts), "{}", consumer.0);
}

#[test]
fn a_hundred_rfqs() {
    let [workers, consumer] = run(100);
    workers.within("receives", workers.receives(), 100);
    workers.within("sends", workers.count("sqs.SendMessageBatch"), 100);
    workers.within("deletes", workers.count("sqs.DeleteMessageBatch"), 100);
    consumer.within("receives", consumer.receives(), 100);
    consumer.within("deletes", consumer.count("sqs.DeleteMessageBatch"), 100);
    let inserts = consumer.count("dynamodb.BatchExecuteStatement");
    assert!((40..=70).contains(&inserts), "{}", consumer.0);
}
