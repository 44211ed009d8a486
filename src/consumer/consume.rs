//! Poll, lease, handle, acknowledge, drain: one consumer of one queue.

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
use super::poller::{self, Received};
use super::seat::WAITING;
use super::{Batcher, Entries, Limits, Message, Outcome, Seat, Source, Trouble};
use crate::error::{Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// How long deletes wait for company at the most; a message that is answered is in no hurry to be
/// deleted, as long as it stays hidden.
const DELETE_LINGER: Duration = Duration::from_secs(1);
/// The part of the visibility that a delete may wait: a third of it is left when a message leaves
/// the hand.
const DELETE_SHARE: u32 = 8;
/// How long a message that is given back waits for company.
const RELEASE_LINGER: Duration = Duration::from_millis(5);
/// Deletes or releases under way at once.
const MAX_IN_FLIGHT: usize = 4;
/// Entries of one delete or release.
const MAX_BATCH: usize = 10;
/// Messages that may wait for their delete or release at once; who has more takes no new ones. A full
/// batch leaves at once, so that there are never so many while those get through.
const UNACKNOWLEDGED: usize = 1_000;
/// How often a delete or a release is tried.
const ATTEMPTS: u32 = 5;

/// What to do with a message that was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with: delete it.
    Done,
    /// Give it back at once.
    Release,
    /// Leave it: it comes back when its visibility runs out.
    Leave,
}

/// What a consumer tells of beside the verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A message was given back because the consumer stops before it could be finished.
    GivenBack,
    /// A message was delivered again that is in hand or was finished a moment ago. It is not
    /// handled again.
    Again,
}

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct ConsumeOptions {
    /// Messages worked on at once; those that made way for others do not count.
    pub concurrency: usize,
    /// How long the queue hides what was received.
    pub visibility: Duration,
    /// How long messages in hand may take once the consumer is to stop, and those that the polls under
    /// way bring; then they are given back.
    pub drain: Duration,
}

/// Acknowledges deliveries, in one way or the other.
type Flush<S> = fn(Arc<S>, Arc<[String]>) -> BoxFuture<'static, Result<Entries>>;

/// A consumer of one queue.
pub struct Consumer<S> {
    /// The queue.
    pub source: S,
    /// How it is consumed.
    pub options: ConsumeOptions,
    /// How long the queue is left alone after a receive that was neither full nor empty: the next one
    /// brings the more.
    pub poll_pause: Duration,
    /// What ends it.
    pub stop: StopSignal,
    /// Where troubles are reported to.
    pub trouble: Arc<dyn Fn(Trouble) + Send + Sync>,
}

impl<S: Source> Consumer<S> {
    /// Consumes until the end begins, then drains: the polls under way are let finish, what they bring
    /// and what is in hand is finished or, when the time for that is used up, given back, and
    /// everything is acknowledged. `handle` gets each message with its [`Seat`]; `notice` is told of what
    /// becomes of messages beside being handled.
    ///
    /// Dropped half way it is as if its process had been killed: what is in hand is lost to it, and
    /// comes back when its visibility runs out.
    ///
    /// # Errors
    /// Ends with the first error that will not pass, after draining.
    pub async fn run<H, Fut>(
        self,
        handle: H,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<()>
    where
        H: Fn(Message, Seat) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send,
    {
        let tasks = TaskTracker::new();
        let leases = Leases::new(self.options.visibility);
        let keeper = {
            let (leases, source) = (leases.clone(), self.source.clone());
            AbortOnDropHandle::new(tokio::spawn(async move { leases.keep(source).await }))
        };
        // The end of the time for what is in flight concerns no other consumer.
        let (stop, drained) = (self.stop.part(), Arc::<OnceLock<Instant>>::default());
        let _timer = {
            let (stop, drain, drained) = (stop.clone(), self.options.drain, Arc::clone(&drained));
            AbortOnDropHandle::new(tokio::spawn(async move {
                stop.reached(Stage::Drain).await;
                sleep_until(*drained.get_or_init(|| Instant::now() + drain)).await;
                stop.reach(Stage::GiveBack);
            }))
        };
        let linger = DELETE_LINGER.min(self.options.visibility / DELETE_SHARE);
        let work = Arc::new(InFlight {
            deletes: self.batcher(&tasks, linger, |source, batch| {
                async move { source.delete(&batch).await }.boxed()
            }),
            releases: self.batcher(&tasks, RELEASE_LINGER, |source, batch| {
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
        });
        let permits = Arc::new(Semaphore::new(self.options.concurrency));
        let waiting = Arc::new(Semaphore::new(WAITING));
        let handle = Arc::new(handle);
        // Dropped with this future, and everything in hand with it.
        let mut in_flight = JoinSet::new();
        let dispatch = |Received { message, permit, asked }: Received| {
            while in_flight.try_join_next().is_some() {}
            let work = Arc::clone(&work);
            match leases.take(&message.id, &message.receipt, asked) {
                Acquired::New(held) => {
                    let handle = Arc::clone(&handle);
                    let seat = Seat::new(&message, permit, &waiting, held.watch());
                    in_flight.spawn(async move {
                        let verdict = work.verdict(message, &seat, handle.as_ref()).await;
                        // The next message need not wait for the acknowledgement, only for room.
                        let room = work.room().await;
                        drop(seat);
                        work.acknowledge(held, verdict, room).await;
                    });
                }
                Acquired::AlreadyHeld => (work.notice)(Notice::Again),
                Acquired::Finished => {
                    (work.notice)(Notice::Again);
                    in_flight.spawn(async move {
                        let room = work.room().await;
                        drop(permit);
                        work.delete(message.receipt, room).await;
                    });
                }
            }
        };
        let polled = self.poll(&permits, dispatch).await;
        // After an error that ends the polling, what is in hand is drained all the same, unless there
        // is no queue any more that it could be deleted from.
        self.stop.reach(Stage::Drain);
        if polled.as_ref().is_err_and(|error| error.kind() == Kind::NotSetUp) {
            stop.reach(Stage::GiveBack);
        }
        while in_flight.join_next().await.is_some() {}
        drop(work);
        tasks.close();
        tasks.wait().await;
        drop(keeper);
        polled.and(self.stop.outcome())
    }

    async fn poll(&self, permits: &Arc<Semaphore>, dispatch: impl FnMut(Received)) -> Result<()> {
        let (source, poll_pause) = (&self.source, self.poll_pause);
        poller::poll(source, permits, &self.stop, poll_pause, dispatch, &*self.trouble).await
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
            patience: linger,
            max_in_flight: MAX_IN_FLIGHT,
            attempts: ATTEMPTS,
        };
        Batcher::start(tasks, limits, self.stop.clone(), String::len, move |batch| {
            flush(Arc::clone(&source), batch)
        })
    }
}

/// What every message in hand needs.
struct InFlight {
    deletes: Batcher<String, ()>,
    releases: Batcher<String, ()>,
    unacknowledged: Arc<Semaphore>,
    report: Arc<TroubleReport>,
    stop: StopSignal,
    /// How long what is in hand may take once the end has begun.
    drain: Duration,
    /// When that is used up.
    drained: Arc<OnceLock<Instant>>,
    notice: Box<dyn Fn(Notice) + Send + Sync>,
}

impl InFlight {
    /// Handles a message; gives it back when it is not finished within the drain, as soon as that is
    /// known, or when the end comes with an error.
    async fn verdict<H, Fut>(&self, message: Message, seat: &Seat, handle: &H) -> Verdict
    where
        H: Fn(Message, Seat) -> Fut,
        Fut: Future<Output = Verdict>,
    {
        tokio::select! {
            biased;
            () = self.stop.reached(Stage::GiveBack) => {}
            () = self.is_too_long(seat) => {}
            // Not even begun when it is too late for that.
            verdict = async { handle(message, seat.clone()).await } => return verdict,
        }
        (self.notice)(Notice::GivenBack);
        Verdict::Release
    }

    /// Returns once the end has begun for a message that waits for longer than the drain, also where the
    /// message came, or made way, only after that.
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

    /// Acknowledges a message; it leaves the hand before anything is sent, so that no extension
    /// comes after that.
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

    /// Has a delivery deleted. Nobody waits for that: what is left of it is its `room`.
    async fn delete(&self, receipt: String, room: OwnedSemaphorePermit) {
        let report = Arc::clone(&self.report);
        let told = move |outcome| {
            report.check("deleting from", outcome);
            drop(room);
        };
        self.deletes.enqueue(receipt, told).await;
    }
}

/// Where it is reported to that a delivery could not be acknowledged.
struct TroubleReport {
    /// The queue.
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
