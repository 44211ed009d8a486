//! What is asked of a submission before anything is sent, and what is made of one that comes again.

use serde_json::json;

use crate::support::stack::{Stack, provider};

#[test]
fn they_are_validated_before_anything_is_sent() {
    let stack = Stack::set_up(1);
    let long = "x".repeat(257);
    for (arguments, problem) in [
        ("submit --from A", "`--to` is missing"),
        ("submit --from A --to B --deadline 5ms", "10 ms to 24 h"),
        ("submit --from A --to B --deadline 25h", "24h at the most"),
        (&format!("submit --from A --to {long}"), "longer than 256"),
        ("submit --file /nonexistent/event.json", "cannot read /nonexistent/event.json"),
    ] {
        let refused = stack.rydes(arguments).run().exits(2);
        assert!(refused.stderr.contains(problem), "{arguments}: {}", refused.stderr);
    }
    for text in [" ", "a\u{7}b", "a\u{2028}b"] {
        let refused = stack.rydes("submit --to B --from").arg(text).run().exits(2);
        assert!(refused.stderr.contains("; nothing was sent"), "{}", refused.stderr);
    }
    assert_eq!(stack.depth(&provider(1)), 0);
    stack.rydes("providers remove UnicornManagementResource1").run().exits(0);
    let nobody = stack.rydes("submit --from A --to B").run().exits(1);
    assert!(nobody.stderr.contains("nothing was written"), "{}", nobody.stderr);
}

#[test]
fn the_originals_event_is_taken_from_a_file_or_a_pipe() {
    let stack = Stack::set_up(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("event.json");
    std::fs::write(&file, r#"{"from": " Frankfurt ", "to": "Rome", "customer": "cmr", "x": 1}"#)
        .expect("it can be written");
    let id = stack.rydes("submit --file").arg(&file).run().exits(0).stdout;
    let told = stack.quotes(id.trim_end());
    assert_eq!([&told["from"], &told["to"], &told["customer"]], ["Frankfurt", "Rome", "cmr"]);
    let piped = r#"echo '{"from": "Paris", "to": "Rome"}' | rydes submit --file -"#;
    let id = stack.shell(piped).exits(0).stdout;
    let told = stack.quotes(id.trim_end());
    assert_eq!([&told["from"], &told["to"], &told["customer"]], ["Paris", "Rome", "anonymous"]);
    for (text, problem) in [
        ("{\"from\": \"A\"}", "`to` is missing"),
        ("{\"from\": 1, \"to\": \"B\"}", "`from` in"),
        ("[]", "not a JSON object"),
        ("hello", "is not JSON"),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        let refused = stack.rydes("submit --file").arg(&file).run().exits(2);
        assert!(refused.stderr.contains(problem), "{text}: {}", refused.stderr);
    }
}

#[test]
fn one_that_comes_again_finishes_what_was_broken_off() {
    let stack = Stack::set_up(3);
    // What a submission leaves behind that is killed between its row and its message.
    let id = "1f0a99e2-7d34-4b5c-9a61-000000000001";
    let deadline = "2099-01-01T00:00:00.000Z";
    stack.put(&json!({
        "id": id, "responder": "-", "from": "Frankfurt", "to": "Rome", "customer": "cmr",
        "submitted-at": "2026-01-31T12:00:00.000Z", "deadline": deadline,
        "expected": (1..=3).map(provider).collect::<Vec<_>>(),
    }));
    let _workers = stack.providers("--behavior steady");
    let other = format!("submit --rfq-id {id} --from Frankfurt --to Paris");
    let refused = stack.rydes(&other).run().exits(2);
    assert!(refused.stderr.contains("other content"), "{}", refused.stderr);
    assert_eq!(stack.submit(&format!("--rfq-id {id}")), id);
    stack.rydes("quotes --watch").arg(id).run().exits(0);
    let told = stack.quotes(id);
    assert_eq!((&told["answered"], &told["deadline"]), (&json!(3), &json!(deadline)));
    let again = format!("submit --rfq-id {id} --from Frankfurt --to Rome --customer cmr");
    let taken = stack.rydes(&again).run().exits(0);
    assert!(taken.stderr.contains("every provider has answered"), "{}", taken.stderr);
    // The row names no conditions, so that they are not compared.
    stack.rydes(&format!("{again} --until 2")).run().exits(0);
    let other = stack.rydes(&format!("{again} --deadline 20s")).run().exits(2);
    assert!(other.stderr.contains("exists with another deadline: "), "{}", other.stderr);
}
