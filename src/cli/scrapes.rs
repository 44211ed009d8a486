//! `--metrics` of workers: where Prometheus reads their figures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::listen::bind;
use crate::aws::Aws;
use crate::error::{Error, Result};
use crate::flow::events::{Event, Sink};
use crate::flow::workers::WorkerPlan;
use crate::measures::{Figures, WorkerMeasures};
use crate::serve::{METRICS, scrapes};
use crate::shutdown::{Stage, StopSignal};
use crate::terminal::Output;

/// How long scrapes may take to end after the workers.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

/// The listener of `--metrics`, open before anything is received.
pub(super) struct ScrapeListener {
    listener: TcpListener,
    at: SocketAddr,
}

impl ScrapeListener {
    /// Listens where `--metrics` says.
    pub(super) async fn open(typed: Option<&str>) -> Result<Option<Self>> {
        let Some(typed) = typed else { return Ok(None) };
        // As Prometheus and its exporters take it, a colon and a port are on all addresses.
        let listen =
            if typed.starts_with(':') { format!("0.0.0.0{typed}") } else { typed.to_owned() };
        let listener = bind("--metrics", &listen).await?;
        let at = listener.local_addr().map_err(Error::system)?;
        Ok(Some(Self { listener, at }))
    }

    /// Counts the requests to AWS from now on.
    pub(super) fn watch(self, aws: &Aws) -> Scrapes {
        Scrapes { listener: self, figures: Figures::of(aws) }
    }
}

/// What is scraped, and where.
pub(super) struct Scrapes {
    listener: ScrapeListener,
    figures: Figures,
}

impl Scrapes {
    /// Says where the metrics are, and who can read them.
    pub(super) fn announce(&self, output: &Output) {
        let at = self.listener.at;
        if !at.ip().is_loopback() {
            output.warning(&format!(
                "no authentication: anyone who can reach {at} can read the metrics"
            ));
        }
        output.note(&format!("metrics: http://{at}{METRICS}"));
    }

    /// Answers scrapes from now on, also while the workers drain.
    pub(super) fn begin(self, aws: &Aws, plan: &WorkerPlan) -> Measured {
        let Self { listener: ScrapeListener { listener, .. }, mut figures } = self;
        let measures = Arc::new(WorkerMeasures::among(&mut figures, plan, &aws.names));
        let (figures, stop) = (Arc::new(figures), StopSignal::new());
        let ends = stop.clone();
        let task = tokio::spawn(async move { scrapes(listener, figures, &ends).await });
        Measured { measures, stop, task: AbortOnDropHandle::new(task) }
    }
}

/// Workers whose figures are read.
pub(super) struct Measured {
    measures: Arc<WorkerMeasures>,
    stop: StopSignal,
    task: AbortOnDropHandle<()>,
}

impl Measured {
    /// The same sink, which also counts.
    pub(super) fn beside(&self, sink: Sink<Event>) -> Sink<Event> {
        let measures = Arc::clone(&self.measures);
        Arc::new(move |event| {
            measures.count(&event);
            sink(event);
        })
    }

    /// Ends once the scrapes under way are answered.
    pub(super) async fn end(self) {
        self.stop.reach(Stage::Drain);
        // One that takes longer is cut.
        _ = timeout(LAST_SCRAPE, self.task).await;
    }
}
