//! Subscriptions that do not deliver every request as it is: behind a filter, not confirmed, deleted,
//! or with raw delivery switched off.

use serde_json::{Value, json};

use super::{document, says};
use crate::support::json;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{Names, clients, wait};
use crate::support::stack::{Stack, provider};

const POLICY: &str = r#"{"customer":["gold"]}"#;
const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
    <Message>not you</Message></Error></ErrorResponse>";

/// Sets an attribute of a queue's subscription.
fn set(stack: &Stack, queue: &str, name: &str, value: &str) {
    let arn = stack.subscriptions().remove(&stack.full(queue)).expect("it is subscribed");
    let call = clients().sns.set_subscription_attributes().subscription_arn(arn);
    wait(call.attribute_name(name).attribute_value(value).send()).expect("it is set");
}

/// Lets only customer `gold` through to a provider.
fn filter(stack: &Stack, queue: &str) {
    set(stack, queue, "FilterPolicyScope", "MessageBody");
    set(stack, queue, "FilterPolicy", POLICY);
}

/// Subscribes a queue of another stack to this one's topic.
fn subscribe(stack: &Stack, foreign: &Stack, queue: &str, attributes: &[(&str, &str)]) {
    let call = clients().sns.subscribe().topic_arn(stack.topic_arn()).protocol("sqs");
    let call = attributes.iter().fold(call, |call, (name, value)| call.attributes(*name, *value));
    wait(call.endpoint(foreign.queue_arn(queue)).send()).expect("it is subscribed");
}

/// The topic's answer with these subscriptions: what stands for the ARN, and the queue's ARN.
fn listing(entries: &[(String, String)]) -> ProxyFault {
    let members = entries.iter().map(|(arn, queue)| {
        format!(
            "<member><TopicArn>t</TopicArn><Protocol>sqs</Protocol><Owner>000000000000</Owner>\
             <SubscriptionArn>{arn}</SubscriptionArn><Endpoint>{queue}</Endpoint></member>"
        )
    });
    let members: String = members.collect();
    let body = format!(
        "<ListSubscriptionsByTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <ListSubscriptionsByTopicResult><Subscriptions>{members}</Subscriptions>\
         </ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    );
    ProxyFault::Answer(200, body.leak())
}

/// Those that are there; beside them `acme` is not confirmed, `globex` deleted, and so is an older
/// subscription of the first provider.
fn with_inactive(stack: &Stack) -> ProxyFault {
    let there = stack.subscriptions().into_iter();
    let queue = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let entry = |arn: &str, name: &str| (arn.to_owned(), stack.queue_arn(name));
    let inactive = [
        entry("PendingConfirmation", "acme"),
        entry("Deleted", "globex"),
        entry("Deleted", &provider(1)),
    ];
    let there = there.map(|(name, arn)| (arn, queue(&name)));
    listing(&inactive.into_iter().chain(there).collect::<Vec<_>>())
}

fn reasons(told: &Value) -> Vec<(&str, &Value)> {
    let all = told["providers"].as_array().expect("a list").iter();
    all.map(|one| (one["state"].as_str().expect("a word"), &one["reason"])).collect()
}

#[test]
fn an_unmarked_filter_is_the_reason_for_a_missing_provider() {
    let stack = Stack::set_up(3);
    filter(&stack, &provider(2));
    let proxy = Proxy::start();
    let asked = |arguments: &str| stack.rydes(arguments).env("AWS_ENDPOINT_URL_SNS", &proxy.url);
    let reads = || proxy.count("GetSubscriptionAttributes");
    let workers = stack.providers("--behavior steady");
    workers.says("response consumer");
    let id = stack.submit("--deadline 15s");
    workers.until("gathered", 2);
    let told = document(&asked("quotes -o json").arg(&id).run().exits(0));
    assert_eq!((&told["status"], reads()), (&json!("gathering"), 0), "not before the end");

    let filtered = "its subscription has a filter";
    let watched = asked("quotes --watch").arg(&id).run().exits(3);
    assert!(watched.stdout.contains(&format!("missing: {filtered}")), "{}", watched.stdout);
    assert_eq!(reads(), 1, "once, and only of the one that is missing");
    let told = document(&asked("quotes -o json").arg(&id).run().exits(0));
    let expected =
        [("quoted", &Value::Null), ("missing", &json!(filtered)), ("quoted", &Value::Null)];
    assert_eq!(reasons(&told), expected);
    let traced = document(&asked("trace -o json").arg(&id).run().exits(0));
    assert_eq!(reasons(&traced), expected);
    let closed = document(&asked("close -o json").arg(&id).run().exits(0));
    assert_eq!(reasons(&closed), expected);
    assert_eq!(reads(), 4);

    // The row says that it was asked: only a hint names the filter.
    let told = json(&asked("verify -o json").arg(&id).run().exits(8).stdout);
    let copy = |name: &str| (0..3).map(|at| told["copies"][at][name].clone()).collect::<Vec<_>>();
    assert_eq!(copy("found"), [json!("row"), Value::Null, json!("row")]);
    assert_eq!(copy("has-filter"), [Value::Null, json!(true), Value::Null]);
    assert_eq!((&told["unexplained"], &told["settled"]), (&json!([provider(2)]), &json!(true)));
    assert_eq!(reads(), 5);
    let hint = asked("verify").arg(&id).run().exits(8).stderr;
    assert!(
        hint.contains(&format!(
            "a filter that submissions ignore may have excluded {}; see",
            provider(2)
        )),
        "{hint}"
    );
    workers.stop();
}

#[test]
fn those_who_look_over_http_see_the_filter_too_and_share_one_look() {
    let stack = Stack::set_up(1);
    filter(&stack, &provider(1));
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "1s""#);
    let end = server.follow(&id, "").until("end", |_| true);
    let expected = [("missing", &json!("its subscription has a filter"))];
    assert_eq!(reasons(&end), expected);
    assert_eq!(end["table"][0]["note"], "missing: its subscription has a filter");
    for _ in 0..3 {
        let full = server.get(&format!("/query-instant-ride-rfq/{id}?view=full")).json();
        assert_eq!(reasons(&full), expected);
    }
    assert_eq!(proxy.count("GetSubscriptionAttributes"), 1);
}

#[test]
fn without_the_right_to_look_nothing_is_said() {
    let stack = Stack::set_up(1);
    filter(&stack, &provider(1));
    let id = stack.submit("--deadline 1s");
    let proxy = Proxy::start();
    proxy.fail("GetSubscriptionAttributes", 99, ProxyFault::Answer(403, DENIED));
    let asked = |arguments: &str| stack.rydes(arguments).env("AWS_ENDPOINT_URL_SNS", &proxy.url);
    let watched = asked("quotes --watch").arg(&id).run().exits(4);
    assert!(watched.stdout.contains("missing: no reply before the deadline"), "{}", watched.stdout);
    stack.drained(&provider(1));
    let told = json(&asked("verify --wait -o json").arg(&id).run().exits(8).stdout);
    assert_eq!(told["unexplained"], json!([provider(1)]));
    for command in ["providers list", "status"] {
        let ran = asked(command).run().exits(0);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(&provider(1)) && !said.contains("filter"), "{said}");
    }
    assert!(proxy.count("GetSubscriptionAttributes") >= 4);
}

#[test]
fn filters_are_named_with_their_policies() {
    let stack = Stack::set_up(2);
    filter(&stack, &provider(2));
    let foreign = Stack::new();
    foreign.make_queue("elsewhere");
    let policy = "{\"kind\":[\"a\u{202e}b\"]}";
    subscribe(&stack, &foreign, "elsewhere", &[("FilterPolicy", policy)]);
    let (elsewhere, second) = (foreign.full("elsewhere"), provider(2));

    let on_body = format!("filter on the body: {POLICY}");
    let on_attributes = "filter on attributes: {\"kind\":[\"a\\u{202e}b\"]}";
    let listed = stack.run("providers list").exits(0).stdout;
    let note = |name: &str| {
        let row = listed.lines().find(|row| row.starts_with(&format!("{name} ")));
        row.unwrap_or_else(|| panic!("{name}: {listed}")).to_owned()
    };
    assert!(note(&second).ends_with(&format!("  {on_body}")), "{listed}");
    assert!(note(&elsewhere).contains(on_attributes), "{listed}");
    assert!(note(&provider(1)).ends_with(&stack.full(&provider(1))), "{listed}");
    let told = document(&stack.run("providers list -ojson").exits(0));
    let entry = |name: &str| {
        let all = told["providers"].as_array().expect("a list").iter();
        all.clone().find(|entry| entry["provider"] == name).expect("it is listed").clone()
    };
    assert_eq!(entry(&second)["filter-policy"], POLICY);
    assert_eq!(entry(&second)["filter-policy-scope"], "MessageBody");
    assert_eq!(entry(&elsewhere)["filter-policy"], policy);
    assert_eq!(entry(&elsewhere)["filter-policy-scope"], "MessageAttributes");
    assert_eq!(entry(&provider(1))["filter-policy"], Value::Null);

    let of_second = format!("{second}: its subscription has a filter on the body: {POLICY}\n");
    let shown = stack.rydes("status").run().exits(0).stdout;
    assert!(shown.contains(&of_second), "{shown}");
    assert!(shown.contains(&format!("{elsewhere}: its subscription has a filter on attributes")));
    let told = document(&stack.rydes("status -o json").run().exits(0));
    assert_eq!(told["providers"][1]["filter-policy"], POLICY);
    for options in ["", " --dry-run"] {
        let ran = stack.run(&format!("setup --providers 1{options}")).exits(0);
        says(&ran, &of_second);
        says(&ran, &format!("{elsewhere}: its subscription has a filter on attributes"));
        assert!(!ran.stderr.contains('\u{202e}'), "{:?}", ran.stderr);
    }
    let told = document(&stack.run("setup --providers 2 -ojson").exits(0));
    assert_eq!((&told["kept"], &told["changed"]), (&json!(9), &json!(0)));
    assert_eq!(told["filters"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["filters"][0]["responder"], second);
    // An empty policy lets everything through.
    set(&stack, &second, "FilterPolicy", "{}");
    assert!(!stack.run("setup --providers 2").exits(0).stderr.contains(&second));
}

#[test]
fn a_subscription_that_is_not_confirmed_or_was_deleted_is_not_expected() {
    let stack = Stack::set_up(2);
    let proxy = Proxy::start();
    proxy.fail("ListSubscriptionsByTopic", 99, with_inactive(&stack));
    let asked = |arguments: &str| stack.rydes(arguments).env("AWS_ENDPOINT_URL_SNS", &proxy.url);
    let id = asked("submit --from A --to B --deadline 10m").run().exits(0).stdout;
    let told = stack.quotes(id.trim());
    assert_eq!(told["expected"], 2, "{told}");

    let said = [
        "acme receives nothing: its subscription is not confirmed",
        "globex receives nothing: its subscription was deleted",
    ];
    let first = format!("{} is not asked", provider(1));
    let status = asked("status").run().exits(0);
    for sentence in said {
        assert!(status.stdout.contains(sentence), "{}", status.stdout);
    }
    assert!(!status.stdout.contains(&first), "{}", status.stdout);
    for command in ["setup --providers 2", "setup --providers 2 -n", "providers list"] {
        let ran = asked(command).run().exits(0);
        for sentence in said {
            says(&ran, sentence);
        }
        assert!(!ran.stderr.contains(&first), "{}", ran.stderr);
        assert!(!ran.stdout.contains("acme"), "{}", ran.stdout);
    }
    let acme = json!({
        "responder": "acme", "queue-arn": stack.queue_arn("acme"), "state": "pending",
    });
    for command in ["status", "providers list", "setup --providers 2", "teardown -n"] {
        let told = document(&asked(&format!("{command} -o json")).run().exits(0));
        assert_eq!(told["inactive"][0], acme, "{command}");
        assert_eq!(told["inactive"][1]["state"], "deleted", "{command}");
        assert_eq!(told["inactive"].as_array().map(Vec::len), Some(2), "{command}");
    }

    // Leaving and joining are about those that are there.
    says(
        &asked("providers remove acme").run().exits(0),
        "acme is not in the register; nothing was removed",
    );
    stack.run("providers add acme").exits(0);
    asked("providers remove acme --force").run().exits(0);
    assert_eq!(proxy.count("Unsubscribe"), 0, "its subscription was not listed");

    let removed = asked("teardown --yes").run().exits(0);
    says(&removed, "acme: its subscription is not confirmed; it goes with the topic");
    says(&removed, "globex: its subscription was deleted; it goes with the topic");
    says(&removed, "removed 9; looked again");
    assert_eq!(proxy.count("Unsubscribe"), 2, "those that are subscribed, and no word");
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn raw_delivery_that_is_off_is_named_and_mended_where_the_queue_is_the_stacks_own() {
    let stack = Stack::set_up(2);
    stack.run("providers add acme").exits(0);
    let off = |queue: &str| set(&stack, queue, "RawMessageDelivery", "false");
    off(&provider(2));
    off("acme");
    stack.make_queue("globex");
    subscribe(&stack, &stack, "globex", &[]);
    let foreign = Stack::new();
    foreign.make_queue("elsewhere");
    subscribe(&stack, &foreign, "elsewhere", &[]);
    let elsewhere = foreign.full("elsewhere");

    let shown = stack.rydes("status").run().exits(0).stdout;
    let mend = "`rydes setup --providers 2` turns it on";
    assert!(shown.contains(&format!("{}: raw delivery is off; {mend}", provider(2))), "{shown}");
    assert!(shown.contains(&format!("acme: raw delivery is off; {mend}")), "{shown}");
    assert!(
        shown.contains(&format!("{elsewhere}: raw delivery is off; it receives SNS envelopes")),
        "{shown}"
    );
    assert!(!shown.contains(&format!("{}:", provider(1))), "{shown}");
    let told = document(&stack.rydes("status -o json").run().exits(0));
    let raw = told["providers"].as_array().expect("a list").iter();
    let raw: Vec<_> = raw.filter(|one| one["raw-delivery"] == true).collect();
    assert_eq!(raw.len(), 1, "{told}");

    let dry = stack.run("setup --providers 2 --dry-run").exits(0);
    says(&dry, "dry run: 0 to create, 8 to keep, 2 to change; nothing was touched");
    assert!(dry.stdout.contains("2 to change: RawMessageDelivery"), "{}", dry.stdout);
    assert_eq!(stack.subscription("acme")["RawMessageDelivery"], "false");
    let mended = stack.run("setup --providers 2").exits(0);
    says(&mended, "0 created, 8 kept, 2 changed in ");
    for queue in [&provider(2), "acme"] {
        assert_eq!(stack.subscription(queue)["RawMessageDelivery"], "true", "{queue}");
    }
    // A queue without the stack's tag is left alone, also one of the right name.
    for who in ["globex", &elsewhere] {
        says(&mended, &format!("{who}: raw delivery is off; it receives SNS envelopes"));
    }
    assert_eq!(stack.subscription("globex")["RawMessageDelivery"], "false");
    says(&stack.run("setup --providers 2").exits(0), "0 created, 9 kept, 0 changed in ");
}

#[test]
fn a_subscription_that_is_listed_but_gone_is_made_again() {
    let (stack, proxy) = (Stack::set_up(1), Proxy::start());
    let queue = provider(1);
    let arn = stack.subscriptions().remove(&stack.full(&queue)).expect("it is subscribed");
    wait(clients().sns.unsubscribe().subscription_arn(&arn).send()).expect("it is removed");
    proxy.fail("ListSubscriptionsByTopic", 1, listing(&[(arn, stack.queue_arn(&queue))]));
    let line = stack.rydes("setup --providers 1").env("AWS_ENDPOINT_URL", &proxy.url);
    says(&line.run().exits(0), "1 created, 6 kept, 0 changed in ");
    assert!(stack.subscriptions().contains_key(&stack.full(&queue)));
}
