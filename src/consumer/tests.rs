//! The consumer under a paused clock: one test for each known fault.

mod polls;
mod seats;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};

use super::{
    Batcher, ConsumeOptions, Consumer, Effect, Entries, Limits, Message, Notice, Permanence,
    Polling, Refusal, Source, Trouble, Verdict, Wait,
};
use crate::error::{Error, Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// The answers of successive receives, each after a delay.
type Script = VecDeque<(Duration, Result<Vec<Message>>)>;

/// A queue with scripted answers. After those, every receive waits 20 s and brings nothing.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<WrittenState>>);

#[derive(Default)]
struct WrittenState {
    script: Script,
    asked: Vec<usize>,
    waits: Vec<Wait>,
    deleted: Vec<String>,
    released: Vec<String>,
    extended: Vec<(String, Instant)>,
    /// Transient refusals of deletes before one is taken.
    refusals: usize,
    /// Receives in flight, and the most of them at once.
    open: usize,
    most_open: usize,
    /// Receives in flight at the start of each, itself included.
    open_at_start: Vec<usize>,
    /// How long a delete takes.
    delete: Duration,
    /// How long an extension takes.
    extension: Duration,
    extended_at: Option<Instant>,
    released_at: Vec<Instant>,
}

impl Written {
    fn new(script: impl IntoIterator<Item = (Duration, Result<Vec<Message>>)>) -> Self {
        let script = script.into_iter().collect();
        Self(Arc::new(Mutex::new(WrittenState { script, ..WrittenState::default() })))
    }

    fn state(&self) -> MutexGuard<'_, WrittenState> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Source for Written {
    fn name(&self) -> &'static str {
        "written"
    }

    async fn receive(&self, max: usize, wait: Wait) -> Result<Vec<Message>> {
        let (takes, answer) = {
            let mut state = self.state();
            state.asked.push(max);
            state.waits.push(wait);
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
            let open = state.open;
            state.open_at_start.push(open);
            let nothing = match wait {
                Wait::Long => Duration::from_secs(20),
                Wait::Short => Duration::from_secs(1),
            };
            state.script.pop_front().unwrap_or((nothing, Ok(Vec::new())))
        };
        sleep(takes).await;
        self.state().open -= 1;
        answer
    }

    async fn delete(&self, receipts: &[String]) -> Result<Entries> {
        let takes = self.state().delete;
        sleep(takes).await;
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
        let takes = self.state().extension;
        sleep(takes).await;
        let mut state = self.state();
        state.extended.extend(receipts.iter().map(|receipt| (receipt.clone(), now)));
        state.extended_at = Some(Instant::now());
        Ok(receipts.iter().map(|_| Ok(())).collect())
    }

    async fn release(&self, receipts: &[String]) -> Result<Entries> {
        let mut state = self.state();
        state.released.extend_from_slice(receipts);
        state.released_at.extend(receipts.iter().map(|_| Instant::now()));
        Ok(receipts.iter().map(|_| Ok(())).collect())
    }
}

fn passing() -> Refusal {
    let (code, message) = ("InternalError".to_owned(), "again".to_owned());
    Refusal { code, message, permanence: Permanence::Transient, effect: Effect::Excluded }
}

fn message(name: &str) -> Message {
    Message {
        id: format!("id of {name}"),
        body: name.to_owned(),
        receipt: name.to_owned(),
        receive_count: 1,
        sent_at: None,
        sender: None,
    }
}

fn brings(after_ms: u64, names: &[&str]) -> (Duration, Result<Vec<Message>>) {
    (Duration::from_millis(after_ms), Ok(names.iter().map(|name| message(name)).collect()))
}

fn fails(transient: bool) -> (Duration, Result<Vec<Message>>) {
    let error = Error::new(Kind::Unreachable, "cut");
    (Duration::ZERO, Err(if transient { error.transient() } else { error }))
}

type TroubleLog = Arc<Mutex<Vec<Trouble>>>;

fn consumer(
    source: &Written,
    concurrency: usize,
    stop: &StopSignal,
) -> (Consumer<Written>, TroubleLog) {
    let troubles = TroubleLog::default();
    let seen = Arc::clone(&troubles);
    let consumer = Consumer {
        source: source.clone(),
        options: ConsumeOptions {
            concurrency,
            visibility: Duration::from_secs(30),
            drain: Duration::from_secs(25),
        },
        polling: Polling { pause: Duration::ZERO, max_quick: 16 },
        stop: stop.part(),
        trouble: Arc::new(move |trouble| seen.lock().expect("unpoisoned").push(trouble)),
    };
    (consumer, troubles)
}

async fn stop_after(stop: &StopSignal, time: Duration) {
    sleep(time).await;
    stop.reach(Stage::Drain);
}

#[tokio::test(start_paused = true)]
async fn a_poll_under_way_is_not_dropped_and_what_it_brings_is_handled() {
    let source = Written::new([brings(15_000, &["late"])]);
    let began = Instant::now();
    let (handled, notices) = consumed(&source, Duration::from_secs(1), Verdict::Done, 1).await;
    assert!(began.elapsed() >= Duration::from_secs(15), "it ended before its poll did");
    let state = source.state();
    assert_eq!((state.open, state.asked.len()), (0, 1));
    assert_eq!((handled, notices), (vec!["late".to_owned()], vec![]));
    assert_eq!((state.deleted.as_slice(), state.released.len()), (&["late".to_owned()][..], 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_poll_brings_after_the_stop_is_given_back_when_there_is_no_time_to_finish_it() {
    let source = Written::new([brings(15_000, &["late"])]);
    let began = Instant::now();
    let (handled, notices) = consumed(&source, Duration::from_mins(1), Verdict::Done, 1).await;
    // The drain takes 25 s.
    assert_eq!(began.elapsed().as_secs(), 26);
    assert_eq!((handled, notices), (vec!["late".to_owned()], vec![Notice::GivenBack]));
    assert_eq!(source.state().released, ["late"]);
    assert!(source.state().deleted.is_empty());

    let source = Written::new([brings(30_000, &["after the drain"])]);
    let (handled, notices) = consumed(&source, Duration::ZERO, Verdict::Done, 1).await;
    assert_eq!((handled, notices), (vec![], vec![Notice::GivenBack]));
    assert_eq!(source.state().released, ["after the drain"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_leaves_nothing_at_work() {
    let source = Written::new([brings(0, &["a", "b"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let finished = Arc::new(Mutex::new(0));
    let handle = {
        let finished = Arc::clone(&finished);
        move |_, _| {
            let finished = Arc::clone(&finished);
            async move {
                sleep(Duration::from_secs(40)).await;
                *finished.lock().expect("unpoisoned") += 1;
                Verdict::Done
            }
        }
    };
    let run = consumer.run(handle, |_| {});
    tokio::time::timeout(Duration::from_secs(30), run).await.expect_err("it goes on for ever");
    sleep(Duration::from_mins(2)).await;
    let state = source.state();
    assert_eq!((*finished.lock().expect("unpoisoned"), state.extended.len()), (0, 2));
    assert!(state.deleted.is_empty() && state.released.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_that_cannot_start() {
    let source = Written::new([brings(0, &["a", "b", "c"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 3, &stop);
    let handle = |_, _| async {
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
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let began = Instant::now();
    let handle = |_, _| async {
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
    let stop = StopSignal::new();
    let (consumer, troubles) = consumer(&source, 10, &stop);
    let run = consumer.run(|_, _| async { Verdict::Done }, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_mins(30))).0.expect("it recovered");
    assert_eq!(source.state().deleted, ["a"]);
    let troubles = troubles.lock().expect("unpoisoned");
    assert!(
        matches!(troubles.as_slice(), [Trouble::Began { .. }, Trouble::Over { .. }]),
        "{troubles:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_in_trouble_says_so() {
    let source = Written::new((0..20).map(|_| fails(true)));
    let stop = StopSignal::new();
    let (consumer, troubles) = consumer(&source, 10, &stop);
    let run = consumer.run(|_, _| async { Verdict::Done }, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_secs(3))).0.expect("a stop is no error");
    let troubles = troubles.lock().expect("unpoisoned");
    let told = troubles.as_slice();
    assert!(matches!(told, [Trouble::Began { .. }, Trouble::Abandoned { .. }]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_lets_go_of_what_is_in_hand_at_once() {
    let gone = Error::new(Kind::NotSetUp, "gone").fatal();
    let source = Written::new([brings(0, &["a"]), (Duration::from_secs(1), Err(gone))]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let began = Instant::now();
    let handle = |_, _| async {
        sleep(Duration::from_mins(10)).await;
        Verdict::Done
    };
    let ended = consumer.run(handle, |_| {}).await;
    assert_eq!(ended.expect_err("it cannot go on").kind(), Kind::NotSetUp);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_pass_ends_it_after_what_is_in_hand() {
    let (_, error) = fails(false);
    let source = Written::new([brings(0, &["a"]), (Duration::from_secs(1), error)]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let handle = |_, _| async {
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
    let stop = StopSignal::new();
    let (consumer, troubles) = consumer(&source, 10, &stop);
    let handle = |message: Message, _| async move {
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
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let given_back = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&given_back);
    let handle = |message: Message, _| async move {
        let long = if message.body == "quick" { 10 } else { 1_000_000 };
        sleep(Duration::from_secs(long)).await;
        Verdict::Done
    };
    let began = Instant::now();
    let notice = move |notice| seen.lock().expect("unpoisoned").push(notice);
    let stopping = stop_after(&stop, Duration::from_secs(1));
    tokio::join!(consumer.run(handle, notice), stopping).0.expect("a stop is no error");
    assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
    let state = source.state();
    assert_eq!(
        (state.deleted.as_slice(), state.released.as_slice()),
        (&["quick".to_owned()][..], &["endless".to_owned()][..])
    );
    assert_eq!(*given_back.lock().expect("unpoisoned"), [Notice::GivenBack]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_costs_its_own_message_alone() {
    let source = Written::new([brings(0, &["bad", "good"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 2, &stop);
    let handle = |message: Message, _| async move {
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

/// Ten messages, numbered upwards from `from`.
fn ten(after_ms: u64, from: usize) -> (Duration, Result<Vec<Message>>) {
    let names: Vec<_> = (from..from + 10).map(|number| number.to_string()).collect();
    brings(after_ms, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The same message under another receipt handle.
fn again(after_ms: u64, name: &str, receipt: &str) -> (Duration, Result<Vec<Message>>) {
    let receipt = receipt.to_owned();
    (Duration::from_millis(after_ms), Ok(vec![Message { receipt, ..message(name) }]))
}

/// Runs a consumer that handles each message for `takes`. Returns the receipts it handled, and its notices.
async fn consumed(
    source: &Written,
    takes: Duration,
    verdict: Verdict,
    stop_after_s: u64,
) -> (Vec<String>, Vec<Notice>) {
    let stop = StopSignal::new();
    let (consumer, _) = consumer(source, 100, &stop);
    let (handled, notices) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
    let (seen, heard) = (Arc::clone(&handled), Arc::clone(&notices));
    let handle = move |message: Message, _| {
        seen.lock().expect("unpoisoned").push(message.receipt);
        async move {
            sleep(takes).await;
            verdict
        }
    };
    let run = consumer.run(handle, move |notice| heard.lock().expect("unpoisoned").push(notice));
    let stopping = stop_after(&stop, Duration::from_secs(stop_after_s));
    tokio::join!(run, stopping).0.expect("a stop is no error");
    let all = (handled.lock().expect("unpoisoned").clone(), notices.lock().expect("unpoisoned"));
    (all.0, all.1.clone())
}

#[tokio::test(start_paused = true)]
async fn what_was_finished_a_moment_ago_is_deleted_and_not_handled_again() {
    let source = Written::new([brings(0, &["a"]), again(5_000, "a", "newer")]);
    let (handled, notices) = consumed(&source, Duration::from_secs(1), Verdict::Done, 10).await;
    assert_eq!((handled, notices), (vec!["a".to_owned()], vec![Notice::Again]));
    assert_eq!(source.state().deleted, ["a", "newer"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_while_it_is_in_hand_is_deleted_by_its_newest_handle() {
    let source = Written::new([brings(0, &["a"]), again(5_000, "a", "newer")]);
    let (handled, notices) = consumed(&source, Duration::from_secs(8), Verdict::Done, 10).await;
    assert_eq!((handled, notices), (vec!["a".to_owned()], vec![Notice::Again]));
    assert_eq!(source.state().deleted, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_in_one_receive_is_handled_and_deleted_once() {
    let twice = vec![message("a"), Message { receipt: "newer".to_owned(), ..message("a") }];
    let source = Written::new([(Duration::ZERO, Ok(twice))]);
    let (handled, _) = consumed(&source, Duration::from_secs(1), Verdict::Done, 5).await;
    assert_eq!(handled, ["a"]);
    assert_eq!(source.state().deleted, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_is_handled_again() {
    let source = Written::new([brings(0, &["a"]), again(5_000, "a", "newer")]);
    let (handled, notices) = consumed(&source, Duration::from_secs(1), Verdict::Release, 10).await;
    assert_eq!((handled, notices), (vec!["a".to_owned(), "newer".to_owned()], Vec::new()));
    assert_eq!(source.state().released, ["a", "newer"]);
}

#[tokio::test(start_paused = true)]
async fn an_extension_under_way_does_not_overtake_what_gives_back() {
    let source = Written::new([brings(0, &["a"])]);
    // An extension begins after 20 s and takes 3 s; the message is given back in between.
    source.state().extension = Duration::from_secs(3);
    consumed(&source, Duration::from_secs(21), Verdict::Release, 60).await;
    let state = source.state();
    assert_eq!((state.extended.len(), state.released.as_slice()), (1, &["a".to_owned()][..]));
    assert!(state.released_at.first() >= state.extended_at.as_ref(), "it was hidden again");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_long_poll_waited_for_is_not_extended_at_once() {
    let source = Written::new([brings(19_900, &["late"])]);
    let began = Instant::now();
    consumed(&source, Duration::from_secs(18), Verdict::Done, 60).await;
    let state = source.state();
    let times: Vec<_> = state.extended.iter().map(|(_, at)| (*at - began).as_millis()).collect();
    assert_eq!(times, [34_900], "half of its 30 s after it came");
}

#[tokio::test(start_paused = true)]
async fn many_messages_in_hand_are_extended_together() {
    let source = Written::new([ten(0, 0), ten(0, 10), brings(0, &["x", "y", "z"])]);
    consumed(&source, Duration::from_secs(25), Verdict::Done, 60).await;
    let state = source.state();
    assert_eq!(state.extended.len(), 23, "each of them once");
    assert_eq!(state.deleted.len(), 23);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_its_batch_stays_hidden() {
    let source = Written::new([brings(0, &["a"])]);
    let stop = StopSignal::new();
    let (consumer, _) = consumer(&source, 10, &stop);
    let limits = Limits {
        count: 10,
        bytes: 1_000,
        linger: Duration::from_secs(50),
        max_wait: Duration::from_secs(50),
        max_in_flight: 1,
        max_quick_in_flight: 1,
        attempts: 1,
    };
    let tasks = tokio_util::task::TaskTracker::new();
    let flush = |batch: Arc<[u32]>| async move { Ok(batch.iter().map(|_| Ok(())).collect()) };
    let batcher: Batcher<u32, ()> = Batcher::start(&tasks, limits, StopSignal::new(), |_| 1, flush);
    let handle = move |_, _| {
        let batcher = batcher.clone();
        async move {
            batcher.submit(1).await.expect("it is taken");
            Verdict::Done
        }
    };
    let run = consumer.run(handle, |_| {});
    tokio::join!(run, stop_after(&stop, Duration::from_secs(70))).0.expect("a stop is no error");
    let state = source.state();
    assert_eq!(state.extended.len(), 2, "after 20 and after 40 s");
    assert_eq!(state.deleted, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_finished_stays_in_nobody_s_memory_for_ever() {
    // More than are remembered; then the first is delivered again.
    let full = (0..1_100).map(|number| ten(1, number * 10));
    let source = Written::new(full.chain([again(1, "0", "newer")]));
    let (handled, notices) = consumed(&source, Duration::ZERO, Verdict::Done, 60).await;
    assert_eq!((handled.len(), notices.len()), (11_001, 0));
}

#[tokio::test(start_paused = true)]
async fn one_extension_that_hangs_does_not_let_the_others_run_out() {
    let source = Written::new([ten(0, 0), ten(0, 10), ten(0, 20)]);
    // Three batches take nine seconds each: in sequence, the last would be too late.
    source.state().extension = Duration::from_secs(9);
    let began = Instant::now();
    consumed(&source, Duration::from_secs(32), Verdict::Done, 60).await;
    let state = source.state();
    let latest = state.extended.iter().map(|(_, at)| *at - began).max();
    assert_eq!((state.extended.len(), latest), (30, Some(Duration::from_secs(20))));
}

#[tokio::test(start_paused = true)]
async fn deletes_that_hang_hold_up_the_receives_before_memory_is_full() {
    const MESSAGES: usize = 2_000;
    let names: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let receives = names.chunks(10).map(|ten| {
        let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
        brings(1, &ten)
    });
    let source = Written::new(receives);
    source.state().delete = Duration::from_secs(20);
    let stop = StopSignal::new();
    let (consumer, troubles) = consumer(&source, 50, &stop);
    let handled = Arc::new(Mutex::new(0));
    let handle = {
        let handled = Arc::clone(&handled);
        move |_, _| {
            *handled.lock().expect("unpoisoned") += 1;
            async { Verdict::Done }
        }
    };
    let in_flight = async {
        sleep(Duration::from_secs(10)).await;
        let most = *handled.lock().expect("unpoisoned");
        source.state().delete = Duration::ZERO;
        stop_after(&stop, Duration::from_mins(2)).await;
        most
    };
    let (ended, most) = tokio::join!(consumer.run(handle, |_| {}), in_flight);
    ended.expect("a stop is no error");
    // 1,000 wait to be deleted, and 50 wait for room there.
    assert_eq!(most, 1_050);
    let state = source.state();
    assert_eq!((state.deleted.len(), state.released.len()), (MESSAGES, 0));
    assert_eq!(*troubles.lock().expect("unpoisoned"), []);
}
