//! `rydes dlq list`: what lies in the dead letters, and why.

use crate::support::json;
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};

#[test]
fn letters_are_shown_with_their_reasons_and_stay() {
    let stack = Stack::set_up(1);
    let none = stack.rydes("dlq list").run().exits(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "0 requests and 0 replies\n"));
    let workers = stack.providers("--behavior steady --fault error");
    stack.submit("--deadline 10m");
    let evil = "not JSON \u{7f}\u{202e}";
    stack.send(RESPONSES, evil);
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    stack.letters(RESPONSE_DEAD_LETTERS, 1);
    workers.stop();
    // Those that the lines above have received are hidden for a second.
    let shown = crate::support::wait_for("both letters", || {
        let shown = stack.rydes("dlq list").run().exits(0);
        (shown.stderr == "1 request and 1 reply\n").then_some(shown.stdout)
    });
    let source = stack.full(&provider(1));
    assert!(shown.contains(&format!("  from {source}, ")), "{shown}");
    assert!(shown.contains("  reason: engine fault\n  {\"rfq-id\":"), "{shown}");
    assert!(shown.contains("not JSON \\u{7f}\\u{202e}"), "{shown}");
    // Nothing was taken, and nothing is hidden from whoever looks next.
    let told = json(&stack.rydes("dlq list -o json").run().exits(0).stdout);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["letters"][0]["source"], source.as_str());
    assert_eq!(told["letters"][1]["body"], evil);
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
}

#[test]
fn no_more_are_shown_than_were_asked_for() {
    let stack = Stack::set_up(1);
    for number in 0..12 {
        stack.send(RESPONSE_DEAD_LETTERS, &format!("letter {number}"));
    }
    let all = json(&stack.rydes("dlq list -o json").run().exits(0).stdout);
    assert_eq!(all["letters"].as_array().map(Vec::len), Some(12));
    let some = json(&stack.rydes("dlq list --most 11 -o json").run().exits(0).stdout);
    assert_eq!(some["letters"].as_array().map(Vec::len), Some(11));
    assert_eq!(some["held"]["reply"], 12);
    let told = stack.rydes("dlq list --most 1").run().exits(0).stderr;
    assert_eq!(told, "0 requests and 1 of about 12 replies\n");
}
