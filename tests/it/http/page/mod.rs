//! The page in a real browser.

mod arrivals;
mod away;
mod chart;
mod commands;
mod forms;
mod looks;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::stack::{Stack, provider};

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
