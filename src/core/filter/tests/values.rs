//! What bodies may hold.

use super::*;

#[test]
fn values_of_each_kind() {
    judges(
        r#"{"a": ["x", 30, true, null]}"#,
        &[
            r#"{"a": "x"}"#,
            r#"{"a": "\u0078"}"#,
            r#"{"\u0061": 3e1}"#,
            r#"{"a": 30.0}"#,
            r#"{"a": true}"#,
            r#"{"a": null}"#,
            r#"{"a": ["y", [[null]]]}"#,
        ],
        &[
            (r#"{"a": "X"}"#, "a"),
            (r#"{"a": "30"}"#, "a"),
            (r#"{"a": 31}"#, "a"),
            (r#"{"a": false}"#, "a"),
            (r#"{"a": "null"}"#, "a"),
            (r#"{"a": []}"#, "a"),
            (r#"{"a": {"x": "x"}}"#, "a"),
            (r#"{"A": "x"}"#, "a"),
            ("{}", "a"),
        ],
    );
}

#[test]
fn operators_on_values_of_other_kinds() {
    for operator in ["prefix", "suffix", "equals-ignore-case"] {
        let policy = format!(r#"{{"a": [{{"{operator}": "1"}}]}}"#);
        let others = [r#"{"a": 1}"#, r#"{"a": true}"#, r#"{"a": null}"#, r#"{"a": {"1": 1}}"#];
        judges(&policy, &[r#"{"a": "1"}"#], &others.map(|body| (body, "a")));
    }
    judges(
        r#"{"a": [{"numeric": [">=", 0]}]}"#,
        &[r#"{"a": [true, 1]}"#],
        &[(r#"{"a": "1"}"#, "a"), (r#"{"a": null}"#, "a"), (r#"{"a": [true, "1"]}"#, "a")],
    );
    judges(
        r#"{"a": [{"anything-but": 0}]}"#,
        &[r#"{"a": "0"}"#, r#"{"a": 1}"#, r#"{"a": false}"#],
        &[(r#"{"a": 0.0}"#, "a"), (r#"{"a": {"b": 1}}"#, "a"), (r#"{"a": []}"#, "a")],
    );
    judges(
        r#"{"a": [{"anything-but": {"suffix": "x"}}]}"#,
        &[r#"{"a": "xy"}"#, r#"{"a": ["x", "y"]}"#],
        &[(r#"{"a": "yx"}"#, "a"), ("{}", "a")],
    );
}

#[test]
fn what_exists() {
    judges(
        r#"{"a": [{"exists": true}]}"#,
        &[r#"{"a": 0}"#, r#"{"a": false}"#, r#"{"a": [[], {"b": 1}, 1]}"#],
        &[
            (r#"{"a": null}"#, "a"),
            (r#"{"a": ""}"#, "a"),
            (r#"{"a": []}"#, "a"),
            (r#"{"a": {}}"#, "a"),
            (r#"{"a": [{"b": 1}]}"#, "a"),
        ],
    );
    judges(
        r#"{"a": {"b": [{"exists": false}]}}"#,
        &["{}", r#"{"a": 1}"#, r#"{"a": {"c": 1}}"#, r#"{"a": []}"#, r#"{"a": {"b": {"c": 1}}}"#],
        &[(r#"{"a": {"b": 1}}"#, "a.b"), (r#"{"a": [{"b": 1}, {"b": 2}]}"#, "a.b")],
    );
    judges(r#"{"a": [{"anything-but": "x"}, {"exists": false}]}"#, &["{}", r#"{"a": "y"}"#], &[]);
}

#[test]
fn dots_join_keys() {
    judges(
        r#"{"a.b": ["x"]}"#,
        &[r#"{"a.b": "x"}"#, r#"{"a": {"b": "x"}}"#, r#"{"a": [{"b": "y"}, {"b": "x"}]}"#],
        &[(r#"{"a": {"b.c": "x"}}"#, "a.b"), (r#"{"a.bc": "x"}"#, "a.b")],
    );
    judges(
        r#"{"a": {"b": {"c": ["x"]}}}"#,
        &[r#"{"a.b": {"c": "x"}}"#, r#"{"a": {"b.c": "x"}}"#],
        &[(r#"{"a": {"b": "x"}}"#, "a.b.c")],
    );
}

#[test]
fn bodies_that_are_no_objects() {
    let others = ["", "hello", "\"x\"", "[{\"a\": \"x\"}]", "1", "null", "{\"a\": \"x\"", "{a: 1}"];
    judges(
        r#"{"a": [{"anything-but": "x"}, {"exists": false}]}"#,
        &[],
        &others.map(|at| (at, "a")),
    );
    judges("{}", &others, &[]);
}

#[test]
fn messages_have_no_attributes() {
    let said = |policy: &str| {
        let policy = FilterPolicy::parse(policy).expect("a policy");
        policy.evaluate(FilterScope::MessageAttributes, &FilterInput::new(r#"{"a": "x"}"#))
    };
    let not_asked = |key: &str| FilterOutcome::NotAsked { key: key.to_owned() };
    for rule in [r#""x""#, "null", r#"{"exists": true}"#, r#"{"anything-but": "y"}"#] {
        assert_eq!(said(&format!(r#"{{"a": [{rule}]}}"#)), not_asked("a"), "{rule}");
    }
    assert_eq!(said("{}"), FilterOutcome::Asked);
    let absent = said(r#"{"a": [{"exists": false}]}"#);
    assert!(
        matches!(&absent, FilterOutcome::CannotTell { what } if what.starts_with("`a`: `exists` false"))
    );
    assert_eq!(said(r#"{"a": [{"exists": false}], "b": ["x"]}"#), not_asked("b"));
    assert_eq!(said(r#"{"a": [{"wildcard": "x*"}], "b": ["x"]}"#), not_asked("b"));
    assert_eq!(said(r#"{"$or": [{"a": ["x"]}, {"b": ["x"]}]}"#), not_asked("$or"));
}

#[test]
fn the_words_of_the_scopes_are_those_of_aws() {
    for scope in [FilterScope::MessageAttributes, FilterScope::MessageBody] {
        assert_eq!(FilterScope::parse(scope.word()), Some(scope));
    }
    assert_eq!(
        (FilterScope::parse("messagebody"), FilterScope::default()),
        (None, FilterScope::MessageAttributes)
    );
}
