//! The original's front door: its two routes over HTTP, the changes of an RFQ as they come, and a page
//! that shows them. A second face on the same rooms as the command line; prints nothing.

mod answer;
mod connections;
mod events;
mod hosts;
mod page;
mod routes;
mod submitter;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::aws::Aws;
use crate::consumer::Trouble;
use crate::core::RequestRow;
use crate::error::{Error, Result};
use crate::flow::quotes::Filters;
use crate::shutdown::{Stage, StopSignal};
pub use hosts::Hosts;
use routes::Readiness;
use submitter::Submitter;
use watches::Watches;

/// How long open requests may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(25);
/// Streams of events at once.
const STREAMS: usize = 512;

/// Something that happened, for whoever prints.
#[derive(Debug, Clone)]
pub enum ServeEvent {
    /// A request was answered; a stream of events, begun.
    Answered {
        /// `GET`.
        method: String,
        /// As it was asked for, which may hold anything.
        path: String,
        /// The status of the answer.
        status: u16,
        /// From its head to that of the answer.
        took: Duration,
    },
    /// A submission was taken: its row is written and its message published.
    Taken(Box<RequestRow>),
    /// The backend fails, or works again.
    Trouble(Trouble),
}

/// What the backend is asked for.
#[derive(Debug, Clone, Copy)]
enum Operation {
    /// Quotes and events.
    Reading,
    /// Submissions.
    Submitting,
    /// `/readyz`.
    Probing,
}

impl Operation {
    /// The subject of its troubles.
    fn subject(self) -> String {
        let word = match self {
            Self::Reading => "reading",
            Self::Submitting => "submitting",
            Self::Probing => "readiness",
        };
        word.to_owned()
    }
}

/// Hears reports.
pub type Reporter = Arc<dyn Fn(ServeEvent) + Send + Sync>;

/// How requests are served.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The deadline of an RFQ that names none.
    pub deadline: Duration,
    /// The names that are answered to.
    pub hosts: Hosts,
}

/// What every route is handed.
struct AppState {
    aws: Aws,
    settings: ServeSettings,
    submitter: Submitter,
    watches: Watches,
    filters: Arc<Filters>,
    readiness: Readiness,
    streams: Arc<Semaphore>,
    /// Cancelled when no new request is taken any more.
    stop: StopSignal,
    report: Reporter,
}

/// Reports whether what lies behind answered as it should, or with what error.
fn tell(report: &Reporter, work: Operation, error: Option<&Error>) {
    match error {
        None => report(ServeEvent::Trouble(Trouble::Over { subject: work.subject() })),
        Some(error) if answer::is_ours(error) => {
            let (subject, reason) = (work.subject(), error.in_full());
            report(ServeEvent::Trouble(Trouble::Began { subject, reason }));
        }
        Some(_) => {}
    }
}

/// Serves until `stop`; then finishes the requests that are open and the submissions that were taken.
/// Streams of events end at once: whoever follows one comes back to whoever serves next.
///
/// # Errors
/// When not everything was finished within 25 s.
pub async fn run(
    listener: TcpListener,
    aws: Aws,
    settings: ServeSettings,
    stop: &StopSignal,
    report: Reporter,
) -> Result<()> {
    let filters = Arc::<Filters>::default();
    let state = Arc::new(AppState {
        submitter: Submitter::new(aws.clone(), Arc::clone(&report)),
        watches: Watches::new(aws.clone(), Arc::clone(&filters), Arc::clone(&report)),
        filters,
        readiness: Readiness::default(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        stop: stop.clone(),
        report: Arc::clone(&report),
        aws,
        settings,
    });
    let router = routes::router(Arc::clone(&state));
    let hosts = state.settings.hosts.clone();
    let serving = async {
        connections::open(listener, router, hosts, stop.clone(), report).await;
        state.submitter.close().await;
    };
    let overdue = async {
        stop.reached(Stage::Drain).await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        () = serving => Ok(()),
        () = overdue => {
            let message = format!("not every request was finished within {} s", DRAIN.as_secs());
            Err(Error::other(message))
        }
    }
}
