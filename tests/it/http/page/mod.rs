//! The page in a real browser.

mod arrivals;
mod away;
mod chart;
mod commands;
mod forms;
mod looks;
mod token;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::http::Server;
use crate::support::stack::{Stack, provider};
use crate::support::wait_for;

/// A stack with so many providers, its server, an RFQ with more fields, and a browser that shows it.
fn followed(providers: usize, more: &str) -> (Stack, Server, String, Browser) {
    let stack = Stack::set_up(providers);
    let server = stack.serve();
    let id = server.submit(more);
    let browser = follow(&server, &id);
    (stack, server, id, browser)
}

/// A browser that shows an RFQ.
fn follow(server: &Server, id: &str) -> Browser {
    let browser = Browser::start();
    browser.open(&format!("{}/rfqs/{id}", server.url));
    browser
}

/// The id of the RFQ that the page goes on to.
fn linked(browser: &Browser) -> String {
    wait_for("a deep link", || {
        let url = browser.url();
        url.split_once("/rfqs/").map(|(_, id)| id.to_owned())
    })
}

/// From now on, the limits and pauses of the page pass so many times as fast. Its beats do not: it is for a server that
/// sends none.
fn pace(browser: &Browser, times: u32) {
    browser.run(&format!(
        "if (!window.pace) {{
           const now = performance.now.bind(performance);
           let [last, sum] = [now(), now()];
           performance.now = () => {{
             const at = now();
             sum += (at - last) * window.pace;
             last = at;
             return sum;
           }};
           const later = window.setTimeout.bind(window);
           window.setTimeout = (work, ms) => later(work, ms / window.pace);
           const limit = AbortSignal.timeout.bind(AbortSignal);
           AbortSignal.timeout = (ms) => limit(ms / window.pace);
         }}
         window.pace = {times};"
    ));
}

/// The cells of each row of the table, parted by bars; without those that are not shown and the one of the times.
fn table(browser: &Browser) -> Vec<String> {
    let rows = browser.run(
        "return [...document.querySelectorAll('#rows tr')].map((row) => [...row.cells]
           .filter((cell) => cell.className !== 'bar' && cell.checkVisibility())
           .map((cell) => cell.textContent).join('|'))",
    );
    rows.as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Types into a field, which had another text or none.
fn fill(browser: &Browser, field: &str, text: &str) {
    browser.run(&format!(
        "const field = document.getElementById({}); field.value = {}; field.focus()",
        json!(field),
        json!(text)
    ));
}

/// What a provider did, and how long after the submission.
type Answered = (usize, (&'static str, Value), u64);

fn quote(price: u64) -> (&'static str, Value) {
    ("quote", json!(price))
}

/// Writes the rows that these providers would leave behind, dated as the request is.
fn put_answers(stack: &Stack, id: &str, answers: &[Answered]) {
    let row = stack.row_when(id, "-", |_| true);
    let submitted = row["submitted-at"].as_str().and_then(rydes::core::Timestamp::parse);
    let submitted = submitted.expect("a time");
    let after = |ms: u64| json!(submitted.plus(std::time::Duration::from_millis(ms)));
    for (number, (kind, value), ms) in answers {
        let mut row = json!({
            "id": id, "responder": provider(*number), "received-at": after(60 + 5 * *number as u64),
            "answered-at": after(*ms), "sent-at": after(ms + 6), "gathered-at": after(ms + 40),
        });
        if *kind == "quote" {
            let vehicle = ["unicorn", "two unicorns", "open carriage"][number % 3];
            let details = json!({"eta-minutes": 3 * number + 2, "vehicle": vehicle});
            row["details"] = json!(details.to_string());
        } else {
            for field in ["from", "to", "customer"] {
                row[field] = json!("x");
            }
        }
        if *kind == "failed" {
            let tries = [100, 300, 700, 1_500, ms - 50];
            row["attempts"] = json!(tries.len());
            row["attempted-at"] = tries.into_iter().map(after).collect();
        }
        row[*kind] = value.clone();
        stack.put(&row);
    }
}
