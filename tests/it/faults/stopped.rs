//! A worker process that is stopped for longer than what it holds stays hidden, beside another one.

use rustix::process::Signal;

use crate::support::json;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack, provider};

/// Requests whose answers no queue takes: escaped, each letter takes six bytes of a reply.
const REQUESTS: usize = 4;

#[test]
fn one_that_was_stopped_writes_no_second_dead_letter_for_what_another_has_buried() {
    let stack = Stack::set_up(1);
    let run = "--behavior steady --fault decline:no --visibility 5s";
    let stopped = stack.providers(&format!("{run} --think 15s..15s"));
    stopped.says(" on LocalStack ");
    for number in 0..REQUESTS {
        let from = "\u{fc}".repeat(180_000);
        let request =
            format!(r#"{{"rfq-id": "rfq{number}", "from": "{from}", "to": "B", "customer": "c"}}"#);
        stack.send(&provider(1), &request);
    }
    stopped.until("received", REQUESTS);
    stopped.signal(Signal::STOP);
    let other = stack.providers(run);
    other.until("unreadable", REQUESTS);
    stack.drained(&provider(1));
    // It goes on with what was its own before.
    stopped.signal(Signal::CONT);
    let ended = stopped.stop();
    assert!(ended.stderr.contains("done: "), "{}", ended.stderr);
    other.stop();
    let listed = stack.rydes("dlq list -o json").run().exits(0).stdout;
    let letters = json(&listed)["letters"].as_array().expect("a list").len();
    assert_eq!((letters, stack.depth(PROVIDER_DEAD_LETTERS)), (REQUESTS, REQUESTS));
}
