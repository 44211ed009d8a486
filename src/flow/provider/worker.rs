//! The worker of one simulated provider: handles many requests at once.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::behaviour::{CrashMoment, Decision, Intent, ReplyDelivery, When};
use super::{ProviderSettings, Receipts};
use crate::aws::{DeadLetters, Outgoing};
use crate::consumer::{Batcher, Message, Seat, Trouble, Verdict};
use crate::core::{Answer, ProviderName, Reply, Request, Timestamp};
use crate::error::Permanence;
use crate::flow::events::{Event, Sink, Stray};

/// Attempts before a worker gives up. The redrive policy of the queue allows more.
const ATTEMPTS: u32 = 5;
/// The wait after the first failed attempt; it doubles with each.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Requests whose attempts are remembered. Beyond that, those older than [`RECENT`] are forgotten.
const MOST_ATTEMPTED: usize = 1_000;
/// Far beyond the last retry.
const RECENT: Duration = Duration::from_mins(1);

pub(super) struct Worker {
    pub(super) provider: ProviderName,
    settings: ProviderSettings,
    answers: Batcher<Outgoing, ()>,
    dead_letters: DeadLetters,
    sink: Sink<Event>,
    queue: String,
    /// The times of the attempts at each request in flight, by message id.
    attempts: Mutex<HashMap<String, Vec<Timestamp>>>,
    /// Notified when a fault makes the worker die. The supervisor then drops it with all that it has in flight.
    pub(super) crash: Notify,
}

impl Worker {
    pub(super) fn new(
        provider: ProviderName,
        settings: ProviderSettings,
        answers: Batcher<Outgoing, ()>,
        dead_letters: DeadLetters,
        sink: Sink<Event>,
        queue: String,
    ) -> Self {
        let (attempts, crash) = (Mutex::default(), Notify::new());
        Self { provider, settings, answers, dead_letters, sink, queue, attempts, crash }
    }

    /// Handles one delivery of a request.
    pub(super) async fn handle(&self, message: Message, seat: Seat) -> Verdict {
        let request = match Request::delivered(&message.body) {
            Ok(request) => request,
            Err(reason) => return self.bury(&message, &seat, reason).await,
        };
        let received = self.now(&request);
        let (provider, id) = (self.provider.clone(), request.id.clone());
        self.report(Event::Received { provider, id, count: message.receive_count });
        let _in_flight = InFlightGuard(self);
        let (decision, think) =
            self.seated(&seat, &request, self.decide(&message, &request, received));
        let answer = match decision.intent {
            Intent::Fail(reason) => {
                let failing = Failing { received, reason, delivery: &decision.delivery };
                return self.fail(&message, &seat, &request, failing).await;
            }
            Intent::Silence(_) if self.settings.receipts == Receipts::Withhold => {
                let (provider, id) = (self.provider.clone(), request.id);
                self.report(Event::Mute { provider, id });
                return Verdict::Done;
            }
            Intent::Quote(price) => Answer::Quote(price),
            Intent::Decline(reason) => Answer::Declined(reason),
            Intent::Silence(reason) => Answer::Silent(reason),
        };
        // Even the shortest sleep lasts until the next millisecond of the clock.
        if !think.is_zero() {
            sleep(think).await;
        }
        let reply = self.reply(&request, received, answer);
        let answered = self.answer(&message, &seat, &request, reply, &decision.delivery).await;
        answered.map_or_else(|unsent| unsent, |()| Verdict::Done)
    }

    /// How long an answer waits. An answer for later makes way for other requests. Where too many wait already it
    /// becomes a receipt: sent now, the price of a late provider could win.
    fn seated(&self, seat: &Seat, request: &Request, decision: Decision) -> (Decision, Duration) {
        match decision.when {
            When::After(think) => (decision, think),
            When::At(time) => {
                let wait = time.saturating_since(self.now(request));
                if seat.make_way(wait) {
                    (decision, wait)
                } else {
                    (decision.crowded_out(), Duration::ZERO)
                }
            }
        }
    }

    /// What the provider does. A request that failed here and comes again after its deadline has failed for good.
    /// Without the earlier attempt it would only leave a receipt.
    fn decide(&self, message: &Message, request: &Request, received: Timestamp) -> Decision {
        let is_over = request.deadline.is_some_and(|deadline| received > deadline);
        let tried = if is_over { self.attempts().get(&message.id).cloned() } else { None };
        let last = tried.and_then(|times| times.last().copied());
        self.settings.behaviour.decide(&self.provider, request, last.unwrap_or(received))
    }

    /// Sends an answer, with what a fault makes of it. The request is done once the response queue has confirmed
    /// all of it.
    ///
    /// # Errors
    /// What to do with the request when the answer could not be sent.
    async fn answer(
        &self,
        message: &Message,
        seat: &Seat,
        request: &Request,
        reply: Reply,
        delivery: &ReplyDelivery,
    ) -> Result<(), Verdict> {
        let crashes = |at| message.receive_count == 1 && *delivery == ReplyDelivery::Crash(at);
        if crashes(CrashMoment::BeforeSend) {
            self.die(request, CrashMoment::BeforeSend).await;
        }
        match delivery {
            ReplyDelivery::Sound | ReplyDelivery::Crash(_) => {
                self.send(message, seat, &reply, request).await?;
            }
            ReplyDelivery::Twice(price) => {
                self.send(message, seat, &reply, request).await?;
                let answer = match &reply.answer {
                    Answer::Quote(_) => Answer::Quote(price.clone()),
                    same => same.clone(),
                };
                let second = Reply { answer: answer.clone(), ..reply };
                self.post(message, seat, second.encode()).await?;
                self.strayed(request, Stray::Second(answer));
            }
            ReplyDelivery::Poison => {
                let mut body = reply.encode();
                body.pop();
                self.post(message, seat, body).await?;
                self.strayed(request, Stray::Poison);
            }
            ReplyDelivery::Astray(id) => {
                let body = Reply { id: id.clone(), ..reply }.encode();
                self.post(message, seat, body).await?;
                self.strayed(request, Stray::WrongId(id.clone()));
            }
        }
        if crashes(CrashMoment::AfterSend) {
            self.die(request, CrashMoment::AfterSend).await;
        }
        Ok(())
    }

    /// The time by the provider's clock, which a fault may have set wrong.
    fn now(&self, request: &Request) -> Timestamp {
        Timestamp::now().by_clock(self.settings.behaviour.clock(&self.provider, request))
    }

    fn reply(&self, request: &Request, received: Timestamp, answer: Answer) -> Reply {
        let is_quote = matches!(answer, Answer::Quote(_));
        let ride = request.ride.map(|text| (!is_quote).then(|| text.clone()));
        Reply {
            responder: self.provider.responder(),
            id: request.id.clone(),
            answer,
            ride,
            received_at: Some(received),
            answered_at: Some(self.now(request)),
        }
    }

    /// Sends a reply as it is, and reports it.
    async fn send(
        &self,
        message: &Message,
        seat: &Seat,
        reply: &Reply,
        request: &Request,
    ) -> Result<(), Verdict> {
        self.post(message, seat, reply.encode()).await?;
        let late =
            request.deadline.zip(reply.answered_at).map(|(end, at)| at.saturating_since(end));
        self.report(Event::Answered {
            provider: self.provider.clone(),
            id: request.id.clone(),
            answer: reply.answer.clone(),
            late_by: late.filter(|late| !late.is_zero()),
        });
        Ok(())
    }

    /// Reports what a fault has sent.
    fn strayed(&self, request: &Request, what: Stray) {
        let (provider, id) = (self.provider.clone(), request.id.clone());
        self.report(Event::Strayed { provider, id, what });
    }

    async fn post(&self, message: &Message, seat: &Seat, body: String) -> Result<(), Verdict> {
        match self.answers.submit(Outgoing::plain(body)).await {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.permanence == Permanence::Permanent => {
                let reason = format!("its answer cannot be sent: {refusal}");
                Err(self.bury(message, seat, reason).await)
            }
            Err(refusal) => {
                let subject = format!("answering from {}", self.queue);
                let reason = refusal.to_string();
                self.report(Event::Trouble(Trouble::Entry { subject, reason }));
                Err(Verdict::Leave)
            }
        }
    }

    /// The worker dies here, and everything that it has in flight with it.
    async fn die(&self, request: &Request, moment: CrashMoment) {
        let sent = moment == CrashMoment::AfterSend;
        let (provider, id) = (self.provider.clone(), request.id.clone());
        self.report(Event::Crashed { provider, id, sent });
        self.crash.notify_one();
        pending::<()>().await;
    }

    /// A failed attempt. The request comes back a little later, unless this was the last attempt or the deadline
    /// would have passed by then.
    async fn fail(
        &self,
        message: &Message,
        seat: &Seat,
        request: &Request,
        failing: Failing<'_>,
    ) -> Verdict {
        let Failing { received, reason, delivery } = failing;
        let is_in_time = |at: Timestamp| request.deadline.is_none_or(|deadline| at <= deadline);
        let tried = self.attempts().get(&message.id).cloned().unwrap_or_default();
        let (attempt, attempted_at) = if is_in_time(received) || tried.is_empty() {
            (message.receive_count, self.attempted(&message.id, received))
        } else {
            // It came too late for another attempt.
            (message.receive_count.saturating_sub(1), tried)
        };
        let again_in = FIRST_RETRY * 2_u32.saturating_pow(attempt.saturating_sub(1).min(8));
        if attempt < ATTEMPTS && is_in_time(received.plus(again_in)) {
            let (provider, id) = (self.provider.clone(), request.id.clone());
            self.report(Event::Attempt { provider, id, reason, attempt, again_in });
            // Visibility timeouts are whole seconds, so the worker holds the request during shorter waits.
            sleep(again_in).await;
            return Verdict::Release;
        }
        let failed =
            Answer::Failed { reason: reason.clone(), attempts: Some(attempt), attempted_at };
        let reply = self.reply(request, received, failed);
        let verdict = match self.answer(message, seat, request, reply, delivery).await {
            Ok(()) => self.dead_letter(message, seat, &reason, || {}).await,
            Err(unsent) => unsent,
        };
        if verdict == Verdict::Done {
            self.attempts().remove(&message.id);
        }
        verdict
    }

    /// A request that cannot be read, or whose answer cannot be sent.
    async fn bury(&self, message: &Message, seat: &Seat, reason: String) -> Verdict {
        let sink = Arc::clone(&self.sink);
        let event = Event::Unreadable { provider: self.provider.clone(), reason: reason.clone() };
        self.dead_letter(message, seat, &reason, move || sink(event.clone())).await
    }

    /// Moves a copy to the dead letter queue, and reports it. The request is done once the queue has confirmed the
    /// copy.
    async fn dead_letter(
        &self,
        message: &Message,
        seat: &Seat,
        reason: &str,
        report: impl Fn() + Clone + Send + 'static,
    ) -> Verdict {
        if seat.has_lapsed() {
            // Its next receiver moves it too, and there must not be two letters.
            return Verdict::Leave;
        }
        match self.dead_letters.bury(message, reason, &self.queue, report).await {
            Ok(()) => Verdict::Done,
            Err(refusal) => {
                let subject = format!("moving a request of {} to the dead letters", self.queue);
                let reason = refusal.to_string();
                self.report(Event::Trouble(Trouble::Entry { subject, reason }));
                Verdict::Leave
            }
        }
    }

    /// Records an attempt; returns all that this process knows of.
    fn attempted(&self, message: &str, at: Timestamp) -> Vec<Timestamp> {
        let mut attempts = self.attempts();
        if attempts.len() >= MOST_ATTEMPTED {
            // A request that another process took over is never finished here.
            attempts.retain(|_, times| {
                times.last().is_some_and(|last| at.saturating_since(*last) < RECENT)
            });
        }
        let times = attempts.entry(message.to_owned()).or_default();
        times.push(at);
        times.clone()
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<String, Vec<Timestamp>>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, event: Event) {
        (self.sink)(event);
    }
}

struct Failing<'a> {
    received: Timestamp,
    reason: String,
    delivery: &'a ReplyDelivery,
}

/// Reports, however the handling ends, that the request is no longer in flight.
struct InFlightGuard<'a>(&'a Worker);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.report(Event::Finished { provider: self.0.provider.clone() });
    }
}
