//! Consumes one queue: polls, leases, handles, acknowledges, drains.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::lease::{Acquired, LeaseGuard, Leases};
use super::poller::{self, Polling, Received};
use super::seat::WAITING;
use super::{Batcher, Entries, Limits, Message, Outcome, Seat, Source, Trouble};
use crate::error::{Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// The longest wait of a delete for others. A handled message may wait for its delete as long as it stays hidden.
const DELETE_LINGER: Duration = Duration::from_secs(1);
/// A delete waits for an eighth of the visibility timeout at most: at least a third of it is left when a message has
/// been handled.
const DELETE_SHARE: u32 = 8;
/// How long the release of a message waits for others.
const RELEASE_LINGER: Duration = Duration::from_millis(5);
/// Requests that delete or release, in flight at once.
const MAX_IN_FLIGHT: usize = 4;
/// The same where the backend is quick.
const MAX_QUICK_IN_FLIGHT: usize = 16;
/// Entries of one delete or release.
const MAX_BATCH: usize = 10;
/// Messages that may wait for their delete or release. Beyond that the consumer takes no new ones. A full batch
/// leaves at once, so there are never so many while requests succeed.
const UNACKNOWLEDGED: usize = 1_000;
/// How often a delete or a release is tried.
const ATTEMPTS: u32 = 5;

/// What to do with a message that was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Delete it.
    Done,
    /// Give it back at once.
    Release,
    /// Leave it: it comes back after its visibility timeout.
    Leave,
}

/// What happens to messages without being handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A message was given back: the consumer stopped before the message could be finished.
    GivenBack,
    /// A message was delivered again that is in flight or was finished a moment ago. It is not handled again.
    Again,
}

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct ConsumeOptions {
    /// Messages handled at once. Those that made way for others do not count.
    pub concurrency: usize,
    /// The visibility timeout of received messages.
    pub visibility: Duration,
    /// The time for messages in flight once the consumer drains. What is not finished by then is given back.
    pub drain: Duration,
}

/// Deletes or releases a batch of deliveries.
type Flush<S> = fn(Arc<S>, Arc<[String]>) -> BoxFuture<'static, Result<Entries>>;

/// A consumer of one queue.
pub struct Consumer<S> {
    /// The queue.
    pub source: S,
    /// How it is consumed.
    pub options: ConsumeOptions,
    /// How it is polled.
    pub polling: Polling,
    /// What stops it.
    pub stop: StopSignal,
    /// Takes reports of troubles.
    pub trouble: Arc<dyn Fn(Trouble) + Send + Sync>,
}

impl<S: Source> Consumer<S> {
    /// Consumes until `Stage::Drain`, then drains. Polls in flight are not dropped; what they bring and what is in
    /// flight is finished, or given back when the time for that has passed. Everything is acknowledged.
    /// `handler` gets each message with its [`Seat`]; `notice` gets what happens to messages that are not handled.
    ///
    /// A consumer that is dropped half way is as if its process had been killed: what it had in flight comes back
    /// after its visibility timeout.
    ///
    /// # Errors
    /// The first permanent error, after draining.
    pub async fn run<H, Fut>(
        self,
        handler: H,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<()>
    where
        H: Fn(Message, Seat) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send,
    {
        let tasks = TaskTracker::new();
        let leases = Leases::new(self.options.visibility);
        let _keeper = {
            let (leases, source) = (leases.clone(), self.source.clone());
            AbortOnDropHandle::new(tokio::spawn(async move { leases.keep(source).await }))
        };
        // The end of the drain concerns no other consumer.
        let stop = self.stop.part();
        let drained = Arc::<OnceLock<Instant>>::default();
        let _timer = self.give_back_later(&stop, &drained);
        let mut dispatcher = Dispatcher {
            work: Arc::new(self.in_flight(&tasks, &stop, drained, notice)),
            leases,
            waiting: Arc::new(Semaphore::new(WAITING)),
            handler: Arc::new(handler),
            running: JoinSet::new(),
        };
        let permits = Arc::new(Semaphore::new(self.options.concurrency));
        // Receives wait for messages, so the deletes tell how quick the backend is.
        let deletes = dispatcher.work.deletes.flights();
        let is_quick = move || deletes.borrow().are_quick();
        let polled = self.poll(&permits, is_quick, |received| dispatcher.dispatch(received)).await;
        // An error that ends the polling drains what is in flight too, unless the queue has gone.
        self.stop.reach(Stage::Drain);
        if polled.as_ref().is_err_and(|error| error.kind() == Kind::NotSetUp) {
            stop.reach(Stage::GiveBack);
        }
        dispatcher.finish().await;
        tasks.close();
        tasks.wait().await;
        polled.and(self.stop.outcome())
    }

    /// Gives back what is in flight once the drain has taken its time.
    fn give_back_later(
        &self,
        stop: &StopSignal,
        drained: &Arc<OnceLock<Instant>>,
    ) -> AbortOnDropHandle<()> {
        let (stop, drain, drained) = (stop.clone(), self.options.drain, Arc::clone(drained));
        AbortOnDropHandle::new(tokio::spawn(async move {
            stop.reached(Stage::Drain).await;
            sleep_until(*drained.get_or_init(|| Instant::now() + drain)).await;
            stop.reach(Stage::GiveBack);
        }))
    }

    fn in_flight(
        &self,
        tasks: &TaskTracker,
        stop: &StopSignal,
        drained: Arc<OnceLock<Instant>>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> InFlight {
        let linger = DELETE_LINGER.min(self.options.visibility / DELETE_SHARE);
        InFlight {
            deletes: self.batcher(tasks, linger, |source, batch| {
                async move { source.delete(&batch).await }.boxed()
            }),
            releases: self.batcher(tasks, RELEASE_LINGER, |source, batch| {
                async move { source.release(&batch).await }.boxed()
            }),
            unacknowledged: Arc::new(Semaphore::new(UNACKNOWLEDGED)),
            report: Arc::new(TroubleReport {
                name: self.source.name().to_owned(),
                trouble: Arc::clone(&self.trouble),
            }),
            stop: stop.clone(),
            drain: self.options.drain,
            drained,
            notice: Box::new(notice),
        }
    }

    async fn poll(
        &self,
        permits: &Arc<Semaphore>,
        is_quick: impl Fn() -> bool + Send + Sync,
        dispatch: impl FnMut(Received),
    ) -> Result<()> {
        let (source, polling, trouble) = (&self.source, self.polling, &*self.trouble);
        poller::poll(source, permits, &self.stop, polling, is_quick, dispatch, trouble).await
    }

    fn batcher(
        &self,
        tasks: &TaskTracker,
        linger: Duration,
        flush: Flush<S>,
    ) -> Batcher<String, ()> {
        let source = Arc::new(self.source.clone());
        let limits = Limits {
            count: MAX_BATCH,
            bytes: usize::MAX,
            linger,
            max_wait: linger,
            max_in_flight: MAX_IN_FLIGHT,
            max_quick_in_flight: MAX_QUICK_IN_FLIGHT,
            attempts: ATTEMPTS,
        };
        Batcher::start(tasks, limits, self.stop.clone(), String::len, move |batch| {
            flush(Arc::clone(&source), batch)
        })
    }
}

/// Starts the handling of each message that a poll brings.
struct Dispatcher<H> {
    work: Arc<InFlight>,
    leases: Leases,
    /// Room for messages that made way.
    waiting: Arc<Semaphore>,
    handler: Arc<H>,
    /// Dropped with the consumer, and everything in flight with it.
    running: JoinSet<()>,
}

impl<H, Fut> Dispatcher<H>
where
    H: Fn(Message, Seat) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Verdict> + Send,
{
    fn dispatch(&mut self, Received { message, permit, asked }: Received) {
        while self.running.try_join_next().is_some() {}
        let work = Arc::clone(&self.work);
        match self.leases.take(&message.id, &message.receipt, asked) {
            Acquired::New(held) => {
                let handler = Arc::clone(&self.handler);
                let seat = Seat::new(&message, permit, &self.waiting, held.watch());
                self.running.spawn(async move {
                    let verdict = work.verdict(message, &seat, handler.as_ref()).await;
                    // The next message need not wait for the acknowledgement, only for room.
                    let room = work.room().await;
                    drop(seat);
                    work.acknowledge(held, verdict, room).await;
                });
            }
            Acquired::AlreadyHeld => (work.notice)(Notice::Again),
            Acquired::Finished => {
                (work.notice)(Notice::Again);
                self.running.spawn(async move {
                    let room = work.room().await;
                    drop(permit);
                    work.delete(message.receipt, room).await;
                });
            }
        }
    }

    /// Returns when nothing is in flight any more, and lets go of the batchers.
    async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

/// What every message in flight needs.
struct InFlight {
    deletes: Batcher<String, ()>,
    releases: Batcher<String, ()>,
    unacknowledged: Arc<Semaphore>,
    report: Arc<TroubleReport>,
    stop: StopSignal,
    /// The time for messages in flight once the consumer drains.
    drain: Duration,
    /// When that time is over.
    drained: Arc<OnceLock<Instant>>,
    notice: Box<dyn Fn(Notice) + Send + Sync>,
}

impl InFlight {
    /// Handles a message. A message that cannot be finished within the drain is given back as soon as that is
    /// known; so is every message when an error stops the consumer.
    async fn verdict<H, Fut>(&self, message: Message, seat: &Seat, handler: &H) -> Verdict
    where
        H: Fn(Message, Seat) -> Fut,
        Fut: Future<Output = Verdict>,
    {
        tokio::select! {
            biased;
            () = self.stop.reached(Stage::GiveBack) => {}
            () = self.is_too_long(seat) => {}
            // Last: a message that comes too late is not begun.
            verdict = async { handler(message, seat.clone()).await } => return verdict,
        }
        (self.notice)(Notice::GivenBack);
        Verdict::Release
    }

    /// Returns once the consumer drains and the message waits for longer than the drain. The message may also have
    /// come, or made way, after the drain began.
    async fn is_too_long(&self, seat: &Seat) {
        self.stop.reached(Stage::Drain).await;
        let drained = *self.drained.get_or_init(|| Instant::now() + self.drain);
        seat.waits_beyond(drained).await;
    }

    /// Room for one more message that waits for its acknowledgement.
    async fn room(&self) -> OwnedSemaphorePermit {
        let room = Arc::clone(&self.unacknowledged).acquire_owned();
        room.await.expect("the semaphore is never closed")
    }

    /// Acknowledges a message. Its lease ends before anything is sent, so that no extension follows.
    async fn acknowledge(&self, held: LeaseGuard, verdict: Verdict, room: OwnedSemaphorePermit) {
        match verdict {
            Verdict::Leave => drop(held),
            Verdict::Done => {
                if let Some(receipt) = held.finish() {
                    self.delete(receipt, room).await;
                }
            }
            Verdict::Release => {
                if let Some(receipt) = held.give_up().await {
                    self.report.check("giving back to", self.releases.submit(receipt).await);
                }
            }
        }
    }

    /// Has a delivery deleted, without waiting for it. Until then it takes `room`.
    async fn delete(&self, receipt: String, room: OwnedSemaphorePermit) {
        let report = Arc::clone(&self.report);
        let told = move |outcome| {
            report.check("deleting from", outcome);
            drop(room);
        };
        self.deletes.enqueue(receipt, told).await;
    }
}

/// Reports deliveries that could not be acknowledged.
struct TroubleReport {
    /// The name of the queue.
    name: String,
    trouble: Arc<dyn Fn(Trouble) + Send + Sync>,
}

impl TroubleReport {
    fn check(&self, what: &str, result: Outcome<()>) {
        if let Err(refusal) = result {
            let subject = format!("{what} {}", self.name);
            (self.trouble)(Trouble::Entry { subject, reason: refusal.to_string() });
        }
    }
}
