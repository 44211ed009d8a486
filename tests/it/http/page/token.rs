//! The page of a server that requires a token.

use std::fs;

use serde_json::json;

use super::looks::inspect;
use super::{fill, linked, put_answers, quote};
use crate::http::token::{guarded, token_file};
use crate::support::browser::{Browser, ENTER};
use crate::support::stack::Stack;

const TOKEN: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

fn enter(browser: &Browser, token: &str) {
    fill(browser, "token", token);
    browser.press(ENTER);
}

/// How many requests the page makes from now on without a token, or with one in their address.
fn watched(browser: &Browser) {
    browser.run(
        "const ask = window.fetch.bind(window);
         window.bare = [];
         window.fetch = (address, options) => {
           const { Authorization } = options?.headers ?? {};
           if (!Authorization && address !== '/healthz') window.bare.push(address);
           return ask(address, options);
         };",
    );
}

#[test]
fn it_asks_for_the_token_once_and_sends_it_with_every_request() {
    let stack = Stack::set_up(2);
    let (_folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#locked-title", "Enter the token");
    assert_eq!(browser.focus(), "token");
    assert_eq!(browser.text("#ask"), "", "there is nothing else");
    inspect(&browser, "locked");
    browser.press(ENTER);
    browser.sees("#token-error", "Enter the token");
    for wrong in [OTHER, "not \u{e9} one"] {
        enter(&browser, wrong);
        browser.sees("#token-error", "The server does not accept this token");
        assert_eq!(browser.focus(), "token");
        browser.run("document.getElementById('token-error').textContent = ''");
    }
    enter(&browser, OTHER);
    browser.sees("#token-error", "The server does not accept this token");
    inspect(&browser, "wrong-token");
    enter(&browser, &format!(" {TOKEN} "));
    browser.sees("#lead", "2 providers are subscribed");
    browser.sees("#target", "LocalStack");
    assert_eq!(browser.text("#locked"), "");

    watched(&browser);
    fill(&browser, "from", "Frankfurt");
    fill(&browser, "to", "Rome");
    fill(&browser, "deadline", "10m");
    browser.press(ENTER);
    let id = linked(&browser);
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    browser.sees("#answer", "Best so far 16");
    browser.run("document.querySelector('#end').click()");
    browser.sees("#answer", "Best 16");
    assert_eq!(browser.run("return window.bare"), json!([]));
    assert!(!browser.url().contains(TOKEN));
    // This tab keeps it, and nothing else does.
    browser.reload();
    browser.sees("#answer", "Best 16");
    assert_eq!(browser.text("#locked"), "");
    let kept = "return [Object.values(sessionStorage), localStorage.length, document.cookie]";
    assert_eq!(browser.run(kept), json!([[TOKEN], 0, ""]));
    drop(browser);
    let another = Browser::start();
    another.open(&format!("{}/rfqs/{id}", server.url));
    another.sees("#locked-title", "Enter the token");
    enter(&another, TOKEN);
    another.sees("#answer", "Best 16");
    let ran = server.stop();
    assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN));
}

#[test]
fn a_token_that_is_replaced_is_asked_for_where_it_is_needed() {
    let stack = Stack::set_up(1);
    let (_folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let id = stack.submit("--deadline 10m");
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/{id}", server.url));
    enter(&browser, TOKEN);
    browser.sees("#truth", "0 of 1 answered");
    fs::write(&file, OTHER).expect("it is written");
    // A stream that is open goes on; the next question needs the new token.
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    browser.sees("#answer", "16");
    stack.rydes("close").arg(&id).run().exits(0);
    browser.run(
        "document.querySelector('#new').click(); document.querySelector('#rfq-id').value = 'x'",
    );
    browser.run("document.querySelector('#open button').focus()");
    browser.press(ENTER);
    browser.sees("#token-error", "The server no longer accepts the token of this tab");
    enter(&browser, TOKEN);
    browser.sees("#token-error", "The server does not accept this token");
    enter(&browser, OTHER);
    // What was asked is asked again by itself, and the focus returns.
    browser.sees("#rfq-id-error", "No RFQ has this id");
    browser.run(&format!(
        "history.pushState(null, '', '/rfqs/{id}'); dispatchEvent(new PopStateEvent('popstate'))"
    ));
    browser.sees("#answer", "16");
    assert_eq!(
        browser
            .complaints()
            .iter()
            .filter(|one| !one.contains("401") && !one.contains("404"))
            .count(),
        0
    );
}
