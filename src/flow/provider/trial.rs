//! Asks a real provider once, without any queue.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::service::{AttemptOutcome, Inquiry, cut_reason};
use super::services::Services;
use super::{Served, ServedBy};
use crate::core::{Answer, DetailedAnswer, ProviderName, Reply, Request, StackName, Timestamp};
use crate::error::Result;
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
    Expired,
    /// The request would be tried again; after five failures it would become a dead letter.
    Retry,
    /// The request would become a dead letter.
    DeadLetter,
}

/// A question to a real provider.
#[derive(Debug, Clone, Copy)]
pub struct TrialRequest<'a> {
    /// The name in the reply.
    pub provider: &'a ProviderName,
    /// The stack that the provider is told.
    pub stack: &'a StackName,
    /// What answers.
    pub by: &'a ServedBy,
    /// The request.
    pub request: &'a Request,
    /// Its text, as it was published.
    pub body: &'a str,
}

/// Asks a real provider once.
///
/// # Errors
/// Invalid for an endpoint with wrong headers; other when the watcher of programs cannot be started.
pub async fn ask_once(asked: TrialRequest<'_>, sink: &Sink<Event>) -> Result<Trial> {
    let TrialRequest { provider, stack, by, request, body } = asked;
    let tasks = TaskTracker::new();
    let mut services = Services { stack, tasks: &tasks, sink, groups: None };
    let served = Served { name: provider.clone(), by: by.clone(), concurrency: 1 };
    let service = services.make(&served)?;
    let (received, since) = (Timestamp::now(), Instant::now());
    let halt = CancellationToken::new();
    let inquiry = Inquiry { request, body, attempt: 1, received, seat: None, halt: &halt };
    let unasked = service.unasked(request, received);
    let is_asked = unasked.is_none();
    let outcome = match unasked {
        Some(answer) => AttemptOutcome::Answered(answer.into()),
        None => service.ask(inquiry).await,
    };
    let took = since.elapsed();
    let failed = |reason: String| Answer::Failed {
        reason: cut_reason(&reason),
        attempts: Some(1),
        attempted_at: vec![received],
    };
    let (answer, consequence) = match outcome {
        AttemptOutcome::Answered(DetailedAnswer { answer, details }) => {
            let answer = match answer {
                Answer::Failed { reason, .. } => failed(reason),
                other => other,
            };
            let consequence = if is_asked { Consequence::None } else { Consequence::Expired };
            (DetailedAnswer { answer, details }, consequence)
        }
        AttemptOutcome::DeadLetter(reason) => (failed(reason).into(), Consequence::DeadLetter),
        AttemptOutcome::Retry { reason, .. } => (failed(reason).into(), Consequence::Retry),
        // Only a simulated provider is mute, and nothing halts it here.
        AttemptOutcome::Mute | AttemptOutcome::Halted => {
            (Answer::Silent(String::new()).into(), Consequence::None)
        }
    };
    let reply = Reply::to(request, provider, answer, (received, Timestamp::now()));
    Ok(Trial { reply, took, consequence })
}
