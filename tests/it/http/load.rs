//! What many clients cost, and what becomes of more than can be carried out.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{Server, Stream, more_files, post, raw};
use crate::support::proxy::Proxy;
use crate::support::stack::{Stack, provider};
use crate::support::{PATIENCE, eventually};

/// RFQs that are followed, and streams on each of them.
const RFQS: usize = 10;
const STREAMS: usize = 20;
/// Clients that submit one request after the other.
const CLIENTS: usize = 400;

/// The memory of a process, in KiB.
fn memory(server: &Server) -> u64 {
    let status = format!("/proc/{}/status", server.process.id());
    let status = std::fs::read_to_string(status).expect("it runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A figure, for whoever runs it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "it is asked for")]
fn tell(figure: &str) {
    eprintln!("{figure}");
}

#[test]
fn two_hundred_streams_cost_hardly_more_than_ten() {
    let stack = Stack::set_up(10);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let ids: Vec<_> = (0..RFQS).map(|_| server.submit(r#", "deadline": "10m""#)).collect();
    let reads = |streams: &[Stream]| {
        for stream in streams {
            stream.until("change", |_| true);
        }
        // Pollers that find nothing new come to read every 2 s.
        std::thread::sleep(Duration::from_secs(8));
        let before = proxy.count("Query");
        std::thread::sleep(Duration::from_secs(10));
        (proxy.count("Query") - before, memory(&server))
    };
    let mut streams: Vec<_> = ids.iter().map(|id| server.follow(id, "")).collect();
    let (few, light) = reads(&streams);
    let more = ids.iter().flat_map(|id| (1..STREAMS).map(move |_| id));
    streams.extend(more.map(|id| server.follow(id, "")));
    let (many, heavy) = reads(&streams);
    tell(&format!(
        "{RFQS} streams: {few} reads in 10 s, {light} KiB; {}: {many}, {heavy} KiB",
        streams.len()
    ));
    assert_eq!(streams.len(), RFQS * STREAMS);
    // A machine that is busy while the few are counted reads less than every 2 s.
    let few = few.max(RFQS * 5);
    assert!(many <= few + RFQS, "{few} reads for {RFQS} streams, {many} for {}", streams.len());
    let each = heavy.saturating_sub(light) / (RFQS * (STREAMS - 1)) as u64;
    assert!(each < 64, "a stream takes {each} KiB");
    // A change reaches everybody, and ends everybody's stream.
    for id in &ids {
        stack.rydes("close").arg(id).run().exits(0);
    }
    for stream in &streams {
        stream.until("end", |state| state["status"] == "closed");
    }
}

#[test]
fn more_streams_than_there_is_room_for_are_refused() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let mut streams: Vec<_> = (0..512).map(|_| server.follow(&id, "")).collect();
    for stream in &streams {
        assert_eq!(stream.status(), 200);
    }
    let refused = server.get(&format!("/rfqs/{id}/events"));
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:?}");
    // They leave room for everything else.
    assert_eq!(server.get(&format!("/query-instant-ride-rfq/{id}")).status, 200);
    streams.truncate(500);
    crate::support::wait_for("there is room again", || {
        let next = server.follow(&id, "");
        (next.status() == 200).then_some(())
    });
}

#[test]
fn a_client_that_reads_nothing_is_let_go_and_costs_nothing_more() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    let deaf = raw(&server, &format!("GET /rfqs/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    proxy.until("Query", 1);
    let before = memory(&server);
    let mut answers = 0;
    let mut answer = || {
        answers += 1;
        stack.put(&json!({
            "id": id, "responder": format!("s{answers}"), "declined": "\u{6771}".repeat(1_024),
            "from": "A", "to": "B", "customer": "c",
        }));
    };
    // Each state takes a megabyte or more, and each answer makes a new one.
    (0..60).for_each(|_| answer());
    let (mut reads, mut peak) = (0, before);
    let is_let_go = eventually(Duration::from_secs(150), || {
        answer();
        std::thread::sleep(Duration::from_secs(4));
        peak = peak.max(memory(&server));
        std::mem::replace(&mut reads, proxy.count("Query")) == reads
    });
    assert!(is_let_go, "it is still read for a client that reads nothing");
    assert!(peak < before + 65_536, "{before} KiB before, {peak} KiB at the most");
    tell(&format!("for a client that reads nothing: {before} KiB before, {peak} KiB at the most"));
    drop(deaf);
}

/// `RYDES_TEST_OVERLOAD` is for how many seconds, 2 by default. On a slow machine it goes on until one is refused.
#[test]
fn of_more_submits_than_can_be_carried_out_none_that_is_accepted_is_lost() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    server.submit("");
    more_files();
    let seconds = std::env::var("RYDES_TEST_OVERLOAD").ok();
    let seconds = seconds.map_or(2, |text| text.parse().expect("a number of seconds"));
    let began = Instant::now();
    let url = format!("{}/submit-instant-ride-rfq", server.url);
    let (accepted, refused) = (Mutex::new(HashSet::new()), AtomicU64::new(0));
    // Refused after it was begun: it may come to its end all the same, and its id is told.
    let open = AtomicU64::new(0);
    let goes_on = || {
        let is_overload = refused.load(Ordering::Relaxed) > 0;
        let least = Duration::from_secs(seconds);
        began.elapsed() < if is_overload { least } else { least + PATIENCE }
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while goes_on() {
                    let body = r#"{"from": "A", "to": "B", "customer": "c", "deadline": "1h"}"#;
                    let answer = post(&url, body, &[]);
                    match answer.status {
                        201 => {
                            let id = answer.json()["rfq-id"].as_str().expect("an id").to_owned();
                            accepted.lock().expect("no thread broke down").insert(id);
                        }
                        503 => {
                            assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
                            refused.fetch_add(1, Ordering::Relaxed);
                            open.fetch_add(
                                answer.json()["rfq-id"].is_string().into(),
                                Ordering::Relaxed,
                            );
                            // Less than `Retry-After`, and enough to leave the others the processor.
                            std::thread::sleep(Duration::from_millis(200));
                        }
                        _ => panic!("{answer:?}"),
                    }
                }
            });
        }
    });
    let (refused, open) = (refused.into_inner(), open.into_inner());
    let accepted = accepted.into_inner().expect("unpoisoned");
    tell(&format!(
        "{seconds} s: {} accepted, {refused} refused, {open} of them begun, {} KiB",
        accepted.len(),
        memory(&server)
    ));
    assert!(!accepted.is_empty() && refused > 0, "{} accepted, {refused} refused", accepted.len());
    let ran = server.stop();
    let submitted =
        ran.stderr.split(" RFQs submitted").next().and_then(|text| text.rsplit(' ').next());
    let submitted: u64 = submitted.and_then(|n| n.parse().ok()).expect("it is counted");
    let least = accepted.len() as u64 + 1;
    assert!((least..=least + open).contains(&submitted), "{least}, {open}: {}", ran.stderr);
    // Each of them has its row, and its message reaches its provider.
    let workers = stack.providers("--behavior steady");
    crate::support::wait_for("everything is answered", || {
        (stack.depth(&provider(1)) == 0 && stack.depth("RequestForQuotesResponseQueue") == 0)
            .then_some(())
    });
    workers.stop();
    let rows = stack.keys();
    for id in &accepted {
        for responder in ["-", provider(1).as_str()] {
            let key = (id.clone(), responder.to_owned());
            assert!(rows.contains(&key), "{responder} of {id} is lost");
        }
    }
}
