//! What `setup` makes (contract, section 2), and that it mends what somebody changed.

use aws_sdk_dynamodb::types::{
    BillingMode, KeyType, ProvisionedThroughput, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::{document, says, states};
use crate::support::resources::{Names, Queue, clients, wait};
use crate::support::stack::Stack;

const RESPONSES: &str = "RequestForQuotesResponseQueue";
const PROVIDER_DEAD_LETTERS: &str = "RequestForQuotesDeadLetters";
const RESPONSE_DEAD_LETTERS: &str = "RequestForQuotesResponseDeadLetters";

fn provider(number: u8) -> String {
    format!("UnicornManagementResource{number}")
}

/// Makes sure that every resource of a stack with so many simulated providers is there, as it should
/// be, and no other.
pub(crate) fn is_complete(stack: &Stack, providers: u8) {
    all_is_there(stack, providers);
    for number in 1..=providers {
        is_answered_as(stack, &provider(number), "simulated");
    }
}

/// The same, whoever answers for the providers.
pub(super) fn all_is_there(stack: &Stack, providers: u8) {
    let mut queues: Vec<_> = (1..=providers).map(|number| stack.full(&provider(number))).collect();
    let subscribed = queues.clone();
    queues.extend([RESPONSES, PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS].map(|q| stack.full(q)));
    queues.sort();
    let expected = Names {
        topics: vec![stack.full("RequestForQuotesTopic")],
        queues,
        tables: vec![stack.full("RidesBookingTable")],
    };
    assert_eq!(stack.names(), expected);
    let subscriptions = stack.subscriptions();
    assert_eq!(subscriptions.len(), subscribed.len());
    for queue in subscribed {
        assert!(subscriptions.contains_key(&queue), "{queue} is subscribed");
    }
    for number in 1..=providers {
        is_provider_queue(stack, &provider(number));
    }
    is_response_queue(stack);
    are_dead_letters(stack);
    is_topic_and_table(stack);
}

fn is_topic_and_table(stack: &Stack) {
    let tags = [("rydes:stack".to_owned(), stack.name.clone())].into();
    assert_eq!(stack.topic_tags(), tags);
    assert_eq!(stack.table_tags(), tags);
    let table = stack.table();
    let keys: Vec<_> =
        table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
    assert_eq!(keys, [("id", &KeyType::Hash), ("responder", &KeyType::Range)]);
    assert!(table.attribute_definitions().iter().all(|key| key.attribute_type().as_str() == "S"));
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    assert_eq!(billing, Some(&BillingMode::PayPerRequest), "on demand");
    let live = stack.time_to_live();
    assert_eq!(live.attribute_name(), Some("expires-at"));
    assert_eq!(live.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
}

/// Makes sure that a provider's queue and its subscription are as they should be.
pub(super) fn is_provider_queue(stack: &Stack, name: &str) {
    let queue = stack.queue(name);
    is_worked(stack, &queue, PROVIDER_DEAD_LETTERS);
    topic_alone_may_send(stack, &queue, name);
    assert_eq!(queue.tags["rydes:stack"], stack.name);
    let subscription = stack.subscription(name);
    assert_eq!(subscription["RawMessageDelivery"], "true");
    let redrive: Value = serde_json::from_str(&subscription["RedrivePolicy"]).expect("JSON");
    assert_eq!(redrive["deadLetterTargetArn"], stack.queue_arn(PROVIDER_DEAD_LETTERS));
}

/// Makes sure who answers for a provider: without a tag it is not us.
pub(super) fn is_answered_as(stack: &Stack, name: &str, kind: &str) {
    let queue = stack.queue(name);
    assert_eq!(queue.tags.get("rydes:provider").map_or("external", String::as_str), kind);
}

fn is_worked(stack: &Stack, queue: &Queue, dead_letters: &str) {
    assert_eq!(queue.get("ReceiveMessageWaitTimeSeconds"), "20");
    assert_eq!(queue.get("VisibilityTimeout"), "30");
    assert_eq!(queue.get("SqsManagedSseEnabled"), "true");
    let redrive = queue.json("RedrivePolicy");
    assert_eq!(redrive["deadLetterTargetArn"], stack.queue_arn(dead_letters));
    assert_eq!(redrive["maxReceiveCount"].to_string().trim_matches('"'), "10");
}

fn topic_alone_may_send(stack: &Stack, queue: &Queue, name: &str) {
    let policy = queue.json("Policy");
    let statements = policy["Statement"].as_array().expect("a list of statements");
    let [statement] = statements.as_slice() else { panic!("one statement: {policy}") };
    assert_eq!(statement["Effect"], "Allow");
    assert_eq!(statement["Principal"], json!({"Service": "sns.amazonaws.com"}));
    assert_eq!(statement["Action"], "sqs:SendMessage");
    assert_eq!(statement["Resource"], stack.queue_arn(name));
    let topic_alone = json!({"ArnEquals": {"aws:SourceArn": stack.topic_arn()}});
    assert_eq!(statement["Condition"], topic_alone);
}

fn is_response_queue(stack: &Stack) {
    let responses = stack.queue(RESPONSES);
    is_worked(stack, &responses, RESPONSE_DEAD_LETTERS);
    assert_eq!(responses.get("Policy"), "", "providers send with their own rights");
}

fn are_dead_letters(stack: &Stack) {
    for name in [PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS] {
        let queue = stack.queue(name);
        assert_eq!(queue.get("MessageRetentionPeriod"), (14 * 24 * 60 * 60).to_string());
        assert_eq!(queue.get("SqsManagedSseEnabled"), "true");
        assert_eq!(queue.tags, [("rydes:stack".to_owned(), stack.name.clone())].into());
        if name == PROVIDER_DEAD_LETTERS {
            topic_alone_may_send(stack, &queue, name);
        } else {
            assert_eq!(queue.get("Policy"), "");
        }
    }
}

#[test]
fn the_stack_that_other_tests_begin_with_is_one_that_setup_has_nothing_to_do_on() {
    let stack = Stack::set_up(3);
    is_complete(&stack, 3);
    says(&stack.run("setup --providers 3").exits(0), "0 created, 11 kept, 0 changed in ");
}

#[test]
fn setup_makes_all_of_the_contract_and_a_second_one_nothing() {
    let stack = Stack::new();
    let first = stack.run("setup").exits(0);
    says(&first, &format!("stack {} on LocalStack http://127.0.0.1:", stack.name));
    says(&first, "(account 000000000000)");
    says(&first, "25 created, 0 kept, 0 changed in ");
    let state = ["created", "10 created", "10 created"].into_iter().chain(["created"; 4]);
    assert_eq!(states(&first.stdout), state.collect::<Vec<_>>());
    is_complete(&stack, 10);

    let second = stack.run("setup").exits(0);
    says(&second, "0 created, 25 kept, 0 changed in ");
    assert_eq!(
        second.stdout.replace("kept   ", "created").replace("kept", "created"),
        first.stdout
    );
    is_complete(&stack, 10);

    let told = document(&stack.run("setup -ojson").exits(0));
    assert_eq!((&told["created"], &told["kept"]), (&json!(0), &json!(25)));
    let resources = told["resources"].as_array().expect("a list");
    assert_eq!(resources.len(), 25);
    assert!(resources.iter().all(|resource| resource["state"] == "kept"));
}

#[test]
fn what_was_changed_behind_its_back_is_put_right_and_named() {
    let stack = Stack::set_up(2);
    let mended = |setting: &str| {
        let dry = stack.run("setup --providers 2 --dry-run").exits(0);
        says(&dry, "dry run: 0 to create, 8 to keep, 1 to change; nothing was touched");
        assert!(dry.stdout.contains(&format!("to change: {setting}")), "{}", dry.stdout);
        let ran = stack.run("setup --providers 2").exits(0);
        says(&ran, "0 created, 8 kept, 1 changed in ");
        assert!(ran.stdout.contains(&format!("changed: {setting}")), "{}", ran.stdout);
        is_complete(&stack, 2);
    };
    stack.set(&provider(2), QueueAttributeName::VisibilityTimeout, "5");
    mended("VisibilityTimeout");
    stack.set(RESPONSES, QueueAttributeName::RedrivePolicy, "");
    mended("RedrivePolicy");
    stack.set(RESPONSE_DEAD_LETTERS, QueueAttributeName::MessageRetentionPeriod, "60");
    mended("MessageRetentionPeriod");
    stack.set(PROVIDER_DEAD_LETTERS, QueueAttributeName::Policy, "");
    mended("Policy");

    let arn = stack.subscriptions().remove(&stack.full(&provider(1))).expect("it is subscribed");
    let call = clients().sns.set_subscription_attributes().subscription_arn(arn);
    let call = call.attribute_name("RawMessageDelivery").attribute_value("false");
    wait(call.send()).expect("it is set");
    mended("RawMessageDelivery");

    let off = TimeToLiveSpecification::builder().attribute_name("expires-at").enabled(false);
    let call = clients().dynamodb.update_time_to_live().table_name(stack.full("RidesBookingTable"));
    wait(call.time_to_live_specification(off.build().expect("valid")).send()).expect("it is off");
    mended("TimeToLive");
}

#[test]
fn what_was_deleted_behind_its_back_is_made_again() {
    let stack = Stack::set_up(2);
    let arn = stack.subscriptions().remove(&stack.full(&provider(2))).expect("it is subscribed");
    wait(clients().sns.unsubscribe().subscription_arn(arn).send()).expect("it is gone");
    let table = stack.full("RidesBookingTable");
    wait(clients().dynamodb.delete_table().table_name(table).send()).expect("it is gone");
    says(&stack.run("setup --providers 2").exits(0), "2 created, 7 kept, 0 changed in ");
    is_complete(&stack, 2);

    wait(clients().sns.delete_topic().topic_arn(stack.topic_arn()).send()).expect("it is gone");
    says(&stack.run("setup --providers 2").exits(0), "3 created, 6 kept, 0 changed in ");
    is_complete(&stack, 2);
}

#[test]
fn an_owners_own_statement_survives() {
    let stack = Stack::set_up(1);
    let name = provider(1);
    let owners = json!({
        "Sid": "owner", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:SendMessage",
        "Resource": stack.queue_arn(&name),
    });
    let policy = json!({"Version": "2012-10-17", "Statement": [owners]}).to_string();
    stack.set(&name, QueueAttributeName::Policy, &policy);
    says(&stack.run("setup --providers 1").exits(0), "0 created, 6 kept, 1 changed in ");
    let policy = stack.queue(&name).json("Policy");
    let statements = policy["Statement"].as_array().expect("a list of statements");
    assert_eq!(statements.len(), 2, "{policy}");
    assert!(statements.contains(&owners), "{policy}");
    assert!(policy.to_string().contains(&stack.topic_arn()), "{policy}");
    says(&stack.run("setup --providers 1").exits(0), "0 created, 7 kept, 0 changed in ");
}

#[test]
fn a_key_of_the_owners_is_kept() {
    let stack = Stack::set_up(1);
    let queues = [&provider(1), PROVIDER_DEAD_LETTERS, RESPONSES, RESPONSE_DEAD_LETTERS];
    for queue in queues {
        stack.set(queue, QueueAttributeName::KmsMasterKeyId, "alias/mine");
        stack.set(queue, QueueAttributeName::SqsManagedSseEnabled, "false");
    }
    says(&stack.run("setup --providers 1").exits(0), "0 created, 7 kept, 0 changed in ");
    // Another setting is mended beside it.
    stack.set(&provider(1), QueueAttributeName::VisibilityTimeout, "5");
    says(&stack.run("setup --providers 1").exits(0), "0 created, 6 kept, 1 changed in ");
    for queue in queues {
        let queue = stack.queue(queue);
        assert_eq!(queue.get("KmsMasterKeyId"), "alias/mine");
        assert_eq!(queue.get("SqsManagedSseEnabled"), "false");
    }
    assert_eq!(stack.queue(&provider(1)).get("VisibilityTimeout"), "30");

    // Without a key it is encrypted by SQS again.
    stack.set(RESPONSES, QueueAttributeName::KmsMasterKeyId, "");
    says(&stack.run("setup --providers 1").exits(0), "0 created, 6 kept, 1 changed in ");
    assert_eq!(stack.queue(RESPONSES).get("SqsManagedSseEnabled"), "true");
}

#[test]
fn a_tables_settings_that_are_its_owners_are_left_alone_and_said() {
    let stack = Stack::set_up(1);
    let table = stack.full("RidesBookingTable");
    let live = |attribute: &str, is_on| {
        let live = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(is_on);
        let call = clients().dynamodb.update_time_to_live().table_name(&table);
        let call = call.time_to_live_specification(live.build().expect("valid"));
        wait(call.send()).expect("it is set");
    };
    live("expires-at", false);
    live("ttl", true);
    let throughput =
        ProvisionedThroughput::builder().read_capacity_units(5).write_capacity_units(5);
    let call = clients().dynamodb.update_table().table_name(&table);
    let call = call.billing_mode(BillingMode::Provisioned);
    wait(call.provisioned_throughput(throughput.build().expect("valid")).send())
        .expect("it is set");

    for options in ["", " --dry-run"] {
        let kept = stack.run(&format!("setup --providers 1{options}")).exits(0);
        says(
            &kept,
            &format!("table {table} expires rows by `ttl`, not by `expires-at`: rows stay"),
        );
        assert!(!kept.stdout.contains("change"), "{}", kept.stdout);
    }
    assert_eq!(stack.time_to_live().attribute_name(), Some("ttl"));
    let billing = stack.table().billing_mode_summary().and_then(|all| all.billing_mode().cloned());
    assert_eq!(billing, Some(BillingMode::Provisioned));
}
