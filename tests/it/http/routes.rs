//! The two routes of the original, as its clients use them.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::http::{Server, delete, post};
use crate::support::json as json_of;
use crate::support::stack::{RESPONSES, Stack, provider};

/// Runs a line in a shell, beside the workshop's `event.json`.
fn shell(server: &Server, line: &str) -> String {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let event =
        "{\n    \"from\": \"Frankfurt\",\n    \"to\": \"Las Vegas\",\n    \"customer\": \"cmr\"\n}";
    std::fs::write(folder.path().join("event.json"), event).expect("it can be written");
    let stage = format!("{}/Prod", server.url);
    let ran = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder.path())
        .env("REQ_ENDPOINT", format!("{stage}/submit-instant-ride-rfq/"))
        .env("RES_ENDPOINT", format!("{stage}/query-instant-ride-rfq/"))
        .env("no_proxy", "*")
        .output()
        .expect("sh runs");
    let problem = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{line}: {problem}");
    String::from_utf8(ran.stdout).expect("it is UTF-8")
}

/// Status line and body of what `curl -i` prints.
fn taken_apart(printed: &str) -> (&str, &str) {
    let (head, body) = printed.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().expect("a status line"), body)
}

#[test]
fn the_workshops_curl_lines_work_as_they_are_printed() {
    let stack = Stack::set_up(2);
    let server = stack.serve();
    // As the workshop's pages have it, and as its earlier pages had it.
    for header in ["Content-Type:application/json", r"Content-Type\:application/json"] {
        let submit = format!(r#"curl -XPOST -i -H "{header}" -d @event.json $REQ_ENDPOINT"#);
        let printed = shell(&server, &submit);
        let (status, body) = taken_apart(&printed);
        assert_eq!(status, "HTTP/1.1 201 Created", "{printed}");
        let id = body.strip_prefix(r#"{"rfq-id": ""#).and_then(|rest| rest.strip_suffix(r#""}"#));
        let id = id.unwrap_or_else(|| panic!("as Python writes it: {body}"));
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "a UUID of version 4: {id}");
        let request = stack.row_when(id, "-", |_| true);
        assert_eq!((&request["to"], &request["customer"]), (&json!("Las Vegas"), &json!("cmr")));

        // The last to answer is the first of the list.
        for (name, quote) in [(provider(2), 100), (provider(1), 45)] {
            let reply = format!(r#"{{"responder": "{name}", "rfq-id": "{id}", "quote": {quote}}}"#);
            stack.send(RESPONSES, &reply);
        }
        let consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
        consumer.until("gathered", 2);
        consumer.stop();

        let query = format!(r#"curl -i -H "Accept:application/json" ${{RES_ENDPOINT}}{id}"#);
        let printed = shell(&server, &query);
        let (status, body) = taken_apart(&printed);
        assert_eq!(status, "HTTP/1.1 200 OK");
        let mut wanted = String::from(r#"{"quotes": ["#);
        for (name, quote, end) in [(provider(1), 45, ", "), (provider(2), 100, "], ")] {
            write!(wanted, r#"{{"responder": "{name}", "quote": "{quote}"}}{end}"#)
                .expect("a text");
        }
        write!(
            wanted,
            r#""rfq-id": "{id}", "from": "Frankfurt", "to": "Las Vegas", "customer": "cmr"}}"#
        )
        .expect("a text");
        assert_eq!(body, wanted);
        let workshop = stack.rydes("quotes --output workshop").arg(id).run().exits(0);
        assert_eq!(workshop.stdout, format!("{body}\n"), "as the command line has it");
    }
}

#[test]
fn a_submission_has_what_a_line_of_a_batch_has() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let whole = r#"{"from": " Zürich ", "to": "東京", "deadline": "2m", "until": [1, "price:20"],
                    "rfq-id": "mine/1 ü", "new": {"x": 1}}"#;
    let answer = server.post(whole);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body, r#"{"rfq-id": "mine/1 \u00fc"}"#);
    let row = stack.row_when("mine/1 ü", "-", |_| true);
    assert_eq!((&row["from"], &row["customer"]), (&json!("Zürich"), &json!("anonymous")));
    assert_eq!(row["until"], json!(["all", "1", "price:20"]));
    let full = server.get("/query-instant-ride-rfq/mine%2F1%20%C3%BC?view=full");
    assert_eq!(full.status, 200);
    assert_eq!(full.json(), stack.quotes("mine/1 ü"));
    assert!(full.body.is_ascii());
    let newest = stack.rydes("quotes --output json").run().exits(0);
    assert_eq!(json_of(&newest.stdout), full.json(), "it is the newest of this machine");
    // The same again is the same RFQ, in any order of its conditions; what it does not name is not
    // compared, and where it says something else it is refused.
    let reversed = whole.replace(r#"[1, "price:20"]"#, r#"["price:20", "all", 1]"#);
    let silent = r#"{"from": "Zürich", "to": "東京", "rfq-id": "mine/1 ü"}"#;
    for same in [whole, &reversed, silent] {
        assert_eq!(server.post(same).status, 201, "{same}");
    }
    for (was, is, field, said) in [
        ("Zürich", "Bern", "rfq-id", "other content"),
        (r#""2m""#, r#""3m""#, "deadline", "another deadline: 2 min"),
        ("[1, ", "[2, ", "until", "other conditions: 1, all, price:20"),
    ] {
        let other = server.post(&whole.replace(was, is));
        assert_eq!((other.status, &other.json()["field"]), (409, &json!(field)), "{other:?}");
        assert!(other.body.contains(said), "{other:?}");
    }
    assert_eq!(stack.row_when("mine/1 ü", "-", |_| true)["until"], row["until"]);
    // The same holds for a customer.
    let named = r#"{"from": "A", "to": "B", "customer": "cmr", "rfq-id": "of-cmr"}"#;
    assert_eq!(server.post(named).status, 201);
    assert_eq!(server.post(r#"{"from": "A", "to": "B", "rfq-id": "of-cmr"}"#).status, 201);
    assert_eq!(server.post(&named.replace("cmr\",", "other\",")).status, 409);
    // Without a deadline it is the server's.
    let id = server.submit("");
    let full = server.get(&format!("/query-instant-ride-rfq/{id}?view=full")).json();
    let time = |name: &str| rydes::core::Timestamp::parse(full[name].as_str().expect("a time"));
    let (submitted, deadline) =
        (time("submitted-at").expect("one"), time("deadline").expect("one"));
    assert_eq!(deadline.millis_since(submitted), 15_000);
}

#[test]
fn what_is_wrong_is_named_with_its_field_and_nothing_is_sent() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let field = |name: &str| json!(name);
    let many = format!(r#"{{"from": "A", "to": "B", "until": [{}1]}}"#, "1, ".repeat(16));
    for (body, status, wrong, part) in [
        (r#"{"to": "B"}"#, 400, field("from"), "missing"),
        (r#"{"from": "A"}"#, 400, field("to"), "missing"),
        (r#"{"from": "A", "to": ""}"#, 400, field("to"), "empty"),
        (r#"{"from": "A", "to": " \u0020"}"#, 400, field("to"), "empty"),
        (r#"{"from": 7, "to": "B"}"#, 400, field("from"), "not a string"),
        (r#"{"from": "A\u001b[2J", "to": "B"}"#, 400, field("from"), "control characters"),
        (r#"{"from": "A", "to": "B", "customer": ""}"#, 400, field("customer"), "empty"),
        (r#"{"from": "A", "to": "B", "deadline": "soon"}"#, 400, field("deadline"), "deadline"),
        (r#"{"from": "A", "to": "B", "deadline": "25h"}"#, 400, field("deadline"), "deadline"),
        (r#"{"from": "A", "to": "B", "until": "price:x"}"#, 400, field("until"), "until"),
        (r#"{"from": "A", "to": "B", "until": "stall:5s"}"#, 400, field("until"), "wait"),
        (r#"{"from": "A", "to": "B", "rfq-id": ""}"#, 400, field("rfq-id"), "empty"),
        ("", 400, Value::Null, "not JSON"),
        ("from=A&to=B", 400, Value::Null, "not JSON"),
        ("[]", 400, Value::Null, "not a JSON object"),
        ("\u{feff}{}", 400, field("from"), "missing"),
        (r#"{"from": "A\u202e", "to": "B"}"#, 400, field("from"), "control characters"),
        (r#"{"from": "A", "to": "B", "rfq-id": ".."}"#, 400, field("rfq-id"), "browsers remove"),
        (
            r#"{"from": "A", "to": "B", "rfq-id": "\u002e"}"#,
            400,
            field("rfq-id"),
            "browsers remove",
        ),
        (&many, 400, field("until"), "at most 16"),
    ] {
        let answer = server.post(body);
        let said = answer.json();
        assert_eq!((answer.status, &said["field"]), (status, &wrong), "{body}: {said}");
        assert!(said["error"].as_str().is_some_and(|error| error.contains(part)), "{body}: {said}");
        assert_eq!(answer.header("retry-after"), "", "it would fail again");
    }
    let long = format!(r#"{{"from": "{}", "to": "B"}}"#, "x".repeat(257));
    assert_eq!(server.post(&long).json()["field"], "from");
    assert_eq!(stack.depth(&provider(1)), 0);
    let summary = server.stop().stderr;
    assert!(summary.contains("0 RFQs submitted"), "{summary}");
    assert!(!summary.contains("PutItem") && !summary.contains("Publish"), "{summary}");
}

#[test]
fn a_body_may_have_512_kib() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let padded = |length: usize| {
        let body = r#"{"from": "A", "to": "B"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(server.post(&padded(524_288)).status, 201);
    for length in [524_289, 900_000] {
        let answer = server.post(&padded(length));
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(answer.json()["error"].as_str().is_some_and(|error| error.contains("524288")));
    }
    // Without a length, in chunks; and longer than anybody reads.
    for (bytes, how) in [(600_000, "-H 'Transfer-Encoding: chunked'"), (50_000_000, "")] {
        let line = format!(
            "head -c {bytes} /dev/zero | tr '\\0' x |
             curl -s -o /dev/null -w '%{{http_code}}' {how} --data-binary @- $REQ_ENDPOINT"
        );
        assert_eq!(shell(&server, &line), "413", "{line}");
    }
}

#[test]
fn a_body_may_begin_with_a_byte_order_mark_but_is_utf8() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let id = "the mark";
    let marked =
        format!("\u{feff}{{\"from\": \"\u{feff}A\", \"to\": \"B\", \"rfq-id\": \"{id}\"}}");
    assert_eq!(server.post(&marked).status, 201);
    assert_eq!(stack.row_when(id, "-", |_| true)["from"], "A");
    for recode in ["UTF-16", "UTF-16LE", "UTF-16BE"] {
        let line = format!(
            "iconv -f UTF-8 -t {recode} event.json | curl -s --data-binary @- $REQ_ENDPOINT"
        );
        let said = json_of(&shell(&server, &line));
        assert_eq!(said["error"], "the body is UTF-16, not UTF-8; nothing was sent", "{recode}");
    }
    assert_eq!(stack.depth(&provider(1)), 1);
}

#[test]
fn cities_are_written_as_their_people_write_them() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    for city in [
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}",
        "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",
        "\u{1f468}\u{200d}\u{1f467}",
        "A\u{ad}\u{200e}\u{feff}",
    ] {
        let body = json!({"from": city, "to": "B", "customer": city}).to_string();
        let answer = server.post(&body);
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["rfq-id"].as_str().expect("an id").to_owned();
        assert_eq!(stack.quotes(&id)["from"], city);
        let workshop = server.get(&format!("/query-instant-ride-rfq/{id}"));
        assert!(workshop.body.is_ascii());
        assert_eq!(workshop.json()["customer"], city);
    }
}

#[test]
fn an_id_that_nobody_knows_is_not_found() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let long = "x".repeat(129);
    for id in ["00000000-0000-4000-8000-000000000000", "-", "%FF", "%00", "a%2Fb", &long] {
        for path in [format!("/query-instant-ride-rfq/{id}"), format!("/rfqs/{id}/events")] {
            let answer = server.get(&path);
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            assert_eq!(answer.json()["error"], "no such RFQ", "{path}");
        }
    }
    // The workshop's page has an id that is left out.
    assert_eq!(server.get("/query-instant-ride-rfq/").status, 404);
    assert_eq!(server.get("/nothing").status, 404);
    let id = server.submit("");
    assert_eq!(server.get(&format!("/query-instant-ride-rfq/{id}?view=half")).status, 400);
    assert_eq!(server.get(&format!("/rfqs/{id}/events?linger=soon")).status, 400);
    assert_eq!(server.get(&format!("/rfqs/{id}/events?linger=2h")).status, 400);
    let wrong = delete(&format!("{}/submit-instant-ride-rfq", server.url));
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
}

#[test]
fn a_page_of_somebody_elses_cannot_submit() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let url = format!("{}/submit-instant-ride-rfq", server.url);
    let body = r#"{"from": "A", "to": "B"}"#;
    for origin in ["http://evil.example", "null", "https://127.0.0.1"] {
        let answer = post(&url, body, &[("Origin", origin), ("Content-Type", "text/plain")]);
        assert_eq!(answer.status, 403, "{origin}");
    }
    // Nor one whose name leads to this machine.
    for (host, status) in [("evil.example:80", 421), ("localhost.evil.example", 421), ("", 421)] {
        let headers = [("Origin", "http://evil.example:80"), ("Host", host)];
        assert_eq!(post(&url, body, &headers).status, status, "{host}");
    }
    assert_eq!(stack.depth(&provider(1)), 0);
    for host in ["localhost:1", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(post(&url, body, &[("Host", host)]).status, 201, "{host}");
    }
    assert_eq!(post(&url, body, &[("Origin", &server.url)]).status, 201);
}

#[test]
fn who_joins_is_asked_by_the_next_request() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    server.submit("");
    stack.rydes("providers add acme").run().exits(0);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let id = server.submit("");
    let row = stack.row_when(&id, "-", |_| true);
    assert_eq!(row["expected"], json!(["UnicornManagementResource1", "acme"]));
}
