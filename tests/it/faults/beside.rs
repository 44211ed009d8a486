//! Submissions of one id beside each other; one is refused. What was accepted stays.

use serde_json::{Value, json};

use super::submit::{ID, REFUSED, SUBMIT, submit};
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{Stack, provider};
use crate::support::{Ran, wait_for};

const KEPT: &str = "was kept, because another submission uses it";

/// The request row of an RFQ.
fn request_row(stack: &Stack, id: &str) -> Value {
    let rows = stack.rows(id);
    rows.into_iter().find(|row| row["responder"] == "-").expect("the request row is there")
}

/// Every provider's quote is there, and the RFQ can be read.
fn is_answered(stack: &Stack, id: &str) {
    stack.rydes("quotes --watch").arg(id).run().exits(0);
    assert_eq!(stack.quotes(id)["completed-by"], "all");
}

/// Starts a submission whose publish is refused, and whose removal of its row pauses; returns once the
/// removal is under way.
fn refused<'a>(
    scope: &'a std::thread::Scope<'a, '_>,
    stack: &'a Stack,
    proxy: &'a Proxy,
) -> std::thread::ScopedJoinHandle<'a, Ran> {
    proxy.fail("Publish", 1, REFUSED);
    proxy.fail("DeleteItem", usize::MAX, ProxyFault::Pause);
    let first = scope.spawn(|| submit(stack, proxy).run());
    proxy.until("DeleteItem", 1);
    first
}

#[test]
fn a_refusal_does_not_take_the_row_of_one_that_was_accepted_meanwhile() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    std::thread::scope(|scope| {
        let first = refused(scope, &stack, &proxy);
        assert!(request_row(&stack, ID)["submission"].is_string(), "it carries its writer's mark");
        stack.rydes(SUBMIT).arg(ID).run().exits(0);
        assert_eq!(request_row(&stack, ID)["submission"], Value::Null, "the mark is gone");
        proxy.resume();
        let first = first.join().expect("it ends").exits(1);
        assert!(first.stderr.contains(KEPT), "{}", first.stderr);
        assert!(first.stderr.contains("AuthorizationError: not you"), "{}", first.stderr);
    });
    is_answered(&stack, ID);
}

#[test]
fn one_that_finds_the_row_going_starts_over() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let (proxy, second) = (Proxy::start(), Proxy::start());
    second.fail("UpdateItem", usize::MAX, ProxyFault::Pause);
    std::thread::scope(|scope| {
        let first = refused(scope, &stack, &proxy);
        let again = scope.spawn(|| submit(&stack, &second).run());
        second.until("UpdateItem", 1);
        proxy.resume();
        first.join().expect("it ends").exits(1);
        second.resume();
        again.join().expect("it ends").exits(0);
    });
    assert_eq!(second.count("PutItem"), 2);
    is_answered(&stack, ID);
}

#[test]
fn of_two_that_are_refused_the_second_says_that_the_row_is_kept() {
    let stack = Stack::set_up(1);
    let (proxy, second) = (Proxy::start(), Proxy::start());
    second.fail("Publish", 1, REFUSED);
    std::thread::scope(|scope| {
        let first = refused(scope, &stack, &proxy);
        let again = submit(&stack, &second).run().exits(1);
        assert!(again.stderr.contains("was kept, because another submission wrote it"));
        proxy.resume();
        assert!(first.join().expect("it ends").exits(1).stderr.contains(KEPT));
    });
    assert_eq!(stack.rows(ID).len(), 1);
}

#[test]
fn a_removal_whose_confirmation_is_lost_does_not_claim_that_the_row_stays() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("Publish", 1, REFUSED);
    proxy.fail("DeleteItem", 1, ProxyFault::CutAfter);
    let refused = submit(&stack, &proxy).run().exits(1);
    assert_eq!(proxy.count("DeleteItem"), 2);
    assert!(!refused.stderr.contains("kept"), "{}", refused.stderr);
    assert!(stack.rows(ID).is_empty(), "the row is gone");
}

#[test]
fn one_that_finds_every_answer_there_keeps_the_row_too() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    std::thread::scope(|scope| {
        let first = refused(scope, &stack, &proxy);
        // Another program may have published it.
        stack.put(&json!({"id": ID, "responder": provider(1), "quote": 7}));
        let second = stack.rydes(SUBMIT).arg(ID).run().exits(0);
        assert!(second.stderr.contains("every provider has answered"), "{}", second.stderr);
        proxy.resume();
        assert!(first.join().expect("it ends").exits(1).stderr.contains(KEPT));
    });
    assert_eq!(stack.quotes(ID)["answered"], 1);
}

#[test]
fn a_server_keeps_what_it_accepted_when_an_earlier_try_is_refused() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    server.submit("");
    proxy.fail("PublishBatch", 1, REFUSED);
    proxy.fail("DeleteItem", usize::MAX, ProxyFault::Pause);
    let body = json!({"from": "A", "to": "B", "rfq-id": "twice"}).to_string();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.post(&body));
        proxy.until("DeleteItem", 1);
        let second = wait_for("the second is taken", || {
            let answer = server.post(&body);
            (answer.status == 201).then_some(answer)
        });
        assert_eq!(second.json(), json!({"rfq-id": "twice"}));
        proxy.resume();
        let first = first.join().expect("it is answered");
        assert_eq!(first.status, 503, "{first:?}");
    });
    is_answered(&stack, "twice");
    assert_eq!(server.get("/query-instant-ride-rfq/twice").status, 200);
}

#[test]
fn entries_that_are_told_to_have_failed_inside_sns_leave_the_row() {
    let stack = Stack::set_up(1);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    proxy.fail("PublishBatch", usize::MAX, ProxyFault::Entries(u32::MAX));
    let body = json!({"from": "A", "to": "B", "rfq-id": "inside"}).to_string();
    let unknown = server.post(&body);
    assert_eq!((unknown.status, &unknown.json()["rfq-id"]), (503, &json!("inside")));
    assert_eq!(proxy.count("DeleteItem"), 0, "the messages were out");
    is_answered(&stack, "inside");
}

#[test]
fn the_same_id_twice_in_one_batch_is_one_rfq() {
    let stack = Stack::set_up(1);
    let line = r#"{"from": "A", "to": "B", "rfq-id": "same"}"#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("requests.jsonl");
    std::fs::write(&file, format!("{line}\n{line}\n")).expect("it can be written");
    let ran = stack.rydes("submit --batch").arg(&file).run().exits(0);
    assert_eq!(ran.stdout, "same\nsame\n");
    assert_eq!(stack.rows("same").len(), 1);
}
