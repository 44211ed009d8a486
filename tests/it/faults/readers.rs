//! Readers of stdout and stderr that stop reading.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::schemas::conforms;
use crate::support::background::{Background, signal};
use crate::support::pipe::full_pipe;
use crate::support::proxy::Proxy;
use crate::support::stack::{Stack, provider};
use crate::support::{PATIENCE, ends_within, free_port, json_lines, side_by_side, wait_for};

/// How many events these lines tell of, and how many of them were dropped.
fn counted(lines: &[Value]) -> (u64, u64) {
    let dropped: Vec<_> = lines.iter().filter(|line| line["event"] == "dropped").collect();
    for line in &dropped {
        conforms("dropped", line);
    }
    let dropped: Vec<_> = dropped.iter().filter_map(|line| line["count"].as_u64()).collect();
    ((lines.len() - dropped.len()) as u64, dropped.iter().sum())
}

#[test]
fn a_reader_that_stops_reading_costs_events_and_nothing_else() {
    const RFQS: usize = 80;
    let stack = Stack::set_up(8);
    let fault = format!("--fault decline:{}", "x".repeat(1_000));
    let run = format!("providers run -o jsonl --behavior steady --poll-wait 2s {fault}");
    let (mut workers, unread) = Background::unread(stack.rydes(&run));
    stack.rydes(&format!("submit --from A --to B --deadline 1h --count {RFQS}")).run().exits(0);
    wait_for("a row of each copy", || (stack.keys().len() == 9 * RFQS).then_some(()));
    // Some 1.6 MB of events are too many for the pipe and for what waits before it.
    workers.read(unread);
    let copies = (8 * RFQS) as u64;
    wait_for("each event is told or counted", || {
        let (told, dropped) = counted(&workers.events());
        (dropped > 0 && told + dropped >= 3 * copies).then_some(())
    });
    // It goes on where it was.
    let id = stack.submit("--deadline 60s");
    wait_for("new events", || {
        workers.events().iter().any(|event| event["rfq-id"] == *id).then_some(())
    });
    let ended = workers.stop();
    let again = json_lines(&ended.stdout).iter().any(|event| event["event"] == "delivered-again");
    assert!(!again, "{}", ended.stderr);
}

#[test]
fn leases_are_extended_while_no_event_can_be_written() {
    side_by_side(["--progress plain", "-o jsonl"], |options| {
        let stack = Stack::set_up(2);
        let (_unread, full, _) = full_pipe();
        let run = "providers run --behavior steady --poll-wait 2s --visibility 8s --think 14s..14s";
        let workers = Background::start(stack.rydes(&format!("{run} {options}")).stdout(full));
        let id = stack.submit("--deadline 60s");
        stack.rydes("quotes --watch").arg(&id).run().exits(0);
        let said = workers.stop().stderr;
        assert!(said.contains("done: 2 requests: 2 quoted"), "{options}: {said}");
        assert!(!said.contains("delivered again"), "{options}: {said}");
    });
}

#[test]
fn a_second_signal_ends_workers_whose_reader_has_stopped() {
    let stack = Stack::set_up(1);
    let (_unread, full, _) = full_pipe();
    let run = "providers run -o jsonl --behavior steady --poll-wait 2s --think 20s..20s";
    let workers = Background::start(stack.rydes(run).stdout(full));
    stack.submit("--deadline 60s");
    wait_for("the request is in hand", || (stack.in_flight(&provider(1)) == 1).then_some(()));
    workers.signal(Signal::TERM);
    workers.says("stopping");
    workers.signal(Signal::TERM);
    // One signal alone would let it drain and end with 0.
    workers.ends(PATIENCE).exits(143);
}

#[test]
fn a_server_serves_on_while_its_log_is_not_read() {
    let stack = Stack::set_up(1);
    let at = format!("127.0.0.1:{}", free_port());
    let mut process = stack.rydes(&format!("serve -v --listen {at} -o jsonl")).start();
    let ask = |path: &str| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let asked = ureq::Agent::new_with_config(config).get(format!("http://{at}{path}")).call();
        asked.map(|answer| answer.status().as_u16())
    };
    wait_for("the server listens", || ask("/readyz").ok());
    // More than both pipes and what waits before them hold.
    let long = format!("/{}", "x".repeat(7_000));
    for _ in 0..350 {
        assert_eq!(ask(&long).expect("an answer"), 404);
    }
    assert_eq!(ask("/readyz").expect("an answer"), 200);
    signal(&process, Signal::TERM);
    assert!(ends_within(&mut process, PATIENCE), "it ends though nothing is read");
    assert_eq!(process.wait().expect("it has ended").code(), Some(0));
    // What was written before the gap is whole.
    let mut told = String::new();
    let mut stdout = process.stdout.take().expect("it is piped");
    stdout.read_to_string(&mut told).expect("it is text");
    let whole = told.rsplit_once('\n').map_or("", |(whole, _)| whole);
    assert!(json_lines(whole).len() > 5, "{}", told.len());
}

/// A file of lines that are no requests: nothing is sent, and each is told of.
fn bad_lines() -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all("no request at all\n".repeat(BAD).as_bytes()).expect("there is room");
    file
}

/// More lines than a pipe and what waits before it hold.
const BAD: usize = 20_000;

#[test]
fn a_batch_waits_for_its_reader_and_loses_no_line() {
    let (stack, file) = (Stack::set_up(1), bad_lines());
    let submit = stack.rydes("submit -o jsonl --batch").arg(file.path());
    let (mut submit, unread) = Background::unread(submit);
    submit.says("line 2000 was not sent: ");
    thread::sleep(Duration::from_secs(1));
    assert!(submit.is_running() && !submit.said(&format!("line {BAD} was not sent: ")), "it waits");
    submit.read(unread);
    let ran = submit.ends(PATIENCE).exits(1);
    let lines: Vec<_> = json_lines(&ran.stdout).iter().map(|line| line["line"].clone()).collect();
    assert_eq!(lines, (1..=BAD).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_waits_for_its_reader_ends_at_a_signal() {
    let (stack, file) = (Stack::set_up(1), bad_lines());
    side_by_side(1..=2, |signals| {
        let submit = stack.rydes("submit -o jsonl --batch").arg(file.path());
        let (submit, _unread) = Background::unread(submit);
        submit.says("line 2000 was not sent: ");
        // By then the pipe and what waits before it are full.
        thread::sleep(Duration::from_secs(1));
        for _ in 0..signals {
            submit.signal(Signal::TERM);
        }
        let said = submit.ends(PATIENCE).exits(143).stderr;
        assert!(said.contains("error: terminated"), "{said}");
        assert!(said.contains("error: stdout is not read: "), "{said}");
    });
}

#[test]
fn a_wait_whose_reader_has_stopped_ends_at_a_signal_and_is_whole_when_it_reads_on() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady");
    let id = stack.submit("--deadline 10m");
    workers.until("gathered", 2);
    workers.stop();
    let watch = |stdout| {
        let proxy = Proxy::start();
        let watch = stack.rydes("quotes --watch -v -o jsonl").stdout(stdout);
        let watch = Background::start(watch.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url));
        proxy.until("Query", 1);
        (watch, proxy)
    };
    side_by_side(1..=2, |signals| {
        let (_unread, full, _) = full_pipe();
        let (waiting, _proxy) = watch(full);
        thread::sleep(Duration::from_secs(1));
        for _ in 0..signals {
            waiting.signal(Signal::INT);
        }
        waiting.ends(PATIENCE).exits(130);
    });
    let (mut reader, full, held) = full_pipe();
    let (waiting, _proxy) = watch(full);
    thread::sleep(Duration::from_secs(1));
    reader.read_exact(&mut vec![0; held]).expect("it is full");
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is text");
    let last = json_lines(&text).pop().expect("the final state");
    assert_eq!((&last["rfq-id"], &last["status"]), (&id.into(), &"complete".into()));
    waiting.ends(PATIENCE).exits(0);
}

#[test]
fn a_stderr_that_is_not_read_holds_nothing_up() {
    let (stack, file) = (Stack::set_up(1), bad_lines());
    let (_unread, full, _) = full_pipe();
    let submit = stack.rydes("submit -o jsonl --batch").arg(file.path()).stderr(full);
    let ran = Background::start(submit).ends(PATIENCE).exits(1);
    assert_eq!(json_lines(&ran.stdout).len(), BAD);
    let (_unread, full, _) = full_pipe();
    let workers = "providers run --behavior steady --poll-wait 2s -o jsonl";
    let workers = Background::start(stack.rydes(workers).stderr(full));
    stack.submit("--deadline 60s");
    stack.rydes("quotes --watch").run().exits(0);
    workers.stop();
}

#[test]
fn a_reader_that_goes_while_workers_run_ends_them_as_before() {
    let stack = Stack::set_up(1);
    let run = stack.rydes("providers run --behavior steady --poll-wait 2s -o jsonl");
    let (workers, unread) = Background::unread(run);
    drop(unread);
    stack.submit("--deadline 60s");
    workers.ends(PATIENCE).exits(0);
    assert_eq!(stack.depth(&provider(1)), 0);
}
