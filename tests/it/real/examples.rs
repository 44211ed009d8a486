//! What `rydes providers add --example` prints, saved and run as it is.

use std::path::Path;
use std::time::Instant;

use aws_sdk_sqs::types::QueueAttributeName;
use rustix::process::Signal;
use tempfile::TempDir;

use super::write;
use crate::support::background::Background;
use crate::support::languages::{node, python};
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::Stack;
use crate::support::{PATIENCE, Rydes, beside_rydes, document, json, says, wait_for};

const REFUSED: &str = r#"{"__type": "com.amazonaws.sqs#InvalidMessageContents"}"#;

/// Saves an example, runs it, and lets it answer through a proxy.
fn answers(language: &str, folder: &Path, file: &str, program: Rydes) {
    let stack = Stack::set_up(0);
    let proxy = Proxy::start();
    let add = format!("providers add acme --example {language}");
    let added = stack.rydes(&add).env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    says(&added, "acme is ready; what its owner needs:");
    says(&added, &format!("Endpoint     {}", proxy.url));
    assert!(added.stdout.lines().count() <= 30, "{}", added.stdout);
    write(folder, file, &added.stdout);

    let consumer = stack.background("consumer run --poll-wait 2s");
    for malformed in ["not JSON", "[7]", "{}"] {
        stack.send("acme", malformed);
    }
    let started = Instant::now();
    let program = Background::start(program.arg(folder.join(file)));
    let id = stack.submit("--deadline 60s");
    stack.row_when(&id, "acme", |row| row["quote"] == 33);
    wait_for("the request is deleted", || (proxy.count("DeleteMessage") == 1).then_some(()));
    let met = || program.errors("no reply:") as u64;
    wait_for("each malformed one was met", || (met() >= 3).then_some(()));
    // Each is delivered once in 30 s, and a poll that finds nothing waits for 20 s.
    let (seconds, receives) = (started.elapsed().as_secs(), proxy.count("ReceiveMessage"));
    assert!(met() <= 3 * (seconds / 30 + 1), "{} in {seconds} s", met());
    assert!(receives as u64 <= met() + seconds / 20 + 3, "{receives} in {seconds} s");

    // A reply that SQS refuses: the request is not deleted, and comes back.
    stack.set("acme", QueueAttributeName::VisibilityTimeout, "1");
    let before = proxy.seen().len();
    proxy.fail("SendMessage", 1, ProxyFault::Answer(400, REFUSED));
    let id = stack.submit("--deadline 60s");
    stack.row_when(&id, "acme", |row| row["quote"] == 33);
    wait_for("it is deleted too", || (proxy.count("DeleteMessage") == 2).then_some(()));
    let seen = proxy.seen().split_off(before);
    let sent: Vec<_> = seen.iter().filter(|seen| *seen != "ReceiveMessage").collect();
    assert_eq!(sent, ["SendMessage", "SendMessage", "DeleteMessage"]);
    program.signal(Signal::INT);
    let ended = program.ends(PATIENCE);
    let after = ended.stderr.lines().filter(|line| !line.starts_with("no reply:"));
    assert_eq!((after.count(), ended.code), (0, None), "Ctrl-C is no error: {}", ended.stderr);
    consumer.stop();
}

#[test]
fn the_example_in_python_answers() {
    let folder = TempDir::new().expect("a temporary folder");
    let python = python().display().to_string();
    answers("python", folder.path(), "acme.py", beside_rydes(&python));
}

#[test]
fn the_example_for_node_answers() {
    let folder = TempDir::new_in(node()).expect("a temporary folder");
    answers("node", folder.path(), "acme.mjs", beside_rydes("node"));
}

#[test]
fn an_example_is_for_a_real_provider_and_stands_in_the_json_too() {
    let stack = Stack::set_up(1);
    let simulated = "providers add UnicornManagementResource1 --example python";
    let refused = stack.run(&format!("{simulated} --only {{}}")).exits(2);
    says(&refused, "UnicornManagementResource1 is a simulated provider: `--example` is for real");
    assert_eq!(refused.stdout, "");
    says(&stack.run("providers add acme --example perl").exits(2), "python, node");

    let told = document(&stack.run("providers add acme --example node -o json").exits(0));
    let printed = stack.run("providers add acme --example node -q").exits(0);
    assert_eq!(told["example"].as_str().map(|text| format!("{text}\n")), Some(printed.stdout));
    assert_eq!(printed.stderr, "");
    assert_eq!(
        told["credentials"],
        json(r#"{"access-key-id": "test", "secret-access-key": "test"}"#)
    );
}
