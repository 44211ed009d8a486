//! One generic batcher for sends, deletes and inserts: every item gets its own result; items that
//! failed are tried again, bounded; nothing that was submitted is dropped at the end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use super::{Backoff, Ending, Entries, Lasting, Refusal};
use crate::error::Result;

/// Items that may wait for their batch; who submits more waits.
const BUFFER: usize = 1_000;

/// When a batch is full, and how long it waits for more.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Items in a batch.
    pub count: usize,
    /// Bytes in a batch; an item larger than this goes alone.
    pub bytes: usize,
    /// How long the first item of a batch waits for others.
    pub linger: Duration,
    /// Batches under way at once.
    pub flights: usize,
    /// How often an item is tried, the first time included.
    pub attempts: u32,
}

/// What becomes of one item.
pub type Outcome<R> = Result<R, Refusal>;

/// A handle on a batcher. Cheap to clone; the batcher ends when the last handle is gone and
/// everything submitted has its result.
pub struct Batcher<T, R> {
    items: mpsc::Sender<(T, oneshot::Sender<Outcome<R>>)>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone() }
    }
}

impl<T, R> Batcher<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts a batcher on `tasks`. `size` says how many bytes an item takes; `flush` carries a
    /// batch out, with one result per item in order. Once the `ending` has begun nothing waits for
    /// company any more; it begins when a batch fails for a reason that no other would be spared.
    pub fn start<F, Fut>(
        tasks: &TaskTracker,
        limits: Limits,
        ending: Ending,
        size: fn(&T) -> usize,
        flush: F,
    ) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Entries<R>>> + Send + 'static,
    {
        let (items, queue) = mpsc::channel(BUFFER);
        let state = Batches { queue, limits, ending, size, carried: None };
        tasks.spawn(state.run(tasks.clone(), Arc::new(flush)));
        Self { items }
    }

    /// Submits an item; returns when it is done or given up.
    ///
    /// # Errors
    /// Why it was given up.
    pub async fn submit(&self, item: T) -> Outcome<R> {
        let gone = || Refusal {
            code: "Stopped".to_owned(),
            message: "the batcher has stopped".to_owned(),
            lasting: Lasting::Passing,
        };
        let (result, outcome) = oneshot::channel();
        self.items.send((item, result)).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

type Item<T, R> = (T, oneshot::Sender<Outcome<R>>);

/// The loop that makes batches.
struct Batches<T, R> {
    queue: mpsc::Receiver<Item<T, R>>,
    limits: Limits,
    ending: Ending,
    size: fn(&T) -> usize,
    /// The item that did not fit into the batch before.
    carried: Option<Item<T, R>>,
}

impl<T, R> Batches<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    async fn run<F, Fut>(mut self, tasks: TaskTracker, flush: Arc<F>)
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Entries<R>>> + Send + 'static,
    {
        let flights = Arc::new(Semaphore::new(self.limits.flights));
        while let Some(batch) = self.next_batch().await {
            let Ok(flight) = Arc::clone(&flights).acquire_owned().await else { return };
            let (flush, attempts) = (Arc::clone(&flush), self.limits.attempts);
            let ending = self.ending.clone();
            tasks.spawn(async move {
                carry_out(batch, attempts, flush.as_ref(), &ending).await;
                drop(flight);
            });
        }
    }

    /// The next full batch, or what came within the linger; `None` when nothing can come any more.
    async fn next_batch(&mut self) -> Option<Vec<Item<T, R>>> {
        let first = match self.carried.take() {
            Some(item) => item,
            None => self.queue.recv().await?,
        };
        let mut bytes = (self.size)(&first.0);
        let mut batch = vec![first];
        let until = Instant::now() + self.limits.linger;
        while batch.len() < self.limits.count {
            let Some(item) = self.another(until).await else { break };
            bytes += (self.size)(&item.0);
            if bytes > self.limits.bytes {
                self.carried = Some(item);
                break;
            }
            batch.push(item);
        }
        Some(batch)
    }

    /// One more item, if one is there or comes in time.
    async fn another(&mut self, until: Instant) -> Option<Item<T, R>> {
        if let Ok(item) = self.queue.try_recv() {
            return Some(item);
        }
        tokio::select! {
            item = timeout_at(until, self.queue.recv()) => item.ok().flatten(),
            () = self.ending.begins() => self.queue.try_recv().ok(),
        }
    }
}

/// Carries a batch out; what failed in passing is tried again, alone.
async fn carry_out<T, R, F, Fut>(
    mut batch: Vec<Item<T, R>>,
    mut attempts: u32,
    flush: &F,
    ending: &Ending,
) where
    T: Clone,
    F: Fn(Vec<T>) -> Fut,
    Fut: Future<Output = Result<Entries<R>>>,
{
    let mut backoff = Backoff::default();
    let mut attempt = 0;
    while !batch.is_empty() {
        attempt += 1;
        let items = batch.iter().map(|(item, _)| item.clone()).collect();
        let results = match flush(items).await {
            Ok(results) => results,
            Err(error) => {
                // Whatever fails a call as a whole says nothing against the items in it.
                let (code, message) = ("RequestFailed".to_owned(), report(&error));
                let refusal = Refusal { code, message, lasting: Lasting::Passing };
                if error.is_fatal() {
                    attempts = attempt;
                    ending.fail(error);
                }
                (0..batch.len()).map(|_| Err(refusal.clone())).collect()
            }
        };
        let mut results = results.into_iter();
        let mut again = Vec::new();
        for (item, done) in batch {
            let result = results.next().unwrap_or_else(|| {
                let message = "the answer does not mention this entry".to_owned();
                Err(Refusal { code: "Missing".to_owned(), message, lasting: Lasting::Passing })
            });
            match result {
                Err(refusal) if refusal.lasting == Lasting::Passing && attempt < attempts => {
                    again.push((item, done));
                }
                // Whoever submitted it may have gone; then nobody wants to know.
                result => drop(done.send(result)),
            }
        }
        batch = again;
        if !batch.is_empty() {
            sleep(backoff.next_wait()).await;
        }
    }
}

/// An error with its causes on one line.
fn report(error: &crate::error::Error) -> String {
    let mut text = error.to_string();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::error::{Error, Kind};

    type Log = Arc<Mutex<Vec<Vec<u32>>>>;

    fn limits(count: usize, linger_ms: u64) -> Limits {
        let linger = Duration::from_millis(linger_ms);
        Limits { count, bytes: 1_000, linger, flights: 2, attempts: 3 }
    }

    fn batcher<F>(limits: Limits, ending: &Ending, answer: F) -> (Batcher<u32, u32>, Log)
    where
        F: Fn(usize, &[u32]) -> Result<Entries<u32>> + Send + Sync + 'static,
    {
        let log = Log::default();
        let seen = Arc::clone(&log);
        let tasks = TaskTracker::new();
        let flush = move |items: Vec<u32>| {
            let mut seen = seen.lock().expect("no panic while locked");
            seen.push(items.clone());
            let answer = answer(seen.len(), &items);
            async move { answer }
        };
        (Batcher::start(&tasks, limits, ending.clone(), |_| 100, flush), log)
    }

    fn passing() -> Refusal {
        Refusal { code: "x".into(), message: "y".into(), lasting: Lasting::Passing }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_goes_together() {
        let ending = Ending::with(&CancellationToken::new());
        let (batcher, log) =
            batcher(limits(10, 5), &ending, |_, items| Ok(items.iter().map(|n| Ok(*n)).collect()));
        let results = futures_util::future::join_all((0..12).map(|n| batcher.submit(n))).await;
        assert!(
            results.into_iter().enumerate().all(|(n, r)| r == Ok(u32::try_from(n).expect("small")))
        );
        let sizes: Vec<_> = log.lock().expect("unpoisoned").iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_failed_entries_are_tried_again_and_not_for_ever() {
        let ending = Ending::with(&CancellationToken::new());
        let (batcher, log) = batcher(limits(10, 5), &ending, |_, items| {
            let answer = |n: &u32| if *n == 1 { Err(passing()) } else { Ok(*n) };
            Ok(items.iter().map(answer).collect())
        });
        let (bad, good) = tokio::join!(batcher.submit(1), batcher.submit(2));
        assert_eq!((bad, good), (Err(passing()), Ok(2)));
        assert_eq!(*log.lock().expect("unpoisoned"), [vec![1, 2], vec![1], vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_refusal_is_not_tried_again() {
        let ending = Ending::with(&CancellationToken::new());
        let never = Refusal { lasting: Lasting::Permanent, ..passing() };
        let answer = never.clone();
        let (batcher, log) =
            batcher(limits(1, 0), &ending, move |_, _| Ok(vec![Err(answer.clone())]));
        assert_eq!(batcher.submit(1).await, Err(never));
        assert_eq!(log.lock().expect("unpoisoned").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_the_answer_forgets_is_not_taken_for_done() {
        let ending = Ending::with(&CancellationToken::new());
        let (batcher, _) = batcher(limits(1, 0), &ending, |_, _| Ok(Vec::new()));
        assert!(batcher.submit(1).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_in_passing_is_tried_again() {
        let ending = Ending::with(&CancellationToken::new());
        let (batcher, _) = batcher(limits(1, 0), &ending, |call, items| match call {
            1 => Err(Error::new(Kind::Unreachable, "cut").passing()),
            _ => Ok(items.iter().map(|n| Ok(*n)).collect()),
        });
        assert_eq!(batcher.submit(7).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_batch_would_be_spared_begins_the_end() {
        let ending = Ending::with(&CancellationToken::new());
        let (batcher, log) = batcher(limits(1, 0), &ending, |_, _| {
            Err(Error::new(Kind::NotSetUp, "the queue is gone").fatal())
        });
        let refusal = batcher.submit(1).await.expect_err("it cannot be sent");
        assert_eq!(refusal.lasting, Lasting::Passing, "nothing is wrong with the item");
        assert_eq!(log.lock().expect("unpoisoned").len(), 1, "it is not tried again");
        assert!(ending.has_begun());
        assert_eq!(ending.outcome().expect_err("a cause").kind(), Kind::NotSetUp);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_counted_and_hurry_ends_the_lingering() {
        let ending = Ending::with(&CancellationToken::new());
        let wide = Limits { bytes: 250, ..limits(10, 60_000) };
        let (batcher, log) =
            batcher(wide, &ending, |_, items| Ok(items.iter().map(|n| Ok(*n)).collect()));
        let began = Instant::now();
        let work = futures_util::future::join_all((0..3).map(|n| batcher.submit(n)));
        let hurried = async {
            sleep(Duration::from_secs(1)).await;
            ending.stop();
        };
        tokio::join!(work, hurried);
        assert!(began.elapsed() < Duration::from_secs(2));
        let sizes: Vec<_> = log.lock().expect("unpoisoned").iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1]);
    }
}
