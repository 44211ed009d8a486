//! One batcher for sends, publishes, deletes and inserts. Every item gets its own result, failed items are retried
//! a limited number of times, and no submitted item is dropped at the end.
//! A full batch leaves at once. Another leaves when no more items come and no batch is in flight. So a lone item
//! hardly waits, and batches get fuller under load.

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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::{Error, Kind};

    type Log = Arc<Mutex<Vec<Vec<u32>>>>;

    fn limits(count: usize, linger_ms: u64) -> Limits {
        let linger = Duration::from_millis(linger_ms);
        let max_wait = Duration::from_millis(100);
        Limits {
            count,
            bytes: 1_000,
            linger,
            max_wait,
            max_in_flight: 2,
            max_quick_in_flight: 2,
            attempts: 3,
        }
    }

    fn batcher<F>(limits: Limits, stop: &StopSignal, answer: F) -> (Batcher<u32, u32>, Log)
    where
        F: Fn(usize, &[u32]) -> Result<Entries<u32>> + Send + Sync + 'static,
    {
        let log = Log::default();
        let seen = Arc::clone(&log);
        let tasks = TaskTracker::new();
        let flush = move |items: Arc<[u32]>| {
            let mut seen = seen.lock().expect("no panic while locked");
            seen.push(items.to_vec());
            let answer = answer(seen.len(), &items);
            async move { answer }
        };
        (Batcher::start(&tasks, limits, stop.clone(), |_| 100, flush), log)
    }

    fn passing() -> Refusal {
        let (code, message) = ("x".into(), "y".into());
        Refusal { code, message, permanence: Permanence::Transient, effect: Effect::Excluded }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_goes_together() {
        let stop = StopSignal::new();
        let (batcher, log) =
            batcher(limits(10, 5), &stop, |_, items| Ok(items.iter().map(|n| Ok(*n)).collect()));
        let results = futures_util::future::join_all((0..12).map(|n| batcher.submit(n))).await;
        assert!(
            results.into_iter().enumerate().all(|(n, r)| r == Ok(u32::try_from(n).expect("small")))
        );
        let sizes: Vec<_> = log.lock().expect("unpoisoned").iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 2]);
    }

    /// The most batches that were in flight at once, of a backend that takes this long for each and answers so.
    async fn most_in_flight(takes_ms: u64, answer: fn(&[u32]) -> Entries) -> usize {
        let (stop, tasks) = (StopSignal::new(), TaskTracker::new());
        let limits = Limits { max_in_flight: 2, max_quick_in_flight: 6, ..limits(10, 5) };
        let counts = Arc::<Mutex<(usize, usize)>>::default();
        let seen = Arc::clone(&counts);
        let flush = move |items: Arc<[u32]>| {
            let counts = Arc::clone(&counts);
            async move {
                {
                    let (now, most) = &mut *counts.lock().expect("unpoisoned");
                    *now += 1;
                    *most = (*most).max(*now);
                }
                sleep(Duration::from_millis(takes_ms)).await;
                counts.lock().expect("unpoisoned").0 -= 1;
                Ok(answer(&items))
            }
        };
        let batcher = Batcher::start(&tasks, limits, stop.clone(), |_| 100, flush);
        let results = futures_util::future::join_all((0..500).map(|n| batcher.submit(n))).await;
        assert!(results.iter().any(Result::is_ok), "{:?}", results[0]);
        seen.lock().expect("unpoisoned").1
    }

    fn takes_all(items: &[u32]) -> Entries {
        items.iter().map(|_| Ok(())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_backend_gets_more_batches_at_once_than_a_slow_one() {
        let (quick, slow) =
            (most_in_flight(10, takes_all).await, most_in_flight(60, takes_all).await);
        assert_eq!((quick, slow), (6, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_refuses_quickly_gets_no_more_batches() {
        let refuses_some = |items: &[u32]| {
            let answer = |n: &u32| if n.is_multiple_of(5) { Err(passing()) } else { Ok(()) };
            items.iter().map(answer).collect()
        };
        let refusing = most_in_flight(10, refuses_some).await;
        let forgetting = most_in_flight(10, |items| takes_all(&items[1..])).await;
        assert_eq!((refusing, forgetting), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_told_of_all_the_same() {
        let stop = StopSignal::new();
        let (batcher, _) = batcher(limits(10, 5), &stop, |_, items| {
            let answer = |n: &u32| if *n == 1 { Err(passing()) } else { Ok(*n) };
            Ok(items.iter().map(answer).collect())
        });
        let (tell, mut told) = mpsc::unbounded_channel();
        for item in [1, 2] {
            let tell = tell.clone();
            batcher.enqueue(item, move |outcome| drop(tell.send(outcome))).await;
        }
        assert_eq!(told.recv().await, Some(Ok(2)));
        assert_eq!(told.recv().await, Some(Err(passing())), "after the last attempt");
        let (items, queue) = mpsc::channel(1);
        drop(queue);
        let stopped: Batcher<u32, u32> = Batcher { items, flights: batcher.flights() };
        let of_stopped = tell.clone();
        stopped.enqueue(3, move |outcome| drop(of_stopped.send(outcome))).await;
        assert_eq!(told.recv().await, Some(Err(gone(Effect::Excluded))));
        let (breaking, _) = self::batcher(limits(1, 0), &stop, |_, _| panic!("it breaks down"));
        breaking.enqueue(4, move |outcome| drop(tell.send(outcome))).await;
        assert_eq!(told.recv().await, Some(Err(gone(Effect::Possible))));
    }

    #[tokio::test(start_paused = true)]
    async fn only_failed_entries_are_tried_again_and_not_for_ever() {
        let stop = StopSignal::new();
        let (batcher, log) = batcher(limits(10, 5), &stop, |_, items| {
            let answer = |n: &u32| if *n == 1 { Err(passing()) } else { Ok(*n) };
            Ok(items.iter().map(answer).collect())
        });
        let (bad, good) = tokio::join!(batcher.submit(1), batcher.submit(2));
        assert_eq!((bad, good), (Err(passing()), Ok(2)));
        assert_eq!(*log.lock().expect("unpoisoned"), [vec![1, 2], vec![1], vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_refusal_is_not_tried_again() {
        let stop = StopSignal::new();
        let never = Refusal { permanence: Permanence::Permanent, ..passing() };
        let answer = never.clone();
        let (batcher, log) =
            batcher(limits(1, 0), &stop, move |_, _| Ok(vec![Err(answer.clone())]));
        assert_eq!(batcher.submit(1).await, Err(never));
        assert_eq!(log.lock().expect("unpoisoned").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_the_answer_forgets_is_not_taken_for_done() {
        let stop = StopSignal::new();
        let (batcher, _) = batcher(limits(1, 0), &stop, |_, _| Ok(Vec::new()));
        assert!(batcher.submit(1).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_in_passing_is_tried_again() {
        let stop = StopSignal::new();
        let (batcher, _) = batcher(limits(1, 0), &stop, |call, items| match call {
            1 => Err(Error::new(Kind::Unreachable, "cut").transient()),
            _ => Ok(items.iter().map(|n| Ok(*n)).collect()),
        });
        assert_eq!(batcher.submit(7).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_batch_would_be_spared_begins_the_end() {
        let stop = StopSignal::new();
        let (batcher, log) = batcher(limits(1, 0), &stop, |_, _| {
            Err(Error::new(Kind::NotSetUp, "the queue is gone").fatal())
        });
        let refusal = batcher.submit(1).await.expect_err("it cannot be sent");
        assert_eq!(refusal.permanence, Permanence::Transient, "nothing is wrong with the item");
        assert_eq!(log.lock().expect("unpoisoned").len(), 1, "it is not tried again");
        assert!(stop.has_reached(Stage::GiveBack));
        assert_eq!(stop.outcome().expect_err("a cause").kind(), Kind::NotSetUp);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_counted_and_hurry_ends_the_lingering() {
        let stop = StopSignal::new();
        let max_wait = Duration::from_mins(1);
        let wide = Limits { bytes: 250, max_wait, ..limits(10, 60_000) };
        let (batcher, log) =
            batcher(wide, &stop, |_, items| Ok(items.iter().map(|n| Ok(*n)).collect()));
        let began = Instant::now();
        let work = futures_util::future::join_all((0..3).map(|n| batcher.submit(n)));
        let hurried = async {
            sleep(Duration::from_secs(1)).await;
            stop.reach(Stage::Drain);
        };
        tokio::join!(work, hurried);
        assert!(began.elapsed() < Duration::from_secs(2));
        let sizes: Vec<_> = log.lock().expect("unpoisoned").iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1]);
    }

    /// When each batch left, in milliseconds, and how many items it had.
    type Departures = Arc<Mutex<Vec<(u128, usize)>>>;

    /// A batcher whose batches take `takes` milliseconds each.
    fn slow(limits: Limits, takes: fn(usize) -> u64) -> (Batcher<u32, ()>, Departures) {
        let left = Departures::default();
        let seen = Arc::clone(&left);
        let began = Instant::now();
        let flush = move |items: Arc<[u32]>| {
            let mut left = seen.lock().expect("no panic while locked");
            left.push((began.elapsed().as_millis(), items.len()));
            let takes = takes(left.len());
            async move {
                sleep(Duration::from_millis(takes)).await;
                Ok(items.iter().map(|_| Ok(())).collect())
            }
        };
        let stop = StopSignal::new();
        (Batcher::start(&TaskTracker::new(), limits, stop, |_| 1, flush), left)
    }

    /// Submits one item at each of these times, in milliseconds from now.
    async fn submit_at(batcher: &Batcher<u32, ()>, times: impl IntoIterator<Item = u64>) {
        let one = |at| async move {
            sleep(Duration::from_millis(at)).await;
            batcher.submit(0).await.expect("it is taken");
        };
        futures_util::future::join_all(times.into_iter().map(one)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_a_batch_is_under_way_goes_with_the_next() {
        let (batcher, left) = slow(limits(10, 2), |_| 50);
        submit_at(&batcher, [0, 10, 20, 30]).await;
        assert_eq!(*left.lock().expect("unpoisoned"), [(2, 1), (52, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_leaves_at_once_whatever_is_under_way() {
        let (batcher, left) = slow(limits(3, 2), |_| 50);
        submit_at(&batcher, [0, 10, 10, 10]).await;
        assert_eq!(*left.lock().expect("unpoisoned"), [(2, 1), (10, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_hangs_holds_the_next_one_up_for_its_max_wait_alone() {
        let (batcher, left) = slow(limits(10, 2), |number| if number == 1 { 10_000 } else { 1 });
        submit_at(&batcher, [0, 10, 50]).await;
        assert_eq!(*left.lock().expect("unpoisoned"), [(2, 1), (110, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_under_way_and_what_waits_is_collected() {
        let (batcher, left) = slow(limits(2, 0), |_| 1_000);
        submit_at(&batcher, [0, 0, 1, 1, 2, 3]).await;
        assert_eq!(*left.lock().expect("unpoisoned"), [(0, 2), (1, 2), (1_000, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_to_be_tried_again_holds_nothing_up() {
        let stop = StopSignal::new();
        let began = Instant::now();
        let (batcher, _) = batcher(limits(1, 0), &stop, |_, items| {
            Ok(items.iter().map(|n| if *n < 5 { Err(passing()) } else { Ok(*n) }).collect())
        });
        let failing: Vec<_> = (0..5)
            .map(|n| {
                let batcher = batcher.clone();
                tokio::spawn(async move { batcher.submit(n).await })
            })
            .collect();
        assert_eq!(batcher.submit(9).await, Ok(9));
        assert!(began.elapsed() < Duration::from_millis(1), "{:?}", began.elapsed());
        for failing in failing {
            assert_eq!(failing.await.expect("no panic"), Err(passing()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_does_not_undo_what_an_attempt_without_an_answer_may_have_done() {
        let stop = StopSignal::new();
        let never = Refusal { permanence: Permanence::Permanent, ..passing() };
        let (batcher, _) = batcher(limits(1, 0), &stop, move |call, _| match call {
            1 => Err(Error::new(Kind::Unreachable, "cut").transient()),
            _ => Ok(vec![Err(never.clone())]),
        });
        assert_eq!(batcher.submit(7).await.expect_err("refused").effect, Effect::Possible);
        let never = Refusal { permanence: Permanence::Permanent, ..passing() };
        assert_eq!(batcher.submit(7).await, Err(never), "this one was never without an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn it_leaves_when_nothing_more_comes_and_after_its_max_wait_at_the_latest() {
        let (batcher, left) = slow(limits(100, 5), |_| 1);
        submit_at(&batcher, [0, 4, 8, 20]).await;
        assert_eq!(*left.lock().expect("unpoisoned"), [(13, 3), (25, 1)]);
        let (batcher, left) = slow(limits(100, 5), |_| 1);
        submit_at(&batcher, (0..50).map(|number| 3 * number)).await;
        assert_eq!(left.lock().expect("unpoisoned").first(), Some(&(100, 34)));
    }
}
