//! Connections: slow clients, and the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::http::raw;
use crate::support::proxy::{Fault, Proxy};
use crate::support::stack::{Stack, provider};

/// All that comes until the server closes.
fn rest(mut connection: TcpStream) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("the server closes it");
    text
}

#[test]
fn slow_clients_are_let_go() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let began = Instant::now();
    let idle = raw(&server, "");
    let half_a_head = raw(&server, "POST /submit-instant-ride-rfq HTTP/1.1\r\nHost: localhost\r\n");
    let half_a_body = raw(
        &server,
        "POST /submit-instant-ride-rfq HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n{",
    );
    let kept = raw(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(rest(half_a_body).starts_with("HTTP/1.1 408"));
    for silent in [idle, half_a_head] {
        let said = rest(silent);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    assert!(rest(kept).starts_with("HTTP/1.1 200"), "answered, then let go");
    assert!(began.elapsed() > Duration::from_secs(5), "but not at once");
    assert_eq!(stack.depth(&provider(1)), 0);
    // A head without end is refused rather than held.
    let mut endless = raw(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    let padding = format!("X: {}\r\n", "x".repeat(1_000));
    let refused = (0..200).any(|_| endless.write_all(padding.as_bytes()).is_err());
    let mut answer = String::new();
    let read = endless.read_to_string(&mut answer);
    assert!(refused || read.is_err() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[test]
fn what_is_no_http_ends_its_connection_alone() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    for text in
        ["\u{16}\u{3}\u{1}", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n\0\0\0\0"]
    {
        let connection = raw(&server, text);
        connection.shutdown(std::net::Shutdown::Write).expect("it is open");
        rest(connection);
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_stop_finishes_what_is_open() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let followed = server.submit(r#", "deadline": "10m""#);
    let stream = server.follow(&followed, "");
    stream.until("change", |_| true);
    let idle = raw(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    proxy.fail("PublishBatch", 1, Fault::Delay(Duration::from_secs(3)));
    let published = proxy.count("PublishBatch");
    std::thread::scope(|scope| {
        let (url, address) = (server.url.clone(), server.address().to_owned());
        let submitted = scope.spawn(move || {
            let url = format!("{url}/submit-instant-ride-rfq");
            crate::support::http::post(&url, r#"{"from": "A", "to": "B"}"#, &[])
        });
        crate::support::wait_for("it is under way", || {
            (proxy.count("PublishBatch") > published).then_some(())
        });
        server.process.signal(Signal::TERM);
        stream.ends();
        assert!(stream.all("end").is_empty(), "whoever follows it comes back");
        rest(idle);
        assert!(TcpStream::connect(address).is_err(), "no new connection is taken");
        assert_eq!(submitted.join().expect("it answers").status, 201);
    });
    let ran = server.process.ends(PATIENCE).exits(0);
    assert!(ran.stderr.contains("2 RFQs submitted"), "{}", ran.stderr);
    assert_eq!(stack.letters(&provider(1), 2).len(), 2);
}

#[test]
fn a_client_that_goes_away_breaks_no_submission_off() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    server.submit("");
    proxy.fail("BatchExecuteStatement", 1, Fault::Delay(Duration::from_secs(1)));
    let rows = proxy.count("BatchExecuteStatement");
    let body = r#"{"from": "A", "to": "B", "rfq-id": "left"}"#;
    let gone = raw(
        &server,
        &format!(
            "POST /submit-instant-ride-rfq HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    crate::support::wait_for("it is under way", || {
        (proxy.count("BatchExecuteStatement") > rows).then_some(())
    });
    drop(gone);
    // Not even a stop, when no connection is open any more.
    server.process.signal(Signal::TERM);
    let ran = server.process.ends(PATIENCE).exits(0);
    assert!(ran.stderr.contains("2 RFQs submitted"), "{}", ran.stderr);
    stack.row_when("left", "-", |_| true);
    assert_eq!(stack.letters(&provider(1), 2).len(), 2, "it was published all the same");
}
