//! Where the stack is: out of reach, not set up, in another account or region, or on AWS.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{document, says};
use crate::support::localstack::endpoint;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::Stack;
use crate::support::{free_port, rydes};

/// One of each command that needs the endpoint.
const COMMANDS: [&str; 9] = [
    "setup",
    "providers run",
    "providers list",
    "providers add acme",
    "providers remove acme",
    "consumer run",
    "submit --from A --to B",
    "quotes 00000000-0000-0000-0000-000000000000",
    "teardown --yes",
];

#[test]
fn where_nothing_listens_is_said_at_once() {
    let url = format!("http://127.0.0.1:{}", free_port());
    for command in COMMANDS {
        let began = Instant::now();
        let ran = rydes(&format!("--endpoint-url {url} {command}")).run().exits(6);
        // 3 s are promised; the rest is for a machine that is busy with other tests.
        assert!(began.elapsed() < Duration::from_secs(5), "{command}: {:?}", began.elapsed());
        says(&ran, &format!("error: nothing answers at {url} (--endpoint-url)\n  caused by: "));
        says(&ran, &format!("hint: rydes --endpoint-url {url} localstack up"));
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn the_variable_that_named_the_endpoint_is_named() {
    let url = format!("http://127.0.0.1:{}", free_port());
    for variable in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_SNS",
        "AWS_ENDPOINT_URL_DYNAMODB",
    ] {
        let line = rydes("providers list").env("AWS_ENDPOINT_URL", endpoint()).env(variable, &url);
        says(&line.run().exits(6), &format!("nothing answers at {url} ({variable})"));
    }
}

#[test]
fn one_that_is_busy_is_waited_for() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("/_localstack/health", 1, ProxyFault::Delay(Duration::from_secs(4)));
    let list = stack.rydes("providers list").env("AWS_ENDPOINT_URL", &proxy.url);
    list.run().exits(0);
}

#[test]
fn one_that_accepts_but_never_answers_is_given_up() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = silent.local_addr().expect("it has an address").port();
    let url = format!("http://127.0.0.1:{port}");
    let began = Instant::now();
    let ran = rydes(&format!("--endpoint-url {url} providers list")).run().exits(6);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let cause = "it accepts connections but does not respond within 10 s";
    says(&ran, &format!("error: nothing answers at {url} (--endpoint-url)\n  caused by: {cause}"));
}

#[test]
fn a_localstack_of_another_machine_is_started_there() {
    let ran = rydes("--endpoint-url http://nowhere.invalid:4566 status").run().exits(6);
    says(&ran, "hint: LocalStack must be started on the machine that runs it\n");
    assert!(!ran.stderr.contains("localstack up"), "{}", ran.stderr);
}

#[test]
fn credentials_that_are_refused_are_named() {
    let stack = Stack::set_up(1);
    let id = stack.submit("");
    for (operation, body, command) in [
        (
            "ListSubscriptionsByTopic",
            "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
            "providers list",
        ),
        ("ReceiveMessage", r#"{"__type": "InvalidClientTokenId"}"#, "consumer run"),
        ("Query", r#"{"__type": "UnrecognizedClientException"}"#, "quotes"),
        ("Query", r#"{"__type": "ExpiredTokenException"}"#, "quotes --watch"),
    ] {
        let proxy = Proxy::start();
        proxy.fail(operation, usize::MAX, ProxyFault::Answer(403, body));
        let mut line = stack.rydes(command).env("AWS_ENDPOINT_URL", &proxy.url);
        if operation == "Query" {
            line = line.arg(&id);
        }
        let refused = line.run().exits(6);
        says(&refused, &format!("error: {} ", proxy.url));
        says(&refused, " refuses the credentials");
        assert_eq!(proxy.count(operation), 1, "{command}: once is enough");
    }
}

#[test]
fn a_stack_that_is_not_set_up_says_how_to_do_so() {
    let stack = Stack::new();
    let (name, url) = (&stack.name, endpoint());
    for command in [
        "submit --from A --to B",
        "quotes 00000000-0000-0000-0000-000000000000",
        "quotes 00000000-0000-0000-0000-000000000000 --watch",
        "providers run",
        "providers run --no-consumer UnicornManagementResource1",
        "providers list",
        "providers add acme",
        "providers remove acme",
        "consumer run",
    ] {
        let ran = stack.typed("--region eu-west-1").arg("--output=json");
        let ran = command.split(' ').fold(ran, crate::support::Rydes::arg).run().exits(7);
        says(
            &ran,
            &format!(
                "error: stack {name} is not set up at {url} (account 000000000000, region eu-west-1)"
            ),
        );
        says(
            &ran,
            &format!("hint: rydes --stack {name} --endpoint-url {url} --region eu-west-1 setup "),
        );
        assert_eq!(ran.stdout, "", "{command}");
    }
}

#[test]
fn a_stack_that_is_half_there_is_not_set_up() {
    let stack = Stack::set_up(1);
    let topic =
        crate::support::resources::clients().sns.delete_topic().topic_arn(stack.topic_arn());
    crate::support::resources::wait(topic.send()).expect("it is gone");
    for command in ["submit --from A --to B", "providers list", "providers run"] {
        says(&stack.run(command).exits(7), &format!("stack {} is not set up at ", stack.name));
    }
}

#[test]
fn twelve_digits_choose_an_account() {
    let stack = Stack::new();
    let account = format!("{:012}", std::process::id());
    let there = |arguments: &str| stack.typed(arguments).env("AWS_ACCESS_KEY_ID", &account);
    let setup = there("setup --providers 1").run().exits(0);
    says(&setup, &format!("(account {account})"));
    let listed = document(&there("providers list -ojson").run().exits(0));
    let arn = listed["providers"][0]["queue-arn"].as_str().expect("an ARN");
    assert!(arn.contains(&format!(":{account}:")), "{arn}");
    says(&stack.run("providers list").exits(7), "(account 000000000000, region us-east-1)");
    // Anything but twelve digits is a leftover of the shell's.
    let leftover = stack.typed("providers list").env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    says(&leftover.run().exits(7), "(account 000000000000, region us-east-1)");
    says(&stack.run("teardown --yes").exits(0), "is here");
    says(&there("teardown --yes").run().exits(0), "removed 7;");
}

#[test]
fn the_shells_region_does_not_move_the_stack() {
    let stack = Stack::set_up(1);
    let leftovers = stack.typed("providers list").env("AWS_REGION", "eu-west-1");
    leftovers.env("AWS_DEFAULT_REGION", "eu-west-1").env("AWS_PROFILE", "work").run().exits(0);
    let elsewhere = stack.typed("providers list").env("RYDES_REGION", "eu-west-1").run().exits(7);
    says(&elsewhere, "region eu-west-1)");
    let typed = stack.typed("providers list --region us-east-1").env("RYDES_REGION", "eu-west-1");
    typed.run().exits(0);
}

#[test]
fn aws_is_never_reached_by_accident() {
    for url in [
        "https://sqs.eu-central-1.amazonaws.com",
        "https://sns.cn-north-1.amazonaws.com.cn",
        "https://dynamodb.us-east-1.api.aws",
    ] {
        for command in COMMANDS {
            let typed = rydes(&format!("--endpoint-url {url} {command}")).run().exits(2);
            says(&typed, "--endpoint-url points at real AWS; say --aws if you mean it");
        }
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SNS"] {
            let set = rydes("setup").env(variable, url).run().exits(2);
            says(&set, &format!("{variable} points at real AWS; say --aws if you mean it"));
        }
    }
}

#[test]
fn with_aws_the_stack_is_named_and_nothing_local_is() {
    for command in COMMANDS {
        let nameless = rydes(&format!("--aws {command}")).run().exits(2);
        says(&nameless, "--aws requires a stack: --stack NAME or RYDES_STACK");
        let both = rydes(&format!("--aws --stack x --endpoint-url http://localhost:1 {command}"));
        says(&both.run().exits(2), "`--endpoint-url` cannot be used with `--aws`");
    }
    let local = rydes("--aws --stack x setup").env("AWS_ENDPOINT_URL", "http://localhost:4566");
    says(&local.run().exits(2), "AWS_ENDPOINT_URL points at this machine");
    says(&rydes("--profile x setup").run().exits(2), "`--profile` is for --aws");
}
