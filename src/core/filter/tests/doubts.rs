//! Where it cannot be told, and where a doubt does not matter.

use super::*;

#[test]
fn an_unknown_operator_matters_only_where_nothing_else_decides() {
    let body = r#"{"from": "Rome", "to": "Oslo"}"#;
    doubts(
        r#"{"from": [{"wildcard": "R*"}]}"#,
        body,
        "`from`: the operator `wildcard` is not known",
    );
    judges(r#"{"from": [{"wildcard": "R*"}, "Rome"]}"#, &[body], &[]);
    judges(r#"{"from": [{"wildcard": "R*"}], "to": ["Rome"]}"#, &[], &[(body, "to")]);
    judges(r#"{"$or": [{"from": [{"cidr": "10.0.0.0/24"}]}, {"to": ["Oslo"]}]}"#, &[body], &[]);
    doubts(
        r#"{"$or": [{"to": ["Rome"]}, {"to": ["Oslo"], "from": [{"new": 1}]}]}"#,
        body,
        "`from`: the operator `new` is not known",
    );
    doubts(
        r#"{"to": [{"anything-but": {"wildcard": "R*"}}]}"#,
        body,
        "`to`: the operator `wildcard` in `anything-but` is not known",
    );
    doubts(r#"{"to": [{"prefix": ""}]}"#, body, "`to`: an empty `prefix` is not known");
}

#[test]
fn unknown_operators_are_listed_with_their_places() {
    let policy = r#"{"from": ["x", {"wildcard": "R*"}],
        "$or": [{"a/b": {"~": [{"anything-but": {"new": 1}}]}}, {"to": [{"suffix": ""}]}]}"#;
    let policy = FilterPolicy::parse(policy).expect("a policy");
    let shown: Vec<_> = policy.unknowns().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "the operator `wildcard`, at /from/1/wildcard",
            "the operator `new` in `anything-but`, at /$or/0/a~1b/~0/0/anything-but/new",
            "an empty `suffix`, at /$or/1/to/0/suffix",
        ]
    );
}

#[test]
fn a_key_that_is_there_twice() {
    let twice = r#"{"a": "x", "a": "y", "b": "z"}"#;
    doubts(r#"{"a": ["x"]}"#, twice, "`a`: the message has the key twice");
    doubts(r#"{"a": [{"exists": true}]}"#, twice, "`a`: the message has the key twice");
    doubts(r#"{"a.b": ["x"]}"#, r#"{"a.b": "x", "a": {"b": "x"}}"#, "`a.b`: the message has");
    judges(r#"{"b": ["z"]}"#, &[twice], &[]);
    judges(r#"{"a": ["x"], "b": ["x"]}"#, &[], &[(twice, "b")]);
    judges(r#"{"a": {"b": ["x"]}}"#, &[r#"{"a": [{"b": "x"}, {"b": 1, "b": 2}]}"#], &[]);
}

#[test]
fn values_in_different_elements_of_an_array() {
    // https://github.com/aws/event-ruler#json-array-matching
    let staff =
        r#"{"employees": [{"first": "Anna", "last": "Smith"}, {"first": "Ed", "last": "Jones"}]}"#;
    let policy =
        |first, last| format!(r#"{{"employees": {{"first": ["{first}"], "last": ["{last}"]}}}}"#);
    judges(&policy("Anna", "Smith"), &[staff], &[]);
    doubts(&policy("Anna", "Jones"), staff, "`employees.first`: the values that match are in");
    judges(&policy("Anna", "Doe"), &[], &[(staff, "employees.last")]);
    doubts(
        r#"{"a": {"b": [{"exists": false}]}}"#,
        r#"{"a": [{"b": 1}, {"c": 1}]}"#,
        "`a.b`: some elements of an array have the key",
    );
    let apart = r#"{"x": ["a", "b"], "y": ["c", "d"]}"#;
    judges(r#"{"x": ["a"], "y": ["d"]}"#, &[apart], &[]);
}

#[test]
fn a_key_beside_an_or_and_in_it() {
    let policy = r#"{"a": [{"prefix": "x"}], "$or": [{"a": [{"suffix": "y"}]}, {"b": ["z"]}]}"#;
    judges(policy, &[r#"{"a": "x-y"}"#, r#"{"a": "x", "b": "z"}"#], &[(r#"{"a": "a"}"#, "a")]);
    doubts(policy, r#"{"a": "x"}"#, "`a`: the policy has the key in more than one place");
}

#[test]
fn what_the_pages_leave_open() {
    for (policy, body, reason) in [
        (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": null}"#, "`a`: AWS's pages do not say"),
        (r#"{"a": [{"anything-but": {"prefix": "x"}}]}"#, r#"{"a": 1}"#, "`a`: AWS's pages do not"),
        (r#"{"a": [{"exists": false}]}"#, r#"{"a": null}"#, "`a`: AWS's page does not say"),
        (r#"{"a": [{"exists": false}]}"#, r#"{"a": ""}"#, "`a`: AWS's page does not say"),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": 1e10}"#, "`a`: a number is beyond"),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, r#"{"a": 1e999999999}"#, "`a`: a number is beyond"),
        (r#"{"a": [{"equals-ignore-case": "straße"}]}"#, r#"{"a": "STRASSE"}"#, "`a`: letters"),
        (r#"{"a": ["x"]}"#, r#"{"a": "\ud800"}"#, "`a`: the message holds half of a surrogate"),
        (r#"{"a": [{"exists": true}]}"#, r#"{"a": "\ud800"}"#, "`a`: the message holds half"),
        (r#"{"a": ["x"]}"#, r#"{"\udc00": "x"}"#, "`a`: the message holds half of a surrogate"),
    ] {
        doubts(policy, body, reason);
    }
}

#[test]
fn what_is_nested_too_deep() {
    let body = |levels: usize| format!("{{\"a\": {}1{}}}", "[".repeat(levels), "]".repeat(levels));
    judges(r#"{"a": [1]}"#, &[&body(99)], &[]);
    doubts(r#"{"a": [1]}"#, &body(100), "`a`: the message is nested too deep");
    doubts(r#"{"a": [1]}"#, &body(10_000), "`a`: the message is nested too deep");
    judges(r#"{"b": [{"exists": false}]}"#, &[&body(10_000)], &[]);
}

#[test]
fn reasons_are_never_long() {
    let long = "é".repeat(50_000);
    let policy = format!(r#"{{"{long}": [{{"{long}": 1}}]}}"#);
    let FilterOutcome::CannotTell { what } = said(&policy, "{}") else { panic!("it is told") };
    assert!(what.chars().count() < 300, "{what}");
    let FilterOutcome::NotAsked { key } = said(&format!(r#"{{"{long}": [1]}}"#), "{}") else {
        panic!("it is asked")
    };
    assert!(key.chars().count() < 150, "{key}");
}
