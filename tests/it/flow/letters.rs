//! `rydes dlq replay`: how dead letters get back to where they came from.

use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use serde_json::{Value, json as value};

use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};
use crate::support::{json, wait_for};

/// Puts a letter into a queue, with these attributes.
pub(super) fn post(stack: &Stack, queue: &str, body: &str, attributes: &[(&str, &str)]) {
    let send = clients().sqs.send_message().queue_url(stack.queue_url(queue)).message_body(body);
    let send = attributes.iter().fold(send, |send, (name, text)| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(*text);
        send.message_attributes(*name, value.build().expect("it has a type"))
    });
    wait(send.send()).expect("the queue takes it");
}

/// The ids of the letters that lie there, once there are so many.
pub(super) fn ids(stack: &Stack, count: usize) -> Vec<String> {
    let listed = wait_for(&format!("{count} letters"), || {
        let listed = json(&stack.rydes("dlq list -o json").run().exits(0).stdout);
        (listed["letters"].as_array().map(Vec::len) == Some(count)).then_some(listed)
    });
    let letters = listed["letters"].as_array().expect("a list").iter();
    letters.map(|letter| letter["message-id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_request_that_is_replayed_and_quoted_replaces_what_had_failed() {
    let stack = Stack::set_up(2);
    let failing = stack.providers("--behavior steady --fault UnicornManagementResource1=error");
    let id = stack.submit("--deadline 10m");
    let failed = stack.row_when(&id, &provider(1), |row| row.get("failed").is_some());
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    failing.stop();
    ids(&stack, 1);
    let replayed = stack.rydes("dlq replay --all").run().exits(0);
    let queue = stack.full(&provider(1));
    assert!(
        replayed.stdout.starts_with("request ")
            && replayed.stdout.ends_with(&format!(" -> {queue}\n"))
    );
    assert!(replayed.stderr.starts_with(&format!("stack {} on LocalStack ", stack.name)));
    assert!(replayed.stderr.ends_with("\n1 replayed\n"), "{}", replayed.stderr);
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(1))), (0, 1));
    let mended = stack.providers("--behavior steady");
    let row = stack.row_when(&id, &provider(1), |row| row.get("quote").is_some());
    assert_eq!(row["failed-at"], failed["sent-at"]);
    let told = stack.quotes(&id);
    assert_eq!((&told["answered"], &told["quotes"][1]["late"]), (&2.into(), &false.into()));
    // A new life: what it was received before does not count.
    let received = mended.events().into_iter().find(|event| event["event"] == "received");
    assert_eq!(received.expect("it came")["count"], 1);
    mended.stop();
}

/// Replays a request that had failed once its deadline is over, to workers with these options: they end
/// with this event, and nothing that was told before has changed.
#[track_caller]
fn replayed_after_its_deadline(again: &str, event: &str) {
    let stack = Stack::set_up(2);
    let struck = provider(1);
    let failing = stack.providers(&format!("--behavior steady --fault {struck}=error"));
    let id = stack.submit("--deadline 15s");
    stack.rydes("quotes --watch").arg(&id).run().exits(0);
    let failed = stack.row_when(&id, &struck, |row| row.get("failed").is_some());
    let before = wait_for("the deadline", || {
        let told = stack.quotes(&id);
        let now = rydes::core::Timestamp::now().to_string();
        (told["deadline"].as_str() < Some(now.as_str())).then_some(told)
    });
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    failing.stop();
    ids(&stack, 1);
    let said = "1 request comes after its deadline: ";
    for options in ["--all --dry-run", "--all"] {
        let replayed = stack.rydes(&format!("dlq replay {options}")).run().exits(0);
        assert!(replayed.stdout.ends_with(" after its deadline\n"), "{}", replayed.stdout);
        assert!(replayed.stderr.contains(said), "{}", replayed.stderr);
    }
    let mended = stack.providers(&format!("--behavior steady {again}"));
    mended.until(event, 1);
    stack.drained(&struck);
    stack.drained(RESPONSES);
    mended.stop();
    assert_eq!(stack.row_when(&id, &struck, |_| true), failed);
    assert_eq!(stack.quotes(&id), before);
    let shown = stack.rydes("quotes").arg(&id).run().exits(0).stdout;
    let said = "failed: engine fault, ";
    assert!(shown.contains(said), "{shown}");
    stack.rydes("verify --wait").arg(&id).run().exits(0);
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 0);
}

#[test]
fn what_is_replayed_after_its_deadline_leaves_the_history_as_it_was() {
    replayed_after_its_deadline("", "answered");
}

#[test]
fn what_is_replayed_after_its_deadline_and_leaves_no_receipt_changes_nothing_either() {
    replayed_after_its_deadline("--no-receipts", "mute");
}

#[test]
fn what_is_replayed_after_its_deadline_and_fails_again_changes_nothing_either() {
    replayed_after_its_deadline("--fault error", "answered");
}

#[test]
fn what_comes_back_at_once_is_not_replayed_for_ever() {
    let stack = Stack::set_up(1);
    for number in 0..25 {
        stack.send(RESPONSES, &format!("not JSON {number}"));
    }
    let workers = stack.providers("--behavior steady");
    workers.until("refused", 25);
    ids(&stack, 25);
    let replayed = stack.rydes("dlq replay --all -o jsonl").run().exits(0);
    let moved = crate::support::json_lines(&replayed.stdout);
    assert!((20..=25).contains(&moved.len()), "each once: {moved:?}");
    assert!(moved.iter().all(|line| line["to"] == stack.full(RESPONSES).as_str()), "{moved:?}");
    workers.until("refused", 25 + moved.len());
    workers.stop();
    assert_eq!(stack.depth(RESPONSE_DEAD_LETTERS), 25, "none is lost on the way");
}

#[test]
fn those_that_are_named_are_replayed_and_no_others() {
    let stack = Stack::set_up(2);
    let source = stack.full(&provider(2));
    for number in 0..12 {
        post(
            &stack,
            PROVIDER_DEAD_LETTERS,
            &format!("letter {number}"),
            &[("rydes-source", &source)],
        );
    }
    let all = ids(&stack, 12);
    let one = format!("dlq replay {} --id {} -o json", all[3], all[8]);
    let told = json(&stack.rydes(&one).run().exits(0).stdout);
    let letters = told["letters"].as_array().expect("a list");
    assert_eq!((letters.len(), &told["not-found"]), (2, &value!([])));
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(2))), (10, 2));
    // The others are not hidden from whoever looks next.
    assert_eq!(ids(&stack, 10).len(), 10);
    let none = stack.rydes("dlq replay --id 00000000-0000-0000-0000-000000000000").run().exits(1);
    assert!(none.stderr.contains("error: dead letter 00000000-"), "{}", none.stderr);
    assert_eq!(ids(&stack, 10).len(), 10);
}

#[test]
fn the_beginning_of_an_id_names_a_letter() {
    let stack = Stack::set_up(1);
    let source = stack.full(&provider(1));
    for body in ["one", "two"] {
        post(&stack, PROVIDER_DEAD_LETTERS, body, &[("rydes-source", &source)]);
    }
    let all = ids(&stack, 2);
    let replay = format!("dlq replay {} -o jsonl", &all[0][..8]);
    let told = json(&stack.rydes(&replay).run().exits(0).stdout);
    assert_eq!(told["message-id"], all[0].as_str());
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(1))), (1, 1));
    let short = stack.rydes(&format!("dlq replay --id {}", &all[1][..3])).run().exits(2).stderr;
    assert!(short.contains("is too short: an id, or its first 4 characters"), "{short}");
    let none = stack.rydes("dlq replay --id wxyz").run().exits(1).stderr;
    let said = "error: dead letter wxyz was not found; nothing was replayed\nhint: ";
    assert!(none.contains(said) && !none.contains("30 s"), "{none}");
    assert!(none.ends_with(" dlq list shows the letters\n"), "{none}");
    assert_eq!(ids(&stack, 1), [all[1].clone()]);
}

#[test]
fn an_id_that_is_no_letter_s_is_told_of_with_what_became_of_the_others() {
    let stack = Stack::set_up(1);
    let source = stack.full(&provider(1));
    let body = r#"{"rfq-id": "feb90000-rfq", "from": "A", "to": "B"}"#;
    post(&stack, PROVIDER_DEAD_LETTERS, body, &[("rydes-source", &source)]);
    let all = ids(&stack, 1);
    let says = |line: &str, said: &str| {
        let told = stack.rydes(line).run().exits(1).stderr;
        assert!(told.contains(said), "{line}: {told}");
        assert!(told.contains("hint: `feb90000` names an RFQ; its letters: "), "{told}");
        assert!(told.contains(" dlq list feb90000\n"), "{told}");
    };
    says("dlq show feb90000", "error: dead letter feb90000 was not found\n");
    says(
        "dlq replay feb90000",
        "error: dead letter feb90000 was not found; nothing was replayed\n",
    );
    let both = format!("feb90000 {}", all[0]);
    says(&format!("dlq purge --yes {both}"), "feb90000 was not found; nothing was deleted\n");
    says(&format!("dlq replay --dry-run {both}"), "feb90000 was not found; nothing was moved\n");
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
    let told = stack.rydes(&format!("dlq replay {both}")).run().exits(1).stderr;
    assert!(told.contains("feb90000 was not found; 1 other was replayed\n"), "{told}");
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(1))), (0, 1));
}

#[test]
fn a_dry_run_says_where_each_would_go_and_moves_nothing() {
    let stack = Stack::set_up(2);
    let source = stack.full(&provider(2));
    let gone = stack.full("Gone");
    post(&stack, PROVIDER_DEAD_LETTERS, "one", &[("rydes-source", &source)]);
    post(&stack, PROVIDER_DEAD_LETTERS, "two", &[]);
    post(&stack, PROVIDER_DEAD_LETTERS, "three", &[("rydes-source", &gone)]);
    let cut = [("rydes-cut-length", "9"), ("rydes-cut-sha256", "ab")];
    post(&stack, RESPONSE_DEAD_LETTERS, "four", &cut);
    post(&stack, RESPONSE_DEAD_LETTERS, "five", &[]);
    ids(&stack, 5);
    let proxy = Proxy::start();
    let dry = |more: &str| {
        let dry = format!("dlq replay --all --dry-run {more}");
        stack.rydes(&dry).env("AWS_ENDPOINT_URL_SQS", &proxy.url).run().exits(0)
    };
    let told = dry("");
    let responses = stack.full(RESPONSES);
    for said in [
        &format!(" would go to {source}\n"),
        " would stay: its origin is unknown\n",
        &format!(" would stay: {gone} is gone\n"),
        " would stay: it was cut to fit, the whole has 9 bytes, SHA-256 ab\n",
        &format!(" would go to {responses}\n"),
    ] {
        assert!(told.stdout.contains(said), "{said}: {}", told.stdout);
    }
    let said = "\n2 would be replayed, 3 would stay; nothing was moved\n";
    assert!(told.stderr.contains(said) && told.stderr.contains("--to PROVIDER"), "{}", told.stderr);
    let told = json(&dry("--to UnicornManagementResource1 -o json").stdout);
    assert_eq!(told["dry-run"], true);
    let letters = told["letters"].as_array().expect("a list");
    let to = |queue: &str| letters.iter().filter(|letter| letter["to"] == queue).count();
    assert_eq!((to(&source), to(&stack.full(&provider(1))), to(&responses)), (1, 2, 1));
    assert!(letters.iter().all(|letter| letter["dry-run"] == true), "{told}");
    // Nothing was changed, and nothing is hidden.
    let changes = ["SendMessageBatch", "SendMessage", "DeleteMessageBatch", "DeleteMessage"];
    assert!(changes.iter().all(|change| proxy.count(change) == 0), "{:?}", proxy.seen());
    assert_eq!(ids(&stack, 5).len(), 5);
}

#[test]
fn those_in_somebody_else_s_hands_are_told_of() {
    let stack = Stack::set_up(1);
    let source = stack.full(&provider(1));
    for number in 0..3 {
        let body = format!("letter {number}");
        post(&stack, PROVIDER_DEAD_LETTERS, &body, &[("rydes-source", &source)]);
    }
    let url = stack.queue_url(PROVIDER_DEAD_LETTERS);
    let receive = clients().sqs.receive_message().queue_url(url).visibility_timeout(30);
    wait(receive.max_number_of_messages(1).send()).expect("it answers");
    let replayed = stack.rydes("dlq replay --all").run().exits(1);
    assert_eq!(replayed.stdout.lines().count(), 2);
    let said = "about 1 more letter is held by another receiver";
    assert!(replayed.stderr.contains(said), "{}", replayed.stderr);
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
}

#[test]
fn what_sqs_itself_moved_goes_back_to_where_sqs_says() {
    let stack = Stack::set_up(2);
    let redrive = value!({"deadLetterTargetArn": stack.queue_arn(PROVIDER_DEAD_LETTERS),
        "maxReceiveCount": 1});
    stack.set(&provider(2), QueueAttributeName::RedrivePolicy, &redrive.to_string());
    let attributes = [("rydes-source", "liar"), ("trace", "kept"), ("ErrorCode", "dropped")];
    post(&stack, &provider(2), "received too often", &attributes);
    wait_for("the redrive", || {
        stack.receive(&provider(2));
        (stack.depth(PROVIDER_DEAD_LETTERS) == 1).then_some(())
    });
    stack.rydes("dlq replay --all").run().exits(0);
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth(&provider(2))), (0, 1));
    let letter = stack.letters(&provider(2), 1).pop().expect("it is back");
    assert_eq!(letter.body, "received too often");
    let kept: Vec<_> = letter.attributes.iter().collect();
    assert_eq!(kept, [(&"trace".to_owned(), &"kept".to_owned())], "why it was dead is not");
}

#[test]
fn what_has_no_source_stays_unless_it_is_told_where_to_go() {
    let stack = Stack::set_up(2);
    stack.rydes("providers add acme").run().exits(0);
    let evil = "\u{202e}elsewhere";
    let gone = stack.full("Gone");
    let sources: [&[(&str, &str)]; 4] = [
        &[],
        // A queue of somebody else's, one that is none, one that is gone.
        &[("rydes-source", "other-UnicornManagementResource1")],
        &[("rydes-source", evil)],
        &[("rydes-source", &gone)],
    ];
    for source in sources {
        post(
            &stack,
            PROVIDER_DEAD_LETTERS,
            &format!("{source:?}").escape_debug().to_string(),
            source,
        );
    }
    let stays = stack.rydes("dlq replay --all").run().exits(1);
    for said in [
        "stays: its origin is unknown",
        "stays: `rydes-source` is not a provider queue of this stack: other-Unicorn",
        "stack: \\u{202e}elsewhere",
        &format!("stays: {gone} is gone"),
        "error: 4 letters could not be replayed",
        "--to PROVIDER",
    ] {
        assert!(stays.stderr.contains(said), "{said}: {}", stays.stderr);
    }
    assert!(!stays.stderr.contains(evil), "{:?}", stays.stderr);
    assert_eq!((stays.stdout.as_str(), stack.depth(PROVIDER_DEAD_LETTERS)), ("", 4));
    stack.rydes("dlq replay --all --to nobody").run().exits(2);
    assert_eq!(ids(&stack, 4).len(), 4);
    let sent = stack.rydes("dlq replay --all --to acme").run().exits(0);
    assert!(sent.stderr.ends_with("4 replayed\n"), "{}", sent.stderr);
    assert_eq!((stack.depth(PROVIDER_DEAD_LETTERS), stack.depth("acme")), (0, 4));
    // One of the two is wanted, and not both.
    let none = stack.rydes("dlq replay").run().exits(2).stderr;
    assert!(none.starts_with("error: one of `ID`, `--id`, `--all` is missing\n"), "{none}");
    stack.rydes("dlq replay --all --id abcd").run().exits(2);
    stack.rydes("dlq replay --all abcd").run().exits(2);
}

#[test]
fn a_replay_that_is_cut_off_loses_nothing() {
    const DENIED: &str =
        r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#;
    let stack = Stack::set_up(1);
    let source = stack.full(&provider(1));
    for number in 0..3 {
        post(
            &stack,
            PROVIDER_DEAD_LETTERS,
            &format!("letter {number}"),
            &[("rydes-source", &source)],
        );
    }
    let proxy = Proxy::start();
    let replay = |code| -> Value {
        let replay =
            stack.rydes("dlq replay --all -o json").env("AWS_ENDPOINT_URL_SQS", &proxy.url);
        json(&replay.run().exits(code).stdout)
    };
    // Not sent: they stay, and are there for the next look.
    proxy.fail("SendMessageBatch", 1, ProxyFault::Answer(400, DENIED));
    let told = replay(1);
    let stays = |told: &Value| {
        told["letters"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|letter| letter["to"].is_null())
            .count()
    };
    assert_eq!((stays(&told), stack.depth(PROVIDER_DEAD_LETTERS)), (3, 3), "{told}");
    assert_eq!(ids(&stack, 3).len(), 3);
    // Sent, and not deleted: they are in both queues, and that is told.
    proxy.fail("DeleteMessageBatch", 1, ProxyFault::Answer(400, DENIED));
    let told = replay(1);
    assert_eq!((stays(&told), stack.depth(&provider(1))), (0, 3), "{told}");
    let first = &told["letters"][0];
    assert_eq!(first["to"], source.as_str());
    assert!(first["stays"].as_str().is_some_and(|why| why.contains("not you")), "{first}");
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 3);
    // Confirmations that get lost are asked for again.
    ids(&stack, 3);
    proxy.fail("SendMessageBatch", 1, ProxyFault::CutAfter);
    proxy.fail("DeleteMessageBatch", 1, ProxyFault::CutAfter);
    let told = replay(0);
    assert_eq!((stays(&told), stack.depth(PROVIDER_DEAD_LETTERS)), (0, 0), "{told}");
    assert!(stack.depth(&provider(1)) >= 6);
}

#[test]
fn a_letter_whose_queue_is_out_of_reach_goes_to_nobody_else() {
    const AWAY: &str = r#"{"__type": "com.amazonaws.sqs#InternalError", "message": "later"}"#;
    let stack = Stack::set_up(2);
    let source = stack.full(&provider(1));
    post(&stack, PROVIDER_DEAD_LETTERS, "mine", &[("rydes-source", &source)]);
    let proxy = Proxy::start();
    // Where to send it otherwise, and the dead letters, are found; its own queue is not.
    proxy.pass("GetQueueUrl", 2);
    proxy.fail("GetQueueUrl", 3, ProxyFault::Answer(500, AWAY));
    let replay = stack.rydes("dlq replay --all --to UnicornManagementResource2");
    let failed = replay.env("AWS_ENDPOINT_URL_SQS", &proxy.url).run().exits(1);
    assert!(failed.stderr.contains(&format!("stays: finding {source}")), "{}", failed.stderr);
    assert!(!failed.stderr.contains("--to PROVIDER"), "{}", failed.stderr);
    // A dry run that could not look has no answer either.
    proxy.pass("GetQueueUrl", 2);
    proxy.fail("GetQueueUrl", 3, ProxyFault::Answer(500, AWAY));
    let replay = stack.rydes("dlq replay --all --dry-run --to UnicornManagementResource2");
    let failed = replay.env("AWS_ENDPOINT_URL_SQS", &proxy.url).run().exits(1);
    let said = "error: the queues of 1 letter could not be looked up\n";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
    assert_eq!((stack.depth(&provider(2)), stack.depth(PROVIDER_DEAD_LETTERS)), (0, 1));
}
