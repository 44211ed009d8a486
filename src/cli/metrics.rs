//! `--metrics` of workers: where Prometheus reads their metrics.

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
use crate::metrics::{Metrics, WorkerMetrics};
use crate::serve::{METRICS, serve_metrics};
use crate::shutdown::{Stage, StopSignal};
use crate::terminal::Output;

/// How long scrapes may take to end after the workers.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

/// The listener of `--metrics`, open before anything is received.
pub(super) struct MetricsListener {
    listener: TcpListener,
    at: SocketAddr,
}

impl MetricsListener {
    /// Listens at the address of `--metrics`, if it was typed.
    pub(super) async fn open(typed: Option<&str>) -> Result<Option<Self>> {
        let Some(typed) = typed else { return Ok(None) };
        // As in Prometheus and its exporters, a colon and a port mean all addresses.
        let listen =
            if typed.starts_with(':') { format!("0.0.0.0{typed}") } else { typed.to_owned() };
        let listener = bind("--metrics", &listen).await?;
        let at = listener.local_addr().map_err(Error::system)?;
        Ok(Some(Self { listener, at }))
    }

    /// Counts the requests to AWS from now on.
    pub(super) fn watch(self, aws: &Aws) -> MetricsServer {
        MetricsServer { listener: self, metrics: Metrics::of(aws) }
    }
}

/// The metrics of workers, and where they will be served.
pub(super) struct MetricsServer {
    listener: MetricsListener,
    metrics: Metrics,
}

impl MetricsServer {
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
    pub(super) fn begin(self, aws: &Aws, plan: &WorkerPlan) -> ServedMetrics {
        let Self { listener: MetricsListener { listener, .. }, mut metrics } = self;
        let counters = Arc::new(WorkerMetrics::among(&mut metrics, plan, &aws.names));
        let (metrics, stop) = (Arc::new(metrics), StopSignal::new());
        let ends = stop.clone();
        let task = tokio::spawn(async move { serve_metrics(listener, metrics, &ends).await });
        ServedMetrics { counters, stop, task: AbortOnDropHandle::new(task) }
    }
}

/// The metrics of running workers, while they are served.
pub(super) struct ServedMetrics {
    counters: Arc<WorkerMetrics>,
    stop: StopSignal,
    task: AbortOnDropHandle<()>,
}

impl ServedMetrics {
    /// A sink that counts each event, then passes it to `sink`.
    pub(super) fn beside(&self, sink: Sink<Event>) -> Sink<Event> {
        let counters = Arc::clone(&self.counters);
        Arc::new(move |event| {
            counters.count(&event);
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
