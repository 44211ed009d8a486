//! The changes of an RFQ as they come.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{Stream, get};
use crate::support::proxy::{Proxy, ProxyFault, ServiceError};
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::{eventually, wait_for};

fn reply(id: &str, number: usize, quote: u32) -> String {
    json!({"responder": provider(number), "rfq-id": id, "quote": quote}).to_string()
}

#[test]
fn a_stream_tells_each_change_and_ends_with_the_final_state() {
    let stack = Stack::set_up(3);
    let server = stack.serve();
    let consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    // Without an answer for 3 s, what the queues hold would be a change too.
    consumer.says("response consumer");
    let id = server.submit(r#", "deadline": "60s""#);
    let stream = server.follow(&id, "");
    let first = stream.until("change", |_| true);
    assert_eq!((&first["answered"], &first["status"]), (&json!(0), &json!("gathering")));
    assert_eq!(first["truth"], json!(["0 of 3 answered"]));
    assert_eq!(first["table"][0]["note"], "waiting");
    let shown = json!({"from": "Frankfurt", "to": "Rome", "customer": "cmr"});
    assert_eq!(first["shown"], shown);
    for (answered, quote) in [(1, 40), (2, 100), (3, 30)] {
        stack.send(RESPONSES, &reply(&id, answered, quote));
        let name = if answered == 3 { "end" } else { "change" };
        let state = stream.until(name, |state| state["answered"] == answered);
        let quotes = state["quotes"].as_array().expect("a list").len();
        assert_eq!(quotes, answered);
    }
    stream.ends();
    assert_eq!(stream.names(), ["clock", "change", "change", "change", "end"]);
    let end = &stream.all("end")[0];
    assert_eq!(
        end["best"],
        json!({"responder": provider(3), "quote": 30, "by": "price", "value": 30})
    );
    assert_eq!(end["truth"], json!(["complete: 3 of 3 answered (3 quotes)"]));
    let prices: Vec<_> = (0..3).map(|place| end["table"][place]["quote"].clone()).collect();
    assert_eq!(prices, ["30", "40", "100"], "as prices, not as texts");
    assert_eq!(end["timeline"]["providers"][2]["best"], true);
    // Every field of the full document is there, and says the same.
    for (name, value) in stack.quotes(&id).as_object().expect("an object") {
        assert_eq!(end[name], *value, "{name}");
    }
    // Whoever comes late sees the end at once; whoever has seen it need not come back.
    let late = server.follow(&id, "");
    late.ends();
    assert_eq!(late.names(), ["clock", "end"]);
    let again = ureq::get(format!("{}/rfqs/{id}/events", server.url));
    let again = again.header("Last-Event-ID", "end").call().expect("it answers");
    assert_eq!(again.status().as_u16(), 204);
}

#[test]
fn a_stream_without_news_has_beats() {
    let stack = Stack::set_up(2);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m""#);
    // Without any answer, what the queues hold would be news.
    stack.put(&json!({"id": id, "responder": provider(1), "quote": 4}));
    let stream = server.follow(&id, "");
    stream.until("change", |_| true);
    wait_for("two beats", || (stream.all("beat").len() == 2).then_some(()));
    assert_eq!(stream.all("beat"), [json!({}), json!({})]);
    assert_eq!(stream.names(), ["clock", "change"], "nothing else came");
}

#[test]
fn the_page_is_told_names_that_are_safe_to_be_seen() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let (city, customer) =
        ("\u{645}\u{6cc}\u{200c}\u{62e}", "Uni\u{200c}corn \u{1f468}\u{200d}\u{1f467}");
    let body = json!({"from": city, "to": "B\u{ad}", "customer": customer, "rfq-id": "names"});
    assert_eq!(server.post(&body.to_string()).status, 201);
    let state = server.follow("names", "").until("change", |_| true);
    assert_eq!((&state["from"], &state["customer"]), (&json!(city), &json!(customer)));
    let customer = r"Uni\u{200c}corn ".to_owned() + "\u{1f468}\u{200d}\u{1f467}";
    assert_eq!(state["shown"], json!({"from": city, "to": r"B\u{ad}", "customer": customer}));
}

#[test]
fn a_deadline_ends_it_and_a_linger_waits_for_late_answers() {
    let stack = Stack::set_up(2);
    let server = stack.serve();
    let _consumer = stack.background("consumer run --output jsonl --poll-wait 2s");
    let id = server.submit(r#", "deadline": "8s""#);
    stack.send(RESPONSES, &reply(&id, 1, 50));
    let (brief, patient) = (server.follow(&id, ""), server.follow(&id, "?linger=60s"));
    let end = brief.until("end", |_| true);
    brief.ends();
    assert_eq!((&end["status"], &end["completed-by"]), (&json!("expired"), &json!("deadline")));
    assert_eq!(end["providers"][1]["state"], "missing");
    assert!(patient.all("end").is_empty());
    stack.send(RESPONSES, &reply(&id, 2, 7));
    // Everybody has answered by now, so nothing more is waited for.
    let end = patient.until("end", |_| true);
    patient.ends();
    assert_eq!(end["providers"][1]["state"], "late");
    assert_eq!(end["regret"]["quote"], 7);
    let truth = end["truth"].as_array().expect("sentences");
    assert!(
        truth.iter().any(|line| line.as_str().is_some_and(|l| l.contains("beaten"))),
        "{truth:?}"
    );
}

#[test]
fn many_who_follow_one_rfq_share_one_poller_which_ends_with_the_last_of_them() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    let all_told = |streams: &[Stream]| {
        for stream in streams {
            stream.until("change", |_| true);
        }
        proxy.count("Query")
    };
    let mut streams = vec![server.follow(&id, "")];
    // By then its pauses have grown.
    let before = all_told(&streams);
    proxy.until("Query", before + 5);
    streams.extend((0..40).map(|_| server.follow(&id, "")));
    all_told(&streams);
    let began = Instant::now();
    let before = proxy.count("Query");
    proxy.until("Query", before + 3);
    // Two such pauses at least; a second poller would halve them.
    assert!(began.elapsed() >= Duration::from_secs(2), "three reads in {:?}", began.elapsed());
    // Forty go away, one of them stays.
    streams.truncate(1);
    let before = proxy.count("Query");
    proxy.until("Query", before + 1);
    drop(streams);
    // A read that is under way may still be counted.
    let mut last = proxy.count("Query");
    let is_quiet = eventually(Duration::from_secs(15), || {
        std::thread::sleep(Duration::from_secs(3));
        let before = std::mem::replace(&mut last, proxy.count("Query"));
        before == last
    });
    assert!(is_quiet, "nobody follows it any more, and it is still read");
    // It begins again for the next.
    let stream = server.follow(&id, "");
    stream.until("change", |_| true);
    proxy.until("Query", last + 1);
}

#[test]
fn a_read_that_fails_is_told_and_tried_again() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit(r#", "deadline": "10m""#);
    let stream = server.follow(&id, "");
    stream.until("change", |_| true);
    proxy.fail("Query", 1_000, ProxyFault::Error(ServiceError::Unavailable));
    let trouble = stream.until("trouble", |_| true);
    assert!(trouble["error"].as_str().is_some_and(|error| error.contains("reading the table")));
    // Who comes now is told to come later.
    let refused = get(&format!("{}/query-instant-ride-rfq/{id}", server.url));
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    proxy.heal();
    stream.until("trouble", |trouble| trouble["error"].is_null());
    stack.rydes("close").arg(&id).run().exits(0);
    let end = stream.until("end", |_| true);
    assert_eq!(end["status"], "closed");
    server.process.says("trouble: reading: reading the table failed");
    server.process.says("over: reading works again");
}

#[test]
fn an_rfq_that_goes_away_ends_its_stream() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let stream = server.follow(&id, "");
    stream.until("change", |_| true);
    stack.delete_table();
    let trouble = stream.until("trouble", |_| true);
    assert!(
        trouble["error"].as_str().is_some_and(|error| error.contains("not set up")),
        "{trouble}"
    );
    stream.ends();
    assert!(stream.all("end").is_empty(), "this was not its end");
    wait_for("the next is refused", || {
        (get(&format!("{}/rfqs/{id}/events", server.url)).status == 503).then_some(())
    });
}

#[test]
fn an_rfq_without_a_deadline_is_followed_for_a_while_and_its_end_is_not_made_up() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    // As the original's function writes it.
    stack.put(&json!({"id": "old", "responder": "-", "from": "A", "to": "B", "customer": "c"}));
    let stream = server.follow("old", "");
    stream.until("change", |state| state["deadline"].is_null());
    stack.put(&json!({"id": "old", "responder": provider(1), "quote": 7}));
    stream.until("change", |state| state["best"]["quote"] == 7);
    stream.ends();
    assert_eq!(stream.names(), ["clock", "change", "change"], "it may go on");
}
