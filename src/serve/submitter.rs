//! Accepts submissions, no more at once than the backend can soon carry out. Completes each one, even if its
//! client disconnects.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::{Operation, Reporter, ServeEvent, tell};
use crate::aws::Aws;
use crate::error::{Error, Kind, Result};
use crate::flow::draft::Submission;
use crate::flow::scatter::{Scatter, Scattered};
use crate::shutdown::{Stage, StopSignal};

/// Most submissions in flight: enough to fill all batches that may be in flight.
const IN_FLIGHT: usize = 256;
/// Time limit for a client's wait, for its submission or any other request.
pub(super) const CLIENT_LIMIT: Duration = Duration::from_secs(20);
/// How old the list of providers may be: a provider that has just joined is asked too.
const REGISTER_AGE: Duration = Duration::from_secs(1);

/// How long a failure to open a scatter counts for other submissions too.
const FAILED_FOR: Duration = Duration::from_secs(1);

pub(super) struct Submitter(Arc<Inner>);

struct Inner {
    aws: Aws,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    scatter: Mutex<LatestScatter>,
    closing: StopSignal,
    report: Reporter,
}

/// The outcome of the last attempt to open a scatter.
#[derive(Default)]
enum LatestScatter {
    #[default]
    None,
    Open(Arc<OpenScatter>),
    /// It failed. Submissions that waited for it need not wait for another attempt.
    Failed(Instant, Kind, String),
}

/// A scatter and the signal that it reaches when it fails.
struct OpenScatter {
    scatter: Scatter,
    stop: StopSignal,
}

impl Submitter {
    pub(super) fn new(aws: Aws, report: Reporter) -> Self {
        Self(Arc::new(Inner {
            aws,
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(IN_FLIGHT)),
            scatter: Mutex::default(),
            closing: StopSignal::new(),
            report,
        }))
    }

    /// Submits a request; `None` if there is no room for it, and then nothing was done. As with [`Scatter::submit`], nothing was sent on an
    /// error. A row that other submissions rely on stays.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Option<Scattered>> {
        let Ok(room) = Arc::clone(&self.0.room).try_acquire_owned() else {
            return Ok(None);
        };
        let inner = Arc::clone(&self.0);
        // A client that disconnects must not interrupt its submission.
        let work = self.0.tasks.spawn(async move {
            let _room = room;
            let done = inner.carry_out(submission).await;
            inner.tell(&done);
            done
        });
        match timeout(CLIENT_LIMIT, work).await {
            Ok(Ok(done)) => Ok(Some(done?)),
            Ok(Err(panic)) => Err(Error::other("the submission broke down").because(panic)),
            Err(_) => {
                let message =
                    format!("no answer within {} s; rydes keeps retrying", CLIENT_LIMIT.as_secs());
                Ok(Some(Scattered::Unknown(Error::other(message))))
            }
        }
    }

    /// Finishes the submissions in flight.
    pub(super) async fn close(&self) {
        self.0.closing.reach(Stage::Drain);
        // A batcher ends when its last owner drops it.
        *self.0.scatter.lock().await = LatestScatter::None;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    async fn carry_out(&self, submission: Submission) -> Result<Scattered> {
        self.open().await?.scatter.submit(submission).await
    }

    /// Reports the outcome, even if the client has disconnected.
    fn tell(&self, done: &Result<Scattered>) {
        let error = match done {
            Ok(Scattered::Unknown(error)) | Err(error) => Some(error),
            Ok(Scattered::Published(row) | Scattered::Answered(row)) => {
                (self.report)(ServeEvent::Taken(Box::new(row.clone())));
                None
            }
        };
        tell(&self.report, Operation::Submitting, error);
    }

    /// The open scatter. Opens a new one after the last one failed: the stack was missing and may be back.
    async fn open(&self) -> Result<Arc<OpenScatter>> {
        let mut latest = self.scatter.lock().await;
        match &*latest {
            LatestScatter::Open(open) if !open.has_failed(&self.closing) => {
                return Ok(Arc::clone(open));
            }
            LatestScatter::Failed(at, kind, why) if at.elapsed() < FAILED_FOR => {
                return Err(Error::new(*kind, why.clone()));
            }
            LatestScatter::None | LatestScatter::Open(_) | LatestScatter::Failed(..) => {}
        }
        let stop = self.closing.part();
        match Box::pin(Scatter::batched(&self.aws, &self.tasks, &stop)).await {
            Ok(scatter) => {
                let scatter = scatter.register_age(REGISTER_AGE);
                let open = Arc::new(OpenScatter { scatter, stop });
                *latest = LatestScatter::Open(Arc::clone(&open));
                Ok(open)
            }
            Err(error) => {
                // Other errors fail fast, so a new attempt costs little: a provider may have subscribed.
                if error.is_transient() {
                    *latest = LatestScatter::Failed(Instant::now(), error.kind(), error.in_full());
                }
                Err(error)
            }
        }
    }
}

impl OpenScatter {
    fn has_failed(&self, closing: &StopSignal) -> bool {
        self.stop.has_reached(Stage::Drain) && !closing.has_reached(Stage::Drain)
    }
}
