//! `providers add`, `list`, `remove` and whom `run` refuses.

use aws_sdk_sqs::types::QueueAttributeName;

use super::resources::{is_answered_as, is_provider_queue};
use super::{document, says};
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{Stack, provider};

#[test]
fn one_that_joins_is_told_what_it_needs() {
    let stack = Stack::set_up(1);
    let added = stack.run("providers add acme").exits(0);
    says(&added, "acme is ready");
    for needed in [
        stack.queue_url("acme"),
        stack.queue_arn("acme"),
        stack.queue_url("RequestForQuotesResponseQueue"),
        stack.queue_arn("RequestForQuotesResponseQueue"),
    ] {
        assert!(added.stdout.lines().any(|line| line.ends_with(&needed)), "{}", added.stdout);
    }
    is_provider_queue(&stack, "acme");
    is_answered_as(&stack, "acme", "external");

    let again = stack.run("providers add acme").exits(0);
    says(&again, "acme was there already");
    assert_eq!(again.stdout, added.stdout);
    let told = document(&stack.run("providers add acme -ojson").exits(0));
    assert_eq!(told["created"], false);
    assert_eq!(told["queue-url"], stack.queue_url("acme"));
    assert_eq!(told["response-queue-arn"], stack.queue_arn("RequestForQuotesResponseQueue"));
    assert_eq!(stack.subscriptions().len(), 2);
}

#[test]
fn one_that_is_added_again_may_take_longer_over_a_request() {
    let stack = Stack::set_up(1);
    stack.run("providers add acme").exits(0);
    stack.set("acme", QueueAttributeName::VisibilityTimeout, "300");
    says(&stack.run("providers add acme").exits(0), "acme was there already");
    assert_eq!(stack.queue("acme").get("VisibilityTimeout"), "300");
    stack.set("acme", QueueAttributeName::VisibilityTimeout, "5");
    says(&stack.run("providers add acme").exits(0), "acme is ready");
    assert_eq!(stack.queue("acme").get("VisibilityTimeout"), "30");
}

#[test]
fn names_that_cannot_join_are_refused() {
    let stack = Stack::set_up(1);
    let simulated = stack.run("providers add UnicornManagementResource1").exits(2);
    says(&simulated, "UnicornManagementResource1 is a simulated provider");
    let before = stack.names();
    for bad in ["b-c", "1a", "a.b", "RequestForQuotesDeadLetters", "RequestForQuotesResponseQueue"]
    {
        let refused = stack.run(&format!("providers add {bad}")).exits(2);
        says(&refused, bad);
    }
    for bad in ["", "a\u{1b}[31m", "ä", &"a".repeat(48)] {
        let refused = stack.typed("providers add").arg(bad).run().exits(2);
        assert!(!refused.stderr.contains('\u{1b}'), "{:?}", refused.stderr);
    }
    assert_eq!(stack.names(), before, "nothing was made");
}

#[test]
fn the_register_is_in_natural_order_and_says_who_answers() {
    let stack = Stack::set_up(10);
    stack.run("providers add acme").exits(0);
    let foreign = Stack::new();
    foreign.make_queue("elsewhere");
    let call = clients().sns.subscribe().topic_arn(stack.topic_arn()).protocol("sqs");
    wait(call.endpoint(foreign.queue_arn("elsewhere")).send()).expect("it is subscribed");

    let listed = stack.run("providers list").exits(0);
    let rows: Vec<Vec<_>> =
        listed.stdout.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let row = |name: &str, kind: &str| vec![name.to_owned(), kind.to_owned(), stack.full(name)];
    let mut expected: Vec<_> = (1..=10)
        .map(|number| row(&format!("UnicornManagementResource{number}"), "simulated"))
        .collect();
    expected.push(row("acme", "external"));
    let elsewhere = foreign.full("elsewhere");
    expected.push(vec![elsewhere.clone(), "external".to_owned(), elsewhere]);
    expected.sort_by_key(|row| !row[0].starts_with("Unicorn"));
    assert_eq!(rows.len(), 12);
    assert_eq!(rows[..10], expected[..10], "2 before 10");
    assert!(rows[10..].contains(&expected[10].iter().map(String::as_str).collect()), "{rows:?}");
    assert!(rows[10..].contains(&expected[11].iter().map(String::as_str).collect()), "{rows:?}");

    let told = document(&stack.run("providers list -ojson").exits(0));
    assert_eq!(told["providers"][1]["provider"], "UnicornManagementResource2");
    assert_eq!(told["providers"][1]["kind"], "simulated");
}

#[test]
fn one_that_leaves_takes_its_empty_queue_along() {
    let stack = Stack::set_up(1);
    stack.run("providers add acme").exits(0);
    let removed = stack.run("providers remove acme").exits(0);
    says(&removed, "acme is removed");
    assert_eq!(stack.subscriptions().len(), 1);
    assert!(!stack.names().queues.contains(&stack.full("acme")));
    says(
        &stack.run("providers remove acme").exits(0),
        "acme is not in the register; nothing was removed",
    );
    let told = document(&stack.run("providers remove acme -ojson").exits(0));
    assert_eq!(told["providers"][0]["state"], "nothing");
    stack.run("providers add globex").exits(0);
    says(&stack.run("providers remove globx").exits(0), "hint: write `globex`\n");
    for name in ["acme1", "acme2", "acme3"] {
        stack.run(&format!("providers add {name}")).exits(0);
    }
    let near = "hint: write `acme1`, `acme2` or `acme3`\n";
    says(&stack.run("providers remove acme4").exits(0), near);
}

#[test]
fn requests_that_nobody_took_are_not_lost_by_accident() {
    let stack = Stack::set_up(1);
    stack.run("providers add acme").exits(0);
    stack.run("submit --from A --to B").exits(0);
    stack.run("submit --from B --to A").exits(0);

    let kept = stack.run("providers remove acme").exits(1);
    says(&kept, "acme is unsubscribed, but its queue was kept: it holds 2 requests");
    says(&kept, "--force");
    assert_eq!(stack.subscriptions().len(), 1);
    assert!(stack.names().queues.contains(&stack.full("acme")));

    let again = document(&stack.run("providers remove acme -ojson").exits(1));
    assert_eq!(again["providers"][0]["state"], "unsubscribed");
    assert_eq!(again["providers"][0]["requests"], 2);
    let lost = stack.run("providers remove acme --force").exits(0);
    says(&lost, "acme is removed; 2 requests in its queue are lost");
    assert!(!stack.names().queues.contains(&stack.full("acme")));
}

#[test]
fn a_queue_whose_count_was_too_early_is_kept_with_its_requests() {
    const EMPTY: &str = r#"{"Attributes": {"ApproximateNumberOfMessages": "0"}}"#;
    let stack = Stack::set_up(2);
    stack.run("providers add acme").exits(0);
    stack.run("submit --from A --to B").exits(0);
    let proxy = Proxy::start();
    let counts = || proxy.count("GetQueueAttributes");
    // The response queue tells the place; then the queue looks empty, twice, which it is not.
    proxy.pass("GetQueueAttributes", 1);
    proxy.fail("GetQueueAttributes", 2, ProxyFault::Answer(200, EMPTY));
    let remove = |arguments: &str| {
        stack.rydes(&format!("providers remove {arguments}")).env("AWS_ENDPOINT_URL", &proxy.url)
    };
    let kept = remove("acme").run().exits(1);
    says(&kept, "waiting: up to 2 s, until the counts of queues can be trusted");
    says(&kept, "acme is unsubscribed, but its queue was kept: it holds 1 request");
    says(&kept, "rydes providers remove acme once it is empty, or with --force to lose them");
    assert_eq!((stack.subscriptions().len(), stack.depth("acme")), (2, 1), "nothing is lost");

    // Several wait together, and each that stays empty goes.
    for name in [provider(1), provider(2)] {
        let url = stack.queue_url(&name);
        wait(clients().sqs.purge_queue().queue_url(url).send()).expect("it is emptied");
    }
    let before = counts();
    let told = remove("acme -o json").arg(provider(1)).arg(provider(2)).run().exits(1);
    let told = document(&told);
    let states: Vec<_> = (0..3).map(|n| &told["providers"][n]["state"]).collect();
    assert_eq!(states, ["unsubscribed", "removed", "removed"]);
    assert!(counts() - before >= 1 + 3 + 3 + 2, "each that looks empty is counted again");
    assert_eq!(stack.subscriptions().len(), 0);
    assert!(!stack.names().queues.contains(&stack.full(&provider(1))));

    // Where the requests may be lost, nothing is waited for.
    let lost = remove("acme --force").run().exits(0);
    says(&lost, "acme is removed; 1 request in its queue is lost");
    assert!(!lost.stderr.contains("waiting"), "{}", lost.stderr);
}

#[test]
fn of_several_none_leaves_where_one_is_somebody_elses() {
    let stack = Stack::set_up(1);
    stack.make_queue("acme");
    let refused = stack.run("providers remove UnicornManagementResource1 acme").exits(1);
    says(&refused, "lacks the tag rydes:stack");
    assert_eq!(stack.subscriptions().len(), 1);
}

#[test]
fn nobody_makes_up_a_price_for_a_real_provider() {
    let stack = Stack::set_up(1);
    stack.run("providers add acme").exits(0);
    let real = stack.run("providers run acme").exits(2);
    says(&real, "error: acme is a real provider: it needs a program or an endpoint");
    let both = stack.run("providers run UnicornManagementResource1 acme").exits(2);
    says(&both, "acme is a real provider");
    says(&stack.run("providers run nobody").exits(2), "nobody");
    let fault = stack.run("providers run --fault acme=silent").exits(2);
    says(&fault, "`--fault`: acme is not among the simulated providers that would run");

    stack.run("providers remove UnicornManagementResource1").exits(0);
    says(&stack.run("providers run").exits(1), "no simulated provider is subscribed");
}
