//! `/metrics`: what it counts, that its labels are bounded, who may read it, and that its document is true.

mod scrape;
mod served;

use std::collections::BTreeSet;
use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::background::Background;
use crate::support::http::get;
use crate::support::languages::prometheus;
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::{PATIENCE, json, rydes, wait_for};
use scrape::{Scrape, url};

const OPERATE: &str = include_str!("../../../docs/operate.md");

/// Scrapes until something holds.
#[track_caller]
fn until(url: &str, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    // Its parser may have to be installed first, which is not waited for here.
    prometheus();
    wait_for(what, || Some(Scrape::of(url)).filter(&holds))
}

fn gathered(scrape: &Scrape) -> u64 {
    scrape.count("rydes_replies_gathered_total", &[])
}

/// Ends the workers; returns the JSON of their summary.
fn summary(workers: Background) -> Value {
    json(&workers.stop().stdout)
}

#[test]
fn the_figures_are_those_of_the_summary() {
    let stack = Stack::set_up(5);
    let workers = stack.background(
        "providers run --metrics 127.0.0.1:0 --output json --poll-wait 5s --behavior steady \
         --fault UnicornManagementResource2=decline:no --fault UnicornManagementResource3=error \
         --fault UnicornManagementResource4=silent --fault UnicornManagementResource5=duplicate",
    );
    let url = url(&workers);
    let begin = Scrape::of(&url);
    assert_eq!(begin.count("rydes_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
    stack.rydes("submit --from Frankfurt --to Rome --count 4 --deadline 60s").run().exits(0);
    // The second reply of the last provider is a duplicate.
    let settled = |scrape: &Scrape| {
        let deleted = scrape.count("rydes_requests_in_hand", &[]) == 0;
        let letters = scrape.count("rydes_dead_letters_total", &[]);
        gathered(scrape) == 24 && deleted && letters == 4
    };
    until(&url, "all is gathered", settled);
    // Deletes wait a second for others.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let scrape = Scrape::of(&url);
    let summary = summary(workers);

    let total = |name: &str, labels: &[(&str, &str)]| Some(scrape.count(name, labels));
    let said = |name: &str| summary[name].as_u64();
    assert_eq!(total("rydes_requests_received_total", &[("delivery", "first")]), said("received"));
    assert_eq!(total("rydes_requests_received_total", &[("delivery", "again")]), Some(0));
    for (kind, name) in
        [("quote", "quoted"), ("declined", "declined"), ("failed", "failed"), ("silent", "silent")]
    {
        assert_eq!(total("rydes_replies_sent_total", &[("kind", kind)]), said(name), "{kind}");
        assert!(said(name) > Some(0), "{kind}");
        let new = total("rydes_replies_gathered_total", &[("kind", kind), ("how", "first")]);
        assert_eq!(new, said(name), "{kind}");
    }
    let how = |how| scrape.count("rydes_replies_gathered_total", &[("how", how)]);
    assert_eq!(Some(how("first") + how("replacing")), said("gathered"));
    assert_eq!(Some(how("duplicate")), said("duplicates"));
    assert_eq!(how("duplicate"), 4, "the other answers of the faulty provider");
    assert_eq!(total("rydes_replies_refused_total", &[]), said("refused"));
    assert_eq!(total("rydes_replies_late_total", &[]), said("late"));
    // Each of the four failures is the fifth attempt.
    assert_eq!(total("rydes_attempts_failed_total", &[]), Some(16));
    let answers: Option<u64> = ["quoted", "declined", "failed"].map(said).into_iter().sum();
    assert_eq!(total("rydes_answer_duration_seconds_count", &[]), answers);
    assert_eq!(total("rydes_gather_duration_seconds_count", &[]), Some(24));
    let third = provider(3);
    let seconds = |name| scrape.sum(name, &[("provider", third.as_str())]);
    assert!(seconds("rydes_answer_duration_seconds_sum") > 4.0, "four failures take a second each");

    let requests = summary["requests"]["by-operation"].as_object().expect("an object");
    assert!(requests.len() > 5, "{requests:?}");
    for (operation, count) in requests {
        let counted = scrape.count("rydes_aws_requests_total", &[("operation", operation)]);
        let of_durations = &[("operation", operation.as_str())];
        assert_eq!(scrape.count("rydes_aws_request_duration_seconds_count", of_durations), counted);
        let count = count.as_u64().expect("a count");
        if operation == "sqs.ReceiveMessage" {
            // Polls were under way during the scrape.
            assert!(counted > 0 && counted <= count && count - counted <= 24, "{counted} {count}");
        } else {
            assert_eq!(counted, count, "{operation}");
        }
    }
    assert_eq!(
        scrape.count("rydes_aws_requests_total", &[("outcome", "ok")]),
        scrape.count("rydes_aws_requests_total", &[])
    );
}

#[test]
fn hostile_replies_add_no_series() {
    const GOOD: usize = 2_000;
    let stack = Stack::set_up(1);
    let consumer = stack.background("consumer run --metrics 127.0.0.1:0 --poll-wait 2s");
    let url = url(&consumer);
    let reply = |number: usize, responder: &str| {
        let responder = serde_json::to_string(&format!("{responder}{number}")).expect("a text");
        format!(r#"{{"responder": {responder}, "rfq-id": "r{}", "quote": 1}}"#, number % 50)
    };
    let names = ["\"} 1 #", "a\\\"b{", "Zürich 東京 🦄", "le=\"+Inf\"", "\\n", "# TYPE "];
    // One of each kind lets the requests that these need appear.
    stack.send_all(RESPONSES, vec![reply(0, "good"), "no JSON".to_owned()]);
    let counts = |good: u64, bad: u64| {
        move |scrape: &Scrape| {
            let refused = scrape.count("rydes_replies_refused_total", &[]);
            let deletes = [("operation", "sqs.DeleteMessageBatch")];
            let has_more = scrape.count("rydes_aws_requests_total", &deletes) > 0;
            gathered(scrape) >= good && refused >= bad && has_more
        }
    };
    let before = until(&url, "the first two", counts(1, 1));
    let good = (0..GOOD).map(|number| reply(number, names[number % names.len()]));
    let bad = ["line\nbreak", "\u{202e}", "\u{0}"].iter();
    let bad = bad.enumerate().map(|(number, name)| reply(number, name));
    stack.send_all(RESPONSES, good.chain(bad).collect());
    let all = 1 + u64::try_from(GOOD).expect("a few");
    let after = until(&url, "all of them", counts(all, 4));
    assert_eq!(after.count("rydes_replies_refused_total", &[]), 4);
    assert_eq!(after.count("rydes_dead_letters_total", &[]), 4);
    let added: Vec<_> = after.series().difference(&before.series()).cloned().collect();
    // A delivery that comes twice changes nothing, but may have needed another operation.
    let added: Vec<_> = added.iter().filter(|(name, _)| !name.starts_with("rydes_aws_")).collect();
    assert!(added.is_empty(), "{} of them: {:?}", added.len(), added.first());
    assert!(after.series().len() < 300, "{}", after.series().len());
    consumer.stop();
}

#[test]
fn a_drain_can_be_watched() {
    // To install the parser may take longer than the request is in hand.
    prometheus();
    let stack = Stack::set_up(1);
    let workers = stack.background(
        "providers run --metrics 127.0.0.1:0 --output json --poll-wait 1s --behavior steady \
         --fault slow:20s",
    );
    let url = url(&workers);
    stack.submit("--deadline 60s");
    let in_hand = |scrape: &Scrape| scrape.count("rydes_requests_in_hand", &[]) == 1;
    until(&url, "a request is in hand", in_hand);
    workers.signal(Signal::TERM);
    workers.says("stopping:");
    assert!(in_hand(&Scrape::of(&url)), "it is still in hand");
    let health = get(&url.replace("/metrics", "/healthz"));
    assert_eq!((health.status, health.body.as_str()), (200, r#"{"status":"up"}"#));
    let ran = workers.ends(PATIENCE).exits(0);
    assert_eq!(json(&ran.stdout)["gathered"], 1, "{ran:?}");
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let again = std::net::TcpStream::connect(address.expect("an address"));
    assert!(again.is_err(), "it ended with the workers");
}

#[test]
fn an_address_that_cannot_be_had_ends_the_run_before_it_begins() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = taken.local_addr().expect("it has one");
    for command in ["providers run", "consumer run"] {
        // Nothing answers at the endpoint: that would be found out next.
        let run = |metrics: &str| {
            rydes(&format!("--endpoint-url http://127.0.0.1:1 {command} --metrics {metrics}")).run()
        };
        let ran = run(&at.to_string()).exits(1);
        assert!(ran.stderr.contains(&format!("cannot listen at {at}")), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: another port: --metrics 127.0.0.1:0"), "{}", ran.stderr);
        let ran = run("nonsense").exits(2);
        assert!(
            ran.stderr.contains("`--metrics nonsense`: an address and a port"),
            "{}",
            ran.stderr
        );
        run("127.0.0.1:0").exits(6);
    }
}

/// The words in a text that begin with `rydes_`.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_of_name(c));
    words.filter(|word| word.starts_with("rydes_")).map(str::to_owned).collect()
}

#[test]
fn the_document_names_what_the_program_has_and_each_name_keeps_the_rules() {
    let stack = Stack::set_up(1);
    stack.rydes("providers add acme").run().exits(0);
    let real = stack.background(
        "providers run acme --metrics 127.0.0.1:0 --poll-wait 1s --no-consumer -- /bin/echo 57",
    );
    let all = stack.background("providers run --metrics 127.0.0.1:0 --poll-wait 1s");
    let server = stack.serve();
    server.submit("");
    let scrapes = [
        until(&url(&real), "the program is asked", |scrape| {
            scrape.count("rydes_attempts_total", &[("provider", "acme")]) == 1
        }),
        Scrape::of(&url(&all)),
        Scrape::read(&server.get("/metrics")),
    ];
    let names: BTreeSet<_> = scrapes.iter().flat_map(Scrape::names).collect();
    let (_, rest) = OPERATE.split_once("\n## What to measure\n").expect("the section is there");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let parts = ["_bucket", "_sum", "_count"];
    let whole = |name: &String| {
        parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
    };
    let documented: BTreeSet<_> = named(section).iter().map(whole).collect();
    assert_eq!(documented, names);
    for family in scrapes.iter().flat_map(|scrape| &scrape.0) {
        let name = family.queried();
        let row = section.lines().find(|line| line.starts_with(&format!("| `{name}` ")));
        let row = row.unwrap_or_else(|| panic!("no row of {name}"));
        for (_, labels, _) in &family.samples {
            let unnamed =
                labels.keys().find(|label| *label != "le" && !row.contains(&format!("`{label}`")));
            assert_eq!(unnamed, None, "{name}: {row}");
        }
        keeps_the_rules(family);
    }
    assert!(names.len() >= 18, "{names:?}");
}

/// The rules of <https://prometheus.io/docs/practices/naming/>.
fn keeps_the_rules(family: &scrape::Family) {
    let (name, kind) = (family.queried(), family.kind.as_str());
    assert!(!family.help.is_empty(), "{name}");
    match kind {
        "counter" => {}
        "gauge" => assert!(!name.ends_with("_total"), "{name}"),
        "histogram" => {
            assert!(name.ends_with("_seconds"), "{name} is in a base unit");
            let infinite =
                |labels: &scrape::Labels| labels.get("le").is_some_and(|le| le == "+Inf");
            let ends = family.samples.iter().filter(|(_, labels, _)| infinite(labels)).count();
            let all = family.samples.iter().filter(|(name, ..)| name.ends_with("_count")).count();
            assert!(all > 0 && ends == all, "{name}");
        }
        other => panic!("{name} is a {other}"),
    }
    for unit in ["_ms", "_millis", "_minutes", "_hours", "_kb", "_percent"] {
        assert!(!name.contains(unit), "{name}");
    }
}
