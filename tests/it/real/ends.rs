//! Stops, kills and what is left of processes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{folder, own_sleep, processes, repeats, run};
use crate::support::background::Background;
use crate::support::proxy::Proxy;
use crate::support::resources::{clients, wait};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack};
use crate::support::wait_for;

/// A program that runs for ten minutes, and a child of it.
fn sleeper(sleep: &str, more: &str) -> String {
    format!(
        "command = ['sh', '-c', '{more} sleep {sleep} & sleep {sleep}; echo 7']\ntimeout = \"1h\"\nconcurrency = 20"
    )
}

/// Waits until so many programs run.
#[track_caller]
fn begun(workers: &Background, count: usize) {
    workers.until("asked", count);
}

#[test]
fn a_stop_ends_programs_and_gives_their_requests_back() {
    const REQUESTS: usize = 20;
    let sleep = own_sleep();
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", sleeper(&sleep, ""))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    (0..REQUESTS).for_each(|_| drop(stack.submit("--deadline 10m")));
    begun(&workers, REQUESTS);
    wait_for("the programs run", || (processes(&sleep) >= 3 * REQUESTS).then_some(()));
    let stopped = Instant::now();
    let ran = workers.stop();
    let took = stopped.elapsed();
    assert!((18..25).contains(&took.as_secs()), "{took:?}: it waits for them, but not for ever");
    assert_eq!(processes(&sleep), 0);
    assert!(ran.stderr.contains("20 returned to the queues"), "{}", ran.stderr);
    assert_eq!((stack.depth("acme"), stack.in_flight("acme")), (REQUESTS, 0));
}

#[test]
fn the_answer_of_a_program_that_ends_within_the_drain_is_sent() {
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", "command = ['sh', '-c', 'sleep 3; echo 7']".to_owned())]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 30s");
    begun(&workers, 1);
    workers.stop();
    stack.row_when(&id, "acme", |row| row["quote"] == 7);
}

#[test]
fn nothing_outlives_a_worker_that_is_killed_and_nothing_is_lost() {
    let sleep = own_sleep();
    let stack = Stack::with_real(0, &["acme", "deaf"]);
    let programs = folder(&[
        ("acme", sleeper(&sleep, "")),
        ("deaf", sleeper(&sleep, "trap \"\" TERM HUP INT;")),
    ]);
    let workers = run(&stack, &programs, "--visibility 15s");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 10m");
    begun(&workers, 2);
    wait_for("the programs run", || (processes(&sleep) >= 6).then_some(()));
    workers.kill();
    wait_for("no process is left", || (processes(&sleep) == 0).then_some(()));
    let answers = folder(&[
        ("acme", "command = ['sh', '-c', 'echo $RYDES_ATTEMPT']".to_owned()),
        ("deaf", "command = ['sh', '-c', 'echo 8']".to_owned()),
    ]);
    let workers = run(&stack, &answers, "");
    stack.row_when(&id, "acme", |row| row["quote"] == 2);
    stack.row_when(&id, "deaf", |row| row["quote"] == 8);
    workers.stop();
}

#[test]
fn workers_killed_at_random_lose_nothing_double_nothing_and_leave_no_process() {
    const BATCH: usize = 5;
    let kills = repeats("RYDES_TEST_REAL_KILLS", 4);
    let sleep = own_sleep();
    let stack = Stack::with_real(0, &["acme", "globex"]);
    let quick = "concurrency = 4\ncommand = ['sh', '-c', 'sleep 0.2; echo 7']".to_owned();
    let leaves =
        format!("concurrency = 4\ncommand = ['sh', '-c', 'sleep {sleep} & sleep 0.3; echo 8']");
    let folder = folder(&[("acme", quick), ("globex", leaves)]);
    let mut ids = Vec::new();
    for kill in 0..kills {
        ids.extend((0..BATCH).map(|_| stack.submit("--deadline 30m")));
        let workers = run(&stack, &folder, "--visibility 2s");
        workers.says(" on LocalStack ");
        // Moments that differ from kill to kill, and are the same in each run.
        std::thread::sleep(Duration::from_millis(100 + (kill as u64 * 379) % 1_300));
        workers.kill();
        wait_for("no process is left", || (processes(&sleep) == 0).then_some(()));
    }
    let workers = run(&stack, &folder, "--visibility 2s");
    for id in &ids {
        stack.row_when(id, "acme", |row| row["quote"] == 7);
        stack.row_when(id, "globex", |row| row["quote"] == 8);
        assert_eq!(stack.rows(id).len(), 3, "one row each");
        stack.rydes("verify --wait").arg(id).run().exits(0);
    }
    for name in ["acme", "globex"] {
        stack.drained(name);
    }
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 0);
    workers.stop();
    assert_eq!(processes(&sleep), 0);
}

#[test]
fn a_second_signal_leaves_at_once_and_leaves_no_process() {
    let sleep = own_sleep();
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", sleeper(&sleep, "trap \"\" TERM;"))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    stack.submit("--deadline 10m");
    begun(&workers, 1);
    wait_for("the program runs", || (processes(&sleep) > 0).then_some(()));
    workers.signal(Signal::INT);
    workers.says("stopping: 1 request in hand");
    workers.signal(Signal::INT);
    workers.ends(Duration::from_secs(5)).exits(130);
    wait_for("no process is left", || (processes(&sleep) == 0).then_some(()));
}

#[test]
fn a_queue_of_the_right_name_that_is_another_s_is_left_alone() {
    let stack = Stack::with_real(1, &[]);
    // It has the stack's prefix, and not its tag.
    let create = clients().sqs.create_queue().queue_name(stack.full("orders"));
    wait(create.send()).expect("the queue is made");
    stack.send("orders", "an order");
    let refused = stack.rydes("providers run orders -- true").run().exits(2);
    assert!(refused.stderr.contains("no provider orders is subscribed"), "{}", refused.stderr);
    assert_eq!((stack.depth("orders"), stack.in_flight("orders")), (1, 0));
}

#[test]
fn the_owner_of_one_provider_needs_rights_on_three_queues_alone() {
    let stack = Stack::with_real(1, &["acme"]);
    let proxy = Proxy::start();
    let run = stack.rydes("providers run acme --no-consumer -o jsonl --poll-wait 2s -- sh -c");
    let run = run.arg("test $RYDES_ATTEMPT = 2").env("AWS_ENDPOINT_URL", &proxy.url);
    let workers = Background::start(run);
    workers.says(" on LocalStack ");
    stack.submit("--deadline 30s");
    workers.until("answered", 1);
    workers.stop();
    assert_eq!(stack.letters(PROVIDER_DEAD_LETTERS, 1).len(), 1);
    let allowed = [
        "GetQueueUrl",
        "GetQueueAttributes",
        "ListQueueTags",
        "ReceiveMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
        "SendMessageBatch",
    ];
    // AWS has no such path.
    let seen = proxy.seen().into_iter().filter(|one| one != "/_localstack/health");
    let seen: BTreeSet<_> = seen.collect();
    let others: Vec<_> = seen.iter().filter(|one| !allowed.contains(&one.as_str())).collect();
    assert!(others.is_empty() && seen.contains("SendMessageBatch"), "{seen:?}");
}

#[test]
fn a_watcher_that_is_killed_is_replaced() {
    let sleep = own_sleep();
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", sleeper(&sleep, ""))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    stack.submit("--deadline 10m");
    begun(&workers, 1);
    wait_for("the program runs", || (processes(&sleep) >= 3).then_some(()));
    kill_children(workers.id(), "begun)");
    stack.submit("--deadline 10m");
    begun(&workers, 2);
    wait_for("the programs run", || (processes(&sleep) >= 6).then_some(()));
    workers.kill();
    wait_for("no process is left", || (processes(&sleep) == 0).then_some(()));
}

/// Kills the children of a process that have this in their command line.
fn kill_children(parent: u32, mark: &str) {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.expect("the kernel lists them");
    let mut killed = 0;
    for child in children.split_whitespace() {
        let text = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(mark) {
            let child = rustix::process::Pid::from_raw(child.parse().expect("a number"));
            rustix::process::kill_process(child.expect("a process"), Signal::KILL)
                .expect("it runs");
            killed += 1;
        }
    }
    assert_eq!(killed, 1, "one watcher");
}
