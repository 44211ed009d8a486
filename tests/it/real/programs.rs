//! What becomes of a program's answer, its exit code, its silence and its processes.

use super::{REQUESTS, answers, come_true, fails, folder, own_sleep, processes, repeats, run};
use crate::support::endpoint::{Endpoint, Reaction, Seen, says};
use crate::support::stack::Stack;
use crate::support::wait_for;

/// A program of the shell.
fn shell(script: &str) -> String {
    format!("concurrency = 20\ncommand = [\"sh\", \"-c\", '''{script}''']\n")
}

#[test]
fn each_row_of_the_table() {
    let sleep = own_sleep();
    let leaves = format!("sleep {sleep} & echo 7");
    let hangs = shell(&format!("sleep {sleep}")) + "timeout = \"500ms\"";
    let deaf =
        shell(&format!("trap '' TERM; echo 7; sleep {sleep} & while :; do sleep {sleep}; done"))
            + "timeout = \"500ms\"";
    let programs = [
        ("number", shell("echo 57.10")),
        (
            "object",
            shell(r#"echo '{"quote": 12345678901234567890.12, "responder": "x", "rfq-id": 7}'"#),
        ),
        ("declines", shell(r#"echo '{"declined": "too far"}'"#)),
        ("closed", shell(r#"echo '{"silent": "closed today"}'"#)),
        ("says_failed", shell(r#"echo '{"failed": "no driver"}'"#)),
        ("says_nothing", shell("true")),
        ("half", shell(r#"printf '{"quote": 5'"#)),
        ("html", shell("echo '<html>'")),
        ("binary", shell(r"printf '\377\376'")),
        ("details", shell(r#"printf '{"quote": 1, "details": "%65535d"}' 0"#)),
        ("long", shell("yes | head -c 10000000")),
        ("refuses", shell("printf 'first\nno route\n \n' >&2; echo 7; exit 65")),
        ("refuses_mutely", shell("exit 65")),
        ("exits", shell("echo 7; exit 1")),
        ("dies", shell("kill -9 $$")),
        ("hangs", hangs),
        ("deaf", deaf),
        ("leaves", shell(&leaves)),
        ("deserts", shell("setsid sh -c 'sleep 3' & echo 8")),
        ("reads_nothing", shell("exec <&-; echo 9")),
        ("mends", shell("echo x >> $RYDES_RFQ_ID; test $(wc -l < $RYDES_RFQ_ID) -ge 3 && echo 42")),
    ];
    let names = programs.each_ref().map(|(name, _)| *name);
    let stack = Stack::with_real(0, &names);
    let folder = folder(&programs);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let ids: Vec<_> = (0..repeats(REQUESTS, 1)).map(|_| stack.submit("--deadline 10m")).collect();
    come_true(
        &stack,
        &ids,
        &[
            answers("number", "quote", "57.1"),
            answers("object", "quote", "12345678901234567890.12"),
            answers("declines", "declined", "too far"),
            answers("closed", "silent", "closed today"),
            fails("says_failed", "no driver", 1, false),
            fails("says_nothing", "said nothing", 1, true),
            fails("half", "not an answer: not JSON: ", 1, true),
            fails("html", "not an answer: not JSON: ", 1, true),
            fails("binary", "not an answer: not UTF-8", 1, true),
            fails("details", "not an answer: `details` is longer than 65536 bytes", 1, true),
            fails("long", "not an answer: longer than 256 KiB", 1, true),
            fails("refuses", "no route", 1, false),
            fails("refuses_mutely", "exit 65", 1, false),
            fails("exits", "exit 1", 5, true),
            fails("dies", "signal 9", 5, true),
            fails("hangs", "no answer within 500 ms", 1, true),
            fails("deaf", "no answer within 500 ms", 1, true),
            answers("leaves", "quote", "7"),
            answers("deserts", "quote", "8"),
            answers("reads_nothing", "quote", "9"),
            answers("mends", "quote", "42"),
        ],
    );
    wait_for("no process is left", || (processes(&sleep) == 0).then_some(()));
    assert!(workers.said("refuses: no route") && !workers.said("refuses: 7"));
    assert!(workers.said("html: no answer: <html>"), "what it printed is shown");
    workers.stop();
    for id in &ids {
        stack.rydes("verify").arg(id).run().exits(0);
    }
}

#[test]
fn a_request_and_an_answer_larger_than_their_pipes_pass_each_other() {
    // The request fills the pipe of a program that first writes more than its own pipes hold.
    let script = "yes \"$(printf '%99d' 0)\" | head -c 100000 >&2; printf '%100000d' 0 >&2
        printf '{\"quote\": 7, \"new\": \"%100000d\"}' 0; cat > request";
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", shell(script))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let body = serde_json::json!({"rfq-id": "large", "from": "A", "to": "B", "customer": "x".repeat(200_000)});
    stack.send("acme", &body.to_string());
    stack.row_when("large", "acme", |row| row["quote"] == 7);
    let request = std::fs::read_to_string(folder.path().join("request")).expect("it was read");
    assert_eq!(request, body.to_string(), "byte for byte");
    // A line without an end is cut.
    let cut = workers.events().into_iter().filter(|event| event["event"] == "said");
    assert!(
        cut.filter_map(|event| event["line"].as_str().map(str::len)).all(|length| length <= 1_024)
    );
    workers.stop();
}

#[test]
fn a_large_request_that_is_not_read_is_no_error() {
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", shell("exec <&-; sleep 0.2; echo 7"))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let customer = "x".repeat(200_000);
    let body = serde_json::json!({"rfq-id": "large", "from": "A", "to": "B", "customer": customer});
    stack.send("acme", &body.to_string());
    stack.row_when("large", "acme", |row| row["quote"] == 7);
    workers.stop();
}

#[test]
fn a_program_over_its_limit_may_end_in_order_and_its_permit_returns_when_it_is_reaped() {
    let stack = Stack::with_real(0, &["obeys", "deaf"]);
    // One cleans up at SIGTERM and prints an answer that comes too late; the other has to be killed.
    let obeys = "trap 'echo x > cleaned; echo 7; exit 0' TERM; while :; do sleep 0.1; done";
    let deaf = "trap '' TERM; date +%s%N >> begun; while :; do sleep 0.1; done";
    let limit = "timeout = \"500ms\"\nconcurrency = 1\n";
    let program = |script: &str| format!("command = ['sh', '-c', \"\"\"{script}\"\"\"]\n{limit}");
    let folder = folder(&[("obeys", program(obeys)), ("deaf", program(deaf))]);
    let ids = [stack.submit("--deadline 60s"), stack.submit("--deadline 60s")];
    let workers = run(&stack, &folder, "");
    for id in &ids {
        for name in ["obeys", "deaf"] {
            let row = stack.row_when(id, name, |_| true);
            assert_eq!(row["failed"], "no answer within 500 ms", "{row}");
        }
    }
    assert!(folder.path().join("cleaned").exists(), "SIGTERM comes first");
    let begun = std::fs::read_to_string(folder.path().join("begun")).expect("both began");
    let begun: Vec<u64> = begun.lines().map(|line| line.parse().expect("a time")).collect();
    // The limit, and the two seconds that a program has after SIGTERM.
    assert!(begun.len() == 2 && begun[1] - begun[0] >= 2_500_000_000, "{begun:?}");
    workers.stop();
}

#[test]
fn the_last_line_counts_although_a_child_holds_the_pipe() {
    let stack = Stack::with_real(0, &["acme"]);
    let script = "setsid sleep 3 & printf 'first\\nno route' >&2; exit 65";
    let folder = folder(&[("acme", shell(script))]);
    let workers = run(&stack, &folder, "");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 20s");
    stack.row_when(&id, "acme", |row| row["failed"] == "no route");
    workers.stop();
}

#[test]
fn an_attempt_or_a_wait_longer_than_the_visibility_is_delivered_once() {
    let stack = Stack::with_real(0, &["slow", "waits"]);
    let busy = |_: &Seen, before: usize| match before {
        0 => Reaction::Answer(429, "retry-after: 14\r\n", String::new()),
        _ => says("8"),
    };
    let endpoint = Endpoint::start(busy);
    let folder = folder(&[
        ("slow", shell("echo x >> begun; sleep 14; echo 7") + "timeout = \"30s\""),
        ("waits", format!("http = \"{}\"", endpoint.url("/"))),
    ]);
    let workers = run(&stack, &folder, "--visibility 8s");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 60s");
    stack.row_when(&id, "slow", |row| row["quote"] == 7);
    stack.row_when(&id, "waits", |row| row["quote"] == 8);
    let begun = std::fs::read_to_string(folder.path().join("begun")).expect("it began");
    assert_eq!((begun.lines().count(), workers.count("received")), (1, 2));
    assert_eq!(workers.count("delivered-again"), 0, "the lease was extended all the time");
    workers.stop();
}

#[test]
fn what_a_program_prints_for_its_owner_is_made_safe() {
    let stack = Stack::with_real(0, &["acme"]);
    let folder = folder(&[("acme", shell(r"printf '  \033[31mred\033[0m\n' >&2; echo 7"))]);
    let file = folder.path().join("providers.toml");
    let run = stack.rydes("providers run --poll-wait 2s --progress plain --config").arg(file);
    let workers = crate::support::background::Background::start(run);
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 20s");
    stack.row_when(&id, "acme", |row| row["quote"] == 7);
    let ran = workers.stop();
    assert!(ran.stderr.contains(r"acme:   \u{1b}[31mred\u{1b}[0m"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    let line = ran.stderr.lines().find(|line| line.contains(" acme: 1 attempt, "));
    assert!(line.is_some_and(|line| line.contains("half of its replies within")), "{}", ran.stderr);
}
