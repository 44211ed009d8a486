//! Judges a message by a policy.

use super::leaves::{Found, Place, fit};
use super::policy::{Branch, Key, Policy};
use super::problem::word;
use super::rule::Rule;
use super::tree::Node;
use super::truth::Truth;
use super::{FilterOutcome, FilterScope};

const NO_ATTRIBUTES: &str =
    "`exists` false matches no message without attributes on AWS, but LocalStack delivers it";
const IN_SOME: &str = "some elements of an array have the key and others do not";
const EMPTY: &str = "AWS's page does not say whether null or an empty string exists";
const APART: &str = "the values that match are in different elements of an array";
const TANGLED: &str = "it takes too long to see which elements of arrays belong together";
const TWO_RULES: &str = "the policy has the key in more than one place, and they do not agree";

/// Whether SNS delivers a message without attributes.
pub fn of(policy: &Policy, scope: FilterScope, message: &FilterInput) -> FilterOutcome {
    let Some(first) = policy.keys.first() else { return FilterOutcome::Asked };
    let judged: Vec<_> = match scope {
        FilterScope::MessageAttributes => policy.keys.iter().map(without_attributes).collect(),
        FilterScope::MessageBody => match &message.0 {
            Some(message) => policy.keys.iter().map(|key| judged(key, message)).collect(),
            None => return FilterOutcome::NotAsked { key: word(&first.path) },
        },
    };
    let mut doubt = None;
    for branch in &policy.branches {
        match of_branch(branch, &judged) {
            Truth::Yes => return FilterOutcome::Asked,
            Truth::Unknown(reason) => _ = doubt.get_or_insert((branch, reason)),
            Truth::No => {}
        }
    }
    match doubt {
        Some((branch, reason)) => {
            let key = word(&policy.keys[doubtful(branch, &judged)].path);
            FilterOutcome::CannotTell { what: format!("`{key}`: {reason}") }
        }
        None => FilterOutcome::NotAsked { key: failed(policy, &judged) },
    }
}

/// A message without attributes, read once for all policies. `None` if its body is no JSON object: SNS delivers no
/// such message where the scope is the body.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html>
#[derive(Debug)]
pub struct FilterInput<'a>(Option<Node<'a>>);

impl<'a> FilterInput<'a> {
    /// Reads the body of a message.
    pub fn new(body: &'a str) -> Self {
        let is_object = body.trim_ascii_start().starts_with('{');
        Self(is_object.then(|| Node::read(body).ok()).flatten())
    }
}

/// How a key matches, and where the values are that do.
struct Judged<'p> {
    truth: Truth<'p>,
    places: Vec<Place>,
}

fn without_attributes(key: &Key) -> Judged<'_> {
    let rules = key.rules.iter().map(|rule| match rule {
        Rule::Exists(false) => Truth::Unknown(NO_ATTRIBUTES),
        Rule::Unknown(what) => Truth::Unknown(what),
        _ => Truth::No,
    });
    Judged { truth: Truth::any(rules), places: Vec::new() }
}

fn judged<'p>(key: &'p Key, message: &Node) -> Judged<'p> {
    let found = Found::at(&key.path, message);
    let of_leaf = |value| Truth::any(key.rules.iter().map(|rule| of_value(rule, value)));
    let (mut truths, mut places) = (Vec::new(), Vec::new());
    for (value, place) in &found.leaves {
        let truth = of_leaf(value);
        truths.push(truth);
        if truth == Truth::Yes {
            places.push(place.clone());
        }
    }
    match found.doubt {
        Some(reason) => truths.push(Truth::Unknown(reason)),
        None => truths.extend(key.rules.iter().map(|rule| of_absence(rule, &found))),
    }
    let truth = Truth::any(truths);
    // A key that is not there is in no array.
    if truth == Truth::Yes && places.is_empty() {
        places.push(None);
    }
    Judged { truth, places }
}

fn of_branch<'p>(branch: &Branch, judged: &[Judged<'p>]) -> Truth<'p> {
    match Truth::all(branch.iter().map(|group| together(group, judged))) {
        Truth::Yes => fits(branch, judged),
        other => other,
    }
}

/// The first key of a branch that may match; the first of all if each does, but not together.
fn doubtful(branch: &Branch, judged: &[Judged]) -> usize {
    let mut groups = branch.iter();
    let doubtful = groups.find(|group| matches!(together(group, judged), Truth::Unknown(_)));
    doubtful.unwrap_or(&branch[0])[0]
}

/// The page asks for "a non-null and non-empty value".
/// <https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html>
fn of_value<'p>(rule: &'p Rule, value: &Node) -> Truth<'p> {
    match rule {
        Rule::Exists(true) => Truth::from(!is_empty(value)),
        _ => rule.matches(value),
    }
}

/// What a rule says of a key that may have no value.
fn of_absence<'p>(rule: &'p Rule, found: &Found) -> Truth<'p> {
    match rule {
        Rule::Exists(false) if found.leaves.is_empty() => Truth::Yes,
        Rule::Exists(false) if found.is_missing => Truth::Unknown(IN_SOME),
        Rule::Exists(false) if found.leaves.iter().all(|(value, _)| is_empty(value)) => {
            Truth::Unknown(EMPTY)
        }
        Rule::Unknown(what) => Truth::Unknown(what),
        _ => Truth::No,
    }
}

fn is_empty(value: &Node) -> bool {
    match value {
        Node::Null => true,
        Node::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// Keys of one path in a branch. AWS's pages do not say which of them counts.
fn together<'p>(group: &[usize], judged: &[Judged<'p>]) -> Truth<'p> {
    Truth::agreed(group.iter().map(|key| judged[*key].truth), TWO_RULES)
}

/// SNS's library requires that values in one array come from one element, LocalStack does not, and AWS's pages are
/// silent.
/// <https://github.com/aws/event-ruler#json-array-matching>
fn fits<'p>(branch: &Branch, judged: &[Judged]) -> Truth<'p> {
    let places: Vec<_> =
        branch.iter().flatten().map(|key| judged[*key].places.as_slice()).collect();
    match fit(&places) {
        Some(true) => Truth::Yes,
        Some(false) => Truth::Unknown(APART),
        None => Truth::Unknown(TANGLED),
    }
}

/// The key that fails in every branch; `$or` if each fails for another reason.
fn failed(policy: &Policy, judged: &[Judged]) -> String {
    let fails = |path: &str, branch: &Branch| {
        branch
            .iter()
            .any(|group| policy.keys[group[0]].path == path && together(group, judged) == Truth::No)
    };
    let is_cause = |key: &&Key| policy.branches.iter().all(|branch| fails(&key.path, branch));
    policy.keys.iter().find(is_cause).map_or_else(|| "$or".to_owned(), |key| word(&key.path))
}
