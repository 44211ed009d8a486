//! How long workers take to stop, and what they say meanwhile.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::background::Background;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;

#[test]
fn idle_workers_stop_within_a_short_poll_and_say_what_they_wait_for() {
    let stack = Stack::set_up(10);
    for (run, queues) in
        [("providers run --progress plain", 11), ("consumer run --progress plain", 1)]
    {
        let proxy = Proxy::start();
        let workers = Background::start(stack.rydes(run).env("AWS_ENDPOINT_URL", &proxy.url));
        // Every queue is polled then.
        proxy.until("ReceiveMessage", queues);
        let began = Instant::now();
        workers.signal(Signal::INT);
        let ended = workers.ends(PATIENCE).exits(0);
        let took = began.elapsed();
        let said = "open polls end within 2 s. Ctrl-C again ends at once; a message received just \
                    then comes back after 30 s";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        // A poll as AWS is asked for would take up to 20 s.
        assert!(took < Duration::from_secs(6), "{took:?}");
    }
}

#[test]
fn a_poll_may_be_as_long_as_it_is_on_aws() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let run = stack.rydes("providers run --progress plain --poll-wait 20s");
    let workers = Background::start(run.env("AWS_ENDPOINT_URL", &proxy.url));
    // Both queues are polled then.
    proxy.until("ReceiveMessage", 2);
    workers.signal(Signal::TERM);
    workers.says("stopping: no request in hand, open polls end within 20 s.");
    workers.signal(Signal::TERM);
    workers.ends(Duration::from_secs(10)).exits(143);
}

#[test]
fn a_request_that_a_second_signal_leaves_behind_comes_back() {
    let stack = Stack::set_up(1);
    let run = "providers run -o jsonl --behavior steady --visibility 3s --think 60s..60s";
    let workers = stack.background(run);
    let id = stack.submit("--deadline 10m");
    workers.until("received", 1);
    workers.signal(Signal::INT);
    workers.says("stopping: 1 request in hand, at most 25 s.");
    workers.signal(Signal::INT);
    workers.ends(Duration::from_secs(10)).exits(130);
    let _workers = stack.providers("--behavior steady");
    stack.rydes("quotes --watch").arg(&id).run().exits(0);
}

#[test]
fn a_stop_beside_another_consumer_does_not_wait_for_what_that_one_gathers() {
    let stack = Stack::set_up(1);
    let workers = stack.background("providers run -o jsonl --behavior steady --no-consumer");
    let both = stack.background("providers run -o jsonl --behavior steady");
    let consumers: Vec<_> = (0..3).map(|_| stack.background("consumer run -o jsonl")).collect();
    let ids: Vec<_> = (0..10).map(|_| stack.submit("--deadline 60s")).collect();
    for id in &ids {
        stack.rydes("quotes --watch -q").arg(id).run().exits(0);
    }
    std::thread::sleep(Duration::from_secs(3));
    let began = Instant::now();
    both.signal(Signal::INT);
    both.ends(PATIENCE).exits(0);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop((workers, consumers));
}
