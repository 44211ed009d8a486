//! What setup did or would do, and what teardown finds.

use std::collections::BTreeSet;
use std::slice;

use serde_json::{Value, json};

use super::count_of;
use super::subscriptions;
use super::table::{Column, lines_within};
use super::tone::{Line, Tone, headed};
use crate::core::text::printable;
use crate::stack::{Change, Difference, Inventory, Mode, SetupReport};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub created: usize,
    pub kept: usize,
    pub changed: usize,
}

impl Totals {
    pub fn of<'a>(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut totals = Self::default();
        for change in changes {
            match change {
                Change::Created => totals.created += 1,
                Change::Kept => totals.kept += 1,
                Change::Changed(_) => totals.changed += 1,
            }
        }
        totals
    }
}

type Named = (String, Change);

/// The column that a narrow terminal cuts.
const NAME: usize = 1;

/// The table: one line per kind of resource.
pub fn table(report: &SetupReport, mode: Mode, width: Option<u16>) -> Vec<Line> {
    let many =
        |what: &str, all: &[Named], name: String| vec![what.to_owned(), name, summary(all, mode)];
    let one = |what: &str, (name, change): &Named| {
        vec![what.to_owned(), name.clone(), state(change, mode)]
    };
    let mut rows = vec![one("topic", &report.topic)];
    if !report.provider_queues.is_empty() {
        rows.push(many("provider queues", &report.provider_queues, span(&report.provider_queues)));
    }
    if !report.subscriptions.is_empty() {
        let name = "topic -> queue, raw delivery".to_owned();
        rows.push(many("subscriptions", &report.subscriptions, name));
    }
    rows.push(one("response queue", &report.response_queue));
    for (position, dead_letters) in report.dead_letters.iter().enumerate() {
        rows.push(one(if position == 0 { "dead letters" } else { "" }, dead_letters));
    }
    rows.push(one("table", &report.table));
    headed(lines_within(&COLUMNS, &rows, NAME, width))
}

/// The table of `-v`: one line per resource.
pub fn full_table(report: &SetupReport, mode: Mode, width: Option<u16>) -> Vec<Line> {
    let rows: Vec<_> = resources(report)
        .into_iter()
        .map(|(kind, (name, change))| vec![kind.to_owned(), name.clone(), state(&change, mode)])
        .collect();
    headed(lines_within(&COLUMNS, &rows, NAME, width))
}

const COLUMNS: [Column; 3] =
    [Column::Left("RESOURCE"), Column::Left("NAME"), Column::Left("STATE")];

/// A line for each resource that is missing, for each setting that differs, and for each difference that is its
/// owner's to mend.
pub fn differences(report: &SetupReport, width: Option<u16>) -> Vec<Line> {
    let of_resource = |(kind, (name, change)): (&'static str, Named)| {
        let all = change.differences().iter().map(|one| format!("{kind} {name}: {one}"));
        let missing = (change == Change::Created).then(|| format!("{kind} {name} is missing"));
        missing.into_iter().chain(all).collect::<Vec<_>>()
    };
    let lines = resources(report).into_iter().flat_map(of_resource);
    let lines = lines.chain(report.remarks.iter().cloned());
    let lines = lines.map(|line| Line::new(Tone::Late, printable(&line)));
    lines.flat_map(|line| line.wrapped(width).collect::<Vec<_>>()).collect()
}

/// The document of `--output json`.
pub fn document(report: &SetupReport, mode: Mode) -> Value {
    let totals = Totals::of(report.changes());
    let of = |in_check, count| if (mode == Mode::Check) == in_check { count } else { 0 };
    let resource = |(kind, (name, change)): (&str, Named)| {
        let state = match (&change, mode) {
            (Change::Kept, _) => "kept",
            (Change::Created, Mode::Check) => "missing",
            (Change::Created, _) => "created",
            (Change::Changed(_), Mode::Check) => "differs",
            (Change::Changed(_), _) => "changed",
        };
        let settings: Vec<_> = change.differences().iter().map(|one| &one.setting).collect();
        let difference =
            |one: &Difference| json!({"setting": one.setting, "is": one.is, "wanted": one.wanted});
        let differences: Vec<_> = change.differences().iter().map(difference).collect();
        json!({
            "kind": kind,
            "name": name,
            "state": state,
            "settings": settings,
            "differences": differences,
        })
    };
    json!({
        "account": report.account,
        "dry-run": mode == Mode::DryRun,
        "check": mode == Mode::Check,
        "created": of(false, totals.created),
        "kept": totals.kept,
        "changed": of(false, totals.changed),
        "missing": of(true, totals.created),
        "differing": of(true, totals.changed),
        "filters": subscriptions::filters(&report.subscribers),
        "inactive": subscriptions::inactive(&report.subscribers.inactive),
        "remarks": report.remarks,
        "resources": resources(report).into_iter().map(resource).collect::<Vec<_>>(),
    })
}

fn resources(report: &SetupReport) -> Vec<(&'static str, Named)> {
    let mut all = vec![("topic", report.topic.clone())];
    let named = |kind, all: &[Named]| all.iter().map(move |one| (kind, one.clone())).collect();
    let mut extend = |kind, resources: &[Named]| {
        let resources: Vec<_> = named(kind, resources);
        all.extend(resources);
    };
    extend("provider queue", &report.provider_queues);
    extend("subscription", &report.subscriptions);
    for one in &report.unasked {
        extend("provider queue", &[(one.queue.clone(), one.queue_change.clone())]);
        extend("subscription", &[(one.queue.clone(), one.subscription_change.clone())]);
    }
    extend("response queue", slice::from_ref(&report.response_queue));
    extend("dead letters", &report.dead_letters);
    extend("table", slice::from_ref(&report.table));
    all
}

/// `wild-rydes-UnicornManagementResource1 ... 10`.
fn span(all: &[Named]) -> String {
    match all {
        [] => String::new(),
        [(only, _)] => only.clone(),
        [(first, _), .., (last, _)] => {
            let digits = last.chars().rev().take_while(char::is_ascii_digit).count();
            format!("{first} ... {}", &last[last.len() - digits..])
        }
    }
}

fn summary(all: &[Named], mode: Mode) -> String {
    let totals = Totals::of(all.iter().map(|(_, change)| change));
    let words = words(mode);
    let parts = [(totals.created, words[0]), (totals.kept, words[1]), (totals.changed, words[2])];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let settings: BTreeSet<_> = all
        .iter()
        .flat_map(|(_, change)| change.differences())
        .map(|one| one.setting.as_str())
        .collect();
    let settings: Vec<_> = settings.into_iter().collect();
    let settings =
        if settings.is_empty() { String::new() } else { format!(": {}", settings.join(", ")) };
    format!("{}{settings}", parts.join(", "))
}

fn state(change: &Change, mode: Mode) -> String {
    let words = words(mode);
    match change {
        Change::Created => words[0].to_owned(),
        Change::Kept => words[1].to_owned(),
        Change::Changed(all) => {
            let settings: Vec<_> = all.iter().map(|one| one.setting.as_str()).collect();
            format!("{}: {}", words[2], settings.join(", "))
        }
    }
}

fn words(mode: Mode) -> [&'static str; 3] {
    match mode {
        Mode::Apply => ["created", "kept", "changed"],
        Mode::DryRun => ["to create", "to keep", "to change"],
        Mode::Check => ["missing", "as described", "differ"],
    }
}

/// `1 topic, 10 subscriptions, 13 queues (12 unread), 1 table (about 374 rows)`.
pub fn inventory_line(found: &Inventory) -> String {
    let mut parts = Vec::new();
    if found.topic.is_some() {
        parts.push("1 topic".to_owned());
    }
    if found.subscriptions > 0 {
        parts.push(count(found.subscriptions, "subscription"));
    }
    if !found.queues.is_empty() {
        let queues = count(found.queues.len(), "queue");
        let unread = found.unread;
        parts.push(if unread > 0 { format!("{queues} ({unread} unread)") } else { queues });
    }
    if found.table.is_some() {
        parts.push(format!("1 table (about {})", count_of(found.rows, "row")));
    }
    parts.join(", ")
}

fn count(number: usize, what: &str) -> String {
    count_of(u64::try_from(number).unwrap_or(u64::MAX), what)
}
