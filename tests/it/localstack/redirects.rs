//! Where a redirect leads, nothing is asked.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::thread;

use super::up;
use crate::support::rydes;

#[test]
fn no_redirect_of_a_health_probe_is_followed() {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = |of: &TcpListener| of.local_addr().expect("it has an address").port();
    let (here, elsewhere) = (listen(), listen());
    let (port, location) = (port(&here), format!("http://127.0.0.1:{}/", port(&elsewhere)));
    thread::spawn(move || {
        for stream in here.incoming() {
            let mut stream = BufReader::new(stream.expect("it connects"));
            let mut head = String::new();
            while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n");
            let end = "Connection: close\r\nContent-Length: 0\r\n\r\n";
            // A client that only probed the port has gone.
            _ = write!(stream.get_mut(), "{answer}{end}");
        }
    });

    let refused = up(port).run().exits(1);
    let told = format!("port {port} is taken by something that is not LocalStack\n");
    assert!(refused.stderr.contains(&told), "{}", refused.stderr);
    assert!(refused.stderr.contains("it answers HTTP 302"), "{}", refused.stderr);
    let status = rydes(&format!("status --endpoint-url http://127.0.0.1:{port}")).run();
    assert_ne!(status.code, Some(0), "{}", status.stderr);

    elsewhere.set_nonblocking(true).expect("it can be");
    let asked = elsewhere.accept().map(drop).expect_err("nothing connects");
    assert_eq!(asked.kind(), ErrorKind::WouldBlock);
}
