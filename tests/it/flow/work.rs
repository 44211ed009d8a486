//! How the work is shared, and what workers do with what they receive.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::background::Background;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, RESPONSES, Stack, provider};
use crate::support::{json, json_lines, wait_for};

/// The quotes of an RFQ, by nobody twice.
fn responders(stack: &Stack, id: &str) -> Vec<String> {
    let rows = stack.rows(id);
    let names = rows.iter().filter_map(|row| row["responder"].as_str());
    let mut names: Vec<_> = names.filter(|name| *name != "-").map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn workers_and_consumer_run_apart() {
    let stack = Stack::set_up(3);
    let workers = stack.providers("--behavior steady --no-consumer");
    let id = stack.submit("--deadline 60s");
    workers.until("answered", 3);
    assert_eq!(stack.quotes(&id)["answered"], 0, "nobody gathers yet");
    let consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    stack.rydes("quotes --watch").run().exits(0);
    consumer.until("gathered", 3);
    assert_eq!((workers.count("gathered"), consumer.count("gathered")), (0, 3));
    let said = consumer.stop().stderr;
    assert!(said.contains("consumer: 3 replies gathered\n"), "{said}");
    let said = workers.stop().stderr;
    assert!(!said.contains(" replies gathered"), "{said}");
}

#[test]
fn two_processes_share_the_work_and_double_nothing() {
    let stack = Stack::set_up(4);
    let both = [stack.providers("--behavior steady"), stack.providers("--behavior steady")];
    let ids: Vec<_> = (0..5).map(|_| stack.submit("--deadline 60s")).collect();
    for id in &ids {
        stack.rydes("quotes --watch").arg(id).run().exits(0);
        assert_eq!(responders(&stack, id), (1..=4).map(provider).collect::<Vec<_>>());
    }
    let total = |event: &str| told(&both, event, 20);
    assert_eq!((total("received"), total("answered")), (20, 20), "each request has one reader");
    assert_eq!(total("gathered"), 20);
    let events = both.map(|workers| json_lines(&workers.stop().stdout)).concat();
    assert!(events.iter().all(|event| event["event"] != "duplicate"), "{events:?}");
}

#[test]
fn what_is_answered_while_they_stop_is_gathered() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady --think 3s..3s");
    let id = stack.submit("--deadline 60s");
    workers.until("received", 2);
    let ended = workers.stop();
    assert!(
        ended.stderr.contains("stopping: 2 requests in hand, at most 25 s"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("2 requests: 2 quoted"), "{}", ended.stderr);
    assert_eq!(responders(&stack, &id).len(), 2);
}

#[test]
fn a_second_signal_leaves_at_once_and_loses_nothing() {
    let stack = Stack::set_up(1);
    let workers = stack.providers("--behavior steady --think 60s..60s --visibility 2s");
    let id = stack.submit("--deadline 10m");
    workers.until("received", 1);
    workers.signal(Signal::INT);
    workers.says("stopping: 1 request in hand");
    workers.signal(Signal::INT);
    // Long before what is in hand would have to be given back.
    workers.ends(Duration::from_secs(10)).exits(130);
    let _workers = stack.providers("--behavior steady");
    stack.rydes("quotes --watch").run().exits(0);
    assert_eq!(responders(&stack, &id), [provider(1)]);
}

#[test]
fn only_the_providers_that_are_named_are_served() {
    let stack = Stack::set_up(3);
    let workers = stack.providers("--behavior steady UnicornManagementResource2");
    let id = stack.submit("--deadline 10m");
    workers.until("gathered", 1);
    assert_eq!(responders(&stack, &id), [provider(2)]);
    assert_eq!(stack.depth(&provider(1)), 1);
    assert_eq!(workers.stop().stderr.matches("done: 1 request: 1 quoted").count(), 1);
}

/// How many events of a kind two processes tell, once they are at least so many: the row that an answer becomes may
/// be seen before the answer is told.
fn told(both: &[Background; 2], event: &str, least: usize) -> usize {
    wait_for(event, || {
        let count = both.iter().map(|workers| workers.count(event)).sum();
        (count >= least).then_some(count)
    })
}

#[test]
fn a_request_stays_hidden_for_as_long_as_it_is_thought_about() {
    let stack = Stack::set_up(2);
    // Two processes, so that what came back would find somebody.
    let options = "--behavior steady --visibility 8s --think 14s..14s";
    let both = [stack.providers(options), stack.providers(options)];
    let id = stack.submit("--deadline 60s");
    stack.rydes("quotes --watch").run().exits(0);
    let total = |event: &str| told(&both, event, 2);
    assert_eq!((total("received"), total("answered"), total("gathered")), (2, 2, 2));
    assert_eq!(responders(&stack, &id).len(), 2);
    for number in 1..=2 {
        stack.drained(&provider(number));
    }
}

#[test]
fn a_stop_under_load_is_over_in_time_and_lets_nothing_come_again() {
    const RFQS: usize = 200;
    let stack = Stack::set_up(10);
    // Polls as long as a user's: those under way hold up the end.
    let run = "providers run -o jsonl --behavior steady";
    let first = stack.background(run);
    first.says(" on LocalStack ");
    stack.rydes(&format!("submit --from A --to B --deadline 1h --count {RFQS} -q")).run().exits(0);
    first.until("answered", RFQS);
    first.signal(Signal::TERM);
    let ended = first.ends(Duration::from_secs(25)).exits(0);
    let events = json_lines(&ended.stdout);
    let count = |events: &[Value], what: &str| events.iter().filter(|e| e["event"] == what).count();
    for what in ["given-back", "delivered-again", "duplicate", "failed-entry", "trouble"] {
        assert_eq!(count(&events, what), 0, "{what}: {}", ended.stderr);
    }
    let before = count(&events, "answered");
    assert!(before < 10 * RFQS, "it was not under load any more");
    let second = stack.providers("--behavior steady");
    second.until("answered", 10 * RFQS - before);
    stack.drained(RESPONSES);
    let events = [events, second.events()].concat();
    second.stop();
    let again = events.iter().filter(|e| e["event"] == "received" && e["count"] != 1).count();
    assert_eq!((again, count(&events, "received")), (0, 10 * RFQS), "each was delivered once");
    assert_eq!(count(&events, "gathered"), 10 * RFQS);
}

#[test]
fn a_request_that_cannot_be_read_is_kept_with_its_reason() {
    let stack = Stack::set_up(1);
    let bad = ["hello", r#"{"from": "A", "to": "B", "customer": "c"}"#];
    for body in bad {
        stack.send(&provider(1), body);
    }
    let id = stack.submit("--deadline 60s");
    let workers = stack.providers("--behavior steady");
    stack.rydes("quotes --watch").run().exits(0);
    assert_eq!(responders(&stack, &id).len(), 1, "its neighbour is answered");
    let letters = stack.letters(PROVIDER_DEAD_LETTERS, 2);
    for (body, reason) in bad.iter().zip(["not JSON", "`rfq-id` is missing"]) {
        let letter = letters.iter().find(|letter| letter.body == *body).expect("it was kept");
        assert!(letter.attributes["reason"].contains(reason), "{:?}", letter.attributes);
        assert_eq!(letter.attributes["rydes-source"], stack.full(&provider(1)));
    }
    let said = workers.stop().stderr;
    assert!(said.contains("2 unreadable requests were sent to the dead letters"), "{said}");
}

#[test]
fn a_request_of_the_originals_form_is_answered() {
    let stack = Stack::set_up(3);
    let workers = stack.providers("--behavior demo --speed 20");
    let id = "2f0a99e2-7d34-4b5c-9a61-000000000001";
    let fields = [("rfq-id", id), ("from", "Frankfurt"), ("to", "Rome"), ("customer", "cmr")];
    // As the original's own function does it: the row, then the message, with four fields each.
    stack.put(&json!({"id": id, "responder": "-", "from": "Frankfurt", "to": "Rome",
        "customer": "cmr"}));
    stack.publish(&fields.into_iter().collect());
    wait_for("three answers", || (responders(&stack, id).len() == 3).then_some(()));
    let told = stack.quotes(id);
    assert_eq!((&told["status"], &told["expected"]), (&"gathering".into(), &Value::Null));
    assert_eq!((&told["from"], &told["deadline"]), (&"Frankfurt".into(), &Value::Null));
    assert_eq!(told["providers"].as_array().map(Vec::len), Some(3));
    workers.stop();
}

#[test]
fn a_request_that_is_received_too_late_leaves_a_receipt_without_a_price() {
    for (behavior, receipts) in [("steady", 4), ("workshop --speed 1000", 0)] {
        let stack = Stack::set_up(4);
        let id = stack.submit("--deadline 10ms");
        // The wait is over before anybody looks at the queues.
        stack.rydes("quotes --watch").run().exits(4);
        let workers = stack.providers(&format!("--behavior {behavior}"));
        workers.until("gathered", 4);
        let rows = stack.rows(&id);
        let late = "received after its deadline";
        let silent = rows.iter().filter(|row| row["silent"] == late).count();
        assert_eq!(silent, receipts, "{behavior}: {rows:?}");
        assert_eq!(rows.iter().filter(|row| row.get("declined").is_some()).count(), 0);
        assert_eq!(stack.quotes(&id)["status"], "expired");
        stack.rydes("verify --wait").arg(&id).run().exits(0);
        workers.stop();
    }
}

#[test]
fn without_receipts_a_request_that_is_received_too_late_leaves_nothing_and_verify_says_so() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 10ms");
    stack.rydes("quotes --watch").run().exits(4);
    let workers = stack.providers("--behavior steady --no-receipts");
    workers.until("mute", 2);
    (1..=2).for_each(|number| stack.drained(&provider(number)));
    workers.stop();
    assert_eq!(stack.rows(&id).len(), 1, "the request alone");
    let told = stack.rydes("verify --wait").arg(&id).run().exits(8);
    assert!(told.stderr.contains("2 copies of "), "{}", told.stderr);
    assert!(told.stderr.contains("workers with `--no-receipts`"), "{}", told.stderr);
}

#[test]
fn a_failing_request_is_not_tried_beyond_its_deadline() {
    let stack = Stack::set_up(1);
    let workers = stack.providers("--behavior steady --fault error");
    workers.says(" on LocalStack ");
    // The shortest waits between five attempts take longer by themselves.
    let id = stack.submit("--deadline 1400ms");
    let row = stack.row_when(&id, &provider(1), |row| row.get("failed").is_some());
    let attempts = row["attempts"].as_u64().expect("a count");
    assert!((1..=4).contains(&attempts), "{row}");
    let deadline = stack.quotes(&id)["deadline"].clone();
    let deadline = deadline.as_str().expect("a time");
    let tried = row["attempted-at"].as_array().expect("a list");
    assert!(tried.iter().all(|at| at.as_str().is_some_and(|at| at < deadline)), "{row}");
    assert_eq!(stack.letters(PROVIDER_DEAD_LETTERS, 1).len(), 1);
    workers.stop();
}

#[test]
fn answers_to_many_requests_travel_together() {
    const RFQS: usize = 20;
    let stack = Stack::set_up(10);
    let workers = stack.background("providers run -o json --poll-wait 2s --behavior steady");
    workers.says(" on LocalStack ");
    // They come together: how fast one process after the other submits is up to the machine.
    let submit = format!("submit --from A --to B --deadline 10m --count {RFQS}");
    for id in stack.rydes(&submit).run().exits(0).stdout.lines() {
        stack.rydes("quotes --watch -q").arg(id).run().exits(0);
    }
    let told = json(&workers.stop().stdout);
    assert_eq!((&told["quoted"], &told["gathered"]), (&json!(10 * RFQS), &json!(10 * RFQS)));
    let requests = &told["requests"]["by-operation"];
    let count = |operation: &str| requests[operation].as_u64().expect("a count");
    let rfqs = u64::try_from(RFQS).expect("a small number");
    // Ten answers to one RFQ fit into one send and one insert; a few may miss it.
    for operation in ["sqs.SendMessageBatch", "dynamodb.BatchExecuteStatement"] {
        assert!(count(operation) <= 3 * rfqs, "{operation}: {requests}");
    }
    // Of a queue's own requests those deletes travel together that come within half a second.
    assert!(count("sqs.DeleteMessageBatch") <= 5 * rfqs, "{requests}");
    assert_eq!(requests.get("sqs.ChangeMessageVisibilityBatch"), None, "{requests}");
}

#[test]
fn workers_show_how_they_behave_and_account_for_requests_only_when_asked() {
    let stack = Stack::set_up(2);
    let run = "providers run --progress plain --behavior steady --seed 7 --fault decline:no \
               --fault UnicornManagementResource2=slow:1500ms --fault duplicate@0.5";
    for (verbosity, is_told) in [("", false), ("-v", true)] {
        let workers = stack.background(&format!("{run} {verbosity}"));
        workers.says(
            "simulated: behavior steady, seed 7, fault decline:no, \
             fault UnicornManagementResource2=slow:1500ms, fault duplicate@0.5",
        );
        stack.submit("--deadline 60s");
        stack.rydes("quotes --watch").run();
        let said = workers.stop().stderr;
        assert!(said.contains("done: 2 requests: 2 declined\n"), "{said}");
        assert!(said.contains("consumer: 2 replies gathered\n"), "{said}");
        assert_eq!(said.contains("ReceiveMessage"), is_told, "{said}");
        assert_eq!(said.contains("\nAWS requests: "), is_told, "{said}");
    }
    let workers = stack.background(&format!("{run} -o json"));
    workers.says("simulated");
    stack.submit("--deadline 60s");
    stack.rydes("quotes --watch").run();
    let told = json(&workers.stop().stdout);
    assert!(told["requests"]["by-operation"]["sqs.ReceiveMessage"].is_number(), "{told}");
}

#[test]
fn failures_are_red_and_late_answers_amber_in_the_lines_of_workers() {
    let stack = Stack::set_up(2);
    let run = "--color always providers run --progress plain --behavior steady \
               --fault UnicornManagementResource1=error --fault UnicornManagementResource2=slow:12s";
    let workers = stack.background(run);
    workers.says("response consumer");
    stack.submit("--deadline 10s");
    workers.shows(" late ");
    let told = workers.stop().stdout;
    let line = |what: &str| told.lines().find(|line| line.contains(what)).map(str::to_owned);
    assert!(line(" late ").is_some_and(|line| line.starts_with("\u{1b}[33m")), "{told}");
    assert!(line(" failed ").is_some_and(|line| line.starts_with("\u{1b}[31m")), "{told}");
    assert!(line(" received ").is_some_and(|line| !line.contains('\u{1b}')), "{told}");
}
