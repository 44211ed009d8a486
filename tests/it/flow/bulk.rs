//! Many requests at once: what is submitted, what is told, and what a second run makes of it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::background::{Background, signal};
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack, provider};
use crate::support::{PATIENCE, ends_within, json as document, json_lines, wait_for};

/// The id of a line; none is the prefix of another.
fn id(number: usize) -> String {
    format!("l-{number:05}")
}

/// So many lines.
fn lines(count: usize) -> String {
    let line = |number| {
        let id = id(number);
        format!("{{\"from\": \"Frankfurt\", \"to\": \"Rome\", \"rfq-id\": \"{id}\"}}\n")
    };
    (0..count).map(line).collect()
}

/// A file with this text.
fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

/// The ids that lie in a provider's queue, sorted; each copy once.
fn asked(stack: &Stack, queue: &str, count: usize) -> Vec<String> {
    let letters = stack.letters(queue, count);
    let id = |letter: &crate::support::stack::Received| {
        document(&letter.body)["rfq-id"].as_str().expect("a text").to_owned()
    };
    let mut ids: Vec<_> = letters.iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn the_same_request_many_times_has_as_many_ids() {
    const COUNT: usize = 57;
    let stack = Stack::set_up(2);
    let workers = stack.providers("--behavior steady");
    let ran = stack.rydes("submit --from Frankfurt --to Rome --deadline 60s --count 57").run();
    let ran = ran.exits(0);
    assert!(ran.stderr.contains("submitted 57 RFQs in "), "{}", ran.stderr);
    let mut ids: Vec<_> = ran.stdout.lines().map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), COUNT);
    for id in &ids {
        stack.rydes("quotes --watch -q").arg(id).run().exits(0);
        let told = stack.quotes(id);
        assert_eq!((&told["answered"], &told["expected"]), (&json!(2), &json!(2)));
    }
    workers.until("gathered", 2 * COUNT);
    // The newest are remembered, as those of single submissions are.
    let status = stack.rydes("status -o json").run().exits(0).stdout;
    assert_eq!(document(&status)["rfqs"].as_array().map(Vec::len), Some(10));
}

#[test]
fn rows_and_messages_travel_together() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let kept = file(&lines(200));
    let submit = stack.rydes("submit -q --batch").arg(kept.path());
    submit.env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    // The first rows and messages do not wait for company.
    let (rows, messages) = (proxy.count("BatchExecuteStatement"), proxy.count("PublishBatch"));
    assert!((8..=16).contains(&rows), "{rows}");
    assert!((20..=40).contains(&messages), "{messages}");
    for operation in ["PutItem", "Publish", "GetItem", "Query"] {
        assert_eq!(proxy.count(operation), 0, "{operation}");
    }
    assert_eq!(proxy.count("ListSubscriptionsByTopic"), 1);
    wait_for("every copy", || (stack.depth(&provider(1)) == 200).then_some(()));
}

#[test]
fn of_lines_with_the_same_id_the_first_counts() {
    let stack = Stack::set_up(1);
    let line = |id: usize, to: &str| {
        format!("{{\"from\": \"A\", \"to\": \"{to}\", \"rfq-id\": \"twice-{id}\"}}\n")
    };
    let text: String = (0..120).map(|id| line(id, "B") + &line(id, "C")).collect();
    let kept = file(&text);
    let ran = stack.rydes("submit -o jsonl --batch").arg(kept.path()).run().exits(1);
    let ids = json_lines(&ran.stdout).into_iter().map(|line| line["rfq-id"].clone());
    let expected = (0..120).flat_map(|id| [format!("twice-{id}").into(), Value::Null]);
    assert_eq!(ids.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn a_bad_line_is_named_and_stops_no_other() {
    let stack = Stack::set_up(1);
    let long = format!("{{\"from\": \"{}\"}}\n", "x".repeat(600_000));
    let text = [
        "{\"from\": \"A\", \"to\": \"B\", \"rfq-id\": \"one\"}\n",
        "\n",
        "{\"from\": \"A\"\n",
        "{\"from\": \"A\", \"to\": \"B\", \"rfq-id\": \"two\", \"deadline\": \"1h\", \"until\": [\"3\"]}\r\n",
        &long,
        "{\"from\": \"\\u001b[2J\", \"to\": \"B\"}\n",
        "{\"from\": \"A\", \"to\": \"C\", \"rfq-id\": \"one\"}\n",
        "{\"from\": \"A\", \"to\": \"B\", \"rfq-id\": \"three\"}",
    ]
    .concat();
    let kept = file(&text);
    let ran = stack.rydes("submit -o jsonl --batch").arg(kept.path()).run().exits(1);
    let told: Vec<(u64, Value)> = json_lines(&ran.stdout)
        .into_iter()
        .map(|line| (line["line"].as_u64().expect("a number"), line["rfq-id"].clone()))
        .collect();
    let bad = Value::Null;
    assert_eq!(
        told,
        [
            (1, "one".into()),
            (3, bad.clone()),
            (4, "two".into()),
            (5, bad.clone()),
            (6, bad.clone()),
            (7, bad),
            (8, "three".into()),
        ],
        "in the order of the lines"
    );
    for problem in [
        "line 3 was not sent: the line is not JSON",
        "line 5 was not sent: it is longer than 524288 bytes",
        "line 6 was not sent: `from` holds control characters",
        "line 7 was not sent: RFQ one exists with other content: ",
        ", 4 not sent\n",
        "error: 4 lines could not be submitted",
    ] {
        assert!(ran.stderr.contains(problem), "{problem}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains('\u{1b}'));
    assert_eq!(asked(&stack, &provider(1), 3), ["one", "three", "two"]);
    let two = stack.quotes("two");
    assert_eq!(two["until"], json!(["all", "3"]));
    let json = stack.rydes("submit -o json --batch").arg(kept.path()).run().exits(1).stdout;
    let told = document(&json);
    assert_eq!((&told["failed"], &told["last-line"]), (&json!(4), &json!(8)));
}

/// Each holds lines that would be requests by themselves.
#[test]
fn what_has_no_request_on_each_line_is_told_once_and_nothing_of_it_is_submitted() {
    let stack = Stack::set_up(1);
    let (one, two) = (r#"{"from": "A", "to": "B"}"#, r#"{"from": "C", "to": "D"}"#);
    let utf16 = |text: String| {
        let units = [0xfeff].into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<_>>()
    };
    for (text, what, how) in [
        (format!("[\n{one},\n{two}\n]\n").into_bytes(), "one JSON array", "jq -c '.[]'"),
        (format!("\u{feff}[{one}, {two}]").into_bytes(), "one JSON array", "jq -c '.[]'"),
        (
            format!("{{\"all\": [\n{one},\n{two}\n]}}").into_bytes(),
            "JSON over several",
            "jq -c '.[][]?'",
        ),
        (
            format!("{{\"all\":\n[\n{one},\n{two}\n]}}").into_bytes(),
            "JSON over several",
            "jq -c '.[][]?'",
        ),
        (format!("# exported\n[\n{one},\n{two}\n]").into_bytes(), "JSON within", "remove what"),
        (format!("var rides = [\n{one},\n{two}\n];").into_bytes(), "JSON within", "remove what"),
        (format!("from,to\n{one}\n").into_bytes(), "CSV", "mlr -S --icsv"),
        (utf16(format!("{one}\r\n{two}\r\n")), "UTF-16", "iconv -f UTF-16"),
    ] {
        let mut kept = tempfile::NamedTempFile::new().expect("a temporary file");
        kept.write_all(&text).expect("it can be written");
        let name = kept.path().display().to_string();
        let refused = stack.rydes("submit -o jsonl --batch").arg(kept.path()).run().exits(2);
        assert_eq!(refused.stdout, "");
        let problem = format!("error: {name} is {what}");
        assert!(refused.stderr.starts_with(&problem), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("hint: {how}")), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 2, "{}", refused.stderr);
        let piped = format!("rydes submit --deadline 2m --until 3 --batch - <{name}");
        let piped = stack.shell(&piped).exits(2);
        assert!(piped.stderr.starts_with(&format!("error: stdin is {what}")), "{}", piped.stderr);
        let rest = "submit --batch - --deadline 120000ms --until 3";
        assert!(piped.stderr.contains(rest), "{}", piped.stderr);
    }
    assert_eq!(stack.depth(&provider(1)), 0);
    // One line that is spoiled is a line that is spoiled.
    let kept = file(&format!("hello, world\n{one}\n"));
    let ran = stack.rydes("submit --batch").arg(kept.path()).run().exits(1);
    assert!(ran.stderr.contains("line 1 was not sent: the line is not JSON"), "{}", ran.stderr);
    assert_eq!(stack.letters(&provider(1), 1).len(), 1);
    // A misspelt field is named once.
    let late = r#"{"from": "A", "to": "B", "dealine": 5}"#;
    let kept = file(&format!("{one}\n{late}\n{late}\n"));
    let ran = stack.rydes("submit --batch").arg(kept.path()).run().exits(0);
    let said = "warning: line 2: `dealine` is not a field of a request; it is ignored\nhint: write `deadline`\n";
    assert_eq!(ran.stderr.matches("dealine").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn who_leaves_or_joins_while_a_stream_goes_on_is_seen_before_long() {
    // The list of subscriptions is looked at again after 5 s. If that takes longer than 2 s, the old list counts for
    // another 5 s.
    const REGISTER_AGE: Duration = Duration::from_millis(5_100);
    const LIST_TIMEOUT: Duration = Duration::from_secs(2);
    let stack = Stack::set_up(2);
    let mut submit = Background::start(stack.rydes("submit --batch -").piped());
    let mut stdin = submit.stdin();
    let refused = "was not sent: no provider is subscribed; nothing was written";
    let mut line = 0;
    // Who is expected to answer a new request; nobody when it is refused.
    let mut ask = || {
        line += 1;
        let id = id(line);
        let refused = format!("line {line} {refused}");
        writeln!(stdin, r#"{{"from": "A", "to": "B", "rfq-id": "{id}"}}"#).expect("it reads");
        wait_for("the request or its refusal", || {
            let is_refused = submit.said(&refused);
            let request = stack.rows(&id).first().map(|row| row["expected"].clone());
            assert!(!is_refused || request.is_none(), "it is refused and has a row");
            request.or_else(|| is_refused.then(|| json!([])))
        })
    };
    assert_eq!(ask(), json!([provider(1), provider(2)]));
    for (change, left) in [
        ("providers remove UnicornManagementResource2 --force", json!([provider(1)])),
        ("providers remove UnicornManagementResource1 --force", json!([])),
        ("providers add acme", json!(["acme"])),
    ] {
        stack.run(change).exits(0);
        wait_for(change, || {
            std::thread::sleep(REGISTER_AGE);
            let begun = Instant::now();
            let asked = ask();
            let is_seen = asked == left;
            let is_late = begun.elapsed() >= LIST_TIMEOUT;
            assert!(is_seen || is_late, "{asked} are asked after `{change}`");
            is_seen.then_some(())
        });
    }
    drop(stdin);
    submit.ends(PATIENCE).exits(1);
}

#[test]
fn one_that_was_killed_is_completed_by_the_next() {
    const COUNT: usize = 120;
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    // Rows are written, some messages are out, of some nobody knows, and the others are not.
    proxy.pass("PublishBatch", 4);
    proxy.fail("PublishBatch", 1, ProxyFault::HoldAfter);
    proxy.fail("PublishBatch", usize::MAX, ProxyFault::Hold);
    let kept = file(&lines(COUNT));
    // The deadline of each counts from its first submission.
    let submit = || stack.rydes("submit -o jsonl --deadline 5m --batch").arg(kept.path());
    let mut killed = submit().env("AWS_ENDPOINT_URL_SNS", &proxy.url).start();
    proxy.until_held();
    killed.kill().and_then(|()| killed.wait()).expect("it can be killed");
    // The topic may still be delivering what it has taken.
    let out = wait_for("the end of the deliveries", || {
        let before = stack.depth(&provider(1));
        std::thread::sleep(std::time::Duration::from_millis(500));
        (before > 0 && stack.depth(&provider(1)) == before).then_some(before)
    });
    assert!(out < COUNT, "{out}");

    // Those that are out already are answered before the next run.
    let workers = stack.providers("--behavior steady");
    workers.until("gathered", out);
    let ran = submit().run().exits(0);
    let told = json_lines(&ran.stdout);
    let answered = told.iter().filter(|line| line["state"] == "answered").count();
    assert_eq!((told.len(), answered), (COUNT, out), "none of them is asked for again");
    for number in 0..COUNT {
        let id = id(number);
        stack.rydes("quotes --watch -q").arg(&id).run().exits(0);
        assert_eq!(stack.rows(&id).len(), 2, "the request row and one answer");
    }
    let summary = workers.stop().stderr;
    assert!(summary.contains(&format!("done: {COUNT} requests: {COUNT} quoted")), "{summary}");
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 0);
}

#[test]
fn failed_entries_and_lost_confirmations_are_tried_again() {
    const COUNT: usize = 60;
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("BatchExecuteStatement", 1, ProxyFault::CutAfter);
    proxy.fail("PublishBatch", 2, ProxyFault::CutBefore);
    let kept = file(&lines(COUNT));
    let submit = stack.rydes("submit -q --batch").arg(kept.path());
    submit.env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    assert_eq!(asked(&stack, &provider(1), COUNT).len(), COUNT, "each once");
}

#[test]
fn a_signal_ends_it_between_lines_and_says_where() {
    let stack = Stack::set_up(1);
    let mut submit = stack.rydes("submit --batch -").piped().start();
    let mut stdin = submit.stdin.take().expect("it is piped");
    stdin.write_all(lines(30).as_bytes()).expect("it reads");
    wait_for("thirty requests", || (stack.depth(&provider(1)) == 30).then_some(()));
    signal(&submit, Signal::INT);
    // Nobody has closed its stdin.
    assert!(ends_within(&mut submit, crate::support::PATIENCE));
    let ended = submit.wait_with_output().expect("it has ended");
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("lines 1 to 30 are done; the others are not"), "{said}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout).lines().count(), 30);
    drop(stdin);
}

#[test]
fn a_stack_that_is_not_there_takes_nothing() {
    let stack = Stack::new();
    let kept = file(&lines(3));
    stack.rydes("submit --batch").arg(kept.path()).run().exits(7);
    for options in ["--wait", "--rfq-id x", "--from A"] {
        let refused = stack.rydes(&format!("submit {options} --batch")).arg(kept.path()).run();
        assert!(refused.exits(2).stderr.contains("cannot be used with"), "{options}");
    }
    let refused = stack.rydes("submit --batch /nonexistent/lines").run().exits(2);
    assert!(refused.stderr.contains("cannot read /nonexistent/lines"), "{}", refused.stderr);
}

/// Not the number of lines, but what is in hand decides how much memory it takes.
#[cfg(target_os = "linux")]
#[test]
fn its_memory_does_not_grow_with_the_number_of_lines() {
    const COUNT: usize = 6_000;
    let stack = Stack::set_up(1);
    let kept = file(&lines(COUNT));
    let submit = stack.rydes("submit -o jsonl --batch").arg(kept.path());
    let submit = Background::start(submit);
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", submit.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number")
    };
    let at = |done: usize| {
        wait_for("more lines", || (submit.lines() >= done).then_some(()));
        peak()
    };
    let (early, late) = (at(COUNT / 4), at(COUNT - 1_000));
    submit.ends(crate::support::PATIENCE).exits(0);
    assert!(late < 1.2 * early, "{early} kB after a quarter, {late} kB at the end");
}
