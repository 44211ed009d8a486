//! What stops work: SIGINT, SIGTERM and SIGHUP, of which the first asks to stop in good order and the second to
//! leave at once; and the signal that every piece of work looks at.

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
    /// A stop is near: no receive waits long any more.
    ShortPolls,
    /// Nothing new begins; what is in flight is finished.
    Drain,
    /// What is in flight is given back.
    GiveBack,
}

/// Asks a piece of work to stop. Clones are the same signal.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    /// One for each stage.
    stages: [CancellationToken; 3],
    cause: Arc<Mutex<Option<Error>>>,
}

impl StopSignal {
    /// A signal that no other brings about.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signal of a part of the work: it reaches each stage with this one at the latest, and leaves this one
    /// alone. Errors are its own.
    #[must_use]
    pub fn part(&self) -> Self {
        let stages = self.stages.each_ref().map(CancellationToken::child_token);
        Self { stages, cause: Arc::default() }
    }

    /// Brings the work to this stage.
    pub fn reach(&self, stage: Stage) {
        for token in &self.stages[..=stage as usize] {
            token.cancel();
        }
    }

    /// Stops because of an error that the work cannot survive: what is in flight is given back. The first error
    /// counts.
    pub fn fail(&self, error: Error) {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.reach(Stage::GiveBack);
    }

    /// Whether the work has come to this stage.
    pub fn has_reached(&self, stage: Stage) -> bool {
        self.stages[stage as usize].is_cancelled()
    }

    /// Returns once the work has come to this stage.
    pub async fn reached(&self, stage: Stage) {
        self.stages[stage as usize].cancelled().await;
    }

    /// The error that the work was stopped with.
    ///
    /// # Errors
    /// That error; asked again, there is none.
    pub fn outcome(&self) -> Result<()> {
        match self.cause.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// What the signals of the system have asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Drains from the first signal on.
    pub stop: StopSignal,
    /// Cancelled by the second signal.
    leave: CancellationToken,
    signal: Arc<AtomicU8>,
}

/// The numbers of the signals, which are the same everywhere.
const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

impl Shutdown {
    /// Listens for signals from now on. SIGHUP stays ignored where it was, as under `nohup`.
    ///
    /// # Errors
    /// When the system refuses.
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
        // A terminal that closes sends more than one SIGHUP: the shell's and the kernel's. None of them
        // is impatience.
        if number == SIGHUP && self.stop.has_reached(Stage::Drain) {
            return;
        }
        self.signal.store(number, Ordering::Relaxed);
        if self.stop.has_reached(Stage::Drain) {
            self.leave.cancel();
        }
        self.stop.reach(Stage::Drain);
    }

    /// Returns once a signal has come: work is to stop in good order.
    pub async fn first_signal(&self) {
        self.stop.reached(Stage::Drain).await;
    }

    /// Returns once a second signal has come: the program is to leave at once.
    pub async fn second_signal(&self) {
        self.leave.cancelled().await;
    }

    /// Whether a signal has come.
    pub fn is_signalled(&self) -> bool {
        self.stop.has_reached(Stage::Drain)
    }

    /// The error that a wait or a command ends with once a signal has come.
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

/// The same, from what Linux says about a process.
fn is_ignored_by(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// The same elsewhere: a child inherits what is ignored, and outlives the signal only then.
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
