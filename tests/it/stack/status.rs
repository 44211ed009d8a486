//! `rydes status`: the queues, the dead letters and the RFQs submitted from this machine.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::json;
use crate::support::proxy::Proxy;
use crate::support::resources::{clients, wait};
use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};

#[test]
fn it_tells_who_reads_what_and_how_rfqs_stand() {
    let stack = Stack::set_up(3);
    let empty = stack.rydes("status").run().exits(0);
    let lines: Vec<_> = empty.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("stack {} on LocalStack 4.14.0, http", stack.name)));
    assert!(lines[0].ends_with(", us-east-1"), "{}", lines[0]);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["QUEUE", "READY", "IN", "HAND"]);
    assert_eq!(
        lines[2].split_whitespace().collect::<Vec<_>>(),
        ["UnicornManagementResource1..3", "0", "0"],
        "those that hold the same share a line"
    );
    assert!(empty.stderr.contains("no RFQ was submitted from this machine yet"));

    let done = stack.submit("--deadline 10m --until 1");
    let _open = stack.submit("--deadline 10m");
    stack.put(&json!({"id": done, "responder": provider(2), "quote": 16}));
    stack.send(&provider(3), "one more");
    stack.send(RESPONSE_DEAD_LETTERS, "what was it?");
    let shown = stack.rydes("status").run().exits(0).stdout;
    let line = |start: &str| {
        let line = shown.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start}: {shown}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("UnicornManagementResource1"),
        "UnicornManagementResource1..2 2 0 no reader, in each"
    );
    assert_eq!(line("UnicornManagementResource3"), "UnicornManagementResource3 3 0 no reader");
    assert_eq!(line("responses"), "responses 0 0");
    assert_eq!(line("dead letters (requests)"), "dead letters (requests) 0 -");
    assert_eq!(line("dead letters (responses)"), "dead letters (responses) 1 - rydes dlq list");
    let of_done = line(&done[..8]);
    assert!(of_done.contains("Frankfurt -> Rome") && of_done.contains(" 1/3 16 "), "{of_done}");
    assert!(of_done.ends_with("ended after 1 quote, as asked"), "{of_done}");
    let newest = shown.lines().nth_back(1).expect("two RFQs");
    assert!(newest.contains(" 0/3 ") && newest.contains("gathering, 9 min left"), "{newest}");
}

#[test]
fn it_asks_each_queue_once_and_scans_nothing() {
    let stack = Stack::set_up(4);
    let proxy = Proxy::start();
    let on_proxy = |arguments: &str| stack.anywhere(&format!("--stack {} {arguments}", stack.name));
    let ask =
        |arguments: &str| on_proxy(arguments).env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    for _ in 0..2 {
        ask("submit --from A --to B");
    }
    let before = ["GetQueueAttributes", "GetQueueUrl", "Query"].map(|name| proxy.count(name));
    let told = json(&ask("status -o json").stdout);
    let after = ["GetQueueAttributes", "GetQueueUrl", "Query"].map(|name| proxy.count(name));
    let asked: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(asked, [7, 1, 2], "four providers, responses, two of dead letters; two RFQs");
    assert_eq!(proxy.count("Scan") + proxy.count("ReceiveMessage"), 0);
    assert_eq!(told["rfqs"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["providers"][0]["unread"], true);
    let one = json(&ask("status --rfqs 1 -o json").stdout);
    assert_eq!(one["rfqs"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["rfqs"][0], told["rfqs"][0], "the newest first");
}

#[test]
fn rfqs_and_queues_that_are_gone_are_told() {
    Stack::new().rydes("status").run().exits(7);
    let stack = Stack::set_up(2);
    let gone = stack.submit("--deadline 10m");
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let forget = clients().dynamodb.delete_item().table_name(stack.full("RidesBookingTable"));
    wait(forget.key("id", key(&gone)).key("responder", key("-")).send()).expect("it goes");
    let delete = clients().sqs.delete_queue().queue_url(stack.queue_url(&provider(2)));
    wait(delete.send()).expect("it goes");
    let shown = stack.rydes("status").run().exits(0);
    assert!(shown.stderr.contains("1 RFQ submitted from this machine is no longer in the table"));
    let second = shown.stdout.lines().find(|line| line.starts_with(&provider(2)));
    let second = second.unwrap_or_else(|| panic!("{}", shown.stdout));
    assert!(second.ends_with("-        -  no such queue here"), "{second:?}");
    let told = json(&stack.rydes("status -o json").run().exits(0).stdout);
    assert_eq!(told["rfqs"], Value::Array(Vec::new()));
    assert_eq!(
        (&told["providers"][1]["ready"], &told["version"]),
        (&Value::Null, &"4.14.0".into())
    );
}

#[test]
fn where_no_rfq_is_asked_for_none_is_said_to_be_missing() {
    let stack = Stack::set_up(1);
    let none = stack.rydes("status").run().exits(0).stderr;
    assert!(none.contains("no RFQ was submitted from this machine yet: "), "{none}");
    stack.submit("--deadline 10m");
    let shown = stack.rydes("status --rfqs 0").run().exits(0);
    assert!(shown.stdout.contains(&provider(1)), "{}", shown.stdout);
    assert!(!shown.stderr.contains("no RFQ was submitted"), "{}", shown.stderr);
}
