//! `teardown`: everything of this stack, nothing of any other.

use super::completing::killed_at;
use super::resources::is_complete;
use super::{document, says};
use crate::support::localstack::endpoint;
use crate::support::proxy::ProxyFault;
use crate::support::resources::{Names, clients, wait};
use crate::support::side_by_side;
use crate::support::stack::Stack;

#[test]
fn off_a_terminal_it_wants_to_be_told() {
    let stack = Stack::set_up(2);
    let asked = stack.run("teardown").exits(2);
    says(&asked, "remove 1 topic, 2 subscriptions, 5 queues, 1 table (about 0 rows)?");
    says(&asked, "nothing was removed: confirm with `--yes`");
    says(&stack.run("teardown --confirm another").exits(2), "nothing was removed");
    is_complete(&stack, 2);
}

#[test]
fn a_dry_run_says_what_there_is_and_touches_nothing() {
    let stack = Stack::set_up(2);
    stack.run("submit --from A --to B").exits(0);
    let dry = stack.run("teardown --dry-run").exits(0);
    says(&dry, "would remove 1 topic, 2 subscriptions, 5 queues (2 unread), 1 table (about 1 row)");
    says(&dry, "nothing was touched");
    let told = document(&stack.run("teardown -n --yes -ojson").exits(0));
    assert_eq!((&told["unread"], &told["removed"]), (&2.into(), &0.into()));
    is_complete(&stack, 2);
}

#[test]
fn it_removes_all_of_one_stack_and_twice_is_fine() {
    let stack = Stack::set_up(2);
    stack.run("providers add acme").exits(0);
    let removed = stack.run("teardown --yes").exits(0);
    says(&removed, &format!("stack {} on LocalStack http://127.0.0.1:", stack.name));
    says(&removed, &format!("removed 11; looked again: nothing of {} is left", stack.name));
    assert_eq!(stack.names(), Names::default());
    says(&stack.run("teardown").exits(0), &format!("nothing of {} is here", stack.name));
    let told = document(&stack.run("teardown --yes -ojson").exits(0));
    assert_eq!((&told["topic"], &told["removed"]), (&serde_json::Value::Null, &0.into()));
}

#[test]
fn a_stack_whose_name_begins_alike_stays() {
    let short = Stack::set_up(2);
    let long = Stack::called(format!("{}-rydes", short.name));
    long.run("setup --providers 2").exits(0);
    let told = document(&short.run("teardown --yes -ojson").exits(0));
    assert_eq!(told["removed"], 9);
    assert_eq!(told["queues"].as_array().map(Vec::len), Some(5));
    is_complete(&long, 2);
    says(&short.run("teardown --yes").exits(0), "is here");
    is_complete(&long, 2);
}

#[test]
fn what_is_not_tagged_is_left_alone() {
    let stack = Stack::set_up(1);
    stack.make_queue("of-somebody");
    stack.make_queue("acme");
    let removed = stack.run("teardown --yes").exits(0);
    let (name, acme) = (&stack.name, stack.full("acme"));
    says(&removed, &format!("left alone, without the tag rydes:stack = {name}: queue {acme}\n"));
    let queues = ["acme", "of-somebody"].map(|name| stack.full(name)).into();
    assert_eq!(stack.names(), Names { queues, ..Names::default() });
}

#[test]
fn what_a_killed_setup_left_is_removed() {
    for operation in ["CreateTopic", "CreateTable", "Subscribe"] {
        let stack = Stack::new();
        killed_at(&stack, "setup --providers 3", operation, &ProxyFault::HoldAfter);
        assert_ne!(stack.names(), Names::default(), "something was made");
        stack.run("teardown --yes").exits(0);
        assert_eq!(stack.names(), Names::default());
    }
}

#[test]
fn one_that_was_killed_is_completed_by_the_next() {
    side_by_side(["Unsubscribe", "DeleteTopic", "DeleteQueue", "DeleteTable"], |operation| {
        for hold in [ProxyFault::Hold, ProxyFault::HoldAfter] {
            let stack = Stack::set_up(2);
            killed_at(&stack, "teardown --yes", operation, &hold);
            stack.run("teardown --yes").exits(0);
            assert_eq!(stack.names(), Names::default(), "{operation}");
        }
    });
}

#[test]
fn a_protected_table_keeps_all_of_its_stack_and_says_how_to_lift_that() {
    let stack = Stack::set_up(1);
    let protect = |is_protected| {
        let table = stack.full("RidesBookingTable");
        let call = clients().dynamodb.update_table().table_name(table);
        wait(call.deletion_protection_enabled(is_protected).send()).expect("it is set");
    };
    protect(true);
    let before = stack.names();
    let table = stack.full("RidesBookingTable");
    let lift = format!(
        "hint: AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url {} --region \
         us-east-1 dynamodb update-table --table-name {table} --no-deletion-protection-enabled\n",
        endpoint()
    );
    for command in ["teardown", "teardown --yes", "teardown --yes"] {
        let refused = stack.run(command).exits(1);
        says(
            &refused,
            &format!("table {table} is protected against deletion; nothing was removed"),
        );
        says(&refused, &lift);
        assert!(!refused.stderr.contains("remove 1 topic"), "{}", refused.stderr);
        assert_eq!(stack.names(), before, "nothing was removed");
        is_complete(&stack, 1);
    }
    let dry = stack.run("teardown --dry-run").exits(0);
    says(&dry, "nothing was touched");
    says(&dry, &lift);
    protect(false);
    stack.run("teardown --yes").exits(0);
    assert_eq!(stack.names(), Names::default());
}
