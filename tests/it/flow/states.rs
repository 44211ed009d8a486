//! Every state that a provider can be in, and every end that a wait can have.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::background::signal;
use crate::support::ends_within;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack, provider};
use crate::support::{PATIENCE, wait_for};

fn states(told: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = told["providers"].as_array().expect("a list").iter();
    all.map(|provider| (text(&provider["responder"]), text(&provider["state"]))).collect()
}

#[test]
fn each_provider_ends_in_the_state_that_it_earned() {
    let stack = Stack::set_up(5);
    stack.rydes("providers add acme").run().exits(0);
    let faults =
        [("2", "decline:no unicorn awake"), ("3", "error"), ("4", "silent"), ("5", "slow:18s")];
    // A reason has spaces, so these are arguments of their own.
    let mut run = stack.rydes("providers run --behavior steady --poll-wait 2s --progress none");
    for (number, fault) in faults {
        run = run.arg(format!("--fault=UnicornManagementResource{number}={fault}"));
    }
    let mut workers = Ended(run.start());
    let id = stack.submit("--deadline 15s");
    let failed = wait_for("the failure is shown", || {
        let told = stack.quotes(&id);
        (told["providers"][2]["state"] == "failed").then_some(told)
    });
    assert_eq!(failed["status"], "gathering", "shown before the deadline");
    assert_eq!(failed["providers"][2]["reason"], "engine fault");

    let watched = stack.rydes("quotes --watch").run().exits(3);
    for said in [
        "declined: no unicorn awake",
        "failed: engine fault, 5 attempts",
        "silent: not available",
        "missing: no reply before the deadline",
        "deadline passed: 3 of 6 answered (1 quote, 1 declined, 1 failed)",
    ] {
        assert!(watched.stdout.contains(said), "{said}: {}", watched.stdout);
    }
    assert!(watched.stderr.contains("late replies too"), "{}", watched.stderr);

    let told = wait_for("the late quote", || {
        let told = stack.quotes(&id);
        (told["late"] == 1).then_some(told)
    });
    let expected: Vec<_> = [
        (provider(1), "quoted"),
        (provider(2), "declined"),
        (provider(3), "failed"),
        (provider(4), "silent"),
        (provider(5), "late"),
        ("acme".to_owned(), "missing"),
    ]
    .into_iter()
    .map(|(name, state)| (name, state.to_owned()))
    .collect();
    assert_eq!(states(&told), expected);
    assert_eq!((&told["status"], &told["completed-by"]), (&"expired".into(), &"deadline".into()));
    assert_eq!((&told["answered"], &told["best"]["responder"]), (&3.into(), &provider(1).into()));

    let row = stack.row_when(&id, &provider(3), |_| true);
    assert_eq!(row["attempts"], json!(5));
    assert_eq!(row["attempted-at"].as_array().map(Vec::len), Some(5));
    let letters = stack.letters(PROVIDER_DEAD_LETTERS, 1);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attributes["reason"], "engine fault");
    assert_eq!(letters[0].attributes["rydes-source"], stack.full(&provider(3)));
    assert_eq!(crate::support::json(&letters[0].body)["rfq-id"], id.as_str());
    stack.drained(&provider(3));
    assert_eq!(stack.depth("acme"), 1, "nobody answers for a real provider");
    signal(&workers.0, Signal::TERM);
    assert!(ends_within(&mut workers.0, PATIENCE));
    assert_eq!(workers.0.wait().expect("it has ended").code(), Some(0));
}

/// A process that is gone when this value is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn silence_without_a_receipt_is_missing_and_a_wait_without_a_quote_exits_4() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady --fault silent --no-receipts");
    workers.says("response consumer");
    let id = stack.submit("--deadline 10s");
    workers.until("mute", 2);
    let watched = stack.rydes("quotes --watch").run().exits(4);
    assert!(watched.stdout.contains("no quote in time\ndeadline passed: 0 of 2 answered\n"));
    let told = stack.quotes(&id);
    assert!(states(&told).iter().all(|(_, state)| state == "missing"), "{told}");
    assert_eq!(stack.rows(&id).len(), 1, "no trace at all");
}

#[test]
fn a_wait_that_everybody_declined_is_complete_but_has_no_quote() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady --fault decline:full");
    let id = stack.submit("--deadline 60s");
    let watched = stack.rydes("quotes --watch").run().exits(4);
    let said = "no quote: all 2 providers declined\ncomplete: 2 of 2 answered (2 declined)\n";
    assert!(watched.stdout.contains(said), "{}", watched.stdout);
    let told = stack.quotes(&id);
    assert_eq!((&told["status"], &told["completed-by"]), (&"complete".into(), &"all".into()));
}

#[test]
fn a_late_quote_never_wins_and_is_regretted() {
    let stack = Stack::set_up(1);
    let workers = stack.providers("--behavior steady --fault slow:12s");
    workers.says("response consumer");
    let id = stack.submit("--deadline 10s");
    let lingered = stack.rydes("quotes --watch --linger 60s").run().exits(4);
    for said in [
        "late by ",
        "no quote in time\ndeadline passed: 0 of 1 answered in time, 1 late",
        "would have won;",
    ] {
        assert!(lingered.stdout.contains(said), "{said}: {}", lingered.stdout);
    }
    let told = stack.quotes(&id);
    assert_eq!((&told["best"], &told["late"]), (&Value::Null, &1.into()));
    assert_eq!(told["quotes"][0]["late"], true);
    assert_eq!(told["providers"][0]["state"], "late");
    let regret = &told["regret"];
    assert_eq!(regret["quote"], told["quotes"][0]["quote"]);
    assert_eq!(regret["deadline-needed-ms"], told["quotes"][0]["after-ms"]);
    assert!(lingered.stdout.contains("a deadline of "), "{}", lingered.stdout);
}

#[test]
fn a_wait_that_is_interrupted_leaves_the_table_and_says_so_by_its_code() {
    let stack = Stack::set_up(2);
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let submit = stack.rydes("submit --from A --to B --deadline 10m --wait").start();
        let mut submit = Ended(submit);
        let mut stderr = BufReader::new(submit.0.stderr.take().expect("it is piped"));
        let mut stdout = submit.0.stdout.take().expect("it is piped");
        // After 3 s without an answer it looks at the queues: the wait is well under way.
        let hint = stderr.by_ref().lines().map_while(Result::ok).find(|l| l.contains("hint: "));
        assert!(
            hint.expect("a hint").contains("all 2 copies lie unread; is `rydes providers run`")
        );
        signal(&submit.0, number);
        let mut shown = String::new();
        stdout.read_to_string(&mut shown).expect("it is text");
        assert!(shown.contains("    waiting for 2: "), "{shown}");
        assert_eq!(submit.0.wait().expect("it ends").code(), Some(code));
    }
}
