//! The processes of a LocalStack that was started from packages: those that wrote down their identity at the start
//! and still have it. Starts nothing, and signals no other process.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::command::run;
use super::identity::{CommandLine, Identity};
use crate::tools::file;

/// Time limit for LocalStack to end in order; it took 2 s in a test.
const ORDERLY: Duration = Duration::from_secs(10);
/// Time limit for a killed process to disappear.
const KILLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
const PS: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Processes {
    run: PathBuf,
    /// LocalStack itself: Python with the start script.
    pub(super) main: Option<Identity>,
    /// DynamoDB Local, in a session of its own.
    pub(super) java: Vec<Identity>,
    /// The process that now has LocalStack's former id.
    pub(super) stranger: Option<u32>,
}

impl Processes {
    /// The processes of this run folder that are running.
    pub(super) fn of(run: &Path) -> Self {
        let mut found = Self { run: run.to_owned(), main: None, java: Vec::new(), stranger: None };
        if let Some((main, command)) = written_by_main(run) {
            let is_it = |now: &CommandLine| now.text == command && found.is_main(now);
            if main.command().is_some_and(|now| is_it(&now)) {
                found.main = Some(main);
            } else {
                found.stranger = Identity::of(main.pid).map(|other| other.id());
            }
        }
        let mut java = written_by_java(run);
        java.retain(|java| java.command().is_some_and(|now| is_java(&now)));
        found.java = java;
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.main.is_none() && self.java.is_empty()
    }

    /// Resident memory of all of them, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let all = self.main.iter().chain(&self.java);
        let pids: Vec<_> = all.map(|process| process.pid.to_string()).collect();
        let sizes = run(Command::new("ps").args(["-o", "rss=", "-p", &pids.join(",")]), PS);
        let kilobytes = |outcome: super::command::Finished| {
            outcome.out.split_whitespace().filter_map(|size| size.parse::<u64>().ok()).sum::<u64>()
        };
        sizes.map_or(0, kilobytes) * 1024
    }

    /// Whether it is Python with the start script of this folder.
    fn is_main(&self, command: &CommandLine) -> bool {
        command.is_of("python", self.run.join("start.py").as_os_str().as_bytes())
    }

    fn signal_main(&self, signal: Signal) {
        if let Some(main) = &self.main {
            main.signal(signal, |command| self.is_main(command));
        }
    }

    fn signal_java(&self, signal: Signal) {
        for java in &self.java {
            java.signal(signal, is_java);
        }
    }
}

/// Whether it is DynamoDB Local, or `java.sh` just before it becomes that.
fn is_java(command: &CommandLine) -> bool {
    command.has_ending("/DynamoDBLocal.jar")
}

pub(super) fn starts_of_java(run: &Path) -> usize {
    written_by_java(run).len()
}

/// Ends the processes of a run folder. Asks LocalStack, which ends DynamoDB Local too, then kills what is left.
/// Returns whether all are gone.
pub(super) fn stop(run: &Path) -> bool {
    // From here on `java.sh` starts no DynamoDB Local. If this file cannot be written, the last check below finds
    // what was started.
    _ = file::write(&run.join("stopping"), "");
    let processes = Processes::of(run);
    if processes.main.is_some() {
        processes.signal_main(Signal::TERM);
    } else {
        processes.signal_java(Signal::TERM);
    }
    if gone(run, ORDERLY) {
        return true;
    }
    // LocalStack first: it would restart DynamoDB Local.
    Processes::of(run).signal_main(Signal::KILL);
    Processes::of(run).signal_java(Signal::KILL);
    gone(run, KILLED)
}

fn gone(run: &Path, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !Processes::of(run).is_empty() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// What `start.py` wrote down: its identity and its command line.
fn written_by_main(run: &Path) -> Option<(Identity, Vec<u8>)> {
    let written = file::read(&run.join("main")).ok()?;
    let end = written.iter().position(|byte| *byte == b'\n')?;
    let identity = Identity::parse(std::str::from_utf8(&written[..end]).ok()?)?;
    Some((identity, written[end + 1..].to_vec()))
}

/// What `java.sh` wrote down: one line at each start.
fn written_by_java(run: &Path) -> Vec<Identity> {
    let written = file::read(&run.join("java")).unwrap_or_default();
    String::from_utf8_lossy(&written).lines().filter_map(Identity::parse).collect()
}
