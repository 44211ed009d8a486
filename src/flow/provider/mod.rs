//! Simulated providers: receive, decide, answer, acknowledge. Each provider queue has one worker; a new one
//! replaces it when it crashes.
//!
//! A worker acknowledges a request only after the response queue has confirmed the answer. The caller chooses the
//! providers, and must leave out external ones: no price is made up for them.

mod behaviour;
mod chance;
mod fault;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

pub use behaviour::{Behaviour, CrashMoment, Decision, Intent, Profile, ReplyDelivery, When};
pub use fault::{Fault, FaultKind, KINDS as FAULT_KINDS};

use self::worker::Worker;
use crate::aws::{Aws, DeadLetters, Outgoing, PolledQueue, Queue};
use crate::consumer::{Batcher, ConsumeOptions, Consumer, Notice, Trouble, retry_transient};
use crate::core::ProviderName;
use crate::error::{Error, Kind, Result};
use crate::flow::events::{Event, Sink};
use crate::shutdown::StopSignal;

/// Pause after a receive that brought a few requests. Their answers are more urgent than the next request, and
/// several requests cost no more to receive than one.
const POLL_PAUSE: Duration = Duration::from_millis(25);

/// Whether silence leaves a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipts {
    /// A silent provider sends a receipt, so that its copy can be accounted for.
    Send,
    /// A silent provider leaves no trace.
    Withhold,
}

/// How the workers run.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// How providers answer.
    pub behaviour: Behaviour,
    /// Whether silence leaves a receipt.
    pub receipts: Receipts,
    /// Duration of a long poll, at most 20 s.
    pub poll_wait: Duration,
    /// How requests are consumed.
    pub options: ConsumeOptions,
}

/// Runs one worker per provider until `stop`, then drains.
///
/// # Errors
/// Not set up when a queue is missing; the first permanent error, after draining.
pub async fn run(
    aws: &Aws,
    providers: &[ProviderName],
    settings: &ProviderSettings,
    stop: &StopSignal,
    sink: &Sink<Event>,
) -> Result<()> {
    let find = async |name: String| retry_transient(async || aws.queue(name.clone()).await).await;
    let (response, dead_letters) = tokio::try_join!(
        find(aws.names.response_queue()),
        find(aws.names.provider_dead_letters()),
    )?;
    let queues = providers.iter().map(|name| find(aws.names.provider_queue(name)));
    let queues = try_join_all(queues).await?;
    let tasks = TaskTracker::new();
    let answers = response.batch_sender(&tasks, stop);
    let dead_letters = dead_letters.dead_letters(&tasks, stop);
    let mut workers = JoinSet::new();
    for (provider, queue) in providers.iter().zip(queues) {
        let supervisor = Supervisor {
            provider: provider.clone(),
            queue,
            settings: settings.clone(),
            answers: answers.clone(),
            dead_letters: dead_letters.clone(),
            stop: stop.part(),
            sink: Arc::clone(sink),
        };
        workers.spawn(supervisor.keep());
    }
    drop((answers, dead_letters));
    while let Some(ended) = workers.join_next().await {
        let ended = ended.unwrap_or_else(|panic| {
            Err(Error::other("a provider worker broke down").because(panic))
        });
        match ended {
            Ok(()) => {}
            // A provider may be removed at any time: the others go on without it.
            Err(error) if error.kind() == Kind::NotSetUp && !workers.is_empty() => {}
            // Any other permanent error stops all workers: the rest would answer only part of the requests.
            Err(error) => stop.fail(error),
        }
    }
    tasks.close();
    tasks.wait().await;
    stop.outcome()
}

/// Keeps one worker running for a provider.
struct Supervisor {
    provider: ProviderName,
    queue: Queue,
    settings: ProviderSettings,
    answers: Batcher<Outgoing, ()>,
    dead_letters: DeadLetters,
    stop: StopSignal,
    sink: Sink<Event>,
}

impl Supervisor {
    /// Runs a worker until it ends; starts a new one whenever a fault crashes it.
    async fn keep(self) -> Result<()> {
        let ended = loop {
            let worker = Arc::new(Worker::new(
                self.provider.clone(),
                self.settings.clone(),
                self.answers.clone(),
                self.dead_letters.clone(),
                Arc::clone(&self.sink),
                self.queue.name().to_owned(),
            ));
            let crashed = Arc::clone(&worker);
            tokio::select! {
                ended = self.work(worker) => break ended,
                // The requests it held come back when their visibility timeout ends.
                () = crashed.crash.notified() => {}
            }
        };
        if ended.as_ref().is_err_and(|error| error.kind() == Kind::NotSetUp) {
            (self.sink)(Event::Left { provider: self.provider });
        }
        ended
    }

    async fn work(&self, worker: Arc<Worker>) -> Result<()> {
        let source = PolledQueue {
            queue: self.queue.clone(),
            wait: self.settings.poll_wait,
            visibility: self.settings.options.visibility,
        };
        let troubles = Arc::clone(&self.sink);
        let consumer = Consumer {
            source,
            options: self.settings.options,
            poll_pause: POLL_PAUSE,
            stop: self.stop.part(),
            trouble: Arc::new(move |trouble: Trouble| troubles(Event::Trouble(trouble))),
        };
        let handler = move |message, seat| {
            let worker = Arc::clone(&worker);
            async move { worker.handle(message, seat).await }
        };
        let (provider, sink) = (self.provider.clone(), Arc::clone(&self.sink));
        let queue = self.queue.name().to_owned();
        let notice = move |notice| match notice {
            Notice::GivenBack => sink(Event::GivenBack { provider: provider.clone() }),
            Notice::Again => sink(Event::Again { queue: queue.clone() }),
        };
        consumer.run(handler, notice).await
    }
}
