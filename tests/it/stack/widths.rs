//! What people see on terminals of 50, 80 and 120 columns, with its colours.

use std::panic::resume_unwind;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use rustix::process::Signal;
use rydes::core::Timestamp;
use serde_json::json;

use crate::support::background::signal;
use crate::support::localstack::endpoint;
use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack, provider};
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, ends_within, side_by_side};

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

/// Whether colours are asked for.
#[derive(Clone, Copy)]
enum Colours {
    Shown,
    /// With `NO_COLOR`.
    Off,
}

/// Whether the times on a screen are the same in each run.
#[derive(Clone, Copy)]
enum Times {
    Same,
    /// They have as many digits.
    Differ,
}

/// A command that may run on a terminal again and again.
struct Screen {
    name: &'static str,
    line: String,
    code: i32,
    times: Times,
    /// An id that differs from run to run.
    hidden: Option<String>,
}

impl Screen {
    fn new(name: &'static str, line: impl Into<String>, code: i32) -> Self {
        Self { name, line: line.into(), code, times: Times::Same, hidden: None }
    }
}

/// A stack whose name is as long as those of all others here.
fn stack() -> Stack {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() % 1_000_000 * 10 + COUNT.fetch_add(1, Ordering::Relaxed);
    Stack::called(format!("w{number:07}"))
}

/// Replaces what differs from run to run by something that is as wide, but for a port.
fn masked(stack: &Stack, hidden: Option<&str>, text: String) -> String {
    let text = match hidden {
        Some(id) => text.replace(id, &"i".repeat(id.len())).replace(&id[..8], &"i".repeat(8)),
        None => text,
    };
    let port = endpoint().rsplit(':').next().expect("a port");
    let text = text.replace(stack.name.as_str(), &"S".repeat(stack.name.len()));
    text.replace(&format!(":{port}"), ":45660")
}

/// What a command leaves on a terminal so wide.
fn seen(stack: &Stack, columns: u16, screen: &Screen, colours: Colours) -> String {
    let Screen { name, line, code, times, .. } = screen;
    let terminal = Terminal::sized(columns, 120);
    let run = stack.on_terminal(&terminal, line).env("TERM", "xterm").env("TZ", "UTC");
    let run = match colours {
        Colours::Shown => run,
        Colours::Off => run.env("NO_COLOR", "1"),
    };
    let mut run = run.start();
    assert!(ends_within(&mut run, PATIENCE), "{line}");
    assert_eq!(
        run.wait().expect("it has ended").code(),
        Some(*code),
        "{name}: {}",
        terminal.text()
    );
    terminal.settled();
    let seen = terminal.screen(|text| masked(stack, screen.hidden.as_deref(), text));
    match times {
        Times::Same => seen,
        Times::Differ => without_times(&seen),
    }
}

/// Times as `## s` and `##:##:##`, ages as `(# ago)`. How long a command took is `in # s`: it may be milliseconds.
fn without_times(screen: &str) -> String {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    let mut shown = String::new();
    let mut rest = screen;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(begin);
        let (number, after) =
            number.split_at(number.find(|c| !is_of_number(c)).unwrap_or(number.len()));
        let is_clock = matches!(number.len(), 5 | 8)
            && number.split(':').all(|part| part.len() == 2 && !part.contains('.'));
        let is_time = [" s", " ms", " min"].iter().any(|unit| after.starts_with(unit));
        shown.push_str(before);
        let unit = after.strip_prefix(" ms").or_else(|| after.strip_prefix(" s"));
        if let Some(after) = unit.filter(|_| before.ends_with(" in ")) {
            shown.push_str("# s");
            rest = after;
            continue;
        }
        if is_clock || is_time {
            shown.push_str(&number.replace(|c: char| c.is_ascii_digit(), "#"));
        } else {
            shown.push_str(number);
        }
        rest = after;
    }
    let shown = shown + rest;
    match shown.split_once(" ago)").and_then(|(age, rest)| Some((age.rsplit_once('(')?.0, rest))) {
        Some((before, after)) => format!("{before}(# ago){after}"),
        None => shown,
    }
}

/// Without the marks of colours.
fn plain(screen: &str) -> String {
    let parts = screen.split('‹');
    parts.map(|part| part.split_once('›').map_or(part, |(_, text)| text)).collect()
}

/// What each width shows, one below the other.
fn on_widths(shown: impl Fn(u16) -> String + Sync) -> String {
    let widths = thread::scope(|scope| {
        let shown = &shown;
        let running = [50, 80, 120].map(|columns| (columns, scope.spawn(move || shown(columns))));
        running.map(|(columns, thread)| match thread.join() {
            Ok(shown) => format!("--- {columns} columns\n{shown}"),
            Err(panic) => resume_unwind(panic),
        })
    });
    widths.join("\n")
}

/// A screen with its colours. Without them it says the same.
fn coloured(stack: &Stack, columns: u16, screen: &Screen) -> String {
    let [shown, off] =
        [Colours::Shown, Colours::Off].map(|colours| seen(stack, columns, screen, colours));
    assert_eq!(plain(&shown), off, "{}", screen.name);
    shown
}

#[test]
fn each_screen_fits_its_terminal_and_has_its_colours() {
    let stack = stack();
    stack.rydes("setup").run().exits(0);
    put_rfq(&stack);
    stack.send(RESPONSE_DEAD_LETTERS, "what was it?");
    stack.send(&provider(9), "a request");
    stack.rydes("providers add acme").run().exits(0);
    for screen in [
        Screen::new("quotes", format!("quotes {ID}"), 0),
        Screen::new("watch", format!("quotes {ID} --watch"), 3),
        Screen::new("trace", format!("trace {ID}"), 0),
        Screen::new("verify", format!("verify {ID}"), 8),
        Screen::new("status", "status", 0),
        Screen::new("providers-list", "providers list", 0),
        Screen::new("check", "providers run --check", 0),
        Screen::new("check-of-one", "providers run acme --check --http http://127.0.0.1:8000/a", 0),
        Screen { times: Times::Differ, ..Screen::new("setup", "setup", 0) },
        Screen::new("owner", "providers add acme", 0),
        Screen::new("unreachable", "--endpoint-url http://127.0.0.1:9 setup", 6),
    ] {
        assert_snapshot!(screen.name, on_widths(|columns| coloured(&stack, columns, &screen)));
    }
}

#[test]
fn dead_letters_fit_their_terminals_and_have_their_colours() {
    side_by_side([("dead-letters", "list"), ("dead-letter", "show")], |(name, action)| {
        let stack = stack();
        stack.rydes("setup --providers 1").run().exits(0);
        let body = json!({"rfq-id": ID, "responder": provider(1), "quote": "much"});
        stack.send(RESPONSE_DEAD_LETTERS, &body.to_string());
        let listed = stack.rydes("dlq list -o json").run().exits(0);
        let listed = crate::support::json(&listed.stdout);
        let id = listed["letters"][0]["message-id"].as_str().expect("an id");
        let line = format!("dlq {action} {}", if action == "show" { id } else { "" });
        let screen = Screen {
            times: Times::Differ,
            hidden: Some(id.to_owned()),
            ..Screen::new(name, line.trim_end(), 0)
        };
        // A look hides a letter from others for a moment.
        let look = Mutex::new(());
        let shown = |columns| {
            let _alone = look.lock().unwrap_or_else(PoisonError::into_inner);
            coloured(&stack, columns, &screen)
        };
        assert_snapshot!(screen.name, on_widths(shown));
    });
}

/// A command that runs on a terminal so wide.
struct Running<'a> {
    stack: &'a Stack,
    terminal: Terminal,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(stack: &'a Stack, columns: u16, line: &str) -> Self {
        let terminal = Terminal::sized(columns, 60);
        let run = stack.on_terminal(&terminal, line).env("TERM", "xterm").env("TZ", "UTC");
        let child = run.start();
        Self { stack, terminal, child }
    }

    /// Its screen, as soon as it shows what is looked for.
    fn until(&self, looked_for: impl Fn(&str) -> bool) -> String {
        let screen =
            |text: &str| self.terminal.screen_of(&masked(self.stack, None, text.to_owned()));
        self.terminal.until("the screen", |text| looked_for(&screen(text)));
        // The program may be writing: wait until all of it is on the screen.
        self.terminal.settled();
        screen(&self.terminal.text())
    }

    fn signal(&self) {
        signal(&self.child, Signal::INT);
    }

    /// Its last screen.
    fn ends(mut self, code: i32) -> String {
        assert!(ends_within(&mut self.child, PATIENCE), "{}", self.terminal.text());
        let status = self.child.wait().expect("it has ended");
        assert_eq!(status.code(), Some(code), "{}", self.terminal.text());
        self.until(|_| true)
    }
}

/// Workers that stop with nothing in hand, with requests in hand, and at once.
fn stopping(columns: u16) -> String {
    let stack = stack();
    stack.rydes("setup --providers 3").run().exits(0);
    let run = "providers run --behavior steady --seed 7 --think 60s..60s --fault UnicornManagementResource2=decline:no";
    let idle = Running::start(&stack, columns, run);
    idle.until(|screen| screen.contains("0 replies gathered"));
    // The table shows before the first polls, which then take 2 s each.
    thread::sleep(Duration::from_secs(3));
    idle.signal();
    let waits = idle.until(|screen| screen.contains("stopping: "));
    let rest = idle.ends(0);
    let busy = Running::start(&stack, columns, run);
    stack.submit("--deadline 10m");
    let in_hand = |screen: &str| screen.lines().filter(|line| line.ends_with(" 1")).count() == 3;
    busy.until(in_hand);
    busy.signal();
    let works = busy.until(|screen| screen.contains("stopping: "));
    busy.signal();
    let left = busy.ends(130);
    let screens = [waits, rest, works, left].map(|screen| without_times(&screen));
    screens.join("~~~\n")
}

#[test]
fn workers_that_stop_say_so_on_every_width() {
    assert_snapshot!("stopping", on_widths(stopping));
}

/// A wait in its middle, after a signal, and another to its end.
fn waiting(columns: u16) -> String {
    let stack = stack();
    stack.rydes("setup --providers 5").run().exits(0);
    let now = Timestamp::now();
    let at = |millis| now.plus(Duration::from_millis(millis));
    let row = |number: usize, kind: &str, value: serde_json::Value| {
        json!({
            "id": ID, "responder": provider(number), kind: value, "from": "Frankfurt", "to": "Las Vegas",
            "customer": "cmr", "received-at": at(20), "answered-at": at(400), "sent-at": at(400), "gathered-at": at(420),
        })
    };
    let expected: Vec<_> = (1..=5).map(provider).collect();
    stack.put(&json!({
        "id": ID, "responder": "-", "from": "Frankfurt", "to": "Las Vegas", "customer": "cmr",
        "submitted-at": at(0), "deadline": at(3_599_900), "expected": expected,
    }));
    stack.put(&row(1, "quote", json!(16)));
    stack.put(&row(2, "failed", json!("engine fault")));
    stack.put(&row(3, "silent", json!("closed today")));
    let wait = Running::start(&stack, columns, &format!("quotes {ID} --watch"));
    let middle = wait.until(|screen| screen.contains("failed: engine"));
    wait.signal();
    let ended = wait.ends(130);
    let _workers = stack.providers("--behavior steady --seed 7 --think 1500ms..1500ms");
    let id = format!("78c371f6-87c4-4e6e-8c7d-33403c7b{columns:04}");
    let submit = format!("submit Frankfurt Rome --deadline 60s --wait --rfq-id {id}");
    let over = Running::start(&stack, columns, &submit).ends(0);
    let screens = [middle, ended, over].map(|screen| without_times(&screen));
    screens.join("~~~\n")
}

#[test]
fn waits_say_the_answer_first_on_every_width() {
    assert_snapshot!("waiting", on_widths(waiting));
}
