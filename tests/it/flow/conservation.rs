//! `rydes verify`: every copy of a request is accounted for, or named.

use aws_sdk_sqs::types::MessageSystemAttributeName;
use serde_json::{Value, json};

use crate::support::proxy::Proxy;
use crate::support::resources::{clients, wait};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};
use crate::support::{PATIENCE, json, wait_for};

fn verify(stack: &Stack, id: &str, code: i32) -> Value {
    json(&stack.rydes("verify -o json").arg(id).run().exits(code).stdout)
}

/// What accounts for each copy.
fn found(told: &Value) -> Vec<&str> {
    let copies = told["copies"].as_array().expect("a list").iter();
    copies.map(|copy| copy["found"].as_str().unwrap_or("nothing")).collect()
}

/// Takes one message out of a queue, for ever.
fn delete_one(stack: &Stack, queue: &str) {
    let url = stack.queue_url(queue);
    let message = wait_for("a message", || {
        let receive = clients().sqs.receive_message().queue_url(&url).wait_time_seconds(1);
        wait(receive.send()).expect("the queue answers").messages?.pop()
    });
    let receipt = message.receipt_handle.expect("it has one");
    wait(clients().sqs.delete_message().queue_url(&url).receipt_handle(receipt).send())
        .expect("it goes");
}

#[test]
fn every_kind_of_answer_accounts_for_its_copy() {
    let stack = Stack::set_up(5);
    let faults = "--fault UnicornManagementResource2=decline:full \
                  --fault UnicornManagementResource3=error \
                  --fault UnicornManagementResource4=silent \
                  --fault UnicornManagementResource5=slow:12s";
    let workers = stack.providers(&format!("--behavior steady {faults}"));
    workers.says("response consumer");
    let id = stack.submit("--deadline 10s");
    let settled = stack.rydes("verify --wait").arg(&id).run().exits(0);
    let short = &id[..8];
    assert_eq!(
        settled.stdout,
        format!(
            "5 copies of {short}: 2 quotes (1 late), 1 declined, 1 failed, 1 silent\n\
             0 in flight, 0 unexplained: every copy is accounted for\n"
        )
    );
    let told = verify(&stack, &id, 0);
    assert_eq!(found(&told), ["row"; 5]);
    assert_eq!((&told["settled"], &told["accounted"]), (&true.into(), &5.into()));
    // The copy that failed is in the dead letters too; its row explains it.
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
    workers.stop();
}

#[test]
fn what_is_unread_is_in_flight_until_it_is_gathered() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 10m");
    let told = verify(&stack, &id, 0);
    assert_eq!(found(&told), ["queue", "queue"]);
    assert_eq!((&told["settled"], &told["in-flight"]), (&false.into(), &2.into()));
    assert_eq!(told["copies"][0]["ready"], 1);
    let waited = stack.rydes("verify --wait --timeout 2s").run().exits(1);
    assert!(waited.stderr.contains("are still in flight after 2 s"), "{}", waited.stderr);

    // Answered, and not gathered: the replies lie in the response queue.
    let workers = stack.providers("--behavior steady --no-consumer");
    workers.until("answered", 2);
    workers.stop();
    let told = verify(&stack, &id, 0);
    assert_eq!(found(&told), ["responses", "responses"]);
    let shown = stack.rydes("verify").run().exits(0);
    assert!(shown.stdout.contains(": 0 of 2 settled, 2 in flight\n"), "{}", shown.stdout);
    let counted = ["accounted", "in-flight"].map(|name| told[name].as_u64());
    assert_eq!(counted, [Some(0), Some(2)], "what is in flight is not accounted for: {told}");
    assert!(
        shown.stdout.contains("Resource1..2  no row; maybe a reply (2 in the response queue)"),
        "{}",
        shown.stdout
    );
    assert!(shown.stderr.contains("next: rydes verify "), "{}", shown.stderr);
    let waiting = stack.background("verify --wait");
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let settled = waiting.ends(PATIENCE).exits(0);
    assert!(settled.stdout.contains("every copy is accounted for"), "{}", settled.stdout);
}

#[test]
fn a_reply_that_was_deleted_behind_its_back_is_found_out() {
    let stack = Stack::set_up(3);
    let id = stack.submit("--deadline 10m");
    let workers = stack.providers("--behavior steady --no-consumer");
    workers.until("answered", 3);
    workers.stop();
    delete_one(&stack, RESPONSES);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    wait_for("the other two", || (stack.rows(&id).len() == 3).then_some(()));
    stack.drained(RESPONSES);
    // What was asked a moment ago may be on its way; a wait knows when it is not.
    let told = json(&stack.rydes("verify --wait -o json").arg(&id).run().exits(8).stdout);
    let lost: Vec<_> = told["unexplained"].as_array().expect("a list").clone();
    assert_eq!(lost.len(), 1);
    assert_eq!((&told["settled"], &told["accounted"]), (&true.into(), &2.into()));
    let shown = stack.rydes("verify --wait").arg(&id).run().exits(8);
    let name = lost[0].as_str().expect("a name");
    let said = ": 2 of 3 settled (2 quotes), 1 unexplained\n";
    assert!(shown.stdout.contains(said), "{}", shown.stdout);
    let nothing = format!("  {name}  no row; its queue and the response queue are empty\n");
    assert!(shown.stdout.contains(&nothing), "{}", shown.stdout);
    let error = format!("error: 1 copy of {} is unexplained", &id[..8]);
    assert!(shown.stderr.contains(&error), "{}", shown.stderr);
    assert!(shown.stderr.contains("hint: workers with `--no-receipts`"), "{}", shown.stderr);
    assert!(!shown.stderr.contains("dlq"), "the dead letters are empty: {}", shown.stderr);
    // Where they are not, they are worth a look.
    stack.send(PROVIDER_DEAD_LETTERS, "what was it?");
    let hinted = stack.rydes("verify").arg(&id).run().exits(8);
    let hint = "hint: the stack has 1 dead letter, which may explain it: rydes dlq list\n";
    assert!(hinted.stderr.contains(hint), "{}", hinted.stderr);
}

#[test]
fn a_reply_that_cannot_be_read_is_found_by_the_command_that_verify_names() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 10m");
    let _workers = stack.providers("--behavior steady --fault UnicornManagementResource2=poison");
    wait_for("the letter", || (stack.depth(RESPONSE_DEAD_LETTERS) > 0).then_some(()));
    let told = stack.rydes("verify --wait").arg(&id).run().exits(8).stderr;
    let (_, command) = told.split_once("which may explain it: rydes ").expect("a command");
    let listed = stack.rydes(command.trim_end()).run().exits(0);
    // Its body is no JSON: no list of the letters of one RFQ has it.
    let letters: Vec<_> = listed.stdout.lines().filter(|line| line.contains("  reply  ")).collect();
    assert_eq!(letters.len(), 1, "{}", listed.stdout);
    assert!(!letters[0].contains(&id[..8]), "{}", listed.stdout);
}

#[test]
fn silence_is_explained_by_a_receipt_alone() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady --fault silent --no-receipts");
    let id = stack.submit("--deadline 1s");
    workers.until("mute", 2);
    workers.stop();
    stack.drained(&provider(1));
    stack.drained(&provider(2));
    let told = json(&stack.rydes("verify --wait -o json").arg(&id).run().exits(8).stdout);
    assert_eq!(found(&told), ["nothing", "nothing"]);
    let workers = stack.providers("--behavior steady --fault silent");
    let id = stack.submit("--deadline 1s");
    workers.until("gathered", 2);
    assert_eq!(found(&verify(&stack, &id, 0)), ["row", "row"]);
    // Before the deadline a receipt leaves its provider waiting.
    let told = wait_for("the deadline", || {
        let told = verify(&stack, &id, 0);
        (told["status"] == "expired").then_some(told)
    });
    assert_eq!(told["copies"][0]["state"], "silent");
    workers.stop();
}

#[test]
fn nothing_is_received_however_often_one_looks() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let proxy = Proxy::start();
    for _ in 0..12 {
        let looked = stack.rydes("verify").arg(&id).env("AWS_ENDPOINT_URL_SQS", &proxy.url);
        let looked = looked.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url).run().exits(0);
        assert!(looked.stdout.contains("1 in flight"), "{}", looked.stdout);
        stack.rydes("status").env("AWS_ENDPOINT_URL_SQS", &proxy.url).run().exits(0);
    }
    assert_eq!(proxy.count("ReceiveMessage"), 0);
    assert!(proxy.count("Query") >= 12 && proxy.count("Scan") == 0);
    let receive = clients()
        .sqs
        .receive_message()
        .queue_url(stack.queue_url(&provider(1)))
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
    let message = wait(receive.send()).expect("it answers").messages.expect("one").remove(0);
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    assert_eq!(message.attributes.expect("they were asked for")[&count], "1");
    assert_eq!(json(&message.body.expect("a body"))["rfq-id"], id.as_str());
}

#[test]
fn a_queue_that_is_gone_explains_nothing_and_the_original_s_are_not_asked_for() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 10m");
    stack.rydes("providers remove --force").arg(provider(2)).run().exits(0);
    let shown = stack.rydes("verify").arg(&id).run().exits(8);
    let said = ": 0 of 2 settled, 1 in flight, 1 unexplained\n";
    assert!(shown.stdout.contains(said), "{}", shown.stdout);
    assert!(
        shown.stdout.contains(&format!(
            "{}  no row; this stack has no queue of that provider",
            provider(2)
        )),
        "{}",
        shown.stdout
    );
    stack.put(&json!({"id": "of-old", "responder": "-", "from": "A", "to": "B", "customer": "c"}));
    stack.put(&json!({"id": "of-old", "responder": "r", "quote": 5}));
    let old = stack.rydes("verify of-old").run().exits(0);
    assert!(old.stdout.contains("the request row of of-old does not name its providers: 1 row"));
    stack.rydes("verify nothing-like-it").run().exits(5);
}
