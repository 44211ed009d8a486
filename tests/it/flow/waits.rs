//! What a wait shows, when it ends and when a signal ends it.

use rustix::process::Signal;
use rydes::core::Timestamp;
use serde_json::json;

use crate::support::background::Background;
use crate::support::proxy::Proxy;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, RESPONSES, Stack, provider};
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, says, wait_for};

/// The colours that the meanings of lines have.
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[31m";

/// The place of each text in order, all of which must be there.
#[track_caller]
fn in_order(shown: &str, texts: &[&str]) {
    let mut rest = shown;
    for text in texts {
        let Some((_, after)) = rest.split_once(text) else { panic!("no `{text}` in {rest}") };
        rest = after;
    }
}

#[test]
fn the_answer_comes_first_and_what_to_do_next_last() {
    let stack = Stack::set_up(3);
    let workers = stack.background(
        "providers run -o jsonl --poll-wait 2s --behavior steady \
         --fault UnicornManagementResource2=error --fault UnicornManagementResource3=slow:25s",
    );
    let id = stack.submit("--deadline 12s");
    let prefix = &id[..4];
    let ended = stack.rydes("quotes --watch").run().exits(3);
    // Below the lines of what came in.
    let table = ended.stdout.split_once("RFQ ").expect("the table").1;
    let best = format!("\nbest {} · {} · ", stack.quotes(&id)["best"]["quote"], provider(1));
    let how = "\ndeadline passed: 2 of 3 answered (1 quote, 1 failed)\n";
    in_order(table, &[&best, how, "RESPONDER", "failed: engine fault, 5 attempts"]);
    in_order(table, &["RESPONDER", "missing: no reply before the deadline"]);
    let next = [
        format!("next: rydes quotes {prefix} "),
        format!("      rydes trace {prefix} "),
        "      rydes dlq list ".to_owned(),
    ];
    in_order(&ended.stderr, &next.each_ref().map(String::as_str));
    workers.until("answered", 3);
    // One that ended early without a failure: what is missing may still come, whatever lies in the dead letters.
    let early = Stack::set_up(2);
    early.send(PROVIDER_DEAD_LETTERS, "of another");
    let slow =
        "providers run -o jsonl --behavior steady --fault UnicornManagementResource2=slow:10m";
    let _slow = early.background(slow);
    let id = early.submit("--deadline 20m --until 1");
    let ended = early.rydes("quotes --watch").run().exits(0);
    let states = early.quotes(&id)["providers"].to_string();
    assert!(states.contains("missing") && !states.contains("failed"), "{states}");
    assert!(ended.stderr.starts_with("next: rydes trace "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("dlq"), "{}", ended.stderr);
    // One that no worker has read has no dead letter.
    let unread = Stack::set_up(1);
    unread.send(PROVIDER_DEAD_LETTERS, "of another");
    let ended = unread.rydes("submit --from A --to B --deadline 1s --wait").run().exits(4);
    assert!(ended.stderr.contains("the copy lies unread"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("dlq"), "{}", ended.stderr);
    // All is well: nothing lies in the dead letters for it, and no answer is missing.
    let fine = Stack::set_up(1);
    let _workers = fine.providers("--behavior steady");
    let ended = fine.rydes("submit --from A --to B --deadline 60s --wait").run().exits(0);
    in_order(&ended.stdout, &["\nbest ", "\ncomplete: 1 of 1 answered (1 quote)\n", "RESPONDER"]);
    assert!(ended.stderr.contains("\nnext: rydes trace "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("dlq") && !ended.stderr.contains("quotes"), "{}", ended.stderr);
}

#[test]
fn a_wait_that_a_signal_ends_says_that_the_gathering_goes_on() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let again = format!("the wait ended, the gathering goes on: rydes quotes {} --watch", &id[..4]);
    for (line, is_shown) in [("quotes --watch", true), ("quotes --watch -o jsonl", false)] {
        for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let wait = stack.background(line);
            wait.says("the copy lies unread");
            wait.signal(number);
            let ended = wait.ends(PATIENCE).exits(code);
            assert!(ended.stderr.contains(&again), "{}", ended.stderr);
            assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
            assert_eq!(ended.stdout.contains("0 of 1 answered"), is_shown, "{}", ended.stdout);
        }
    }
    let proxy = Proxy::start();
    let wait = stack.rydes("verify --wait").env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url);
    let wait = Background::start(wait);
    proxy.until("Query", 2);
    wait.signal(Signal::INT);
    let ended = wait.ends(PATIENCE).exits(130);
    let again =
        format!("the wait ended; copies may still be in flight: rydes verify {} --wait", &id[..4]);
    assert!(ended.stderr.contains(&again), "{}", ended.stderr);
    assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
    // One that lingers waits for late replies alone.
    let id = stack.submit("--deadline 1s");
    let wait = stack.background("quotes --watch --linger 10m");
    wait.says("the copy lies unread");
    wait.signal(Signal::INT);
    let ended = wait.ends(PATIENCE).exits(130);
    let said = format!("the wait ended; late replies: rydes quotes {}", &id[..4]);
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(ended.stdout.contains("deadline passed: 0 of 1 answered"), "{}", ended.stdout);
}

#[test]
fn a_partial_result_is_accepted_only_where_that_is_said() {
    let stack = Stack::set_up(2);
    let workers = stack.providers("UnicornManagementResource1 --behavior steady");
    workers.says("response consumer");
    let submit = "submit --from A --to B --deadline 5s --wait";
    stack.rydes(submit).run().exits(3);
    stack.rydes(&format!("{submit} --accept-partial")).run().exits(0);
    stack.rydes("quotes --watch").run().exits(3);
    stack.rydes("quotes --watch --accept-partial").run().exits(0);
    // Without any quote in time there is nothing to accept.
    let nothing = "submit --from A --to B --deadline 10ms --wait --accept-partial";
    stack.rydes(nothing).run().exits(4);
    says(&stack.rydes("quotes --accept-partial").run().exits(2), "--watch");
    says(&stack.rydes("submit --from A --to B --accept-partial").run().exits(2), "--wait");
}

#[test]
fn colours_say_what_the_words_say_too() {
    let stack = Stack::set_up(4);
    let workers = stack.providers(
        "UnicornManagementResource1 UnicornManagementResource2 UnicornManagementResource3 \
         --behavior steady --fault UnicornManagementResource2=error \
         --fault UnicornManagementResource3=slow:8s",
    );
    // On a busy machine the start alone may take longer than the deadline leaves.
    workers.says("response consumer");
    let id = stack.submit("--deadline 6s");
    let is_late = || stack.quotes(&id)["providers"][2]["state"] == "late";
    wait_for("the late quote", || is_late().then_some(()));
    let shown = |line: &str| {
        let run = |color: &str| stack.rydes(&format!("--color {color} {line}")).run();
        (run("always").stdout, run("never").stdout)
    };
    let (quotes, plain) = shown("quotes");
    in_order(&quotes, &[GREEN, "best ", GREEN, " 1  "]);
    in_order(&quotes, &[RED, &provider(2), "failed", YELLOW, &provider(3), "late by "]);
    assert_eq!(console::strip_ansi_codes(&quotes), plain);
    let (trace, plain) = shown("trace");
    in_order(&trace, &[GREEN, &provider(1), RED, &provider(2), YELLOW, &provider(3)]);
    assert_eq!(console::strip_ansi_codes(&trace), plain);
    // Both looks see the same.
    stack.drained(RESPONSES);
    stack.drained(&provider(3));
    let (status, plain) = shown("status");
    in_order(&status, &[RED, &provider(4), "no reader", RED, "dead letters (requests)"]);
    // The ages of RFQs follow.
    let queues = |text: &str| text.split("\nRFQ ").next().map(str::to_owned);
    assert_eq!(queues(&console::strip_ansi_codes(&status)), queues(&plain));
    // A copy that is gone without a trace.
    stack.put(&json!({
        "id": "lost", "responder": "-", "from": "A", "to": "B", "customer": "c",
        "submitted-at": "2026-01-31T12:00:00.000Z", "expected": ["acme"],
    }));
    let lost = stack.rydes("--color always verify lost --wait").run().exits(8).stdout;
    assert!(lost.contains("asked 2026-01-31 12:00:00 "), "the date of another day: {lost}");
    in_order(&lost, &[RED, ": 0 of 1 settled, 1 unexplained", RED, "acme", "no row"]);
}

#[test]
fn nobody_reading_is_red_and_its_command_is_named() {
    let stack = Stack::set_up(1);
    stack.submit("--deadline 10m");
    let terminal = Terminal::new();
    let mut wait = stack.on_terminal(&terminal, "quotes --watch").env("TERM", "xterm").start();
    let red = format!("{RED}hint: the copy lies unread; is `rydes");
    terminal.shows(&red);
    wait.kill().and_then(|()| wait.wait()).expect("it can be killed");
}

#[test]
fn a_dumb_terminal_shows_a_wait_as_lines() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let terminal = Terminal::new();
    let submit = "submit --from A --to B --deadline 60s --wait";
    let mut wait = stack.on_terminal(&terminal, submit).env("TERM", "dumb").start();
    assert!(crate::support::ends_within(&mut wait, PATIENCE));
    terminal.shows("next: ");
    let text = terminal.text();
    assert_eq!(text.lines().filter(|line| line.starts_with('+')).count(), 2, "{text}");
    assert_eq!(text.matches("RESPONDER").count(), 1, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn times_are_local_and_name_their_zone() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let submitted = stack.quotes(&id)["submitted-at"].clone();
    let utc = submitted.as_str().expect("a time")[11..23].to_owned();
    // Half an hour beside every other zone, without summer time.
    let shown = |zone: &str, line: &str| stack.rydes(line).env("TZ", zone).run().stdout;
    let minutes = |clock: &str| {
        let (hours, minutes) = (clock[..2].parse::<u32>(), clock[3..5].parse::<u32>());
        hours.expect("hours") * 60 + minutes.expect("minutes")
    };
    let there = shown("Asia/Kolkata", "trace");
    let clock = there.split(" IST").next().expect("its zone is named");
    let clock = &clock[clock.len() - 12..];
    assert_eq!(minutes(clock), (minutes(&utc) + 330) % 1_440, "{there}");
    assert!(shown("UTC", "trace").contains(&format!("{utc} UTC")));
    assert!(shown("UTC", "verify").contains(&format!("{} UTC", &utc[..8])));
    let nowhere = stack.rydes("trace").env("TZ", "Nowhere/Foo").run().exits(0);
    assert!(nowhere.stdout.contains(&format!("{utc} UTC")), "{}", nowhere.stdout);
    let warning = "warning: TZ=Nowhere/Foo is not a time zone; times are in UTC\n";
    assert_eq!(nowhere.stderr.matches(warning).count(), 1, "{}", nowhere.stderr);
    assert!(!stack.rydes("trace").env("TZ", "Asia/Kolkata").run().stderr.contains("warning"));
    // A log is read on another day, and elsewhere.
    let run =
        stack.rydes("providers run --progress plain --behavior steady").env("TZ", "Asia/Kolkata");
    let workers = crate::support::background::Background::start(run);
    stack.submit("--deadline 10m");
    wait_for("an event", || workers.output().contains("+05:30 received  ").then_some(()));
    let ended = workers.stop().exits(0);
    let line = ended.stdout.lines().next().expect("a line");
    let stamp = line.split(' ').next().and_then(Timestamp::parse).expect("RFC 3339");
    assert!(Timestamp::now().millis_since(stamp) < 600_000, "{line}");
}

#[test]
fn a_short_wait_without_any_answer_says_why_at_its_end() {
    let stack = Stack::set_up(2);
    let ended = stack.rydes("submit --from A --to B --deadline 500ms --wait").run().exits(4);
    let hint = "hint: all 2 copies lie unread; is `rydes providers run` running?\n";
    assert!(ended.stderr.contains(hint), "{}", ended.stderr);
}

#[test]
fn the_next_command_speaks_of_other_replies_only_after_the_first() {
    let stack = Stack::set_up(2);
    stack.submit("--deadline 10m");
    let before = stack.rydes("quotes").run().exits(0).stderr;
    assert!(before.ends_with("  see the replies come in\n"), "{before}");
    let workers = stack.providers("--fault UnicornManagementResource2=slow:5m --behavior steady");
    let after = wait_for("the first reply", || {
        let shown = stack.rydes("quotes").run().exits(0);
        shown.stdout.contains("1 of 2 answered").then_some(shown.stderr)
    });
    assert!(after.ends_with("  see the other replies come in\n"), "{after}");
    workers.kill();
}

#[test]
fn an_rfq_of_this_machine_whose_rows_are_gone_is_not_offered_again() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    stack.delete_row(&id, "-");
    let gone = stack.rydes("quotes").run().exits(5).stderr;
    assert!(gone.contains("hint: it was submitted from this machine; its rows have"), "{gone}");
    assert!(!gone.contains("newest here"), "{gone}");
}
