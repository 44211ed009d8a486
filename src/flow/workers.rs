//! Providers and the response consumer under one stop: the providers drain first, then the consumer, so that
//! the last answers are gathered too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::events::{Event, Sink};
use super::{gather, provider};
use crate::aws::Aws;
use crate::core::ProviderName;
use crate::error::Result;
use crate::shutdown::{Stage, StopSignal};

/// How long the consumer goes on for answers that it has not gathered: another consumer may have done so.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// How often it is looked for the last of them.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What runs in this process.
#[derive(Debug, Clone)]
pub struct WorkerPlan {
    /// The simulated providers and how they behave; `None` for the consumer alone.
    pub providers: Option<(Vec<ProviderName>, provider::ProviderSettings)>,
    /// How answers are gathered; `None` for the providers alone.
    pub consumer: Option<gather::ConsumerSettings>,
}

/// Runs until `stop` reaches [`Stage::Drain`], then drains. A part that cannot go on stops the other one, by `stop`.
///
/// # Errors
/// Not set up when a queue is missing; the first error of either part that will not pass, after draining.
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
    let providers = async {
        let Some((names, settings)) = &plan.providers else { return Ok(()) };
        let ended = provider::run(aws, names, settings, &providers_stop, &sink).await;
        if ended.is_ok() && plan.consumer.is_some() {
            // After the time for it the answers stay where they are.
            _ = timeout(LAST_LOOK, outstanding.settled()).await;
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
            // The providers need not answer any more, and end with this error.
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
        consumer_stop.reach(Stage::ShortPolls);
        stop.reached(Stage::GiveBack).await;
        consumer_stop.reach(Stage::Drain);
        std::future::pending().await
    };
    let (providers, consumer) = tokio::select! {
        ended = async { tokio::join!(providers, consumer) } => ended,
        never = follow => never,
    };
    // An error of the consumer's that came after the providers had ended is still there.
    providers.and(consumer).and_then(|()| providers_stop.outcome())
}

/// Answers that providers have sent and the consumer has not seen.
#[derive(Debug, Default)]
struct Outstanding(AtomicI64);

impl Outstanding {
    fn count(&self, event: &Event) {
        let change = match event {
            Event::Answered { .. } | Event::Strayed { .. } => 1,
            Event::Gathered { .. } | Event::Refused { .. } => -1,
            _ => return,
        };
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// Returns when there are none.
    async fn settled(&self) {
        while self.0.load(Ordering::Relaxed) > 0 {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The same sink, with a count of the answers that pass it.
fn counted(sink: &Sink<Event>) -> (Sink<Event>, Arc<Outstanding>) {
    let outstanding = Arc::<Outstanding>::default();
    let (sink, counted) = (Arc::clone(sink), Arc::clone(&outstanding));
    let both: Sink<Event> = Arc::new(move |event| {
        counted.count(&event);
        sink(event);
    });
    (both, outstanding)
}
