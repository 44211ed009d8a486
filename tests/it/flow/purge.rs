//! `rydes dlq purge`: deletes what it has counted, after a confirmation, and nothing else.

use std::time::Duration;

use rustix::process::Signal;

use super::letters::{ids, post};
use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, Stack};
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, Ran, ends_within, json, wait_for};

/// A stack with two requests and a reply among the dead letters.
fn with_letters() -> Stack {
    let stack = Stack::set_up(1);
    for body in ["one", "two"] {
        post(&stack, PROVIDER_DEAD_LETTERS, body, &[]);
    }
    post(&stack, RESPONSE_DEAD_LETTERS, "three", &[]);
    ids(&stack, 3);
    stack
}

fn held(stack: &Stack) -> (usize, usize) {
    (stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(RESPONSE_DEAD_LETTERS))
}

#[test]
fn without_a_confirmation_all_stay() {
    let stack = with_letters();
    let refused = stack.rydes("dlq purge").run().exits(2).stderr;
    for said in [
        "delete 2 requests and 1 reply for good?\n",
        "error: stdin is not a terminal, so nothing was deleted: confirm with `--yes`\n",
    ] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    stack.rydes("dlq purge --confirm other").run().exits(2);
    assert_eq!(held(&stack), (2, 1));
    assert_eq!(ids(&stack, 3).len(), 3, "they are not hidden either");
}

#[test]
fn what_was_confirmed_is_deleted_and_counted() {
    let stack = with_letters();
    for number in 0..22 {
        stack.send(RESPONSE_DEAD_LETTERS, &format!("letter {number}"));
    }
    ids(&stack, 25);
    let purged = stack.rydes("dlq purge --yes").run().exits(0);
    assert_eq!(purged.stdout, "");
    assert!(purged.stderr.ends_with("deleted 2 requests and 23 replies\n"), "{}", purged.stderr);
    assert_eq!(held(&stack), (0, 0));
    let again = stack.rydes("dlq purge").run().exits(0).stderr;
    assert!(again.ends_with("no dead letters: nothing to delete\n"), "{again}");
}

#[test]
fn what_arrives_after_the_count_stays() {
    let stack = with_letters();
    let terminal = Terminal::new();
    let purge = |answer: &str, code: i32| {
        let asked = || terminal.text().matches("type yes:").count();
        let before = asked();
        let mut purge = stack.on_terminal(&terminal, "dlq purge").start();
        wait_for("the question", || (asked() > before).then_some(()));
        stack.send(RESPONSE_DEAD_LETTERS, answer);
        terminal.keys(&format!("{answer}\n"));
        assert!(ends_within(&mut purge, PATIENCE));
        assert_eq!(purge.wait().expect("it has ended").code(), Some(code));
    };
    purge("no", 2);
    assert_eq!(held(&stack), (2, 2));
    ids(&stack, 4);
    purge("yes", 0);
    wait_for("what was deleted", || {
        terminal.text().contains("deleted 2 requests and 2 replies").then_some(())
    });
    assert_eq!(held(&stack), (0, 1));
    assert_eq!(stack.letters(RESPONSE_DEAD_LETTERS, 1)[0].body, "yes");
}

#[test]
fn only_those_that_are_named_are_deleted() {
    let stack = with_letters();
    let all = ids(&stack, 3);
    let purge = format!("dlq purge --yes {} --id {} -o json", &all[0][..8], all[2]);
    let told = json(&stack.rydes(&purge).run().exits(0).stdout);
    assert_eq!((&told["deleted"]["request"], &told["deleted"]["reply"]), (&1.into(), &1.into()));
    assert_eq!(ids(&stack, 1), [all[1].clone()]);
    let none = stack.rydes("dlq purge --yes --id 00000000").run().exits(1).stderr;
    assert!(
        none.contains("error: dead letter 00000000 was not found; nothing was deleted\n"),
        "{none}"
    );
    assert_eq!(held(&stack), (1, 0));
}

#[test]
fn what_sqs_does_not_delete_is_told_and_stays() {
    const DENIED: &str =
        r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#;
    let stack = with_letters();
    let proxy = Proxy::start();
    let purge = |code: i32| {
        let purge = stack.rydes("dlq purge --yes -o json").env("AWS_ENDPOINT_URL_SQS", &proxy.url);
        purge.run().exits(code)
    };
    // SQS reports the first of the batch as failed.
    proxy.fail("DeleteMessageBatch", 1, ProxyFault::Entries(1));
    let ran = purge(1);
    let told = json(&ran.stdout);
    assert_eq!((&told["counted"]["request"], &told["deleted"]["request"]), (&2.into(), &1.into()));
    assert_eq!(
        (told["failed"].as_array().map(Vec::len), &told["deleted"]["reply"]),
        (Some(1), &1.into())
    );
    assert!(ran.stderr.contains("error: 1 letter could not be deleted\n"), "{}", ran.stderr);
    // It refuses the second request as a whole: what was deleted before is counted.
    post(&stack, PROVIDER_DEAD_LETTERS, "four", &[]);
    post(&stack, RESPONSE_DEAD_LETTERS, "five", &[]);
    ids(&stack, 2);
    proxy.pass("DeleteMessageBatch", 1);
    proxy.fail("DeleteMessageBatch", 1, ProxyFault::Answer(400, DENIED));
    let ran = purge(1);
    assert!(ran.stderr.contains("deleted 1 request and 0 replies\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not you"), "{}", ran.stderr);
    assert_eq!(json(&ran.stdout)["deleted"], serde_json::json!({"request": 1, "reply": 0}));
    assert_eq!(held(&stack), (0, 1));
}

#[test]
fn those_that_another_receiver_holds_stay_and_are_told_of() {
    let stack = with_letters();
    let url = stack.queue_url(PROVIDER_DEAD_LETTERS);
    let receive = clients().sqs.receive_message().queue_url(url).visibility_timeout(30);
    wait(receive.max_number_of_messages(1).send()).expect("it answers");
    let purged = stack.rydes("dlq purge --yes").run().exits(1).stderr;
    assert!(purged.contains("deleted 1 request and 1 reply\n"), "{purged}");
    assert!(purged.contains("about 1 more letter is held by another receiver"), "{purged}");
    assert_eq!(held(&stack), (1, 0));
    // Only that one is left: it is no answer that there is none.
    let again = stack.rydes("dlq purge --yes -o json").run().exits(1);
    assert!(!again.stderr.contains("nothing to delete"), "{}", again.stderr);
    assert_eq!(json(&again.stdout)["hidden"], 1);
}

#[test]
fn a_count_that_fails_hides_no_letter_of_the_other_queue() {
    const DENIED: &str =
        r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#;
    let stack = with_letters();
    let proxy = Proxy::start();
    for line in ["dlq purge --yes", "dlq list"] {
        // Letters of both are in hand when one queue is refused, and the other is still being read.
        proxy.pass("ReceiveMessage", 2);
        proxy.fail("ReceiveMessage", 1, ProxyFault::Answer(400, DENIED));
        proxy.fail("ReceiveMessage", 1, ProxyFault::Delay(Duration::from_millis(500)));
        let ran = stack.rydes(line).env("AWS_ENDPOINT_URL_SQS", &proxy.url).run().exits(1);
        assert!(ran.stderr.contains("not you"), "{}", ran.stderr);
        std::thread::sleep(Duration::from_secs(1));
        let hidden = [PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS].map(|of| stack.in_flight(of));
        assert_eq!(hidden, [0, 0], "{line}");
    }
}

/// A purge that gets a signal while its first deletion is under way.
fn interrupted(stack: &Stack) -> Ran {
    let proxy = Proxy::start();
    proxy.fail("DeleteMessageBatch", 1, ProxyFault::Pause);
    let purge = stack.rydes("dlq purge --yes").env("AWS_ENDPOINT_URL_SQS", &proxy.url);
    let purge = Background::start(purge);
    proxy.until("DeleteMessageBatch", 1);
    purge.signal(Signal::INT);
    std::thread::sleep(Duration::from_secs(1));
    proxy.resume();
    purge.ends(PATIENCE)
}

#[test]
fn a_signal_after_the_last_deletion_is_no_error() {
    let stack = Stack::set_up(1);
    post(&stack, RESPONSE_DEAD_LETTERS, "one", &[]);
    ids(&stack, 1);
    let ended = interrupted(&stack).exits(0).stderr;
    assert!(ended.ends_with("deleted 0 requests and 1 reply\n"), "{ended}");
}

#[test]
fn a_signal_ends_it_between_two_requests_and_what_was_done_is_told() {
    let stack = with_letters();
    let ended = interrupted(&stack).exits(130).stderr;
    assert!(ended.contains("deleted 2 requests and 0 replies\n"), "{ended}");
    assert_eq!(held(&stack), (0, 1));
}
