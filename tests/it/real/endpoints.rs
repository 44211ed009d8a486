//! What becomes of an endpoint's response, its silence and its absence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::{REQUESTS, answers, come_true, events, fails, folder, repeats, run, write};
use crate::support::aws::{Aws, authority};
use crate::support::background::Background;
use crate::support::endpoint::{Endpoint, Reaction, Seen, says, status};
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack};
use crate::support::{free_port, rydes, wait_for};

/// What SQS answers that fails.
const INTERNAL: ProxyFault =
    ProxyFault::Answer(500, r#"{"__type": "InternalFailure", "message": "for a test"}"#);

/// Does what the path says.
fn by_path(seen: &Seen, before: usize) -> Reaction {
    match seen.path.as_str() {
        "/number" => says("57.10"),
        "/created" => Reaction::Answer(201, "", r#"{"quote": 58}"#.to_owned()),
        "/declines" => says(r#"{"declined": "too far"}"#),
        "/closed" => says(r#"{"silent": "closed today"}"#),
        "/says_failed" => says(r#"{"failed": "no driver"}"#),
        "/says_nothing" => says(" \n"),
        "/html" => says("<html>"),
        "/half" => says(r#"{"quote": 5"#),
        "/long" => says(&" ".repeat(300_000)),
        "/accepted" => Reaction::Answer(202, "", "57".to_owned()),
        "/empty" => status(204),
        "/moved" => Reaction::Answer(302, "location: /number\r\n", String::new()),
        "/unknown" => Reaction::Answer(404, "", "no such\nroute \u{1b}[31m".to_owned()),
        "/timeout" if before < 2 => status(408),
        "/busy" if before == 0 => Reaction::Answer(429, "retry-after: 3\r\n", String::new()),
        "/full" => Reaction::Answer(429, "retry-after: 3600\r\n", String::new()),
        "/down" => status(503),
        "/mends" if before < 3 => status(500 + u16::try_from(before).expect("small")),
        "/refuses" => Reaction::DripOf(404),
        "/hangs" => Reaction::Hang,
        "/drips" => Reaction::DripOf(200),
        "/cut" => Reaction::Cut,
        "/cut_short" => Reaction::CutShort,
        _ => says("42"),
    }
}

#[test]
fn each_row_of_the_table() {
    let endpoint = Endpoint::start(by_path);
    let closed = free_port();
    let names = [
        "number",
        "created",
        "declines",
        "closed",
        "says_failed",
        "says_nothing",
        "html",
        "half",
        "long",
        "accepted",
        "empty",
        "moved",
        "unknown",
        "timeout",
        "busy",
        "full",
        "down",
        "mends",
        "refuses",
        "hangs",
        "drips",
        "cut",
        "cut_short",
        "gone",
    ];
    let entry = |name: &'static str| {
        let url = endpoint.url(&format!("/{name}"));
        let lines = match name {
            "refuses" | "hangs" | "drips" => format!("http = \"{url}\"\ntimeout = \"2500ms\""),
            "gone" => format!("http = \"http://127.0.0.1:{closed}/\""),
            _ => format!("http = \"{url}\""),
        };
        (name, lines)
    };
    let stack = Stack::with_real(0, &names);
    let folder = folder(&names.map(entry));
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let ids: Vec<_> = (0..repeats(REQUESTS, 1)).map(|_| stack.submit("--deadline 55s")).collect();
    come_true(
        &stack,
        &ids,
        &[
            answers("number", "quote", "57.1"),
            answers("created", "quote", "58"),
            answers("declines", "declined", "too far"),
            answers("closed", "silent", "closed today"),
            fails("says_failed", "no driver", 1, false),
            fails("says_nothing", "said nothing", 1, true),
            fails("html", "not an answer: not JSON: ", 1, true),
            fails("half", "not an answer: not JSON: ", 1, true),
            fails("long", "not an answer: longer than 256 KiB", 1, true),
            fails("accepted", "HTTP 202", 1, true),
            fails("empty", "HTTP 204", 1, true),
            fails("moved", "HTTP 302", 1, true),
            fails("unknown", "HTTP 404", 1, false),
            answers("timeout", "quote", "42"),
            answers("busy", "quote", "42"),
            fails("full", "HTTP 429", 1, true),
            fails("down", "HTTP 503", 5, true),
            answers("mends", "quote", "42"),
            fails("refuses", "HTTP 404", 1, false),
            fails("hangs", "no answer within 2.5 s", 1, true),
            fails("drips", "no answer within 2.5 s", 1, true),
            fails("cut", "no complete response: ", 5, true),
            fails("cut_short", "no complete response: ", 5, true),
            fails("gone", "connection refused", 5, true),
        ],
    );
    for (path, times) in [("/timeout", 3), ("/busy", 2), ("/full", 1), ("/down", 5), ("/mends", 4)]
    {
        assert_eq!(endpoint.seen(path).len(), times * ids.len(), "{path}");
    }
    let waits = events(&workers, "attempt", "busy");
    assert_eq!(waits[0]["again-in-ms"], 3_000, "as long as it asked for");
    let said = events(&workers, "said", "unknown");
    assert_eq!(said[0]["line"], "HTTP 404: no such route \u{1b}[31m");
    assert!(workers.count("asked") >= names.len() * ids.len());
    workers.stop();
    for id in &ids {
        stack.rydes("verify").arg(id).run().exits(0);
    }
}

#[test]
fn retry_after_may_be_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(55));
    let line: &'static str = Box::leak(format!("retry-after: {date}\r\n").into_boxed_str());
    let endpoint = Endpoint::start(move |_, _| Reaction::Answer(503, line, String::new()));
    let stack = Stack::with_real(0, &["acme"]);
    let run = format!("providers run acme -o jsonl --poll-wait 2s --http {}", endpoint.url("/"));
    let workers = stack.background(&run);
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 5m");
    workers.until("attempt", 1);
    let wait = events(&workers, "attempt", "acme")[0]["again-in-ms"].as_u64();
    assert!(wait > Some(5_000) && wait <= Some(55_000), "{wait:?}");
    // A stop waits for no further attempt.
    let stopped = Instant::now();
    workers.stop();
    assert!(stopped.elapsed() < Duration::from_secs(10));
    assert_eq!((stack.depth("acme"), stack.rows(&id).len()), (1, 1), "it is given back");
}

#[test]
fn connections_are_kept_and_a_key_stays_the_same_at_every_delivery() {
    let endpoint = Endpoint::start(|_, _| says("7"));
    let stack = Stack::with_real(0, &["acme"]);
    let proxy = Proxy::start();
    proxy.fail("DeleteMessageBatch", usize::MAX, INTERNAL);
    let run = format!("providers run acme --visibility 2s -o jsonl --http {}", endpoint.url("/"));
    let run = stack.rydes(&run).env("AWS_ENDPOINT_URL", &proxy.url);
    let workers = Background::start(run);
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 60s");
    workers.until("answered", 1);
    workers.kill();
    proxy.heal();
    // The request was not deleted, so another worker is asked for it once more.
    let run = format!("providers run acme -o jsonl --poll-wait 2s --http {}", endpoint.url("/"));
    let workers = stack.background(&run);
    workers.until("answered", 1);
    for _ in 0..5 {
        let id = stack.submit("--deadline 60s");
        stack.row_when(&id, "acme", |row| row["quote"] == 7);
    }
    let seen = endpoint.seen("/");
    let key = format!("{id}/acme");
    let again: Vec<_> = seen.iter().filter(|seen| seen.headers["idempotency-key"] == key).collect();
    assert_eq!(again.len(), 2);
    assert_eq!((seen.len(), endpoint.connections()), (7, 2), "one connection of each worker");
    workers.stop();
}

#[test]
fn a_failure_is_replayed_to_a_quote_before_the_deadline_and_stays_after_it() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let react =
        move |_: &Seen, _| if mended.load(Ordering::Relaxed) { says("7") } else { says("") };
    let endpoint = Endpoint::start(react);
    let stack = Stack::with_real(0, &["acme"]);
    let run = format!("providers run acme -o jsonl --poll-wait 2s --http {}", endpoint.url("/"));
    let workers = stack.background(&run);
    workers.says(" on LocalStack ");
    let [open, over] = ["--deadline 10m", "--deadline 15s"].map(|deadline| stack.submit(deadline));
    let submitted = Instant::now();
    for id in [&open, &over] {
        stack.row_when(id, "acme", |row| row["failed"] == "said nothing");
    }
    is_mended.store(true, Ordering::Relaxed);
    assert_eq!(stack.letters(PROVIDER_DEAD_LETTERS, 2).len(), 2);
    // The deadline passes, and the letters that were looked at show again.
    let shows = Duration::from_millis(5_200);
    std::thread::sleep(shows.max(Duration::from_secs(15).saturating_sub(submitted.elapsed())));
    stack.rydes("dlq replay --all").run().exits(0);
    stack.row_when(&open, "acme", |row| row["quote"] == 7);
    workers.until("duplicate", 1);
    stack.row_when(&over, "acme", |row| row["failed"] == "said nothing");
    assert_eq!(endpoint.seen("/").len(), 3, "what is over is not asked again");
    workers.stop();
}

#[test]
fn nothing_is_received_while_it_is_not_healthy() {
    let endpoint = Endpoint::start(|seen, before| match seen.path.as_str() {
        "/well" if before < 2 => status(503),
        _ => says("57"),
    });
    let stack = Stack::with_real(0, &["acme"]);
    let id = stack.submit("--deadline 60s");
    let options = format!("--http {} --health /well", endpoint.url("/rides"));
    let workers =
        stack.background(&format!("providers run acme -o jsonl --poll-wait 2s {options}"));
    workers.until("trouble", 1);
    assert_eq!((workers.count("received"), stack.in_flight("acme")), (0, 0));
    stack.row_when(&id, "acme", |row| row["quote"] == 57);
    assert_eq!(endpoint.seen("/well").len(), 3);
    let reason = &workers.events()[0]["reason"];
    assert_eq!((reason, workers.count("trouble-over")), (&"not healthy: HTTP 503".into(), 1));
    workers.stop();
    // A stop does not wait for it to be well.
    let down = Endpoint::start(|_, _| status(500));
    let options = format!("--http {} --health /", down.url("/rides"));
    let workers = stack.background(&format!("providers run acme -o jsonl {options}"));
    workers.until("trouble", 1);
    workers.stop();
}

#[test]
fn an_outage_uses_up_few_requests() {
    let stack = Stack::with_real(0, &["acme"]);
    let port = free_port();
    let options = format!("--http http://127.0.0.1:{port}/rides --health /well --concurrency 2");
    let run = format!("providers run acme -o jsonl --poll-wait 1s {options}");
    let server = Endpoint::at(port, |_, _| says("57"));
    let workers = stack.background(&run);
    let first = stack.submit("--deadline 60s");
    stack.row_when(&first, "acme", |row| row["quote"] == 57);
    server.close();
    let ids: Vec<_> = (0..12).map(|_| stack.submit("--deadline 2m")).collect();
    workers.until("trouble", 1);
    // Those in hand and those of a poll under way have their attempts; the others wait in the queue.
    wait_for("nothing in hand", || (stack.in_flight("acme") == 0).then_some(()));
    let received = workers.count("received") - 1;
    assert!((1..=6).contains(&received), "{received} of 12");
    let asked = workers.count("asked");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(workers.count("asked"), asked, "nothing is asked while it is away");
    let _server = Endpoint::at(port, |_, _| says("57"));
    for id in &ids {
        stack.row_when(id, "acme", |_| true);
    }
    let quoted = ids.iter().filter(|id| stack.rows(id).iter().any(|row| row["quote"] == 57));
    // One that was tried when the endpoint came back may have been quoted too.
    assert!((12 - received..=12).contains(&quoted.count()));
    assert_eq!(workers.count("trouble-over"), 1);
    workers.stop();
}

#[test]
fn headers_of_a_file_count_as_they_are_now() {
    let endpoint = Endpoint::start(|seen, _| match seen.headers.get("authorization") {
        Some(token) if token == "Bearer new" => says("57"),
        _ => status(503),
    });
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[(
        "acme",
        format!("http = \"{}\"\nheaders-file = \"acme.headers\"", endpoint.url("/")),
    )]);
    write(folder.path(), "acme.headers", "Authorization: Bearer old\nX-Shop: 7\n");
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 60s");
    workers.until("attempt", 1);
    write(folder.path(), "acme.headers", "Authorization: Bearer new\n");
    stack.row_when(&id, "acme", |row| row["quote"] == 57);
    let seen = endpoint.seen("/");
    assert_eq!(seen[0].headers["x-shop"], "7");
    let ran = workers.stop();
    assert!(!(ran.stdout + &ran.stderr).contains("Bearer"), "a secret is not printed");
}

#[test]
fn a_proxy_of_the_environment_is_for_endpoints_alone() {
    let proxy = Endpoint::start(|seen, _| match seen.path.as_str() {
        "http://quotes.example/rides" => says("57"),
        _ => status(502),
    });
    let stack = Stack::with_real(0, &["acme"]);
    let run = "providers run acme -o jsonl --poll-wait 2s --http http://quotes.example/rides";
    let run = stack.rydes(run).env("HTTP_PROXY", proxy.url("")).env("http_proxy", proxy.url(""));
    let workers = Background::start(run.env("NO_PROXY", "").env("no_proxy", ""));
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 20s");
    stack.row_when(&id, "acme", |row| row["quote"] == 57);
    assert_eq!(proxy.seen("http://quotes.example/rides").len(), 1);
    workers.stop();
}

#[test]
fn https_goes_by_the_certificates_of_the_system() {
    // The tests' AWS ends TLS with a certificate of its own; this is what it answers there.
    let aws = Aws::start();
    aws.sts_answers(200, "57");
    let asked = || {
        let asked = rydes("providers try --from A --to B --http");
        let asked = asked.arg("https://sts.eu-west-1.amazonaws.com/rides");
        let asked = asked.env("HTTPS_PROXY", &aws.url).env("https_proxy", &aws.url);
        asked.env("NO_PROXY", "").env("no_proxy", "")
    };
    let known = asked().env("SSL_CERT_FILE", authority()).run().exits(0);
    assert!(known.stdout.contains("\"quote\":57"), "{}", known.stdout);
    let unknown = asked().run().exits(8);
    assert!(
        unknown.stdout.contains("cannot connect: invalid peer certificate"),
        "{}",
        unknown.stdout
    );
}
