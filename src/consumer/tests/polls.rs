//! How often a queue is polled, and by how many polls at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::{Verdict, Wait};
use super::{Written, brings, consumed, consumer, stop_after, ten};
use crate::shutdown::{Stage, StopSignal};

#[tokio::test(start_paused = true)]
async fn a_quiet_queue_has_one_long_poll_every_20_s() {
    let source = Written::default();
    consumed(&source, Duration::ZERO, Verdict::Done, 199).await;
    let state = source.state();
    assert_eq!((state.asked.len(), state.most_open), (10, 1));
    assert!(state.asked.iter().all(|max| *max == 10));
    assert!(state.waits.iter().all(|wait| *wait == Wait::Long));
}

#[tokio::test(start_paused = true)]
async fn polls_are_added_after_full_receives_alone_and_those_that_are_not_full_take_them_away() {
    let full = (0..30).map(|number| ten(60, number * 10));
    let source = Written::new(full.chain([brings(60, &["last"])]));
    source.state().delete = Duration::from_millis(60);
    let (handled, _) = consumed(&source, Duration::ZERO, Verdict::Done, 60).await;
    assert_eq!(handled.len(), 301);
    let state = source.state();
    // Eight full receives for the second poll, twice eight for the third.
    assert_eq!(state.most_open, 3);
    // Polls in flight when the queue ran dry end after a second; then one poll is enough.
    let long = state.waits.iter().rev().take_while(|wait| **wait == Wait::Long).count();
    assert!(long >= 2, "{:?}", state.waits);
    assert!(state.asked.len() <= 31 + 2 + 4, "{:?}", state.waits);
    assert_eq!(state.deleted.len(), 301);
}

/// Full receives, and requests that all take this long.
fn backlog(takes_ms: u64, receives: usize) -> Written {
    let source = Written::new((0..receives).map(|number| ten(takes_ms, number * 10)));
    source.state().delete = Duration::from_millis(takes_ms);
    source
}

/// The polls that are open at the start of each receive.
async fn polls(source: &Written) -> Vec<usize> {
    let stop = StopSignal::new();
    let (consumer, _) = consumer(source, 1_000, &stop);
    let run = consumer.run(|_, _| async { Verdict::Done }, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_mins(1))).0.expect("no error");
    source.state().open_at_start.clone()
}

#[tokio::test(start_paused = true)]
async fn a_quick_queue_has_more_polls_than_a_slow_one() {
    for (takes_ms, most) in [(20, 16), (60, 8)] {
        let source = backlog(takes_ms, 500);
        assert_eq!(polls(&source).await.into_iter().max(), Some(most), "{takes_ms} ms");
        assert_eq!(source.state().deleted.len(), 5_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quick_queue_has_all_its_polls_where_one_receive_in_ten_is_not_full() {
    let source = backlog(20, 1_500);
    for (_, messages) in source.state().script.iter_mut().skip(9).step_by(10) {
        messages.as_mut().expect("it brings ten").truncate(9);
    }
    assert_eq!(polls(&source).await.into_iter().max(), Some(16));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_becomes_slow_has_fewer_polls() {
    let source = backlog(20, 2_000);
    let slower = async {
        sleep(Duration::from_secs(1)).await;
        let mut state = source.state();
        state.delete = Duration::from_millis(100);
        state.open_at_start.len()
    };
    let (polls, quick) = tokio::join!(polls(&source), slower);
    assert_eq!(polls[..quick].last(), Some(&16));
    // The deletes in flight then are as quick as before.
    assert_eq!(polls[quick + 100..].iter().max(), Some(&8));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_dry_for_long_is_as_quick_as_before() {
    let source = backlog(20, 500);
    let waits = (0..16).map(|number| ten(1_000, 5_000 + 10 * number));
    let after = [brings(20, &["few"])].into_iter().chain((600..650).map(|n| ten(20, n * 10)));
    source.state().script.extend(waits.chain(after));
    let polls = polls(&source).await;
    // The receives after those of the backlog, those that waited, and the first two that did not.
    assert_eq!(polls[500 + 16 + 2..].iter().max(), Some(&16), "{:?}", &polls[500..]);
}

#[tokio::test(start_paused = true)]
async fn two_receives_in_a_row_that_are_not_full_take_one_poll_away() {
    let rounds = async |few: &[usize]| {
        let source = backlog(20, 450);
        for number in few {
            let messages = &mut source.state().script[*number].1;
            messages.as_mut().expect("it brings ten").truncate(5);
        }
        // They all take the same time, so they begin in rounds.
        let polls = polls(&source).await;
        let ends = polls.windows(2).filter(|pair| pair[1] == 1).map(|pair| pair[0]);
        ends.skip_while(|polls| *polls < 16).take(8).collect::<Vec<_>>()
    };
    assert_eq!(rounds(&[310, 312]).await, [16, 16, 16, 16, 16, 16, 16, 16]);
    assert_eq!(rounds(&[310, 311]).await, [16, 16, 16, 16, 16, 15, 15, 16]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_queue_is_asked_for_ten_rather_than_for_one_at_a_time() {
    let source = Written::new([ten(0, 0), ten(0, 10)]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 20, &stop);
    // One of the twenty in hand is finished every 5 ms.
    let number = std::sync::atomic::AtomicU64::new(0);
    let handle = move |_, _| {
        let turn = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            sleep(Duration::from_millis(1_000 + 5 * turn)).await;
            Verdict::Done
        }
    };
    let run = consumer.run(handle, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_millis(1_090))).0.expect("no error");
    assert_eq!(source.state().asked, [10, 10, 10], "it waited until ten could begin");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_brings_a_little_is_polled_again_after_a_breath() {
    let source = Written::new([brings(0, &["a"]), ten(0, 0), brings(0, &["b"])]);
    let stop = StopSignal::new();
    let (mut consumer, _) = consumer(&source, 100, &stop);
    consumer.polling.pause = Duration::from_millis(50);
    let began = Instant::now();
    let handle = |_, _| async { Verdict::Done };
    let run = consumer.run(handle, |_| {});
    let looked = async {
        let mut asked = Vec::new();
        for after in [1, 49, 51, 99, 101] {
            tokio::time::sleep_until(began + Duration::from_millis(after)).await;
            asked.push(source.state().asked.len());
        }
        stop.reach(Stage::Drain);
        asked
    };
    let (_, asked) = tokio::join!(run, looked);
    // Another receive follows the full one at once.
    assert_eq!(asked, [1, 1, 3, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_brings_all_that_was_asked_for_is_followed_by_another_at_once() {
    let source = Written::new((0..4).map(|number| brings(1, &[&number.to_string()])));
    let stop = StopSignal::new();
    let (mut consumer, _) = consumer(&source, 1, &stop);
    consumer.polling.pause = Duration::from_millis(50);
    let run = consumer.run(|_, _| async { Verdict::Done }, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_millis(20))).0.expect("a stop is no error");
    assert_eq!(source.state().asked, [1; 5], "one at a time is all there is to be had");
}
