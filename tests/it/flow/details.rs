//! Details in both directions, and the order of quotes that they decide.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::schemas::conforms;
use crate::support::endpoint::{Endpoint, says};
use crate::support::stack::{RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider};
use crate::support::{json as document, json_lines, wait_for};

/// Details that a careless reader would change, and how they are sent.
const WRITTEN: &str = "{\n  \"seats\": 4.50, \"a\": [1E+5, 12345678901234567890.10],\n  \"to\": \"Z\u{fc}rich\", \"x\": null }";
const SENT: &str =
    r#"{"seats":4.50,"a":[1E+5,12345678901234567890.10],"to":"Z\u00fcrich","x":null}"#;
/// Bytes of the longest message of the topic.
const LONGEST: usize = 262_144;

/// The details of a message as it was delivered.
fn sent_details(stack: &Stack, queue: &str) -> Vec<String> {
    let letters = stack.letters(queue, 1).into_iter();
    let details =
        |body: String| body.split_once("\"details\":").map(|(_, details)| details.to_owned());
    letters.filter_map(|letter| details(letter.body)).collect()
}

#[test]
fn details_of_a_request_are_published_and_kept_as_they_were_written() {
    let stack = Stack::set_up(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("it can be written");
        file.display().to_string()
    };
    let details = file("details.json", WRITTEN);
    let event = file("event.json", &format!(r#"{{"from": "A", "to": "B", "details": {WRITTEN}}}"#));
    let compact: Value = serde_json::from_str(WRITTEN).expect("JSON");
    let line = format!(
        r#"{{"from":"A","to":"B","rfq-id":"line","details":{}}}"#,
        WRITTEN.replace('\n', " ")
    );
    let batch = file("batch.jsonl", &line);
    let server = stack.serve();
    let asked = |arguments: &[&str]| {
        let mut command = stack.rydes("submit --deadline 10m");
        for argument in arguments {
            command = command.arg(argument);
        }
        command.run().exits(0).stdout.trim_end().to_owned()
    };
    let ride = ["--from", "A", "--to", "B"];
    let ids = [
        asked(&[&ride[..], &["--details", WRITTEN]].concat()),
        asked(&[&ride[..], &["--details", &format!("@{details}")]].concat()),
        asked(&["--file", &event]),
        asked(&["--batch", &batch]),
        server.submit(&format!(r#", "details": {WRITTEN}"#)),
        stack
            .shell(&format!("rydes submit --from A --to B --details @- < {details}"))
            .exits(0)
            .stdout
            .trim_end()
            .to_owned(),
    ];
    for id in &ids {
        let row = stack.rows(id).into_iter().next().expect("the request row");
        assert_eq!(row["details"], SENT, "{id}");
        let told = stack.quotes(id);
        conforms("quotes", &told);
        assert_eq!(told["details"], compact);
        let workshop = stack.rydes(&format!("quotes {id} -o workshop")).run().exits(0).stdout;
        assert!(!workshop.contains("details") && !workshop.contains("seats"), "{workshop}");
    }
    assert_eq!(sent_details(&stack, &provider(1)), vec![format!("{SENT}}}"); ids.len()]);
    let none = stack.submit("--details null");
    assert_eq!(stack.rows(&none)[0].get("details"), None);
    assert_eq!(stack.quotes(&none)["details"], Value::Null);
}

#[test]
fn a_file_has_the_fields_of_a_line() {
    let stack = Stack::set_up(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("event.json");
    let event = r#"{"from": "A", "to": "B", "rfq-id": "own", "deadline": "20m", "until": 3, "best-by": "max:/a"}"#;
    fs::write(&file, event).expect("it can be written");
    let submit = |options: &str| {
        let command = format!("submit -o json --deadline 10m --best-by price {options} --file");
        document(&stack.rydes(&command).arg(&file).run().exits(0).stdout)
    };
    let told = submit("");
    assert_eq!((&told["rfq-id"], &told["best-by"]), (&json!("own"), &json!("max:/a")));
    assert_eq!(told["until"], json!(["all", "3"]));
    assert_eq!(submit("--rfq-id typed")["rfq-id"], "typed");
    let text = stack.rydes("submit --from A --to B --details hello").run().exits(2).stderr;
    assert!(
        text.contains("hint: a file is typed as `@FILE`, and a JSON text has double quotes"),
        "{text}"
    );
    let none = stack.rydes("submit --from A --to B --details @").run().exits(2).stderr;
    assert!(none.contains("no file name follows `@`"), "{none}");
    fs::write(&file, format!("\"{}\"", "x".repeat(LONGEST))).expect("it can be written");
    let tried = format!("providers try --details @{} -- echo 1", file.display());
    assert!(stack.rydes(&tried).run().exits(2).stderr.contains("SNS takes at most 262144"));
}

#[test]
fn details_that_could_not_be_passed_on_are_refused_before_anything_is_sent() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let nested = format!("{}{}", "[".repeat(101), "]".repeat(101));
    for (details, problem) in [
        ("{", "not JSON: EOF"),
        ("seats", "expected"),
        (r#"{"a": "\ud800"}"#, "surrogate"),
        (nested.as_str(), "more than 100 levels"),
    ] {
        let refused = stack.rydes("submit --from A --to B --details").arg(details).run().exits(2);
        assert!(
            refused.stderr.contains("`--details`") && refused.stderr.contains(problem),
            "{}",
            refused.stderr
        );
        let answer = server.post(&format!(r#"{{"from": "A", "to": "B", "details": {details}}}"#));
        assert_eq!(answer.status, 400, "{details}");
    }
    // A message of just the longest length goes out, one byte more does not.
    let id = "the-longest";
    let mut length = LONGEST - 500;
    let request =
        |length: usize| format!("\"{}\"", "\u{e9}".repeat(length / 6) + &"x".repeat(length % 6));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("details.json");
    let submit = |length: usize| {
        fs::write(&file, request(length)).expect("it can be written");
        let command = format!(
            "submit --from A --to B --deadline 10m --rfq-id {id} --details @{}",
            file.display()
        );
        stack.rydes(&command).run()
    };
    let too_long = submit(LONGEST).exits(2).stderr;
    let size = too_long.split_once("details has ").and_then(|(_, rest)| rest.split_once(" bytes"));
    let size: usize = size.and_then(|(size, _)| size.parse().ok()).expect("the size");
    assert!(too_long.contains("SNS takes at most 262144; nothing was sent"), "{too_long}");
    length += LONGEST - (size - LONGEST) - length;
    assert!(submit(length + 1).exits(2).stderr.contains("has 262145 bytes"));
    assert_eq!((stack.rows(id).len(), stack.depth(&provider(1))), (0, 0), "nothing was written");
    let posted = format!(r#"{{"from": "A", "to": "B", "details": {}}}"#, request(LONGEST));
    let answer = server.post(&posted);
    assert_eq!((answer.status, answer.json()["field"].as_str()), (413, Some("details")));
    assert!(answer.json()["error"].as_str().is_some_and(|error| error.contains("262144")));
    submit(length).exits(0);
    let sent = stack.letters(&provider(1), 1).pop().expect("it was delivered");
    assert_eq!(sent.body.len(), LONGEST);
    // It is answered, too, and its decline needs the ride of its row.
    let workers = stack.providers("--fault UnicornManagementResource1=decline:full");
    stack.row_when(id, &provider(1), |row| row["declined"] == "full");
    workers.stop();
}

#[test]
fn details_of_replies_are_kept_shown_and_streamed() {
    let stack = Stack::with_real(0, &["acme", "globex", "initech"]);
    let quote = format!(r#"{{"quote": 57, "details": {WRITTEN}}}"#);
    let endpoint = Endpoint::start(move |seen, _| match seen.path.as_str() {
        "/acme" => says(&quote),
        "/globex" => says(r#"{"declined": "full", "details": {"next": "tomorrow"}}"#),
        _ => says(r#"{"failed": "no engine", "details": [1]}"#),
    });
    let workers: Vec<_> = ["acme", "globex", "initech"]
        .map(|name| {
            let run = format!(
                "providers run {name} --poll-wait 2s -o jsonl --http {}",
                endpoint.url(&format!("/{name}"))
            );
            stack.background(&run)
        })
        .into();
    for worker in &workers {
        worker.says(" on LocalStack ");
    }
    let watched =
        stack.rydes("submit --from A --to B --deadline 20s --wait -o jsonl").run().exits(0);
    let lines = json_lines(&watched.stdout);
    let news = |who: &str| {
        lines.iter().find(|line| line["responder"] == who).unwrap_or_else(|| panic!("{lines:?}"))
    };
    let written: Value = serde_json::from_str(WRITTEN).expect("JSON");
    assert_eq!(news("acme")["details"], written);
    assert_eq!(news("globex")["details"], json!({"next": "tomorrow"}));
    let id = lines[0]["rfq-id"].as_str().expect("an id");
    let row = |who: &str| stack.row_when(id, who, |_| true);
    assert_eq!(row("acme")["details"], SENT);
    assert_eq!(
        (&row("globex")["details"], &row("initech")["details"]),
        (&r#"{"next":"tomorrow"}"#.into(), &"[1]".into())
    );
    let told = stack.quotes(id);
    conforms("quotes", &told);
    assert_eq!(told["quotes"][0]["details"], written);
    let others: Vec<_> = told["providers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["details"].clone())
        .collect();
    assert_eq!(others, [Value::Null, json!({"next": "tomorrow"}), json!([1])]);
    let original =
        document(&stack.rydes(&format!("quotes {id} -o workshop")).run().exits(0).stdout);
    assert_eq!(original["quotes"], json!([{"responder": "acme", "quote": "57"}]));
    let shown =
        stack.rydes(&format!("quotes {id} --show seats --show /a/1 --show next")).run().exits(0);
    assert!(shown.stdout.contains("seats                     /a/1  next"), "{}", shown.stdout);
    assert!(shown.stdout.contains("57   4.50  12345678901234567890.10"), "{}", shown.stdout);
    let refused = stack.rydes("quotes x --show").arg("/~").run().exits(2);
    assert!(refused.stderr.contains("JSON Pointer"), "{}", refused.stderr);
    for worker in workers {
        worker.stop();
    }
}

#[test]
fn details_of_a_reply_that_cannot_be_kept_refuse_it() {
    let stack = Stack::set_up(1);
    let reply = |details: &str| {
        format!(r#"{{"responder": "r", "rfq-id": "x", "quote": 1, "details": {details}}}"#)
    };
    let longest = format!("\"{}\"", "x".repeat(65_534));
    let longer = format!("\"{}\"", "x".repeat(65_535));
    let nested = format!("{}{}", "[".repeat(101), "]".repeat(101));
    for details in [longer.as_str(), r#""\ud800""#, &nested] {
        stack.send(RESPONSES, &reply(details));
    }
    let consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    let letters = stack.letters(RESPONSE_DEAD_LETTERS, 3);
    let mut reasons: Vec<_> =
        letters.iter().map(|letter| letter.attributes["reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "`details` is longer than 65536 bytes",
            "`details`: a string holds half of a surrogate pair",
            "`details`: it has more than 100 levels of arrays and objects",
        ]
    );
    // A failure with details is replaced by a quote without; nothing of it stays but its time.
    stack.send(RESPONSES, r#"{"responder": "f", "rfq-id": "x", "failed": "no", "details": {"a": 1}, "from": "A", "to": "B", "customer": "c"}"#);
    stack.row_when("x", "f", |row| row["details"] == r#"{"a":1}"#);
    stack.send(RESPONSES, r#"{"responder": "f", "rfq-id": "x", "quote": 7}"#);
    stack.send(RESPONSES, &reply(&longest));
    let replaced = stack.row_when("x", "f", |row| row["quote"] == 7);
    assert_eq!((replaced.get("details"), replaced.get("failed")), (None, None));
    assert_eq!(stack.row_when("x", "r", |_| true)["details"], longest);
    consumer.stop();
}

#[test]
fn the_order_is_stored_and_every_reader_follows_it() {
    let stack = Stack::set_up(3);
    let server = stack.serve();
    let submitted = document(
        &stack
            .rydes("submit --from A --to B --deadline 10m -o json --best-by min:/eta")
            .run()
            .exits(0)
            .stdout,
    );
    assert_eq!(submitted["best-by"], "min:/eta");
    let id = submitted["rfq-id"].as_str().expect("an id").to_owned();
    assert_eq!(stack.rows(&id)[0]["best-by"], "min:/eta");
    let posted = server.submit(r#", "best-by": "max:/eta", "deadline": "10m""#);
    let line =
        r#"{"from": "A", "to": "B", "rfq-id": "line", "best-by": "max:/eta", "deadline": "10m"}"#;
    stack.shell(&format!("echo '{line}' | rydes submit --batch - --best-by min:/other")).exits(0);
    let consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    let reply = |id: &str, who: usize, quote: u64, eta: &str| {
        let (from, details) = (provider(who), json!({"eta": document(eta)}));
        stack.send(
            RESPONSES,
            &json!({"responder": from, "rfq-id": id, "quote": quote, "details": details})
                .to_string(),
        );
        stack.row_when(id, &from, |_| true);
    };
    for id in [&id, &posted, "line"] {
        reply(id, 1, 9, "\"soon\"");
    }
    let told = stack.quotes(&id);
    conforms("quotes", &told);
    assert_eq!((&told["best-by"], &told["best"]["by"]), (&"min:/eta".into(), &"price".into()));
    assert_eq!(told["best"]["value"], 9);
    let table = stack.rydes(&format!("quotes {id}")).run().exits(0).stdout;
    assert!(table.contains("no quote has /eta: ordered by price"), "{table}");
    let shown = |fields: &str| stack.rydes(&format!("quotes {id} {fields}")).run().exits(0).stderr;
    let said = "no reply has minutes or /a/b: the replies have eta\n";
    assert!(
        shown("--show minutes --show eta --show /a/b").contains(said),
        "{}",
        shown("--show minutes")
    );
    assert!(!shown("--show eta").contains("no reply has"), "{}", shown("--show eta"));
    let traced = stack.rydes(&format!("trace {id}")).run().exits(0).stdout;
    assert!(traced.contains("no quote has /eta: ordered by price"), "{traced}");
    let traced = document(&stack.rydes(&format!("trace {id} -o json")).run().exits(0).stdout);
    conforms("trace", &traced);
    assert_eq!((&traced["best-by"], &traced["by"]), (&"min:/eta".into(), &"price".into()));
    let status = stack.rydes("status").run().exits(0).stdout;
    assert_eq!(status.matches("9 (by price)").count(), 3, "{status}");
    for id in [&id, &posted, "line"] {
        reply(id, 2, 80, "7.0");
        reply(id, 3, 90, "-3");
    }
    let best = |id: &str| stack.quotes(id)["best"].clone();
    assert_eq!(
        best(&id),
        json!({"responder": provider(3), "quote": 90, "by": "min:/eta", "value": -3})
    );
    for id in [&posted, "line"] {
        assert_eq!(
            best(id),
            json!({"responder": provider(2), "quote": 80, "by": "max:/eta", "value": 7})
        );
    }
    let traced = document(&stack.rydes(&format!("trace {id} -o json")).run().exits(0).stdout);
    conforms("trace", &traced);
    assert_eq!(
        (&traced["best-by"], &traced["providers"][2]["best"]),
        (&"min:/eta".into(), &true.into())
    );
    let page = server.follow(&id, "").until("end", |_| true);
    assert_eq!((&page["table"][0]["quote"], &page["fields"]), (&"90".into(), &json!(["eta"])));
    assert_eq!(page["table"][0]["fields"], json!(["-3"]));
    // A late one that would have won says why.
    stack.rydes(&format!("close {id}")).run().exits(0);
    let stranger = json!({"responder": "late", "rfq-id": id, "quote": 1, "details": {"eta": -9}});
    stack.send(RESPONSES, &stranger.to_string());
    stack.row_when(&id, "late", |_| true);
    assert_eq!(stack.quotes(&id)["regret"], Value::Null, "it was not expected");
    // The same id with another order, or other details, is another request.
    for (option, problem) in
        [("--best-by max:/eta", "another order: `min:/eta`"), ("--details 1", "other details")]
    {
        let again =
            stack.rydes(&format!("submit --from A --to B --rfq-id {id} {option}")).run().exits(2);
        assert!(again.stderr.contains(problem), "{}", again.stderr);
    }
    stack.rydes(&format!("submit --from A --to B --rfq-id {id}")).run().exits(0);
    for bad in ["eta", "min:eta", "min:/~", "avg:/eta"] {
        let refused = stack.rydes("submit --from A --to B --best-by").arg(bad).run().exits(2);
        assert!(refused.stderr.contains("min:/eta"), "{}", refused.stderr);
        let body = json!({"from": "A", "to": "B", "best-by": bad}).to_string();
        assert_eq!(server.post(&body).json()["field"], "best-by");
    }
    consumer.stop();
}

#[test]
fn a_late_quote_is_regretted_with_the_value_that_would_have_won() {
    let stack = Stack::set_up(2);
    let consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    consumer.says(" on LocalStack ");
    let (id, submitted) = (stack.submit("--deadline 12s --best-by min:/eta"), Instant::now());
    let reply = |who: usize, eta: i64| {
        let reply = json!({"responder": provider(who), "rfq-id": id, "quote": 50 + who, "details": {"eta": eta}});
        stack.send(RESPONSES, &reply.to_string());
        stack.row_when(&id, &provider(who), |_| true);
    };
    reply(1, 9);
    thread::sleep(Duration::from_secs(12).saturating_sub(submitted.elapsed()));
    reply(2, 4);
    let told = stack.quotes(&id);
    conforms("quotes", &told);
    let regret = ["responder", "quote", "by", "value"].map(|name| told["regret"][name].clone());
    assert_eq!(regret, [json!(provider(2)), json!(52), json!("min:/eta"), json!(4)]);
    let table = stack.rydes(&format!("quotes {id}")).run().exits(0).stdout;
    let sentence =
        format!("a late quote of 52 (/eta 4) from {} would have beaten 51 (/eta 9)", provider(2));
    assert!(table.contains(&sentence), "{table}");
    consumer.stop();
}

#[test]
fn a_negative_number_is_typed_as_it_is() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m --details -5");
    assert_eq!(stack.rows(&id)[0]["details"], "-5");
    let tried =
        stack.rydes("providers try --details -5 -- sh -c").arg("cat >&2; echo 1").run().exits(0);
    assert!(tried.stderr.contains(r#""details":-5}"#), "{}", tried.stderr);
}

#[test]
fn large_details_are_batched_by_their_bytes_and_none_is_lost() {
    let stack = Stack::set_up(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("batch.jsonl");
    let line = |number: usize| {
        let details = "\\\"".repeat(40_000 + number);
        format!(
            "{{\"from\":\"A\",\"to\":\"B\",\"rfq-id\":\"r{number}\",\"deadline\":\"10m\",\"details\":\"{details}\"}}\n"
        )
    };
    fs::write(&file, (0..60).map(line).collect::<String>()).expect("it can be written");
    let ran = stack.rydes("submit -o json --batch").arg(&file).run().exits(0);
    assert_eq!(document(&ran.stdout)["submitted"], 60);
    let workers = stack.providers("--behavior steady");
    for number in [0, 31, 59] {
        let id = format!("r{number}");
        stack.row_when(&id, &provider(1), |row| row["details"].is_string());
        let row = stack.rows(&id).into_iter().next().expect("the request row");
        assert_eq!(row["details"].as_str().map(str::len), Some(80_002 + 2 * number));
    }
    wait_for("each answer", || (stack.keys().len() == 120).then_some(()));
    workers.stop();
}

#[test]
fn simulated_providers_give_details() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady --seed 7");
    let id = stack.submit("--deadline 10m --rfq-id seeded");
    wait_for("both answers", || (stack.rows(&id).len() == 3).then_some(()));
    let told = stack.quotes(&id);
    for quote in told["quotes"].as_array().expect("a list") {
        let details = &quote["details"];
        let eta = details["eta-minutes"].as_u64().expect("a number");
        assert!((1..=30).contains(&eta) && details["vehicle"].is_string(), "{details}");
    }
    workers.stop();
}
