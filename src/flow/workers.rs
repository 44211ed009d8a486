//! Runs providers and the response consumer together. On a stop the providers drain first, so that the consumer
//! still gathers their last replies.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::events::{Event, Sink};
use super::{gather, provider};
use crate::aws::Aws;
use crate::error::Result;
use crate::shutdown::{Stage, StopSignal};

/// How long the consumer waits for the last reply that was sent, which another consumer may have gathered.
const LAST_LOOK: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What runs in this process.
#[derive(Debug, Clone)]
pub struct WorkerPlan {
    /// `None` for the consumer alone.
    pub providers: Option<provider::ProviderPlan>,
    /// `None` for the providers alone.
    pub consumer: Option<gather::ConsumerSettings>,
}

/// Runs until `stop` reaches [`Stage::Drain`], then drains. A permanent error of one part stops the other one
/// through `stop`, and is returned after draining.
pub async fn run(
    aws: &Aws,
    plan: &WorkerPlan,
    stop: &StopSignal,
    sink: &Sink<Event>,
) -> Result<()> {
    let (sink, outstanding) = counted(sink);
    let consumer_stop = match plan.providers {
        Some(_) => StopSignal::new(),
        None => stop.part(),
    };
    let providers_stop = stop.part();
    let draining = OnceLock::<Instant>::new();
    let providers = async {
        let Some(providers) = &plan.providers else { return Ok(()) };
        let ended = provider::run(aws, providers, &providers_stop, &sink).await;
        let has_time = draining.get().is_none_or(|since| since.elapsed() < providers.drain);
        if ended.is_ok()
            && plan.consumer.is_some()
            && has_time
            && !stop.has_reached(Stage::GiveBack)
        {
            // Answers that are not gathered in time stay in the response queue.
            outstanding.settled().await;
        }
        consumer_stop.reach(Stage::Drain);
        if ended.is_err() {
            stop.reach(Stage::Drain);
        }
        ended
    };
    let consumer = async {
        let Some(settings) = plan.consumer else { return Ok(()) };
        match gather::run(aws, settings, &consumer_stop, &sink).await {
            // Without a consumer the providers need not go on: they end with its error.
            Err(error) if plan.providers.is_some() => {
                providers_stop.fail(error);
                stop.reach(Stage::Drain);
                Ok(())
            }
            ended => ended,
        }
    };
    let follow = async {
        stop.reached(Stage::Drain).await;
        _ = draining.set(Instant::now());
        consumer_stop.reach(Stage::ShortPolls);
        stop.reached(Stage::GiveBack).await;
        consumer_stop.reach(Stage::Drain);
        std::future::pending().await
    };
    let (providers, consumer) = tokio::select! {
        ended = async { tokio::join!(providers, consumer) } => ended,
        never = follow => never,
    };
    // A consumer error that came after the providers ended is still stored there.
    providers.and(consumer).and_then(|()| providers_stop.outcome())
}

/// Answers that providers have sent and the consumer has not seen.
#[derive(Debug, Default)]
struct Outstanding {
    count: AtomicI64,
    /// When the last one was sent.
    last: Mutex<Option<Instant>>,
}

impl Outstanding {
    fn count(&self, event: &Event) {
        let change = match event {
            Event::Answered { .. } | Event::Strayed { .. } => 1,
            Event::Gathered { .. } | Event::Refused { .. } => -1,
            _ => return,
        };
        if change > 0 {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.count.fetch_add(change, Ordering::Relaxed);
    }

    /// Waits until the consumer has seen them all, or [`LAST_LOOK`] after the last one was sent.
    async fn settled(&self) {
        let last = || *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let may_come = || last().is_some_and(|last| last.elapsed() < LAST_LOOK);
        while self.count.load(Ordering::Relaxed) > 0 && may_come() {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// A sink that also counts the answers that pass it.
fn counted(sink: &Sink<Event>) -> (Sink<Event>, Arc<Outstanding>) {
    let outstanding = Arc::<Outstanding>::default();
    let (sink, counted) = (Arc::clone(sink), Arc::clone(&outstanding));
    let both: Sink<Event> = Arc::new(move |event| {
        counted.count(&event);
        sink(event);
    });
    (both, outstanding)
}
