//! Keeps the worker of one provider running: polls its queue, replaces a worker that crashed, ends attempts when a
//! drain has taken its time.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use super::source::RequestSource;
use super::worker::Worker;
use crate::aws::{DeadLetters, Outgoing, PolledQueue, Queue, WithSender};
use crate::consumer::{Batcher, ConsumeOptions, Consumer, Notice, Polling, Trouble};
use crate::core::ProviderName;
use crate::error::{Kind, Result};
use crate::flow::events::{Event, Sink};
use crate::shutdown::{Stage, StopSignal};

/// After a receive that brought a few requests, their answers are more urgent than the next request, and several
/// requests cost no more to receive than one. Each provider has its own queue, so a process may have hundreds: more
/// polls of each would take memory and bring nothing.
const POLLING: Polling = Polling { pause: Duration::from_millis(25), max_quick: 8 };

/// Keeps one worker running for a provider.
pub(super) struct Supervisor {
    pub(super) provider: ProviderName,
    pub(super) queue: Queue,
    pub(super) service: Arc<dyn Service>,
    pub(super) poll_wait: Duration,
    pub(super) options: ConsumeOptions,
    pub(super) answers: Batcher<Outgoing, ()>,
    pub(super) dead_letters: DeadLetters,
    pub(super) stop: StopSignal,
    pub(super) sink: Sink<Event>,
}

impl Supervisor {
    /// Runs a worker until it ends; starts a new one whenever a fault crashes it.
    pub(super) async fn keep(self) -> Result<()> {
        let halt = CancellationToken::new();
        let ended = loop {
            let worker = Arc::new(Worker {
                provider: self.provider.clone(),
                service: Arc::clone(&self.service),
                answers: self.answers.clone(),
                dead_letters: self.dead_letters.clone(),
                stop: self.stop.clone(),
                halt: halt.clone(),
                sink: Arc::clone(&self.sink),
                queue: self.queue.name().to_owned(),
                crash: Notify::new(),
            });
            let crashed = Arc::clone(&worker);
            tokio::select! {
                ended = self.work(worker) => break ended,
                () = self.service.tend() => {}
                () = self.halt_in_time(&halt) => {}
                // The requests it held come back when their visibility timeout ends.
                () = crashed.crash.notified() => {}
            }
        };
        if ended.as_ref().is_err_and(|error| error.kind() == Kind::NotSetUp) {
            (self.sink)(Event::Left { provider: self.provider });
        }
        ended
    }

    /// Ends the attempts when the drain has taken its time. Never returns.
    async fn halt_in_time(&self, halt: &CancellationToken) {
        self.stop.reached(Stage::Drain).await;
        sleep(self.options.drain).await;
        halt.cancel();
        pending::<()>().await;
    }

    async fn work(&self, worker: Arc<Worker>) -> Result<()> {
        let stop = self.stop.part();
        let source = RequestSource {
            queue: PolledQueue {
                queue: self.queue.clone(),
                wait: self.poll_wait,
                visibility: self.options.visibility,
                sender: WithSender::NotAsked,
            },
            service: Arc::clone(&self.service),
            stop: stop.clone(),
        };
        let troubles = Arc::clone(&self.sink);
        let consumer = Consumer {
            source,
            // A halted attempt gives its request back by itself, once it has ended.
            options: ConsumeOptions {
                drain: self.options.drain + self.service.ending(),
                ..self.options
            },
            polling: POLLING,
            stop,
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
