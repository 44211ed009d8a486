//! What becomes of answers on their way into the table.

use serde_json::{Value, json};

use crate::support::stack::{RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider};
use crate::support::{json, wait_for};

/// A reply as the original's provider function sends it.
fn quote(responder: &str, id: &str, price: &str) -> String {
    format!(r#"{{"responder": "{responder}", "rfq-id": "{id}", "quote": {price}}}"#)
}

#[test]
fn refusals_leave_their_neighbours_unharmed() {
    let stack = Stack::set_up(1);
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
    let workers = stack.providers("");
    wait_for("all good ones", || (stack.rows(id).len() == bad.len()).then_some(()));
    let refused = stack.letters(RESPONSE_DEAD_LETTERS, bad.len());
    for (body, reason) in &bad {
        let message = refused.iter().find(|m| m.body == *body).expect("it was kept");
        let said = &message.attributes["reason"];
        assert!(said.contains(reason), "{body}: {said}");
        assert_eq!(message.attributes["rydes-source"], stack.full(RESPONSES));
    }
    let exact = json("12345678901234567890.12");
    assert!(stack.rows(id).iter().all(|row| row["quote"] == exact), "{:?}", stack.rows(id));
    workers.stop();
    stack.drained(RESPONSES);
}

#[test]
fn a_time_that_cannot_be_written_is_absent_and_harms_nobody() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    for (number, time) in ["9999-12-30T22:00:00.5Z", "9999-12-31T23:59:59.999Z"].iter().enumerate()
    {
        let reply = json!({"responder": format!("odd{number}"), "rfq-id": id, "quote": 5,
            "received-at": time, "answered-at": time});
        stack.send(RESPONSES, &reply.to_string());
    }
    stack.send(RESPONSES, &quote("good", &id, "9"));
    let _consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    stack.row_when(&id, "good", |_| true);
    for number in 0..2 {
        let row = stack.row_when(&id, &format!("odd{number}"), |_| true);
        assert_eq!((&row["quote"], row.get("answered-at")), (&5.into(), None), "{row}");
    }
    stack.rydes("trace").run().exits(0);
}

#[test]
fn ranks_decide_which_answer_stays() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let _consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    let reply = |kind: &str, value: Value| {
        let reply = json!({"responder": "acme", "rfq-id": id, kind: value});
        stack.send(RESPONSES, &reply.to_string());
    };
    let becomes = |kind: &str| stack.row_when(&id, "acme", |row| row.get(kind).is_some());
    reply("silent", json!("not available"));
    becomes("silent");
    reply("failed", json!("engine fault"));
    let failed = becomes("failed");
    reply("quote", json!(7));
    let row = becomes("quote");
    assert_eq!(row["failed-at"], failed["sent-at"]);
    for gone in ["failed", "silent", "attempts", "attempted-at", "from", "to", "customer"] {
        assert!(row.get(gone).is_none(), "{gone} is still there");
    }
    // Whatever comes now changes nothing; the last one, of another provider, shows that it came.
    for (kind, value) in [("quote", json!(1)), ("declined", json!("no")), ("failed", json!("x"))] {
        reply(kind, value);
    }
    stack.send(RESPONSES, &quote("after", &id, "9"));
    stack.row_when(&id, "after", |_| true);
    assert_eq!(stack.row_when(&id, "acme", |_| true), row);
}

#[test]
fn a_failure_without_a_time_is_replaced_too() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    stack.put(&json!({"id": id, "responder": "acme", "failed": "engine fault", "from": "A",
        "to": "B", "customer": "c"}));
    let _consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    stack.send(RESPONSES, &quote("acme", &id, "7"));
    let row = stack.row_when(&id, "acme", |row| row.get("quote").is_some());
    assert!(row.get("failed").is_none() && row.get("failed-at").is_none(), "{row}");
    assert_eq!(stack.depth(RESPONSE_DEAD_LETTERS), 0);
}

#[test]
fn a_request_delivered_twice_gives_one_row() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let request = json!({"rfq-id": id, "from": "Frankfurt", "to": "Rome", "customer": "cmr"});
    stack.send(&provider(1), &request.to_string());
    let workers = stack.providers("--behavior steady");
    workers.until("answered", 2);
    wait_for("both answers", || {
        (workers.count("gathered") + workers.count("duplicate") == 2).then_some(())
    });
    let prices: Vec<_> = workers
        .events()
        .into_iter()
        .filter(|event| event["event"] == "answered")
        .map(|event| event["answer"]["quote"].clone())
        .collect();
    assert_eq!(prices[0], prices[1], "it is priced the same");
    workers.stop();
    assert_eq!(stack.rows(&id).len(), 2, "the request row and one answer");
    assert_eq!(stack.quotes(&id)["quotes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn rows_of_the_original_are_read_and_ours_read_like_them() {
    let stack = Stack::set_up(2);
    let id = "b0c1d2e3-0000-4000-8000-000000000000";
    stack.put(&json!({"id": id, "responder": "-", "from": "A", "to": "B\u{e9}", "customer": "c"}));
    for (responder, price) in [(provider(10), 100), (provider(2), 16)] {
        stack.put(&json!({"id": id, "responder": responder, "quote": price}));
    }
    let told = stack.quotes(id);
    assert_eq!((&told["status"], &told["expected"]), (&"gathering".into(), &Value::Null));
    assert_eq!(told["best"]["quote"], json!(16));
    let workshop = stack.rydes(&format!("quotes {id} --output workshop")).run().exits(0);
    assert_eq!(
        workshop.stdout,
        "{\"quotes\": [{\"responder\": \"UnicornManagementResource10\", \"quote\": \"100\"}, \
         {\"responder\": \"UnicornManagementResource2\", \"quote\": \"16\"}], \
         \"rfq-id\": \"b0c1d2e3-0000-4000-8000-000000000000\", \"from\": \"A\", \
         \"to\": \"B\\u00e9\", \"customer\": \"c\"}\n"
    );
    // The original's query takes `from`, `to` and `customer` of every row without a quote.
    let workers = stack.providers("--behavior steady --fault UnicornManagementResource2=silent");
    let ours = stack.submit("--deadline 10m");
    wait_for("both answers", || (stack.rows(&ours).len() == 3).then_some(()));
    let rows = stack.rows(&ours);
    assert_eq!(rows.iter().filter(|row| row.get("quote").is_some()).count(), 1);
    for row in rows.iter().filter(|row| row.get("quote").is_none()) {
        let texts = [&row["from"], &row["to"], &row["customer"]];
        assert_eq!(texts, ["Frankfurt", "Rome", "cmr"], "{row}");
    }
    workers.stop();
}

#[test]
fn hostile_text_never_reaches_the_terminal_raw() {
    let stack = Stack::set_up(1);
    let id = "c0c1d2e3-0000-4000-8000-000000000000";
    let evil = "x\u{1b}[2J\u{202e}y";
    stack.put(&json!({"id": id, "responder": "-", "from": evil, "to": "B", "customer": evil}));
    stack.put(&json!({"id": id, "responder": "r", "declined": evil, "from": evil}));
    let is_safe = |text: &str| !text.chars().any(|c| c == '\u{1b}' || c == '\u{202e}');
    for format in ["table", "json", "workshop"] {
        let ran = stack.rydes(&format!("quotes {id} -o {format}")).run().exits(0);
        assert!(is_safe(&ran.stdout), "{format}: {:?}", ran.stdout);
        assert!(ran.stdout.contains("x\\u"), "it is shown: {}", ran.stdout);
    }
    // Nor does what was typed, whoever finds the fault with it.
    for arguments in
        ["submit --to B --from", "quotes", "quotes --watch", "setup --providers", "setup --stack"]
    {
        let ran = stack.rydes(arguments).arg(evil).run();
        assert!(is_safe(&ran.stderr) && ran.stderr.contains("error: "), "{:?}", ran.stderr);
        assert_ne!(ran.code, Some(0));
    }
}
