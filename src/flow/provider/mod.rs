//! Providers: receive, answer, acknowledge. Each provider queue has one worker, and each worker a service that
//! decides the answers: a simulation, a program or an HTTP endpoint.
//!
//! A worker acknowledges a request only after the response queue has confirmed the answer. The caller chooses the
//! providers: no price may be made up for an external one.

mod delivery;
mod endpoint;
mod program;
mod retry;
mod service;
mod services;
mod simulation;
mod source;
mod supervisor;
mod trial;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

pub use delivery::{CrashMoment, ReplyDelivery};
pub use endpoint::{Endpoint, endpoint_url};
pub use program::Program;
pub use reqwest::Url;
pub use simulation::{
    Behaviour, Decision, FAULT_KINDS, Fault, FaultKind, Intent, Profile, Receipts, Simulation, When,
};
pub use trial::{Consequence, Trial, TrialRequest, ask_once};

use self::services::Services;
use self::supervisor::Supervisor;
use crate::aws::Aws;
use crate::consumer::{ConsumeOptions, retry_transient};
use crate::core::ProviderName;
use crate::error::{Error, Kind, Result};
use crate::flow::events::{Event, Sink};
use crate::shutdown::StopSignal;

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

    /// The longest time to an answer, without the time of failed attempts.
    pub fn longest_attempt(&self) -> Duration {
        self.served.iter().map(|served| served.by.longest_attempt()).max().unwrap_or_default()
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
    let mut services = Services { stack: aws.names.stack(), tasks: &tasks, sink, groups: None };
    let services = plan.served.iter().map(|served| services.make(served));
    let services = services.collect::<Result<Vec<_>>>()?;
    let find = async |name: String| retry_transient(async || aws.queue(name.clone()).await).await;
    let (response, dead_letters) = tokio::try_join!(
        find(aws.names.response_queue()),
        find(aws.names.provider_dead_letters()),
    )?;
    let queues = plan.served.iter().map(async |served| {
        let name = aws.names.provider_queue(&served.name);
        match served.by {
            // The register, or `setup`, has just found its queue.
            ServedBy::Simulation(_) => Ok(response.sibling(name)),
            ServedBy::Program(_) | ServedBy::Endpoint(_) => find(name).await,
        }
    });
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
    fn longest_attempt(&self) -> Duration {
        match self {
            Self::Simulation(simulation) => simulation.behaviour.longest_thought(),
            Self::Program(program) => program.timeout,
            Self::Endpoint(endpoint) => endpoint.timeout,
        }
    }
}
