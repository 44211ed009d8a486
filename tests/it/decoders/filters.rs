//! What holds of every filter policy and every body. Shared with the target in `fuzz`.

use rydes::core::filter::{FilterInput, FilterOutcome, FilterPolicy, FilterScope};
use serde_json::value::RawValue;

/// The longest text about a policy, in characters: what it repeats is cut.
const LONGEST: usize = 500;

/// A policy, and on the next lines a body.
pub fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (policy, body) = text.split_once('\n').unwrap_or((&text, ""));
    let read = FilterPolicy::parse(policy);
    assert_eq!(read, FilterPolicy::parse(policy));
    let read = match read {
        Ok(read) => read,
        Err(problem) => return is_short(&problem.to_string()),
    };
    read.unknowns().iter().for_each(|unknown| is_short(&unknown.to_string()));
    limits(&read);
    let of_body = judged(&read, FilterScope::MessageBody, body);
    let of_attributes = judged(&read, FilterScope::MessageAttributes, body);
    if of_attributes == FilterOutcome::Asked {
        assert_eq!(
            of_body,
            FilterOutcome::Asked,
            "only a policy without keys matches no attributes"
        );
    }
    if let Some(wrapped) = wrapped(policy, body) {
        assert_eq!(kind(&wrapped), kind(&of_body), "{wrapped:?} {of_body:?}");
    }
}

fn limits(policy: &FilterPolicy) {
    let of_body = policy.check(FilterScope::MessageBody);
    if let Err(problem) = &of_body {
        is_short(&problem.to_string());
        assert!(policy.check(FilterScope::MessageAttributes).is_err(), "the body has fewer limits");
    }
}

fn judged(policy: &FilterPolicy, scope: FilterScope, body: &str) -> FilterOutcome {
    let message = FilterInput::new(body);
    let outcome = policy.evaluate(scope, &message);
    assert_eq!(policy.evaluate(scope, &message), outcome);
    match &outcome {
        FilterOutcome::Asked => {}
        FilterOutcome::NotAsked { key: text } | FilterOutcome::CannotTell { what: text } => {
            is_short(text);
        }
    }
    outcome
}

/// The same one level down, and twice in an `$or`. `None` where that is no policy, no message, or too deep.
fn wrapped(policy: &str, body: &str) -> Option<FilterOutcome> {
    let twice = format!(r#"{{"$or":[{{"x":{policy}}},{{"x":{policy}}}]}}"#);
    let policy = FilterPolicy::parse(&twice).ok()?;
    let body: &RawValue = serde_json::from_str(body).ok()?;
    if !body.get().starts_with('{') {
        return None;
    }
    let wrapped = format!(r#"{{"x":{body}}}"#);
    let outcome = policy.evaluate(FilterScope::MessageBody, &FilterInput::new(&wrapped));
    let is_deep = |what: &str| what.ends_with("nested too deep");
    (!matches!(&outcome, FilterOutcome::CannotTell { what } if is_deep(what))).then_some(outcome)
}

fn kind(outcome: &FilterOutcome) -> &'static str {
    match outcome {
        FilterOutcome::Asked => "asked",
        FilterOutcome::NotAsked { .. } => "not asked",
        FilterOutcome::CannotTell { .. } => "cannot tell",
    }
}

fn is_short(text: &str) {
    assert!(text.chars().count() <= LONGEST, "{text}");
}
