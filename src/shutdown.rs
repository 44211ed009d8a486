//! SIGINT, SIGTERM and SIGHUP: the first asks to stop in good order, the second to leave at once.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind};

/// What the signals have asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled by the first signal: stop in good order.
    pub stop: CancellationToken,
    /// Cancelled by the second: leave at once.
    pub leave: CancellationToken,
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
        if number == SIGHUP && self.stop.is_cancelled() {
            return;
        }
        self.signal.store(number, Ordering::Relaxed);
        if self.stop.is_cancelled() {
            self.leave.cancel();
        }
        self.stop.cancel();
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
    fn the_second_signal_leaves_at_once_unless_the_terminal_closes() {
        let shutdown = Shutdown::default();
        for _ in 0..3 {
            shutdown.hear(SIGHUP);
            assert!(shutdown.stop.is_cancelled() && !shutdown.leave.is_cancelled());
        }
        assert_eq!(shutdown.error().exit_code(), 129);
        shutdown.hear(SIGTERM);
        assert!(shutdown.leave.is_cancelled());
        assert_eq!(shutdown.error().exit_code(), 143);
    }
}
