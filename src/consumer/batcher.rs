//! One batcher for sends, publishes, deletes and inserts. Every item gets its own result, failed items are retried
//! a limited number of times, and no submitted item is dropped at the end.
//! A full batch leaves at once. Another leaves when no more items come and no batch is in flight. So a lone item
//! hardly waits, and batches get fuller under load.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::response_time::ResponseTime;
use super::{Backoff, Effect, Entries, Refusal};
use crate::error::{Permanence, Result};
use crate::shutdown::{Stage, StopSignal};

/// Items that may wait for their batch; then submitters wait.
const BUFFER: usize = 1_000;

/// When a batch is full, and how long it waits for more.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Items in a batch at most.
    pub count: usize,
    /// Bytes in a batch at most; a larger item goes alone.
    pub bytes: usize,
    /// A batch leaves when no item has come for this long and no other batch is in flight.
    pub linger: Duration,
    /// A batch leaves this long after its first item at the latest.
    pub max_wait: Duration,
    /// Batches in flight at once.
    pub max_in_flight: usize,
    /// The same where the backend is quick.
    pub max_quick_in_flight: usize,
    /// How often an item is tried, the first time included.
    pub attempts: u32,
}

/// The result of one item.
pub type Outcome<R> = Result<R, Refusal>;

/// A handle on a batcher, cheap to clone. The batcher ends after the last handle, once every item has its result.
pub struct Batcher<T, R> {
    items: mpsc::Sender<Pending<T, R>>,
    flights: watch::Receiver<Flights>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), flights: self.flights.clone() }
    }
}

impl<T, R> Batcher<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts a batcher on `tasks`. `size` is the bytes of an item; `flush` sends a batch and returns one result
    /// per item, in order. Once `stop` drains, batches leave without waiting. A fatal error makes `stop` fail.
    pub fn start<F, Fut>(
        tasks: &TaskTracker,
        limits: Limits,
        stop: StopSignal,
        size: fn(&T) -> usize,
        flush: F,
    ) -> Self
    where
        F: Fn(Arc<[T]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Entries<R>>> + Send + 'static,
    {
        let (items, queue) = mpsc::channel(BUFFER);
        let (in_flight, flights) = watch::channel(Flights::default());
        let state = Batches { queue, limits, stop, size, in_flight, carried: None, closed: false };
        tasks.spawn(state.run(tasks.clone(), Arc::new(flush)));
        Self { items, flights }
    }

    /// The batches in flight, now and later.
    pub(super) fn flights(&self) -> watch::Receiver<Flights> {
        self.flights.clone()
    }

    /// Submits an item; returns once it is done or given up.
    ///
    /// # Errors
    /// Why it was given up, and whether it may have been taken nevertheless.
    pub async fn submit(&self, item: T) -> Outcome<R> {
        let (result, outcome) = oneshot::channel();
        let sent = self.items.send((item, Recipient::Here(result))).await;
        sent.map_err(|_| gone(Effect::Excluded))?;
        outcome.await.map_err(|_| gone(Effect::Possible))?
    }

    /// As `submit`; `note` gets the outcome first, even if the caller is dropped before.
    ///
    /// # Errors
    /// As `submit`.
    pub async fn submit_noted(
        &self,
        item: T,
        note: impl FnOnce(&Outcome<R>) + Send + 'static,
    ) -> Outcome<R> {
        let (result, outcome) = oneshot::channel();
        let told = move |outcome| {
            note(&outcome);
            // The caller may have gone.
            _ = result.send(outcome);
        };
        self.enqueue(item, told).await;
        outcome.await.map_err(|_| gone(Effect::Possible))?
    }

    /// Returns once there is room for the item. `told` gets its outcome, unless the runtime shuts down before.
    pub async fn enqueue(&self, item: T, told: impl FnOnce(Outcome<R>) + Send + 'static) {
        let sent =
            self.items.send((item, Recipient::Elsewhere(ToldOnce(Some(Box::new(told)))))).await;
        if let Err(mpsc::error::SendError((_, waiting))) = sent {
            waiting.tell(Err(gone(Effect::Excluded)));
        }
    }
}

fn gone(effect: Effect) -> Refusal {
    Refusal {
        code: "Stopped".to_owned(),
        message: "the batcher has stopped".to_owned(),
        permanence: Permanence::Transient,
        effect,
    }
}

type Pending<T, R> = (T, Recipient<R>);

enum Recipient<R> {
    /// The submitter.
    Here(oneshot::Sender<Outcome<R>>),
    /// A function of the submitter's.
    Elsewhere(ToldOnce<R>),
}

/// Calls its function once, also when the batch panics.
struct ToldOnce<R>(Option<Box<dyn FnOnce(Outcome<R>) + Send>>);

impl<R> ToldOnce<R> {
    fn tell(&mut self, outcome: Outcome<R>) {
        if let Some(told) = self.0.take() {
            told(outcome);
        }
    }
}

impl<R> Drop for ToldOnce<R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell(Err(gone(Effect::Possible)));
        }
    }
}

impl<R> Recipient<R> {
    fn tell(self, outcome: Outcome<R>) {
        match self {
            // The submitter may have gone.
            Self::Here(result) => drop(result.send(outcome)),
            Self::Elsewhere(mut told) => told.tell(outcome),
        }
    }
}

struct Batches<T, R> {
    queue: mpsc::Receiver<Pending<T, R>>,
    limits: Limits,
    stop: StopSignal,
    size: fn(&T) -> usize,
    in_flight: watch::Sender<Flights>,
    /// The item that did not fit into the last batch.
    carried: Option<Pending<T, R>>,
    /// Whether every handle is dropped.
    closed: bool,
}

/// The batches in flight. Where a batch takes several calls, the response time is that of all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flights {
    count: usize,
    response_time: ResponseTime,
}

impl Flights {
    /// Whether they take so short a time that more of them may be in flight.
    pub(super) fn are_quick(self) -> bool {
        self.response_time.is_quick()
    }

    fn have_room(self, limits: &Limits) -> bool {
        let most = if self.are_quick() { limits.max_quick_in_flight } else { limits.max_in_flight };
        self.count < most
    }
}

struct Batch<T, R> {
    items: Vec<Pending<T, R>>,
    bytes: usize,
    began: Instant,
    /// When the last item came.
    last: Instant,
}

impl<T, R> Batches<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    async fn run<F, Fut>(mut self, tasks: TaskTracker, flush: Arc<F>)
    where
        F: Fn(Arc<[T]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Entries<R>>> + Send + 'static,
    {
        while let Some(batch) = self.next_batch().await {
            let flight = Flight::begin(&self.in_flight);
            let (flush, limits) = (Arc::clone(&flush), self.limits);
            let (stop, in_flight) = (self.stop.clone(), self.in_flight.clone());
            tasks.spawn(async move {
                carry_out(batch, limits, flush.as_ref(), &stop, flight, &in_flight).await;
            });
        }
    }

    /// Waits for the next batch to leave; `None` once every handle is dropped.
    async fn next_batch(&mut self) -> Option<Vec<Pending<T, R>>> {
        let first = match self.carried.take() {
            Some(item) => item,
            None => self.queue.recv().await?,
        };
        let bytes = (self.size)(&first.0);
        let now = Instant::now();
        let mut batch = Batch { items: vec![first], bytes, began: now, last: now };
        let mut in_flight = self.in_flight.subscribe();
        loop {
            while !self.is_full(&batch)
                && let Ok(item) = self.queue.try_recv()
            {
                self.add(&mut batch, item);
            }
            let under_way = *in_flight.borrow_and_update();
            let latest = batch.began + self.limits.max_wait;
            let due = if under_way.count > 0 {
                latest
            } else {
                latest.min(batch.last + self.limits.linger)
            };
            let is_full = self.is_full(&batch);
            let in_a_hurry = is_full || self.closed || self.stop.has_reached(Stage::Drain);
            let may_leave = under_way.have_room(&self.limits);
            if may_leave && (in_a_hurry || Instant::now() >= due) {
                return Some(batch.items);
            }
            tokio::select! {
                item = self.queue.recv(), if !is_full && !self.closed => match item {
                    Some(item) => self.add(&mut batch, item),
                    None => self.closed = true,
                },
                // The sender is our own: it cannot be gone.
                _ = in_flight.changed() => {}
                () = sleep_until(due), if may_leave => {}
                () = self.stop.reached(Stage::Drain), if !self.stop.has_reached(Stage::Drain) => {}
            }
        }
    }

    fn add(&mut self, batch: &mut Batch<T, R>, item: Pending<T, R>) {
        let bytes = batch.bytes + (self.size)(&item.0);
        if bytes > self.limits.bytes {
            self.carried = Some(item);
        } else {
            batch.bytes = bytes;
            batch.items.push(item);
            batch.last = Instant::now();
        }
    }

    fn is_full(&self, batch: &Batch<T, R>) -> bool {
        batch.items.len() >= self.limits.count || self.carried.is_some()
    }
}

/// Counts a batch as in flight until it is dropped.
struct Flight {
    counts: watch::Sender<Flights>,
    began: Instant,
    /// True until `end` is called: one that is dropped before counts as refused.
    was_refused: bool,
}

impl Flight {
    fn begin(in_flight: &watch::Sender<Flights>) -> Self {
        in_flight.send_modify(|in_flight| in_flight.count += 1);
        Self { counts: in_flight.clone(), began: Instant::now(), was_refused: true }
    }

    /// Ends the flight; `was_refused` if the backend refused an item that it may take later.
    fn end(mut self, was_refused: bool) {
        self.was_refused = was_refused;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.counts.send_modify(|in_flight| {
            in_flight.count -= 1;
            if self.was_refused {
                in_flight.response_time.was_refused(self.began.elapsed());
            } else {
                in_flight.response_time.took(self.began.elapsed());
            }
        });
    }
}

/// Sends a batch, then its transient failures again. Between attempts it is not in flight, to hold no other up.
async fn carry_out<T, R, F, Fut>(
    batch: Vec<Pending<T, R>>,
    limits: Limits,
    flush: &F,
    stop: &StopSignal,
    flight: Flight,
    in_flight: &watch::Sender<Flights>,
) where
    T: Clone,
    F: Fn(Arc<[T]>) -> Fut,
    Fut: Future<Output = Result<Entries<R>>>,
{
    let (mut backoff, mut attempts) = (Backoff::default(), limits.attempts);
    let mut attempt = 0;
    let mut flight = Some(flight);
    let (mut items, mut waiting): (Vec<T>, Vec<_>) =
        batch.into_iter().map(|(item, done)| (item, (done, Effect::Excluded))).unzip();
    loop {
        attempt += 1;
        let batch: Arc<[T]> = mem::take(&mut items).into();
        let results = flush(Arc::clone(&batch)).await;
        let mut results = results.unwrap_or_else(|error| {
            let refusal = whole(&error);
            if error.is_fatal() {
                attempts = attempt;
                stop.fail(error);
            }
            (0..batch.len()).map(|_| Err(refusal.clone())).collect()
        });
        results.resize_with(batch.len(), || Err(forgotten()));
        if let Some(flight) = flight.take() {
            let is_transient = |refusal: &Refusal| refusal.permanence == Permanence::Transient;
            flight.end(results.iter().any(|result| result.as_ref().is_err_and(is_transient)));
        }
        let mut again = Vec::new();
        for ((item, (done, before)), result) in batch.iter().zip(waiting).zip(results) {
            match result {
                Err(refusal) => {
                    // A later refusal does not undo what an earlier attempt may have done.
                    let effect = refusal.effect.max(before);
                    if refusal.permanence == Permanence::Transient && attempt < attempts {
                        items.push(item.clone());
                        again.push((done, effect));
                    } else {
                        done.tell(Err(Refusal { effect, ..refusal }));
                    }
                }
                done_with => done.tell(done_with),
            }
        }
        if again.is_empty() {
            return;
        }
        waiting = again;
        sleep(backoff.next_wait()).await;
        let mut flights = in_flight.subscribe();
        // The sender is at hand, so it cannot be gone.
        _ = flights.wait_for(|flights| flights.have_room(&limits)).await;
        flight = Some(Flight::begin(in_flight));
    }
}

/// The refusal of each item of a call that failed as a whole. The item itself may be valid.
fn whole(error: &crate::error::Error) -> Refusal {
    let message = error.in_full();
    let effect = if error.is_transient() { Effect::Possible } else { Effect::Excluded };
    Refusal { code: "RequestFailed".to_owned(), message, permanence: Permanence::Transient, effect }
}

fn forgotten() -> Refusal {
    Refusal {
        code: "Missing".to_owned(),
        message: "the answer does not mention this entry".to_owned(),
        permanence: Permanence::Transient,
        effect: Effect::Possible,
    }
}
