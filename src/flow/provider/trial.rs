//! Asks a real provider once, without any queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::ServedBy;
use super::endpoint;
use super::program;
use super::service::{Inquiry, Outcome, ServiceContext};
use super::simulation::RECEIVED_LATE;
use crate::core::{Answer, ProviderName, Reply, Request, StackName, Timestamp};
use crate::error::{Error, Result};
use crate::flow::events::{Event, Sink};

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The reply that a worker would send.
    pub reply: Reply,
    /// How long the provider took.
    pub took: Duration,
    /// What a worker would do beside sending it.
    pub consequence: Consequence,
}

/// What follows from an attempt, beside its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing.
    None,
    /// The deadline had passed, so the provider was not asked.
    NotAsked,
    /// The request would be tried again; after five failures it would become a dead letter.
    Retry,
    /// The request would become a dead letter.
    DeadLetter,
}

/// Asks the provider `name` of `stack` for an answer to `request`, whose text is `body`.
///
/// # Errors
/// Invalid for a simulation, and for an endpoint whose headers are wrong; other when no program can be watched.
pub async fn ask_once(
    (name, stack): (&ProviderName, &StackName),
    by: &ServedBy,
    (request, body): (&Request, &str),
    sink: &Sink<Event>,
) -> Result<Trial> {
    let context =
        ServiceContext { provider: name.clone(), stack: stack.clone(), sink: Arc::clone(sink) };
    let (received, since) = (Timestamp::now(), Instant::now());
    let inquiry = Inquiry { request, body, attempt: 1, received };
    let is_late = request.deadline.is_some_and(|deadline| received > deadline);
    let outcome = match by {
        _ if is_late => Outcome::Answered(Answer::Silent(RECEIVED_LATE.to_owned())),
        ServedBy::Simulation(_) => {
            return Err(Error::invalid(format!("{name} is a simulated provider")));
        }
        ServedBy::Program(program) => {
            let (program, groups) = (Arc::new(program.clone()), Arc::new(super::watched_groups()?));
            let tasks = TaskTracker::new();
            program::ProgramService { context, program, groups, tasks }.run(inquiry).await
        }
        ServedBy::Endpoint(endpoint) => {
            let serving =
                endpoint::EndpointService::new(context, endpoint).map_err(Error::invalid)?;
            serving.run(inquiry).await
        }
    };
    let took = since.elapsed();
    let failed =
        |reason| Answer::Failed { reason, attempts: Some(1), attempted_at: vec![received] };
    let (answer, consequence) = match outcome {
        Outcome::Answered(Answer::Failed { reason, .. }) => (failed(reason), Consequence::None),
        Outcome::Answered(answer) if is_late => (answer, Consequence::NotAsked),
        Outcome::Answered(answer) => (answer, Consequence::None),
        Outcome::Failed(reason) => (failed(reason), Consequence::DeadLetter),
        Outcome::Retry { reason, .. } => (failed(reason), Consequence::Retry),
        Outcome::Mute => (Answer::Silent(String::new()), Consequence::None),
    };
    let reply = Reply::to(request, name, answer, (received, Timestamp::now()));
    Ok(Trial { reply, took, consequence })
}
