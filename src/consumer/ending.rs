//! When work is to end: because it was asked to, or because of an error that it cannot outlive.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// The end of a piece of work. Clones are the same end.
#[derive(Debug, Clone)]
pub struct Ending {
    stop: CancellationToken,
    failed: CancellationToken,
    cause: Arc<Mutex<Option<Error>>>,
}

impl Ending {
    /// An end that comes with `stop` at the latest.
    pub fn with(stop: &CancellationToken) -> Self {
        let failed = CancellationToken::new();
        Self { stop: stop.child_token(), failed, cause: Arc::default() }
    }

    /// The end of a part: it comes with this one at the latest, and leaves this one alone.
    #[must_use]
    pub fn part(&self) -> Self {
        let (stop, failed) = (self.stop.child_token(), self.failed.child_token());
        Self { stop, failed, cause: Arc::default() }
    }

    /// Begins the end: what is in hand is finished in good order.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Begins the end because of an error: what is in hand is given back at once. The first error
    /// counts.
    pub fn fail(&self, error: Error) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.get_or_insert(error);
        self.failed.cancel();
        self.stop.cancel();
    }

    /// Whether the end has begun.
    pub fn has_begun(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Returns when the end begins.
    pub async fn begins(&self) {
        self.stop.cancelled().await;
    }

    /// Returns when there is an error that cannot be outlived.
    pub async fn fails(&self) {
        self.failed.cancelled().await;
    }

    /// The error that the end came with.
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
