//! The processes of a LocalStack that was started from packages: found by what their command lines
//! name, so that neither a crash nor a reused process id can mislead. Starts nothing.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::command::run;

/// How long LocalStack may take to end in order; it took 2 s when tried.
const ORDERLY: Duration = Duration::from_secs(10);
/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// How long `ps` may take.
const PS: Duration = Duration::from_secs(10);

/// The processes of one run folder.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// LocalStack itself: the start script.
    pub(super) main: Vec<Pid>,
    /// DynamoDB Local, a session of its own.
    pub(super) java: Vec<Pid>,
}

impl Processes {
    /// Those that run now. `run` is absolute: two command lines name it, and nobody else's.
    pub(super) fn of(run: &Path) -> Self {
        let main = format!(" {}/start.py", run.display());
        let java = format!(" -Djava.library.path={}/", run.display());
        let mut found = Self::default();
        for (pid, command) in all() {
            if command.contains(&main) {
                found.main.push(pid);
            } else if command.contains(&java) {
                found.java.push(pid);
            }
        }
        found
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.main.is_empty() && self.java.is_empty()
    }

    /// The memory they hold, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let pids: Vec<_> = self.main.iter().chain(&self.java).map(ToString::to_string).collect();
        let sizes = run(Command::new("ps").args(["-o", "rss=", "-p", &pids.join(",")]), PS);
        let kilobytes = |outcome: super::command::Outcome| {
            outcome.out.split_whitespace().filter_map(|size| size.parse::<u64>().ok()).sum::<u64>()
        };
        sizes.map_or(0, kilobytes) * 1024
    }
}

/// Ends the processes of a run folder: asks LocalStack, which takes DynamoDB Local along; kills what
/// is left. Whether all are gone.
pub(super) fn stop(run: &Path) -> bool {
    let processes = Processes::of(run);
    // Without LocalStack nobody else tells DynamoDB Local.
    let asked = if processes.main.is_empty() { &processes.java } else { &processes.main };
    send(asked, Signal::TERM);
    if gone(run, ORDERLY) {
        return true;
    }
    // LocalStack first: it would start its DynamoDB Local again.
    send(&Processes::of(run).main, Signal::KILL);
    send(&Processes::of(run).java, Signal::KILL);
    gone(run, KILLED)
}

fn send(pids: &[Pid], signal: Signal) {
    for pid in pids {
        // One that has just ended needs no signal.
        _ = kill_process(*pid, signal);
    }
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

/// Every process with its command line; one that ended but was not waited for has none.
fn all() -> Vec<(Pid, String)> {
    if Path::new("/proc/self/cmdline").exists() { from_proc() } else { from_ps() }
}

fn from_proc() -> Vec<(Pid, String)> {
    let entries = Path::new("/proc").read_dir().into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&command).replace('\0', " ")))
    };
    entries.filter_map(process).collect()
}

fn from_ps() -> Vec<(Pid, String)> {
    let list = run(Command::new("ps").args(["-axww", "-o", "pid=,command="]), PS);
    let text = list.map(|outcome| outcome.out).unwrap_or_default();
    let process = |line: &str| {
        let (pid, command) = line.trim_start().split_once(' ')?;
        Some((Pid::from_raw(pid.parse().ok()?)?, command.to_owned()))
    };
    text.lines().filter_map(process).collect()
}
