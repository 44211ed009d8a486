//! What the page offers while quotes are gathered: to end it, to end it early, and why nothing comes.

use serde_json::json;

use super::looks::inspect;
use super::{fill, followed, linked, put_answers, quote};
use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::wait_for;

#[test]
fn end_now_closes_it_while_it_goes_on_and_a_refusal_says_why() {
    let (stack, _server, id, browser) = followed(2, r#", "deadline": "10m""#);
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    browser.sees("#end", "End now");
    refusals_say_why(&browser);
    browser.reload();
    browser.sees("#end", "End now");
    browser.reach("end");
    browser.press(ENTER);
    browser.sees("#answer", "Best 16 · UnicornManagementResource1");
    browser.sees("#truth", "Closed after ");
    assert_eq!(browser.text("#going"), "", "it can be ended once");
    assert_eq!(browser.focus(), "answer", "the focus is not lost");
    stack.row_when(&id, "-", |row| row["closed-at"].is_string());
    browser.reload();
    browser.sees("#answer", "Best 16");
    assert_eq!(browser.text("#end"), "");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// What the page says when the server does not end the RFQ.
fn refusals_say_why(browser: &Browser) {
    let refused = json!({"error": "a page of another origin may not"}).to_string();
    let away = json!({"error": "x", "kind": "unreachable"}).to_string();
    for (status, body, said) in [
        (404, r#"{"error": "no such RFQ"}"#, "The RFQ was not ended: This RFQ no longer exists"),
        (403, &refused, "The RFQ was not ended: a page of another origin may not"),
        (503, &away, "The RFQ was not ended: LocalStack does not respond"),
        (502, "<html>", "The RFQ was not ended: The rydes server does not respond"),
    ] {
        let answer = format!("new Response({body:?}, {{ status: {status} }})");
        browser.run(&format!(
            "window.fetch = async () => {answer}; document.getElementById('end').click()"
        ));
        browser.sees("#end-error", said);
    }
}

#[test]
fn what_ends_it_early_is_typed_and_said() {
    let stack = Stack::set_up(3);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    fill(&browser, "from", "A");
    fill(&browser, "to", "B");
    fill(&browser, "deadline", "10m");
    fill(&browser, "until", "soon");
    browser.press(ENTER);
    browser.sees("#until-error", "Enter a number of quotes such as 3, or a price such as price:20");
    assert_eq!(browser.focus(), "until");
    fill(&browser, "until", "1, price:20");
    browser.press(ENTER);
    let id = linked(&browser);
    let row = stack.row_when(&id, "-", |_| true);
    assert_eq!(row["until"], json!(["all", "1", "price:20"]));
    browser.sees("#asked", "ends early after 1 quote or at 20 or less");
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    browser.sees("#answer", "Best 16");
}

#[test]
fn queues_that_are_not_read_are_named_with_the_command() {
    let (stack, server, _id, browser) = followed(10, r#", "deadline": "10m""#);
    browser.sees("#unread", "The queues of all 10 providers hold unread requests");
    let command = browser.text("#unread code");
    assert!(command.starts_with("rydes") && command.ends_with("providers run"), "{command}");
    browser.sees("#unread", "unread requests. Are the providers running? rydes ");
    inspect(&browser, "unread");
    let workers = stack.providers("--behavior steady");
    wait_for("it is taken back", || browser.text("#unread").is_empty().then_some(()));
    workers.stop();
    // Replies that are not gathered are another matter.
    let id = server.submit(r#", "deadline": "10m""#);
    stack.send(RESPONSES, &json!({"responder": provider(1), "rfq-id": id, "quote": 1}).to_string());
    browser.open(&format!("{}/rfqs/{id}", server.url));
    browser.sees("#unread", "The response queue holds an unread reply. Is a consumer running?");
    assert!(browser.text("#unread code").ends_with("consumer run"));
}

#[test]
fn a_new_request_is_one_key_away_and_keeps_what_was_typed() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    browser.reach("from");
    for text in ["A", TAB, "B", ENTER] {
        browser.press(text);
    }
    browser.sees("#route", "A → B");
    browser.run("document.activeElement.blur()");
    browser.reach("new");
    browser.press(ENTER);
    wait_for("the form", || (browser.focus() == "from").then_some(()));
    browser.press(ENTER);
    browser.sees("#route", "A → B");
    assert_eq!(stack.depth(&provider(1)), 2);
    browser.run("history.back()");
    browser.sees("#lead", "1 provider is subscribed");
    assert_eq!(browser.text("#route"), "");
}
