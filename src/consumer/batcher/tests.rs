//! The batcher under a paused clock.

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
    let (quick, slow) = (most_in_flight(10, takes_all).await, most_in_flight(60, takes_all).await);
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
    let (batcher, log) = batcher(limits(1, 0), &stop, move |_, _| Ok(vec![Err(answer.clone())]));
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
