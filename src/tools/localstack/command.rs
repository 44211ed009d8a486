//! Runs a program to its end within a time limit and keeps its output. Knows no particular program.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often a running program is checked for its exit.
const LOOK: Duration = Duration::from_millis(10);
/// How long to wait for the rest of the output: a child left behind may keep the pipe open.
const LINGER: Duration = Duration::from_secs(1);
/// How many of a failed program's last lines are shown.
const TOLD: usize = 12;

#[derive(Debug)]
pub(super) struct Finished {
    /// Whether the exit code was 0.
    pub(super) ok: bool,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a program without stdin. Fails when it cannot be started, and with `TimedOut` when it was killed after
/// `limit`.
pub(super) fn run(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let out = read(child.stdout.take());
    let err = read(child.stderr.take());
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            let message = format!("no end after {} s", limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(LOOK);
    };
    let text = |from: Receiver<String>| from.recv_timeout(LINGER).unwrap_or_default();
    Ok(Finished { ok: status.success(), out: text(out), err: text(err) })
}

/// Runs a program that has to succeed. The error says that `what` failed, with the program's last lines.
pub(super) fn require(what: &str, command: &mut Command, limit: Duration) -> Result<Finished> {
    let failed = || Error::other(format!("{what} failed"));
    let program = command.get_program().to_string_lossy().into_owned();
    match run(command, limit) {
        Ok(outcome) if outcome.ok => Ok(outcome),
        Ok(outcome) => Err(failed().because(last_lines(&(outcome.out + &outcome.err)))),
        Err(error) => Err(failed().because(format!("{program}: {error}"))),
    }
}

/// The last lines of a text that are not blank.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TOLD)..].join("\n")
}

/// Reads a stream to its end on a thread of its own.
fn read(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // Output read before an error is still worth showing.
            _ = stream.read_to_end(&mut bytes);
        }
        _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn keeps_what_a_program_said() {
        let outcome = run(&mut shell("echo a; echo b >&2; exit 3"), LINGER).expect("runs");
        assert_eq!((outcome.ok, &*outcome.out, &*outcome.err), (false, "a\n", "b\n"));
    }

    #[test]
    fn ends_a_program_that_hangs() {
        let error = run(&mut shell("exec sleep 60"), Duration::from_millis(50)).expect_err("hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_failure_tells_the_last_lines() {
        let error = require("x", &mut shell("seq 100; exit 1"), LINGER).expect_err("fails");
        assert!(error.causes()[0].starts_with("89\n"), "{:?}", error.causes());
    }
}
