//! `rydes status --check`: one finding for each thing that was broken by hand, and none where workers run.

use aws_sdk_dynamodb::types::{BillingMode, ProvisionedThroughput};
use serde_json::{Value, json};

use super::says;
use crate::support::json as parsed;
use crate::support::proxy::{Proxy, ProxyFault, ServiceError};
use crate::support::resources::{clients, wait};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};

fn set_up(providers: usize) -> Stack {
    let stack = Stack::new();
    stack.rydes(&format!("setup --providers {providers}")).run().exits(0);
    stack
}

/// The one finding: what, and the command.
#[track_caller]
fn finding(stack: &Stack) -> (String, String) {
    let told = parsed(&stack.rydes("status --check -o json").run().exits(8).stdout);
    let found = told["findings"].as_array().expect("a list");
    assert_eq!(found.len(), 1, "{found:?}");
    let text = |name: &str| found[0][name].as_str().expect("a text").to_owned();
    let shown = stack.rydes("status --check -q").run().exits(8);
    assert_eq!(shown.stdout, format!("{}\n  {}\n", text("what"), text("command")));
    assert_eq!(shown.stderr, "");
    (text("what"), text("command"))
}

fn is(what: &str, command: &str) -> (String, String) {
    (what.to_owned(), command.to_owned())
}

#[test]
fn a_stack_whose_workers_run_needs_no_person() {
    let stack = set_up(3);
    let quiet = stack.rydes("status --check").run().exits(0);
    assert_eq!(quiet.stderr, format!("stack {}: nothing needs a person\n", stack.name));
    assert_eq!(quiet.stdout, "");
    let workers = stack.providers("--behavior steady --think 2s..2s");
    for _ in 0..3 {
        stack.submit("--deadline 10m");
        let checked = stack.rydes("status --check -q").run().exits(0);
        assert_eq!(checked.stdout + &checked.stderr, "");
    }
    workers.stop();
    let told = parsed(&stack.rydes("status -o json").run().exits(0).stdout);
    assert_eq!((&told["findings"], &told["unbound"]), (&Value::Null, &Value::Null));
}

#[test]
fn letters_and_queues_without_a_reader_are_found() {
    let stack = set_up(2);
    stack.rydes("providers add acme").run().exits(0);
    stack.send(RESPONSE_DEAD_LETTERS, "what was it?");
    assert_eq!(finding(&stack), is("1 reply is a dead letter", "rydes dlq list"));
    stack.rydes("dlq purge --yes").run().exits(0);
    for _ in 0..2 {
        stack.send(PROVIDER_DEAD_LETTERS, "what was it?");
    }
    assert_eq!(finding(&stack), is("2 requests are dead letters", "rydes dlq list"));
    stack.rydes("dlq purge --yes").run().exits(0);
    stack.send(RESPONSES, "a reply");
    assert_eq!(finding(&stack), is("no consumer reads 1 reply", "rydes consumer run"));
    let consumer = stack.background("consumer run --poll-wait 1s -o jsonl");
    consumer.until("refused", 1);
    consumer.stop();
    stack.rydes("dlq purge --yes").run().exits(0);
    let id = stack.submit("--deadline 10m");
    let told = parsed(&stack.run("status --check -o json").exits(8).stdout);
    let place = format!("--stack {}", stack.name);
    let found = told["findings"].as_array().expect("a list");
    let text = |at: usize, name: &str| found[at][name].as_str().expect("a text").to_owned();
    let simulated = format!("no worker reads the requests of {}, {}", provider(1), provider(2));
    assert_eq!((text(0, "what"), found.len()), (simulated, 2), "{id}");
    assert!(text(0, "command").contains(&place), "the options as typed: {found:?}");
    assert_eq!(text(1, "what"), "no worker reads the requests of acme");
    assert!(text(1, "command").ends_with("providers run acme -- PROGRAM"), "{found:?}");
}

#[test]
fn subscriptions_and_marks_are_found_and_mended_by_their_commands() {
    let stack = set_up(1);
    stack.rydes("providers add acme").run().exits(0);
    let set = |queue: &str, name: &str, value: &str| {
        let arn = stack.subscriptions().remove(&stack.full(queue)).expect("it is subscribed");
        let call = clients().sns.set_subscription_attributes().subscription_arn(arn);
        wait(call.attribute_name(name).attribute_value(value).send()).expect("it is set");
    };
    let untag = |tag: &str| {
        let call = clients().sns.untag_resource().resource_arn(stack.topic_arn());
        wait(call.tag_keys(tag).send()).expect("it goes");
    };
    let mended = |what: &str| {
        assert_eq!(finding(&stack), is(what, "rydes setup --providers 1"));
        stack.shell("rydes setup --providers 1").exits(0);
        stack.rydes("status --check").run().exits(0);
    };
    set("acme", "RawMessageDelivery", "false");
    mended("raw delivery is off: acme");
    // LocalStack refuses to clear a redrive policy.
    let old = stack.subscriptions().remove(&stack.full("acme")).expect("it is subscribed");
    wait(clients().sns.unsubscribe().subscription_arn(old).send()).expect("it goes");
    let again = clients().sns.subscribe().topic_arn(stack.topic_arn()).protocol("sqs");
    let again = again.endpoint(stack.queue_arn("acme")).attributes("RawMessageDelivery", "true");
    wait(again.send()).expect("it is subscribed");
    mended("the subscription has no redrive policy: acme");
    set(&provider(1), "FilterPolicy", r#"{"customer":["gold"]}"#);
    mended("the topic has no mark of its filters, so submissions ignore them");
    stack.rydes("providers add acme --sender 111111111111").run().exits(0);
    untag("rydes:senders");
    mended("the topic has no mark of its bound providers, so replies of any sender are gathered");
}

#[test]
fn a_table_that_is_missing_or_throttles_is_found() {
    let stack = set_up(1);
    let proxy = Proxy::start();
    let check = || stack.rydes("status --check -o json").env("AWS_ENDPOINT_URL", &proxy.url).run();
    let throttled = ProxyFault::Error(ServiceError::Throttled);
    proxy.fail("GetItem", 2, throttled.clone());
    check().exits(0);
    let table = stack.full("RidesBookingTable");
    let command = |told: &str| parsed(told)["findings"][0]["command"].clone();
    proxy.fail("GetItem", 3, throttled.clone());
    let found = check().exits(8).stdout;
    assert_eq!(parsed(&found)["findings"][0]["what"], format!("table {table} throttles reads"));
    let described = command(&found);
    let keys = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test";
    let place = format!("{keys} aws --endpoint-url {} --region us-east-1", proxy.url);
    assert_eq!(described, format!("{place} dynamodb describe-table --table-name {table}"));
    let update = clients().dynamodb.update_table().table_name(&table);
    let units = ProvisionedThroughput::builder().read_capacity_units(1).write_capacity_units(1);
    let update = update.billing_mode(BillingMode::Provisioned);
    wait(update.provisioned_throughput(units.build().expect("both are set")).send())
        .expect("it changes");
    check().exits(0);
    proxy.fail("GetItem", 3, throttled);
    let found = check().exits(8).stdout;
    assert!(command(&found).as_str().expect("a text").ends_with("--billing-mode PAY_PER_REQUEST"));
    stack.delete_table();
    let what = format!("table {table} is missing");
    assert_eq!(finding(&stack), is(&what, "rydes setup --providers 1"));
}

#[test]
fn a_subscription_that_receives_nothing_is_found() {
    let stack = set_up(1);
    let proxy = Proxy::start();
    let listed = |body: &str| {
        let word = "<SubscriptionArn>Deleted</SubscriptionArn>";
        let begin = body.find("<SubscriptionArn>").expect("one is listed");
        let end = body.find("</SubscriptionArn>").expect("it ends") + "</SubscriptionArn>".len();
        format!("{}{word}{}", &body[..begin], &body[end..])
    };
    proxy.rewrite("ListSubscriptionsByTopic", 9, listed);
    let check = stack.rydes("status --check -o json").env("AWS_ENDPOINT_URL", &proxy.url);
    let told = parsed(&check.run().exits(8).stdout);
    let what = format!("{} receives nothing: its subscription was deleted", provider(1));
    let command = "rydes setup --providers 1";
    assert_eq!(told["findings"], json!([{"what": what, "command": command}]));
}

#[test]
fn without_a_stack_or_a_right_the_check_fails_in_another_way() {
    Stack::new().rydes("status --check").run().exits(7);
    let stack = set_up(1);
    let proxy = Proxy::start();
    let denied = r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"}"#;
    proxy.fail("DescribeTable", 9, ProxyFault::Answer(400, denied));
    let check = stack.rydes("status --check").env("AWS_ENDPOINT_URL", &proxy.url);
    says(&check.run().exits(1), "AccessDeniedException");
}

#[test]
fn a_provider_whose_queue_is_gone_is_found() {
    let stack = set_up(1);
    stack.rydes("providers add acme").run().exits(0);
    let delete = clients().sqs.delete_queue().queue_url(stack.queue_url("acme"));
    wait(delete.send()).expect("it is gone");
    let lost = is("requests to acme are lost: its queue is gone", "rydes providers add acme");
    assert_eq!(finding(&stack), lost);
}
