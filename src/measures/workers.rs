//! The workers' events, counted: requests and replies of each provider, and what the consumer gathers.

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::{Figures, Labels, Times, long_times};
use crate::core::{Answer, Names, ProviderName};
use crate::flow::events::{Event, Gathered};
use crate::flow::provider::{Served, ServedBy};
use crate::flow::workers::WorkerPlan;

/// The counters of providers and consumer, each found before anything happens.
pub struct WorkerMeasures {
    providers: HashMap<ProviderName, ProviderMeasures>,
    /// Requests that became dead letters here.
    dead_requests: Counter,
    consumer: ConsumerMeasures,
}

/// The counters of one provider.
struct ProviderMeasures {
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
struct ConsumerMeasures {
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

impl WorkerMeasures {
    /// Registers the figures of what this plan runs.
    pub fn among(figures: &mut Figures, plan: &WorkerPlan, names: &Names) -> Self {
        let dead_letters = Family::<Labels<1>, Counter>::default();
        let to = |queue| dead_letters.get_or_create_owned(&[("queue", queue)]);
        let served = plan.providers.as_ref().map(|providers| &providers.served[..]);
        let measures = Self {
            providers: served.map(|served| providers(figures, served)).unwrap_or_default(),
            dead_requests: served.map(|_| to(names.provider_dead_letters())).unwrap_or_default(),
            consumer: if plan.consumer.is_some() {
                ConsumerMeasures::among(figures, to(names.response_dead_letters()))
            } else {
                // Counts what does not happen, and is not shown.
                ConsumerMeasures::new(&Family::default(), Counter::default())
            },
        };
        figures.register(
            "dead_letters",
            "Messages that this process moved to a queue of dead letters; what SQS or SNS moves \
             there by itself is not counted",
            dead_letters,
        );
        measures
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

    fn at(&self, provider: &ProviderName, count: impl FnOnce(&ProviderMeasures)) {
        if let Some(measures) = self.providers.get(provider) {
            count(measures);
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

fn providers(figures: &mut Figures, served: &[Served]) -> HashMap<ProviderName, ProviderMeasures> {
    let (families, seconds) =
        (ProviderFamilies::default(), Times::new_with_constructor(long_times));
    let measures = served.iter().map(|one| (one.name.clone(), families.of(one, &seconds)));
    let measures = measures.collect();
    families.register(figures);
    figures.register_seconds(
        "answer_duration",
        "Seconds from the receipt of a request to its quote, decline or failure",
        seconds,
    );
    measures
}

impl ProviderFamilies {
    fn of(&self, served: &Served, seconds: &Times<1>) -> ProviderMeasures {
        let provider = [("provider", served.name.to_string())];
        let with = |name, value: &str| [provider[0].clone(), (name, value.to_owned())];
        let received = |delivery| self.received.get_or_create_owned(&with("delivery", delivery));
        let is_real = !matches!(served.by, ServedBy::Simulation(_));
        ProviderMeasures {
            first: received("first"),
            again: received("again"),
            in_hand: self.in_hand.get_or_create_owned(&provider),
            sent: ByKind::new(|kind| self.sent.get_or_create_owned(&with("kind", kind))),
            late: self.late.get_or_create_owned(&provider),
            seconds: seconds.get_or_create_owned(&provider),
            // Simulated providers report none.
            attempts: if is_real {
                self.attempts.get_or_create_owned(&provider)
            } else {
                Counter::default()
            },
            failed_attempts: self.failed_attempts.get_or_create_owned(&provider),
        }
    }

    fn register(self, figures: &mut Figures) {
        figures.register(
            "requests_received",
            "Requests that providers received: delivered for the first time, or again",
            self.received,
        );
        figures.register("requests_in_hand", "Requests in hand now", self.in_hand);
        figures.register("replies_sent", "Replies on the response queue by kind", self.sent);
        figures.register(
            "replies_late",
            "Quotes, declines and failures that were sent after the deadline",
            self.late,
        );
        figures.register(
            "attempts",
            "Attempts to get an answer from a real provider",
            self.attempts,
        );
        figures.register(
            "attempts_failed",
            "Attempts that failed and are repeated; the failure of a last attempt is a reply of \
             kind failed",
            self.failed_attempts,
        );
    }
}

impl ConsumerMeasures {
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

    fn among(figures: &mut Figures, dead_replies: Counter) -> Self {
        let gathered = Family::default();
        let measures = Self::new(&gathered, dead_replies);
        figures.register(
            "replies_gathered",
            "Replies that the consumer gathered by kind, and how: the first answer, one that \
             replaced an answer of a lower rank, or a duplicate, which is not stored",
            gathered,
        );
        figures.register_seconds(
            "gather_duration",
            "Seconds from sent-at to gathered-at: the time that a reply waits in the response \
             queue, by the clocks of SQS and this machine",
            measures.seconds.clone(),
        );
        figures.register(
            "replies_refused",
            "Replies that were refused and went to the dead letters",
            measures.refused.clone(),
        );
        measures
    }
}
