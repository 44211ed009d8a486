//! Terminals that can do little, and one that was stopped with Ctrl-S.

use std::process::Child;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::background::signal;
use crate::support::stack::Stack;
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, ends_within, side_by_side};

/// What begins every colour and every redraw.
const ESCAPE: char = '\u{1b}';

#[track_caller]
fn ends(mut child: Child, code: i32) {
    let ended = ends_within(&mut child, PATIENCE);
    if !ended {
        child.kill().expect("it runs");
    }
    assert!(ended, "it did not end");
    assert_eq!(child.wait().expect("it has ended").code(), Some(code));
}

#[test]
fn a_dumb_terminal_gets_neither_colours_nor_redraws() {
    let stack = Stack::set_up(2);
    for (term, is_dumb) in [("dumb", true), ("", true), ("xterm", false)] {
        let terminal = Terminal::new();
        let run = |line: &str| stack.on_terminal(&terminal, line).env("TERM", term).start();
        ends(run("--aws setup"), 2);
        ends(run("setup --help"), 0);
        ends(run("setup --providers 2"), 0);
        let workers = run("providers run --behavior steady --poll-wait 2s");
        terminal.shows("response consumer");
        // The terminal is that of the workers.
        let submit = stack.rydes("submit --from A --to B --deadline 60s --wait");
        ends(terminal.of(submit).env("TERM", term).start(), 0);
        signal(&workers, Signal::TERM);
        ends(workers, 0);
        terminal.shows("done: 2 requests");
        let text = terminal.text();
        assert_eq!(text.contains(ESCAPE), !is_dumb, "{term}: {text}");
        assert_eq!(text.contains(" received  "), is_dumb, "lines in place of a table: {text}");
    }
    // Without colours, but with redraws.
    for (option, name, value) in [("", "NO_COLOR", "1"), ("--color never", "LANG", "C")] {
        let terminal = Terminal::new();
        let wait = stack.on_terminal(&terminal, &format!("{option} quotes --watch --linger 2s"));
        ends(wait.env("TERM", "xterm").env(name, value).start(), 0);
        terminal.shows("next: ");
        let text = terminal.text();
        assert!(text.contains("\u{1b}[2K") && text.contains("RESPONDER"), "{name}: {text}");
        assert!(!text.contains("\u{1b}[3") && !text.contains("\u{1b}[1m"), "{name}: {text}");
    }
    // What was asked for is done.
    let terminal = Terminal::new();
    let always = stack.on_terminal(&terminal, "--color always --aws setup").env("TERM", "dumb");
    ends(always.start(), 2);
    terminal.shows(&ESCAPE.to_string());
}

#[test]
fn workers_run_on_while_their_terminal_is_stopped() {
    let stack = Stack::set_up(2);
    let terminal = Terminal::new();
    let run = "providers run --behavior steady --poll-wait 2s --visibility 2s --think 4s..4s";
    let workers = stack.on_terminal(&terminal, run).start();
    terminal.shows("SIMULATED PROVIDER");
    terminal.stop();
    for _ in 0..2 {
        stack.submit("--deadline 60s");
        stack.rydes("quotes --watch").run().exits(0);
    }
    terminal.go_on();
    terminal.shows("4 replies gathered");
    terminal.stop();
    signal(&workers, Signal::TERM);
    ends(workers, 0);
}

#[test]
fn what_is_drawn_on_a_stopped_terminal_ends_at_a_signal() {
    let stack = Stack::set_up(1);
    stack.submit("--deadline 10m");
    side_by_side(1..=2, |signals| {
        let terminal = Terminal::new();
        let wait = stack.on_terminal(&terminal, "quotes --watch").start();
        terminal.shows("waiting for 1");
        terminal.stop();
        // A redraw is on its way.
        thread::sleep(Duration::from_secs(1));
        for _ in 0..signals {
            signal(&wait, Signal::TERM);
        }
        ends(wait, 143);
    });
    // A spinner, and a bar.
    let bench = Stack::new();
    let lines = [(&stack, "verify --wait"), (&bench, "bench --providers 2 --count 1000 --rate 5")];
    side_by_side(lines, |(stack, line)| {
        let terminal = Terminal::new();
        let working = stack.on_terminal(&terminal, line).start();
        terminal.shows(&ESCAPE.to_string());
        terminal.stop();
        thread::sleep(Duration::from_secs(1));
        signal(&working, Signal::TERM);
        ends(working, 143);
    });
}
