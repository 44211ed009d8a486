//! Attempts at requests to AWS: how they ended, and how long they took.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Labels, Metrics, Times, short_times};
use crate::aws::{RequestOutcome, RequestWatcher};

/// Counts attempts by operation. Only the program chooses operations, so their number is bounded.
pub(super) struct AwsMetrics {
    requests: Family<Labels<2>, Counter>,
    seconds: Times<1>,
    known: RwLock<HashMap<String, Arc<OfOperation>>>,
}

/// The counters of one operation.
struct OfOperation {
    /// In the order of [`RequestOutcome::ALL`].
    outcomes: [Counter; RequestOutcome::ALL.len()],
    seconds: Histogram,
}

impl AwsMetrics {
    pub(super) fn among(metrics: &mut Metrics) -> Self {
        let counters = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(short_times),
            known: RwLock::default(),
        };
        metrics.register(
            "aws_requests",
            "Attempts at requests to AWS by operation and outcome: ok, refused, throttled, failed, \
             unanswered, or abandoned by the program",
            counters.requests.clone(),
        );
        metrics.register_seconds(
            "aws_request_duration",
            "Seconds of an attempt at a request to AWS, until its response was read; \
             sqs.ReceiveMessage waits up to 20 s for messages, so leave it out where only the \
             backend counts",
            counters.seconds.clone(),
        );
        counters
    }

    pub(super) fn watcher(self) -> RequestWatcher {
        Arc::new(move |operation, outcome, took| self.count(operation, outcome, took))
    }

    fn count(&self, operation: &str, outcome: RequestOutcome, took: Duration) {
        let of_operation = self.of(operation);
        of_operation.outcomes[outcome as usize].inc();
        of_operation.seconds.observe(took.as_secs_f64());
    }

    fn of(&self, operation: &str) -> Arc<OfOperation> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(operation) {
            return Arc::clone(known);
        }
        drop(known);
        let outcome = |outcome| {
            let labels =
                [("operation", operation.to_owned()), ("outcome", word(outcome).to_owned())];
            self.requests.get_or_create_owned(&labels)
        };
        let made = Arc::new(OfOperation {
            outcomes: RequestOutcome::ALL.map(outcome),
            seconds: self.seconds.get_or_create_owned(&[("operation", operation.to_owned())]),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Both makers of one have the same counters.
        known.insert(operation.to_owned(), Arc::clone(&made));
        made
    }
}

fn word(outcome: RequestOutcome) -> &'static str {
    match outcome {
        RequestOutcome::Ok => "ok",
        RequestOutcome::Refused => "refused",
        RequestOutcome::Throttled => "throttled",
        RequestOutcome::Failed => "failed",
        RequestOutcome::Unanswered => "unanswered",
        RequestOutcome::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_counts_as_itself() {
        let mut metrics = Metrics(prometheus_client::registry::Registry::with_prefix("rydes"));
        let counters = AwsMetrics::among(&mut metrics);
        for (times, outcome) in (1..).zip(RequestOutcome::ALL) {
            for _ in 0..times {
                counters.count("sqs.ReceiveMessage", outcome, Duration::from_millis(20_500));
            }
        }
        let text = metrics.text();
        for (times, outcome) in (1..).zip(RequestOutcome::ALL) {
            let word = word(outcome);
            let line = format!(
                "rydes_aws_requests_total{{operation=\"sqs.ReceiveMessage\",outcome=\"{word}\"}} {times}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        // A long poll is in the last bucket that has an end.
        let poll = "{operation=\"sqs.ReceiveMessage\",le=\"10\"} 0\n";
        let longer = "{operation=\"sqs.ReceiveMessage\",le=\"25\"} 21\n";
        for bucket in [poll, longer] {
            let line = format!("rydes_aws_request_duration_seconds_bucket{bucket}");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
