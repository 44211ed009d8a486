//! One dead letter in full, for people and for programs.

use serde_json::{Value, json};

use super::clock::Clock;
use super::json_text::pretty;
use super::tone::{Line, Tone};
use crate::aws::{Cut, DeadLetter, LetterSource};
use crate::core::text::printable;
use crate::core::{Gist, Names, Responder, Timestamp, show_duration};
use crate::flow::letters::LetterKind;

/// Width of the labels.
const LABEL: usize = 11;
/// The label of the line that says why.
const REASON: &str = "reason";

pub fn word(of: LetterKind) -> &'static str {
    match of {
        LetterKind::Requests => "request",
        LetterKind::Replies => "reply",
    }
}

/// The provider of a request, by the queue it came from; the responder of a reply, as its body names it.
pub(super) fn who(
    kind: LetterKind,
    letter: &DeadLetter,
    responder: Option<&Responder>,
    names: &Names,
) -> Option<Responder> {
    match kind {
        LetterKind::Requests => letter.source.as_ref().map(|source| names.responder(source.name())),
        LetterKind::Replies => responder.cloned(),
    }
}

pub(super) fn sender(
    kind: LetterKind,
    letter: &DeadLetter,
    responder: Option<&Responder>,
    names: &Names,
) -> Option<String> {
    who(kind, letter, responder, names).map(|name| printable(name.as_str()))
}

/// Why it is there. SQS gives no reason for what it moves, but has only one.
pub(super) fn reason(letter: &DeadLetter) -> String {
    match (&letter.reason, &letter.source) {
        (Some(reason), _) => printable(reason),
        (None, Some(LetterSource::Queue(_))) => "received too often, moved by SQS".to_owned(),
        (None, _) => "none given".to_owned(),
    }
}

/// All that is known of a letter, then its whole body. Only the reason is wrapped: what is copied stays whole.
pub fn lines(
    kind: LetterKind,
    queue: &str,
    letter: &DeadLetter,
    names: &Names,
    clock: &Clock,
    width: Option<u16>,
) -> Vec<Line> {
    let title = format!("{} {}", word(kind), printable(&letter.id));
    let mut all = vec![Line::new(Tone::Title, title)];
    let mut say = |label: &str, text: Option<String>| {
        let tone = if label == REASON { Tone::Failed } else { Tone::Plain };
        let line = text.map(|text| Line::new(tone, format!("  {label:<LABEL$}{text}")));
        all.extend(line.iter().flat_map(|line| line.wrapped(width.filter(|_| label == REASON))));
    };
    let Gist { rfq, responder } = Gist::of(&letter.body);
    let who = match kind {
        LetterKind::Requests => "provider",
        LetterKind::Replies => "responder",
    };
    say("queue", Some(printable(queue)));
    say(who, sender(kind, letter, responder.as_ref(), names));
    say("from", Some(letter.source.as_ref().map_or("unknown".to_owned(), |s| printable(s.name()))));
    say("RFQ", rfq.map(|id| printable(id.as_str())));
    let ago = |at: Timestamp| show_duration(clock.now().saturating_since(at));
    say("sent", letter.sent_at.map(|at| format!("{} ({} ago)", clock.moment(at), ago(at))));
    say(REASON, Some(reason(letter)));
    say("attempts", letter.attempts.map(|attempts| attempts.to_string()));
    if let Some(cut) = &letter.cut {
        let left = letter.body.len();
        say("cut", Some(format!("{left} of {} bytes are left", cut.length)));
        say("SHA-256", Some(format!("{} (of the whole)", printable(&cut.sha256))));
    }
    all.push(String::new().into());
    let plain = || letter.body.lines().map(printable).collect();
    all.extend(pretty(&letter.body).unwrap_or_else(plain).into_iter().map(Line::from));
    all
}

/// A letter for programs.
pub fn document_of(kind: LetterKind, queue: &str, letter: &DeadLetter, names: &Names) -> Value {
    let Gist { rfq, responder } = Gist::of(&letter.body);
    let responder = who(kind, letter, responder.as_ref(), names);
    json!({
        "kind": word(kind),
        "queue": queue,
        "message-id": letter.id,
        "source": letter.source.as_ref().map(LetterSource::name),
        "responder": responder.as_ref().map(Responder::as_str),
        "rfq-id": rfq.as_ref().map(crate::core::RfqId::as_str),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "receive-count": letter.receive_count,
        "sent-at": letter.sent_at,
        "cut": letter.cut.as_ref().map(cut_document),
        "body": letter.body,
    })
}

pub(super) fn cut_document(cut: &Cut) -> Value {
    json!({"length": cut.length, "sha256": cut.sha256})
}
