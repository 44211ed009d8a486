//! `setup --check`: each setting that was changed by hand is found and named, with read rights alone.

use aws_sdk_dynamodb::types::{BillingMode, ProvisionedThroughput, TimeToLiveSpecification};
use aws_sdk_sns::types::Tag;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::{document, says};
use crate::support::proxy::Proxy;
use crate::support::resources::{clients, wait};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};

/// The resources that are not as described: kind, name without the stack's, state, and settings.
fn found(stack: &Stack) -> Vec<Value> {
    let ran = stack.run("setup --providers 1 --check -ojson");
    let told = document(&ran);
    assert_eq!(told["check"], true);
    let prefix = format!("{}-", stack.name);
    let of = |resource: &Value| {
        let name = resource["name"].as_str().expect("a name");
        json!([
            resource["kind"],
            name.strip_prefix(&prefix).expect("its name begins like the stack"),
            resource["state"],
            resource["settings"],
        ])
    };
    let resources = told["resources"].as_array().expect("a list").iter();
    let found: Vec<_> = resources.filter(|one| one["state"] != "kept").map(of).collect();
    let remarks = told["remarks"].as_array().expect("a list").len();
    let code = if found.is_empty() && remarks == 0 { 0 } else { 8 };
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    found
}

#[test]
fn a_stack_as_described_is_found_so_and_one_that_is_missing_is_not_set_up() {
    let stack = Stack::set_up(2);
    let checked = stack.run("setup --providers 2 --check").exits(0);
    says(&checked, "checked: 9 as described, 0 differ, 0 missing");
    assert_eq!(checked.stdout, "");
    let full = stack.run("-v setup --providers 2 --check").exits(0).stdout;
    assert!(full.lines().count() > 9, "{full}");
    assert!(full.lines().skip(1).all(|line| line.ends_with("as described")), "{full}");
    assert!(!checked.stderr.contains("next:"), "nothing is to be done");
    let more = stack.run("setup --providers 3 --check").exits(8);
    says(&more, "checked: 9 as described, 0 differ, 2 missing");
    let queue = stack.full(&provider(3));
    let missing = format!("provider queue {queue} is missing\nsubscription {queue} is missing\n");
    assert_eq!(more.stdout, missing);
    says(&more, &format!("next: rydes --stack {} ", stack.name));
    says(&Stack::new().run("setup --check").exits(7), "error: ");
}

#[test]
fn it_sends_nothing_that_writes() {
    let stack = Stack::set_up(1);
    stack.set(&provider(1), QueueAttributeName::VisibilityTimeout, "5");
    let proxy = Proxy::start();
    let check = stack.rydes("setup --providers 1 --check").env("AWS_ENDPOINT_URL", &proxy.url);
    check.run().exits(8);
    let mut seen = proxy.seen();
    seen.retain(|operation| !operation.starts_with('/'));
    let reads = ["Get", "List", "Describe"];
    assert!(seen.len() > 10, "{seen:?}");
    assert!(seen.iter().all(|name| reads.iter().any(|read| name.starts_with(read))), "{seen:?}");
    assert_eq!(stack.queue(&provider(1)).get("VisibilityTimeout"), "5");
}

#[test]
fn each_setting_of_a_queue_is_compared() {
    let stack = Stack::set_up(1);
    let own = provider(1);
    let worked = [
        (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "0"),
        (QueueAttributeName::VisibilityTimeout, "60"),
        (QueueAttributeName::RedrivePolicy, ""),
        (QueueAttributeName::SqsManagedSseEnabled, "false"),
    ];
    let dead = [
        (QueueAttributeName::MessageRetentionPeriod, "60"),
        (QueueAttributeName::SqsManagedSseEnabled, "false"),
    ];
    let with_policy = [(QueueAttributeName::Policy, "")];
    let queues = [
        ("provider queue", own.as_str(), [&worked[..], &with_policy].concat()),
        ("response queue", RESPONSES, worked.to_vec()),
        ("dead letters", PROVIDER_DEAD_LETTERS, [&dead[..], &with_policy].concat()),
        ("dead letters", RESPONSE_DEAD_LETTERS, dead.to_vec()),
    ];
    for (kind, queue, settings) in queues {
        for (setting, value) in settings {
            let before = stack.queue(queue).get(setting.as_str()).to_owned();
            stack.set(queue, setting.clone(), value);
            assert_eq!(found(&stack), [json!([kind, queue, "differs", [setting.as_str()]])]);
            stack.set(queue, setting, &before);
        }
        let url = stack.queue_url(queue);
        let untag = clients().sqs.untag_queue().queue_url(&url).tag_keys("rydes:stack");
        wait(untag.send()).expect("it is untagged");
        assert_eq!(found(&stack), [json!([kind, queue, "differs", ["rydes:stack"]])]);
        let tag = clients().sqs.tag_queue().queue_url(&url).tags("rydes:stack", &stack.name);
        wait(tag.send()).expect("it is tagged");
    }
    assert_eq!(found(&stack), [] as [Value; 0]);
}

#[test]
fn what_differs_is_said_with_both_values() {
    let stack = Stack::set_up(1);
    stack.set(&provider(1), QueueAttributeName::VisibilityTimeout, "60");
    stack.set(RESPONSES, QueueAttributeName::RedrivePolicy, "");
    let checked = stack.run("setup --providers 1 --check").exits(8);
    says(&checked, "checked: 5 as described, 2 differ, 0 missing");
    let lines = checked.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let queue = stack.full(&provider(1));
    assert!(lines.contains(&format!("provider queue {queue}: VisibilityTimeout is 60, not 30")));
    let responses = stack.full(RESPONSES);
    let redrive = format!("response queue {responses}: RedrivePolicy is missing: {{\"deadLetter");
    assert!(lines.contains(&redrive), "{lines}");
    says(&stack.run("setup --providers 1").exits(0), "2 changed");
    assert_eq!(found(&stack), [] as [Value; 0]);
}

#[test]
fn topic_subscription_and_table_are_compared() {
    let stack = Stack::set_up(1);
    let (sns, dynamodb) = (&clients().sns, &clients().dynamodb);
    let (own, table) = (provider(1), stack.full("RidesBookingTable"));

    let untag = sns.untag_resource().resource_arn(stack.topic_arn()).tag_keys("rydes:stack");
    wait(untag.send()).expect("it is untagged");
    let topic = json!(["topic", "RequestForQuotesTopic", "differs", ["rydes:stack"]]);
    assert_eq!(found(&stack), [topic]);
    let tag = Tag::builder().key("rydes:stack").value(&stack.name).build().expect("a tag");
    wait(sns.tag_resource().resource_arn(stack.topic_arn()).tags(tag).send()).expect("tagged");

    let subscription = |setting: &str, value: &str| {
        let arn = stack.subscriptions().remove(&stack.full(&own)).expect("it is subscribed");
        let set = sns.set_subscription_attributes().subscription_arn(arn);
        wait(set.attribute_name(setting).attribute_value(value).send()).expect("it is set");
    };
    let redrive = stack.subscription(&own)["RedrivePolicy"].clone();
    let other = redrive.replace(PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS);
    for (setting, value, before) in
        [("RawMessageDelivery", "false", "true"), ("RedrivePolicy", &*other, &*redrive)]
    {
        subscription(setting, value);
        assert_eq!(found(&stack), [json!(["subscription", own, "differs", [setting]])]);
        subscription(setting, before);
    }

    let untag = dynamodb.untag_resource().resource_arn(stack.table_arn()).tag_keys("rydes:stack");
    wait(untag.send()).expect("it is untagged");
    let differs = |setting: &str| [json!(["table", "RidesBookingTable", "differs", [setting]])];
    assert_eq!(found(&stack), differs("rydes:stack"));
    says(&stack.run("setup --providers 1 --adopt").exits(0), "1 changed");

    let live = |attribute: &str, is_on| {
        let live = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(is_on);
        let call = dynamodb.update_time_to_live().table_name(&table);
        wait(call.time_to_live_specification(live.build().expect("valid")).send()).expect("set");
    };
    live("expires-at", false);
    assert_eq!(found(&stack), differs("TimeToLive"));
    live("ttl", true);
    // `setup` leaves this to the table's owner, but it is not what is described.
    let checked = stack.run("setup --providers 1 --check").exits(8);
    assert!(checked.stdout.contains("not by `expires-at`"), "{}", checked.stdout);
    live("ttl", false);
    live("expires-at", true);
    let units = ProvisionedThroughput::builder().read_capacity_units(5).write_capacity_units(5);
    let call = dynamodb.update_table().table_name(&table).billing_mode(BillingMode::Provisioned);
    let call = call.provisioned_throughput(units.build().expect("valid"));
    wait(call.send()).expect("it is set");
    let checked = stack.run("setup --providers 1 --check").exits(8);
    assert!(checked.stdout.contains("has provisioned capacity"), "{}", checked.stdout);
}

#[test]
fn what_is_missing_is_named() {
    let stack = Stack::set_up(1);
    let arn = stack.subscriptions().remove(&stack.full(&provider(1))).expect("it is subscribed");
    wait(clients().sns.unsubscribe().subscription_arn(arn).send()).expect("it is gone");
    stack.delete_table();
    let missing = |kind: &str, name: &str| json!([kind, name, "missing", []]);
    let gone = [missing("subscription", &provider(1)), missing("table", "RidesBookingTable")];
    assert_eq!(found(&stack), gone);
    says(&stack.run("setup --providers 1").exits(0), "2 created");
    assert_eq!(found(&stack), [] as [Value; 0]);
}

/// The commands that a check suggests, without global options.
fn suggested(stack: &Stack, options: &str) -> Vec<String> {
    let checked = stack.rydes(&format!("setup --check {options}")).run().exits(8);
    let lines = checked.stderr.lines();
    let command = |line: &str| Some(line.trim().split_once("rydes ")?.1.trim().to_owned());
    lines.skip_while(|line| !line.starts_with("next: ")).filter_map(command).collect()
}

#[test]
fn providers_that_it_was_not_asked_for_are_compared_too() {
    let stack = Stack::set_up(1);
    stack.run("providers add acme").exits(0);
    stack.run("providers add globex").exits(0);
    assert_eq!(found(&stack), [] as [Value; 0]);

    stack.set("acme", QueueAttributeName::RedrivePolicy, "");
    assert_eq!(found(&stack), [json!(["provider queue", "acme", "differs", ["RedrivePolicy"]])]);
    assert_eq!(suggested(&stack, "--providers 1"), ["providers add acme"]);
    stack.run("providers add acme").exits(0);

    let arn = stack.subscriptions().remove(&stack.full("acme")).expect("it is subscribed");
    wait(clients().sns.unsubscribe().subscription_arn(arn).send()).expect("it is gone");
    let delete = clients().sqs.delete_queue().queue_url(stack.queue_url("globex"));
    wait(delete.send()).expect("it is gone");
    let lost = [
        json!(["subscription", "acme", "missing", []]),
        json!(["provider queue", "globex", "missing", []]),
    ];
    assert_eq!(found(&stack), lost);
    let both = ["providers add acme", "providers add globex"];
    assert_eq!(suggested(&stack, "--providers 1"), both);
    stack.run("providers add acme").exits(0);
    assert_eq!(suggested(&stack, "--providers 1"), [both[1]]);
}

#[test]
fn the_suggested_setup_mends_what_was_found() {
    let stack = Stack::set_up(2);
    let url = stack.queue_url(&provider(2));
    let untag = clients().sqs.untag_queue().queue_url(&url).tag_keys("rydes:stack");
    wait(untag.send()).expect("it is untagged");
    let options = "--providers 2 --keep 3";
    let setup = suggested(&stack, options);
    assert_eq!(setup, ["setup --providers 2 --keep 3 --adopt"]);
    stack.rydes(&setup[0]).run().exits(0);
    stack.rydes(&format!("setup --check {options}")).run().exits(0);

    // One more than is asked for lacks a setting.
    stack.set(&provider(2), QueueAttributeName::VisibilityTimeout, "5");
    let setup = suggested(&stack, "--providers 1");
    assert_eq!(setup, ["setup --providers 2"]);
    stack.rydes(&setup[0]).run().exits(0);
    stack.rydes("setup --check --providers 1").run().exits(0);
}

#[test]
fn what_setup_never_changes_is_found() {
    let stack = Stack::set_up(1);
    let url = stack.queue_url(&provider(1));
    let untag = clients().sqs.untag_queue().queue_url(&url).tag_keys("rydes:provider");
    wait(untag.send()).expect("it is untagged");
    let checked = stack.run("setup --providers 1 --check").exits(8);
    assert!(checked.stdout.contains("lacks the tag rydes:provider = simulated"));
    says(&checked, "0 differ, 0 missing, 1 left to the owner");
    let tag = clients().sqs.tag_queue().queue_url(&url).tags("rydes:provider", "simulated");
    wait(tag.send()).expect("it is tagged");
    stack.run("setup --providers 1 --check").exits(0);

    let soon = Tag::builder().key("rydes:keep").value("soon").build().expect("a tag");
    let sns = &clients().sns;
    wait(sns.tag_resource().resource_arn(stack.topic_arn()).tags(soon).send()).expect("tagged");
    let checked = stack.run("setup --providers 1 --check").exits(8);
    assert!(checked.stdout.contains("rydes:keep of the topic is no number of days"));
    says(&stack.run("setup --providers 1 --keep 3").exits(0), "1 changed");
    stack.run("setup --providers 1 --check").exits(0);
}
