//! How long workers take to stop, and what they say meanwhile.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::stack::Stack;

#[test]
fn idle_workers_stop_within_a_short_poll_and_say_what_they_wait_for() {
    let stack = Stack::set_up(10);
    for run in ["providers run --progress plain", "consumer run --progress plain"] {
        let workers = stack.background(run);
        workers.says("consumer");
        // Every queue is polled by now.
        std::thread::sleep(Duration::from_secs(3));
        let began = Instant::now();
        workers.signal(Signal::INT);
        let ended = workers.ends(PATIENCE).exits(0);
        let took = began.elapsed();
        let said = "stopping: nothing in hand, open polls end within 2 s. Ctrl-C again leaves now: \
                    what is in hand or was just received comes back after 30 s";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        // A poll as AWS is asked for would take up to 20 s.
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn a_poll_may_be_as_long_as_it_is_on_aws() {
    let stack = Stack::set_up(1);
    let workers = stack.background("providers run --progress plain --poll-wait 20s");
    workers.says("response consumer");
    std::thread::sleep(Duration::from_secs(2));
    workers.signal(Signal::TERM);
    workers.says("stopping: nothing in hand, open polls end within 20 s.");
    workers.signal(Signal::TERM);
    workers.ends(Duration::from_secs(10)).exits(143);
}
