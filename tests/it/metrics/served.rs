//! `GET /metrics` of the server: routes, submissions, streams, and the names that it answers to.

use super::scrape::{Scrape, url};
use super::until;
use crate::support::http::{Server, get_as};
use crate::support::stack::Stack;
use crate::support::wait_for;

#[test]
fn the_server_counts_by_route_and_not_by_path() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let metrics = format!("{}/metrics", server.url);
    let first = server.submit("");
    server.submit("");
    assert_eq!(server.post("{}").status, 400);
    // One of each lets its series appear.
    server.get("/healthz");
    server.get("/nothing");
    server.get(&format!("/query-instant-ride-rfq/{first}"));
    server.get("/query-instant-ride-rfq/unknown");
    Scrape::of(&metrics);
    let before = Scrape::of(&metrics);
    for number in 0..200 {
        assert_eq!(server.get(&format!("/query-instant-ride-rfq/x{number}")).status, 404);
        assert_eq!(server.get(&format!("/nothing/%22%7D/{number}?x=%22")).status, 404);
    }
    server.get(&format!("/Prod/query-instant-ride-rfq/{first}/"));
    let after = Scrape::of(&metrics);
    assert_eq!(after.series(), before.series());
    let answered = |route: &str, status: &str| {
        after.count("rydes_http_requests_total", &[("route", route), ("status", status)])
    };
    assert_eq!(answered("/submit-instant-ride-rfq", "201"), 2);
    assert_eq!(answered("/submit-instant-ride-rfq", "400"), 1);
    assert_eq!(answered("/query-instant-ride-rfq/{id}", "200"), 2);
    assert_eq!(answered("/query-instant-ride-rfq/{id}", "404"), 201);
    assert_eq!(answered("other", "404"), 201);
    assert_eq!(after.count("rydes_submissions_total", &[]), 2);
    let timed = [("route", "/query-instant-ride-rfq/{id}")];
    assert_eq!(after.count("rydes_http_request_duration_seconds_count", &timed), 203);
    let publishes = after.count("rydes_aws_requests_total", &[("operation", "sns.PublishBatch")]);
    assert!(publishes > 0, "its requests to AWS are counted");

    let streams = |scrape: &Scrape| scrape.count("rydes_event_streams_open", &[]);
    assert_eq!(streams(&after), 0);
    let stream = server.follow(&first, "");
    until(&metrics, "a stream is open", |scrape| streams(scrape) == 1);
    drop(stream);
    until(&metrics, "it is closed", |scrape| streams(scrape) == 0);
}

#[test]
fn a_scraper_may_use_any_name_beyond_loopback_alone() {
    let stack = Stack::set_up(1);
    let status = |url: &str, host: &str| get_as(url, host).status;
    let here = stack.serve();
    let listen = "serve --listen 0.0.0.0:0 --output jsonl";
    let beyond = Server::start(stack.rydes(listen));
    let port = beyond.url.rsplit(':').next().expect("a port");
    let beyond = format!("http://127.0.0.1:{port}");
    for (host, wanted) in [("localhost", 200), ("127.0.0.1:1", 200), ("rydes.example:9464", 421)] {
        assert_eq!(status(&format!("{}/metrics", here.url), host), wanted, "{host}");
    }
    assert_eq!(status(&format!("{beyond}/metrics"), "rydes.example:9464"), 200);
    assert_eq!(status(&format!("{beyond}/about"), "rydes.example:9464"), 421);

    let workers = stack.background("consumer run --metrics :0 --poll-wait 1s");
    wait_for("it warns", || workers.said("no authentication: anyone who can reach").then_some(()));
    let shown = url(&workers);
    assert!(shown.starts_with("http://0.0.0.0:"), "{shown}");
    let reached = shown.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(status(&reached, "rydes.example"), 200);
    assert_eq!(status(&reached.replace("metrics", "other"), "127.0.0.1"), 404);
    let private = stack.background("consumer run --metrics 127.0.0.1:0 --poll-wait 1s");
    assert_eq!(status(&url(&private), "rydes.example"), 421);
    assert_eq!(status(&url(&private), "localhost:9464"), 200);
    assert!(!private.said("no authentication"));
}
