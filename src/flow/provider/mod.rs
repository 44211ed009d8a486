//! Providers: receive, answer, acknowledge. Each provider queue has one worker, and each worker a service that
//! decides the answers: a simulation, a program or an HTTP endpoint.
//!
//! A worker acknowledges a request only after the response queue has confirmed the answer. The caller chooses the
//! providers: no price may be made up for an external one.

mod endpoint;
mod program;
mod retry;
mod service;
mod simulation;
mod source;
mod trial;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

pub use endpoint::{Endpoint, endpoint_url};
pub use program::Program;
pub use reqwest::Url;
pub use simulation::{
    Behaviour, CrashMoment, Decision, FAULT_KINDS, Fault, FaultKind, Intent, Profile, Receipts,
    ReplyDelivery, Simulation, When,
};
pub use trial::{Consequence, Trial, ask_once};

use self::program::Groups;
use self::service::{Service, ServiceContext};
use self::simulation::SimulatedService;
use self::source::RequestSource;
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

/// A provider that this process serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// The provider.
    pub name: ProviderName,
    /// What answers its requests.
    pub by: ServedBy,
    /// Requests in hand at once.
    pub concurrency: usize,
}

/// What answers the requests of a provider.
#[derive(Debug, Clone)]
pub enum ServedBy {
    /// Answers that are made up.
    Simulation(Simulation),
    /// A process per attempt.
    Program(Program),
    /// An HTTP request per attempt.
    Endpoint(Endpoint),
}

/// The providers of this process, and how their workers run.
#[derive(Debug, Clone)]
pub struct ProviderPlan {
    /// The providers.
    pub served: Vec<Served>,
    /// Duration of a long poll, at most 20 s.
    pub poll_wait: Duration,
    /// The visibility timeout of received requests.
    pub visibility: Duration,
    /// The time for requests in hand once the workers drain.
    pub drain: Duration,
}

impl ProviderPlan {
    /// The names of the providers.
    pub fn names(&self) -> impl Iterator<Item = &ProviderName> {
        self.served.iter().map(|served| &served.name)
    }
}

/// Runs one worker per provider until `stop`, then drains.
///
/// # Errors
/// Not set up when a queue is missing; the first permanent error, after draining.
pub async fn run(
    aws: &Aws,
    plan: &ProviderPlan,
    stop: &StopSignal,
    sink: &Sink<Event>,
) -> Result<()> {
    let tasks = TaskTracker::new();
    let mut services = Services { aws, tasks: &tasks, sink, groups: None };
    let services = plan.served.iter().map(|served| services.make(served));
    let services = services.collect::<Result<Vec<_>>>()?;
    let find = async |name: String| retry_transient(async || aws.queue(name.clone()).await).await;
    let (response, dead_letters) = tokio::try_join!(
        find(aws.names.response_queue()),
        find(aws.names.provider_dead_letters()),
    )?;
    let queues = plan.names().map(|name| find(aws.names.provider_queue(name)));
    let queues = try_join_all(queues).await?;
    let answers = response.batch_sender(&tasks, stop);
    let dead_letters = dead_letters.dead_letters(&tasks, stop);
    let mut workers = JoinSet::new();
    for ((served, service), queue) in plan.served.iter().zip(services).zip(queues) {
        let supervisor = Supervisor {
            provider: served.name.clone(),
            queue,
            service,
            poll_wait: plan.poll_wait,
            options: ConsumeOptions {
                concurrency: served.concurrency,
                visibility: plan.visibility,
                drain: plan.drain,
            },
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

impl Served {
    /// These providers, all served alike.
    pub fn all(
        names: impl IntoIterator<Item = ProviderName>,
        by: &ServedBy,
        concurrency: usize,
    ) -> Vec<Self> {
        let served = |name| Self { name, by: by.clone(), concurrency };
        names.into_iter().map(served).collect()
    }
}

impl ServedBy {
    /// The longest time to an answer, without the time of failed attempts.
    pub fn longest_attempt(&self) -> Duration {
        match self {
            Self::Simulation(simulation) => simulation.behaviour.longest_thought(),
            Self::Program(program) => program.timeout,
            Self::Endpoint(endpoint) => endpoint.timeout,
        }
    }
}

/// Makes the services of one run.
struct Services<'a> {
    aws: &'a Aws,
    tasks: &'a TaskTracker,
    sink: &'a Sink<Event>,
    /// Made for the first program.
    groups: Option<Arc<Groups>>,
}

impl Services<'_> {
    /// Makes what answers a provider's requests.
    ///
    /// # Errors
    /// Invalid for an endpoint with wrong headers; other when the watcher of programs cannot be started.
    fn make(&mut self, served: &Served) -> Result<Arc<dyn Service>> {
        let provider = served.name.clone();
        let context = || ServiceContext {
            provider: provider.clone(),
            stack: self.aws.names.stack().clone(),
            sink: Arc::clone(self.sink),
        };
        Ok(match &served.by {
            ServedBy::Simulation(simulation) => {
                let simulation = simulation.clone();
                Arc::new(SimulatedService { provider, simulation })
            }
            ServedBy::Program(program) => {
                let context = context();
                let groups = match &self.groups {
                    Some(groups) => Arc::clone(groups),
                    None => Arc::clone(self.groups.insert(Arc::new(watched_groups()?))),
                };
                let (program, tasks) = (Arc::new(program.clone()), self.tasks.clone());
                Arc::new(program::ProgramService { context, program, groups, tasks })
            }
            ServedBy::Endpoint(endpoint) => {
                let serving = endpoint::EndpointService::new(context(), endpoint);
                let wrong = |problem| Error::invalid(format!("{}: {problem}", served.name));
                Arc::new(serving.map_err(wrong)?)
            }
        })
    }
}

fn watched_groups() -> Result<Groups> {
    Groups::watched().map_err(|error| {
        Error::other("cannot start `/bin/sh`, which ends programs that are left over")
            .because(error)
    })
}

/// Keeps one worker running for a provider.
struct Supervisor {
    provider: ProviderName,
    queue: Queue,
    service: Arc<dyn Service>,
    poll_wait: Duration,
    options: ConsumeOptions,
    answers: Batcher<Outgoing, ()>,
    dead_letters: DeadLetters,
    stop: StopSignal,
    sink: Sink<Event>,
}

impl Supervisor {
    /// Runs a worker until it ends; starts a new one whenever a fault crashes it.
    async fn keep(self) -> Result<()> {
        let ended = loop {
            let worker = Arc::new(Worker {
                provider: self.provider.clone(),
                service: Arc::clone(&self.service),
                answers: self.answers.clone(),
                dead_letters: self.dead_letters.clone(),
                stop: self.stop.clone(),
                sink: Arc::clone(&self.sink),
                queue: self.queue.name().to_owned(),
                crash: Notify::new(),
            });
            let crashed = Arc::clone(&worker);
            tokio::select! {
                ended = self.work(worker) => break ended,
                () = self.service.tend() => {}
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
        let source = RequestSource {
            queue: PolledQueue {
                queue: self.queue.clone(),
                wait: self.poll_wait,
                visibility: self.options.visibility,
            },
            service: Arc::clone(&self.service),
            stop: self.stop.clone(),
        };
        let troubles = Arc::clone(&self.sink);
        let consumer = Consumer {
            source,
            options: self.options,
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
