//! SIGINT and SIGTERM: the first asks to stop in good order, the second to leave at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

impl Shutdown {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let shutdown = Self::default();
        let heard = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => SIGINT,
                    _ = terminate.recv() => SIGTERM,
                };
                heard.signal.store(number, Ordering::Relaxed);
                if heard.stop.is_cancelled() {
                    heard.leave.cancel();
                }
                heard.stop.cancel();
            }
        });
        Ok(shutdown)
    }

    /// The error that a wait or a command ends with once a signal has come.
    pub fn error(&self) -> Error {
        let number = self.signal.load(Ordering::Relaxed);
        let name = if number == SIGTERM { "terminated" } else { "interrupted" };
        Error::new(Kind::Signal(number), name)
    }
}
