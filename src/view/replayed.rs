//! What became of dead letters: replayed, or deleted.

use serde_json::{Value, json};

use super::letter::{cut_document, word};
use super::letters::many;
use crate::aws::Cut;
use crate::core::show_duration;
use crate::core::text::printable;
use crate::flow::letters::LetterKind;
use crate::flow::purge::{Counted, Purged};
use crate::flow::replay::{ReplayMode, ReplayOutcome, Replayed};

/// The outcome for one letter, in a line.
pub fn replayed_line(replayed: &Replayed, mode: ReplayMode) -> String {
    let letter = format!("{} {}", word(replayed.of), printable(&replayed.letter.id));
    let stays = match mode {
        ReplayMode::Apply => "stays",
        ReplayMode::DryRun => "would stay",
    };
    let late = replayed.overdue_by.map(|by| format!(", {} after its deadline", show_duration(by)));
    let late = late.unwrap_or_default();
    match &replayed.outcome {
        ReplayOutcome::Moved(queue) => format!("{letter} -> {}{late}", printable(queue)),
        ReplayOutcome::Movable(queue) => {
            format!("{letter} would go to {}{late}", printable(queue))
        }
        ReplayOutcome::Copied(queue, why) => format!(
            "{letter} is in {} now, and here still: deleting it failed: {}",
            printable(queue),
            printable(why)
        ),
        ReplayOutcome::Homeless(why) | ReplayOutcome::Unsent(why) => {
            format!("{letter} {stays}: {}", printable(why))
        }
        ReplayOutcome::Cut(cut) => {
            format!("{letter} {stays}: it was cut to fit, the whole has {}", whole(cut))
        }
    }
}

/// What a body was before it was cut: `1048576 bytes, SHA-256 6b86...`.
fn whole(cut: &Cut) -> String {
    format!("{} bytes, SHA-256 {}", cut.length, printable(&cut.sha256))
}

/// The same for programs.
pub fn replayed_document(replayed: &Replayed, mode: ReplayMode) -> Value {
    let (to, stays) = match &replayed.outcome {
        ReplayOutcome::Moved(queue) | ReplayOutcome::Movable(queue) => (Some(queue), None),
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
        "after-deadline": replayed.overdue_by.is_some(),
        "dry-run": mode == ReplayMode::DryRun,
    })
}

/// What a replay of this many requests after their deadlines brings.
pub fn late_replays(count: u64) -> String {
    let requests = match count {
        1 => "1 request comes after its deadline".to_owned(),
        _ => format!("{count} requests come after their deadlines"),
    };
    format!("{requests}: providers that `rydes` runs send a receipt only, others reply late")
}

/// `2 requests and 1 reply`.
pub fn counted(counted: &[Counted; 2]) -> String {
    let [requests, replies] = counted.each_ref().map(|of| many(of.kind, of.ids.len() as u64));
    format!("{requests} and {replies}")
}

/// `deleted 2 requests and 1 reply`.
pub fn purged(purged: &Purged) -> String {
    let requests = many(LetterKind::Requests, purged.requests);
    format!("deleted {requests} and {}", many(LetterKind::Replies, purged.replies))
}

/// What was counted and what was deleted, for programs; `hidden` letters were held by other receivers.
pub fn purge_document(counted: [usize; 2], hidden: u64, purged: &Purged) -> Value {
    let [requests, replies] = counted;
    let refused = purged.refused.iter().map(|(id, why)| json!({"message-id": id, "reason": why}));
    json!({
        "counted": {"request": requests, "reply": replies},
        "deleted": {"request": purged.requests, "reply": purged.replies},
        "failed": refused.collect::<Vec<_>>(),
        "hidden": hidden,
    })
}
