//! What lists of dead letters and stacks look like, at a fixed time and on terminals of three widths.

use std::time::Duration;

use hdrhistogram::Histogram;
use insta::assert_snapshot;

use super::clock::Clock;
use super::tone::{Line, Tone, texts};
use super::{bench, letter, letters, owner, replayed, stacks};
use crate::aws::{Cut, DeadLetter, LetterSource, Usage};
use crate::consumer::ConsumeOptions;
use crate::core::{Names, ProviderName, StackName, Timestamp};
use crate::flow::gather::{ConsumerSettings, RULES_AGE};
use crate::flow::letters::{LetterKind, QueueLook};
use crate::flow::provider::ProviderPlan;
use crate::flow::replay::{ReplayMode, ReplayOutcome, Replayed};
use crate::stack::StackSummary;
use crate::tools::bench::{Arrival, LoadPlan, Measured};

const RFQ: &str = "78c371f6-87c4-4e6e-8c7d-33403c7b7049";
const WIDTHS: [u16; 3] = [49, 79, 119];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn now() -> Timestamp {
    at("2026-01-31T13:00:00Z")
}

fn names() -> Names {
    Names::new(&StackName::parse("wild-rydes").expect("valid"))
}

/// The same on each width, with the widths between, and the meaning of each line that has one.
fn on_all_widths(shown: impl Fn(u16) -> Vec<Line>) -> String {
    let part = |width: u16| {
        let lines = shown(width);
        assert!(lines.iter().all(|line| line.text.chars().count() <= usize::from(width)));
        let toned = |Line { tone, text }| match tone {
            Tone::Plain => text,
            tone => format!("{text} <{tone:?}>"),
        };
        let lines: Vec<_> = lines.into_iter().map(toned).collect();
        format!("{width} columns\n{}", lines.join("\n"))
    };
    WIDTHS.map(part).join("\n\n")
}

fn request() -> DeadLetter {
    DeadLetter {
        id: "2f9c1c5e-3a33-4c52-9d55-0d9c1c5e3a33".to_owned(),
        body: format!(r#"{{"rfq-id":"{RFQ}","from":"Frankfurt","to":"Rome"}}"#),
        reason: Some("engine fault".to_owned()),
        source: Some(LetterSource::Sender("wild-rydes-UnicornManagementResource10".to_owned())),
        attempts: Some(5),
        receive_count: 7,
        sent_at: Some(at("2026-01-31T12:00:00Z")),
        cut: None,
    }
}

fn found() -> [QueueLook; 2] {
    let moved = DeadLetter {
        id: "a0b1c2d3-0000-4000-8000-000000000001".to_owned(),
        body: "not JSON".to_owned(),
        reason: None,
        source: Some(LetterSource::Queue("wild-rydes-acme".to_owned())),
        sent_at: Some(at("2026-01-30T09:30:00Z")),
        ..request()
    };
    let why = "`quote` is missing: a reply has exactly one of quote, declined, failed, silent";
    let reply = DeadLetter {
        id: "c4d5e6f7-0000-4000-8000-000000000002".to_owned(),
        body: format!(r#"{{"rfq-id": "{RFQ}", "responder": "acme"}}"#),
        reason: Some(why.to_owned()),
        cut: Some(Cut { length: 1_048_576, sha256: "6b86b273ff34fce1".to_owned() }),
        ..request()
    };
    [(LetterKind::Requests, vec![request(), moved]), (LetterKind::Replies, vec![reply])]
        .map(|(kind, letters)| QueueLook { kind, queue: "q".to_owned(), held: 2, letters })
}

#[test]
fn dead_letters_are_a_line_each() {
    let table = |width| letters::table(&found(), &names(), &Clock::utc(now()), Some(width));
    assert_snapshot!(on_all_widths(table));
}

#[test]
fn a_dead_letter_in_full() {
    let clock = Clock::utc(now());
    let show = |kind, letter: &DeadLetter| {
        let queue = "wild-rydes-RequestForQuotesDeadLetters";
        texts(&letter::lines(kind, queue, letter, &names(), &clock, None)).join("\n")
    };
    let [_, QueueLook { letters: replies, .. }] = found();
    let both = [show(LetterKind::Requests, &request()), show(LetterKind::Replies, &replies[0])];
    assert_snapshot!(both.join("\n\n"));
}

#[test]
fn what_becomes_of_each_letter_that_is_replayed() {
    let queue = || "wild-rydes-acme".to_owned();
    let cut = Cut { length: 1_048_576, sha256: "6b86b273ff34fce1".to_owned() };
    let outcomes = [
        (ReplayMode::Apply, ReplayOutcome::Moved(queue())),
        (ReplayMode::Apply, ReplayOutcome::Copied(queue(), "AccessDenied: not you".to_owned())),
        (ReplayMode::Apply, ReplayOutcome::Homeless("its origin is unknown".to_owned())),
        (ReplayMode::Apply, ReplayOutcome::Unsent(format!("finding {}: no answer", queue()))),
        (ReplayMode::Apply, ReplayOutcome::Cut(cut.clone())),
        (ReplayMode::DryRun, ReplayOutcome::Movable(queue())),
        (ReplayMode::DryRun, ReplayOutcome::Homeless("its origin is unknown".to_owned())),
        (ReplayMode::DryRun, ReplayOutcome::Cut(cut)),
    ];
    let line = |(mode, outcome): (_, &ReplayOutcome), overdue_by| {
        let outcome = outcome.clone();
        let replayed =
            Replayed { of: LetterKind::Requests, letter: request(), outcome, overdue_by };
        replayed::replayed_line(&replayed, mode)
    };
    let in_time = outcomes.iter().map(|(mode, outcome)| line((*mode, outcome), None));
    let late = [&outcomes[0], &outcomes[5]];
    let late = late.map(|(mode, outcome)| line((*mode, outcome), Some(Duration::from_mins(12))));
    let notes = [1, 2].map(replayed::late_replays);
    let all: Vec<_> = in_time.chain(late).chain(notes).collect();
    assert_snapshot!(all.join("\n"));
}

#[test]
fn stacks_keep_their_numbers() {
    let stack = |name: &str, made_at: Option<&str>, rows: Option<u64>| StackSummary {
        name: StackName::parse(name).expect("valid"),
        made_at: made_at.map(at),
        account: Some("000000000000".to_owned()),
        providers: rows.map(|_| 10),
        rows,
        dead_requests: rows.map(|_| 3),
        dead_replies: None,
    };
    let all = [
        stack("wild-rydes", Some("2026-01-31T12:00:00Z"), Some(1_234_567)),
        stack("a-stack-with-the-longest-name-32", Some("2026-01-01T12:00:00Z"), Some(0)),
        stack("rest", None, None),
    ];
    assert_snapshot!(on_all_widths(|width| stacks::table(&all, now(), Some(width))));
}

#[test]
fn what_the_owner_of_a_provider_needs() {
    let url = "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000";
    let arn = "arn:aws:sqs:us-east-1:000000000000";
    let needs = owner::Needs {
        provider: ProviderName::parse("acme").expect("a name"),
        stack: "wild-rydes".to_owned(),
        region: "us-east-1".to_owned(),
        local: Some(owner::LocalAccess {
            endpoint: "http://localhost:4566".to_owned(),
            access_key: "test".to_owned(),
            secret_key: "test",
        }),
        queue_url: format!("{url}/wild-rydes-acme"),
        queue_arn: format!("{arn}:wild-rydes-acme"),
        response_queue_url: format!("{url}/wild-rydes-RequestForQuotesResponseQueue"),
        response_queue_arn: format!("{arn}:wild-rydes-RequestForQuotesResponseQueue"),
    };
    assert_snapshot!(texts(&owner::lines(&needs, None)).join("\n"));
}

#[test]
fn the_report_of_a_bench_breaks_between_words() {
    let poll_wait = Duration::from_secs(2);
    let visibility = Duration::from_secs(30);
    let providers = ProviderPlan { served: Vec::new(), poll_wait, visibility, drain: visibility };
    let options = ConsumeOptions { concurrency: 10, visibility, drain: visibility };
    let gathering = ConsumerSettings { poll_wait, options, rules_age: RULES_AGE };
    let (arrival, details) = (Arrival::Saturating, None);
    let deadline = Duration::from_hours(24);
    let plan = LoadPlan { rfqs: 50, warm_up: 0, arrival, details, deadline, providers, gathering };
    let mut latency = Histogram::new(3).expect("these bounds are valid");
    for micros in [248_000, 253_000, 365_000] {
        latency.record(micros).expect("it grows");
    }
    let requests = [("sqs.ReceiveMessage", 33), ("sqs.DeleteMessageBatch", 30)];
    let requests = requests.map(|(name, count)| (name.to_owned(), count)).into();
    let usage = Usage { requests, messages: 300, empty_receives: 1, ..Usage::default() };
    let measured = Measured {
        took: Duration::from_millis(364),
        quotes: 150,
        answers: 150,
        latency,
        usage,
        duplicates: 0,
        lost: 0,
        processor: Some(Duration::from_millis(130)),
        peak_memory: Some(43_725_619),
    };
    let lines: Vec<_> = bench::report(&plan, &measured).into_iter().map(Line::from).collect();
    let on = |width| lines.iter().flat_map(|line| line.wrapped(Some(width))).collect();
    assert_snapshot!(on_all_widths(on));
}
