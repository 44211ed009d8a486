//! How each state of the page looks: it fits, it can be read, and axe-core finds no fault in it. With
//! `RYDES_TEST_PICTURES`, which names a folder, a picture of each is left there.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::{Answered, follow, followed, pace, put_answers, quote};
use crate::support::browser::Browser;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;

const WIDTHS: [u32; 3] = [360, 768, 1_280];

/// Checks the page as it is now in light and dark, on a phone, a tablet and a desk.
#[track_caller]
pub(super) fn inspect(browser: &Browser, state: &str) {
    for width in WIDTHS {
        inspect_at(width, browser, state);
    }
}

#[track_caller]
fn inspect_at(width: u32, browser: &Browser, state: &str) {
    let pictures = std::env::var_os("RYDES_TEST_PICTURES");
    if pictures.is_some() {
        // A new row is highlighted for a moment.
        std::thread::sleep(Duration::from_millis(1_500));
    }
    let grounds = ["light", "dark"].map(|scheme| {
        let at = format!("{state}, {scheme}, {width}");
        browser.look(width, 800, scheme);
        let all = "document.documentElement";
        let fits = browser.run(&format!("return {all}.scrollWidth <= {all}.clientWidth"));
        assert_eq!(fits, true, "something sticks out: {at}");
        if let Some(folder) = &pictures {
            let file = Path::new(folder).join(format!("page-{state}-{scheme}-{width}.png"));
            std::fs::write(file, browser.picture()).expect("it can be written");
        }
        assert_eq!(browser.run(CONTRAST), json!([]), "{at}");
        let violations = browser.violations();
        assert!(violations.is_empty(), "{at}: {violations:#?}");
        browser.run("return getComputedStyle(document.body).backgroundColor")
    });
    assert_ne!(grounds[0], grounds[1], "it follows light and dark");
}

/// Ten providers as a demo leaves them behind, up to a time.
fn answers(until_ms: u64) -> Vec<Answered> {
    let all = [
        (1, quote(16), 1_900),
        (2, quote(89), 3_500),
        (3, quote(88), 2_500),
        (4, quote(5), 6_200),
        (5, ("declined", json!("fully booked")), 1_700),
        (6, quote(55), 3_600),
        (7, quote(17), 2_000),
        (8, ("failed", json!("engine fault")), 3_200),
        (9, ("silent", json!("not available")), 90),
        (10, quote(32), 2_450),
    ];
    all.into_iter().filter(|(_, _, ms)| *ms <= until_ms).collect()
}

#[test]
fn while_nothing_is_asked() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#lead", "10 providers are subscribed");
    assert!(browser.would_find_a_fault());
    inspect(&browser, "empty");
    browser.run("document.querySelector('#submit').click()");
    browser.sees("#to-error", "Enter a destination");
    inspect(&browser, "errors");
}

#[test]
fn while_quotes_arrive() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let browser = Browser::start();
    for width in WIDTHS {
        let id = server.submit(r#", "deadline": "20s", "to": "Las Vegas""#);
        put_answers(&stack, &id, &answers(2_500));
        browser.open(&format!("{}/rfqs/{id}", server.url));
        browser.sees("#answer", "Best so far 16");
        inspect_at(width, &browser, "arriving");
    }
}

#[test]
fn while_the_deadline_is_far_away_and_once_the_server_is_suspended() {
    let (stack, server, id, browser) = followed(
        3,
        r#", "deadline": "10m", "to": "Las Vegas", "best-by": "min:/eta-minutes", "until": ["3", "price:2"]"#,
    );
    put_answers(&stack, &id, &answers(2_500)[..1]);
    browser.sees("#answer", "Best so far 16");
    browser.sees("#asked", "ends early after 3 quotes or at 2 or less");
    inspect(&browser, "far");
    server.process.signal(Signal::STOP);
    pace(&browser, 6);
    browser.sees("#away", "The rydes server does not respond");
    inspect(&browser, "suspended");
}

#[test]
fn when_it_is_over() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "5s", "to": "Las Vegas""#);
    put_answers(&stack, &id, &answers(u64::MAX));
    let browser = follow(&server, &id);
    browser.sees("#answer", "Best 16 · UnicornManagementResource1 · 1.9 s");
    browser.sees("#truth", "8 of 10 answered");
    browser.sees("#regret", "UnicornManagementResource4");
    browser.sees("#regret", "7 s");
    inspect(&browser, "over");
}

#[test]
fn when_the_backend_is_gone() {
    let stack = Stack::set_up(10);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    put_answers(&stack, &id, &answers(2_500));
    let browser = follow(&server, &id);
    browser.sees("#answer", "Best so far 16");
    drop(proxy);
    browser.sees("#away", "LocalStack does not respond");
    inspect(&browser, "gone");
}

/// The texts whose contrast is below 4.5 to 1, with it (WCAG 2.2, 1.4.3): also those that axe-core cannot judge.
const CONTRAST: &str = r"
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const ground = channels(getComputedStyle(at).backgroundColor);
      if (ground.length === 3 || ground[3] === 1) return ground;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || one.getClientRects().length === 0 || one.closest('.unseen, noscript')) continue;
    const [a, b] = [light(channels(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${one.textContent}: ${ratio.toFixed(2)}`);
  }
  return faint;
";

#[test]
fn the_page_may_load_nothing_from_elsewhere() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    for path in ["/", "/Prod/", "/rfqs/anything", "/rfqs/anything/"] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
    for (file, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/rfq.js", "text/javascript; charset=utf-8"),
        ("/server.js", "text/javascript; charset=utf-8"),
        ("/stream.js", "text/javascript; charset=utf-8"),
        ("/token.js", "text/javascript; charset=utf-8"),
        ("/chart.js", "text/javascript; charset=utf-8"),
        ("/words.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = server.get(file);
        assert_eq!((answer.status, answer.header("content-type")), (200, kind));
        let elsewhere = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("//cdn") && !elsewhere.contains("http"), "{file}");
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!answer.body.contains(markup), "{markup} in {file}");
        }
    }
}
