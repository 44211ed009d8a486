//! Connections: slow clients, and the end.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::http::{Server, post, raw};
use crate::support::proxy::{Proxy, ProxyFault};
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
        connection.shutdown(Shutdown::Write).expect("it is open");
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
    proxy.fail("PublishBatch", 1, ProxyFault::Delay(Duration::from_secs(3)));
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
    proxy.fail("BatchExecuteStatement", 1, ProxyFault::Delay(Duration::from_secs(1)));
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

#[test]
fn a_request_names_one_host() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let status = |head: &str| {
        let said = rest(raw(&server, &format!("GET /healthz {head}\r\nConnection: close\r\n\r\n")));
        said.get(9..12).expect("a status").to_owned()
    };
    for (head, wanted) in [
        ("HTTP/1.1", "400"),
        ("HTTP/1.1\r\nHost: localhost\r\nHost: localhost", "400"),
        ("HTTP/1.1\r\nHost: localhost\r\nhost: evil.example", "400"),
        ("HTTP/1.0\r\nHost: localhost\r\nHost: localhost", "400"),
        ("HTTP/1.0", "200"),
        ("HTTP/1.1\r\nHost: LOCALHOST:80", "200"),
        ("HTTP/1.1\r\nHost: evil.example", "421"),
    ] {
        assert_eq!(status(head), wanted, "{head}");
    }
    let proxied =
        "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(rest(raw(&server, proxied)).starts_with("HTTP/1.1 421"));
}

#[test]
fn beyond_this_machine_it_answers_to_addresses_and_the_names_it_was_given() {
    let stack = Stack::set_up(1);
    let serve = |options: &str| {
        let serve = format!("serve --listen 0.0.0.0:0 --output jsonl{options}");
        Server::start(stack.rydes(&serve))
    };
    let (plain, named) = (serve(""), serve(" --host Rides.Example --host other"));
    let body = r#"{"from": "A", "to": "B"}"#;
    // A page whose name was made to lead here names itself in both.
    let ask = |server: &Server, host: &str, origin: &str| {
        let url = format!("{}/submit-instant-ride-rfq", server.url);
        let answer = post(&url, body, &[("Host", host), ("Origin", origin)]);
        if answer.status != 201 {
            assert!(answer.body.contains("--host NAME"), "{answer:?}");
        }
        answer.status
    };
    for server in [&plain, &named] {
        assert_eq!(ask(server, "evil.example:8080", "http://evil.example:8080"), 421);
        assert_eq!(ask(server, "localhost", "http://localhost"), 421);
        assert_eq!(ask(server, "192.168.0.7:8080", "http://192.168.0.7:8080"), 201);
    }
    assert_eq!(ask(&plain, "rides.example", "http://rides.example"), 421);
    assert_eq!(ask(&named, "RIDES.example:443", "https://rides.example"), 201);
    assert_eq!(ask(&named, "other:8080", "http://other:8080"), 201);
    assert_eq!(ask(&named, "127.0.0.1", "https://rides.example"), 201);
    assert_eq!(ask(&named, "127.0.0.1", "http://rides.example:8080"), 403);
    assert_eq!(stack.depth(&provider(1)), 5);
    let refused = stack.rydes("serve --host http://rides.example").run().exits(2);
    assert!(refused.stderr.contains("a name without scheme and port"), "{}", refused.stderr);
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    let closed = |text: &str| {
        let connection = raw(&server, text);
        connection.shutdown(Shutdown::Write).expect("it is open");
        connection
    };
    let body = r#"{"from": "A", "to": "B"}"#;
    for operation in ["BatchExecuteStatement", "Query"] {
        proxy.fail(operation, 1, ProxyFault::Delay(Duration::from_secs(1)));
    }
    let submitted = closed(&format!(
        "POST /submit-instant-ride-rfq HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let read =
        closed(&format!("GET /query-instant-ride-rfq/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let followed = closed(&format!("GET /rfqs/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(rest(submitted).starts_with("HTTP/1.1 201"));
    assert!(rest(read).starts_with("HTTP/1.1 200"));
    stack.rydes("close").arg(&id).run().exits(0);
    let events = rest(followed);
    assert!(events.starts_with("HTTP/1.1 200") && events.contains("event: end"), "{events}");
    assert!(events.contains("\nx-accel-buffering: no\r"), "{events}");
}
