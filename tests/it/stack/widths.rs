//! What people see on terminals of 50, 80 and 120 columns, with its colours.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::localstack::endpoint;
use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, ends_within, wait_for};

const ID: &str = "78c371f6-87c4-4e6e-8c7d-33403c7b7049";

/// An RFQ of long ago with ten providers: each state that a row can have, and one copy that is lost.
fn put_rfq(stack: &Stack) {
    let at = |seconds: &str| format!("2026-01-31T12:00:{seconds}Z");
    let expected: Vec<_> = (1..=10).map(provider).collect();
    stack.put(&json!({
        "id": ID, "responder": "-", "from": "Frankfurt", "to": "Las Vegas", "customer": "cmr",
        "submitted-at": at("00.000"), "deadline": at("15.000"), "expected": expected,
    }));
    let quotes = [
        (1, 16, "03.100"),
        (2, 68, "02.400"),
        (5, 86, "00.800"),
        (6, 93, "01.900"),
        (7, 7, "18.200"),
    ];
    for (number, quote, sent) in quotes {
        stack.put(&json!({
            "id": ID, "responder": provider(number), "quote": quote, "received-at": at("00.100"),
            "answered-at": at(sent), "sent-at": at(sent), "gathered-at": at(sent),
        }));
    }
    let others = [
        (3, "failed", "engine fault", "03.900"),
        (4, "silent", "not available", "00.900"),
        (8, "declined", "fully booked", "01.100"),
    ];
    for (number, kind, reason, sent) in others {
        stack.put(&json!({
            "id": ID, "responder": provider(number), kind: reason, "from": "Frankfurt", "to": "Las Vegas",
            "customer": "cmr", "received-at": at("00.100"), "answered-at": at(sent), "sent-at": at(sent),
            "gathered-at": at(sent),
        }));
    }
}

/// What a command writes to a terminal so wide, its colours as `‹32›`.
fn seen(stack: &Stack, columns: u16, line: &str, code: i32) -> String {
    let terminal = Terminal::sized(columns, 60);
    let run = stack.on_terminal(&terminal, line).env("TERM", "xterm").env("TZ", "UTC");
    let mut run = run.start();
    assert!(ends_within(&mut run, PATIENCE), "{line}");
    assert_eq!(run.wait().expect("it has ended").code(), Some(code), "{line}: {}", terminal.text());
    // What was written last may still be on its way.
    wait_for("the last line", || terminal.text().ends_with('\n').then_some(()));
    let text = terminal.text().replace("\r\n", "\n").replace(endpoint(), "URL");
    with_colours(&text).replace(stack.name.as_str(), &"S".repeat(stack.name.len()))
}

/// Colours as `‹32›`; lines that were erased are left out.
fn with_colours(text: &str) -> String {
    let mut shown = String::new();
    let mut parts = text.split('\u{1b}');
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let part = part.strip_prefix('[').unwrap_or(part);
        let (code, rest) = part.split_at(part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0));
        let mut rest = rest.chars();
        match (rest.next(), code) {
            (Some('m'), "0") => shown.push_str("‹›"),
            (Some('m'), code) => shown.extend(["‹", code, "›"]),
            (Some('K'), "2") => shown.truncate(shown.rfind('\n').map_or(0, |end| end + 1)),
            _ => {}
        }
        shown.push_str(rest.as_str());
    }
    shown.replace('\r', "")
}

#[test]
fn each_screen_fits_its_terminal_and_has_its_colours() {
    // A title has its stack's name at its end: names are equally long.
    let stack = Stack::called(format!("w{:07}", std::process::id() % 10_000_000));
    stack.rydes("setup").run().exits(0);
    put_rfq(&stack);
    stack.send(RESPONSE_DEAD_LETTERS, "what was it?");
    stack.send(&provider(9), "a request");
    for (screen, line, code) in [
        ("quotes", format!("quotes {ID}"), 0),
        ("trace", format!("trace {ID}"), 0),
        ("verify", format!("verify {ID}"), 8),
        ("status", "status".to_owned(), 0),
        ("providers-list", "providers list".to_owned(), 0),
    ] {
        let widths = [50, 80, 120].map(|columns| {
            let seen = seen(&stack, columns, &line, code);
            format!("--- {columns} columns\n{seen}")
        });
        assert_snapshot!(screen, widths.join("\n"));
    }
}
