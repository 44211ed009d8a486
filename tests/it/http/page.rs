//! The page in a real browser.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::http::Server;
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::{free_port, wait_for};

/// A name that would be a program if it were markup.
const HOSTILE: &str = "<img src=x onerror=\"document.title='gone'\">";

/// The cells of each row of the table, parted by bars.
fn table(browser: &Browser) -> Vec<String> {
    let rows = browser.run(
        "return [...document.querySelectorAll('#rows tr')]
           .map((row) => [...row.cells].map((cell) => cell.textContent).join('|'))",
    );
    rows.as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn ten_quotes_arrive_on_the_page() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let _consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    let browser = Browser::start();
    browser.open(&server.url);
    browser.sees("#target", &format!("stack {} on LocalStack", stack.name));
    // With the keyboard alone.
    for _ in 0..2 {
        browser.press(TAB);
    }
    assert_eq!(browser.focus(), "from", "after the name");
    for text in ["Frank<b>furt", TAB, "Las Vegas", TAB, "cmr", TAB, "10m", ENTER] {
        browser.press(text);
    }
    wait_for("a deep link", || browser.url().contains("/rfqs/").then_some(()));
    let id = browser.url().rsplit('/').next().expect("an id").to_owned();
    assert_eq!(stack.row_when(&id, "-", |_| true)["from"], "Frank<b>furt");
    browser.sees("#route", "Frank<b>furt → Las Vegas for cmr");
    assert_eq!(browser.focus(), "route", "a screen reader reads on from there");
    browser.sees("#truth", "0 of 10 answered, 10 still out");
    assert_eq!(table(&browser).len(), 10);
    browser.sees("#left", "s left");
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
    browser.sees("#truth", "complete: 10 of 10 answered (9 quotes, 1 declined), best 20.1");
    let shown = table(&browser);
    let names: Vec<_> = shown.iter().filter_map(|row| row.split('|').nth(1)).collect();
    assert_eq!(names[0], provider(2));
    assert_eq!(names[1..7], [5, 6, 7, 8, 9, 1].map(provider), "{shown:?}");
    let ends = |row: &str| row.ends_with("|best");
    assert_eq!(shown.iter().filter(|row| ends(row)).count(), 1, "{shown:?}");
    assert_eq!(browser.texts("#lanes li").len(), 11);
    assert!(browser.text("#left").is_empty(), "there is nothing to count down to");
    browser.sees("#news", "complete: 10 of 10 answered");

    browser.reload();
    browser.sees("#truth", "complete: 10 of 10 answered");
    assert_eq!(table(&browser), shown, "the deep link shows the same");
    // What came from outside is text.
    let images = browser
        .run("return document.images.length + document.querySelectorAll('h2 b, td *').length");
    assert_eq!(images, 0);
    assert_ne!(browser.run("return document.title"), "gone");
    browser.press("");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn details_go_out_as_they_were_typed_and_come_back_in_columns() {
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
    browser.sees("#details-error", "Details is not JSON");
    assert_eq!(browser.focus(), "details");
    set("details", &format!("\"{}\"", "x".repeat(262_144)));
    ask();
    browser.sees("#details-error", "SNS takes at most 262144");
    let typed = "{\n \"seats\": 12345678901234567890.10, \"b\": 1E+5}";
    set("details", typed);
    ask();
    wait_for("a deep link", || browser.url().contains("/rfqs/").then_some(()));
    assert_eq!(browser.text("#details-error"), "");
    let id = browser.url().rsplit('/').next().expect("an id").to_owned();
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
    browser.sees("#truth", "complete: 3 of 3 answered");
    assert_eq!(browser.texts("#titles th.field"), ["vehicle", "eta", "seats"]);
    let cells =
        |row: &str| -> Vec<String> { row.split('|').skip(3).take(3).map(str::to_owned).collect() };
    let rows = table(&browser);
    assert_eq!(cells(&rows[0]), ["<b>", "7.0", "12345678901234567890.10"]);
    assert_eq!(cells(&rows[1]), [r#"{"legs":2}"#, "9", "null"]);
    assert_eq!(cells(&rows[2]), ["", "", "3"]);
    // The browser itself reports the refusal.
    let complaints = browser.complaints();
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
    browser.sees("#route", &format!("{from} \u{2192} {to} for \\u{{ad}}"));
    let title = browser.run("return document.title");
    assert!(title.as_str().is_some_and(|title| title.contains(&to)), "{title}");
    let link = browser.run("return document.querySelector('#link').href");
    assert!(link.as_str().is_some_and(|link| link.ends_with("/rfqs/a%2Fb")), "{link}");
}

#[test]
fn what_is_wrong_is_told_at_its_field() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let browser = Browser::start();
    browser.open(&server.url);
    wait_for("the form", || {
        browser.run("document.getElementById('deadline').focus(); return true");
        (browser.focus() == "deadline").then_some(())
    });
    browser.press("soon");
    browser.press(ENTER);
    browser.sees("#from-error", "From wants a city");
    assert_eq!((browser.focus().as_str(), browser.text("#to-error").is_empty()), ("from", false));
    for text in ["A", TAB, "B", ENTER] {
        browser.press(text);
    }
    browser.sees("#deadline-error", "Deadline: a duration is");
    assert_eq!(browser.focus(), "deadline");
    let marked = browser
        .run("return [...document.querySelectorAll('[aria-invalid]')].map((one) => one.id).join()");
    assert_eq!(marked, "deadline");
    assert!(!browser.url().contains("/rfqs/"));
    assert_eq!(stack.depth(&provider(1)), 0);

    browser.open(&format!("{}/rfqs/00000000-0000-4000-8000-000000000000", server.url));
    browser.sees("#truth", "There is no such RFQ here");
}

#[test]
fn a_server_that_comes_back_is_followed_again() {
    let stack = Stack::set_up(1);
    let port = free_port();
    let serve =
        || Server::start(stack.rydes(&format!("serve --listen 127.0.0.1:{port} --output jsonl")));
    let server = serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/{id}", server.url));
    browser.sees("#truth", "0 of 1 answered");
    server.stop();
    browser.sees("#trouble", "The server does not answer; trying again");
    let server = serve();
    wait_for("the trouble is over", || browser.text("#trouble").is_empty().then_some(()));
    stack.rydes("close").arg(&id).run().exits(0);
    browser.sees("#truth", "over, it was closed");
    drop(server);
}

/// In light and dark, wide and narrow; `RYDES_TEST_PICTURES` names a folder for pictures of it.
#[test]
fn the_page_fits_a_phone_and_follows_light_and_dark() {
    let stack = Stack::set_up(10);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "5s", "to": "Las Vegas""#);
    // What the providers of a demo leave behind, dated as the request is.
    let row = stack.row_when(&id, "-", |_| true);
    let submitted = row["submitted-at"].as_str().and_then(rydes::core::Timestamp::parse);
    let submitted = submitted.expect("a time");
    let after = |ms: u64| json!(submitted.plus(std::time::Duration::from_millis(ms)));
    let quote = |price: u64| ("quote", json!(price));
    for (number, answer, ms) in [
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
    ] {
        let mut row = json!({
            "id": id, "responder": provider(number), "received-at": after(60 + 5 * number as u64),
            "answered-at": after(ms), "sent-at": after(ms + 6), "gathered-at": after(ms + 40),
        });
        if answer.0 == "quote" {
            let vehicle = ["unicorn", "two unicorns", "open carriage"][number % 3];
            let details = json!({"eta-minutes": 3 * number + 2, "vehicle": vehicle});
            row["details"] = json!(details.to_string());
        } else {
            for field in ["from", "to", "customer"] {
                row[field] = json!("x");
            }
        }
        if answer.0 == "failed" {
            row["attempts"] = json!(5);
            row["attempted-at"] =
                json!([after(100), after(300), after(700), after(1_500), after(3_150)]);
        }
        row[answer.0] = answer.1;
        stack.put(&row);
    }
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/{id}", server.url));
    browser.sees("#truth", "over by deadline: 8 of 10 answered in time, 1 late, best 16");
    browser
        .sees("#regret", "a late quote of 5 from UnicornManagementResource4 would have beaten 16");
    let pictures = std::env::var_os("RYDES_TEST_PICTURES");
    if pictures.is_some() {
        // A new row is highlighted for a moment.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    let mut grounds = Vec::new();
    for (scheme, width) in [("light", 1_000), ("dark", 1_000), ("light", 360), ("dark", 360)] {
        browser.look(width, 800, scheme);
        let all = "document.documentElement";
        let fits = browser.run(&format!("return {all}.scrollWidth <= {all}.clientWidth"));
        assert_eq!(fits, true, "something sticks out at {width}");
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor"));
        // Every text stands out from what is behind it: 4.5 to 1 (WCAG 2.2, 1.4.3).
        let faint = browser.run(CONTRAST);
        assert_eq!(faint, json!([]), "{scheme}");
        if let Some(folder) = &pictures {
            let form = if width > 500 { "wide" } else { "narrow" };
            let file = Path::new(folder).join(format!("page-{scheme}-{form}.png"));
            std::fs::write(file, browser.picture()).expect("it can be written");
        }
    }
    assert_eq!((&grounds[0], &grounds[1]), (&grounds[2], &grounds[3]));
    assert_ne!(grounds[0], grounds[1]);
}

/// The texts whose contrast is below 4.5, with it.
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
    if (!says || one.getClientRects().length === 0 || one.closest('.unseen, noscript, .skip')) continue;
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
        ("/page.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = server.get(file);
        assert_eq!((answer.status, answer.header("content-type")), (200, kind));
        let elsewhere = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("//cdn") && !elsewhere.contains("http"), "{file}");
    }
    let script = server.get("/page.js").body;
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(markup), "{markup}");
    }
}
