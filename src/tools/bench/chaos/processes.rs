//! The worker processes: starts, kills, replaces and ends them, and counts their events.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, sleep, timeout};

use super::{ChaosPlan, ChaosResult, ENDING, RESUBMITTED_AFTER};
use crate::error::{Error, Result};

/// How often the processes are checked for an exit.
const ROUNDS: Duration = Duration::from_millis(50);
/// Lines of a worker's stderr that are remembered.
const REMEMBERED: usize = 5;

pub(super) struct WorkerProcesses {
    command: Vec<OsString>,
    workers: Vec<WorkerProcess>,
    heard: Arc<Mutex<Heard>>,
    killed: u32,
}

/// One process and the last lines of its stderr.
struct WorkerProcess {
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
}

/// What the processes have reported.
#[derive(Debug, Default)]
struct Heard {
    redelivered: u64,
    duplicates: u64,
    ended: Vec<String>,
}

impl WorkerProcesses {
    pub(super) fn start(plan: &ChaosPlan) -> Result<Self> {
        let mut processes = Self {
            command: plan.command.clone(),
            workers: Vec::new(),
            heard: Arc::default(),
            killed: 0,
        };
        for _ in 0..plan.workers {
            let worker = processes.spawn()?;
            processes.workers.push(worker);
        }
        Ok(processes)
    }

    fn spawn(&self) -> Result<WorkerProcess> {
        let failed = || Error::other("a worker process cannot be started");
        let (program, arguments) = self.command.split_first().ok_or_else(failed)?;
        let mut process = Command::new(program)
            .args(arguments)
            // The worker exits when this pipe closes, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal reaches this process alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed().because(error))?;
        let heard = Arc::clone(&self.heard);
        each_line(process.stdout.take(), move |line| lock(&heard).hear(&line));
        let said = Arc::<Mutex<Vec<String>>>::default();
        let remembered = Arc::clone(&said);
        each_line(process.stderr.take(), move |line| {
            let mut said = lock(&remembered);
            if said.len() == REMEMBERED {
                said.remove(0);
            }
            said.push(line);
        });
        Ok(WorkerProcess { process, said })
    }

    /// Kills a random process at each of these moments, counted from `began`, and replaces it. Also replaces
    /// processes that end by themselves.
    pub(super) async fn kill_at(
        &mut self,
        began: Instant,
        moments: Vec<Duration>,
        chance: &mut ChaCha8Rng,
    ) -> Result<std::convert::Infallible> {
        let mut moments = moments.into_iter().peekable();
        let mut rounds = interval(ROUNDS);
        loop {
            rounds.tick().await;
            for position in 0..self.workers.len() {
                let status = self.workers[position].process.try_wait();
                if let Some(status) = status.map_err(Error::system)? {
                    let said = lock(&self.workers[position].said).join(" | ");
                    lock(&self.heard).ended.push(format!("{status}: {said}"));
                    // A process that fails at its start must not be restarted in a tight loop.
                    sleep(RESUBMITTED_AFTER).await;
                    self.workers[position] = self.spawn()?;
                }
            }
            while moments.next_if(|moment| began.elapsed() >= *moment).is_some() {
                let whom = usize::try_from(chance.next_u32()).unwrap_or(0) % self.workers.len();
                self.workers[whom].process.kill().await.map_err(Error::system)?;
                self.killed += 1;
                self.workers[whom] = self.spawn()?;
            }
        }
    }

    /// Sends `SIGTERM` to each process and waits for its orderly exit.
    pub(super) async fn stop(&mut self) -> Result<()> {
        for worker in &self.workers {
            let id = worker.process.id().and_then(|id| i32::try_from(id).ok());
            if let Some(pid) = id.and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM).map_err(Error::system)?;
            }
        }
        let ends = self.workers.iter_mut().map(async |worker| {
            match timeout(ENDING, worker.process.wait()).await {
                Ok(Ok(status)) if status.success() => None,
                Ok(Ok(status)) => Some(format!("{status}: {}", lock(&worker.said).join(" | "))),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no end within {} s", ENDING.as_secs())),
            }
        });
        let ended: Vec<_> = join_all(ends).await.into_iter().flatten().collect();
        lock(&self.heard).ended.extend(ended);
        Ok(())
    }

    pub(super) fn report(&self, outcome: &mut ChaosResult) {
        let heard = lock(&self.heard);
        outcome.killed = self.killed;
        outcome.redelivered = heard.redelivered;
        outcome.duplicates = heard.duplicates;
        outcome.ended.clone_from(&heard.ended);
    }
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return };
        match event["event"].as_str() {
            Some("received") if event["count"].as_u64() > Some(1) => self.redelivered += 1,
            Some("delivered-again") => self.redelivered += 1,
            Some("duplicate") => self.duplicates += 1,
            _ => {}
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `take` with each line of a stream until it ends.
fn each_line(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    mut take: impl FnMut(String) + Send + 'static,
) {
    let Some(stream) = stream else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        // A kill may cut the last line off within a character. The error that follows ends the stream too.
        while let Ok(Some(line)) = lines.next_line().await {
            take(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_heard() {
        let mut heard = Heard::default();
        for line in [
            r#"{"event": "received", "count": 1}"#,
            r#"{"event": "received", "count": 2}"#,
            r#"{"event": "delivered-again"}"#,
            r#"{"event": "duplicate"}"#,
            r#"{"event": "gath"#,
        ] {
            heard.hear(line);
        }
        assert_eq!((heard.redelivered, heard.duplicates), (2, 1));
    }
}
