//! The machine under the paused clock: each fault that the field has met, as a test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer, Ending, Entries, Lasting, Message, Options, Refusal, Source, Trouble, Verdict,
};
use crate::error::{Error, Kind, Result};

/// What one receive answers, after how long.
type Script = VecDeque<(Duration, Result<Vec<Message>>)>;

/// A queue whose answers are written down beforehand; afterwards every receive waits 20 s for
/// nothing.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: Script,
    asked: Vec<usize>,
    deleted: Vec<String>,
    released: Vec<String>,
    extended: Vec<(String, Instant)>,
    /// Deletes that are refused in passing before one is taken.
    refusals: usize,
    /// Receives that were begun and not finished.
    open: usize,
}

impl Written {
    fn new(script: impl IntoIterator<Item = (Duration, Result<Vec<Message>>)>) -> Self {
        let script = script.into_iter().collect();
        Self(Arc::new(Mutex::new(State { script, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Source for Written {
    fn name(&self) -> &'static str {
        "written"
    }

    async fn receive(&self, max: usize) -> Result<Vec<Message>> {
        let (wait, answer) = {
            let mut state = self.state();
            state.asked.push(max);
            state.open += 1;
            state.script.pop_front().unwrap_or((Duration::from_secs(20), Ok(Vec::new())))
        };
        sleep(wait).await;
        self.state().open -= 1;
        answer
    }

    async fn delete(&self, receipts: &[String]) -> Result<Entries> {
        let mut state = self.state();
        let result = |receipt: &String| {
            if state.refusals > 0 {
                state.refusals -= 1;
                return Err(passing());
            }
            state.deleted.push(receipt.clone());
            Ok(())
        };
        Ok(receipts.iter().map(result).collect())
    }

    async fn extend(&self, receipts: &[String]) -> Result<Entries> {
        let now = Instant::now();
        self.state().extended.extend(receipts.iter().map(|receipt| (receipt.clone(), now)));
        Ok(receipts.iter().map(|_| Ok(())).collect())
    }

    async fn release(&self, receipts: &[String]) -> Result<Entries> {
        self.state().released.extend_from_slice(receipts);
        Ok(receipts.iter().map(|_| Ok(())).collect())
    }
}

fn passing() -> Refusal {
    let (code, message) = ("InternalError".to_owned(), "again".to_owned());
    Refusal { code, message, lasting: Lasting::Passing }
}

fn message(name: &str) -> Message {
    Message {
        id: format!("id of {name}"),
        body: name.to_owned(),
        receipt: name.to_owned(),
        receive_count: 1,
        sent_at: None,
    }
}

fn brings(after_ms: u64, names: &[&str]) -> (Duration, Result<Vec<Message>>) {
    (Duration::from_millis(after_ms), Ok(names.iter().map(|name| message(name)).collect()))
}

fn fails(transient: bool) -> (Duration, Result<Vec<Message>>) {
    let error = Error::new(Kind::Unreachable, "cut");
    (Duration::ZERO, Err(if transient { error.passing() } else { error }))
}

type Troubles = Arc<Mutex<Vec<Trouble>>>;

fn consumer(
    source: &Written,
    concurrency: usize,
    stop: &CancellationToken,
) -> (Consumer<Written>, Troubles) {
    let troubles = Troubles::default();
    let seen = Arc::clone(&troubles);
    let consumer = Consumer {
        source: source.clone(),
        options: Options {
            concurrency,
            visibility: Duration::from_secs(30),
            drain: Duration::from_secs(25),
        },
        ending: Ending::with(stop),
        trouble: Arc::new(move |trouble| seen.lock().expect("unpoisoned").push(trouble)),
    };
    (consumer, troubles)
}

/// Stops after this long.
async fn stop_after(stop: &CancellationToken, time: Duration) {
    sleep(time).await;
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_poll_under_way_is_not_dropped_and_what_it_brings_is_given_back() {
    let source = Written::new([brings(15_000, &["late"])]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let began = Instant::now();
    let run = consumer.run(|_| async { panic!("handled after the stop") }, |_| {});
    let (ended, ()) = tokio::join!(run, stop_after(&stop, Duration::from_secs(1)));
    ended.expect("a stop is no error");
    assert!(began.elapsed() >= Duration::from_secs(15), "it ended before its poll did");
    let state = source.state();
    assert_eq!((state.open, state.asked.len()), (0, 1));
    assert_eq!(state.released, ["late"]);
    assert!(state.deleted.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_that_cannot_start() {
    let source = Written::new([brings(0, &["a", "b", "c"])]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 3, &stop);
    let handle = |_| async {
        sleep(Duration::from_secs(5)).await;
        Verdict::Done
    };
    let asked_meanwhile = async {
        sleep(Duration::from_secs(4)).await;
        let asked = source.state().asked.clone();
        stop_after(&stop, Duration::from_secs(4)).await;
        asked
    };
    let (_, asked) = tokio::join!(consumer.run(handle, |_| {}), asked_meanwhile);
    assert_eq!(asked, [3], "all three permits are in use, so nothing may be asked for");
    assert_eq!(source.state().asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_hand_stays_hidden_and_its_heartbeat_does_not_outlive_it() {
    let source = Written::new([brings(0, &["slow"])]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let began = Instant::now();
    let handle = |_| async {
        sleep(Duration::from_secs(70)).await;
        Verdict::Done
    };
    tokio::join!(consumer.run(handle, |_| {}), stop_after(&stop, Duration::from_mins(5)))
        .0
        .expect("a stop is no error");
    let state = source.state();
    let times: Vec<_> = state.extended.iter().map(|(_, at)| (*at - began).as_secs()).collect();
    assert_eq!(times, [20, 40, 60], "extended before each 30 s are over, and never after the end");
    assert_eq!(state.deleted, ["slow"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_loop_backs_off_is_reported_once_and_recovers() {
    let source = Written::new((0..20).map(|_| fails(true)).chain([brings(0, &["a"])]));
    let stop = CancellationToken::new();
    let (consumer, troubles) = consumer(&source, 10, &stop);
    let run = consumer.run(|_| async { Verdict::Done }, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_mins(30))).0.expect("it recovered");
    assert_eq!(source.state().deleted, ["a"]);
    let troubles = troubles.lock().expect("unpoisoned");
    assert!(
        matches!(troubles.as_slice(), [Trouble::Began { .. }, Trouble::Over { .. }]),
        "{troubles:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_pass_ends_it_after_what_is_in_hand() {
    let (_, error) = fails(false);
    let source = Written::new([brings(0, &["a"]), (Duration::from_secs(1), error)]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let handle = |_| async {
        sleep(Duration::from_secs(3)).await;
        Verdict::Done
    };
    let ended = consumer.run(handle, |_| {}).await;
    assert_eq!(ended.expect_err("it cannot go on").kind(), Kind::Unreachable);
    assert_eq!(source.state().deleted, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_wait_at_the_stop_are_not_lost() {
    let source = Written::new([brings(0, &["a", "b"])]);
    source.state().refusals = 3;
    let stop = CancellationToken::new();
    let (consumer, troubles) = consumer(&source, 10, &stop);
    let handle = |message: Message| async move {
        sleep(Duration::from_millis(if message.body == "a" { 0 } else { 900 })).await;
        Verdict::Done
    };
    let stopping = stop_after(&stop, Duration::from_millis(100));
    tokio::join!(consumer.run(handle, |_| {}), stopping).0.expect("a stop is no error");
    let mut deleted = source.state().deleted.clone();
    deleted.sort();
    assert_eq!(deleted, ["a", "b"], "failed entries are deleted again, and only they");
    assert!(troubles.lock().expect("unpoisoned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_within_the_drain_is_given_back() {
    let source = Written::new([brings(0, &["quick", "endless"])]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let given_back = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&given_back);
    let handle = |message: Message| async move {
        let long = if message.body == "quick" { 10 } else { 1_000_000 };
        sleep(Duration::from_secs(long)).await;
        Verdict::Done
    };
    let began = Instant::now();
    let unfinished =
        move |message: &Message| seen.lock().expect("unpoisoned").push(message.body.clone());
    let stopping = stop_after(&stop, Duration::from_secs(1));
    tokio::join!(consumer.run(handle, unfinished), stopping).0.expect("a stop is no error");
    assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
    let state = source.state();
    assert_eq!(
        (state.deleted.as_slice(), state.released.as_slice()),
        (&["quick".to_owned()][..], &["endless".to_owned()][..])
    );
    assert_eq!(*given_back.lock().expect("unpoisoned"), ["endless"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_costs_its_own_message_alone() {
    let source = Written::new([brings(0, &["bad", "good"])]);
    let stop = CancellationToken::new();
    let (consumer, _) = consumer(&source, 2, &stop);
    let handle = |message: Message| async move {
        assert_eq!(message.body, "good", "this one is meant to panic");
        Verdict::Done
    };
    let stopping = stop_after(&stop, Duration::from_secs(5));
    tokio::join!(consumer.run(handle, |_| {}), stopping).0.expect("a stop is no error");
    advance(Duration::from_secs(1)).await;
    let state = source.state();
    assert_eq!(state.deleted, ["good"]);
    assert!(state.released.is_empty() && state.extended.is_empty());
}
