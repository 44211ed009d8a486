//! An event of the workers or the consumer, as a line of the log or as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::consumer::Trouble;
use crate::core::text::printable;
use crate::core::{Answer, ProviderName, RfqId, Timestamp};
use crate::flow::events::{Event, Gathered, Stray};
use crate::view::quotes::seconds_of;
use crate::view::tone::{Line, Tone};

/// A line that a real provider wrote for its owner: `acme: no such route`.
pub fn said(provider: &ProviderName, line: &str) -> String {
    format!("{provider}: {}", printable(line))
}

/// A line of the log: `12:00:03.412 CET received  78c371f6 UnicornManagementResource1`. `None` for events that are only
/// counted.
pub fn line(event: &Event, clock: &str) -> Option<Line> {
    Some(Line::new(tone(event), text(event, clock)?))
}

fn tone(event: &Event) -> Tone {
    match event {
        Event::Answered { late_by: Some(_), .. } => Tone::Late,
        Event::Answered { answer: Answer::Failed { .. }, .. }
        | Event::Gathered { answer: Answer::Failed { .. }, .. }
        | Event::Unreadable { .. }
        | Event::Refused { .. }
        | Event::Trouble(Trouble::Began { .. } | Trouble::Entry { .. }) => Tone::Failed,
        _ => Tone::Plain,
    }
}

fn text(event: &Event, clock: &str) -> Option<String> {
    let say = |what: &str, id: &RfqId, who: &str, more: String| {
        let (id, who) = (printable(&id.short()), printable(who));
        format!("{clock} {what:<9} {id} {who} {more}").trim_end().to_owned()
    };
    Some(match event {
        Event::Received { provider, id, count } => {
            let again = if *count > 1 { format!("(delivery {count})") } else { String::new() };
            say("received", id, provider.as_str(), again)
        }
        Event::Asked { provider, id, attempt } => {
            let again = if *attempt > 1 { format!("(attempt {attempt})") } else { String::new() };
            say("asked", id, provider.as_str(), again)
        }
        Event::Answered { provider, id, answer, took, late_by } => {
            let (word, more) = answer_words(answer);
            // A receipt for what was received too late took no time.
            let took = match (answer, late_by) {
                (Answer::Silent(_), Some(_)) => String::new(),
                _ => format!(" in {}", seconds_of(*took)),
            };
            let (word, more) = match late_by {
                Some(by) => ("late", format!("{more}{took}, {} late", seconds_of(*by))),
                None => (word, format!("{more}{took}")),
            };
            say(word, id, provider.as_str(), more)
        }
        Event::Mute { provider, id } => say("silent", id, provider.as_str(), "(no receipt)".into()),
        Event::AttemptFailed { provider, id, reason, attempt, again_in } => {
            let reason = printable(reason);
            let more = format!("attempt {attempt}: {reason}, again in {}", seconds_of(*again_in));
            say("tried", id, provider.as_str(), more)
        }
        Event::Strayed { provider, id, what } => {
            let (word, more) = match what {
                Stray::Poison => ("poison", "(not JSON)".to_owned()),
                Stray::Second(answer) => ("twice", answer_words(answer).1),
                Stray::WrongId(wrong) => ("wrong id", format!("(answered to {})", wrong.short())),
            };
            say(word, id, provider.as_str(), more)
        }
        Event::Crashed { provider, id, sent } => {
            let sent = if *sent { "after" } else { "before" };
            say("crashed", id, provider.as_str(), format!("({sent} the reply was sent)"))
        }
        Event::GivenBack { provider } => format!("{clock} given back {provider}"),
        Event::Again { queue } => format!("{clock} again     {queue}: delivered once more"),
        Event::Left { provider } => format!("{clock} left      {provider}: its queue is gone"),
        Event::Unreadable { provider, reason } => {
            format!("{clock} dead letter of {provider}: {}", printable(reason))
        }
        Event::Gathered { responder, id, answer, how, .. } => {
            let word = match how {
                Gathered::First => "gathered",
                Gathered::Replacing => "replaced",
                Gathered::Duplicate => "duplicate",
            };
            say(word, id, responder.as_str(), answer_words(answer).1)
        }
        Event::Refused { reason } => format!("{clock} refused   {}", printable(reason)),
        Event::Trouble(Trouble::Began { subject, reason }) => {
            format!("{clock} trouble   {}: {} (retrying)", printable(subject), printable(reason))
        }
        Event::Trouble(Trouble::Over { subject }) => {
            format!("{clock} trouble   {}: over", printable(subject))
        }
        Event::Trouble(Trouble::Entry { subject, reason }) => {
            format!("{clock} trouble   {}: {}", printable(subject), printable(reason))
        }
        // What a provider says for its owner is printed in every view.
        Event::Said { .. }
        | Event::Buried { .. }
        | Event::Finished { .. }
        | Event::Trouble(Trouble::Abandoned { .. }) => return None,
    })
}

fn answer_words(answer: &Answer) -> (&'static str, String) {
    match answer {
        Answer::Quote(price) => ("quoted", price.to_string()),
        Answer::Declined(reason) => ("declined", printable(reason)),
        Answer::Failed { reason, .. } => ("failed", printable(reason)),
        Answer::Silent(reason) => ("silent", printable(reason)),
    }
}

/// A line of JSON. `None` for events that are only counted.
pub fn document(event: &Event, at: Timestamp) -> Option<Value> {
    let answer = |answer: &Answer| match answer {
        Answer::Quote(price) => json!({"quote": price.to_json()}),
        Answer::Declined(reason) => json!({"declined": reason}),
        Answer::Failed { reason, .. } => json!({"failed": reason}),
        Answer::Silent(reason) => json!({"silent": reason}),
    };
    let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut line = match event {
        Event::Received { provider, id, count } => {
            json!({"event": "received", "provider": provider.as_str(), "rfq-id": id.as_str(), "count": count})
        }
        Event::Asked { provider, id, attempt } => {
            json!({"event": "asked", "provider": provider.as_str(), "rfq-id": id.as_str(),
                "attempt": attempt})
        }
        Event::Said { provider, line } => {
            json!({"event": "said", "provider": provider.as_str(), "line": line})
        }
        Event::Answered { provider, id, answer: said, took, late_by } => {
            json!({"event": "answered", "provider": provider.as_str(), "rfq-id": id.as_str(),
                "answer": answer(said), "took-ms": millis(took), "late-ms": late_by.as_ref().map(millis)})
        }
        Event::Mute { provider, id } => {
            json!({"event": "mute", "provider": provider.as_str(), "rfq-id": id.as_str()})
        }
        Event::AttemptFailed { provider, id, reason, attempt, again_in } => {
            json!({"event": "attempt", "provider": provider.as_str(), "rfq-id": id.as_str(),
                "reason": reason, "attempt": attempt, "again-in-ms": millis(again_in)})
        }
        Event::Strayed { provider, id, what } => {
            let mut line = json!({"provider": provider.as_str(), "rfq-id": id.as_str()});
            line["event"] = json!(match what {
                Stray::Poison => "poison",
                Stray::Second(_) => "second-answer",
                Stray::WrongId(_) => "wrong-id",
            });
            match what {
                Stray::Poison => {}
                Stray::Second(said) => line["answer"] = answer(said),
                Stray::WrongId(wrong) => line["sent-as"] = json!(wrong.as_str()),
            }
            line
        }
        Event::Crashed { provider, id, sent } => {
            json!({"event": "crashed", "provider": provider.as_str(), "rfq-id": id.as_str(), "sent": sent})
        }
        Event::GivenBack { provider } => {
            json!({"event": "given-back", "provider": provider.as_str()})
        }
        Event::Again { queue } => json!({"event": "delivered-again", "queue": queue}),
        Event::Left { provider } => json!({"event": "left", "provider": provider.as_str()}),
        Event::Unreadable { provider, reason } => {
            json!({"event": "unreadable", "provider": provider.as_str(), "reason": reason})
        }
        Event::Gathered { responder, id, answer: said, how, .. } => {
            let event = match how {
                Gathered::First => "gathered",
                Gathered::Replacing => "replaced",
                Gathered::Duplicate => "duplicate",
            };
            json!({"event": event, "responder": responder.as_str(), "rfq-id": id.as_str(), "answer": answer(said)})
        }
        Event::Refused { reason } => json!({"event": "refused", "reason": reason}),
        Event::Trouble(Trouble::Began { subject, reason }) => {
            json!({"event": "trouble", "subject": subject, "reason": reason})
        }
        Event::Trouble(Trouble::Over { subject }) => {
            json!({"event": "trouble-over", "subject": subject})
        }
        Event::Trouble(Trouble::Entry { subject, reason }) => {
            json!({"event": "failed-entry", "subject": subject, "reason": reason})
        }
        Event::Buried { .. }
        | Event::Finished { .. }
        | Event::Trouble(Trouble::Abandoned { .. }) => return None,
    };
    line["at"] = json!(at);
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::{Price, ProviderName};

    #[test]
    fn what_is_late_says_by_how_much() {
        let line = |answer: Answer, late_by: Option<Duration>| {
            let provider = ProviderName::parse("acme").expect("valid");
            let id = RfqId::parse("78c371f6-x").expect("valid");
            let took = Duration::from_millis(if late_by.is_some() { 0 } else { 812 });
            text(&Event::Answered { provider, id, answer, took, late_by }, "12:00").expect("a line")
        };
        let late = Some(Duration::from_millis(95_300));
        let silent = Answer::Silent("received after its deadline".into());
        assert_eq!(
            line(silent, late),
            "12:00 late      78c371f6 acme received after its deadline, 95.3 s late"
        );
        let quote = || Answer::Quote(Price::whole(57));
        assert_eq!(line(quote(), late), "12:00 late      78c371f6 acme 57 in 0 ms, 95.3 s late");
        assert_eq!(line(quote(), None), "12:00 quoted    78c371f6 acme 57 in 812 ms");
    }
}
