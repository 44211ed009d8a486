//! Seats: a waiting message holds no other up, and a lapsed one is left to its next receiver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::{Message, Notice, Seat, Verdict};
use super::{Written, again, brings, consumer, message, stop_after};
use crate::shutdown::StopSignal;

#[tokio::test(start_paused = true)]
async fn hundreds_that_wait_hold_up_no_other_stay_hidden_and_are_finished() {
    const WAITING: usize = 1_000;
    const HANDS: usize = 5;
    let names: Vec<String> = (0..WAITING).map(|number| format!("late {number}")).collect();
    let receives = names.chunks(HANDS).map(|some| {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        brings(1, &some)
    });
    let source = Written::new(receives.chain([brings(1, &["honest"])]));
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, HANDS, &stop);
    let began = Instant::now();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&answered);
    let handle = move |message: Message, seat: Seat| {
        let seen = Arc::clone(&seen);
        async move {
            if message.body != "honest" {
                assert!(seat.make_way(Duration::from_mins(1)), "there is room for all of them");
                sleep(Duration::from_mins(1)).await;
                assert!(!seat.has_lapsed(), "it was hidden all the time");
            }
            seen.lock().expect("unpoisoned").push((message.body, began.elapsed()));
            Verdict::Done
        }
    };
    let run = consumer.run(handle, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_mins(2))).0.expect("a stop is no error");
    let answered = answered.lock().expect("unpoisoned");
    let (first, after) = &answered[0];
    assert!(first == "honest" && *after < Duration::from_secs(2), "{first} after {after:?}");
    assert_eq!(answered.len(), WAITING + 1);
    let state = source.state();
    assert_eq!((state.deleted.len(), state.released.len()), (WAITING + 1, 0));
    assert!(state.extended.len() >= 2 * WAITING, "twice a minute each");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_by_its_size_and_what_exceeds_it_keeps_its_seat() {
    // Each takes 1,025 of 10,000 units.
    let large =
        |number: usize| Message { body: "x".repeat(1 << 20), ..message(&format!("{number}")) };
    let receives = [0..10, 10..12, 12..13].map(|numbers| Ok(numbers.map(large).collect()));
    let [first, second, third] = receives;
    let ms = Duration::from_millis(1);
    let source = Written::new([(ms, first), (ms, second), (Duration::from_mins(1), third)]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 100, &stop);
    let waited = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&waited);
    let handle = move |_, seat: Seat| {
        let may_wait = seat.make_way(Duration::from_secs(20));
        seen.lock().expect("unpoisoned").push(may_wait);
        async move {
            if may_wait {
                sleep(Duration::from_secs(20)).await;
            }
            Verdict::Done
        }
    };
    let run = consumer.run(handle, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_mins(2))).0.expect("a stop is no error");
    let waited = waited.lock().expect("unpoisoned");
    assert_eq!(waited[..12].iter().filter(|may_wait| **may_wait).count(), 9);
    assert_eq!(waited[12..], [true], "those before have made room");
    assert_eq!(source.state().deleted.len(), 13, "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_waits_within_the_drain_and_gives_the_rest_back_at_once() {
    let source = Written::new([brings(0, &["24", "26", "90"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 3, &stop);
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let handle = |message: Message, seat: Seat| async move {
        let wait = Duration::from_secs(message.body.parse().expect("seconds"));
        assert!(seat.make_way(wait));
        sleep(wait).await;
        Verdict::Done
    };
    let began = Instant::now();
    let run = consumer.run(handle, move |notice| told.lock().expect("unpoisoned").push(notice));
    // The drain takes 25 s.
    tokio::join!(run, stop_after(&stop, Duration::from_millis(500))).0.expect("no error");
    let state = source.state();
    assert_eq!((state.deleted.as_slice(), state.released.len()), (&["24".to_owned()][..], 2));
    let latest = state.released_at.iter().max().expect("two");
    assert!(*latest - began < Duration::from_secs(1), "{:?}", *latest - began);
    assert_eq!(*notices.lock().expect("unpoisoned"), [Notice::GivenBack, Notice::GivenBack]);
}

#[tokio::test(start_paused = true)]
async fn what_is_received_after_the_stop_is_given_back_at_once_if_it_waits_beyond_the_drain() {
    // The poll in flight brings them 10 s after the stop, 15 s before the drain ends.
    let source = Written::new([brings(10_500, &["14", "16", "90"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 3, &stop);
    let handle = |message: Message, seat: Seat| async move {
        let wait = Duration::from_secs(message.body.parse().expect("seconds"));
        sleep(Duration::from_millis(100)).await;
        assert!(seat.make_way(wait));
        sleep(wait).await;
        Verdict::Done
    };
    let began = Instant::now();
    let run = consumer.run(handle, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_millis(500))).0.expect("no error");
    let state = source.state();
    assert_eq!((state.deleted.as_slice(), state.released.len()), (&["14".to_owned()][..], 2));
    let latest = *state.released_at.iter().max().expect("two") - began;
    assert!(latest < Duration::from_secs(11), "{latest:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_lapsed_is_not_given_back_until_it_is_delivered_again() {
    for (script, is_back) in [(None, false), (Some(again(40_000, "a", "newer")), true)] {
        let source = Written::new([brings(0, &["a"])].into_iter().chain(script));
        // The extension ends long after the 30 s for which the message is hidden.
        source.state().extension = Duration::from_secs(25);
        let stop = StopSignal::new();
        let (consumer, _) = consumer(&source, 10, &stop);
        let lapsed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&lapsed);
        let handle = move |_, seat: Seat| {
            let seen = Arc::clone(&seen);
            async move {
                for wait in [29, 2, 10] {
                    sleep(Duration::from_secs(wait)).await;
                    seen.lock().expect("unpoisoned").push(seat.has_lapsed());
                }
                Verdict::Release
            }
        };
        let run = consumer.run(handle, |_| {});
        tokio::join!(run, stop_after(&stop, Duration::from_mins(2))).0.expect("no error");
        assert_eq!(*lapsed.lock().expect("unpoisoned"), [false, true, !is_back]);
        let given_back: &[&str] = if is_back { &["newer"] } else { &[] };
        assert_eq!(source.state().released, given_back, "another receiver may have it");
    }
}
