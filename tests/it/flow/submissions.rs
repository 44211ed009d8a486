//! What is asked of a submission before anything is sent, and what is made of one that comes again.

use serde_json::json;

use rydes::core::Timestamp;

use crate::support::stack::{Stack, provider};
use crate::support::{document, says};

#[test]
fn they_are_validated_before_anything_is_sent() {
    let stack = Stack::set_up(1);
    let long = "x".repeat(257);
    for (arguments, problem) in [
        ("submit --from A", "`--to` is missing"),
        ("submit", "FROM and TO are missing; nothing was sent\n"),
        ("submit", "hint: rydes submit FROM TO, or rydes submit --from CITY --to CITY\n"),
        ("submit A B --until stall:5s", "requires `--wait`; nothing was sent\nhint: add `--wait`"),
        ("submit A B --deadline -5", "`--deadline -5`: the value cannot be negative"),
        ("submit A B --deadline=-5s", "`--deadline -5s`: a duration cannot be negative"),
        ("submit --from A --to B --deadline 5ms", "10 ms to 24 h"),
        ("submit --from A --to B --deadline 25h", "24h at the most"),
        (&format!("submit --from A --to {long}"), "longer than 256"),
        ("submit --file /nonexistent/event.json", "cannot read /nonexistent/event.json"),
    ] {
        let refused = stack.rydes(arguments).run().exits(2);
        assert!(refused.stderr.contains(problem), "{arguments}: {}", refused.stderr);
    }
    for text in [" ", "\u{feff} ", "a\u{7}b", "a\u{2028}b", "a\u{202e}b", "\u{2066}a"] {
        let refused = stack.rydes("submit --to B --from").arg(text).run().exits(2);
        assert!(refused.stderr.contains("; nothing was sent"), "{}", refused.stderr);
    }
    for id in [".", "..", " .. ", "a\u{200d}b"] {
        let refused = stack.rydes("submit --from A --to B --rfq-id").arg(id).run().exits(2);
        assert!(refused.stderr.contains("; nothing was sent"), "{}", refused.stderr);
    }
    let many = format!("--until {}", ["3"; 17].join(" --until "));
    for command in ["submit --from A --to B", "submit --batch /nonexistent", "quotes x --watch"] {
        let refused = stack.rydes(&format!("{command} {many}")).run().exits(2);
        assert!(refused.stderr.contains("at most 16"), "{}", refused.stderr);
    }
    assert_eq!(stack.depth(&provider(1)), 0);
    stack.rydes("providers remove UnicornManagementResource1").run().exits(0);
    let nobody = stack.rydes("submit --from A --to B").run().exits(1);
    assert!(nobody.stderr.contains("nothing was written"), "{}", nobody.stderr);
}

#[test]
fn cities_stand_alone_and_a_bare_deadline_is_seconds() {
    let stack = Stack::set_up(1);
    let submit = |arguments: &str| {
        let told = stack.rydes(&format!("submit {arguments} --json")).run().exits(0);
        document(&told)
    };
    let told = submit("Frankfurt Rome --deadline 15");
    assert_eq!([&told["from"], &told["to"]], ["Frankfurt", "Rome"]);
    let time = |field: &str| Timestamp::parse(told[field].as_str().expect("a text"));
    let (submitted, deadline) = (time("submitted-at"), time("deadline"));
    let length = deadline.expect("a time").millis_since(submitted.expect("a time"));
    assert_eq!(length, 15_000);
    assert_eq!(submit("--deadline 2.5 Frankfurt --customer cmr Rome")["customer"], "cmr");
    assert_eq!(submit("Frankfurt Rome --count 2")["submitted"], 2);
    let before = stack.depth(&provider(1));
    for (arguments, problem) in [
        ("Frankfurt", "TO is missing after `Frankfurt`; nothing was sent"),
        ("Las Vegas Rome", "FROM and TO are two cities, not 3; nothing was sent"),
        ("Frankfurt --to Rome", "FROM and TO cannot be used with `--to`; nothing was sent"),
        ("A B --from A --to B", "FROM and TO cannot be used with `--from`; nothing was sent"),
        ("A B --file x", "`FROM` cannot be used with `--file`"),
        ("A B --batch x", "`FROM` cannot be used with `--batch`"),
        ("A \u{2066}", "`TO` holds control characters"),
    ] {
        says(&stack.rydes(&format!("submit {arguments}")).run().exits(2), problem);
    }
    assert_eq!(stack.depth(&provider(1)), before);
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
    let misspelt = |text: &str, code| {
        std::fs::write(&file, text).expect("it can be written");
        stack.rydes("submit --file").arg(&file).run().exits(code).stderr
    };
    let said = |written: &str, meant: &str| {
        let ignored = "is not a field of a request; it is ignored";
        format!("event.json: `{written}` {ignored}\nhint: write `{meant}`\n")
    };
    let sent = misspelt(r#"{"from": "A", "to": "B", "seats": 4, "dealine": 60}"#, 0);
    assert!(sent.contains(&said("dealine", "deadline")) && !sent.contains("seats"), "{sent}");
    let refused = misspelt(r#"{"form": "A", "to": "B"}"#, 2);
    assert!(refused.contains(&said("form", "from")), "{refused}");
    assert!(refused.contains("error: `from` is missing; nothing was sent"), "{refused}");
}

/// Persian, Sinhala, Hindi; a family and a flag; and what is pasted from elsewhere.
#[test]
fn names_of_all_scripts_are_taken_and_shown_and_what_is_unseen_elsewhere_is_escaped() {
    let stack = Stack::set_up(1);
    for (city, shown) in [
        ("\u{645}\u{6cc}\u{200c}\u{62e}\u{648}", None),
        ("\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}", None),
        ("\u{915}\u{94d}\u{200d}\u{937}", None),
        ("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", None),
        ("\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", None),
        ("\u{feff}Rome", Some("Rome")),
        ("Ro\u{ad}me\u{200e}", Some(r"Ro\u{ad}me\u{200e}")),
        ("Uni\u{200c}corn", Some(r"Uni\u{200c}corn")),
    ] {
        let submit = stack.rydes("submit --to B -q --from").arg(city);
        let id = submit.arg("--customer").arg(city).run().exits(0).stdout;
        let id = id.trim_end();
        assert_eq!(stack.quotes(id)["from"], city.trim_start_matches('\u{feff}'));
        let table = stack.rydes("quotes").arg(id).run().exits(0).stdout;
        let shown = shown.unwrap_or(city);
        let title = format!("{shown} -> B  for {shown} ");
        assert!(table.contains(&title), "{title}: {table}");
        // The same request again is the same, however it is marked.
        let again = stack.rydes("submit --to B -q --rfq-id").arg(id).arg("--from").arg(city);
        again.arg("--customer").arg(city).run().exits(0);
    }
}

#[test]
fn a_file_may_begin_with_a_byte_order_mark_but_is_utf8() {
    let stack = Stack::set_up(1);
    let line = |recode: &str| {
        format!(
            r#"printf '\357\273\277{{"from": "A", "to": "B"}}' | {recode} | rydes submit --file -"#
        )
    };
    let id = stack.shell(&line("cat")).exits(0).stdout;
    assert_eq!(stack.quotes(id.trim_end())["from"], "A");
    for recode in ["UTF-16", "UTF-16LE", "UTF-16BE"] {
        let refused = stack.shell(&line(&format!("iconv -f UTF-8 -t {recode}"))).exits(2);
        assert!(refused.stderr.contains("stdin is UTF-16, not UTF-8"), "{}", refused.stderr);
    }
    assert_eq!(stack.depth(&provider(1)), 1);
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
