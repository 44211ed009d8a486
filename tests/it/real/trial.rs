//! `providers try`.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;

use insta::assert_snapshot;
use rydes::core::Timestamp;
use tempfile::TempDir;

use super::write;
use crate::schemas::conforms;
use crate::support::endpoint::{Endpoint, Reaction, says};
use crate::support::{Ran, Rydes, json, rydes};

const REQUEST: &str = r#"{"rfq-id": "78c371f6", "from": "Oslo", "to": "Rome", "customer": "cmr"}"#;

/// What is printed, without what differs each time.
fn shown(ran: &Ran) -> String {
    let all = format!("exit {}\n{}{}", ran.code.unwrap_or(-1), ran.stdout, ran.stderr);
    let parts =
        all.split('"').map(|part| if Timestamp::parse(part).is_some() { "TIME" } else { part });
    let text = parts.collect::<Vec<_>>().join("\"");
    let words = text.split(' ').map(|word| if word.parse::<u32>().is_ok() { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn tried(arguments: &[&str]) -> Ran {
    let folder = TempDir::new().expect("a temporary folder");
    write(folder.path(), "request", REQUEST);
    let request = File::open(folder.path().join("request")).expect("it is there");
    let all = rydes("providers try").stdin(request);
    arguments.iter().fold(all, Rydes::arg).run()
}

#[test]
fn a_program_is_asked_once_and_its_reply_shown() {
    let quote = tried(&["--", "sh", "-c", "echo priced >&2; echo 57.10"]);
    let declined = tried(&["--", "sh", "-c", r#"echo '{"declined": "too far"}'"#]);
    let refused = tried(&["--", "sh", "-c", "echo no route >&2; exit 65"]);
    let failed = tried(&["--", "sh", "-c", "exit 3"]);
    let silent = tried(&["--", "true"]);
    let hangs = tried(&["--timeout", "100ms", "--", "sleep", "9"]);
    let all = [quote, declined, refused, failed, silent, hangs];
    assert_snapshot!(all.each_ref().map(shown).join("\n"));
}

#[test]
fn an_endpoint_is_asked_with_the_request_of_stdin_or_one_that_is_made_up() {
    let endpoint =
        Endpoint::start(|seen, _| says(if seen.body.contains("Oslo") { "7" } else { "8" }));
    let told = tried(&["--http", &endpoint.url("/")]).exits(0);
    assert!(told.stdout.contains("\"rfq-id\":\"78c371f6\",\"quote\":7"), "{}", told.stdout);
    assert_eq!(endpoint.seen("/")[0].body, REQUEST);
    let told = tried(&["--from", "A", "--http", &endpoint.url("/"), "-o", "json"]).exits(0);
    let told = json(&told.stdout);
    conforms("providers-try", &told);
    assert_eq!((&told["reply"]["quote"], &told["problem"]), (&8.into(), &serde_json::Value::Null));
    assert!(endpoint.seen("/")[1].body.contains(r#""from":"A","to":"Las Vegas","customer":"try""#));
}

#[test]
fn a_status_that_came_in_time_counts_however_slow_its_body_is() {
    for status in [404, 503] {
        let endpoint = Endpoint::start(move |_, _| Reaction::DripOf(status));
        let told = tried(&["--timeout", "300ms", "--http", &endpoint.url("/"), "-o", "json"]);
        let problem = &json(&told.stdout)["problem"];
        assert!(problem.to_string().contains(&format!("HTTP {status}")), "{problem}");
    }
}

#[test]
fn what_is_no_request_asks_nothing() {
    for (arguments, told) in [
        (&["--", "true"][..], "stdin holds no request"),
        (&[], "no program and no endpoint to try"),
        (&["--from", "A", "--", "no-such-program"], "cannot start `no-such-program`"),
    ] {
        let all = arguments.iter().fold(rydes("providers try"), Rydes::arg);
        let refused = all.run().exits(2);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let stack = OsStr::from_bytes(b"a\xff");
    let refused = rydes("providers try --from A -- true").env("RYDES_STACK", stack).run().exits(2);
    assert!(refused.stderr.contains("the variable RYDES_STACK is not UTF-8"), "{}", refused.stderr);
    let late = REQUEST.replace('}', r#", "deadline": "2026-01-31T12:00:00.000Z"}"#);
    let folder = TempDir::new().expect("a temporary folder");
    write(folder.path(), "request", &late);
    let request = File::open(folder.path().join("request")).expect("it is there");
    let told =
        rydes("providers try -- touch").arg(folder.path().join("x")).stdin(request).run().exits(0);
    assert!(told.stdout.contains("received after its deadline"), "{}", told.stdout);
    assert!(!folder.path().join("x").exists());
}
