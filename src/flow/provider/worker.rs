//! The worker of one provider: handles many requests at once. Its [`Service`] decides the answers. For a real
//! provider the worker also heeds the deadline; a simulated one decides for itself what it does after it.

use std::future::pending;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::delivery::{CrashMoment, ReplyDelivery};
use super::retry::wait_after;
use super::service::{AttemptOutcome, Inquiry, Service, cut_reason};
use crate::aws::{Cause, DeadLetters, Outgoing};
use crate::consumer::{Batcher, Message, Seat, Trouble, Verdict};
use crate::core::{Answer, DetailedAnswer, ProviderName, Reply, Request, Timestamp};
use crate::error::Permanence;
use crate::flow::events::{Event, Sink, Stray};
use crate::shutdown::{Stage, StopSignal};

pub(super) struct Worker {
    pub(super) provider: ProviderName,
    pub(super) service: Arc<dyn Service>,
    pub(super) answers: Batcher<Outgoing, ()>,
    pub(super) dead_letters: DeadLetters,
    pub(super) stop: StopSignal,
    /// Ends the attempts of a drain that has taken its time.
    pub(super) halt: CancellationToken,
    pub(super) sink: Sink<Event>,
    /// The name of its queue.
    pub(super) queue: String,
    /// Notified when a fault makes the worker die. The supervisor then drops it with all that it has in flight.
    pub(super) crash: Notify,
}

/// One delivery of a request.
#[derive(Clone, Copy)]
struct RequestDelivery<'a> {
    message: &'a Message,
    seat: &'a Seat,
    request: &'a Request,
    /// When it was received, by the provider's clock.
    received: Timestamp,
    /// The same by the clock that measures durations.
    since: Instant,
}

impl Worker {
    /// Handles one delivery of a request.
    pub(super) async fn handle(&self, message: Message, seat: Seat) -> Verdict {
        let (request, body) = match Request::delivered(&message.body) {
            Ok(read) => read,
            Err(reason) => return self.bury(&message, &seat, reason).await,
        };
        let (received, since) = (self.service.now(&request), Instant::now());
        let (provider, id) = (self.provider.clone(), request.id.clone());
        self.report(Event::Received { provider, id, count: message.receive_count });
        let _in_flight = InFlightGuard(self);
        let delivery =
            RequestDelivery { message: &message, seat: &seat, request: &request, received, since };
        if let Some(answer) = self.service.unasked(&request, received) {
            return self.conclude(delivery, answer.into()).await;
        }
        if !self.service.is_simulated() && !self.takes_requests() {
            return self.give_back();
        }
        self.attempt(delivery, &body).await
    }

    /// Whether a request may be asked. A poll that was under way may bring requests after the stop, or after its
    /// service has become unhealthy.
    fn takes_requests(&self) -> bool {
        !self.stop.has_reached(Stage::Drain) && self.service.ready().now_or_never().is_some()
    }

    /// Makes attempts until one decides the answer, or no further one may follow.
    async fn attempt(&self, delivery: RequestDelivery<'_>, body: &str) -> Verdict {
        let RequestDelivery { message, seat, request, received, .. } = delivery;
        let mut attempted_at = Vec::new();
        loop {
            // Each earlier delivery counts as one attempt: its worker was stopped or killed.
            let here = u32::try_from(attempted_at.len()).unwrap_or(u32::MAX);
            let attempt = message.receive_count.saturating_add(here);
            attempted_at.push(self.service.now(request));
            if !self.service.is_simulated() {
                let (provider, id) = (self.provider.clone(), request.id.clone());
                self.report(Event::Asked { provider, id, attempt });
            }
            let (seat, halt) = (Some(seat), &self.halt);
            let inquiry = Inquiry { request, body, attempt, received, seat, halt };
            let outcome = self.service.ask(inquiry).await;
            let failed = |reason: String| {
                let (reason, attempted_at) = (cut_reason(&reason), attempted_at.clone());
                Answer::Failed { reason, attempts: Some(attempt), attempted_at }
            };
            match outcome {
                AttemptOutcome::Mute => {
                    let (provider, id) = (self.provider.clone(), request.id.clone());
                    self.report(Event::Mute { provider, id });
                    return Verdict::Done;
                }
                AttemptOutcome::Answered(DetailedAnswer { answer, details }) => {
                    let answer = match answer {
                        Answer::Failed { reason, .. } => failed(reason),
                        other => other,
                    };
                    return self.conclude(delivery, DetailedAnswer { answer, details }).await;
                }
                AttemptOutcome::DeadLetter(reason) => {
                    return Box::pin(self.fail(delivery, failed(reason))).await;
                }
                AttemptOutcome::Retry { reason, not_before } => {
                    let now = self.service.now(request);
                    let Some(again_in) = wait_after(attempt, not_before, request.deadline, now)
                    else {
                        return Box::pin(self.fail(delivery, failed(reason))).await;
                    };
                    let (provider, id) = (self.provider.clone(), request.id.clone());
                    let told = reason.clone();
                    self.report(Event::AttemptFailed {
                        provider,
                        id,
                        reason: told,
                        attempt,
                        again_in,
                    });
                    // The seat stays taken: a provider that fails must not be asked more at once.
                    tokio::select! {
                        () = sleep(again_in) => {}
                        () = self.stop.reached(Stage::Drain) => return self.give_back(),
                    }
                    // A process that was suspended may wake too late.
                    let now = self.service.now(request);
                    if request.deadline.is_some_and(|deadline| now > deadline) {
                        return Box::pin(self.fail(delivery, failed(reason))).await;
                    }
                }
                AttemptOutcome::Halted => return self.give_back(),
            }
        }
    }

    fn give_back(&self) -> Verdict {
        self.report(Event::GivenBack { provider: self.provider.clone() });
        Verdict::Release
    }

    /// Sends the answer that completes the request.
    async fn conclude(&self, delivery: RequestDelivery<'_>, answer: DetailedAnswer) -> Verdict {
        self.answer(delivery, answer).await.map_or_else(|unsent| unsent, |()| Verdict::Done)
    }

    /// Sends a failure, and moves a copy of the request to the dead letters: a replay may get an answer.
    async fn fail(&self, delivery: RequestDelivery<'_>, failed: Answer) -> Verdict {
        let reason = failed.reason().unwrap_or_default().to_owned();
        let attempts = if let Answer::Failed { attempts, .. } = failed { attempts } else { None };
        if let Err(unsent) = self.answer(delivery, failed.into()).await {
            return unsent;
        }
        let cause = Cause { reason: &reason, source: &self.queue, attempts };
        let (sink, provider) = (Arc::clone(&self.sink), self.provider.clone());
        let report = move || sink(Event::Buried { provider: provider.clone() });
        self.dead_letter(delivery.message, delivery.seat, cause, report).await
    }

    /// Sends an answer, with what a fault makes of it. The request is done once the response queue has confirmed
    /// all of it.
    ///
    /// # Errors
    /// What to do with the request when the answer could not be sent.
    async fn answer(
        &self,
        delivery: RequestDelivery<'_>,
        answer: DetailedAnswer,
    ) -> Result<(), Verdict> {
        let RequestDelivery { message, request, received, .. } = delivery;
        let times = (received, self.service.now(request));
        let reply = Reply::to(request, &self.provider, answer, times);
        let way = self.service.delivery(request, received);
        let crashes = |at| message.receive_count == 1 && way == ReplyDelivery::Crash(at);
        if crashes(CrashMoment::BeforeSend) {
            self.die(request, CrashMoment::BeforeSend).await;
        }
        match &way {
            ReplyDelivery::Sound | ReplyDelivery::Crash(_) => self.send(delivery, reply).await?,
            // Boxed, since it is rare.
            faulty => Box::pin(self.send_faulty(delivery, reply, faulty)).await?,
        }
        if crashes(CrashMoment::AfterSend) {
            self.die(request, CrashMoment::AfterSend).await;
        }
        Ok(())
    }

    /// Sends what a fault makes of a reply, and reports it.
    async fn send_faulty(
        &self,
        delivery: RequestDelivery<'_>,
        reply: Reply,
        way: &ReplyDelivery,
    ) -> Result<(), Verdict> {
        let stray = match way {
            ReplyDelivery::Sound | ReplyDelivery::Crash(_) => {
                return self.send(delivery, reply).await;
            }
            ReplyDelivery::Twice(price) => {
                let answer = match &reply.answer {
                    Answer::Quote(_) => Answer::Quote(price.clone()),
                    same => same.clone(),
                };
                let second = Reply { answer: answer.clone(), ..reply.clone() };
                self.send(delivery, reply).await?;
                self.post(delivery, second.encode()).await?;
                Stray::Second(answer)
            }
            ReplyDelivery::Poison => {
                let mut body = reply.encode();
                body.pop();
                self.post(delivery, body).await?;
                Stray::Poison
            }
            ReplyDelivery::Astray(id) => {
                let body = Reply { id: id.clone(), ..reply }.encode();
                self.post(delivery, body).await?;
                Stray::WrongId(id.clone())
            }
        };
        let (provider, id) = (self.provider.clone(), delivery.request.id.clone());
        self.report(Event::Strayed { provider, id, what: stray });
        Ok(())
    }

    /// Sends a reply as it is, and reports it.
    async fn send(&self, delivery: RequestDelivery<'_>, reply: Reply) -> Result<(), Verdict> {
        let RequestDelivery { request, since, .. } = delivery;
        let took = since.elapsed();
        let body = reply.encode();
        let Reply { answer, answered_at, details, .. } = reply;
        // They may be large, and the body may wait for others.
        drop(details);
        self.post(delivery, body).await?;
        let late = request.deadline.zip(answered_at).map(|(end, at)| at.saturating_since(end));
        self.report(Event::Answered {
            provider: self.provider.clone(),
            id: request.id.clone(),
            answer,
            took,
            late_by: late.filter(|late| !late.is_zero()),
        });
        Ok(())
    }

    async fn post(&self, delivery: RequestDelivery<'_>, body: String) -> Result<(), Verdict> {
        match self.answers.submit(Outgoing::plain(body)).await {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.permanence == Permanence::Permanent => {
                let reason = format!("its reply cannot be sent: {refusal}");
                Err(self.bury(delivery.message, delivery.seat, reason).await)
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

    /// A request that cannot be read, or whose answer cannot be sent.
    async fn bury(&self, message: &Message, seat: &Seat, reason: String) -> Verdict {
        let sink = Arc::clone(&self.sink);
        let event = Event::Unreadable { provider: self.provider.clone(), reason: reason.clone() };
        let cause = Cause { reason: &reason, source: &self.queue, attempts: None };
        self.dead_letter(message, seat, cause, move || sink(event.clone())).await
    }

    /// Moves a copy to the dead letter queue, and reports it. The request is done once the queue has confirmed the
    /// copy.
    async fn dead_letter(
        &self,
        message: &Message,
        seat: &Seat,
        cause: Cause<'_>,
        report: impl Fn() + Clone + Send + 'static,
    ) -> Verdict {
        if seat.has_lapsed() {
            // Its next receiver moves it too, and there must not be two letters.
            return Verdict::Leave;
        }
        // Boxed, since it is rare: as a part of this future it would take memory for each request in hand.
        match Box::pin(self.dead_letters.bury(message, cause, report)).await {
            Ok(()) => Verdict::Done,
            Err(refusal) => {
                let subject = format!("moving a request of {} to the dead letters", self.queue);
                let reason = refusal.to_string();
                self.report(Event::Trouble(Trouble::Entry { subject, reason }));
                Verdict::Leave
            }
        }
    }

    fn report(&self, event: Event) {
        (self.sink)(event);
    }
}

/// Reports, however the handling ends, that the request is no longer in flight.
struct InFlightGuard<'a>(&'a Worker);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.report(Event::Finished { provider: self.0.provider.clone() });
    }
}
