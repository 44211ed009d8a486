//! Dead letters, for people and for programs.

use serde_json::{Value, json};

use super::count_of;
use super::table::cut;
use crate::aws::{Cut, DeadLetter, LetterSource};
use crate::core::text::printable;
use crate::core::{Timestamp, show_duration};
use crate::flow::replay::{LetterKind, ReplayOutcome, Replayed};

/// Lines of a body that are shown.
const BODY_LINES: usize = 3;
/// The longest line without a terminal.
const LONGEST_LINE: usize = 200;

/// The letters of one queue.
#[derive(Debug, Clone)]
pub struct LetterView {
    pub kind: LetterKind,
    pub queue: String,
    pub letters: Vec<DeadLetter>,
    /// About how many letters the queue held before, including those in flight.
    pub held: u64,
}

impl LetterView {
    /// `2 requests`, `100 of about 500 requests`.
    pub fn count(&self) -> String {
        let shown = self.letters.len() as u64;
        let many = match self.kind {
            LetterKind::Requests => "requests",
            LetterKind::Replies => "replies",
        };
        match (self.held > shown, shown) {
            (true, _) => format!("{shown} of about {} {many}", self.held),
            (false, 1) => format!("1 {}", word(self.kind)),
            (false, _) => format!("{shown} {many}"),
        }
    }
}

/// One letter in lines: its id, its source, its reason and the start of its body.
pub fn lines(
    kind: LetterKind,
    letter: &DeadLetter,
    now: Timestamp,
    width: Option<u16>,
) -> Vec<String> {
    let width = width.map_or(LONGEST_LINE, usize::from);
    let age = letter.sent_at.map(|at| format!(", {} ago", show_duration(now.saturating_since(at))));
    let source = letter.source.as_ref();
    let source = source.map_or("unknown".to_owned(), |source| printable(source.name()));
    let received = count_of(letter.receive_count.into(), "time");
    let mut all = vec![
        format!("{} {}", word(kind), printable(&letter.id)),
        format!("  from {source}{}, received {received}", age.unwrap_or_default()),
        format!(
            "  reason: {}",
            letter.reason.as_deref().map_or("none given".to_owned(), printable)
        ),
    ];
    if let Some(cut) = &letter.cut {
        let left = letter.body.len();
        all.push(format!("  cut: {left} of {} bytes are left; the whole has", cut.length));
        // On its own line it fits into a terminal.
        all.push(format!("  SHA-256 {}", printable(&cut.sha256)));
    }
    let lines = letter.body.lines().take(BODY_LINES);
    all.extend(lines.map(|line| format!("  {}", printable(&start(line)))));
    all.iter().map(|line| cut(line, width)).collect()
}

/// What a body was before it was cut: `1048576 bytes, SHA-256 6b86...`.
fn whole(cut: &Cut) -> String {
    format!("{} bytes, SHA-256 {}", cut.length, printable(&cut.sha256))
}

/// Cuts a line to the longest that is ever shown.
fn start(line: &str) -> String {
    line.chars().take(LONGEST_LINE).collect()
}

/// The document of `--output json`.
pub fn document(all: &[LetterView]) -> Value {
    let letters = all.iter().flat_map(|of| {
        of.letters.iter().map(move |letter| {
            json!({
                "kind": word(of.kind),
                "queue": of.queue,
                "message-id": letter.id,
                "source": letter.source.as_ref().map(LetterSource::name),
                "reason": letter.reason,
                "receive-count": letter.receive_count,
                "sent-at": letter.sent_at,
                "cut": letter.cut.as_ref().map(cut_document),
                "body": letter.body,
            })
        })
    });
    let held = all.iter().map(|of| (word(of.kind).to_owned(), json!(of.held))).collect();
    json!({"letters": letters.collect::<Vec<_>>(), "held": Value::Object(held)})
}

fn cut_document(cut: &Cut) -> Value {
    json!({"length": cut.length, "sha256": cut.sha256})
}

pub fn word(of: LetterKind) -> &'static str {
    match of {
        LetterKind::Requests => "request",
        LetterKind::Replies => "reply",
    }
}

/// The outcome for one letter, in a line.
pub fn replayed_line(replayed: &Replayed) -> String {
    let letter = format!("{} {}", word(replayed.of), printable(&replayed.letter.id));
    match &replayed.outcome {
        ReplayOutcome::Moved(queue) => format!("{letter} -> {}", printable(queue)),
        ReplayOutcome::Copied(queue, why) => format!(
            "{letter} is in {} now, and here still: deleting it failed: {}",
            printable(queue),
            printable(why)
        ),
        ReplayOutcome::Homeless(why) | ReplayOutcome::Unsent(why) => {
            format!("{letter} stays: {}", printable(why))
        }
        ReplayOutcome::Cut(cut) => {
            format!("{letter} stays: it was cut to fit, the whole has {}", whole(cut))
        }
    }
}

/// The same for programs.
pub fn replayed_document(replayed: &Replayed) -> Value {
    let (to, stays) = match &replayed.outcome {
        ReplayOutcome::Moved(queue) => (Some(queue), None),
        ReplayOutcome::Copied(queue, why) => (Some(queue), Some(why.clone())),
        ReplayOutcome::Homeless(why) | ReplayOutcome::Unsent(why) => (None, Some(why.clone())),
        ReplayOutcome::Cut(cut) => {
            (None, Some(format!("cut to fit, the whole has {}", whole(cut))))
        }
    };
    json!({
        "kind": word(replayed.of),
        "message-id": replayed.letter.id,
        "to": to,
        "stays": stays,
        "cut": replayed.letter.cut.as_ref().map(cut_document),
    })
}
