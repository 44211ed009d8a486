//! `rydes demo`, to its end and broken off.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::background::Background;
use crate::support::resources::Names;
use crate::support::stack::Stack;

/// How long it may take on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn it_shows_every_state_and_leaves_nothing() {
    let stack = Stack::new();
    let demo = stack.typed("demo").within(LIMIT).run().exits(0);
    for said in [
        "best",
        "declined:",
        "failed:",
        "silent: ",
        "late by ",
        "would have beaten",
        "slowest pick-up ",
        "every copy is accounted for",
    ] {
        assert!(demo.stdout.contains(said), "{said}:\n{}", demo.stdout);
    }
    assert!(demo.stderr.contains("looked again: nothing is left"), "{}", demo.stderr);
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn one_that_is_interrupted_leaves_nothing_either() {
    for (said, signal, code) in [
        ("$ rydes setup", Signal::INT, 130),
        ("$ rydes quotes --watch", Signal::TERM, 143),
        ("$ rydes providers run", Signal::HUP, 129),
    ] {
        let stack = Stack::new();
        let demo = Background::start(stack.typed("demo"));
        demo.says(said);
        demo.signal(signal);
        let ended = demo.ends(LIMIT).exits(code);
        assert!(ended.stderr.contains("looked again: nothing is left"), "{}", ended.stderr);
        assert_eq!(stack.names(), Names::default());
    }
}

#[test]
fn a_stack_of_the_users_is_not_touched() {
    let stack = Stack::set_up(1);
    let refused = stack.typed("demo").run().exits(2);
    assert!(refused.stderr.contains("makes and removes a stack of its own"), "{}", refused.stderr);
    assert!(!stack.names().tables.is_empty());
}
