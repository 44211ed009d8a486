//! The workers' events, counted: requests and replies of each provider, and what the consumer gathers.

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::{Labels, Metrics, Times, long_times};
use crate::core::{Answer, Names, ProviderName};
use crate::flow::events::{Event, Gathered};
use crate::flow::provider::{Served, ServedBy};
use crate::flow::workers::WorkerPlan;

/// The metrics of providers and consumer. All of them exist, at zero, before the first event.
pub struct WorkerMetrics {
    providers: HashMap<ProviderName, ProviderMetrics>,
    /// Requests that became dead letters here.
    dead_requests: Counter,
    consumer: ConsumerMetrics,
}

/// The counters of one provider.
struct ProviderMetrics {
    /// Requests delivered for the first time.
    first: Counter,
    /// Requests delivered again.
    again: Counter,
    in_hand: Gauge,
    sent: ByKind<Counter>,
    late: Counter,
    seconds: Histogram,
    attempts: Counter,
    failed_attempts: Counter,
}

/// The counters of the response consumer.
struct ConsumerMetrics {
    gathered: ByKind<ByHow<Counter>>,
    seconds: Histogram,
    refused: Counter,
    /// Replies that became dead letters.
    dead_replies: Counter,
}

/// One for each kind of answer.
struct ByKind<T> {
    quote: T,
    declined: T,
    failed: T,
    silent: T,
}

impl<T> ByKind<T> {
    fn new(make: impl Fn(&'static str) -> T) -> Self {
        Self {
            quote: make("quote"),
            declined: make("declined"),
            failed: make("failed"),
            silent: make("silent"),
        }
    }

    fn of(&self, answer: &Answer) -> &T {
        match answer {
            Answer::Quote(_) => &self.quote,
            Answer::Declined(_) => &self.declined,
            Answer::Failed { .. } => &self.failed,
            Answer::Silent(_) => &self.silent,
        }
    }
}

/// One for each way into the table.
struct ByHow<T> {
    first: T,
    replacing: T,
    duplicate: T,
}

impl<T> ByHow<T> {
    fn of(&self, how: Gathered) -> &T {
        match how {
            Gathered::First => &self.first,
            Gathered::Replacing => &self.replacing,
            Gathered::Duplicate => &self.duplicate,
        }
    }
}

impl WorkerMetrics {
    /// Registers the metrics of what this plan runs.
    pub fn among(metrics: &mut Metrics, plan: &WorkerPlan, names: &Names) -> Self {
        let dead_letters = Family::<Labels<1>, Counter>::default();
        let to = |queue| dead_letters.get_or_create_owned(&[("queue", queue)]);
        let served = plan.providers.as_ref().map(|providers| &providers.served[..]);
        let counters = Self {
            providers: served.map(|served| providers(metrics, served)).unwrap_or_default(),
            dead_requests: served.map(|_| to(names.provider_dead_letters())).unwrap_or_default(),
            consumer: if plan.consumer.is_some() {
                ConsumerMetrics::among(metrics, to(names.response_dead_letters()))
            } else {
                // Without a consumer, these are neither registered nor counted.
                ConsumerMetrics::new(&Family::default(), Counter::default())
            },
        };
        metrics.register(
            "dead_letters",
            "Messages that this process moved to a queue of dead letters; what SQS or SNS moves \
             there by itself is not counted",
            dead_letters,
        );
        counters
    }

    /// Counts an event.
    pub fn count(&self, event: &Event) {
        match event {
            Event::Received { provider, count, .. } => self.at(provider, |it| {
                if *count > 1 { &it.again } else { &it.first }.inc();
                it.in_hand.inc();
            }),
            Event::Asked { provider, .. } => self.at(provider, |it| _ = it.attempts.inc()),
            Event::Answered { provider, answer, took, late_by, .. } => self.at(provider, |it| {
                it.sent.of(answer).inc();
                if !matches!(answer, Answer::Silent(_)) {
                    it.seconds.observe(took.as_secs_f64());
                    it.late.inc_by(u64::from(late_by.is_some()));
                }
            }),
            Event::AttemptFailed { provider, .. } => {
                self.at(provider, |it| _ = it.failed_attempts.inc());
            }
            Event::Finished { provider } => self.at(provider, |it| _ = it.in_hand.dec()),
            Event::Buried { .. } | Event::Unreadable { .. } => _ = self.dead_requests.inc(),
            Event::Gathered { answer, how, took, .. } => {
                self.consumer.gathered.of(answer).of(*how).inc();
                if let Some(took) = took {
                    self.consumer.seconds.observe(took.as_secs_f64());
                }
            }
            Event::Refused { .. } => {
                self.consumer.refused.inc();
                self.consumer.dead_replies.inc();
            }
            Event::Said { .. }
            | Event::Mute { .. }
            | Event::Strayed { .. }
            | Event::Crashed { .. }
            | Event::GivenBack { .. }
            | Event::Again { .. }
            | Event::Left { .. }
            | Event::Trouble(_) => {}
        }
    }

    fn at(&self, provider: &ProviderName, count: impl FnOnce(&ProviderMetrics)) {
        if let Some(counters) = self.providers.get(provider) {
            count(counters);
        }
    }
}

/// The families of all providers.
#[derive(Default)]
struct ProviderFamilies {
    received: Family<Labels<2>, Counter>,
    in_hand: Family<Labels<1>, Gauge>,
    sent: Family<Labels<2>, Counter>,
    late: Family<Labels<1>, Counter>,
    attempts: Family<Labels<1>, Counter>,
    failed_attempts: Family<Labels<1>, Counter>,
}

fn providers(metrics: &mut Metrics, served: &[Served]) -> HashMap<ProviderName, ProviderMetrics> {
    let (families, seconds) =
        (ProviderFamilies::default(), Times::new_with_constructor(long_times));
    let counters = served.iter().map(|one| (one.name.clone(), families.of(one, &seconds)));
    let counters = counters.collect();
    families.register(metrics);
    metrics.register_seconds(
        "answer_duration",
        "Seconds from the receipt of a request to its quote, decline or failure",
        seconds,
    );
    counters
}

impl ProviderFamilies {
    fn of(&self, served: &Served, seconds: &Times<1>) -> ProviderMetrics {
        let provider = [("provider", served.name.to_string())];
        let with = |name, value: &str| [provider[0].clone(), (name, value.to_owned())];
        let received = |delivery| self.received.get_or_create_owned(&with("delivery", delivery));
        let is_real = !matches!(served.by, ServedBy::Simulation(_));
        ProviderMetrics {
            first: received("first"),
            again: received("again"),
            in_hand: self.in_hand.get_or_create_owned(&provider),
            sent: ByKind::new(|kind| self.sent.get_or_create_owned(&with("kind", kind))),
            late: self.late.get_or_create_owned(&provider),
            seconds: seconds.get_or_create_owned(&provider),
            // Simulated providers report no attempts, so theirs are not registered.
            attempts: if is_real {
                self.attempts.get_or_create_owned(&provider)
            } else {
                Counter::default()
            },
            failed_attempts: self.failed_attempts.get_or_create_owned(&provider),
        }
    }

    fn register(self, metrics: &mut Metrics) {
        metrics.register(
            "requests_received",
            "Requests that providers received: delivered for the first time, or again",
            self.received,
        );
        metrics.register("requests_in_hand", "Requests in hand now", self.in_hand);
        metrics.register("replies_sent", "Replies on the response queue by kind", self.sent);
        metrics.register(
            "replies_late",
            "Quotes, declines and failures that were sent after the deadline",
            self.late,
        );
        metrics.register(
            "attempts",
            "Attempts to get an answer from a real provider",
            self.attempts,
        );
        metrics.register(
            "attempts_failed",
            "Attempts that failed and are repeated; the failure of a last attempt is a reply of \
             kind failed",
            self.failed_attempts,
        );
    }
}

impl ConsumerMetrics {
    fn new(gathered: &Family<Labels<2>, Counter>, dead_replies: Counter) -> Self {
        let by = |kind: &'static str| {
            let by = |how: &str| {
                let labels = [("kind", kind.to_owned()), ("how", how.to_owned())];
                gathered.get_or_create_owned(&labels)
            };
            ByHow { first: by("first"), replacing: by("replacing"), duplicate: by("duplicate") }
        };
        Self {
            gathered: ByKind::new(by),
            seconds: long_times(),
            refused: Counter::default(),
            dead_replies,
        }
    }

    fn among(metrics: &mut Metrics, dead_replies: Counter) -> Self {
        let gathered = Family::default();
        let counters = Self::new(&gathered, dead_replies);
        metrics.register(
            "replies_gathered",
            "Replies that the consumer gathered by kind, and how: the first answer, one that \
             replaced an answer of a lower rank, or a duplicate, which is not stored",
            gathered,
        );
        metrics.register_seconds(
            "gather_duration",
            "Seconds from sent-at to gathered-at: the time that a reply waits in the response \
             queue, by the clocks of SQS and this machine",
            counters.seconds.clone(),
        );
        metrics.register(
            "replies_refused",
            "Replies that were refused and went to the dead letters",
            counters.refused.clone(),
        );
        counters
    }
}
