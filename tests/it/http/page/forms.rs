//! The forms of the page: what is wrong is said at its field, and an RFQ is opened by its id.

use serde_json::json;

use super::fill;
use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::stack::{Stack, provider};
use crate::support::wait_for;

#[test]
fn what_is_wrong_is_told_at_its_field() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    browser.reach("deadline");
    browser.press("soon");
    browser.press(ENTER);
    browser.sees("#from-error", "Enter a starting point");
    browser.sees("#to-error", "Enter a destination");
    assert_eq!(browser.focus(), "from", "the first one that is wrong");
    // Each is right below its field, and bound to it.
    let bound = browser.run(
        "return ['from', 'to', 'customer', 'deadline', 'until', 'details', 'rfq-id'].every((id) => {
           const [field, error] = [document.getElementById(id), document.getElementById(`${id}-error`)];
           return field.parentElement === error.parentElement
             && field.getAttribute('aria-describedby').split(' ').includes(error.id);
         })",
    );
    assert_eq!(bound, true);
    for text in ["A", TAB, "B", ENTER] {
        browser.press(text);
    }
    browser.sees("#deadline-error", "Enter a time from 10 ms to 24 h, such as 15s");
    assert_eq!(browser.focus(), "deadline");
    let marked = browser
        .run("return [...document.querySelectorAll('[aria-invalid]')].map((one) => one.id).join()");
    assert_eq!(marked, "deadline");
    assert!(!browser.url().contains("/rfqs/"));
    assert_eq!(stack.depth(&provider(1)), 0);
    fill(&browser, "deadline", "60");
    fill(&browser, "customer", "\u{202e}");
    browser.press(ENTER);
    browser.sees("#customer-error", "no control characters");

    browser.open(&format!("{}/rfqs/00000000-0000-4000-8000-000000000000", server.url));
    browser.sees("#truth", "There is no such RFQ here");
}

#[test]
fn an_rfq_is_opened_by_its_id_or_the_beginning_of_it() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    for id in ["78c371f6-one", "78c371f6-two", "1f0a"] {
        let body = json!({"from": "Oslo", "to": "Rome", "rfq-id": id, "deadline": "10m"});
        assert_eq!(server.post(&body.to_string()).status, 201);
    }
    let file = stack.memory();
    wait_for("they are remembered", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() == 3).then_some(())
    });
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#rfq-id-hint", "the first four characters are enough");
    for (typed, problem) in [
        ("", "Enter the id of an RFQ"),
        ("78c371f6", "Several RFQs begin like this: enter more of the id"),
        ("nothing", "No RFQ has this id"),
    ] {
        fill(&browser, "rfq-id", typed);
        browser.press(ENTER);
        browser.sees("#rfq-id-error", problem);
        assert_eq!(browser.focus(), "rfq-id");
    }
    fill(&browser, "rfq-id", "78c371f6-t");
    browser.press(ENTER);
    browser.sees("#route", "Oslo → Rome");
    assert!(browser.url().ends_with("/rfqs/78c371f6-two"), "{}", browser.url());
    assert_eq!(browser.focus(), "route");
}

#[test]
fn the_form_says_how_many_are_asked_and_what_to_do_where_no_one_is() {
    let stack = Stack::set_up(1);
    stack.rydes("providers add acme").run().exits(0);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#lead", "2 providers are subscribed; each is asked for a quote.");
    let examples = browser.run(
        "return [...document.querySelectorAll('#form [placeholder]')].map((one) => one.placeholder)",
    );
    let wanted = ["Frankfurt", "Las Vegas", "anonymous", "15 s", "3 or price:20", "{\"seats\": 4}"];
    assert_eq!(examples, json!(wanted));
    for name in ["acme", "UnicornManagementResource1"] {
        stack.rydes(&format!("providers remove {name}")).run().exits(0);
    }
    wait_for("none is subscribed", || {
        browser.run("document.querySelector('#home').click()");
        browser.text("#lead").contains("No provider is subscribed").then_some(())
    });
    assert!(browser.text("#lead code").ends_with(" setup"), "{}", browser.text("#lead"));
    browser.sees("#look", "Try again");
}
