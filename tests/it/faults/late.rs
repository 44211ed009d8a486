//! Services that show what was made only some time later, as AWS's do.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::Names;
use crate::support::stack::Stack;
use crate::support::{PATIENCE, Ran, json, says, side_by_side};

/// Every kind of read that may not see what was made, and how late it is.
const KINDS: [(&str, u64); 14] = [
    ("GetQueueUrl", 5_000),
    ("GetQueueAttributes", 3_000),
    ("ListQueueTags", 4_000),
    ("ListQueues", 4_000),
    ("RedrivePolicy", 3_000),
    ("GetTopicAttributes", 3_000),
    ("ListTagsForResource", 4_000),
    ("Subscribe", 3_000),
    ("ListSubscriptionsByTopic", 5_000),
    ("DescribeTable", 500),
    ("DescribeTimeToLive", 3_000),
    ("UpdateTimeToLive", 3_000),
    ("ListTagsOfResource", 4_000),
    ("DescribeTable", 5_000),
];

/// Runs a command through a proxy.
fn through(stack: &Stack, proxy: &Proxy, command: &str) -> Ran {
    stack.rydes(command).env("AWS_ENDPOINT_URL", &proxy.url).run()
}

/// Runs a test for each kind, seven at a time.
fn for_each_kind(kinds: &[(&str, u64)], test: impl Fn(&str, Duration) + Sync) {
    side_by_side(kinds.chunks(kinds.len().div_ceil(7)), |some| {
        for (kind, lag) in some {
            test(kind, Duration::from_millis(*lag));
        }
    });
}

/// Makes sure that every command finds all of a stack with two simulated providers, and that teardown
/// leaves nothing of it.
#[track_caller]
fn is_found_by_all(stack: &Stack, proxy: &Proxy) {
    let id = through(stack, proxy, "submit --from A --to B --deadline 1s").exits(0).stdout;
    let asked = stack.quotes(id.trim());
    assert_eq!(asked["expected"], 2);
    let listed = json(&through(stack, proxy, "providers list -ojson").exits(0).stdout);
    let kinds: Vec<_> = listed["providers"].as_array().expect("a list").iter().collect();
    assert!(kinds.len() == 2 && kinds.iter().all(|one| one["kind"] == "simulated"), "{listed}");
    through(stack, proxy, "status").exits(0);
    let removed = through(stack, proxy, "teardown --yes").exits(0);
    says(&removed, "removed 9; looked again: nothing of");
    assert!(!removed.stderr.contains("waiting: for recently"), "{}", removed.stderr);
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn setup_returns_when_all_that_it_made_shows() {
    for_each_kind(&KINDS, |kind, lag| {
        let (stack, proxy) = (Stack::new(), Proxy::start());
        proxy.late(kind, lag);
        let made = through(&stack, &proxy, "setup --providers 2");
        assert_eq!(made.code, Some(0), "{kind}: {}", made.stderr);
        says(&made, "9 created, 0 kept, 0 changed in ");
        let waits = made.stderr.lines().any(|line| line.starts_with("waiting: for "));
        assert!(waits, "{kind}: {}", made.stderr);
        is_found_by_all(&stack, &proxy);
    });
}

#[test]
fn setup_waits_for_each_queue_by_its_name() {
    let (stack, proxy) = (Stack::new(), Proxy::start());
    // Its attributes and tags show at once, as on another replica.
    let one = stack.full("UnicornManagementResource2");
    proxy.late(&format!("GetQueueUrl {one}"), Duration::from_secs(5));
    let made = through(&stack, &proxy, "setup --providers 2").exits(0);
    says(&made, &format!("waiting: for queue {one} to become visible"));
    is_found_by_all(&stack, &proxy);
}

#[test]
fn setup_returns_when_all_that_it_made_shows_with_every_read_late() {
    side_by_side([500, 5_000], |lag| {
        let (stack, proxy) = (Stack::new(), Proxy::start());
        for (kind, _) in KINDS {
            proxy.late(kind, Duration::from_millis(lag));
        }
        through(&stack, &proxy, "setup --providers 2").exits(0);
        is_found_by_all(&stack, &proxy);
    });
}

#[test]
fn a_setup_where_nothing_is_late_does_not_wait() {
    let (stack, proxy) = (Stack::new(), Proxy::start());
    let made = through(&stack, &proxy, "setup --providers 2").exits(0);
    assert!(!made.stderr.contains("waiting"), "{}", made.stderr);
    let again = Proxy::start();
    says(&through(&stack, &again, "setup --providers 2").exits(0), "0 created, 9 kept");
    // Nothing was made, so nothing is looked for again.
    assert_eq!((again.count("ListQueues"), again.count("GetQueueUrl")), (0, 5));
}

#[test]
fn a_provider_that_joins_or_leaves_is_seen_by_the_next_request() {
    let kinds = [
        "GetQueueUrl",
        "GetQueueAttributes",
        "ListQueueTags",
        "ListQueues",
        "ListSubscriptionsByTopic",
    ];
    side_by_side(kinds, |kind| {
        let (stack, proxy) = (Stack::set_up(1), Proxy::start());
        proxy.late(kind, Duration::from_secs(2));
        let added = through(&stack, &proxy, "providers add acme").exits(0);
        says(&added, "waiting: for ");
        says(&added, "acme is ready");
        let id = through(&stack, &proxy, "submit --from A --to B --deadline 1s").exits(0).stdout;
        assert_eq!(stack.quotes(id.trim())["expected"], 2, "{kind}");
        through(&stack, &proxy, "providers remove acme --force").exits(0);
    });
}

#[test]
fn a_subscription_that_is_still_listed_is_waited_for() {
    let (stack, proxy) = (Stack::set_up(1), Proxy::start());
    stack.run("providers add acme").exits(0);
    let listed = stack.subscriptions().remove(&stack.full("acme")).expect("it is subscribed");
    let member = format!(
        "<Subscriptions><member><TopicArn>{}</TopicArn><Protocol>sqs</Protocol>\
         <SubscriptionArn>{listed}</SubscriptionArn><Owner>000000000000</Owner>\
         <Endpoint>{}</Endpoint></member>",
        stack.topic_arn(),
        stack.queue_arn("acme"),
    );
    proxy.pass("ListSubscriptionsByTopic", 1);
    proxy.rewrite("ListSubscriptionsByTopic", 2, move |body| {
        body.replacen("<Subscriptions>", &member, 1)
    });
    let removed = through(&stack, &proxy, "providers remove acme").exits(0);
    says(&removed, "waiting: a removed subscription is still listed");
    says(&removed, "acme is removed");
    assert!(proxy.count("ListSubscriptionsByTopic") >= 4);
}

#[test]
fn what_never_shows_is_named_and_what_was_not_made_is_not_waited_for() {
    let (stack, proxy) = (Stack::new(), Proxy::start());
    proxy.late("ListSubscriptionsByTopic", Duration::from_mins(5));
    let never = through(&stack, &proxy, "setup --providers 2").exits(1);
    says(&never, "made, but not visible after 30 s: 2 subscriptions");
    says(&never, "hint: run the command again in a minute: it keeps what exists");

    let gone = Proxy::start();
    gone.blind("GetQueueUrl", Duration::from_mins(5));
    let not_set_up = through(&stack, &gone, "providers add acme").exits(7);
    assert!(!not_set_up.stderr.contains("waiting"), "{}", not_set_up.stderr);
}

#[test]
fn a_teardown_soon_after_finds_everything() {
    let kinds = [
        ("ListQueueTags", 5_000),
        ("ListQueues", 4_000),
        ("GetQueueAttributes", 4_000),
        ("GetTopicAttributes", 4_000),
        ("ListTagsForResource", 5_000),
        ("DescribeTable", 4_000),
        ("ListTagsOfResource", 5_000),
    ];
    for_each_kind(&kinds, |kind, lag| {
        let (stack, proxy) = (Stack::set_up(2), Proxy::start());
        proxy.blind(kind, lag);
        let removed = through(&stack, &proxy, "teardown --yes").exits(0);
        says(&removed, "waiting: for recently made resources to become visible");
        says(&removed, "removed 9; looked again: nothing of");
        assert_eq!(stack.names(), Names::default(), "{kind}");
    });
}

#[test]
fn a_teardown_that_sees_nothing_at_all_looks_again() {
    let (stack, proxy) = (Stack::set_up(2), Proxy::start());
    for (kind, _) in KINDS {
        proxy.blind(kind, Duration::from_millis(500));
    }
    says(&through(&stack, &proxy, "teardown --yes").exits(0), "removed 9; ");
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn a_setup_soon_after_one_that_was_killed_knows_its_own() {
    for kind in ["ListQueueTags", "ListTagsForResource", "ListTagsOfResource"] {
        let (stack, proxy) = (Stack::set_up(2), Proxy::start());
        proxy.blind(kind, Duration::from_millis(500));
        let again = through(&stack, &proxy, "setup --providers 2").exits(0);
        says(&again, "0 created, 9 kept, 0 changed in ");
    }
}

#[test]
fn a_bench_makes_and_removes_its_stack_where_reads_are_late() {
    let (stack, proxy) = (Stack::new(), Proxy::start());
    for (kind, _) in KINDS {
        proxy.late(kind, Duration::from_secs(1));
    }
    let bench = "bench --providers 2 --count 2 --warm-up 1 -o json";
    let told = json(&through(&stack, &proxy, bench).exits(0).stdout);
    assert_eq!((&told["answers"], &told["lost"]), (&4.into(), &0.into()));
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn a_bench_that_is_stopped_while_its_stack_is_made_leaves_nothing_behind() {
    side_by_side(["ListQueues", "ListQueueTags", "GetTopicAttributes"], |kind| {
        let (stack, proxy) = (Stack::new(), Proxy::start());
        proxy.late(kind, Duration::from_secs(3));
        proxy.fail("CreateTable", usize::MAX, ProxyFault::Hold);
        let bench =
            stack.rydes("bench --providers 2 --count 2").env("AWS_ENDPOINT_URL", &proxy.url);
        let bench = Background::start(bench);
        proxy.until_held();
        proxy.until("CreateTopic", 1);
        bench.signal(Signal::INT);
        bench.ends(PATIENCE).exits(130);
        assert_eq!(stack.names(), Names::default(), "{kind}");
    });
}

#[test]
fn a_table_that_is_being_made_or_changed_is_waited_for_before_anything_is_removed() {
    side_by_side(["CREATING", "UPDATING"], |status| {
        let (stack, proxy) = (Stack::set_up(1), Proxy::start());
        let status = format!(r#""TableStatus":"{status}""#);
        proxy.rewrite("DescribeTable", 5, move |body| {
            let changed = body.replace("\": ", "\":").replace(r#""TableStatus":"ACTIVE""#, &status);
            assert!(changed.contains(&status), "{changed}");
            changed
        });
        let removed = through(&stack, &proxy, "teardown --yes").exits(0);
        says(&removed, &format!("waiting: for table {}", stack.full("RidesBookingTable")));
        assert_eq!(stack.names(), Names::default());
        let seen = proxy.seen();
        let removal = |name: &String| name == "Unsubscribe" || name.starts_with("Delete");
        let first = seen.iter().position(removal).expect("something was removed");
        let looks = seen[..first].iter().filter(|name| *name == "DescribeTable").count();
        assert_eq!(looks, 6, "{seen:?}");
    });
}

#[test]
fn a_table_that_hides_its_tags_while_it_is_made_is_known() {
    let not_active = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        "message": "Requested resource not found"}"#;
    let commands = [
        ("setup --providers 1", "0 created, 7 kept, 0 changed in "),
        ("teardown --yes", "removed 7; looked again: nothing of"),
    ];
    side_by_side(commands, |(command, outcome)| {
        let (stack, proxy) = (Stack::set_up(1), Proxy::start());
        // More looks than fit into the time that is given to everything else.
        proxy.rewrite("DescribeTable", 12, |body| body.replace("ACTIVE", "CREATING"));
        proxy.fail("ListTagsOfResource", 12, ProxyFault::Answer(400, not_active));
        let ran = through(&stack, &proxy, command).exits(0);
        says(&ran, "waiting: for ");
        says(&ran, outcome);
        assert!(proxy.count("DescribeTable") > 12);
    });
}

#[test]
fn a_table_that_is_changed_in_the_meantime_is_waited_for() {
    let (stack, proxy) = (Stack::set_up(1), Proxy::start());
    let in_use = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
        "message": "Table is being updated"}"#;
    proxy.fail("DeleteTable", 2, ProxyFault::Answer(400, in_use));
    let removed = through(&stack, &proxy, "teardown --yes").exits(0);
    says(&removed, "waiting: for table ");
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn what_may_not_be_removed_holds_up_nothing_else_and_is_named() {
    const DENIED: &str = r#"{"__type": "com.amazonaws#AccessDeniedException",
        "message": "not authorized to perform this"}"#;
    const DENIED_BY_SNS: &str = "<ErrorResponse><Error><Type>Sender</Type>\
        <Code>AuthorizationError</Code><Message>not authorized to perform this</Message></Error>\
        </ErrorResponse>";
    let refusals = [
        ("DeleteTopic", DENIED_BY_SNS, "1 of 7 could not be removed: topic "),
        ("Unsubscribe", DENIED_BY_SNS, "1 of 7 could not be removed: the subscription of "),
        ("DeleteTable", DENIED, "1 of 7 could not be removed: table "),
        ("DeleteQueue", DENIED, "4 of 7 could not be removed: queue "),
    ];
    side_by_side(refusals, |(operation, answer, left)| {
        let (stack, proxy) = (Stack::set_up(1), Proxy::start());
        proxy.fail(operation, usize::MAX, ProxyFault::Answer(403, answer));
        let refused = through(&stack, &proxy, "teardown --yes").exits(1);
        says(&refused, left);
        says(&refused, "not authorized to perform this");
        says(&refused, "hint: to remove the rest: rydes teardown\n");
        let names = stack.names();
        assert_eq!(names.topics.is_empty(), operation != "DeleteTopic");
        assert_eq!(names.tables.is_empty(), operation != "DeleteTable");
        assert_eq!(names.queues.is_empty(), operation != "DeleteQueue");
        proxy.heal();
        through(&stack, &proxy, "teardown --yes").exits(0);
        assert_eq!(stack.names(), Names::default());
    });
}

#[test]
fn a_queue_that_may_not_be_looked_at_is_no_obstacle_unless_it_may_be_the_stacks() {
    const DENIED: &str = r#"{"__type": "com.amazonaws#AccessDeniedException",
        "message": "not authorized to perform this"}"#;
    let (stack, proxy) = (Stack::set_up(1), Proxy::start());
    proxy.fail("ListQueueTags", 1, ProxyFault::Answer(403, DENIED));
    let before = stack.names();
    let refused = through(&stack, &proxy, "teardown --yes").exits(1);
    says(&refused, "not authorized to perform this");
    assert_eq!(stack.names(), before, "nothing was removed");
    stack.run("teardown --yes").exits(0);

    let (stack, proxy) = (Stack::new(), Proxy::start());
    stack.make_queue("of-another");
    proxy.fail("ListQueueTags", usize::MAX, ProxyFault::Answer(403, DENIED));
    says(&through(&stack, &proxy, "teardown --yes").exits(0), "is here");
    assert_eq!(stack.names().queues, [stack.full("of-another")]);
}
