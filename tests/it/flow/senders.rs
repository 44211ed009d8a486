//! A reply is its sender's: providers that are bound to senders, on a LocalStack that tells accounts apart.

use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::{Value, json};

use super::letters::ids;
use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider};
use crate::support::{document, says, wait_for};

/// The account of acme, that of another provider, and that of the operator.
const ACME: &str = "111111111111";
const OTHER: &str = "222222222222";
const OPERATOR: &str = "000000000000";
/// SNS and SQS say no.
const SNS_DENIES: ProxyFault = ProxyFault::Answer(
    403,
    "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
     <Message>not you</Message></Error></ErrorResponse>",
);
const SQS_DENIES: ProxyFault = ProxyFault::Answer(
    400,
    r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#,
);

/// Sends quotes to the response queue in one batch, as this account.
fn quotes(stack: &Stack, account: &str, quotes: &[(&str, &str, u32)]) {
    let entries = quotes.iter().enumerate().map(|(at, (responder, id, quote))| {
        let body = json!({"responder": responder, "rfq-id": id, "quote": quote});
        let entry = SendMessageBatchRequestEntry::builder().id(at.to_string());
        entry.message_body(body.to_string()).build().expect("it is whole")
    });
    let send = clients().sqs.send_message_batch().queue_url(stack.queue_url(RESPONSES));
    let credentials = Credentials::new(account, "secret", None, None, "tests");
    let sender = aws_sdk_sqs::Config::builder().credentials_provider(credentials);
    let send = send.set_entries(Some(entries.collect())).customize().config_override(sender);
    assert!(wait(send.send()).expect("the queue answers").failed.is_empty());
}

/// The consumer, through a proxy.
fn consumer(stack: &Stack, proxy: &Proxy, options: &str) -> Background {
    let run = stack.rydes(&format!("consumer run -o jsonl --poll-wait 1s {options}"));
    Background::start(run.env("AWS_ENDPOINT_URL", &proxy.url))
}

/// Waits for a read of the bindings that began after this call, and for its end.
fn read_again(proxy: &Proxy) {
    let before = proxy.count("ListTagsForResource");
    proxy.until("ListTagsForResource", before + 3);
}

fn quote_of(stack: &Stack, id: &str, responder: &str) -> Value {
    stack.row_when(id, responder, |row| row.get("quote").is_some())["quote"].clone()
}

#[test]
fn a_forged_reply_goes_to_the_dead_letters_and_its_neighbours_are_gathered() {
    let stack = Stack::set_up(1);
    let added = stack.rydes(&format!("providers add acme --sender {ACME}")).run().exits(0);
    says(&added, &format!("acme: only replies sent by {ACME} are gathered"));
    stack.rydes("providers add globex").run().exits(0);
    let id = stack.submit("--deadline 10m");
    quotes(&stack, OTHER, &[("acme", &id, 1), ("globex", &id, 20), (&provider(1), &id, 30)]);
    quotes(&stack, ACME, &[("acme", &id, 10)]);
    let proxy = Proxy::start();
    let consumer = consumer(&stack, &proxy, "");
    consumer.until("gathered", 3);
    consumer.until("refused", 1);
    stack.drained(RESPONSES);
    let letters = stack.letters(RESPONSE_DEAD_LETTERS, 1);
    assert_eq!(
        letters[0].attributes["reason"],
        format!("sent by {OTHER}, not by its provider ({ACME})")
    );
    let prices = ["acme", "globex", &provider(1)].map(|who| quote_of(&stack, &id, who));
    assert_eq!(prices, [10, 20, 30].map(Value::from), "the forged quote came first");
    consumer.stop();
    let asked = ["ListTagsForResource", "ListSubscriptionsByTopic", "ListQueueTags"];
    assert_eq!(asked.map(|name| proxy.count(name)), [1, 1, 3], "once, not for each reply");
    // The letter was received above, and is hidden for a second.
    wait_for("a list with the letter and its reason", || {
        let shown = stack.rydes("dlq list").run().exits(0).stdout;
        shown.contains(&format!("sent by {OTHER}")).then_some(())
    });
}

#[test]
fn without_a_bound_provider_one_request_more_is_made_at_the_start() {
    let stack = Stack::set_up(1);
    stack.rydes("providers add acme").run().exits(0);
    let id = stack.submit("--deadline 10m");
    quotes(&stack, OTHER, &[("acme", &id, 1), (&provider(1), &id, 2)]);
    let proxy = Proxy::start();
    let consumer = consumer(&stack, &proxy, "");
    consumer.until("gathered", 2);
    consumer.stop();
    let asked = ["ListTagsForResource", "ListSubscriptionsByTopic", "ListQueueTags"];
    assert_eq!(asked.map(|name| proxy.count(name)), [1, 0, 0]);
}

#[test]
fn a_binding_that_is_set_changed_or_taken_off_applies_to_a_consumer_that_runs() {
    let stack = Stack::set_up(0);
    stack.rydes("providers add acme").run().exits(0);
    let proxy = Proxy::start();
    let consumer = consumer(&stack, &proxy, "--rules-age 1s");
    let arrives = |account: &str, event: &str, count: usize| {
        let id = stack.submit("--deadline 10m");
        quotes(&stack, account, &[("acme", &id, 1)]);
        consumer.until(event, count);
    };
    arrives(OTHER, "gathered", 1);
    for (change, [gathered, refused]) in
        [(format!("--sender {ACME}"), [ACME, OTHER]), (format!("--sender {OTHER}"), [OTHER, ACME])]
    {
        stack.rydes(&format!("providers add acme {change}")).run().exits(0);
        read_again(&proxy);
        arrives(refused, "refused", consumer.count("refused") + 1);
        arrives(gathered, "gathered", consumer.count("gathered") + 1);
    }
    let freed = stack.rydes("providers add acme --no-sender").run().exits(0);
    says(&freed, "acme: replies of any sender are gathered");
    assert_eq!(stack.queue("acme").tags.get("rydes:sender"), None);
    read_again(&proxy);
    arrives(ACME, "gathered", 4);
    consumer.stop();
}

#[test]
fn a_consumer_that_may_not_read_the_bindings_gathers_nothing() {
    let stack = Stack::set_up(0);
    stack.rydes(&format!("providers add acme --sender {ACME}")).run().exits(0);
    quotes(&stack, OTHER, &[("acme", "x", 1)]);
    for (operation, fault, right) in [
        ("ListTagsForResource", SNS_DENIES, "sns:ListTagsForResource"),
        ("ListSubscriptionsByTopic", SNS_DENIES, "sns:ListSubscriptionsByTopic"),
        ("ListQueueTags", SQS_DENIES, "sqs:ListQueueTags"),
    ] {
        let proxy = Proxy::start();
        proxy.fail(operation, 9, fault);
        let run = stack.rydes("consumer run --poll-wait 1s").env("AWS_ENDPOINT_URL", &proxy.url);
        let refused = run.run().exits(1);
        says(&refused, "the senders of the providers cannot be read");
        says(&refused, &format!("hint: allow `{right}`"));
        assert_eq!(proxy.count("ReceiveMessage"), 0, "{operation}");
    }
    assert_eq!(stack.depth(RESPONSES), 1);
}

#[test]
fn where_bindings_cannot_be_read_again_the_last_ones_stay_in_force() {
    let stack = Stack::set_up(0);
    stack.rydes(&format!("providers add acme --sender {ACME}")).run().exits(0);
    let proxy = Proxy::start();
    let consumer = consumer(&stack, &proxy, "--rules-age 1s");
    read_again(&proxy);
    proxy.fail("ListQueueTags", usize::MAX, SQS_DENIES);
    consumer.until("trouble", 1);
    quotes(&stack, OTHER, &[("acme", "x", 1)]);
    quotes(&stack, ACME, &[("acme", "x", 2)]);
    consumer.until("refused", 1);
    consumer.until("gathered", 1);
    let events = consumer.events();
    let trouble = events.iter().find(|event| event["event"] == "trouble").expect("it came");
    assert_eq!(trouble["subject"], "reading the senders of the providers");
    let reason = trouble["reason"].as_str().expect("a text");
    assert!(reason.contains("not you; the last known ones stay in force"), "{reason}");
    proxy.heal();
    consumer.until("trouble-over", 1);
    consumer.stop();
}

#[test]
fn a_refused_reply_is_refused_again_unless_the_operator_is_a_sender_too() {
    let stack = Stack::set_up(0);
    stack.rydes(&format!("providers add acme --sender {ACME}")).run().exits(0);
    let id = stack.submit("--deadline 10m");
    quotes(&stack, OTHER, &[("acme", &id, 1)]);
    let gather = |event: &str| {
        let consumer = stack.background("consumer run -o jsonl --poll-wait 1s");
        consumer.until(event, 1);
        consumer.stop();
    };
    gather("refused");
    stack.letters(RESPONSE_DEAD_LETTERS, 1);
    let letter = ids(&stack, 1).remove(0);
    let shown = stack.rydes("dlq show").arg(letter).run().exits(0);
    says(
        &shown,
        "a replay is sent with your credentials, so it is refused again unless your id is",
    );
    stack.rydes("dlq replay --all").run().exits(0);
    gather("refused");
    let letters = stack.letters(RESPONSE_DEAD_LETTERS, 1);
    let reason = &letters[0].attributes["reason"];
    assert_eq!(*reason, format!("sent by {OPERATOR}, not by its provider ({ACME})"));
    let both = format!("providers add acme --sender {ACME} --sender {OPERATOR}");
    stack.rydes(&both).run().exits(0);
    wait_for("the letter to be ready again", || {
        let replayed = stack.rydes("dlq replay --all").run();
        replayed.stderr.contains("1 replayed").then_some(())
    });
    gather("gathered");
    assert_eq!(quote_of(&stack, &id, "acme"), 1);
}

#[test]
fn a_binding_is_shown_and_setup_keeps_it() {
    let stack = Stack::set_up(1);
    let both = format!("--sender {ACME} --sender AROA1234567890EXAMPLE");
    let added = stack.rydes(&format!("providers add acme {both} -o json")).run().exits(0);
    assert_eq!(document(&added)["senders"], json!([ACME, "AROA1234567890EXAMPLE"]));
    let own = format!("providers add {} --sender {OPERATOR}", provider(1));
    stack.rydes(&own).run().exits(0);
    let tag = |queue: &str| stack.queue(queue).tags.get("rydes:sender").cloned();
    let tagged = || [tag("acme"), tag(&provider(1))];
    let bound = [format!("{ACME} AROA1234567890EXAMPLE"), OPERATOR.to_owned()].map(Some);
    assert_eq!(tagged(), bound);
    assert_eq!(stack.topic_tags()["rydes:senders"], "true");
    let untag = clients().sns.untag_resource().resource_arn(stack.topic_arn());
    wait(untag.tag_keys("rydes:senders").send()).expect("it goes");
    let mended = stack.rydes("setup --providers 1").run().exits(0);
    says(&mended, " 1 changed in ");
    assert_eq!((stack.topic_tags()["rydes:senders"].as_str(), tagged()), ("true", bound.clone()));
    says(&stack.rydes("setup --providers 1").run().exits(0), " 0 changed in ");
    stack.rydes("providers add acme").run().exits(0);
    assert_eq!(tagged(), bound, "without `--sender`, the binding stays");
    let listed = stack.rydes("providers list").run().exits(0).stdout;
    assert!(listed.contains(&format!("sent by {ACME}, AROA1234567890EXAMPLE")), "{listed}");
    let listed = document(&stack.rydes("providers list -o json").run().exits(0));
    assert_eq!(listed["providers"][1]["senders"], json!([ACME, "AROA1234567890EXAMPLE"]));
    // The simulated provider's own workers are its sender.
    let workers = stack.providers("--behavior steady");
    let id = stack.submit("--deadline 10m");
    quote_of(&stack, &id, &provider(1));
    workers.stop();
}

#[test]
fn an_id_that_no_sender_has_changes_nothing() {
    let stack = Stack::set_up(0);
    let many = (0..12).map(|n| format!("--sender AROA1234567890EXAM{n:03}")).collect::<Vec<_>>();
    for (options, said) in [
        ("--sender acme", "a sender is an account of twelve digits"),
        ("--sender AROA1234567890EXAMPLE:i-1", "before the colon: `AROA1234567890EXAMPLE`"),
        ("--sender 111111111111 --no-sender", "cannot be used with"),
        (&many.join(" "), "a tag holds 256"),
    ] {
        says(&stack.rydes(&format!("providers add acme {options}")).run().exits(2), said);
    }
    assert!(!stack.names().queues.contains(&stack.full("acme")));
    assert_eq!(stack.topic_tags().get("rydes:senders"), None);
}
