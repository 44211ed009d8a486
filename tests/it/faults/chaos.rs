//! `rydes bench --chaos`, in short: workers are killed, requests fail, and every copy is accounted for.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::background::Background;
use crate::support::resources::Names;
use crate::support::stack::Stack;
use crate::support::{json as document, wait_for};

/// Each kind of finding, of which there must be none.
const FINDINGS: [&str; 4] = ["lost", "doubled", "unexplained", "ended"];

/// How many worker processes there are on a stack.
fn workers(stack: &Stack) -> usize {
    let listed = Command::new("ps").args(["-axww", "-o", "command="]).output();
    let listed = String::from_utf8(listed.expect("ps runs").stdout).expect("it is text");
    let ours = format!("--stack {} ", stack.name);
    let ours = |line: &&str| line.contains(&ours) && line.contains(" providers run");
    listed.lines().filter(ours).count()
}

#[test]
fn nothing_is_lost_or_doubled_while_workers_are_killed_and_requests_fail() {
    let stack = Stack::new();
    // Slow enough that those who are started anew on a busy machine have something in hand, too, when they
    // are killed.
    let chaos = "bench --chaos --providers 5 --count 80 --rate 4 --kills 6 --failing 0.05 --seed 11 \
                 --think 200ms..800ms";
    let ran = stack.rydes(chaos).arg("-ojson").within(Duration::from_mins(4)).run();
    let told = document(&ran.stdout);
    for finding in FINDINGS {
        assert_eq!(told[finding], json!([]), "{told:#}");
    }
    assert_eq!((&told["copies"], &told["answered"]), (&json!(400), &json!(400)));
    assert_eq!(told["killed"], json!(6));
    let count = |what: &str| told[what].as_u64().expect("a count");
    assert!(count("failed") * 100 > count("requests"), "some hundreds went through: {told:#}");
    assert!(count("redelivered") > 0, "whoever was killed had something in hand: {told:#}");
    ran.exits(0);
    assert_eq!(stack.names(), Names::default(), "nothing is left");
}

#[test]
fn what_it_finds_is_named_and_fails_it() {
    let stack = Stack::new();
    let chaos = "bench --chaos --providers 2 --count 40 --rate 8 --kills 0 --behavior demo --speed 5 \
                 --fault poison@0.2 --fault wrong-id@0.2";
    let chaos = Background::start(stack.rydes(chaos));
    wait_for("the table", || (stack.names().tables.len() == 1).then_some(()));
    wait_for("a row of its own", || {
        let row = json!({"id": "stranger", "responder": "x", "quote": 1});
        stack.try_put(&row).then_some(())
    });
    let ended = chaos.ends(Duration::from_mins(2)).exits(1);
    assert!(ended.stdout.contains("0 lost, 0 doubled, 1 unexplained"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" spoilt by a fault, "), "{}", ended.stdout);
    let named = "unexplained: a row of x for stranger: 1";
    assert!(ended.stdout.contains(named), "{}", ended.stdout);
    assert!(ended.stderr.contains("error: not every copy is accounted for as it should be"));
}

#[test]
fn a_signal_ends_it_its_workers_and_its_stack() {
    let stack = Stack::new();
    let chaos = "bench --chaos --providers 2 --count 1000 --rate 5 --failing 0.05";
    let chaos = Background::start(stack.rydes(chaos));
    wait_for("two workers", || (workers(&stack) == 2).then_some(()));
    chaos.signal(Signal::INT);
    chaos.ends(Duration::from_mins(1)).exits(130);
    wait_for("no worker", || (workers(&stack) == 0).then_some(()));
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn its_workers_do_not_outlive_it_however_it_ends() {
    let stack = Stack::new();
    let chaos = Background::start(stack.rydes("bench --chaos --providers 1 --count 1000 --rate 5"));
    wait_for("two workers", || (workers(&stack) == 2).then_some(()));
    chaos.kill();
    wait_for("no worker", || (workers(&stack) == 0).then_some(()));
    stack.rydes("teardown --yes").run().exits(0);
}

#[test]
fn its_options_are_for_it_alone() {
    let stack = Stack::new();
    for wrong in ["bench --kills 3", "bench --failing 0.1", "bench --chaos --failing 0.9"] {
        stack.rydes(wrong).run().exits(2);
    }
}
