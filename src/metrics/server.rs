//! The HTTP server: requests by route, submissions, open event streams.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{Labels, Metrics, Times, short_times};
use crate::aws::Aws;

/// The route of a request that no route matches.
const OTHER: &str = "other";

/// The metrics of a server.
#[derive(Debug)]
pub struct ServerMetrics {
    metrics: Metrics,
    requests: Family<Labels<2>, Counter>,
    seconds: Times<1>,
    submissions: Counter,
    streams: Gauge,
}

impl ServerMetrics {
    /// Counts from now on, requests to AWS included.
    pub fn of(aws: &Aws) -> Self {
        let mut metrics = Metrics::of(aws);
        let (requests, seconds) = (Family::default(), Times::new_with_constructor(short_times));
        let (submissions, streams) = (Counter::default(), Gauge::default());
        metrics.register(
            "http_requests",
            "HTTP requests that were answered, by route and status",
            Family::clone(&requests),
        );
        metrics.register_seconds(
            "http_request_duration",
            "Seconds from the head of an HTTP request to the head of its response",
            Family::clone(&seconds),
        );
        let help = "Submissions that were accepted: written and published";
        metrics.register("submissions", help, submissions.clone());
        metrics.register("event_streams_open", "Event streams open now", streams.clone());
        Self { metrics, requests, seconds, submissions, streams }
    }

    /// Counts a response. `route` is a pattern of the router, never a path.
    pub fn answered(&self, route: Option<&str>, status: u16, took: Duration) {
        let route = [("route", route.unwrap_or(OTHER).to_owned())];
        self.seconds.get_or_create(&route).observe(took.as_secs_f64());
        let [route] = route;
        self.requests.get_or_create(&[route, ("status", status.to_string())]).inc();
    }

    /// Counts an accepted submission.
    pub fn taken(&self) {
        self.submissions.inc();
    }

    /// The metrics as Prometheus reads them. `streams` is the number of open event streams.
    pub fn text(&self, streams: usize) -> String {
        self.streams.set(i64::try_from(streams).unwrap_or(i64::MAX));
        self.metrics.text()
    }
}
