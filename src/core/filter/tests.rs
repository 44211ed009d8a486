//! AWS's own examples, and every rule by hand.

mod aws;
mod doubts;
mod problems;
mod values;

use super::*;

/// What a policy says of a body in the scope of the body.
#[track_caller]
fn said(policy: &str, body: &str) -> FilterOutcome {
    let read = FilterPolicy::parse(policy).unwrap_or_else(|problem| panic!("{policy}: {problem}"));
    read.evaluate(FilterScope::MessageBody, &FilterInput::new(body))
}

/// Makes sure that each body is asked, or is not because of the key.
#[track_caller]
fn judges(policy: &str, asked: &[&str], not_asked: &[(&str, &str)]) {
    for body in asked {
        assert_eq!(said(policy, body), FilterOutcome::Asked, "{policy} {body}");
    }
    for (body, key) in not_asked {
        let expected = FilterOutcome::NotAsked { key: (*key).to_owned() };
        assert_eq!(said(policy, body), expected, "{policy} {body}");
    }
}

/// Makes sure that it cannot be told, for a reason that begins so.
#[track_caller]
fn doubts(policy: &str, body: &str, reason: &str) {
    match said(policy, body) {
        FilterOutcome::CannotTell { what } if what.starts_with(reason) => {}
        other => panic!("{policy} {body}: {other:?}"),
    }
}
