//! Real providers: programs and HTTP endpoints behind a worker.

mod asked;
mod config;
mod endpoints;
mod ends;
mod examples;
mod pages;
mod programs;
mod traces;
mod trial;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::background::Background;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, Stack};
use crate::support::{json, wait_for};

/// How many requests meet each kind of provider: 1 unless this variable says otherwise.
const REQUESTS: &str = "RYDES_TEST_REAL_REQUESTS";

/// What becomes of one request of a provider, as the table in docs/providers.md says.
struct Case {
    name: &'static str,
    /// The kind of its answer, and a beginning of its price or reason.
    kind: &'static str,
    begins: &'static str,
    attempts: u64,
    letter: bool,
}

/// An answer that is no failure.
const fn answers(name: &'static str, kind: &'static str, begins: &'static str) -> Case {
    Case { name, kind, begins, attempts: 1, letter: false }
}

/// A failure after `attempts` attempts.
const fn fails(name: &'static str, begins: &'static str, attempts: u64, letter: bool) -> Case {
    Case { name, kind: "failed", begins, attempts, letter }
}

/// A folder with a file of providers, each given by the lines below its name.
fn folder(entries: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let entries = entries.iter().map(|(name, lines)| format!("[providers.{name}]\n{lines}\n"));
    write(folder.path(), "providers.toml", &entries.collect::<String>());
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("it can be written");
}

/// Runs the providers of a folder's file.
fn run(stack: &Stack, folder: &TempDir, options: &str) -> Background {
    let file = folder.path().join("providers.toml");
    let run = format!("providers run --output jsonl --poll-wait 2s {options} --config");
    Background::start(stack.rydes(&run).arg(file))
}

/// The number of repetitions: the value of the variable, or `usual` without it.
fn repeats(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// Waits until each case has its rows and the dead letters are the expected ones.
#[track_caller]
fn come_true(stack: &Stack, ids: &[String], cases: &[Case]) {
    for case in cases {
        stack.drained(case.name);
        for id in ids {
            let row = stack.row_when(id, case.name, |_| true);
            let said = &row[case.kind];
            let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            assert!(text.starts_with(case.begins), "{}: {row}", case.name);
            if case.kind == "failed" {
                assert_eq!(row["attempts"], case.attempts, "{}: {row}", case.name);
                let times = row["attempted-at"].as_array().map_or(0, Vec::len);
                assert_eq!(times as u64, case.attempts, "{}: {row}", case.name);
            }
        }
    }
    let expected: Vec<_> = cases.iter().filter(|case| case.letter).collect();
    let letters = letters(stack, expected.len() * ids.len());
    for case in &expected {
        let source = stack.full(case.name);
        let reasons: Vec<_> = letters.iter().filter(|(from, _)| *from == source).collect();
        assert_eq!(reasons.len(), ids.len(), "{source}: {reasons:?}");
        assert!(reasons.iter().all(|(_, reason)| reason.starts_with(case.begins)), "{reasons:?}");
    }
    assert_eq!(letters.len(), expected.len() * ids.len());
}

/// Waits for `count` dead letters, and returns for each its source queue and its reason.
#[track_caller]
fn letters(stack: &Stack, count: usize) -> Vec<(String, String)> {
    wait_for(&format!("{count} dead letters"), || {
        (stack.depth(PROVIDER_DEAD_LETTERS) == count).then_some(())
    });
    let listed = stack.rydes("dlq list -o json --most 10000").run().exits(0);
    let listed = json(&listed.stdout);
    let text = |letter: &Value, name: &str| letter[name].as_str().unwrap_or_default().to_owned();
    let letters = listed["letters"].as_array().expect("a list").iter();
    letters.map(|letter| (text(letter, "source"), text(letter, "reason"))).collect()
}

/// How many processes have this in their command line.
fn processes(mark: &str) -> usize {
    let is_marked = |entry: fs::DirEntry| {
        let text = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(mark)
    };
    let all = fs::read_dir("/proc").expect("it can be listed");
    all.filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter_map(|entry| is_marked(entry).then_some(()))
        .count()
}

/// A number of seconds that no other test sleeps.
fn own_sleep() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!(
        "{}.{:06}{:03}",
        600,
        std::process::id() % 1_000_000,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The events of one kind of one provider.
fn events(workers: &Background, kind: &str, provider: &str) -> Vec<Value> {
    let all = workers.events().into_iter();
    all.filter(|event| event["event"] == kind && event["provider"] == provider).collect()
}
