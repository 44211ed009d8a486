//! Where LocalStack 4.14.0 is not AWS as its pages describe it, or where the pages are silent and LocalStack decides:
//! what it does, and what the evaluator says. The random policies keep clear of these.

use aws_sdk_sns::config::Builder;
use aws_smithy_types::retry::RetryConfig;
use rydes::core::filter::{FilterInput, FilterOutcome, FilterPolicy, FilterScope};

use self::LocalStack::{Delivers, Drops, Fails, Refuses};
use self::Ours::{Asked, CannotTell, NotAsked, Refused};
use super::bed::TestBed;
use crate::support::resources::{clients, wait};
use crate::support::side_by_side;

/// What LocalStack does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LocalStack {
    /// It takes the policy and delivers the message.
    Delivers,
    /// It takes the policy and does not deliver the message.
    Drops,
    /// It takes the policy and answers `Publish` with an internal error.
    Fails,
    /// It does not take the policy, and says this.
    Refuses(&'static str),
}

/// What the evaluator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    Asked,
    NotAsked,
    CannotTell,
    /// The policy has a problem.
    Refused,
}

/// A difference: its name, what becomes of the message, the policy and the body.
type Difference = (&'static str, LocalStack, Ours, &'static str, &'static str);

/// In the scope of the body: what becomes of it on one line, policy and body on the next.
#[rustfmt::skip]
const DIFFERENCES: [Difference; 45] = [
    ("text is read as a number", Delivers, NotAsked,
        r#"{"a":[{"numeric":[">",0]}]}"#, r#"{"a":"1"}"#),
    ("true is a number", Delivers, NotAsked,
        r#"{"a":[{"numeric":["=",1]}]}"#, r#"{"a":true}"#),
    ("true is one", Delivers, NotAsked,
        r#"{"a":[1]}"#, r#"{"a":true}"#),
    ("one is true", Delivers, NotAsked,
        r#"{"a":[true]}"#, r#"{"a":1.0}"#),
    ("zero excludes false", Drops, Asked,
        r#"{"a":[{"anything-but":[0]}]}"#, r#"{"a":false}"#),
    ("numbers are floats", Delivers, CannotTell,
        r#"{"a":[0.1]}"#, r#"{"a":0.10000000000000000001}"#),
    ("numbers are more than five decimals", Drops, CannotTell,
        r#"{"a":[{"numeric":["=",0.1]}]}"#, r#"{"a":0.100001}"#),
    ("numbers are beyond a billion", Delivers, CannotTell,
        r#"{"a":[{"numeric":[">",0]}]}"#, r#"{"a":1e10}"#),
    ("ranges are beyond a billion", Delivers, Refused,
        r#"{"a":[{"numeric":[">",1e10]}]}"#, r#"{"a":1e11}"#),
    ("a range is one number", Refuses("Bottom must be less"), Asked,
        r#"{"a":[{"numeric":[">=",5,"<=",5]}]}"#, r#"{"a":5}"#),
    ("null exists", Delivers, NotAsked,
        r#"{"a":[{"exists":true}]}"#, r#"{"a":null}"#),
    ("null is not absent", Drops, CannotTell,
        r#"{"a":[{"exists":false}]}"#, r#"{"a":null}"#),
    ("an empty string exists", Delivers, NotAsked,
        r#"{"a":[{"exists":true}]}"#, r#"{"a":""}"#),
    ("an empty string is not absent", Drops, CannotTell,
        r#"{"a":[{"exists":false}]}"#, r#"{"a":""}"#),
    ("null is no other value", Drops, CannotTell,
        r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":null}"#),
    ("prefix on a number", Fails, NotAsked,
        r#"{"a":[{"prefix":"1"}]}"#, r#"{"a":1}"#),
    ("suffix on a number", Fails, NotAsked,
        r#"{"a":[{"suffix":"1"}]}"#, r#"{"a":1}"#),
    ("case on a number", Fails, NotAsked,
        r#"{"a":[{"equals-ignore-case":"1"}]}"#, r#"{"a":1}"#),
    ("anything-but prefix on a number", Fails, CannotTell,
        r#"{"a":[{"anything-but":{"prefix":"1"}}]}"#, r#"{"a":1}"#),
    ("anything-but zero", Drops, Asked,
        r#"{"a":[{"anything-but":0}]}"#, r#"{"a":1}"#),
    ("anything-but an empty string", Drops, Asked,
        r#"{"a":[{"anything-but":""}]}"#, r#"{"a":"x"}"#),
    ("an empty string in any case", Drops, Asked,
        r#"{"a":[{"equals-ignore-case":""}]}"#, r#"{"a":""}"#),
    ("an empty prefix", Drops, CannotTell,
        r#"{"a":[{"prefix":""}]}"#, r#"{"a":"x"}"#),
    ("an empty suffix", Drops, CannotTell,
        r#"{"a":[{"suffix":""}]}"#, r#"{"a":"x"}"#),
    ("anything-but nothing", Drops, Refused,
        r#"{"a":[{"anything-but":[]}]}"#, r#"{"a":"x"}"#),
    ("anything-but null", Drops, Refused,
        r#"{"a":[{"anything-but":null}]}"#, r#"{"a":"x"}"#),
    ("anything-but of two kinds", Delivers, Refused,
        r#"{"a":[{"anything-but":["x",1]}]}"#, r#"{"a":"y"}"#),
    ("anything-but suffix", Refuses("Unsupported anything-but"), Asked,
        r#"{"a":[{"anything-but":{"suffix":"x"}}]}"#, r#"{"a":"y"}"#),
    ("anything-but in any case", Refuses("Unsupported anything-but"), CannotTell,
        r#"{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}"#, r#"{"a":"y"}"#),
    ("wildcard", Refuses("Unrecognized match type"), CannotTell,
        r#"{"a":[{"wildcard":"x*"}]}"#, r#"{"a":"xy"}"#),
    ("addresses", Delivers, CannotTell,
        r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#, r#"{"a":"10.0.0.1"}"#),
    ("letters with two upper cases", Drops, CannotTell,
        r#"{"a":[{"equals-ignore-case":"straße"}]}"#, r#"{"a":"STRASSE"}"#),
    ("letters with two lower cases", Delivers, CannotTell,
        r#"{"a":[{"equals-ignore-case":"\u212a"}]}"#, r#"{"a":"k"}"#),
    ("values of two elements", Delivers, CannotTell,
        r#"{"a":{"b":["x"],"c":["y"]}}"#, r#"{"a":[{"b":"x"},{"c":"y"}]}"#),
    ("absent from one element", Delivers, CannotTell,
        r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":[{"b":1},{"c":1}]}"#),
    ("a key beside `$or` and in it", Delivers, CannotTell,
        r#"{"a":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}"#, r#"{"a":"x"}"#),
    ("`$or` as a key with operators", Refuses("must be an object or an array"), Asked,
        r#"{"$or":[{"prefix":"x"},{"prefix":"y"}]}"#, r#"{"$or":"xx"}"#),
    ("`$or` as a key with strings", Refuses("exception while calling sns.Subscribe"), Asked,
        r#"{"$or":["x","y"]}"#, r#"{"$or":"x"}"#),
    ("`$or` of one", Drops, Refused,
        r#"{"$or":[{"a":["x"]}]}"#, r#"{"a":"x"}"#),
    ("an empty object", Delivers, Refused,
        r#"{"a":{}}"#, r#"{"b":"x"}"#),
    ("a key twice in the policy", Delivers, Refused,
        r#"{"a":["x"],"a":["y"]}"#, r#"{"a":"y"}"#),
    ("a key twice in the message", Delivers, CannotTell,
        r#"{"a":["y"]}"#, r#"{"a":"x","a":"y"}"#),
    ("half of a surrogate pair", Delivers, CannotTell,
        r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":"\ud800"}"#),
    ("NaN in the message", Delivers, NotAsked,
        r#"{"a":["x"]}"#, r#"{"a":"x","b":NaN}"#),
    ("NaN in the policy", Drops, Refused,
        r#"{"a":[NaN]}"#, r#"{"a":1}"#),
];

/// In the scope of the attributes. AWS's page says that `exists` false does not match a message without any.
/// <https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html>
const OF_ATTRIBUTES: Difference =
    ("no attributes", Delivers, CannotTell, r#"{"a":[{"exists":false}]}"#, "{}");

fn cases() -> impl Iterator<Item = (FilterScope, Difference)> {
    let of_body = DIFFERENCES.into_iter().map(|case| (FilterScope::MessageBody, case));
    of_body.chain([(FilterScope::MessageAttributes, OF_ATTRIBUTES)])
}

#[test]
fn the_evaluator_differs_from_localstack_where_it_is_known_to() {
    for (scope, (name, _, ours, policy, body)) in cases() {
        let said = match FilterPolicy::parse(policy)
            .map(|policy| policy.evaluate(scope, &FilterInput::new(body)))
        {
            Ok(FilterOutcome::Asked) => Asked,
            Ok(FilterOutcome::NotAsked { .. }) => NotAsked,
            Ok(FilterOutcome::CannotTell { .. }) => CannotTell,
            Err(_) => Refused,
        };
        assert_eq!(said, ours, "{name}: {policy} {body}");
    }
}

#[test]
fn localstack_differs_from_the_evaluator_where_it_is_known_to() {
    side_by_side(cases(), |(scope, (name, localstack, _, policy, body))| {
        assert_eq!(done(scope, policy, body, localstack), localstack, "{name}: {policy} {body}");
    });
}

/// What LocalStack does; `expected` has the words that a refusal should have.
fn done(scope: FilterScope, policy: &str, body: &str, expected: LocalStack) -> LocalStack {
    let mut field = TestBed::empty();
    if let Err(refusal) = field.add(scope, policy) {
        return match expected {
            Refuses(words) if refusal.contains(words) => expected,
            _ => panic!("{policy}: {refusal}"),
        };
    }
    if !field.publishes(body) {
        return Fails;
    }
    if field.arrived(1)[0].contains(body) { Delivers } else { Drops }
}

impl TestBed {
    /// Whether `Publish` is answered without an error.
    fn publishes(&self, body: &str) -> bool {
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let publish = clients().sns.publish().topic_arn(self.topic()).message(body);
        wait(publish.customize().config_override(once).send()).is_ok()
    }
}
