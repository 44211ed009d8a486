//! Workers and consumer whose requests fail for a while, or whose confirmations get lost.

use rustix::process::Signal;
use serde_json::json;

use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault, ServiceError};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};
use crate::support::{PATIENCE, side_by_side};

const PROVIDERS: usize = 3;
/// More than the SDK itself tries.
const A_WHILE: usize = 7;
/// The service is in trouble, as SQS and DynamoDB say it.
const INTERNAL: ProxyFault =
    ProxyFault::Answer(500, r#"{"__type": "com.amazonaws#InternalFailure", "message": "later"}"#);
/// They say no.
const DENIED: ProxyFault = ProxyFault::Answer(
    400,
    r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#,
);

/// Workers that reach SQS and DynamoDB through the proxy.
fn workers(stack: &Stack, proxy: &Proxy, options: &str) -> Background {
    let run = format!("providers run -o jsonl --poll-wait 2s --behavior steady {options}");
    let run = stack.rydes(&run).env("AWS_ENDPOINT_URL_SQS", &proxy.url);
    Background::start(run.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url))
}

/// Every provider has quoted, each has one row, and no message is left anywhere.
fn nothing_is_lost_or_doubled(stack: &Stack, id: &str) {
    stack.rydes("quotes --watch").arg(id).run().exits(0);
    assert_eq!(stack.quotes(id)["answered"], json!(PROVIDERS));
    assert_eq!(stack.rows(id).len(), 1 + PROVIDERS, "the request row and one answer each");
    (1..=PROVIDERS).for_each(|number| stack.drained(&provider(number)));
    stack.drained(RESPONSES);
    for letters in [PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS] {
        assert_eq!(stack.depth(letters), 0, "{letters}");
    }
}

/// The prices that were offered, by provider.
fn prices(workers: &Background) -> Vec<(String, String)> {
    let events = workers.events().into_iter().filter(|event| event["event"] == "answered");
    let mut prices: Vec<_> = events
        .map(|event| (event["provider"].to_string(), event["answer"]["quote"].to_string()))
        .collect();
    prices.sort();
    prices
}

#[test]
fn receives_that_fail_are_told_once_and_when_they_are_over() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    // The queues of the providers and of the answers are polled at the same time.
    proxy.fail("ReceiveMessage", (PROVIDERS + 1) * A_WHILE, INTERNAL);
    let workers = workers(&stack, &proxy, "");
    let id = stack.submit("--deadline 60s");
    nothing_is_lost_or_doubled(&stack, &id);
    workers.until("trouble-over", workers.count("trouble"));
    let events = workers.events();
    let told = events.iter().filter(|event| event["event"] == "trouble").collect::<Vec<_>>();
    assert!((1..=PROVIDERS + 1).contains(&told.len()), "once for each queue: {told:?}");
    workers.stop();
}

#[test]
fn receives_that_are_never_answered_are_given_up_and_told() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    proxy.fail("ReceiveMessage", PROVIDERS + 1, ProxyFault::Hold);
    let workers = workers(&stack, &proxy, "");
    let id = stack.submit("--deadline 60s");
    workers.until("trouble-over", 1);
    let events = workers.events();
    let told: Vec<_> = events.iter().filter(|event| event["event"] == "trouble").collect();
    assert_eq!(told.len(), 1, "once for all queues: {told:?}");
    let reason = told[0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("nothing answers at"), "{reason}");
    nothing_is_lost_or_doubled(&stack, &id);
    workers.stop();
}

#[test]
fn answers_and_rows_that_fail_in_passing_are_sent_again() {
    side_by_side(["SendMessageBatch", "BatchExecuteStatement"], |operation| {
        let stack = Stack::set_up(PROVIDERS);
        let proxy = Proxy::start();
        proxy.fail(operation, A_WHILE, INTERNAL);
        proxy.fail(operation, 1, ProxyFault::CutBefore);
        let workers = workers(&stack, &proxy, "");
        let id = stack.submit("--deadline 60s");
        nothing_is_lost_or_doubled(&stack, &id);
        assert!(proxy.count(operation) > 1 + A_WHILE, "{operation}");
        assert_eq!(workers.count("received"), PROVIDERS, "they were in hand all the time");
        assert_eq!(workers.count("gathered"), PROVIDERS);
        workers.stop();
    });
}

#[test]
fn entries_that_are_told_to_have_failed_are_sent_again_and_no_others() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    // Whatever is told, they were all carried out: the worst case.
    for operation in ["PublishBatch", "SendMessageBatch", "BatchExecuteStatement"] {
        proxy.fail(operation, 1, ProxyFault::Entries(0b10_1101_1010));
    }
    proxy.fail("DeleteMessageBatch", 3, ProxyFault::Entries(0b101));
    let workers = workers(&stack, &proxy, "--visibility 5s");
    let submit = stack.rydes("submit --from A --to B --deadline 10m --count 10");
    let ids = submit.env("AWS_ENDPOINT_URL_SNS", &proxy.url).run().exits(0).stdout;
    let ids: Vec<_> = ids.lines().collect();
    assert_eq!((ids.len(), proxy.count("PublishBatch")), (10, 2), "six of ten went out again");
    for id in ids {
        nothing_is_lost_or_doubled(&stack, id);
    }
    assert!(workers.count("answered") >= 10 * PROVIDERS);
    workers.stop();
}

#[test]
fn answers_whose_confirmation_is_lost_are_sent_twice_and_stored_once() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    proxy.fail("SendMessageBatch", 1, ProxyFault::CutAfter);
    let workers = workers(&stack, &proxy, "");
    let id = stack.submit("--deadline 60s");
    workers.until("duplicate", 1);
    nothing_is_lost_or_doubled(&stack, &id);
    assert_eq!(workers.count("gathered"), PROVIDERS);
    assert_eq!(workers.count("answered"), PROVIDERS, "each was answered once");
    workers.stop();
}

#[test]
fn rows_whose_confirmation_is_lost_are_recognised() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    proxy.fail("BatchExecuteStatement", 1, ProxyFault::CutAfter);
    let workers = workers(&stack, &proxy, "");
    let id = stack.submit("--deadline 60s");
    nothing_is_lost_or_doubled(&stack, &id);
    assert_eq!(workers.count("gathered") + workers.count("duplicate"), PROVIDERS);
    assert_eq!(workers.count("refused"), 0);
    workers.stop();
}

#[test]
fn requests_that_cannot_be_deleted_come_again_and_are_not_answered_again() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    // Until told otherwise.
    proxy.fail("DeleteMessageBatch", usize::MAX, INTERNAL);
    let workers = workers(&stack, &proxy, "--visibility 2s");
    let id = stack.submit("--deadline 60s");
    workers.until("delivered-again", 2 * PROVIDERS);
    assert_eq!(workers.count("answered"), PROVIDERS, "they were finished a moment ago");
    proxy.heal();
    nothing_is_lost_or_doubled(&stack, &id);
    assert_eq!((workers.count("answered"), workers.count("duplicate")), (PROVIDERS, 0));
    workers.stop();
}

#[test]
fn requests_that_come_again_to_another_process_are_answered_the_same() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    proxy.fail("DeleteMessageBatch", usize::MAX, INTERNAL);
    let first = workers(&stack, &proxy, "--visibility 2s --no-consumer");
    let id = stack.submit("--deadline 60s");
    first.until("answered", PROVIDERS);
    first.kill();
    proxy.heal();
    let second = workers(&stack, &proxy, "");
    nothing_is_lost_or_doubled(&stack, &id);
    second.until("answered", PROVIDERS);
    let answered = prices(&second);
    for (number, (provider, price)) in answered.iter().enumerate() {
        let row = stack.row_when(&id, provider.trim_matches('"'), |row| row.get("quote").is_some());
        assert_eq!(*price, row["quote"].to_string(), "{number}: it is the price of the first");
    }
    second.until("duplicate", PROVIDERS);
    second.stop();
}

#[test]
fn a_failed_attempt_is_repeated_without_another_receive() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("ChangeMessageVisibilityBatch", usize::MAX, INTERNAL);
    let workers = workers(&stack, &proxy, "--fault error");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 30s");
    let row = stack.row_when(&id, &provider(1), |_| true);
    assert_eq!((&row["failed"], &row["attempts"]), (&json!("engine fault"), &json!(5)), "{row}");
    assert_eq!(row["attempted-at"].as_array().map(Vec::len), Some(5), "{row}");
    stack.drained(&provider(1));
    assert_eq!(stack.letters(PROVIDER_DEAD_LETTERS, 1).len(), 1);
    assert_eq!(workers.count("received"), 1);
    workers.stop();
}

#[test]
fn what_is_refused_ends_them_and_loses_nothing() {
    side_by_side(["ReceiveMessage", "SendMessageBatch", "BatchExecuteStatement"], |operation| {
        let stack = Stack::set_up(PROVIDERS);
        let proxy = Proxy::start();
        proxy.fail(operation, usize::MAX, DENIED);
        let refused = workers(&stack, &proxy, "--visibility 2s");
        let id = stack.submit("--deadline 60s");
        let ended = refused.ends(PATIENCE).exits(1);
        let said = "AccessDeniedException: not you";
        assert!(ended.stderr.contains(said), "{operation}: {}", ended.stderr);
        let again = stack.providers("--behavior steady");
        nothing_is_lost_or_doubled(&stack, &id);
        again.stop();
    });
}

#[test]
fn what_is_throttled_at_its_start_begins_a_little_later() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    // More than the SDK itself tries: what SNS throttles it does not try again at all.
    proxy.fail("ListSubscriptionsByTopic", 3, ProxyFault::Error(ServiceError::Throttled));
    proxy.fail("GetQueueUrl", A_WHILE, ProxyFault::Error(ServiceError::Throttled));
    for run in ["providers run --behavior steady", "consumer run"] {
        let run = stack.rydes(&format!("{run} -o jsonl --poll-wait 2s"));
        let run = Background::start(run.env("AWS_ENDPOINT_URL", &proxy.url));
        let before = proxy.count("ReceiveMessage");
        proxy.until("ReceiveMessage", before + 1);
        run.stop();
        proxy.fail("GetQueueUrl", A_WHILE, ProxyFault::Error(ServiceError::Throttled));
    }
    assert!(proxy.count("ListSubscriptionsByTopic") > 3);
}

#[test]
fn a_consumer_that_fails_after_the_workers_have_ended_is_told() {
    let stack = Stack::set_up(PROVIDERS);
    let proxy = Proxy::start();
    // It takes some seconds to get to the refusal; the workers end within one.
    proxy.fail("BatchExecuteStatement", 12, INTERNAL);
    proxy.fail("BatchExecuteStatement", usize::MAX, DENIED);
    let workers = workers(&stack, &proxy, "");
    stack.submit("--deadline 60s");
    workers.until("answered", PROVIDERS);
    workers.signal(Signal::TERM);
    let ended = workers.ends(PATIENCE).exits(1);
    assert!(ended.stderr.contains("AccessDenied"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopping: "), "{}", ended.stderr);
}
