//! Where LocalStack 4.14.0 is not AWS as its pages describe it, or where the pages are silent and LocalStack decides:
//! what it does, and what the evaluator says. The random policies keep clear of these.

use aws_sdk_sns::config::Builder;
use aws_smithy_types::retry::RetryConfig;
use rydes::core::filter::{FilterPolicy, Scope, Verdict};

use self::LocalStack::{Delivers, Drops, Fails, Refuses};
use self::Ours::{Asked, CannotTell, NotAsked, Refused};
use super::field::Field;
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

/// A difference: a policy, a body, and what becomes of them.
type Difference = (&'static str, &'static str, &'static str, LocalStack, Ours);

/// In the scope of the body.
#[rustfmt::skip]
const DIFFERENCES: [Difference; 45] = [
    ("text is read as a number", r#"{"a":[{"numeric":[">",0]}]}"#, r#"{"a":"1"}"#, Delivers, NotAsked),
    ("true is a number", r#"{"a":[{"numeric":["=",1]}]}"#, r#"{"a":true}"#, Delivers, NotAsked),
    ("true is one", r#"{"a":[1]}"#, r#"{"a":true}"#, Delivers, NotAsked),
    ("one is true", r#"{"a":[true]}"#, r#"{"a":1.0}"#, Delivers, NotAsked),
    ("zero excludes false", r#"{"a":[{"anything-but":[0]}]}"#, r#"{"a":false}"#, Drops, Asked),
    ("numbers are floats", r#"{"a":[0.1]}"#, r#"{"a":0.10000000000000000001}"#, Delivers, CannotTell),
    ("numbers are more than five decimals", r#"{"a":[{"numeric":["=",0.1]}]}"#, r#"{"a":0.100001}"#, Drops, CannotTell),
    ("numbers are beyond a billion", r#"{"a":[{"numeric":[">",0]}]}"#, r#"{"a":1e10}"#, Delivers, CannotTell),
    ("ranges are beyond a billion", r#"{"a":[{"numeric":[">",1e10]}]}"#, r#"{"a":1e11}"#, Delivers, Refused),
    ("a range is one number", r#"{"a":[{"numeric":[">=",5,"<=",5]}]}"#, r#"{"a":5}"#, Refuses("Bottom must be less"), Asked),

    ("null exists", r#"{"a":[{"exists":true}]}"#, r#"{"a":null}"#, Delivers, NotAsked),
    ("null is not absent", r#"{"a":[{"exists":false}]}"#, r#"{"a":null}"#, Drops, CannotTell),
    ("an empty string exists", r#"{"a":[{"exists":true}]}"#, r#"{"a":""}"#, Delivers, NotAsked),
    ("an empty string is not absent", r#"{"a":[{"exists":false}]}"#, r#"{"a":""}"#, Drops, CannotTell),
    ("null is no other value", r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":null}"#, Drops, CannotTell),

    ("prefix on a number", r#"{"a":[{"prefix":"1"}]}"#, r#"{"a":1}"#, Fails, NotAsked),
    ("suffix on a number", r#"{"a":[{"suffix":"1"}]}"#, r#"{"a":1}"#, Fails, NotAsked),
    ("case on a number", r#"{"a":[{"equals-ignore-case":"1"}]}"#, r#"{"a":1}"#, Fails, NotAsked),
    ("anything-but prefix on a number", r#"{"a":[{"anything-but":{"prefix":"1"}}]}"#, r#"{"a":1}"#, Fails, CannotTell),

    ("anything-but zero", r#"{"a":[{"anything-but":0}]}"#, r#"{"a":1}"#, Drops, Asked),
    ("anything-but an empty string", r#"{"a":[{"anything-but":""}]}"#, r#"{"a":"x"}"#, Drops, Asked),
    ("an empty string in any case", r#"{"a":[{"equals-ignore-case":""}]}"#, r#"{"a":""}"#, Drops, Asked),
    ("an empty prefix", r#"{"a":[{"prefix":""}]}"#, r#"{"a":"x"}"#, Drops, CannotTell),
    ("an empty suffix", r#"{"a":[{"suffix":""}]}"#, r#"{"a":"x"}"#, Drops, CannotTell),
    ("anything-but nothing", r#"{"a":[{"anything-but":[]}]}"#, r#"{"a":"x"}"#, Drops, Refused),
    ("anything-but null", r#"{"a":[{"anything-but":null}]}"#, r#"{"a":"x"}"#, Drops, Refused),
    ("anything-but of two kinds", r#"{"a":[{"anything-but":["x",1]}]}"#, r#"{"a":"y"}"#, Delivers, Refused),

    ("anything-but suffix", r#"{"a":[{"anything-but":{"suffix":"x"}}]}"#, r#"{"a":"y"}"#, Refuses("Unsupported anything-but"), Asked),
    ("anything-but in any case", r#"{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}"#, r#"{"a":"y"}"#, Refuses("Unsupported anything-but"), CannotTell),
    ("wildcard", r#"{"a":[{"wildcard":"x*"}]}"#, r#"{"a":"xy"}"#, Refuses("Unrecognized match type"), CannotTell),
    ("addresses", r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#, r#"{"a":"10.0.0.1"}"#, Delivers, CannotTell),
    ("letters with two upper cases", r#"{"a":[{"equals-ignore-case":"straße"}]}"#, r#"{"a":"STRASSE"}"#, Drops, CannotTell),
    ("letters with two lower cases", r#"{"a":[{"equals-ignore-case":"\u212a"}]}"#, r#"{"a":"k"}"#, Delivers, CannotTell),

    ("values of two elements", r#"{"a":{"b":["x"],"c":["y"]}}"#, r#"{"a":[{"b":"x"},{"c":"y"}]}"#, Delivers, CannotTell),
    ("absent from one element", r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":[{"b":1},{"c":1}]}"#, Delivers, CannotTell),
    ("a key beside `$or` and in it", r#"{"a":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}"#, r#"{"a":"x"}"#, Delivers, CannotTell),
    ("`$or` as a key with operators", r#"{"$or":[{"prefix":"x"},{"prefix":"y"}]}"#, r#"{"$or":"xx"}"#, Refuses("must be an object or an array"), Asked),
    ("`$or` as a key with strings", r#"{"$or":["x","y"]}"#, r#"{"$or":"x"}"#, Refuses("exception while calling sns.Subscribe"), Asked),
    ("`$or` of one", r#"{"$or":[{"a":["x"]}]}"#, r#"{"a":"x"}"#, Drops, Refused),
    ("an empty object", r#"{"a":{}}"#, r#"{"b":"x"}"#, Delivers, Refused),
    ("a key twice in the policy", r#"{"a":["x"],"a":["y"]}"#, r#"{"a":"y"}"#, Delivers, Refused),

    ("a key twice in the message", r#"{"a":["y"]}"#, r#"{"a":"x","a":"y"}"#, Delivers, CannotTell),
    ("half of a surrogate pair", r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":"\ud800"}"#, Delivers, CannotTell),
    ("NaN in the message", r#"{"a":["x"]}"#, r#"{"a":"x","b":NaN}"#, Delivers, NotAsked),
    ("NaN in the policy", r#"{"a":[NaN]}"#, r#"{"a":1}"#, Drops, Refused),
];

/// In the scope of the attributes. AWS's page says that `exists` false does not match a message without any.
/// <https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html>
const OF_ATTRIBUTES: Difference =
    ("no attributes", r#"{"a":[{"exists":false}]}"#, "{}", Delivers, CannotTell);

fn cases() -> impl Iterator<Item = (Scope, Difference)> {
    let of_body = DIFFERENCES.into_iter().map(|case| (Scope::MessageBody, case));
    of_body.chain([(Scope::MessageAttributes, OF_ATTRIBUTES)])
}

#[test]
fn the_evaluator_differs_from_localstack_where_it_is_known_to() {
    for (scope, (name, policy, body, _, ours)) in cases() {
        let said = match FilterPolicy::parse(policy).map(|policy| policy.evaluate(scope, body)) {
            Ok(Verdict::Asked) => Asked,
            Ok(Verdict::NotAsked { .. }) => NotAsked,
            Ok(Verdict::CannotTell { .. }) => CannotTell,
            Err(_) => Refused,
        };
        assert_eq!(said, ours, "{name}: {policy} {body}");
    }
}

#[test]
fn localstack_differs_from_the_evaluator_where_it_is_known_to() {
    side_by_side(cases(), |(scope, (name, policy, body, localstack, _))| {
        assert_eq!(done(scope, policy, body, localstack), localstack, "{name}: {policy} {body}");
    });
}

/// What LocalStack does; `expected` has the words that a refusal should have.
fn done(scope: Scope, policy: &str, body: &str, expected: LocalStack) -> LocalStack {
    let mut field = Field::empty();
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

impl Field {
    /// Whether `Publish` is answered without an error.
    fn publishes(&self, body: &str) -> bool {
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let publish = clients().sns.publish().topic_arn(self.topic()).message(body);
        wait(publish.customize().config_override(once).send()).is_ok()
    }
}
