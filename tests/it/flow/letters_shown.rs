//! `rydes dlq list` and `show`: what lies in the dead letters, and why. Looking changes nothing.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json as value;

use super::letters::{ids, post};
use crate::support::proxy::Proxy;
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};
use crate::support::terminal::Terminal;
use crate::support::{ends_within, json, wait_for};

#[test]
fn each_letter_is_a_line_with_its_reason_and_stays() {
    let stack = Stack::set_up(1);
    let none = stack.rydes("dlq list").run().exits(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "0 requests and 0 replies\n"));
    let workers = stack.providers("--behavior steady --fault error");
    let id = stack.submit("--deadline 10m");
    let evil = r#"{"rfq-id": "other", "responder": "acme\u0000", "quote": "\u001b"}"#;
    stack.send(RESPONSES, evil);
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    stack.letters(RESPONSE_DEAD_LETTERS, 1);
    workers.stop();
    // Those that the lines above have received are hidden for a second.
    let shown = wait_for("both letters", || {
        let shown = stack.rydes("dlq list").run().exits(0);
        shown.stderr.starts_with("1 request and 1 reply\n").then_some(shown)
    });
    for said in ["rydes dlq replay --all", "rydes dlq show ID"] {
        assert!(shown.stderr.contains(said), "{}", shown.stderr);
    }
    let lines: Vec<_> = shown.stdout.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["ID", "KIND", "TIME", "FROM", "RFQ", "REASON"]);
    assert_eq!(lines.len(), 3, "{}", shown.stdout);
    let (request, reply) = (words(lines[1]), words(lines[2]));
    assert_eq!(&request[4..], [&provider(1), &id[..8], "engine", "fault"]);
    assert!(lines[2].contains("  -     ") && reply.contains(&"other".to_owned()), "{}", lines[2]);
    // Nothing was taken, and nothing is hidden from the next look.
    let told = json(&stack.rydes("dlq list -o json").run().exits(0).stdout);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["letters"][0]["source"], stack.full(&provider(1)).as_str());
    assert_eq!(told["letters"][0]["responder"], provider(1).as_str());
    assert_eq!(told["letters"][0]["rfq-id"], id.as_str());
    assert_eq!(told["letters"][1]["body"], evil);
    assert_eq!(stack.depth(PROVIDER_DEAD_LETTERS), 1);
    // On a terminal a long reason is cut, and a line stays a line.
    let long = "because ".repeat(40);
    post(&stack, RESPONSE_DEAD_LETTERS, "x", &[("reason", &long)]);
    let terminal = Terminal::new();
    let mut list = stack.on_terminal(&terminal, "dlq list --color never").start();
    assert!(ends_within(&mut list, crate::support::PATIENCE));
    let text = wait_for("what to do next", || {
        Some(terminal.text()).filter(|text| text.contains("replay --all"))
    });
    let text = text.replace('\r', "");
    let line = text.lines().find(|line| line.contains("because")).expect("its line");
    let line = line.rsplit('\u{1b}').next().expect("what is last on it");
    assert!(line.ends_with("...") && line.chars().count() < 105, "{line:?}");
}

#[test]
fn no_more_are_shown_than_were_asked_for() {
    let stack = Stack::set_up(1);
    for number in 0..12 {
        stack.send(RESPONSE_DEAD_LETTERS, &format!("letter {number}"));
    }
    let list = |options: &str| {
        let told = json(&stack.rydes(&format!("dlq list {options} -o json")).run().exits(0).stdout);
        (told["letters"].as_array().map_or(0, Vec::len), told["held"]["reply"].clone())
    };
    assert_eq!(list(""), (12, value!(12)));
    assert_eq!(list("--limit 11"), (11, value!(12)));
    assert_eq!(list("--most 11"), (11, value!(12)), "its name until now");
    let told = stack.rydes("dlq list --limit 1").run().exits(0).stderr;
    assert!(told.starts_with("0 requests and 1 of about 12 replies\n"), "{told}");
    assert!(!stack.rydes("dlq list --help").run().exits(0).stdout.contains("--most"));
}

#[test]
fn the_letters_of_one_rfq_are_found_among_many() {
    let stack = Stack::set_up(1);
    let mine = stack.submit("--deadline 10m");
    let body = |id: &str| value!({"rfq-id": id, "responder": "acme"}).to_string();
    // It is not among the first that are received.
    for number in 0..25 {
        stack.send(RESPONSE_DEAD_LETTERS, &body(&format!("aaaa{number:04}")));
    }
    let envelope = value!({"Type": "Notification", "Message": body(&mine)}).to_string();
    stack.send(PROVIDER_DEAD_LETTERS, &envelope);
    stack.send(RESPONSE_DEAD_LETTERS, &body(&mine));
    ids(&stack, 27);
    let of = |typed: &str| {
        let list = format!("dlq list {typed} --limit 2 -o json");
        let told = json(&stack.rydes(&list).run().exits(0).stdout);
        let letters = told["letters"].as_array().expect("a list").iter();
        letters
            .map(|letter| letter["rfq-id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&mine), [mine.clone(), mine.clone()]);
    assert_eq!(of(&mine[..4]), [mine.clone(), mine.clone()], "remembered here");
    assert_eq!(of("aaaa0007"), ["aaaa0007"], "submitted elsewhere");
    let said = stack.rydes(&format!("dlq list {mine}")).run().exits(0).stderr;
    let expected = format!("RFQ {}: 1 request and 1 reply, of about 27 letters\n", &mine[..8]);
    assert!(said.starts_with(&expected), "{said}");
    assert!(said.contains("   send them back") && said.contains(" dlq replay "), "{said}");
    let one = stack.rydes("dlq list aaaa0007").run().exits(0).stderr;
    let letter = json(&stack.rydes("dlq list aaaa0007 -o json").run().exits(0).stdout);
    let letter = letter["letters"][0]["message-id"].as_str().expect("an id").to_owned();
    let replay = format!("dlq replay {}   send it back\n", &letter[..8]);
    assert!(one.ends_with(&replay), "{one}");
    for options in ["", " -o json"] {
        let none = stack.rydes(&format!("dlq list none{options}")).run().exits(5);
        let said = format!(
            "error: no RFQ none on stack {}\nhint: by default, RFQs are kept for ",
            stack.name
        );
        assert!(none.stderr.contains(&said) && none.stdout.is_empty(), "{}", none.stderr);
    }
    let other = stack.submit("--deadline 10m");
    let none = stack.rydes(&format!("dlq list {}", &other[..8])).run().exits(0).stderr;
    assert!(none.contains(": 0 requests and 0 replies, of about 27 letters\n"), "{none}");
    assert!(!none.contains("hint") && !none.contains("next"), "{none}");
    let elsewhere = stack.rydes(&format!("dlq list {other}")).env("XDG_STATE_HOME", "/nonexistent");
    let none = elsewhere.run().exits(0).stderr;
    assert!(none.contains(": 0 requests and 0 replies, of about 27 letters\n"), "{none}");
    let short = stack.rydes("dlq list aaa").run().exits(2).stderr;
    assert!(short.starts_with("error: `aaa` is too short: an id, or its first 4 "), "{short}");
    let cut = stack.rydes("dlq list aaaa0007 --limit 1").run().exits(0).stderr;
    assert!(cut.contains(" of about 27 letters; the search ended at `--limit 1`\n"), "{cut}");
    let many = stack.rydes("dlq list aaaa001").run().exits(2).stderr;
    assert!(many.contains("`aaaa001` may be any of aaaa0010, aaaa0011, "), "{many}");
}

#[test]
fn a_look_for_a_whole_id_ends_with_its_letter() {
    let stack = Stack::set_up(1);
    for number in 0..35 {
        stack.send(RESPONSE_DEAD_LETTERS, &format!("letter {number}"));
    }
    let first = ids(&stack, 35).swap_remove(0);
    let proxy = Proxy::start();
    let show = |id: &str| {
        let before = proxy.count("ReceiveMessage");
        let show = stack.rydes("dlq show").arg(id).env("AWS_ENDPOINT_URL_SQS", &proxy.url);
        show.run().exits(0);
        proxy.count("ReceiveMessage") - before
    };
    let (whole, beginning) = (show(&first), show(&first[..8]));
    assert!(whole < beginning, "{whole} receives, {beginning} for a beginning");
}

#[test]
fn a_letter_is_shown_whole_with_the_attempts_that_were_made() {
    let stack = Stack::set_up(1);
    let workers = stack.providers("--behavior steady --fault error");
    let id = stack.submit("--deadline 10m");
    let failed = stack.row_when(&id, &provider(1), |row| row.get("failed").is_some());
    stack.letters(PROVIDER_DEAD_LETTERS, 1);
    stack.send(&provider(1), "not JSON \u{7f}\u{202e}\nand a second line");
    stack.letters(PROVIDER_DEAD_LETTERS, 2);
    workers.stop();
    let all = ids(&stack, 2);
    let show = |id: &str, options: &str| {
        stack.rydes(&format!("dlq show {id} {options}")).run().exits(0).stdout
    };
    let told = all.iter().map(|id| json(&show(id, "-o json")));
    let (request, unread): (Vec<_>, Vec<_>) = told.partition(|told| told["rfq-id"] == id.as_str());
    // Looks are counted by SQS alone.
    assert_eq!((&failed["attempts"], &request[0]["attempts"]), (&value!(5), &value!(5)));
    assert!(request[0]["receive-count"].as_u64() > Some(1), "{}", request[0]);
    assert_eq!(unread[0]["attempts"], value!(null), "it was not attempted");
    let letter = request[0]["message-id"].as_str().expect("an id");
    let shown = show(&letter[..8], "");
    for said in [
        &format!("request {letter}\n"),
        &format!("  provider   {}\n", provider(1)),
        &format!("  from       {}\n", stack.full(&provider(1))),
        &format!("  RFQ        {id}\n"),
        "  reason     engine fault\n  attempts   5\n\n{\n",
        "  \"to\": \"Rome\",\n",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert!(!shown.contains("received"), "{shown}");
    let shown = show(unread[0]["message-id"].as_str().expect("an id"), "");
    assert!(shown.ends_with("\n\nnot JSON \\u{7f}\\u{202e}\nand a second line\n"), "{shown}");
    assert!(!shown.contains("attempts"), "{shown}");
    let none = stack.rydes("dlq show 00000000").run().exits(1).stderr;
    assert!(none.starts_with("error: dead letter 00000000 was not found\n"), "{none}");
    stack.rydes("dlq show 123").run().exits(2);
}

#[test]
fn json_is_laid_out_as_it_was_written() {
    let stack = Stack::set_up(1);
    let body = r#"{"z":1.50E+2,"a":[],"n":12345678901234567890.12,"z":"\u202e"}"#;
    stack.send(RESPONSE_DEAD_LETTERS, body);
    let id = ids(&stack, 1).pop().expect("one");
    let shown = stack.rydes("dlq show").arg(&id).run().exits(0);
    let said = "hint: the body is not a valid reply, so a replay would be refused again; to delete it: rydes ";
    assert!(shown.stderr.contains(said), "{}", shown.stderr);
    assert!(shown.stderr.ends_with(&format!(" dlq purge {id}\n")), "{}", shown.stderr);
    let shown = shown.stdout;
    let expected = r#"
{
  "z": 1.50E+2,
  "a": [],
  "n": 12345678901234567890.12,
  "z": "\u202e"
}
"#;
    assert!(shown.ends_with(expected), "{shown}");
    let told = json(&stack.rydes("dlq show -o json").arg(&id).run().exits(0).stdout);
    assert_eq!(told["body"], body);
}

#[test]
fn of_what_sqs_moved_no_attempts_are_told() {
    let stack = Stack::set_up(1);
    let redrive = value!({"deadLetterTargetArn": stack.queue_arn(PROVIDER_DEAD_LETTERS),
        "maxReceiveCount": 1});
    stack.set(&provider(1), QueueAttributeName::RedrivePolicy, &redrive.to_string());
    stack.send(&provider(1), "received too often");
    wait_for("the redrive", || {
        stack.receive(&provider(1));
        (stack.depth(PROVIDER_DEAD_LETTERS) == 1).then_some(())
    });
    let id = ids(&stack, 1).pop().expect("one");
    let told = json(&stack.rydes("dlq show -o json").arg(&id).run().exits(0).stdout);
    assert_eq!((&told["attempts"], &told["reason"]), (&value!(null), &value!(null)));
    let shown = stack.rydes("dlq show").arg(&id).run().exits(0).stdout;
    assert!(shown.contains("  reason     received too often, moved by SQS\n"), "{shown}");
    assert!(!shown.contains("attempts"), "{shown}");
}
