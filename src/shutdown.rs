//! Stops work. The first SIGINT, SIGTERM or SIGHUP requests an orderly stop, a second signal ends the program at
//! once. All work watches a [`StopSignal`].

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};

/// How urgent a stop is. Each stage includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A stop is near: no more long polls.
    ShortPolls,
    /// Nothing new begins; what is in flight is finished.
    Drain,
    /// What is in flight is given back.
    GiveBack,
}

/// Asks a piece of work to stop. Clones are the same signal.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    stages: [CancellationToken; 3],
    cause: Arc<Mutex<Option<Error>>>,
}

impl StopSignal {
    /// A signal without a parent.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signal of a part of the work. It reaches each stage no later than this one, but does not affect this
    /// one. Its error is its own.
    #[must_use]
    pub fn part(&self) -> Self {
        let stages = self.stages.each_ref().map(CancellationToken::child_token);
        Self { stages, cause: Arc::default() }
    }

    pub fn reach(&self, stage: Stage) {
        for token in &self.stages[..=stage as usize] {
            token.cancel();
        }
    }

    /// Stops the work because of an error, and gives back what is in flight. The first error counts.
    pub fn fail(&self, error: Error) {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.reach(Stage::GiveBack);
    }

    pub fn has_reached(&self, stage: Stage) -> bool {
        self.stages[stage as usize].is_cancelled()
    }

    /// Returns once the work has reached this stage.
    pub async fn reached(&self, stage: Stage) {
        self.stages[stage as usize].cancelled().await;
    }

    /// Takes the error that stopped the work. A second call returns `Ok`.
    pub fn outcome(&self) -> Result<()> {
        match self.cause.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// The signals that this process has received.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Drains from the first signal on.
    stop: StopSignal,
    /// Cancelled by the second signal.
    leave: CancellationToken,
    signal: Arc<AtomicU8>,
}

/// These numbers are the same on every Unix.
const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

impl Shutdown {
    /// Listens for signals from now on. SIGHUP stays ignored if it already was, as under `nohup`.
    pub fn listen() -> std::io::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup =
            if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let shutdown = Self::default();
        let heard = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => SIGINT,
                    _ = terminate.recv() => SIGTERM,
                    () = received(hangup.as_mut()) => SIGHUP,
                };
                heard.hear(number);
            }
        });
        Ok(shutdown)
    }

    fn hear(&self, number: u8) {
        // A closing terminal causes several SIGHUPs (shell and kernel): none counts as the second signal.
        if number == SIGHUP && self.stop.has_reached(Stage::Drain) {
            return;
        }
        self.signal.store(number, Ordering::Relaxed);
        if self.stop.has_reached(Stage::Drain) {
            self.leave.cancel();
        }
        self.stop.reach(Stage::Drain);
    }

    pub async fn first_signal(&self) {
        self.stop.reached(Stage::Drain).await;
    }

    pub async fn second_signal(&self) {
        self.leave.cancelled().await;
    }

    pub fn is_signalled(&self) -> bool {
        self.stop.has_reached(Stage::Drain)
    }

    /// A signal for a piece of work, which drains from the first signal on.
    pub fn part(&self) -> StopSignal {
        self.stop.part()
    }

    /// The error of a wait or a command that a signal ended.
    pub fn error(&self) -> Error {
        let number = self.signal.load(Ordering::Relaxed);
        let name = match number {
            SIGHUP => "hung up",
            SIGTERM => "terminated",
            _ => "interrupted",
        };
        Error::new(Kind::Signal(number), name)
    }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored.
fn is_hangup_ignored() -> bool {
    match std::fs::read_to_string("/proc/self/status") {
        Ok(status) => is_ignored_by(&status),
        Err(_) => is_ignored_by_a_child(),
    }
}

/// Reads the mask of ignored signals from `/proc/self/status`.
fn is_ignored_by(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// For systems without `/proc`: a child inherits ignored signals, and survives a SIGHUP only then.
fn is_ignored_by_a_child() -> bool {
    let mut child = Command::new("/bin/sh");
    child.args(["-c", "kill -HUP $$"]);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().is_ok_and(|status| status.signal().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_ignore_is_read_in_both_ways() {
        assert!(is_ignored_by("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!is_ignored_by("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"));
        assert!(!is_ignored_by("SigIgn:\tx\n") && !is_ignored_by(""));
        assert_eq!(is_ignored_by_a_child(), is_hangup_ignored());
    }

    #[test]
    fn a_stage_includes_those_before_it_and_reaches_every_part() {
        let whole = StopSignal::new();
        let (one, other) = (whole.part(), whole.part());
        one.reach(Stage::Drain);
        assert!(one.has_reached(Stage::ShortPolls) && one.has_reached(Stage::Drain));
        assert!(!one.has_reached(Stage::GiveBack) && !whole.has_reached(Stage::ShortPolls));
        whole.reach(Stage::GiveBack);
        for part in [&one, &other, &other.part()] {
            assert!(part.has_reached(Stage::GiveBack) && part.has_reached(Stage::ShortPolls));
        }
    }

    #[test]
    fn the_first_error_counts_and_stays_with_its_part() {
        let whole = StopSignal::new();
        let part = whole.part();
        part.fail(Error::other("first"));
        part.fail(Error::other("second"));
        assert!(part.has_reached(Stage::GiveBack) && !whole.has_reached(Stage::ShortPolls));
        assert_eq!(part.clone().outcome().expect_err("it failed").to_string(), "first");
        assert!(part.outcome().is_ok() && whole.outcome().is_ok(), "it is told once");
    }

    #[test]
    fn the_second_signal_leaves_at_once_unless_the_terminal_closes() {
        let shutdown = Shutdown::default();
        for _ in 0..3 {
            shutdown.hear(SIGHUP);
            assert!(shutdown.stop.has_reached(Stage::Drain) && !shutdown.leave.is_cancelled());
        }
        assert_eq!(shutdown.error().exit_code(), 129);
        shutdown.hear(SIGTERM);
        assert!(shutdown.leave.is_cancelled());
        assert_eq!(shutdown.error().exit_code(), 143);
    }
}
