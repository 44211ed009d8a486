//! Resources that go while workers run.

use std::time::Duration;

use crate::support::stack::{Stack, provider};
use crate::support::wait_for;

/// How long workers may take to say that their stack is gone: a poll, and some work.
const SOON: Duration = Duration::from_mins(1);

#[test]
fn workers_whose_stack_is_torn_down_say_so() {
    for run in ["providers run", "providers run --no-consumer", "consumer run"] {
        let stack = Stack::set_up(3);
        let workers = stack.background(&format!("{run} -o jsonl --poll-wait 2s"));
        workers.says(" on LocalStack ");
        stack.rydes("teardown --yes").run().exits(0);
        let ended = workers.ends(SOON).exits(7);
        let said = format!("error: stack {} is not set up at ", stack.name);
        assert!(ended.stderr.contains(&said), "{run}: {}", ended.stderr);
    }
}

#[test]
fn a_table_that_goes_buries_no_answer() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady");
    workers.says(" on LocalStack ");
    stack.delete_table();
    for reply in [
        r#"{"responder": "a", "rfq-id": "x", "quote": 1}"#,
        r#"{"responder": "b", "rfq-id": "x", "declined": "no"}"#,
    ] {
        stack.send("RequestForQuotesResponseQueue", reply);
    }
    workers.ends(SOON).exits(7);
    assert_eq!(stack.depth("RequestForQuotesResponseDeadLetters"), 0);
    assert_eq!(stack.depth("RequestForQuotesResponseQueue"), 2, "they come back");
}

#[test]
fn a_provider_that_leaves_does_not_end_the_others() {
    let stack = Stack::set_up(3);
    let workers = stack.providers("--behavior steady");
    stack.submit("--deadline 60s");
    workers.until("gathered", 3);
    // A request is acknowledged after its answer, and its queue is kept until then.
    stack.drained(&provider(2));
    stack.rydes("providers remove UnicornManagementResource2").run().exits(0);
    workers.until("left", 1);
    let id = stack.submit("--deadline 60s");
    stack.rydes("quotes --watch").run().exits(0);
    assert_eq!(stack.quotes(&id)["answered"], 2);
    workers.stop();
}

#[test]
fn workers_that_are_killed_lose_nothing() {
    let stack = Stack::set_up(3);
    // They have taken every request, and are killed while they think.
    let killed = stack.providers("--behavior steady --think 60s..60s --visibility 3s");
    let id = stack.submit("--deadline 10m");
    killed.until("received", 3);
    killed.kill();
    let workers = stack.providers("--behavior steady");
    stack.rydes("quotes --watch").run().exits(0);
    assert_eq!(stack.rows(&id).len(), 4, "the request row and one answer each");
    workers.stop();
    wait_for("every queue empty", || {
        let queues = (1..=3).map(provider);
        queues.into_iter().all(|queue| stack.depth(&queue) == 0).then_some(())
    });
}
