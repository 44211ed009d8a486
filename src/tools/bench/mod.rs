//! Load test of the whole path: submits requests at a rate or as fast as possible, with workers and consumer in
//! the same process, and measures them. Changes nothing but the stack that it is given.

pub(crate) mod chaos;
pub mod proxy;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hdrhistogram::Histogram;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::aws::{Aws, Usage};
use crate::core::{Answer, Details, ProviderName, Responder, RfqId};
use crate::error::{Error, Result};
use crate::flow::draft::Submission;
use crate::flow::events::{Event, Sink};
use crate::flow::gather;
use crate::flow::provider;
use crate::flow::scatter::{Scatter, Scattered};
use crate::flow::workers::{self, WorkerPlan};
use crate::shutdown::StopSignal;
use crate::tools::bench::usage::{peak_memory, processor_time};

/// Submissions in flight at once without a rate: enough to fill both kinds of batches.
const IN_FLIGHT: usize = 500;
/// Submissions in flight at once with a rate. When this many wait, the rate exceeds what the topic accepts.
const MOST_IN_FLIGHT: usize = 10_000;
/// The longest latency that is recorded, in microseconds: a day.
const LONGEST: u64 = 86_400_000_000;
/// How often progress is reported.
const TOLD_EVERY: Duration = Duration::from_millis(200);
/// The deadline of each RFQ unless another is named: far beyond the end of any measurement.
pub(crate) const DEADLINE: Duration = Duration::from_hours(24);
/// How long no answer may come, beyond the think time, before the missing answers count as lost.
const STALLED: Duration = Duration::from_mins(2);
/// Everything counts as acknowledged when no AWS request has gone out for this long. Deletes wait a shorter time
/// for their batch; an idle poll lasts longer.
const SETTLED: Duration = Duration::from_millis(1_500);
/// Time limit for that.
const SETTLING: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(crate) struct LoadPlan {
    pub rfqs: u32,
    /// RFQs that are submitted first and not measured.
    pub warm_up: u32,
    pub arrival: Arrival,
    /// The details of each RFQ.
    pub details: Option<Details>,
    /// The deadline of each RFQ.
    pub deadline: Duration,
    pub providers: provider::ProviderPlan,
    pub gathering: gather::ConsumerSettings,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Arrival {
    /// As fast as the topic accepts them.
    Saturating,
    /// So many a second. Each starts at its own time, even if earlier ones are still in flight.
    Rate(f64),
}

#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// From the first submission to the last reply in the table.
    pub took: Duration,
    pub quotes: u64,
    /// Answers to these RFQs in the table.
    pub answers: u64,
    /// From the due time of an RFQ to the write of its last reply, in microseconds.
    pub latency: Histogram<u64>,
    /// AWS requests from the first submission to the last acknowledgement.
    pub usage: Usage,
    /// Answers and requests that were delivered again.
    pub duplicates: u64,
    /// Expected answers that are not in the table.
    pub lost: u64,
    /// Processor time of this process: submitter, workers and consumer together.
    pub processor: Option<Duration>,
    /// In bytes.
    pub peak_memory: Option<u64>,
}

/// Runs workers, consumer and the measurement, on a stack that has these providers and empty queues. `gathered`
/// receives now and then the number of RFQs that have all their answers. The polls in flight at the end are
/// dropped: the stack must not be used afterwards.
///
/// Fails on any error of a submission, and when the workers or the consumer end, for example because of `stop`.
pub(crate) async fn run(
    aws: &Aws,
    plan: &LoadPlan,
    stop: &StopSignal,
    gathered: &(dyn Fn(u64) + Send + Sync),
) -> Result<Measured> {
    let tracker = Arc::new(RoundTracker::default());
    let heard = Arc::clone(&tracker);
    let sink: Sink<Event> = Arc::new(move |event| heard.hear(&event));
    let workers = async {
        let both =
            WorkerPlan { providers: Some(plan.providers.clone()), consumer: Some(plan.gathering) };
        Box::pin(workers::run(aws, &both, stop, &sink)).await?;
        Err(Error::other("the workers have stopped"))
    };
    tokio::select! {
        measured = measure(aws, plan, stop, &tracker, gathered) => measured,
        ended = workers => ended,
    }
}

async fn measure(
    aws: &Aws,
    plan: &LoadPlan,
    stop: &StopSignal,
    tracker: &RoundTracker,
    gathered: &(dyn Fn(u64) + Send + Sync),
) -> Result<Measured> {
    let tasks = TaskTracker::new();
    let scatter = Scatter::batched(aws, &tasks, &stop.part()).await?;
    let providers: Vec<_> = plan.providers.names().cloned().collect();
    let stall = STALLED + plan.providers.longest_attempt();
    let round = async |rfqs: u32, arrival: Arrival, gathered: &dyn Fn(u64)| {
        tracker.begin(rfqs, &providers);
        // Answers come while other RFQs are still being submitted.
        let submitted = submit(rfqs, arrival, plan, &scatter, tracker);
        let ((), ()) = tokio::try_join!(submitted, async {
            tracker.completed(stall, gathered).await;
            Ok(())
        })?;
        settled(aws).await;
        Ok::<_, Error>(())
    };
    round(plan.warm_up, Arrival::Saturating, &|_| {}).await?;
    if tracker.counts().complete < u64::from(plan.warm_up) {
        return Err(Error::other("some replies to the warm-up did not arrive"));
    }

    let (usage, processor) = (aws.meter.usage(), processor_time());
    let began = Instant::now();
    round(plan.rfqs, plan.arrival, gathered).await?;
    let usage = aws.meter.usage().since(&usage);
    let processor = processor_time().zip(processor).map(|(now, then)| now.saturating_sub(then));
    let rows = aws.table().answers().await?;
    let counts = tracker.counts();
    let answers = counts.rfqs.keys().map(|id| rows.get(id).copied().unwrap_or(0)).sum::<u64>();
    Ok(Measured {
        took: counts.last.map_or(Duration::ZERO, |last| last - began),
        quotes: counts.quotes,
        answers,
        latency: counts.latency.clone(),
        usage,
        duplicates: counts.duplicates,
        lost: (u64::from(plan.rfqs) * providers.len() as u64).saturating_sub(answers),
        processor,
        peak_memory: peak_memory(),
    })
}

async fn submit(
    rfqs: u32,
    arrival: Arrival,
    plan: &LoadPlan,
    scatter: &Scatter,
    tracker: &RoundTracker,
) -> Result<()> {
    let began = Instant::now();
    let due = async |number: u32| match arrival {
        Arrival::Saturating => Instant::now(),
        Arrival::Rate(rate) => {
            let due = began + Duration::from_secs_f64(f64::from(number) / rate);
            sleep_until(due).await;
            due
        }
    };
    let one = async |due: Instant| {
        let id = RfqId::random();
        tracker.open(id.clone(), due);
        let sample = Submission::sample(id, "bench", plan.deadline);
        let submission = Submission { details: plan.details.clone(), ..sample };
        match scatter.submit(submission).await? {
            Scattered::Published(_) | Scattered::Answered(_) => Ok(()),
            Scattered::Unknown(error) => Err(error),
        }
    };
    let at_once = match arrival {
        Arrival::Saturating => IN_FLIGHT,
        Arrival::Rate(_) => MOST_IN_FLIGHT,
    };
    stream::iter(0..rfqs).then(due).map(one).buffer_unordered(at_once).try_collect().await
}

/// Waits until no AWS request has gone out for `SETTLED`.
async fn settled(aws: &Aws) {
    let until = Instant::now() + SETTLING;
    let mut last = aws.meter.total();
    while Instant::now() < until {
        sleep(SETTLED).await;
        if std::mem::replace(&mut last, aws.meter.total()) == last {
            return;
        }
    }
}

#[derive(Default)]
struct RoundTracker {
    counts: Mutex<RoundCounts>,
    changed: Notify,
}

struct RoundCounts {
    /// When each RFQ was due, and which providers have answered it, one bit each.
    rfqs: HashMap<RfqId, (Instant, u128)>,
    providers: HashMap<Responder, u128>,
    wanted: u64,
    complete: u64,
    quotes: u64,
    duplicates: u64,
    latency: Histogram<u64>,
    last: Option<Instant>,
}

impl Default for RoundCounts {
    fn default() -> Self {
        Self {
            rfqs: HashMap::new(),
            providers: HashMap::new(),
            wanted: 0,
            complete: 0,
            quotes: 0,
            duplicates: 0,
            // Three significant digits: more than a machine can reproduce.
            latency: Histogram::new_with_max(LONGEST, 3).expect("three digits are allowed"),
            last: None,
        }
    }
}

impl RoundTracker {
    fn counts(&self) -> MutexGuard<'_, RoundCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a round with at most 128 providers: each has one bit.
    fn begin(&self, rfqs: u32, providers: &[ProviderName]) {
        let bits = (0..).map(|position| 1 << position);
        let providers = providers.iter().map(ProviderName::responder).zip(bits).collect();
        *self.counts() = RoundCounts { providers, wanted: rfqs.into(), ..RoundCounts::default() };
    }

    fn open(&self, id: RfqId, due: Instant) {
        self.counts().rfqs.insert(id, (due, 0));
    }

    fn hear(&self, event: &Event) {
        let mut counts = self.counts();
        match event {
            Event::Gathered { responder, id, answer, .. } => counts.gather(responder, id, answer),
            Event::Again { .. } => counts.duplicates += 1,
            _ => {}
        }
        if counts.complete >= counts.wanted {
            self.changed.notify_one();
        }
    }

    /// Waits until every RFQ of the round has all its answers, or until no answer has come for `stall`. `told`
    /// receives the number of complete RFQs now and then.
    async fn completed(&self, stall: Duration, told: &dyn Fn(u64)) {
        let mut stalled = (None, Instant::now());
        loop {
            _ = timeout(TOLD_EVERY, self.changed.notified()).await;
            let (complete, wanted, last) = {
                let counts = self.counts();
                (counts.complete, counts.wanted, counts.last)
            };
            told(complete);
            if stalled.0 != last {
                stalled = (last, Instant::now());
            }
            if complete >= wanted || stalled.1.elapsed() > stall {
                return;
            }
        }
    }
}

impl RoundCounts {
    /// Counts an answer that is in the table. Of each provider only the first event counts, even one marked as a
    /// duplicate: after a lost confirmation of an insert, the next attempt finds its own row.
    fn gather(&mut self, responder: &Responder, id: &RfqId, answer: &Answer) {
        let now = Instant::now();
        let Some((due, answered)) = self.rfqs.get_mut(id) else { return };
        let Some(bit) = self.providers.get(responder) else { return };
        if *answered & bit != 0 {
            self.duplicates += 1;
            return;
        }
        *answered |= bit;
        if answered.count_ones() as usize == self.providers.len() {
            let took = now - *due;
            self.latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            self.complete += 1;
        }
        self.quotes += u64::from(matches!(answer, Answer::Quote(_)));
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Price;
    use crate::flow::events::Gathered;

    #[test]
    fn of_one_provider_the_first_answer_counts_whatever_became_of_its_confirmation() {
        let names = ["a", "b"].map(|name| ProviderName::parse(name).expect("valid"));
        let tracker = RoundTracker::default();
        tracker.begin(1, &names);
        let id = RfqId::random();
        tracker.open(id.clone(), Instant::now());
        let gathered = |name: &ProviderName, how| Event::Gathered {
            responder: name.responder(),
            id: id.clone(),
            answer: Answer::Quote(Price::whole(1)),
            how,
            took: None,
        };
        let counts = || {
            let counts = tracker.counts();
            (counts.complete, counts.quotes, counts.duplicates)
        };
        tracker.hear(&gathered(&names[0], Gathered::First));
        tracker.hear(&gathered(&names[0], Gathered::Duplicate));
        assert_eq!(counts(), (0, 1, 1));
        // The row comes from an earlier attempt whose confirmation got lost.
        tracker.hear(&gathered(&names[1], Gathered::Duplicate));
        assert_eq!(counts(), (1, 2, 1));
        assert_eq!(tracker.counts().latency.len(), 1);
    }
}
