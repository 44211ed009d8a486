//! A LocalStack that stands still for a while, and one that comes back without remembering anything.
//! These tests have one of their own.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::background::Background;
use crate::support::localstack::{Down, up};
use crate::support::{Rydes, free_port, rydes};

/// How long LocalStack stands still.
const PAUSE: Duration = Duration::from_secs(20);
/// How long workers may take to notice that their stack is gone.
const SOON: Duration = Duration::from_secs(30);

/// A LocalStack from packages; down when dropped.
struct Own {
    port: u16,
    _down: Down,
}

impl Own {
    fn up() -> Self {
        let port = free_port();
        let own = Self { port, _down: Down::at(port) };
        own.start();
        own
    }

    fn start(&self) {
        up(self.port).arg("--runtime=packages").run().exits(0);
    }

    fn stop(&self) {
        rydes(&format!("localstack down --port {}", self.port)).run().exits(0);
    }

    fn rydes(&self, arguments: &str) -> Rydes {
        let endpoint = format!("http://localhost:{}", self.port);
        rydes(arguments).env("AWS_ENDPOINT_URL", endpoint).within(Duration::from_mins(2))
    }

    /// A signal to LocalStack and to its DynamoDB.
    fn signal(&self, signal: Signal) {
        let listed = Command::new("ps").args(["-axww", "-o", "pid=,command="]).output();
        let listed = String::from_utf8(listed.expect("ps runs").stdout).expect("it is text");
        let folder = format!("/localstack/run-{}/", self.port);
        let ours = listed.lines().filter(|line| line.contains(&folder));
        let pids =
            ours.filter_map(|line| Pid::from_raw(line.split_whitespace().next()?.parse().ok()?));
        let pids: Vec<_> = pids.collect();
        assert_eq!(pids.len(), 2, "LocalStack and its DynamoDB: {listed}");
        for pid in pids {
            kill_process(pid, signal).expect("it runs");
        }
    }
}

/// The lines that workers have said about troubles.
fn troubles(lines: &str) -> Vec<&str> {
    lines.lines().filter(|line| line.contains(" trouble ")).collect()
}

#[test]
fn a_pause_is_told_in_one_line_and_a_restart_ends_the_workers() {
    let own = Own::up();
    own.rydes("setup").run().exits(0);
    let run = "providers run --progress plain --poll-wait 2s --behavior steady --think 0s..5s";
    let workers = Background::start(own.rydes(run));
    workers.says(" on LocalStack ");
    let submit = own.rydes("submit --from A --to B --deadline 10m --count 20").run().exits(0);
    let ids: Vec<_> = submit.stdout.lines().map(str::to_owned).collect();

    // It stands still while there is much in hand.
    own.signal(Signal::STOP);
    std::thread::sleep(PAUSE);
    own.signal(Signal::CONT);
    for id in &ids {
        own.rydes("quotes --watch -q").arg(id).run().exits(0);
        let told = own.rydes("verify --wait").arg(id).run().exits(0);
        assert!(told.stdout.contains("10 quotes"), "{}", told.stdout);
    }
    let letters = own.rydes("dlq list").run().exits(0);
    assert_eq!(letters.stderr, "0 requests and 0 replies\n");
    let lines = workers.output();
    let told = troubles(&lines);
    let (over, began): (Vec<&str>, Vec<&str>) =
        told.iter().partition(|line| line.ends_with(": over"));
    assert_eq!((began.len(), over.len()), (1, 1), "{told:?}");
    assert!(began[0].contains("nothing answers at"), "{began:?}");

    workers.stop();

    // It comes back, and knows nothing any more, while there is much to think about.
    let run = "providers run -o jsonl --behavior steady --think 60s..60s";
    let workers = Background::start(own.rydes(run));
    own.rydes("submit --from A --to B --deadline 10m").run().exits(0);
    workers.until("received", 10);
    own.stop();
    own.start();
    let ended = workers.ends(SOON).exits(7);
    assert!(ended.stderr.contains("error: stack wild-rydes is not set up at "), "{}", ended.stderr);
    assert!(ended.stderr.contains("LocalStack forgets everything when it restarts"));
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
}
