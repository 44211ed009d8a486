//! What the page says while the server or the backend is away, and how it comes back.

use rustix::process::Signal;
use serde_json::json;

use super::{fill, follow, followed, pace, put_answers, quote};
use crate::support::browser::{Browser, ENTER};
use crate::support::http::Server;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::Stack;
use crate::support::{free_port, wait_for};

/// The width of a bar that grows, and the countdown, twice with a pause between them.
fn moves(browser: &Browser) -> bool {
    let look = || {
        browser.run(
            "return [document.querySelector('.waits.now').style.width,
                     document.getElementById('seconds').textContent]",
        )
    };
    let before = look();
    std::thread::sleep(std::time::Duration::from_millis(400));
    look() != before
}

/// No word on the page is one of the machine's.
#[track_caller]
fn speaks_plainly(browser: &Browser) {
    let all = browser.text("main");
    for word in ["os error", "RequestFailed", "Query", "connect", "null", "undefined"] {
        assert!(!all.contains(word), "{word} in {all}");
    }
}

/// How opaque the bar of a waiting provider is, and the colour of the countdown.
fn looks(browser: &Browser) -> (f64, String) {
    let style = "const of = (what) => getComputedStyle(document.querySelector(what));";
    let told = browser
        .run(&format!("{style} return [Number(of('.waits.now').opacity), of('#seconds').color]"));
    (told[0].as_f64().expect("a number"), told[1].as_str().expect("a colour").to_owned())
}

#[test]
fn a_server_that_comes_back_is_followed_again() {
    let stack = Stack::set_up(1);
    let port = free_port();
    let serve =
        || Server::start(stack.rydes(&format!("serve --listen 127.0.0.1:{port} --output jsonl")));
    let server = serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let browser = follow(&server, &id);
    browser.sees("#truth", "0 of 1 answered");
    wait_for("the bar grows", || moves(&browser).then_some(()));
    server.stop();
    pace(&browser, 6);
    browser.sees("#away", "The rydes server does not respond. The page shows what was known at");
    let command = format!("serve --listen 127.0.0.1:{port}");
    assert!(browser.text("#away code").ends_with(&command), "{}", browser.text("#away"));
    browser.sees("#seconds", "paused here with");
    assert!(!moves(&browser), "what is not known stands still");
    assert_eq!(browser.text("#end"), "", "nothing can be ended now");
    speaks_plainly(&browser);
    let grey = looks(&browser);
    pace(&browser, 1);
    let server = serve();
    wait_for("it is back", || browser.text("#away").is_empty().then_some(()));
    wait_for("the bar grows", || moves(&browser).then_some(()));
    browser.sees("#seconds", "s left");
    let lively = looks(&browser);
    assert!(grey.0 < lively.0 && grey.1 != lively.1, "{grey:?} {lively:?}");
    stack.rydes("close").arg(&id).run().exits(0);
    browser.sees("#answer", "No quote in time");
    drop(server);
}

/// Shows an RFQ without a question to the server first.
fn enter(browser: &Browser, id: &str) {
    browser.run(&format!(
        "history.pushState(null, '', '/rfqs/{id}'); dispatchEvent(new PopStateEvent('popstate'))"
    ));
}

#[test]
fn a_server_that_is_suspended_counts_as_away_until_it_goes_on() {
    let (stack, server, id, browser) = followed(1, r#", "deadline": "10m""#);
    browser.sees("#truth", "0 of 1 answered");
    wait_for("the bar grows", || moves(&browser).then_some(()));
    let lively = looks(&browser);
    server.process.signal(Signal::STOP);
    pace(&browser, 6);
    browser.sees("#away", "The rydes server does not respond. The page shows what was known at");
    browser.sees("#away-todo", "If it has ended, start it: rydes ");
    browser.sees("#seconds", "paused here with");
    assert!(!moves(&browser), "what is not known stands still");
    assert_eq!(browser.text("#end"), "", "nothing can be ended now");
    let grey = looks(&browser);
    assert!(grey.0 < lively.0 && grey.1 != lively.1, "{grey:?} {lively:?}");
    speaks_plainly(&browser);
    // A connection is accepted, and nothing comes from it.
    browser.run("document.activeElement.blur()");
    browser.reach("retry");
    browser.press(ENTER);
    browser.sees("#retry", "Trying");
    browser.sees("#retry", "Try again");
    browser.sees("#away", "The rydes server does not respond. The page shows what was known at");
    pace(&browser, 1);
    server.process.signal(Signal::CONT);
    wait_for("it is back", || browser.text("#away").is_empty().then_some(()));
    wait_for("the bar grows", || moves(&browser).then_some(()));
    browser.sees("#seconds", "s left");
    stack.rydes("close").arg(&id).run().exits(0);
    browser.sees("#answer", "No quote in time");
}

#[test]
fn a_suspended_server_keeps_no_button_busy() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let ended = server.submit(r#", "deadline": "10m""#);
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/{ended}", server.url));
    browser.sees("#end", "End now");
    server.process.signal(Signal::STOP);
    pace(&browser, 6);
    browser.run("document.querySelector('#end').click()");
    let said = "The RFQ may or may not have been ended: The rydes server does not respond";
    browser.sees("#end-error", said);
    assert_eq!(browser.run("return document.querySelector('#end').ariaDisabled"), json!(null));
    // The forms, all at once.
    browser.run("document.querySelector('#new').click()");
    fill(&browser, "rfq-id", &id);
    browser.press(ENTER);
    fill(&browser, "from", "A");
    fill(&browser, "to", "B");
    browser.press(ENTER);
    browser.sees("#submit", "Asking");
    let said = "The rydes server does not respond";
    browser.sees("#form-error", &format!("{said}. The request may or may not have been"));
    browser.sees("#submit", "Ask all providers");
    browser.sees("#rfq-id-error", said);
    browser.sees("#lead", said);
    browser.sees("#look", "Try again");
    speaks_plainly(&browser);
    // One that was never seen before.
    enter(&browser, &id);
    browser.sees("#away", said);
    pace(&browser, 1);
    server.process.signal(Signal::CONT);
    browser.sees("#truth", "0 of 1 answered");
    assert_eq!(browser.text("#away"), "");
}

#[test]
fn a_backend_that_is_slow_is_not_taken_for_a_server_that_is_away() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#lead", "1 provider is subscribed");
    proxy.fail("Query", 1_000, ProxyFault::Pause);
    pace(&browser, 3);
    enter(&browser, &id);
    browser.sees("#away", "LocalStack did not answer as it should");
    pace(&browser, 1);
    proxy.resume();
    browser.sees("#truth", "0 of 1 answered");
    assert_eq!(browser.text("#away"), "");
}

#[test]
fn a_page_that_stood_still_itself_blames_no_server() {
    let (_stack, _server, _id, browser) = followed(1, r#", "deadline": "10m""#);
    browser.sees("#truth", "0 of 1 answered");
    // An hour passes at once, as on a suspended laptop, and in a tab that is hidden.
    browser.run(
        "const [now, away] = [performance.now.bind(performance), document.getElementById('away')];
         window.blamed = 0; window.slept = 0; window.hides = false;
         performance.now = () => now() + window.slept;
         Object.defineProperty(document, 'hidden', { get: () => window.hides });
         new MutationObserver(() => { window.blamed += !away.hidden }).observe(away, { attributes: true });",
    );
    let sleep = || browser.run("window.slept += 3_600_000");
    let hide = |hides: bool| {
        browser.run(&format!(
            "window.hides = {hides}; document.dispatchEvent(new Event('visibilitychange'))"
        ))
    };
    sleep();
    wait_for("the bar grows", || moves(&browser).then_some(()));
    hide(true);
    sleep();
    hide(false);
    wait_for("the bar grows", || moves(&browser).then_some(()));
    assert_eq!(browser.run("return window.blamed"), 0);
    assert_eq!(browser.text("#away"), "");
}

#[test]
fn a_backend_that_is_away_stops_what_moves_until_it_is_back() {
    let stack = Stack::set_up(2);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    put_answers(&stack, &id, &[(1, quote(16), 900)]);
    let browser = follow(&server, &id);
    browser.sees("#answer", "Best so far 16");
    proxy.fail("Query", 10_000, ProxyFault::CutBefore);
    browser.sees("#away", "LocalStack does not respond");
    assert!(browser.text("#away code").ends_with("localstack up"));
    browser.sees("#seconds", "paused here with");
    assert!(!moves(&browser));
    speaks_plainly(&browser);
    // Asked again, it still does not; then it does. With the keyboard alone.
    let reads = proxy.count("Query");
    browser.run("document.activeElement.blur()");
    browser.reach("retry");
    browser.press(ENTER);
    proxy.until("Query", reads + 1);
    browser.sees("#away", "LocalStack does not respond");
    proxy.heal();
    wait_for("it is back", || browser.text("#away").is_empty().then_some(()));
    wait_for("the bar grows", || moves(&browser).then_some(()));
}

#[test]
fn a_backend_that_is_gone_is_said_in_words_wherever_it_is_needed() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = stack.submit("--deadline 10m");
    drop(proxy);
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#lead", "LocalStack does not respond. Start it:");
    assert!(browser.text("#lead code").ends_with("localstack up"));
    browser.sees("#look", "Try again");
    fill(&browser, "rfq-id", &id);
    browser.press(ENTER);
    // This error takes the focus.
    browser.sees("#rfq-id-error", "LocalStack does not respond");
    fill(&browser, "from", "A");
    fill(&browser, "to", "B");
    browser.press(ENTER);
    browser.sees("#form-error", "LocalStack does not respond; nothing was sent");
    assert!(browser.text("#rfq-id-error").contains("LocalStack does not respond"));
    speaks_plainly(&browser);
    browser.open(&format!("{}/rfqs/{id}", server.url));
    browser.sees("#away", "LocalStack does not respond");
    speaks_plainly(&browser);
    // A server that is gone, too.
    browser.run("document.querySelector('#home').click()");
    browser.sees("#look", "Try again");
    server.stop();
    browser.run("document.querySelector('#look').click()");
    browser.sees("#lead", "The rydes server does not respond");
    fill(&browser, "from", "A");
    fill(&browser, "to", "B");
    browser.press(ENTER);
    browser
        .sees("#form-error", "The rydes server does not respond. The request may or may not have");
}

#[test]
fn a_stack_that_is_not_set_up_any_more_names_the_command() {
    let (stack, _server, id, browser) = followed(1, r#", "deadline": "10m""#);
    browser.sees("#answer", "No quote yet");
    stack.delete_table();
    browser.sees("#away", "The stack is not set up");
    assert!(browser.text("#away code").ends_with(" setup"), "{}", browser.text("#away"));
    speaks_plainly(&browser);
    // Beyond this machine there is no command line.
    let proxied =
        Server::start(stack.rydes("serve --listen 127.0.0.1:0 --host rides.example -o jsonl"));
    browser.open(&format!("{}/rfqs/{id}", proxied.url));
    browser.sees("#away-todo", "Set it up on the server's machine");
    assert!(browser.texts("code").is_empty(), "{}", browser.text("main"));
}
