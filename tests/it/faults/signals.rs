//! The terminal's window is closed: SIGHUP, unless it was ignored from the beginning.

use rustix::process::Signal;

use crate::support::background::Background;
use crate::support::localstack::endpoint;
use crate::support::resources::Names;
use crate::support::stack::{Stack, provider};
use crate::support::{PATIENCE, shell, wait_for};

#[test]
fn workers_drain_and_waits_say_so_by_their_code() {
    let stack = Stack::set_up(1);
    let workers = stack.providers("--behavior steady --think 3s..3s");
    let id = stack.submit("--deadline 10m");
    workers.until("received", 1);
    // A shell and the kernel send one each.
    workers.signal(Signal::HUP);
    workers.says("stopping: 1 request in hand");
    workers.signal(Signal::HUP);
    let ended = workers.ends(PATIENCE).exits(0);
    assert!(ended.stderr.contains("done: 1 request: 1 quoted"), "{}", ended.stderr);
    assert_eq!(stack.rows(&id).len(), 2);
    stack.submit("--deadline 10m");
    let wait = stack.background("quotes --watch");
    wait.says("the copy lies unread");
    wait.signal(Signal::HUP);
    let ended = wait.ends(PATIENCE).exits(129);
    assert!(ended.stderr.contains("the wait ended, the gathering goes on: "), "{}", ended.stderr);
    assert!(ended.stdout.contains("0 of 1 answered"), "{}", ended.stdout);
    let server = stack.serve();
    server.process.signal(Signal::HUP);
    wait_for("the server has ended", || ureq::get(&server.url).call().err().map(drop));
}

#[test]
fn a_bench_leaves_nothing_behind() {
    let stack = Stack::new();
    let bench = stack.background("bench --providers 2 --count 1000 --rate 5");
    wait_for("the stack", || (stack.names().tables.len() == 1).then_some(()));
    bench.signal(Signal::HUP);
    bench.signal(Signal::HUP);
    bench.ends(PATIENCE).exits(129);
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn an_ignored_one_stays_ignored() {
    let stack = Stack::set_up(1);
    let run = format!(
        "trap '' HUP; exec rydes --endpoint-url {} --stack {} providers run -o jsonl \
         --behavior steady --poll-wait 2s",
        endpoint(),
        stack.name
    );
    let workers = Background::start(shell(&run));
    workers.says("with the response consumer");
    workers.signal(Signal::HUP);
    let id = stack.submit("--deadline 60s");
    workers.until("gathered", 1);
    assert!(stack.rows(&id).iter().any(|row| row["responder"] == provider(1)));
    let said = workers.stop().stderr;
    assert_eq!(said.matches("stopping: ").count(), 1, "{said}");
}
