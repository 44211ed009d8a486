//! The trace that real providers are part of: what they are told is in what is exported.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::folder;
use crate::support::background::Background;
use crate::support::endpoint::{Endpoint, says, status};
use crate::support::languages::otlp;
use crate::support::stack::Stack;
use crate::support::{Rydes, json, rydes};

const OPERATE: &str = include_str!("../../../docs/operate.md");
/// A context of another trace, which the workers are started in.
const FOREIGN: &str = "00-11111111111111111111111111111111-2222222222222222-01";

/// The span that a `traceparent` names, in the trace of this RFQ.
#[track_caller]
fn parent(traceparent: &str, id: &str) -> String {
    let trace = id.replace('-', "");
    let parts: Vec<_> = traceparent.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("00", trace.as_str(), "01"), "{traceparent}");
    parts[2].to_owned()
}

#[test]
fn providers_are_told_the_span_of_their_thinking() {
    let endpoint = Endpoint::start(|_, before| if before == 0 { status(503) } else { says("8") });
    let stack = Stack::with_real(0, &["acme", "globex"]);
    let script = r#"env > environment; echo "{\"quote\": 7, \"details\": \"$TRACEPARENT\"}""#;
    let folder = folder(&[
        ("acme", format!("command = ['sh', '-c', '''{script}''']")),
        ("globex", format!("http = \"{}\"", endpoint.url("/"))),
    ]);
    let run = stack.rydes("providers run -o jsonl --poll-wait 2s --config");
    let run = run.arg(folder.path().join("providers.toml"));
    let workers = Background::start(run.env("TRACEPARENT", FOREIGN).env("TRACESTATE", "x=y"));
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 30s");
    stack.rydes("quotes --watch").arg(&id).run().exits(0);
    workers.stop();

    let trace = stack.rydes("trace -o otlp").arg(&id).run().exits(0);
    let spans = otlp(&trace.stdout);
    let told = stack.quotes(&id)["quotes"][0]["details"].as_str().expect("a text").to_owned();
    let by_program = parent(&told, &id);
    assert!(spans.contains(&format!(" {by_program} of request for quotes\n")), "{spans}");
    let is_its_own = |line: &&str| line.starts_with("think acme: ") && line.contains(&by_program);
    assert!(spans.lines().any(|line| is_its_own(&line)), "{spans}");
    let environment = fs::read_to_string(folder.path().join("environment")).expect("it is there");
    assert!(!environment.contains("TRACESTATE"), "{environment}");

    let seen = endpoint.seen("/");
    let headers: Vec<_> = seen.iter().map(|seen| seen.headers["traceparent"].clone()).collect();
    assert!(headers.len() == 2 && headers[0] == headers[1], "{headers:?}");
    let by_endpoint = parent(&headers[0], &id);
    let is_its_own =
        |line: &&str| line.starts_with("think globex: ") && line.contains(&by_endpoint);
    assert!(spans.lines().any(|line| is_its_own(&line)), "{spans}");
    assert!(spans.contains("rydes.answered=2") && spans.contains("rydes.stack="), "{spans}");
}

#[test]
fn a_trial_tells_the_same_span() {
    let folder = folder(&[]);
    let request = json!({"rfq-id": "78c371f6-87c4-4e6e-8c7d-33403c7b7049", "from": "A", "to": "B", "customer": "c"});
    let file = folder.path().join("request");
    fs::write(&file, request.to_string()).expect("it is written");
    let script = r#"echo "{\"declined\": \"$TRACEPARENT\"}""#;
    let tried = ["-o", "json", "--provider", "acme", "--", "sh", "-c", script];
    let request = fs::File::open(file).expect("it is there");
    let tried = tried.iter().fold(rydes("providers try").stdin(request), Rydes::arg);
    let told = json(&tried.env("TRACEPARENT", FOREIGN).run().exits(0).stdout);
    // As a unit test of the ids has it.
    let expected = "00-78c371f687c44e6e8c7d33403c7b7049-da85dcea3d12de0e-01";
    assert_eq!(told["reply"]["declined"], expected);
}

#[test]
fn the_documented_line_sends_a_trace_to_a_collector() {
    let stack = Stack::with_real(0, &["acme"]);
    let id = stack.submit("--deadline 10m");
    let line = OPERATE.lines().find(|line| line.contains("| curl ")).expect("it is there");
    let collector = Endpoint::start(|_, _| says("{}"));
    let url = "http://localhost:4318/v1/traces";
    assert!(line.contains(url) && line.contains("rydes trace ID "), "{line}");
    let rydes = format!("{} --stack {} ", env!("CARGO_BIN_EXE_rydes"), stack.name);
    let line = line.replacen("rydes ", &rydes, 1).replace(" ID ", &format!(" {id} "));
    let line = line.replace(url, &collector.url("/v1/traces"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("AWS_ENDPOINT_URL", crate::support::localstack::endpoint());
    let sent = shell.output().expect("it runs");
    assert!(sent.status.success() && sent.stdout == b"{}", "{line}: {sent:?}");
    let seen = &collector.seen("/v1/traces")[0];
    assert_eq!(
        (seen.method.as_str(), seen.headers["content-type"].as_str()),
        ("POST", "application/json")
    );
    let document: Value = json(&seen.body);
    assert_eq!(document["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"], "rydes");
    assert!(otlp(&seen.body).contains("acme waiting"), "{}", seen.body);
}
