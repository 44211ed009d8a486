//! One simulated provider at work on one request at a time, many at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::behaviour::{Intent, When};
use super::{Receipts, Settings};
use crate::aws::Outgoing;
use crate::event::{Event, Sink};
use crate::model::{Answer, ProviderName, Reply, Request, Timestamp};
use crate::queue::{Batcher, Lasting, Message, Outcome, Trouble, Verdict};

/// Attempts after which a worker gives up, earlier than the queue's own redrive.
const ATTEMPTS: u32 = 5;
/// The wait after the first failed attempt; it doubles with each.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Requests whose attempts are remembered before those of long ago are forgotten.
const MOST_ATTEMPTED: usize = 1_000;
/// How long ago that is: far beyond the last retry.
const RECENT: Duration = Duration::from_mins(1);

/// A worker of one provider.
pub(super) struct Worker {
    pub(super) provider: ProviderName,
    settings: Settings,
    answers: Batcher<Outgoing, ()>,
    dead_letters: Batcher<Outgoing, ()>,
    sink: Sink<Event>,
    queue: String,
    /// When the requests in hand were tried, by message id.
    attempts: Mutex<HashMap<String, Vec<Timestamp>>>,
}

impl Worker {
    pub(super) fn new(
        provider: ProviderName,
        settings: Settings,
        answers: Batcher<Outgoing, ()>,
        dead_letters: Batcher<Outgoing, ()>,
        sink: Sink<Event>,
        queue: String,
    ) -> Self {
        let attempts = Mutex::default();
        Self { provider, settings, answers, dead_letters, sink, queue, attempts }
    }

    /// Handles one delivery of a request.
    pub(super) async fn handle(&self, message: Message) -> Verdict {
        let received = Timestamp::now();
        let request = match Request::decode(&message.body) {
            Ok(request) => request,
            Err(reason) => return self.bury(&message, reason).await,
        };
        let (provider, id) = (self.provider.clone(), request.id.clone());
        self.report(Event::Received { provider, id, count: message.receive_count });
        let _in_hand = InHand(self);
        let decision = self.settings.behaviour.decide(&self.provider, &request, received);
        let answer = match decision.intent {
            Intent::Fail(reason) => return self.fail(&message, &request, received, reason).await,
            Intent::Silence(_) if self.settings.receipts == Receipts::Withhold => {
                let (provider, id) = (self.provider.clone(), request.id);
                self.report(Event::Mute { provider, id });
                return Verdict::Done;
            }
            Intent::Quote(price) => Answer::Quote(price),
            Intent::Decline(reason) => Answer::Declined(reason),
            Intent::Silence(reason) => Answer::Silent(reason),
        };
        match decision.when {
            When::After(think) => sleep(think).await,
            When::At(time) => sleep(time.after(Timestamp::now())).await,
        }
        self.answer(&message, &request, received, answer).await
    }

    /// Sends an answer; the request is done with once the response queue has confirmed it.
    async fn answer(
        &self,
        message: &Message,
        request: &Request,
        received: Timestamp,
        answer: Answer,
    ) -> Verdict {
        let answered = Timestamp::now();
        let is_quote = matches!(answer, Answer::Quote(_));
        let text = |text: &String| (!is_quote).then(|| text.clone());
        let reply = Reply {
            responder: self.provider.responder(),
            id: request.id.clone(),
            answer: answer.clone(),
            from: text(&request.from),
            to: text(&request.to),
            customer: text(&request.customer),
            received_at: Some(received),
            answered_at: Some(answered),
        };
        let sent = self.answers.submit(Outgoing::plain(reply.encode())).await;
        match sent {
            Ok(()) => {
                let late = request.deadline.map(|deadline| answered.after(deadline));
                self.report(Event::Answered {
                    provider: self.provider.clone(),
                    id: request.id.clone(),
                    answer,
                    late_by: late.filter(|late| !late.is_zero()),
                });
                Verdict::Done
            }
            Err(refusal) if refusal.lasting == Lasting::Permanent => {
                self.bury(message, format!("its answer cannot be sent: {refusal}")).await
            }
            Err(refusal) => {
                let subject = format!("answering from {}", self.queue);
                let reason = refusal.to_string();
                self.report(Event::Trouble(Trouble::Entry { subject, reason }));
                Verdict::Leave
            }
        }
    }

    /// A failed attempt: the request comes back a little later, unless this was the last attempt
    /// or it would come back after the deadline.
    async fn fail(
        &self,
        message: &Message,
        request: &Request,
        received: Timestamp,
        reason: String,
    ) -> Verdict {
        let attempt = message.receive_count;
        let attempted_at = self.attempted(&message.id, received);
        let again_in = FIRST_RETRY * 2_u32.saturating_pow(attempt.saturating_sub(1).min(8));
        let in_time = request.deadline.is_none_or(|deadline| received.plus(again_in) <= deadline);
        if attempt < ATTEMPTS && in_time {
            let (provider, id) = (self.provider.clone(), request.id.clone());
            self.report(Event::Attempt { provider, id, reason, attempt, again_in });
            // Visibility counts in whole seconds, so the shorter waits are spent holding it.
            sleep(again_in).await;
            return Verdict::Release;
        }
        let failed =
            Answer::Failed { reason: reason.clone(), attempts: Some(attempt), attempted_at };
        let verdict = match self.answer(message, request, received, failed).await {
            Verdict::Done => self.dead_letter(message, reason).await,
            verdict => verdict,
        };
        if verdict == Verdict::Done {
            self.forget(&message.id);
        }
        verdict
    }

    /// A request that cannot be read, or whose answer cannot be sent.
    async fn bury(&self, message: &Message, reason: String) -> Verdict {
        let provider = self.provider.clone();
        self.report(Event::Unreadable { provider, reason: reason.clone() });
        self.dead_letter(message, reason).await
    }

    /// Moves a copy to the dead letters; the request is done with once they have confirmed it.
    async fn dead_letter(&self, message: &Message, reason: String) -> Verdict {
        let copy = Outgoing::dead_letter(&message.body, &reason, &self.queue);
        let sent: Outcome<()> = self.dead_letters.submit(copy).await;
        match sent {
            Ok(()) => Verdict::Done,
            Err(refusal) => {
                let subject = format!("moving a request of {} to the dead letters", self.queue);
                let reason = refusal.to_string();
                self.report(Event::Trouble(Trouble::Entry { subject, reason }));
                Verdict::Leave
            }
        }
    }

    /// Notes an attempt; returns all that this process knows of.
    fn attempted(&self, message: &str, at: Timestamp) -> Vec<Timestamp> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= MOST_ATTEMPTED {
            // Requests that went on to another process are never finished here.
            attempts.retain(|_, times| times.last().is_some_and(|last| at.after(*last) < RECENT));
        }
        let times = attempts.entry(message.to_owned()).or_default();
        times.push(at);
        times.clone()
    }

    fn forget(&self, message: &str) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(message);
    }

    fn report(&self, event: Event) {
        (self.sink)(event);
    }
}

/// Reports, however the handling ends, that the request is in hand no more.
struct InHand<'a>(&'a Worker);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.report(Event::PutDown { provider: self.0.provider.clone() });
    }
}
