//! Messages as large as a queue takes: there is no room for the reason beside them.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Received, Stack, provider,
};
use crate::support::{json as read, wait_for};

/// Bytes of the largest message.
const LARGEST: usize = 1_048_576;
/// Bytes of the largest message of a queue from before August 2025.
const OLDER: usize = 262_144;

fn sha256(text: &str) -> String {
    let bytes: Vec<_> = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

/// How many bytes a letter counts for.
fn size(letter: &Received) -> usize {
    let attribute = |(name, value): (&String, &String)| name.len() + "String".len() + value.len();
    letter.body.len() + letter.attributes.iter().map(attribute).sum::<usize>()
}

#[test]
fn what_leaves_no_room_for_its_reason_is_cut_said_to_be_and_not_replayed() {
    let stack = Stack::set_up(1);
    // None is JSON; one is of letters that take two bytes each.
    let request = format!("request {}", "x".repeat(LARGEST - "request ".len()));
    let reply = "\u{e9}".repeat(LARGEST / 2);
    stack.send(&provider(1), &request);
    stack.send(RESPONSES, &reply);
    let workers = stack.providers("--behavior steady");
    for (queue, source, whole) in [
        (PROVIDER_DEAD_LETTERS, stack.full(&provider(1)), &request),
        (RESPONSE_DEAD_LETTERS, stack.full(RESPONSES), &reply),
    ] {
        let letter = stack.letters(queue, 1).pop().expect("one");
        assert!(whole.starts_with(&letter.body) && letter.body.len() < LARGEST);
        assert!((LARGEST - 1..=LARGEST).contains(&size(&letter)), "{}", size(&letter));
        let said = |name: &str| letter.attributes[name].as_str();
        assert!(said("reason").starts_with("not JSON"), "{}", said("reason"));
        assert_eq!(said("rydes-source"), source);
        assert_eq!(said("rydes-cut-length"), LARGEST.to_string());
        assert_eq!(said("rydes-cut-sha256"), sha256(whole));
    }
    stack.drained(&provider(1));
    stack.drained(RESPONSES);
    assert_eq!((workers.count("unreadable"), workers.count("refused")), (1, 1), "told once");
    assert_eq!(workers.count("failed-entry"), 0);
    workers.stop();

    wait_for("both letters", || {
        let listed = stack.rydes("dlq list").run().exits(0);
        listed.stderr.starts_with("1 request and 1 reply\n").then_some(())
    });
    let told = read(&stack.rydes("dlq list -o json").run().exits(0).stdout);
    let replayed = stack.rydes("dlq replay --all").run().exits(1);
    for (number, text) in [&request, &reply].into_iter().enumerate() {
        let whole = format!("{LARGEST} bytes, SHA-256 {}", sha256(text));
        let id = told["letters"][number]["message-id"].as_str().expect("an id");
        let shown = stack.rydes(&format!("dlq show {id}")).run().exits(0).stdout;
        let sha256 = sha256(text);
        let left = format!(" of {LARGEST} bytes are left\n  SHA-256    {sha256} (of the whole)\n");
        assert!(shown.contains(&left), "{left}: {shown:.1000}");
        let cut = &told["letters"][number]["cut"];
        assert_eq!(cut["length"], LARGEST);
        let said = format!("stays: it was cut to fit, the whole has {whole}\n");
        assert!(replayed.stderr.contains(&said), "{whole}: {}", replayed.stderr);
    }
    assert!(replayed.stderr.contains("error: 2 letters could not be replayed"));
    assert!(!replayed.stderr.contains("--to PROVIDER"), "{}", replayed.stderr);
    assert_eq!(replayed.stdout, "");
    let told = read(&stack.rydes("dlq replay --all -o json").run().exits(1).stdout);
    assert_eq!(
        (&told["letters"][0]["to"], told["letters"][0]["cut"]["length"].as_u64()),
        (&json!(null), u64::try_from(LARGEST).ok())
    );
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(1))), (1, 0));
    assert_eq!((stack.depth(RESPONSE_DEAD_LETTERS), stack.depth(RESPONSES)), (1, 0));
}

#[test]
fn what_just_fits_is_whole_and_older_dead_letters_take_less() {
    let stack = Stack::set_up(1);
    let older = OLDER.to_string();
    stack.set(RESPONSE_DEAD_LETTERS, QueueAttributeName::MaximumMessageSize, &older);
    let body = "x".repeat(LARGEST - 500);
    stack.send(&provider(1), &body);
    stack.send(RESPONSES, &body);
    let workers = stack.providers("--behavior steady");
    let whole = stack.letters(PROVIDER_DEAD_LETTERS, 1).pop().expect("one");
    assert!(whole.body == body && !whole.attributes.contains_key("rydes-cut-length"));
    let cut = stack.letters(RESPONSE_DEAD_LETTERS, 1).pop().expect("one");
    assert_eq!((size(&cut), &cut.attributes["rydes-cut-length"]), (OLDER, &body.len().to_string()));
    stack.drained(RESPONSES);
    workers.stop();
}

#[test]
fn what_cannot_be_buried_yet_is_told_of_once_it_is() {
    const INTERNAL: ProxyFault = ProxyFault::Answer(
        500,
        r#"{"__type": "com.amazonaws#InternalFailure", "message": "later"}"#,
    );
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    // All that the batcher and the SDK try by themselves, and some more.
    proxy.fail("SendMessageBatch", 20, INTERNAL);
    stack.send(&provider(1), "hello");
    let run = "providers run -o jsonl --no-consumer --poll-wait 2s --visibility 2s";
    let workers = Background::start(stack.rydes(run).env("AWS_ENDPOINT_URL_SQS", &proxy.url));
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    stack.drained(&provider(1));
    assert!(workers.count("failed-entry") >= 1, "it was not taken at first");
    assert_eq!(workers.count("unreadable"), 1);
    workers.stop();
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
}
