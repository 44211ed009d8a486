//! What README promises, through the program on a real LocalStack.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::stack::{LIMIT, Stack, item};
use crate::support::{eventually, free_port, rydes};

const RESPONSES: &str = "RequestForQuotesResponseQueue";
const REFUSED: &str = "RequestForQuotesResponseDeadLetters";
const UNANSWERED: &str = "RequestForQuotesDeadLetters";

/// A reply as the original's provider function sends it.
fn quote(responder: &str, id: &str, price: &str) -> String {
    format!(r#"{{"responder": "{responder}", "rfq-id": "{id}", "quote": {price}}}"#)
}

fn states(document: &Value) -> Vec<String> {
    let providers = document["providers"].as_array().expect("a list");
    providers.iter().map(|p| p["state"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn ten_providers_answer_and_setup_and_teardown_can_be_repeated() {
    let stack = Stack::named();
    let plan = stack.rydes("setup --dry-run").run().exits(0);
    assert!(plan.stdout.contains("10 to create"), "{}", plan.stdout);
    let first = stack.rydes("setup").run().exits(0);
    assert!(first.stderr.contains("25 created, 0 kept, 0 changed"), "{}", first.stderr);
    let again = stack.rydes("setup").run().exits(0);
    assert!(again.stderr.contains("0 created, 25 kept, 0 changed"), "{}", again.stderr);

    let workers = stack.workers("--behavior steady");
    let id = stack.submit("");
    let watched = stack.watch(&id, "").exits(0);
    assert!(watched.stdout.contains("complete: 10 of 10 answered (10 quotes), best "));
    let document = stack.quotes(&id);
    assert_eq!(document["status"], "complete");
    assert_eq!(document["completed-by"], "all");
    assert_eq!(states(&document), ["quoted"; 10]);
    assert_eq!(workers.stop(), Some(0), "workers that drained end well");

    let unasked = stack.rydes("teardown").run().exits(2);
    assert!(unasked.stderr.contains("nothing was removed"), "{}", unasked.stderr);
    let removed = stack.rydes("teardown --yes").run().exits(0);
    assert!(removed.stderr.contains("removed 25; looked again"), "{}", removed.stderr);
    stack.rydes("teardown --yes").run().exits(0);
    stack.rydes(&format!("quotes {id}")).run().exits(7);
}

#[test]
fn setup_that_is_killed_is_completed_by_the_next() {
    for moment in [60, 150, 300] {
        let stack = Stack::named();
        let mut setup = stack.rydes("setup").start();
        std::thread::sleep(Duration::from_millis(moment));
        setup.kill().and_then(|()| setup.wait()).expect("it can be killed");
        stack.rydes("setup").run().exits(0);
        let again = stack.rydes("setup").run().exits(0);
        assert!(again.stderr.contains("0 created, 25 kept, 0 changed"), "{}", again.stderr);
    }
}

#[test]
fn teardown_leaves_a_stack_alone_whose_name_begins_alike() {
    let short = Stack::named();
    let long = format!("{}-longer", short.name);
    short.rydes("setup --providers 1").run().exits(0);
    let other = |arguments: &str| short.rydes(&format!("--stack {long} {arguments}"));
    // The option may stand once, so the other stack is named by a command of its own.
    let other_rydes = |arguments: &str| {
        rydes(&format!("--stack {long} {arguments}"))
            .env("AWS_ENDPOINT_URL", crate::support::localstack::endpoint())
    };
    other("setup").run().exits(2);
    other_rydes("setup --providers 1").run().exits(0);
    short.rydes("teardown --yes").run().exits(0);
    let kept = other_rydes("setup --providers 1").run().exits(0);
    assert!(kept.stderr.contains("0 created, 7 kept, 0 changed"), "{}", kept.stderr);
}

#[test]
fn the_name_of_a_deleted_queue_is_waited_for() {
    let stack = Stack::with(1);
    stack.rydes("teardown --yes").run().exits(0);
    let began = std::time::Instant::now();
    let again = stack.rydes("setup --providers 1").within(Duration::from_mins(2)).run().exits(0);
    assert!(again.stderr.contains("7 created"), "{}", again.stderr);
    assert!(began.elapsed() > Duration::from_secs(20), "nothing was waited for");
    assert!(again.stderr.contains("deleted less than a minute ago"), "{}", again.stderr);
}

#[test]
fn every_state_is_told_with_its_reason() {
    let stack = Stack::with(5);
    let name = |number: u8| format!("UnicornManagementResource{number}");
    let faults = [
        format!("--fault {}=decline:closed", name(2)),
        format!("--fault {}=error", name(3)),
        format!("--fault {}=silent", name(4)),
        format!("--fault {}=slow:17s", name(5)),
    ];
    let _workers = stack.workers(&format!("--behavior steady {}", faults.join(" ")));
    let id = stack.submit("--deadline 15s");
    let watched = stack.watch(&id, "--linger 10s").exits(3);
    for said in ["declined: closed", "failed: engine fault, 5 tries", "(receipt)", "late +"] {
        assert!(watched.stdout.contains(said), "{said}:\n{}", watched.stdout);
    }
    let document = stack.quotes(&id);
    assert_eq!(document["status"], "expired");
    assert_eq!(states(&document), ["quoted", "declined", "failed", "silent", "late"]);
    assert_eq!(document["best"]["responder"], name(1));
    assert_eq!((&document["answered"], &document["late"]), (&json!(3), &json!(1)));
    let buried = stack.receive(UNANSWERED, 1);
    let attributes = buried[0].message_attributes().expect("they say why");
    assert_eq!(attributes["reason"].string_value(), Some("engine fault"));
    assert_eq!(
        attributes["rydes-source"].string_value(),
        Some(format!("{}-{}", stack.name, name(3)).as_str())
    );
}

#[test]
fn nobody_at_all_is_exit_4_and_the_hint_says_why() {
    let stack = Stack::with(2);
    let id = stack.submit("--deadline 5s");
    let watched = stack.watch(&id, "").exits(4);
    assert!(watched.stderr.contains("all 2 copies lie unread"), "{}", watched.stderr);
    assert_eq!(states(&stack.quotes(&id)), ["missing", "missing"]);
}

#[test]
fn refusals_leave_their_neighbours_unharmed() {
    let stack = Stack::with(1);
    let id = "original-rfq";
    let nines = "9".repeat(39);
    let bad = [
        ("hello".to_owned(), "not JSON"),
        (quote("-", id, "1"), "key of the request row"),
        (quote("r", id, "1e126"), "beyond"),
        (quote("r", id, &nines), "significant digits"),
        (r#"{"responder": "r", "quote": 1}"#.to_owned(), "is missing"),
        (quote("r\\u001b[2J", id, "1"), "control characters"),
        (
            r#"{"responder": "r", "rfq-id": "unheard-of", "declined": "no"}"#.to_owned(),
            "no request row",
        ),
    ];
    for (number, (body, _)) in bad.iter().enumerate() {
        stack.send(RESPONSES, body);
        stack.send(RESPONSES, &quote(&format!("good{number}"), id, "12345678901234567890.12"));
    }
    let workers = stack.workers("");
    let gathered = || stack.rows(id).len() == bad.len();
    assert!(eventually(LIMIT, gathered), "{:?}", stack.rows(id).keys());
    let refused = stack.receive(REFUSED, bad.len());
    for (body, reason) in &bad {
        let message = refused.iter().find(|m| m.body() == Some(body)).expect("it was kept");
        let attributes = message.message_attributes().expect("they say why");
        let said = attributes["reason"].string_value().expect("a text");
        assert!(said.contains(reason), "{body}: {said}");
        let source = attributes["rydes-source"].string_value();
        assert_eq!(source, Some(format!("{}-{RESPONSES}", stack.name).as_str()));
    }
    let exact = AttributeValue::N("12345678901234567890.12".to_owned());
    assert!(stack.rows(id).values().all(|row| row["quote"] == exact));
    assert_eq!(workers.stop(), Some(0));
}

#[test]
fn ranks_decide_which_answer_stays() {
    let stack = Stack::with(1);
    let id = stack.submit("--deadline 10m");
    let _consumer = stack.workers("--fault silent --no-receipts");
    let kind = || {
        let rows = stack.rows(&id);
        let row = rows.get("acme").cloned().unwrap_or_default();
        ["silent", "failed", "declined", "quote"].into_iter().find(|kind| row.contains_key(*kind))
    };
    let reply = |kind: &str, value: Value| {
        let reply = json!({"responder": "acme", "rfq-id": id, kind: value});
        stack.send(RESPONSES, &reply.to_string());
    };
    reply("silent", json!("not available"));
    assert!(eventually(LIMIT, || kind() == Some("silent")));
    reply("failed", json!("engine fault"));
    assert!(eventually(LIMIT, || kind() == Some("failed")));
    let failed_at = stack.rows(&id)["acme"]["sent-at"].clone();
    reply("quote", json!(7));
    assert!(eventually(LIMIT, || kind() == Some("quote")));
    let row = stack.rows(&id).remove("acme").expect("it is there");
    assert_eq!(row["failed-at"], failed_at);
    for gone in ["failed", "silent", "attempts", "attempted-at", "from", "to", "customer"] {
        assert!(!row.contains_key(gone), "{gone} is still there");
    }
    // Whatever comes now changes nothing; the last one, of another provider, shows that it came.
    for (kind, value) in [("quote", json!(1)), ("declined", json!("no")), ("failed", json!("x"))] {
        reply(kind, value);
    }
    stack.send(RESPONSES, &quote("after", &id, "9"));
    assert!(eventually(LIMIT, || stack.rows(&id).contains_key("after")));
    assert_eq!(stack.rows(&id)["acme"]["quote"], AttributeValue::N("7".to_owned()));
}

#[test]
fn a_request_delivered_twice_gives_one_row() {
    let stack = Stack::with(1);
    let id = stack.submit("--deadline 10m");
    let request = json!({"rfq-id": id, "from": "Frankfurt", "to": "Rome", "customer": "anonymous"});
    stack.send("UnicornManagementResource1", &request.to_string());
    let workers = stack.workers("--behavior steady");
    stack.watch(&id, "").exits(0);
    assert_eq!(workers.stop(), Some(0));
    assert_eq!(stack.rows(&id).len(), 2, "the request row and one answer");
    assert_eq!(stack.quotes(&id)["quotes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn resubmission_finishes_what_was_broken_off() {
    let stack = Stack::with(3);
    // What a submission leaves behind that is killed between its row and its message.
    let id = "1f0a99e2-7d34-4b5c-9a61-000000000001";
    let deadline = "2099-01-01T00:00:00.000Z";
    let mut row = item([
        ("id", id),
        ("responder", "-"),
        ("from", "Frankfurt"),
        ("to", "Rome"),
        ("customer", "anonymous"),
        ("submitted-at", "2026-01-31T12:00:00.000Z"),
        ("deadline", deadline),
    ]);
    let expected = (1..=3).map(|n| AttributeValue::S(format!("UnicornManagementResource{n}")));
    row.insert("expected".to_owned(), AttributeValue::L(expected.collect()));
    stack.put(row);
    let _workers = stack.workers("--behavior steady");
    let other = format!("submit --rfq-id {id} --from Frankfurt --to Paris");
    let refused = stack.rydes(&other).run().exits(2);
    assert!(refused.stderr.contains("other content"), "{}", refused.stderr);
    assert_eq!(stack.submit(&format!("--rfq-id {id}")), id);
    stack.watch(id, "").exits(0);
    let document = stack.quotes(id);
    assert_eq!(states(&document), ["quoted"; 3]);
    assert_eq!(document["deadline"], deadline, "the stored times are used");
    let again = stack.rydes(&format!("submit --rfq-id {id} --from Frankfurt --to Rome")).run();
    assert!(again.exits(0).stderr.contains("every provider has answered"));
}

#[test]
fn rows_of_the_original_are_read_and_ours_read_like_them() {
    let stack = Stack::with(2);
    let id = "b0c1d2e3-0000-4000-8000-000000000000";
    stack.put(item([
        ("id", id),
        ("responder", "-"),
        ("from", "A"),
        ("to", "B\u{e9}"),
        ("customer", "c"),
    ]));
    for (responder, price) in
        [("UnicornManagementResource10", "100"), ("UnicornManagementResource2", "16")]
    {
        let mut row = item([("id", id), ("responder", responder)]);
        row.insert("quote".to_owned(), AttributeValue::N(price.to_owned()));
        stack.put(row);
    }
    let document = stack.quotes(id);
    assert_eq!(document["status"], "gathering");
    assert_eq!(document["expected"], Value::Null);
    assert_eq!(document["best"]["quote"], json!(16));
    let workshop = stack.rydes(&format!("quotes {id} --output workshop")).run().exits(0);
    assert_eq!(
        workshop.stdout,
        "{\"quotes\": [{\"responder\": \"UnicornManagementResource10\", \"quote\": \"100\"}, \
         {\"responder\": \"UnicornManagementResource2\", \"quote\": \"16\"}], \
         \"rfq-id\": \"b0c1d2e3-0000-4000-8000-000000000000\", \"from\": \"A\", \
         \"to\": \"B\\u00e9\", \"customer\": \"c\"}\n"
    );
    // The original's query takes `from`, `to` and `customer` of every row without a quote.
    let workers = stack.workers("--behavior steady --fault UnicornManagementResource2=silent");
    let ours = stack.submit("--deadline 10m");
    assert!(eventually(LIMIT, || stack.rows(&ours).len() == 3));
    for row in stack.rows(&ours).values().filter(|row| !row.contains_key("quote")) {
        assert_eq!(row["from"], AttributeValue::S("Frankfurt".to_owned()));
        assert!(row.contains_key("to") && row.contains_key("customer"));
    }
    assert_eq!(workers.stop(), Some(0));
}

#[test]
fn hostile_text_never_reaches_the_terminal_raw() {
    let stack = Stack::with(1);
    let id = "c0c1d2e3-0000-4000-8000-000000000000";
    let evil = "x\u{1b}[2J\u{202e}y";
    stack.put(item([
        ("id", id),
        ("responder", "-"),
        ("from", evil),
        ("to", "B"),
        ("customer", evil),
    ]));
    stack.put(item([("id", id), ("responder", "r"), ("declined", evil), ("from", evil)]));
    for format in ["table", "json", "workshop"] {
        let ran = stack.rydes(&format!("quotes {id} -o {format}")).run().exits(0);
        let raw = ran.stdout.chars().any(|c| c == '\u{1b}' || c == '\u{202e}');
        assert!(!raw, "{format}: {:?}", ran.stdout);
    }
    let submit = stack.rydes("submit --to B --from").arg(evil).run().exits(2);
    assert!(submit.stderr.contains("control characters; nothing was sent"), "{}", submit.stderr);
}

#[test]
fn submissions_are_validated_before_anything_is_sent() {
    let stack = Stack::with(1);
    let long = "x".repeat(257);
    for (arguments, problem) in [
        ("submit --from A", "`--to` is missing"),
        ("submit --from A --to B --deadline 5ms", "10 ms to 24 h"),
        ("submit --from A --to B --deadline 25h", "24h at the most"),
        (&format!("submit --from A --to {long}"), "longer than 256"),
    ] {
        let refused = stack.rydes(arguments).run().exits(2);
        assert!(refused.stderr.contains(problem), "{arguments}: {}", refused.stderr);
    }
    stack.rydes("submit --to B --from").arg(" ").run().exits(2);
    stack.rydes("providers remove UnicornManagementResource1").run().exits(0);
    let nobody = stack.rydes("submit --from A --to B").run().exits(1);
    assert!(nobody.stderr.contains("nothing was written"), "{}", nobody.stderr);
}

#[test]
fn real_providers_join_and_leave_and_are_never_answered_for() {
    let stack = Stack::with(1);
    let added = stack.rydes("providers add acme -o json").run().exits(0);
    let added: Value = serde_json::from_str(&added.stdout).expect("one JSON document");
    assert!(added["queue-url"].as_str().expect("a text").ends_with("-acme"));
    let refused = stack.rydes("providers run acme").run().exits(2);
    assert!(refused.stderr.contains("acme is a real provider"), "{}", refused.stderr);
    stack.rydes("providers add UnicornManagementResource1").run().exits(2);
    let _workers = stack.workers("--behavior steady");
    let id = stack.submit("--deadline 10m");
    assert!(eventually(LIMIT, || stack.rows(&id).len() == 2));
    assert_eq!(states(&stack.quotes(&id)), ["quoted", "waiting"]);
    let kept = stack.rydes("providers remove acme").run().exits(1);
    assert!(kept.stderr.contains("it holds 1 request"), "{}", kept.stderr);
    let lost = stack.rydes("providers remove acme --force").run().exits(0);
    assert!(lost.stderr.contains("1 request in its queue are lost"), "{}", lost.stderr);
    let register = stack.rydes("providers list").run().exits(0);
    assert!(!register.stdout.contains("acme"), "{}", register.stdout);
}

#[test]
fn wrong_places_and_wrong_words_have_codes_of_their_own() {
    let stack = Stack::named();
    for command in ["submit --from A --to B", "quotes 1234", "providers run", "consumer run"] {
        let ran = stack.rydes(command).run().exits(7);
        let hint = format!("rydes --stack {} setup", stack.name);
        assert!(ran.stderr.contains(&hint), "{command}: {}", ran.stderr);
    }
    let nowhere = format!("--endpoint-url http://127.0.0.1:{} quotes 1234", free_port());
    let ran = rydes(&nowhere).run().exits(6);
    assert!(ran.stderr.contains("nothing answers at"), "{}", ran.stderr);
    let aws = rydes("setup").env("AWS_ENDPOINT_URL", "https://sqs.eu-central-1.amazonaws.com");
    assert!(aws.run().exits(2).stderr.contains("points at real AWS; say --aws"));
    assert!(rydes("--aws setup").run().exits(2).stderr.contains("name the stack"));
    for bad in [
        "--fault fast",
        "--think 4s..1s",
        "--speed 0",
        "--poll-wait 30s",
        "--concurrency 0",
        "--behavior wild",
    ] {
        rydes(&format!("providers run {bad}")).run().exits(2);
    }
    let stack = Stack::with(1);
    for id in ["00000000-0000-4000-8000-000000000000", "no-such-id"] {
        stack.rydes(&format!("quotes {id}")).run().exits(5);
    }
    stack.rydes("providers run --fault acme=silent").run().exits(2);
}

#[test]
fn demo_shows_every_state_and_leaves_nothing() {
    let stack = Stack::named();
    let demo = stack.rydes("demo").within(Duration::from_mins(2)).run().exits(0);
    let told: BTreeSet<_> =
        ["best", "declined:", "failed:", "silent:", "late +", "would have beaten"]
            .into_iter()
            .filter(|said| demo.stdout.contains(said))
            .collect();
    assert_eq!(told.len(), 6, "{told:?}\n{}", demo.stdout);
    stack.rydes("quotes 1f0a99e2-7d34-4b5c-9a61-2c8e5f0b0147").run().exits(7);
}
