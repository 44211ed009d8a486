//! Poll, lease, handle, acknowledge, drain: one consumer of one queue.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::lease::Leases;
use super::poller::{self, Delivery};
use super::{Batcher, Ending, Limits, Message, Source, Trouble};
use crate::error::Result;

/// How long deletes wait for company; a message that is answered is in no hurry to be deleted.
const DELETE_LINGER: Duration = Duration::from_millis(500);
/// How long a message that is given back waits for company.
const RELEASE_LINGER: Duration = Duration::from_millis(5);
/// Entries of one delete or release.
const MAX_BATCH: usize = 10;
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

/// How a queue is consumed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Messages in hand at once.
    pub concurrency: usize,
    /// How long the queue hides what was received.
    pub visibility: Duration,
    /// How long messages in hand may take once the consumer is to stop; then they are given back.
    pub drain: Duration,
}

/// A consumer of one queue.
pub struct Consumer<S> {
    /// The queue.
    pub source: S,
    /// How it is consumed.
    pub options: Options,
    /// No new polls once this has begun.
    pub ending: Ending,
    /// Where troubles are reported to.
    pub trouble: Arc<dyn Fn(Trouble) + Send + Sync>,
}

impl<S: Source> Consumer<S> {
    /// Consumes until the end begins, then drains: the poll under way is let finish, what it brings is
    /// given back, what is in hand is finished or given back, and everything is acknowledged.
    /// `unfinished` is told of every message that was given back because of the stop.
    ///
    /// # Errors
    /// Ends with the first error that will not pass, after draining.
    pub async fn run<H, Fut>(
        self,
        handle: H,
        unfinished: impl Fn(&Message) + Send + Sync + 'static,
    ) -> Result<()>
    where
        H: Fn(Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send,
    {
        let tasks = TaskTracker::new();
        let leases = Leases::new(self.options.visibility);
        let keeper = tokio::spawn({
            let (leases, source) = (leases.clone(), self.source.clone());
            async move { leases.keep(source).await }
        });
        let work = Arc::new(Work {
            deletes: self.batcher(&tasks, DELETE_LINGER, |source, batch| {
                async move { source.delete(&batch).await }.boxed()
            }),
            releases: self.batcher(&tasks, RELEASE_LINGER, |source, batch| {
                async move { source.release(&batch).await }.boxed()
            }),
            name: self.source.name().to_owned(),
            trouble: Arc::clone(&self.trouble),
            ending: self.ending.clone(),
            drain: self.options.drain,
            unfinished: Box::new(unfinished),
        });
        let permits = Arc::new(Semaphore::new(self.options.concurrency));
        let (handle, keys) = (Arc::new(handle), AtomicU64::new(0));
        let hand_over = |delivery: Delivery| {
            let key = keys.fetch_add(1, Ordering::Relaxed);
            let held = leases.hold(key, &delivery.message.receipt, delivery.since);
            let (work, handle) = (Arc::clone(&work), Arc::clone(&handle));
            let message = delivery.message;
            tasks.spawn(async move {
                let receipt = message.receipt.clone();
                let verdict = work.verdict(message, handle.as_ref()).await;
                // The lease ends and the permit is free before the acknowledgement is out: an
                // extension must not overwrite it, and the next message need not wait for it.
                drop((held, delivery.permit));
                work.acknowledge(receipt, verdict).await;
            });
        };
        let polled =
            poller::poll(&self.source, &permits, &self.ending, hand_over, &*self.trouble).await;
        // After an error that ends the polling, what is in hand is drained all the same.
        self.ending.stop();
        drop(work);
        tasks.close();
        tasks.wait().await;
        keeper.abort();
        polled.and(self.ending.outcome())
    }

    fn batcher(
        &self,
        tasks: &TaskTracker,
        linger: Duration,
        flush: fn(
            S,
            Vec<String>,
        ) -> futures_util::future::BoxFuture<'static, Result<super::Entries>>,
    ) -> Batcher<String, ()> {
        let source = self.source.clone();
        let limits =
            Limits { count: MAX_BATCH, bytes: usize::MAX, linger, flights: 2, attempts: ATTEMPTS };
        Batcher::start(tasks, limits, self.ending.clone(), String::len, move |batch| {
            flush(source.clone(), batch)
        })
    }
}

/// What every message in hand needs.
struct Work {
    deletes: Batcher<String, ()>,
    releases: Batcher<String, ()>,
    name: String,
    trouble: Arc<dyn Fn(Trouble) + Send + Sync>,
    ending: Ending,
    drain: Duration,
    unfinished: Box<dyn Fn(&Message) + Send + Sync>,
}

impl Work {
    /// Handles a message; gives it back when the consumer stops before it could be begun, when it
    /// is not finished within the drain, or when the end comes with an error.
    async fn verdict<H, Fut>(&self, message: Message, handle: &H) -> Verdict
    where
        H: Fn(Message) -> Fut,
        Fut: Future<Output = Verdict>,
    {
        if self.ending.has_begun() {
            (self.unfinished)(&message);
            return Verdict::Release;
        }
        let given_back = message.clone();
        let late = async {
            self.ending.begins().await;
            tokio::select! {
                () = tokio::time::sleep(self.drain) => {}
                () = self.ending.fails() => {}
            }
        };
        tokio::select! {
            verdict = handle(message) => verdict,
            () = late => {
                (self.unfinished)(&given_back);
                Verdict::Release
            }
        }
    }

    async fn acknowledge(&self, receipt: String, verdict: Verdict) {
        let (what, result) = match verdict {
            Verdict::Leave => return,
            Verdict::Done => ("deleting from", self.deletes.submit(receipt).await),
            Verdict::Release => ("giving back to", self.releases.submit(receipt).await),
        };
        if let Err(refusal) = result {
            let subject = format!("{what} {}", self.name);
            (self.trouble)(Trouble::Entry { subject, reason: refusal.to_string() });
        }
    }
}
