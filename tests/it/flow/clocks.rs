//! Clocks that are minutes apart: what holds all the same.

use std::collections::HashMap;
use std::time::Duration;

use rydes::core::{ProviderName, Request, RfqId, Ride, Timestamp};
use rydes::flow::provider::{Behaviour, Decision, Intent, Profile, When};
use serde_json::{Value, json};

use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};
use crate::support::{json, wait_for};

/// Five minutes, in milliseconds.
const OFF: i64 = 300_000;
/// How long answers are wanted.
const DEADLINE: i64 = 60_000;

/// The time, so many milliseconds from now.
fn time(from_now: i64) -> String {
    let now = Timestamp::now();
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
    assert!(verified.stdout.contains("every copy is accounted for"), "{}", verified.stdout);
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
    let id = stack.submit("--deadline 20s");
    let watched = stack.rydes("quotes --watch").run().exits(3);
    // One believes that it is too late, and leaves a receipt alone. The others answer in time.
    let said = "deadline passed: 2 of 3 answered (2 quotes)";
    assert!(watched.stdout.contains(said), "{}", watched.stdout);
    let said = "silent: received after its deadline";
    assert!(watched.stdout.contains(said), "{}", watched.stdout);
    let told = stack.quotes(&id);
    assert!(told["quotes"].as_array().expect("a list").iter().all(|quote| {
        quote["late"] == false && quote["after-ms"].as_i64().is_some_and(|ms| ms < DEADLINE)
    }));
    let row = stack.row_when(&id, &provider(2), |_| true);
    assert!(row["answered-at"].as_str() < row["sent-at"].as_str(), "its own clock is slow: {row}");
    let traced = stack.rydes("trace").run().exits(0);
    assert!(traced.stdout.contains("clocks disagree: "), "{}", traced.stdout);
    let told = json(&stack.rydes("trace -o json").run().exits(0).stdout);
    let slowest = &told["slowest"]["pick-up"];
    assert_eq!(slowest["responder"], provider(3), "the others' clocks are off: {slowest}");
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

/// Has providers of this behaviour answer a customer whose clock is slow; one row holds this kind.
#[track_caller]
fn late_by_a_slow_clock(behavior: &str, kind: &str) {
    let stack = Stack::set_up(2);
    let workers = stack.providers(&format!("--behavior {behavior}"));
    let id = submit(&stack, 2, -OFF);
    nothing_is_lost_or_doubled(&stack, id, 2);
    let told = stack.quotes(id);
    assert_eq!((&told["status"], &told["answered"]), (&json!("expired"), &json!(0)));
    assert!(kinds(&stack, id).contains(&kind), "{:?}", kinds(&stack, id));
    assert_eq!(told["best"], Value::Null, "late is late, by the queue's clock: {told}");
    stack.rydes("quotes --watch").arg(id).run().exits(4);
    workers.stop();
}

/// Providers leave a receipt for what they receive after its deadline.
#[test]
fn a_customer_s_clock_that_is_slow_makes_the_deadline_earlier_and_every_answer_late() {
    late_by_a_slow_clock("steady", "silent");
}

/// Those of the original do not ask for the time.
#[test]
fn a_customer_s_clock_that_is_slow_makes_every_answer_of_the_original_late_too() {
    late_by_a_slow_clock("workshop --speed 1000 --seed 3", "quote");
}

/// A request of a customer whose clock is wrong: it was submitted at this time, and has 15 s.
fn asked(id: &str, submitted: Timestamp) -> Request {
    Request {
        id: RfqId::parse(id).expect("an id"),
        ride: Ride { from: "A".to_owned(), to: "B".to_owned(), customer: "c".to_owned() },
        submitted_at: Some(submitted),
        deadline: Some(submitted.plus(Duration::from_secs(15))),
    }
}

#[test]
fn a_customer_whose_clock_is_fast_holds_up_no_other() {
    const HANDS: usize = 3;
    const PROVIDERS: usize = 2;
    let stack = Stack::set_up(PROVIDERS);
    let demo =
        Behaviour { profile: Profile::Demo, seed: 0, think: None, speed: 1.0, faults: Vec::new() };
    let now = Timestamp::now();
    let is = |number: usize, id: &str, submitted, wanted: fn(&Decision) -> bool| {
        let name = ProviderName::simulated(number);
        wanted(&demo.decide(&name, &asked(id, submitted), now))
    };
    let fast = now.plus(Duration::from_mins(10));
    let last = Timestamp::parse("9999-12-30T21:00:00Z").expect("a time");
    let mut waiting = HashMap::from([(fast, 0), (last, 0)]);
    // Each of these, at each provider, is answered too late on purpose: twice as many as there are hands.
    for number in 1..=PROVIDERS {
        let late = |decision: &Decision| matches!(decision.when, When::At(_));
        for submitted in [fast, last] {
            let ids = (0..).map(|turn| format!("late-{number}-{turn}-{submitted}"));
            for id in ids.filter(|id| is(number, id, submitted, late)).take(HANDS) {
                stack.send(&provider(number), &asked(&id, submitted).encode(None));
                *waiting.get_mut(&submitted).expect("one of them") += 1;
            }
        }
    }
    assert_eq!(waiting.values().sum::<usize>(), 2 * HANDS * PROVIDERS);
    let workers = stack.providers(&format!("--behavior demo --concurrency {HANDS}"));
    workers.until("received", HANDS * PROVIDERS);
    let quotes = |decision: &Decision| {
        matches!((&decision.when, &decision.intent), (When::After(_), Intent::Quote(_)))
    };
    let honest = (0..).map(|turn| format!("honest-{turn}"));
    let honest =
        honest.filter(|id| (1..=PROVIDERS).all(|number| is(number, id, now, quotes))).take(3);
    for id in honest.collect::<Vec<_>>() {
        stack.submit(&format!("--deadline 40s --rfq-id {id}"));
        stack.rydes("quotes --watch").arg(&id).run().exits(0);
        let told = stack.quotes(&id);
        assert_eq!(told["quotes"].as_array().map(Vec::len), Some(PROVIDERS), "{told}");
    }
    // Those wait no longer than a minute and some seconds by the workers' own clock, then are answered.
    workers.until("gathered", 2 * HANDS * PROVIDERS + 3 * PROVIDERS);
    (1..=PROVIDERS).for_each(|number| stack.drained(&provider(number)));
    assert_eq!(workers.count("delivered-again"), 0);
    assert!(workers.events().iter().all(|event| event["count"].is_null() || event["count"] == 1));
    workers.stop();
}
