//! The HTTP server: the original's two routes, the changes of an RFQ as a stream, and a page that shows them. It
//! has the same functions as the command line. Prints nothing.

mod answer;
mod connections;
mod events;
mod hosts;
mod metrics;
mod page;
mod routes;
mod submitter;
mod token;
mod unread;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::aws::Aws;
use crate::consumer::Trouble;
use crate::core::{RequestRow, RfqId};
use crate::error::{Error, Result};
use crate::flow::quotes::Filters;
use crate::metrics::ServerMetrics;
use crate::shutdown::{Stage, StopSignal};
pub use hosts::Hosts;
pub use metrics::serve_metrics;
use routes::Readiness;
use submitter::Submitter;
pub use token::TokenFile;
use watches::Watches;

/// Where the metrics for Prometheus are.
pub const METRICS: &str = "/metrics";
/// Time limit for open requests after a stop.
const DRAIN: Duration = Duration::from_secs(25);
/// Most event streams at once.
const STREAMS: usize = 512;

#[derive(Debug, Clone)]
pub enum ServeEvent {
    /// A request was answered, or an event stream began.
    Answered {
        method: String,
        /// As requested; it may hold any text.
        path: String,
        /// The pattern that matches the path; `None` if no route does.
        route: Option<MatchedPath>,
        status: u16,
        /// From the head of the request to the head of the response.
        took: Duration,
    },
    /// A submission was accepted: its row is written and its message published.
    Taken(Box<RequestRow>),
    Trouble(Trouble),
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Reading,
    Submitting,
    Closing,
    Probing,
}

impl Operation {
    fn subject(self) -> String {
        let word = match self {
            Self::Reading => "reading",
            Self::Submitting => "submitting",
            Self::Closing => "closing",
            Self::Probing => "readiness",
        };
        word.to_owned()
    }
}

pub type Reporter = Arc<dyn Fn(ServeEvent) + Send + Sync>;

#[derive(Clone)]
pub struct ServeSettings {
    /// For an RFQ that names no deadline.
    pub deadline: Duration,
    pub hosts: Hosts,
    /// The token that requests must have; without one, anyone may do everything.
    pub token: Option<Arc<TokenFile>>,
    /// Command lines that the page and the errors show; `None` where others than this machine's users may see them.
    pub commands: Option<Arc<Commands>>,
    /// Finds the RFQ whose id begins like this. Without it, only a whole id is found.
    pub find: Option<Finder>,
    /// What `/metrics` shows.
    pub metrics: Arc<ServerMetrics>,
}

/// What a user can do about what the page says, as command lines.
#[derive(Debug, Clone)]
pub struct Commands {
    /// Starts this server again.
    pub serve: String,
    /// Starts LocalStack, or asks AWS how the stack is; `None` where LocalStack runs on another machine.
    pub start_backend: Option<String>,
    pub set_up: String,
    pub run_providers: String,
    pub run_consumer: String,
    pub status: String,
}

pub type Finder = Arc<dyn Fn(String) -> BoxFuture<'static, Result<RfqId>> + Send + Sync>;

struct AppState {
    aws: Aws,
    settings: ServeSettings,
    submitter: Submitter,
    watches: Watches,
    filters: Arc<Filters>,
    readiness: Readiness,
    streams: Arc<Semaphore>,
    /// Reached when the server accepts no new requests.
    stop: StopSignal,
    report: Reporter,
}

/// Reports the backend's success, or its error. The client's own errors are not reported.
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

/// Counts events before they are reported.
fn counted(metrics: &Arc<ServerMetrics>, report: Reporter) -> Reporter {
    let metrics = Arc::clone(metrics);
    Arc::new(move |event| {
        match &event {
            ServeEvent::Answered { route, status, took, .. } => {
                metrics.answered(route.as_ref().map(MatchedPath::as_str), *status, *took);
            }
            ServeEvent::Taken(_) => metrics.taken(),
            ServeEvent::Trouble(_) => {}
        }
        report(event);
    })
}

/// Serves until `stop`, then finishes open requests and accepted submissions. Fails when that takes longer than 25
/// s. Event streams end at once, and their clients reconnect to the next server.
pub async fn run(
    listener: TcpListener,
    aws: Aws,
    settings: ServeSettings,
    stop: &StopSignal,
    report: Reporter,
) -> Result<()> {
    let report = counted(&settings.metrics, report);
    let filters = Arc::<Filters>::default();
    let state = Arc::new(AppState {
        submitter: Submitter::new(aws.clone(), Arc::clone(&report)),
        watches: Watches::new(
            aws.clone(),
            Arc::clone(&filters),
            settings.commands.clone(),
            Arc::clone(&report),
        ),
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
