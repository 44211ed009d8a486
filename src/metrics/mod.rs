//! What happens in this process, counted and timed for Prometheus. Prints nothing and serves nothing.
//!
//! Labels are bounded: providers of this process, kinds, operations, routes, statuses. No label comes from a message.

mod requests;
mod server;
mod workers;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

pub use server::ServerMetrics;
pub use workers::WorkerMetrics;

use crate::aws::Aws;
use requests::AwsMetrics;

/// The media type of [`Metrics::text`]. Every version of Prometheus reads it, and so do scrapers that do not know
/// `OpenMetrics`.
pub const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Upper bounds of the buckets for requests, in seconds. The longest receive, of 20 s, is in the last bucket.
const SHORT: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 25.0];
/// Upper bounds of the buckets for times that depend on a provider or a backlog, in seconds. The workshop's providers
/// think up to 60 s.
const LONG: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0, 3600.0];

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, String); N];
/// Histograms of one name.
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

fn short_times() -> Histogram {
    Histogram::new(SHORT)
}

fn long_times() -> Histogram {
    Histogram::new(LONG)
}

/// All metrics of a process. Those of workers and of the server are registered here.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// The version, and the requests to AWS from now on.
    pub fn of(aws: &Aws) -> Self {
        let mut metrics = Self(Registry::with_prefix("rydes"));
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        metrics.register("build", "Version of the program; the value is always 1", version);
        let requests = AwsMetrics::among(&mut metrics);
        aws.meter.watch(requests.watcher());
        metrics
    }

    /// The metrics as Prometheus reads them, in its text format 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0).expect("a String takes any text");
        text
    }

    fn register(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }

    /// The same for times: `_seconds` is added to the name.
    fn register_seconds(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register_with_unit(name, help, Unit::Seconds, metric);
    }
}
