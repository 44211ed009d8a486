//! What a real provider is asked, and when.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use rydes::core::RfqId;
use rydes::core::trace_ids::traceparent;
use serde_json::{Value, json};

use super::{events, folder, run};
use crate::support::background::Background;
use crate::support::endpoint::{Endpoint, says, status};
use crate::support::stack::Stack;
use crate::support::wait_for;

/// A request that keeps its spaces, its escapes and its order.
const REQUEST: &str = "{ \"rfq-id\":\"a b/\u{e9}\", \"to\":\"B\",\"from\":\"\\u0041\", \"customer\":\"c\",\"new\":1.50}\n";

fn enveloped(body: &str) -> String {
    json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:x", "Message": body})
        .to_string()
}

#[test]
fn a_program_gets_the_message_and_its_own_environment() {
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[(
        "acme",
        "command = ['sh', '-c', 'cat >> requests; env >> environment; echo 7']\nenv = ['ACME_TOKEN', 'ABSENT']"
            .to_owned(),
    )]);
    let file = folder.path().join("providers.toml");
    let command = stack.rydes("providers run -o jsonl --poll-wait 2s --config").arg(file);
    let command =
        command.env("ACME_TOKEN", "t").env("AWS_SECRET_ACCESS_KEY", "s").env("LC_ALL", "C");
    let workers = Background::start(command);
    workers.says(" on LocalStack ");
    stack.send("acme", REQUEST);
    stack.row_when("a b/\u{e9}", "acme", |row| row["quote"] == 7);
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).expect("it was written");
    assert_eq!(text("requests"), REQUEST);
    let environment = text("environment");
    let seen: HashMap<_, _> = environment.lines().filter_map(|line| line.split_once('=')).collect();
    let expected = [
        ("ACME_TOKEN", "t"),
        ("LC_ALL", "C"),
        ("RYDES_ATTEMPT", "1"),
        ("RYDES_PROVIDER", "acme"),
        ("RYDES_RFQ_ID", "a b/\u{e9}"),
        ("RYDES_STACK", &stack.name),
        ("TRACEPARENT", &traceparent(&RfqId::parse("a b/\u{e9}").expect("valid"), "acme")),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(name), Some(&value), "{name}: {environment}");
    }
    let known = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "PWD", "SHLVL", "_"];
    let is_known =
        |name: &&str| known.contains(name) || expected.iter().any(|(one, _)| one == name);
    let others: Vec<_> = seen.keys().filter(|name| !is_known(name)).collect();
    assert!(others.is_empty(), "{others:?}");
    // With a deadline there is time left to it; the envelope of the topic is opened.
    fs::remove_file(folder.path().join("requests")).expect("it is there");
    let id = "b".to_owned();
    let deadline = rydes::core::Timestamp::now().plus(Duration::from_secs(30));
    let timed =
        json!({"rfq-id": id, "from": "A", "to": "B", "customer": "c", "deadline": deadline});
    stack.send("acme", &enveloped(&timed.to_string()));
    stack.row_when(&id, "acme", |row| row["quote"] == 7);
    assert_eq!(text("requests"), timed.to_string());
    let environment = text("environment");
    let last = |name: &str| {
        let mut lines =
            environment.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        lines.next_back().unwrap_or_else(|| panic!("{name}: {environment}")).to_owned()
    };
    assert_eq!(last("RYDES_DEADLINE"), deadline.to_string());
    let left: u64 = last("RYDES_TIME_LEFT_MS").parse().expect("a number");
    assert!((20_000..=29_750).contains(&left), "{left}");
    workers.stop();
}

#[test]
fn an_endpoint_gets_the_message_and_headers_that_are_the_same_at_every_attempt() {
    let endpoint = Endpoint::start(|_, before| if before == 0 { status(503) } else { says("7") });
    let stack = Stack::with_real(0, &["acme"]);
    let run =
        format!("providers run acme -o jsonl --poll-wait 2s --http {}", endpoint.url("/r?x=1"));
    let workers = stack.background(&run);
    workers.says(" on LocalStack ");
    stack.send("acme", REQUEST);
    stack.row_when("a b/\u{e9}", "acme", |row| row["quote"] == 7);
    let seen = endpoint.seen("/r?x=1");
    for (position, seen) in seen.iter().enumerate() {
        assert_eq!((seen.method.as_str(), seen.body.as_str()), ("POST", REQUEST));
        let attempt = (position + 1).to_string();
        for (name, value) in [
            ("content-type", "application/json"),
            ("idempotency-key", "a%20b%2F%C3%A9/acme"),
            ("rydes-rfq-id", "a%20b%2F%C3%A9"),
            ("rydes-provider", "acme"),
            ("rydes-stack", &stack.name),
            ("rydes-attempt", &attempt),
        ] {
            assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!seen.headers.contains_key("rydes-deadline"));
    }
    assert_eq!(seen.len(), 2);
    let id = stack.submit("--deadline 30s");
    stack.row_when(&id, "acme", |row| row["quote"] == 7);
    let headers = &endpoint.seen("/r?x=1")[2].headers;
    assert_eq!(headers["rydes-deadline"], stack.quotes(&id)["deadline"]);
    let left: u64 = headers["rydes-time-left-ms"].parse().expect("a number");
    assert!((10_000..=29_750).contains(&left), "{left}");
    workers.stop();
}

#[test]
fn what_is_received_after_its_deadline_starts_nothing_and_leaves_a_receipt() {
    let endpoint = Endpoint::start(|_, _| says("7"));
    let stack = Stack::with_real(0, &["acme", "globex"]);
    let id = stack.submit("--deadline 100ms");
    stack.rydes("quotes --watch").run().exits(4);
    let folder = folder(&[
        ("acme", "command = ['sh', '-c', 'echo x > started; echo 7']".to_owned()),
        ("globex", format!("http = \"{}\"", endpoint.url("/"))),
    ]);
    let workers = run(&stack, &folder, "--no-receipts");
    for name in ["acme", "globex"] {
        let row = stack.row_when(&id, name, |_| true);
        assert_eq!(row["silent"], "received after its deadline", "{row}");
    }
    assert!(!folder.path().join("started").exists() && endpoint.seen("/").is_empty());
    assert_eq!(workers.count("asked"), 0);
    workers.stop();
}

#[test]
fn the_deadline_ends_no_attempt_but_no_other_begins_after_it() {
    let late =
        |then: &str| format!("timeout = \"30s\"\ncommand = ['sh', '-c', 'sleep 16; {then}']");
    let stack = Stack::with_real(0, &["quotes", "fails"]);
    let folder = folder(&[("quotes", late("echo 7")), ("fails", late("exit 1"))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 15s");
    let row = stack.row_when(&id, "fails", |row| row.get("failed").is_some());
    assert_eq!((&row["failed"], &row["attempts"]), (&json!("exit 1"), &json!(1)), "{row}");
    stack.row_when(&id, "quotes", |row| row["quote"] == 7);
    let quotes = stack.quotes(&id);
    assert_eq!(
        (&quotes["best"], &quotes["regret"]["quote"]),
        (&Value::Null, &json!(7)),
        "{quotes}"
    );
    assert_eq!(quotes["quotes"][0]["late"], true);
    assert_eq!(workers.count("attempt"), 0);
    workers.stop();
}

#[test]
fn no_more_requests_are_asked_at_once_than_concurrency_allows() {
    let stack = Stack::with_real(0, &["acme"]);
    let script = "echo $$ >> begun; sleep 1; echo x >> over; echo 7";
    let folder =
        folder(&[("acme", format!("command = ['sh', '-c', '{script}']\nconcurrency = 2"))]);
    let ids: Vec<_> = (0..6).map(|_| stack.submit("--deadline 10m")).collect();
    let workers = run(&stack, &folder, "");
    let lines = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        text.lines().count()
    };
    let mut most = 0;
    wait_for("all of them answered", || {
        let (over, begun) = (lines("over"), lines("begun"));
        most = most.max(begun.saturating_sub(over));
        // What cannot be asked yet is not received: others may take it.
        let events = workers.events();
        let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
        let hand = count("received") - count("answered");
        assert!(hand <= 2, "{hand} in hand");
        ids.iter().all(|id| !stack.rows(id)[1..].is_empty()).then_some(())
    });
    assert!(most <= 2, "{most}");
    // A row may be seen before the event that led to it.
    workers.until("asked", 6);
    assert_eq!(events(&workers, "asked", "acme").len(), 6);
    workers.stop();
}
