//! Commands that run in the background.

use std::io::{BufRead as _, BufReader, Read, empty};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::growing::Growing;
use super::{PATIENCE, Ran, Rydes, ends_within, json};

/// A signal to a process that we started.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// A command that runs in the background, killed when dropped: `stop` is for tests that see how it
/// drains.
pub struct Background {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// A stdout that is open and not read.
pub struct Unread(ChildStdout);

/// The lines of a stream, as they come.
struct Lines {
    lines: Arc<Growing<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Growing<Vec<String>>>::default();
        let seen = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                seen.add(|lines| lines.push(line));
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn all(&self) -> Vec<String> {
        self.lines.now().clone()
    }

    /// Waits until one of them is as wanted.
    #[track_caller]
    fn hold(&self, what: &str, is_wanted: impl Fn(&str) -> bool) {
        let is_there = |lines: &Vec<String>| lines.iter().any(|line| is_wanted(line));
        assert!(self.lines.becomes(is_there), "never came: {what}, among {:?}", self.all());
    }

    /// All of it, once the stream has ended.
    fn whole(&mut self) -> String {
        self.reader.take().expect("not joined yet").join().expect("it was read");
        self.all().iter().flat_map(|line| [line, "\n"]).collect()
    }
}

impl Background {
    /// Starts a command.
    pub fn start(command: Rydes) -> Self {
        let mut child = command.start();
        // One that goes elsewhere has no lines here.
        let stdout = child.stdout.take().map_or_else(|| Lines::of(empty()), Lines::of);
        let stderr = child.stderr.take().map_or_else(|| Lines::of(empty()), Lines::of);
        Self { child, stdout, stderr }
    }

    /// Starts a command whose stdout is not read, until it is.
    pub fn unread(command: Rydes) -> (Self, Unread) {
        let mut child = command.start();
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        (Self { child, stdout: Lines::of(empty()), stderr }, Unread(stdout))
    }

    /// Reads what was unread, from now on.
    pub fn read(&mut self, unread: Unread) {
        self.stdout = Lines::of(unread.0);
    }

    /// Its stdin, of a command that was started with a pipe there; the command reads on until this is dropped.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("it is piped")
    }

    /// What has happened so far, of a command that prints a line of JSON for each event.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.all().iter().map(|line| json(line)).collect()
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written to stdout so far.
    pub fn output(&self) -> String {
        self.stdout.all().join("\n")
    }

    /// How many lines it has written to stdout.
    pub fn lines(&self) -> usize {
        self.stdout.lines.now().len()
    }

    /// How many events of this kind there were.
    pub fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|seen| seen["event"] == event).count()
    }

    /// Waits until there were so many events of this kind.
    #[track_caller]
    pub fn until(&self, event: &str, count: usize) {
        let (mut read, mut seen) = (0, 0);
        let were = self.stdout.lines.becomes(|lines| {
            seen += lines[read..].iter().filter(|line| json(line)["event"] == event).count();
            read = lines.len();
            seen >= count
        });
        assert!(were, "never came: {count} events `{event}` among {:?}", self.events());
    }

    /// Whether stderr holds this by now.
    pub fn said(&self, text: &str) -> bool {
        self.stderr.all().iter().any(|line| line.contains(text))
    }

    /// The first line of stderr that holds this, by now.
    pub fn error_line(&self, text: &str) -> Option<String> {
        self.stderr.all().into_iter().find(|line| line.contains(text))
    }

    /// How many lines of stderr hold this by now.
    pub fn errors(&self, text: &str) -> usize {
        self.stderr.all().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until its stdout has this text.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.stdout.hold(text, |line| line.contains(text));
    }

    /// Waits until stderr holds this.
    #[track_caller]
    pub fn says(&self, text: &str) {
        self.stderr.hold(text, |line| line.contains(text));
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }

    /// Ends by itself; returns how, and all that it printed.
    #[track_caller]
    pub fn ends(mut self, limit: Duration) -> Ran {
        let ended = ends_within(&mut self.child, limit);
        assert!(ended, "no end after {limit:?}: {:?}", self.stderr.all());
        let code = self.child.wait().expect("it has ended").code();
        Ran { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    /// A signal to it.
    pub fn signal(&self, number: Signal) {
        signal(&self.child, number);
    }

    /// Drains and ends: exit 0 and a summary, or the test fails.
    #[track_caller]
    pub fn stop(self) -> Ran {
        self.signal(Signal::TERM);
        self.ends(PATIENCE).exits(0)
    }

    /// Ends at once, without a chance to drain.
    pub fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it can be killed");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
