//! Simulated providers: an answer that is made up, when it goes out, and what goes wrong on the way.

mod behaviour;
mod chance;
mod fault;

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

pub use behaviour::{Behaviour, Decision, Intent, Profile, When};
pub use fault::{Fault, FaultKind, KINDS as FAULT_KINDS};

use super::delivery::ReplyDelivery;
use super::service::{AttemptOutcome, Inquiry, Service};
use crate::consumer::Seat;
use crate::core::{Answer, DetailedAnswer, ProviderName, Request, Timestamp};

/// How a simulated provider answers.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// What it answers, and when.
    pub behaviour: Behaviour,
    /// Whether silence leaves a receipt.
    pub receipts: Receipts,
}

/// Whether silence leaves a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipts {
    /// A silent provider sends a receipt, so that its copy can be accounted for.
    Send,
    /// A silent provider leaves no trace.
    Withhold,
}

/// A simulated provider at work.
pub(super) struct SimulatedService {
    pub(super) provider: ProviderName,
    pub(super) simulation: Simulation,
}

impl Service for SimulatedService {
    fn ask<'a>(&'a self, inquiry: Inquiry<'a>) -> BoxFuture<'a, AttemptOutcome> {
        async move {
            let Inquiry { request, received, seat, .. } = inquiry;
            let decision = self.simulation.behaviour.decide(&self.provider, request, received);
            let (decision, think) = self.seated(seat, request, decision);
            let answer: DetailedAnswer = match decision.intent {
                Intent::Fail(reason) => return AttemptOutcome::retry(reason),
                Intent::Silence(_) if self.simulation.receipts == Receipts::Withhold => {
                    return AttemptOutcome::Mute;
                }
                Intent::Quote(price) => DetailedAnswer {
                    answer: Answer::Quote(price),
                    details: self.simulation.behaviour.details(&self.provider, request),
                },
                Intent::Decline(reason) => Answer::Declined(reason).into(),
                Intent::Silence(reason) => Answer::Silent(reason).into(),
            };
            // Even the shortest sleep lasts until the next millisecond of the clock.
            if !think.is_zero() {
                sleep(think).await;
            }
            AttemptOutcome::Answered(answer)
        }
        .boxed()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn unasked(&self, _request: &Request, _received: Timestamp) -> Option<Answer> {
        None
    }

    fn delivery(&self, request: &Request, received: Timestamp) -> ReplyDelivery {
        let behaviour = &self.simulation.behaviour;
        if behaviour.faults.is_empty() {
            return ReplyDelivery::Sound;
        }
        behaviour.decide(&self.provider, request, received).delivery
    }

    fn now(&self, request: &Request) -> Timestamp {
        Timestamp::now().by_clock(self.simulation.behaviour.clock(&self.provider, request))
    }
}

impl SimulatedService {
    /// How long an answer waits. An answer for later makes way for other requests. Where too many wait already it
    /// becomes a receipt: sent now, the price of a late provider could win.
    fn seated(
        &self,
        seat: Option<&Seat>,
        request: &Request,
        decision: Decision,
    ) -> (Decision, Duration) {
        match decision.when {
            When::After(think) => (decision, think),
            When::At(time) => {
                let wait = time.saturating_since(self.now(request));
                if seat.is_none_or(|seat| seat.make_way(wait)) {
                    (decision, wait)
                } else {
                    (decision.crowded_out(), Duration::ZERO)
                }
            }
        }
    }
}
