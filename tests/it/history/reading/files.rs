//! `rydes report` and what it reads, through the program.

use std::fs;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::background::signal;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::{PATIENCE, Rydes, ends_within, rydes, says};

/// An RFQ of the past with a quote.
fn rows() -> [Value; 2] {
    let time = |second: u8| json!({"S": format!("2026-01-31T12:00:{second:02}.000Z")});
    let text = |text: &str| json!({"S": text});
    [
        json!({"id": text("one"), "responder": text("-"), "from": text("A"), "to": text("B"),
               "customer": text("c"), "submitted-at": time(0), "deadline": time(2),
               "expected": {"L": [text("a")]}, "until": {"L": [text("all")]}}),
        json!({"id": text("one"), "responder": text("a"), "quote": {"N": "7"}, "sent-at": time(1),
               "gathered-at": time(50)}),
    ]
}

fn lines() -> String {
    rows().iter().map(|row| json!({"Item": row}).to_string() + "\n").collect()
}

/// A report without an endpoint.
fn report(options: &str) -> Rydes {
    rydes(&format!("report {options}")).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
}

#[test]
fn files_are_read_without_an_endpoint() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("rows");
    fs::write(&file, lines()).expect("it is written");
    let from_file = report("-o json --file").arg(&file).run().exits(0).stdout;
    let stdin = fs::File::open(&file).expect("it is there");
    assert_eq!(report("-o json --file -").stdin(stdin).run().exits(0).stdout, from_file);
    fs::write(&file, lines() + "{}\n").expect("it is written");
    let bad = report("--file").arg(&file).run().exits(2);
    says(&bad, "line 3, is not a row");
    assert_eq!(bad.stdout, "", "nothing is reported");
    says(&report("--file /no/such/file").run().exits(2), "cannot read /no/such/file");
    says(&report("--file - -").run().exits(2), "can be given once");
}

#[test]
fn a_period_without_time_is_refused_before_anything_is_read() {
    for (since, before) in [("1h", "2d"), ("2026-02-01", "2026-01-31")] {
        let options = format!("--since {since} --before {before} --file /no/such/file");
        says(&report(&options).run().exits(2), "`--since` is not before `--before`");
    }
    says(&report("--since yesterday").run().exits(2), "2026-01-31");
}

#[test]
fn a_signal_ends_the_wait_for_stdin() {
    let mut child = report("--file -").piped().start();
    let mut stdin = child.stdin.take().expect("it is piped");
    // More than a pipe holds, so that it reads by then.
    stdin.write_all(lines().repeat(1_000).as_bytes()).expect("it takes the rows");
    thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    assert!(ends_within(&mut child, PATIENCE));
    assert_eq!(child.wait().expect("it has ended").code(), Some(130));
}

#[test]
fn a_table_is_read_once_and_only_when_its_size_is_confirmed() {
    let stack = Stack::set_up(0);
    for row in rows() {
        let fields = row.as_object().expect("an object").iter().map(|(name, value)| {
            let plain = match (&value["S"], &value["L"], &value["N"]) {
                (Value::String(text), ..) => json!(text),
                (_, Value::Array(all), _) => all.iter().map(|one| one["S"].clone()).collect(),
                (.., number) => json!(number.as_str().and_then(|n| n.parse::<u64>().ok())),
            };
            (name.clone(), plain)
        });
        stack.put(&Value::Object(fields.collect()));
    }
    let proxy = Proxy::start();
    let of_table = |options: &str| {
        stack.rydes(&format!("report {options}")).env("AWS_ENDPOINT_URL", &proxy.url).run()
    };
    says(&of_table("--ask-above 10").exits(2), "nothing was read: confirm with `--yes`");
    assert_eq!(proxy.count("Scan"), 0);
    says(&of_table("--ask-above 10 --yes").exits(0), "reads about ");
    let seen = proxy.seen();
    let others = ["DescribeTable", "Scan"];
    assert!(seen.iter().all(|seen| seen.starts_with('/') || others.contains(&&**seen)), "{seen:?}");
}
