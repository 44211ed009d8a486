//! `setup --keep DAYS` and `--keep-dead-letters DAYS`: how long rows and dead letters stay.

use std::fs;

use serde_json::{Value, json};

use super::{document, says};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, Stack, provider};

const DAY: u64 = 86_400;

/// Epoch seconds of a time in a row.
fn seconds(time: &Value) -> u64 {
    let time: jiff::Timestamp = time.as_str().expect("a text").parse().expect("a time");
    u64::try_from(time.as_second()).expect("after 1970")
}

fn expires(row: &Value) -> u64 {
    row["expires-at"].as_u64().expect("a number")
}

fn dead_letter_days(stack: &Stack) -> [u64; 2] {
    [PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS].map(|queue| {
        let kept = stack.queue(queue).get("MessageRetentionPeriod").parse::<u64>();
        kept.expect("a number") / DAY
    })
}

#[test]
fn what_is_said_stays_until_something_else_is() {
    let stack = Stack::new();
    stack.run("setup --providers 1 --keep 3 --keep-dead-letters 2").exits(0);
    let tags = stack.topic_tags();
    assert_eq!((&*tags["rydes:keep"], &*tags["rydes:keep-dead-letters"]), ("3", "2"));
    assert_eq!(dead_letter_days(&stack), [2, 2]);
    says(&stack.run("setup --providers 1").exits(0), "0 created, 7 kept, 0 changed");
    says(&stack.run("setup --providers 1 --check").exits(0), "7 as described");
    let differs = stack.run("setup --providers 1 --check --keep 4").exits(8);
    assert!(differs.stdout.contains("rydes:keep is 3, not 4"), "{}", differs.stdout);
    says(&stack.run("setup --providers 1 --keep-dead-letters 14").exits(0), "3 changed");
    assert_eq!(dead_letter_days(&stack), [14, 14]);
    assert_eq!(stack.topic_tags()["rydes:keep"], "3");
}

#[test]
fn rows_expire_after_the_days_of_their_stack() {
    let stack = Stack::set_up(1);
    let default = stack.submit("--deadline 10s");
    let request = &stack.rows(&default)[0];
    assert_eq!(expires(request), seconds(&request["deadline"]) + 7 * DAY);

    stack.run("setup --providers 1 --keep 1").exits(0);
    let _workers = stack.providers("--behavior steady --seed 1");
    let alone = stack.submit("--deadline 10s");
    let file = stack.memory().with_file_name("batch.jsonl");
    fs::create_dir_all(file.parent().expect("a folder")).expect("it is made");
    fs::write(&file, "{\"from\":\"A\",\"to\":\"B\"}\n").expect("it is written");
    let batch = stack.rydes("submit --batch").arg(&file).run().exits(0);
    for id in [alone.as_str(), batch.stdout.trim()] {
        let answer = stack.row_when(id, &provider(1), |row| row["gathered-at"].is_string());
        assert_eq!(expires(&answer), seconds(&answer["gathered-at"]) + DAY, "{answer}");
        let request = stack.row_when(id, "-", |_| true);
        assert_eq!(expires(&request), seconds(&request["deadline"]) + DAY, "{request}");
    }
}

#[test]
fn days_that_no_service_can_keep_are_refused() {
    let stack = Stack::set_up(1);
    for option in ["keep 0", "keep 3651", "keep-dead-letters 0", "keep-dead-letters 15"] {
        stack.run(&format!("setup --providers 1 --{option}")).exits(2);
    }
    let told = document(&stack.run("setup --providers 1 -ojson").exits(0));
    assert_eq!(told["kept"], json!(7));
}
