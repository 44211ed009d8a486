//! Quotes arrive on the page, whatever they hold.

use serde_json::{Value, json};

use super::{linked, table};
use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::wait_for;

/// A name that would be a program if it were markup.
const HOSTILE: &str = "<img src=x onerror=\"document.title='gone'\">";

#[test]
fn ten_quotes_arrive_on_the_page() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let _consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#target", &format!("stack {} on LocalStack", stack.name));
    // With the keyboard alone.
    browser.reach("from");
    for text in ["Frank<b>furt", TAB, "Las Vegas", TAB, "cmr", TAB, "10m", ENTER] {
        browser.press(text);
    }
    let id = linked(&browser);
    assert_eq!(stack.row_when(&id, "-", |_| true)["from"], "Frank<b>furt");
    browser.sees("#route", "Frank<b>furt → Las Vegas");
    browser.sees("#asked", "for cmr");
    assert_eq!(browser.focus(), "route", "a screen reader reads on from there");
    browser.sees("#answer", "No quote yet");
    browser.sees("#truth", "0 of 10 answered");
    assert_eq!(table(&browser).len(), 10);
    browser.sees("#seconds", "s left");
    let left = browser.text("#seconds");
    wait_for("the countdown goes on", || (browser.text("#seconds") != left).then_some(()));

    let send = |who: &str, answer: (&str, Value)| {
        let mut reply =
            json!({"responder": who, "rfq-id": id, "from": "A", "to": "B", "customer": "c"});
        reply[answer.0] = answer.1;
        stack.send(RESPONSES, &reply.to_string());
    };
    let price = |text: &str| serde_json::from_str(text).expect("a number");
    send(&provider(1), ("quote", price("100")));
    browser.sees("#rows tr", "100");
    assert!(browser.text("#news").contains("UnicornManagementResource1 quoted 100"));
    send(&provider(2), ("quote", price("20.10")));
    browser.sees("#rows tr.best", "20.1");
    browser.sees("#answer", "Best so far 20.1 · UnicornManagementResource2");
    assert_eq!(table(&browser)[0].split('|').nth(4), Some("best so far"));
    send(&provider(3), ("declined", json!(HOSTILE)));
    browser.sees("#rows tr.declined", HOSTILE);
    send(HOSTILE, ("quote", price("1")));
    browser.sees("#rows td.who", HOSTILE);
    // More digits than a number of the page's own could keep.
    send(&provider(4), ("quote", price("12345678901234567890.12")));
    browser.sees("#rows td.quote", "12345678901234567890.12");
    for number in 5..=10 {
        send(&provider(number), ("quote", json!(number * 10)));
    }
    browser.sees("#answer", "Best 20.1 · UnicornManagementResource2");
    browser.sees("#truth", "10 of 10 answered (9 quotes, 1 declined)");
    let shown = table(&browser);
    let names: Vec<_> = shown.iter().filter_map(|row| row.split('|').nth(1)).collect();
    assert_eq!(names[0], provider(2));
    assert_eq!(names[1..7], [5, 6, 7, 8, 9, 1].map(provider), "{shown:?}");
    let ends = |row: &str| row.ends_with("|best");
    assert_eq!(shown.iter().filter(|row| ends(row)).count(), 1, "{shown:?}");
    assert!(browser.text("#going").is_empty(), "there is nothing to count down to");
    browser.sees("#news", "10 of 10 answered");

    browser.reload();
    browser.sees("#truth", "10 of 10 answered");
    assert_eq!(table(&browser), shown, "the deep link shows the same");
    // What came from outside is text.
    let images = browser.run(
        "return document.images.length + document.querySelectorAll('h1 *, td b, td img').length",
    );
    assert_eq!(images, 0);
    assert_ne!(browser.run("return document.title"), "gone");
    browser.press("");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn details_go_out_as_they_were_typed_and_come_back_beside_the_quotes() {
    let stack = Stack::set_up(3);
    let server = stack.serve();
    let _consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    let browser = Browser::start();
    browser.open(&server.url);
    let ask = || browser.run("document.querySelector('#submit').click()");
    let set = |field: &str, text: &str| {
        browser.run(&format!("document.querySelector('#{field}').value = {}", json!(text)));
    };
    for (field, text) in
        [("from", "A"), ("to", "B"), ("deadline", "10m"), ("details", "{seats: 4}")]
    {
        set(field, text);
    }
    ask();
    browser.sees("#details-error", "Enter JSON");
    assert_eq!(browser.focus(), "details");
    set("details", &format!("\"{}\"", "x".repeat(262_144)));
    ask();
    browser.sees("#details-error", "a message may have 262,144 bytes");
    let typed = "{\n \"seats\": 12345678901234567890.10, \"b\": 1E+5}";
    set("details", typed);
    ask();
    let id = linked(&browser);
    assert_eq!(browser.text("#details-error"), "");
    let row = stack.row_when(&id, "-", |_| true);
    assert_eq!(row["details"], r#"{"seats":12345678901234567890.10,"b":1E+5}"#);
    // Of five fields, the first three that most quotes have.
    for (number, details) in [
        (
            1,
            r#"{"rare": 1, "vehicle": "<b>", "eta": 7.0, "seats": 12345678901234567890.10, "d": 1}"#,
        ),
        (2, r#"{"vehicle": {"legs": 2}, "eta": 9, "seats": null, "d": 2}"#),
        (3, r#"{"d": 3, "seats": 3}"#),
    ] {
        let reply = format!(
            r#"{{"responder": "{}", "rfq-id": "{id}", "quote": {number}, "details": {details}}}"#,
            provider(number)
        );
        stack.send(RESPONSES, &reply);
        stack.row_when(&id, &provider(number), |_| true);
    }
    browser.sees("#truth", "3 of 3 answered");
    let details = browser.texts("#rows .details");
    assert_eq!(
        details,
        [
            "vehicle <b> · eta 7.0 · seats 12345678901234567890.10",
            r#"vehicle {"legs":2} · eta 9 · seats null"#,
            "seats 3"
        ]
    );
    // The browser itself reports the refusal.
    let complaints = browser.complaints();
    assert!(!complaints.is_empty());
    assert!(complaints.iter().all(|complaint| complaint.contains("413")), "{complaints:?}");
}

#[test]
fn names_of_all_scripts_are_shown_and_what_is_unseen_elsewhere_is_escaped() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let (from, to) =
        ("\u{645}\u{6cc}\u{200c}\u{62e}", "Uni\u{200c}corn \u{1f468}\u{200d}\u{1f467}");
    let body = json!({"from": from, "to": to, "customer": "\u{ad}", "rfq-id": "a/b"}).to_string();
    assert_eq!(server.post(&body).status, 201);
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/a%2Fb", server.url));
    let to = r"Uni\u{200c}corn ".to_owned() + "\u{1f468}\u{200d}\u{1f467}";
    browser.sees("#route", &format!("{from} \u{2192} {to}"));
    browser.sees("#asked", r"for \u{ad}");
    let title = browser.run("return document.title");
    assert!(title.as_str().is_some_and(|title| title.contains(&to)), "{title}");
    let link = browser.run("return document.querySelector('#link').href");
    assert!(link.as_str().is_some_and(|link| link.ends_with("/rfqs/a%2Fb")), "{link}");
}
