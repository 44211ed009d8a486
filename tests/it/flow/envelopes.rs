//! A provider whose subscription delivers SNS envelopes instead of bare messages.

use aws_sdk_sqs::types::MessageAttributeValue;
use serde_json::json;

use crate::support::json as read;
use crate::support::resources::{clients, wait};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack, provider};

/// Switches raw delivery on or off, past the program.
fn deliver_raw(stack: &Stack, queue: &str, raw: &str) {
    let arn = stack.subscriptions().remove(&stack.full(queue)).expect("it is subscribed");
    let set = clients().sns.set_subscription_attributes().subscription_arn(arn);
    let set = set.attribute_name("RawMessageDelivery").attribute_value(raw);
    wait(set.send()).expect("it is set");
}

/// Puts a letter that came from this provider among the dead letters.
fn bury(stack: &Stack, queue: &str, body: &str) {
    let source =
        MessageAttributeValue::builder().data_type("String").string_value(stack.full(queue));
    let send = clients().sqs.send_message().queue_url(stack.queue_url(PROVIDER_DEAD_LETTERS));
    let source = source.build().expect("it has a type");
    let send = send.message_body(body).message_attributes("rydes-source", source);
    wait(send.send()).expect("the queue takes it");
}

#[test]
fn an_envelope_is_opened_and_what_it_holds_is_answered() {
    let stack = Stack::set_up(2);
    deliver_raw(&stack, &provider(1), "false");
    let workers = stack.providers("--behavior steady");
    let id = stack.submit("--deadline 60s");
    stack.rydes("quotes --watch").arg(&id).run().exits(0);
    assert_eq!(stack.quotes(&id)["answered"], 2);
    // What no provider can read is kept as it was delivered.
    stack.publish(&json!({"from": "A"}));
    let letters = stack.letters(PROVIDER_DEAD_LETTERS, 2);
    let reasons = ["in an SNS envelope: `rfq-id` is missing", "`rfq-id` is missing"];
    for (number, reason) in (1..).zip(reasons) {
        let source = stack.full(&provider(number));
        let letter = letters.iter().find(|letter| letter.attributes["rydes-source"] == source);
        let letter = letter.expect("each has one");
        assert_eq!(letter.attributes["reason"], reason);
        let body = read(&letter.body);
        assert_eq!(body["Type"] == "Notification", number == 1, "{body}");
    }
    workers.stop();
}

#[test]
fn a_request_that_failed_in_its_envelope_is_replayed_as_it_was_delivered() {
    let stack = Stack::set_up(1);
    deliver_raw(&stack, &provider(1), "false");
    let failing = stack.providers("--behavior steady --fault error");
    let ids = [stack.submit("--deadline 10m"), stack.submit("--deadline 10m")];
    for id in &ids {
        stack.row_when(id, &provider(1), |row| row.get("failed").is_some());
    }
    let letters = stack.letters(PROVIDER_DEAD_LETTERS, 2);
    assert!(letters.iter().all(|letter| read(&letter.body)["Type"] == "Notification"));
    failing.stop();
    // Bare, as it is delivered once the subscription is mended.
    let bare = stack.submit("--deadline 10m");
    let message = stack.receive(&provider(1)).pop().expect("it is there");
    let message = read(&message.body)["Message"].as_str().expect("an envelope").to_owned();
    deliver_raw(&stack, &provider(1), "true");
    wait(clients().sqs.purge_queue().queue_url(stack.queue_url(&provider(1))).send())
        .expect("it is emptied");
    bury(&stack, &provider(1), &message);
    crate::support::wait_for("all replayed", || {
        stack.rydes("dlq replay --all").run();
        (stack.depth(PROVIDER_DEAD_LETTERS) == 0).then_some(())
    });
    let workers = stack.providers("--behavior steady");
    for id in ids.iter().chain([&bare]) {
        stack.row_when(id, &provider(1), |row| row.get("quote").is_some());
    }
    stack.drained(&provider(1));
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 0);
    workers.stop();
}

#[test]
fn what_only_looks_like_an_envelope_is_read_as_what_it_is() {
    let stack = Stack::set_up(1);
    let request = |id: &str| json!({"rfq-id": id, "from": "A", "to": "B", "customer": "c"});
    // A request that has both fields, and a message of another type.
    let mut both = request("outer");
    both["Type"] = json!("Notification");
    both["Message"] = json!(request("inner").to_string());
    let other = json!({"Type": "Confirmation", "Message": request("other").to_string()});
    stack.send(&provider(1), &both.to_string());
    stack.send(&provider(1), &other.to_string());
    let workers = stack.providers("--behavior steady");
    stack.row_when("outer", &provider(1), |row| row.get("quote").is_some());
    let letter = stack.letters(PROVIDER_DEAD_LETTERS, 1).pop().expect("one");
    assert_eq!(
        (letter.attributes["reason"].as_str(), letter.body),
        ("`rfq-id` is missing", other.to_string())
    );
    workers.stop();
    assert!(stack.rows("inner").is_empty() && stack.rows("other").is_empty());
}
