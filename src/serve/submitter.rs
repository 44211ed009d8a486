//! Takes submissions, no more at once than can be carried out soon, and carries each out to its end,
//! whatever becomes of the client.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::{Operation, Reporter, ServeEvent, tell};
use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::flow::draft::Submission;
use crate::flow::scatter::{Scatter, Scattered};
use crate::shutdown::{Stage, StopSignal};

/// Submissions in hand at once: enough to fill all batches that may be under way.
const IN_FLIGHT: usize = 256;
/// How long a client waits for the end of its submission, or for whatever else it asks for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How old the register of providers may be: who has joined just now is asked too.
const REGISTER_AGE: Duration = Duration::from_secs(1);

/// How long a failure to begin stands for everybody.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// What became of a submission.
pub(super) enum SubmissionResult {
    /// It was carried out, or nobody knows.
    Done(Scattered),
    /// There was no room for it; nothing was done.
    Refused,
}

/// Where submissions come in.
pub(super) struct Submitter(Arc<Inner>);

struct Inner {
    aws: Aws,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    scatter: Mutex<LatestScatter>,
    closing: StopSignal,
    report: Reporter,
}

/// What became of the last attempt to open a scatter.
#[derive(Default)]
enum LatestScatter {
    #[default]
    None,
    Open(Arc<OpenScatter>),
    /// It failed, and whoever has waited for it need not wait for another.
    Failed(Instant, String),
}

/// A scatter, as long as it works.
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

    /// Submits a request, unless there is no room for it.
    ///
    /// # Errors
    /// As [`Scatter::submit`]: nothing was sent then. A row that other submissions go by stays.
    pub(super) async fn submit(&self, submission: Submission) -> Result<SubmissionResult> {
        let Ok(room) = Arc::clone(&self.0.room).try_acquire_owned() else {
            return Ok(SubmissionResult::Refused);
        };
        let inner = Arc::clone(&self.0);
        // A client that goes away does not break it off half way.
        let work = self.0.tasks.spawn(async move {
            let _room = room;
            let done = inner.carry_out(submission).await;
            inner.tell(&done);
            done
        });
        match timeout(PATIENCE, work).await {
            Ok(Ok(done)) => Ok(SubmissionResult::Done(done?)),
            Ok(Err(panic)) => Err(Error::other("the submission broke down").because(panic)),
            Err(_) => {
                let message = format!("no answer within {} s; it is tried on", PATIENCE.as_secs());
                Ok(SubmissionResult::Done(Scattered::Unknown(Error::other(message))))
            }
        }
    }

    /// Finishes what is in hand.
    pub(super) async fn close(&self) {
        self.0.closing.reach(Stage::Drain);
        // Batches end when nobody holds their batcher any more.
        *self.0.scatter.lock().await = LatestScatter::None;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    async fn carry_out(&self, submission: Submission) -> Result<Scattered> {
        self.open().await?.scatter.submit(submission).await
    }

    /// Reports what became of a submission, whether or not its client is still there.
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

    /// The scatter; a new one where the last has come to an end: the stack was gone, and may be here
    /// again.
    async fn open(&self) -> Result<Arc<OpenScatter>> {
        let mut latest = self.scatter.lock().await;
        match &*latest {
            LatestScatter::Open(open) if !open.has_failed(&self.closing) => {
                return Ok(Arc::clone(open));
            }
            LatestScatter::Failed(at, why) if at.elapsed() < FAILED_FOR => {
                return Err(Error::other(why.clone()));
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
                // What fails at once may as well be tried again: somebody may have subscribed.
                if error.is_transient() {
                    *latest = LatestScatter::Failed(Instant::now(), error.in_full());
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
