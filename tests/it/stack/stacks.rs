//! `rydes stacks`, and what tells the stacks of a class apart on one LocalStack: accounts and keys.

use tempfile::TempDir;

use super::{document, says};
use crate::support::aws::Aws;
use crate::support::localstack::endpoint;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};
use crate::support::{Rydes, rydes};

/// An account that no other test has.
fn account(number: u32) -> String {
    format!("{number}{:010}", std::process::id())
}

fn on(account: &str, arguments: &str) -> Rydes {
    rydes(arguments).env("AWS_ENDPOINT_URL", endpoint()).env("AWS_ACCESS_KEY_ID", account)
}

#[test]
fn those_of_one_account_are_listed_with_their_sizes() {
    let account = &account(81);
    let none = on(account, "stacks").run().exits(0);
    assert_eq!(none.stdout, "");
    says(&none, &format!(", account {account}, us-east-1\n"));
    says(&none, "no stack is here: rydes setup\n");
    for (stack, providers) in [("team2", 2), ("team10", 1)] {
        on(account, &format!("--stack {stack} setup --providers {providers}")).run().exits(0);
    }
    on(account, "--stack team2 submit --from A --to B").run().exits(0);
    let listed = on(account, "stacks").run().exits(0);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = listed.stdout.lines().map(words).collect();
    assert_eq!(lines[0], ["STACK", "AGE", "PROVIDERS", "ROWS", "DEAD", "LETTERS"]);
    let without_age: Vec<_> = lines[1..].iter().map(|line| (&*line[0], &line[3..])).collect();
    let row = |providers: &str, rows: &str| [providers, rows, "0"].map(str::to_owned);
    assert_eq!(without_age, [("team2", &row("2", "1")[..]), ("team10", &row("1", "0")[..])]);
    says(&listed, "ROWS: one per RFQ and one per reply\n");
    let one = document(&on(account, "stacks --stack team10 -o json").run().exits(0));
    assert_eq!(
        (one["stacks"].as_array().map(Vec::len), &one["account"]),
        (Some(1), &account.as_str().into())
    );
    assert!(one["stacks"][0]["made-at"].is_string(), "{one}");
    for stack in ["team2", "team10"] {
        on(account, &format!("--stack {stack} teardown --yes")).run().exits(0);
    }
    assert_eq!(on(account, "stacks").run().exits(0).stdout, "");
}

#[test]
fn the_tag_decides_and_what_is_left_of_a_stack_shows() {
    let stack = Stack::set_up(1);
    stack.send(RESPONSE_DEAD_LETTERS, "x");
    let list = |stack: &Stack| {
        let list = stack.rydes(&format!("stacks --stack {} -o json", stack.name));
        document(&list.run().exits(0))["stacks"].clone()
    };
    let whole = list(&stack);
    assert_eq!((&whole[0]["providers"], &whole[0]["rows"]), (&1.into(), &0.into()));
    assert_eq!(whole[0]["dead-letters"], serde_json::json!({"requests": 0, "responses": 1}));
    // The table alone is gone.
    stack.delete_table();
    let rest = list(&stack);
    assert_eq!((&rest[0]["rows"], &rest[0]["providers"]), (&serde_json::Value::Null, &1.into()));
    assert!(rest[0]["made-at"].is_string(), "{rest}");
    // Names of the right form, without the tag.
    let other = Stack::new();
    other.make_queue(RESPONSE_DEAD_LETTERS);
    assert_eq!(list(&other), serde_json::json!([]));
    let url = other.queue_url(RESPONSE_DEAD_LETTERS);
    let tag = clients().sqs.tag_queue().queue_url(&url).tags("rydes:stack", "another");
    wait(tag.send()).expect("it is tagged");
    assert_eq!(list(&other), serde_json::json!([]), "it is another's");
    let tag = clients().sqs.tag_queue().queue_url(&url).tags("rydes:stack", &other.name);
    wait(tag.send()).expect("it is tagged");
    assert_eq!(list(&other)[0]["stack"], other.name.as_str());
    wait(clients().sqs.delete_queue().queue_url(url).send()).expect("it goes");
}

#[test]
fn a_stack_that_may_not_be_read_does_not_end_the_list() {
    const DENIED: &str = r#"{"__type": "AccessDeniedException", "message": "not you"}"#;
    let account = &account(85);
    for stack in ["team1", "team2"] {
        on(account, &format!("--stack {stack} setup --providers 1")).run().exits(0);
    }
    let proxy = Proxy::start();
    let list = |options: &str| {
        proxy.fail("DescribeTable", 1, ProxyFault::Answer(400, DENIED));
        let list = on(account, &format!("stacks {options}"));
        list.env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0)
    };
    let listed = list("");
    assert_eq!(listed.stdout.lines().count(), 2, "{}", listed.stdout);
    says(&listed, "1 stack may not be read\n");
    let told = document(&list("-o json"));
    assert_eq!(
        (told["stacks"].as_array().map(Vec::len), &told["unreadable"]),
        (Some(1), &1.into())
    );
    for stack in ["team1", "team2"] {
        on(account, &format!("--stack {stack} teardown --yes")).run().exits(0);
    }
}

#[test]
fn all_pages_are_read_and_few_requests_made() {
    // Alone in its account: the others' names would fill more than a page.
    let account = &account(84);
    on(account, "setup --providers 12").run().exits(0);
    let proxy = Proxy::start();
    let list = || {
        let told = on(account, "stacks -o json").env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
        document(&told)["stacks"].clone()
    };
    assert_eq!(list()[0]["providers"], 12);
    let mut seen = proxy.seen();
    seen.retain(|operation| !operation.starts_with('/'));
    seen.sort_unstable();
    let expected = [
        "DescribeTable",
        "GetQueueAttributes",
        "GetQueueAttributes",
        "ListQueues",
        "ListSubscriptionsByTopic",
        "ListTables",
        "ListTagsOfResource",
    ];
    assert_eq!(seen, expected);
    // The first pages are without it.
    proxy.rewrite("ListTables", 1, |_| {
        r#"{"TableNames": [], "LastEvaluatedTableName": "abc"}"#.to_owned()
    });
    proxy.rewrite("ListQueues", 1, |_| r#"{"QueueUrls": [], "NextToken": "abc"}"#.to_owned());
    let told = list();
    assert_eq!((&told[0]["rows"], &told[0]["providers"]), (&0.into(), &12.into()));
    assert_eq!((proxy.count("ListTables"), proxy.count("ListQueues")), (3, 3));
    on(account, "teardown --yes").run().exits(0);
}

#[test]
fn on_aws_no_stack_must_be_named() {
    let (aws, account) = (Aws::start(), &account(82));
    let run = |line: &str| aws.rydes(account, line).run();
    says(&run("stacks").exits(0), "no stack is here: rydes --aws --stack NAME setup\n");
    run("--stack mine setup --providers 1").exits(0);
    let listed = run("stacks").exits(0);
    assert!(listed.stdout.contains("\nmine "), "{}", listed.stdout);
    says(&listed, &format!("AWS, account {account}, eu-west-1\n"));
    says(&listed, "as DynamoDB counts them every 6 hours");
    let told = document(&run("stacks -o json").exits(0));
    assert_eq!(told["stacks"][0]["account"], account.as_str());
    run("--stack mine teardown --confirm mine").exits(0);
    run("status").exits(2);
}

#[test]
fn a_key_that_chooses_no_account_is_named_once() {
    const SAID: &str =
        "AWS_ACCESS_KEY_ID is not twelve digits, so LocalStack's account is 000000000000\n";
    let stack = Stack::set_up(1);
    let run = |line: &str, key: &str| {
        let ran = stack.rydes(line).env("AWS_ACCESS_KEY_ID", key).run();
        assert!(!ran.stderr.contains("AKIA") && !ran.stdout.contains("AKIA"), "{ran:?}");
        ran.stderr.matches(SAID).count()
    };
    for line in ["status", "stacks -o json", "setup --providers 1", "submit --from A --to B"] {
        assert_eq!(run(line, "AKIAIOSFODNN7EXAMPLE"), 1, "{line}");
        for key in ["test", "000000000000", ""] {
            assert_eq!(run(line, key), 0, "{line}: {key}");
        }
    }
    assert_eq!(run("status --quiet", "AKIAIOSFODNN7EXAMPLE"), 0);
    assert_eq!(run("--help", "AKIAIOSFODNN7EXAMPLE"), 0);
}

#[test]
fn teardown_and_status_name_the_account() {
    let stack = Stack::set_up(1);
    let status = stack.rydes("status").run().exits(0).stdout;
    let first = status.lines().next().unwrap_or_default();
    assert!(first.ends_with(", account 000000000000, us-east-1"), "{first}");
    let told = document(&stack.rydes("status -o json").run().exits(0));
    assert_eq!(told["account"], "000000000000");
    says(&stack.rydes("teardown -n").run().exits(0), " (account 000000000000)\n");
    let told = document(&stack.rydes("teardown -n -o json").run().exits(0));
    assert_eq!(told["account"], "000000000000");
    assert_eq!(stack.depth(&provider(1)), 0);
}

#[test]
fn only_its_own_localstack_without_other_stacks_is_to_be_stopped() {
    const ADVICE: &str = "LocalStack is still up: rydes ";
    let account = &account(83);
    let nowhere = TempDir::new().expect("a folder");
    let run = |line: &str| on(account, line);
    run("--stack one setup --providers 1").run().exits(0);
    run("--stack two setup --providers 1").run().exits(0);
    let first = run("--stack one teardown --yes").run().exits(0).stderr;
    assert!(!first.contains("still up"), "two is there: {first}");
    run("--stack three setup --providers 1").run().exits(0);
    run("--stack two teardown --yes").run().exits(0);
    let foreign = run("--stack three teardown --yes").env("RYDES_CACHE_DIR", nowhere.path());
    let foreign = foreign.run().exits(0).stderr;
    assert!(!foreign.contains("still up"), "another user started it: {foreign}");
    let proxy = Proxy::start();
    run("--stack five setup --providers 1").run().exits(0);
    let apart = run("--stack five teardown --yes").env("AWS_ENDPOINT_URL_SNS", &proxy.url);
    let apart = apart.run().exits(0).stderr;
    assert!(!apart.contains("still up"), "its services are not one LocalStack: {apart}");
    run("--stack four setup --providers 1").run().exits(0);
    says(&run("--stack four teardown --yes").run().exits(0), ADVICE);
}
