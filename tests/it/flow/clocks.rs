//! Clocks that are minutes apart: what holds all the same.

use serde_json::{Value, json};

use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};
use crate::support::wait_for;

/// Five minutes, in milliseconds.
const OFF: i64 = 300_000;
/// How long answers are wanted.
const DEADLINE: i64 = 60_000;

/// The time, so many milliseconds from now.
fn time(from_now: i64) -> String {
    let now = rydes::model::Timestamp::now();
    now.by_clock(from_now).to_string()
}

/// Submits as a customer does whose clock is so many milliseconds fast.
fn submit(stack: &Stack, providers: usize, fast: i64) -> &'static str {
    let id = "3f0a99e2-7d34-4b5c-9a61-000000000001";
    let expected: Vec<_> = (1..=providers).map(provider).collect();
    let (submitted, deadline) = (time(fast), time(fast + DEADLINE));
    stack.put(&json!({"id": id, "responder": "-", "from": "A", "to": "B", "customer": "c",
        "submitted-at": submitted, "deadline": deadline, "expected": expected, "until": ["all"]}));
    stack.publish(&json!({"rfq-id": id, "from": "A", "to": "B", "customer": "c",
        "submitted-at": submitted, "deadline": deadline}));
    id
}

/// Every copy has one row, and none is unexplained.
fn nothing_is_lost_or_doubled(stack: &Stack, id: &str, providers: usize) {
    wait_for("all rows", || (stack.rows(id).len() == 1 + providers).then_some(()));
    let verified = stack.rydes("verify --wait").arg(id).run().exits(0);
    assert!(verified.stdout.contains("everything is accounted for"), "{}", verified.stdout);
    assert_eq!(stack.depth(RESPONSE_DEAD_LETTERS), 0);
}

/// The kind of answer that each provider's row holds.
fn kinds(stack: &Stack, id: &str) -> Vec<&'static str> {
    let kind = |row: &Value| {
        ["quote", "declined", "failed", "silent"].into_iter().find(|kind| row.get(kind).is_some())
    };
    stack.rows(id).iter().filter_map(kind).collect()
}

#[test]
fn a_provider_s_clock_decides_only_whether_it_still_prices() {
    let stack = Stack::set_up(3);
    let faults = "--fault UnicornManagementResource1=clock:+5m \
                  --fault UnicornManagementResource2=clock:-5m";
    let workers = stack.providers(&format!("--behavior steady {faults}"));
    let id = stack.submit("--deadline 60s");
    let watched = stack.rydes("quotes --watch").run().exits(0);
    // One believes that it is too late; the others answer in time, whatever they believe.
    let said = "complete: 3 of 3 answered (2 quotes, 1 declined)";
    assert!(watched.stdout.contains(said), "{}", watched.stdout);
    assert!(watched.stdout.contains("declined: received after its deadline"), "{}", watched.stdout);
    let told = stack.quotes(&id);
    assert!(told["quotes"].as_array().expect("a list").iter().all(|quote| {
        quote["late"] == false && quote["after-ms"].as_i64().is_some_and(|ms| ms < DEADLINE)
    }));
    let row = stack.row_when(&id, &provider(2), |_| true);
    assert!(row["answered-at"].as_str() < row["sent-at"].as_str(), "its own clock is slow: {row}");
    let traced = stack.rydes("trace").run().exits(0);
    assert!(traced.stdout.contains("clocks disagree: "), "{}", traced.stdout);
    nothing_is_lost_or_doubled(&stack, &id, 3);
    workers.stop();
}

#[test]
fn a_customer_s_clock_that_is_fast_makes_the_deadline_later() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady");
    let id = submit(&stack, 2, OFF);
    nothing_is_lost_or_doubled(&stack, id, 2);
    let told = stack.quotes(id);
    assert_eq!(
        (&told["status"], &told["answered"], &told["late"]),
        (&json!("complete"), &json!(2), &json!(0))
    );
    assert!(
        told["quotes"][0]["after-ms"].as_i64() < Some(0),
        "answered before it was asked: {told}"
    );
    stack.rydes("quotes --watch").arg(id).run().exits(0);
    workers.stop();
}

#[test]
fn a_customer_s_clock_that_is_slow_makes_the_deadline_earlier_and_every_answer_late() {
    // They decline what they receive after its deadline; the original's do not ask.
    for (behavior, kind) in [("steady", "declined"), ("workshop --speed 1000 --seed 3", "quote")] {
        let stack = Stack::set_up(2);
        let workers = stack.providers(&format!("--behavior {behavior}"));
        let id = submit(&stack, 2, -OFF);
        nothing_is_lost_or_doubled(&stack, id, 2);
        let told = stack.quotes(id);
        assert_eq!((&told["status"], &told["answered"]), (&json!("expired"), &json!(0)));
        assert!(kinds(&stack, id).contains(&kind), "{behavior}: {:?}", kinds(&stack, id));
        assert_eq!(told["best"], Value::Null, "late is late, by the queue's clock: {told}");
        stack.rydes("quotes --watch").arg(id).run().exits(4);
        workers.stop();
    }
}
