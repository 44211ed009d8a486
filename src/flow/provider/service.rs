//! What decides a provider's answer. The worker around it receives, leases, retries, sends and acknowledges.
//! <https://www.enterpriseintegrationpatterns.com/patterns/messaging/MessagingAdapter.html>

use std::future::{pending, ready};
use std::str;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::delivery::{RECEIVED_LATE, ReplyDelivery};
use crate::consumer::Seat;
use crate::core::text::trimmed;
use crate::core::trace_ids::traceparent;
use crate::core::{
    Answer, DetailedAnswer, ProviderName, Request, StackName, Timestamp, show_duration,
};
use crate::flow::events::{Event, Sink};

/// The most that a real provider may answer, in bytes.
pub(super) const MAX_ANSWER: usize = 256 * 1_024;

/// How long before the deadline an answer has to leave, to be in time.
const WAY_BACK: Duration = Duration::from_millis(250);
/// Characters of a line of a provider's log: as many as a reason may have.
const LINE: usize = 1_024;

/// Bytes of a text that is no answer that are logged.
const LOGGED_ANSWER: usize = 300;

/// Answers the requests of one provider. The worker calls it once per attempt.
pub(super) trait Service: Send + Sync {
    /// Makes one attempt. A future that is dropped stops the attempt.
    fn ask<'a>(&'a self, inquiry: Inquiry<'a>) -> BoxFuture<'a, AttemptOutcome>;

    /// Returns once it can take requests. The worker receives none before.
    fn ready(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Work beside the attempts, such as health checks. It never ends.
    fn tend(&self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }

    /// Whether its answers are made up.
    fn is_simulated(&self) -> bool {
        false
    }

    /// What a request gets without being asked. A simulated provider decides by itself what it does after a deadline.
    fn unasked(&self, request: &Request, received: Timestamp) -> Option<Answer> {
        let is_late = request.deadline.is_some_and(|deadline| received > deadline);
        // A receipt has the lowest rank, so it replaces no earlier answer.
        is_late.then(|| Answer::Silent(RECEIVED_LATE.to_owned()))
    }

    /// How long an attempt may take to end once it is halted.
    fn ending(&self) -> Duration {
        Duration::ZERO
    }

    /// How its answer to a request goes out, which a simulated fault may have spoilt.
    fn delivery(&self, _request: &Request, _received: Timestamp) -> ReplyDelivery {
        ReplyDelivery::Sound
    }

    /// The time by the provider's clock, which a simulated fault may have set wrong.
    fn now(&self, _request: &Request) -> Timestamp {
        Timestamp::now()
    }
}

/// What one attempt is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inquiry<'a> {
    pub(super) request: &'a Request,
    /// The message as it was published, byte for byte.
    pub(super) body: &'a str,
    /// Which attempt it is, counted from 1.
    pub(super) attempt: u32,
    /// When the request was received.
    pub(super) received: Timestamp,
    /// The seat of the request; `None` if it came from no queue.
    pub(super) seat: Option<&'a Seat>,
    /// Cancelled when the attempt has to end although there is no answer.
    pub(super) halt: &'a CancellationToken,
}

/// What an attempt needs beside the message: the provider, its stack, and the sink of its log.
#[derive(Clone)]
pub(super) struct ServiceContext {
    pub(super) provider: ProviderName,
    pub(super) stack: StackName,
    pub(super) sink: Sink<Event>,
}

/// Takes a line of a real provider's log.
pub(super) type Log = Arc<dyn Fn(String) + Send + Sync>;

impl ServiceContext {
    /// The names and values that describe the attempt. They become headers or variables.
    pub(super) fn facts(&self, inquiry: Inquiry<'_>) -> Vec<(&'static str, String)> {
        let Inquiry { request, attempt, .. } = inquiry;
        let mut facts = vec![
            ("rfq-id", request.id.to_string()),
            ("provider", self.provider.to_string()),
            ("stack", self.stack.as_str().to_owned()),
            ("attempt", attempt.to_string()),
        ];
        if let Some(deadline) = request.deadline {
            let left = deadline.saturating_since(Timestamp::now()).saturating_sub(WAY_BACK);
            facts.push(("deadline", deadline.to_string()));
            facts.push(("time-left-ms", left.as_millis().to_string()));
        }
        facts
    }

    /// The `traceparent` of the attempt: the same at every attempt and delivery.
    pub(super) fn traceparent(&self, inquiry: Inquiry<'_>) -> String {
        traceparent(&inquiry.request.id, self.provider.as_str())
    }

    pub(super) fn report(&self, event: Event) {
        (self.sink)(event);
    }

    /// Returns a function that reports a line of the provider's log.
    pub(super) fn log(&self) -> Log {
        let (provider, sink) = (self.provider.clone(), Arc::clone(&self.sink));
        Arc::new(move |line| sink(Event::Said { provider: provider.clone(), line }))
    }
}

/// A line without spaces around it, cut to the characters that a reason may have.
pub(super) fn cut_line(line: &str) -> String {
    cut_reason(trimmed(line))
}

/// A text in one line, cut in the same way.
pub(super) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    cut_line(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A reason that every consumer takes.
pub(super) fn cut_reason(reason: &str) -> String {
    reason.chars().take(LINE).collect()
}

/// The reason of an attempt that exceeded its limit.
pub(super) fn no_answer_within(limit: Duration) -> String {
    format!("no answer within {}", show_duration(limit))
}

/// What an attempt led to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AttemptOutcome {
    Answered(DetailedAnswer),
    /// Silence without a receipt.
    Mute,
    /// A failure that another attempt may mend.
    Retry {
        reason: String,
        /// The shortest wait before the next attempt.
        not_before: Duration,
    },
    /// A failure that another attempt cannot mend. The request becomes a dead letter: once the provider is
    /// repaired, a replay before the deadline gets an answer.
    DeadLetter(String),
    /// It was halted: the request is given back.
    Halted,
}

impl AttemptOutcome {
    pub(super) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), not_before: Duration::ZERO }
    }

    /// A failure without a dead letter: the provider refused the request itself.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        let (reason, attempts, attempted_at) = (reason.into(), None, Vec::new());
        Self::Answered(Answer::Failed { reason, attempts, attempted_at }.into())
    }

    /// Reads what a real provider printed or returned. The caller may cut it after [`MAX_ANSWER`] + 1 bytes.
    pub(super) fn of(said: &[u8]) -> Self {
        if said.len() > MAX_ANSWER {
            return Self::too_long();
        }
        let read = match str::from_utf8(said) {
            Ok(text) if trimmed(text).is_empty() => {
                return Self::DeadLetter("said nothing".to_owned());
            }
            Ok(text) => DetailedAnswer::decode(text),
            Err(_) => Err("not UTF-8".to_owned()),
        };
        match read {
            Ok(answer) => Self::Answered(answer),
            Err(reason) => Self::DeadLetter(format!("not an answer: {reason}")),
        }
    }

    /// The same; a text that is no answer goes to `log`.
    pub(super) fn of_logged(said: &[u8], log: &(dyn Fn(String) + Send + Sync)) -> Self {
        let outcome = Self::of(said);
        if matches!(outcome, Self::DeadLetter(_)) {
            let start = one_line(&said[..said.len().min(LOGGED_ANSWER)]);
            if !start.is_empty() {
                log(format!("no answer: {start}"));
            }
        }
        outcome
    }

    pub(super) fn too_long() -> Self {
        Self::DeadLetter(format!("not an answer: longer than {} KiB", MAX_ANSWER / 1_024))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Reply, RfqId, Ride};

    #[test]
    fn what_is_said_is_an_answer_or_becomes_a_dead_letter() {
        let longest = format!("57{}", " ".repeat(MAX_ANSWER - 2));
        assert!(matches!(AttemptOutcome::of(longest.as_bytes()), AttemptOutcome::Answered(_)));
        let longer = format!("{longest} ");
        for (said, reason) in [
            (longer.as_bytes(), "not an answer: longer than 256 KiB"),
            (b" \n\t", "said nothing"),
            (b"", "said nothing"),
            ("\u{feff}".as_bytes(), "said nothing"),
            (b"\xff", "not an answer: not UTF-8"),
            (b"[1]", "not an answer: neither a JSON number nor an object"),
        ] {
            assert_eq!(AttemptOutcome::of(said), AttemptOutcome::DeadLetter(reason.to_owned()));
        }
    }

    #[test]
    fn a_reason_without_end_is_cut_to_one_that_the_consumer_takes() {
        let reason = cut_reason(&"\u{1f984} reason ".repeat(1_000));
        let ride = Ride { from: "A".into(), to: "B".into(), customer: "c".into() };
        let id = RfqId::random();
        let request = Request { id, ride, submitted_at: None, deadline: None };
        let failed = Answer::Failed { reason, attempts: Some(1), attempted_at: Vec::new() };
        let (provider, now) = (ProviderName::simulated(1), Timestamp::now());
        let reply = Reply::to(&request, &provider, failed, (now, now)).encode();
        assert!(Reply::decode(&reply).is_ok());
    }
}
