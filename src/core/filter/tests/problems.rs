//! What AWS would refuse.

use super::*;

#[track_caller]
fn refused(policy: &str, problem: &str) {
    let found = FilterPolicy::parse(policy).expect_err(policy).to_string();
    assert!(found.contains(problem), "{policy}: {found}");
}

#[test]
fn shapes() {
    for (policy, problem) in [
        ("[]", "a policy must be a JSON object"),
        ("\"x\"", "a policy must be a JSON object"),
        ("{\"a\": [1,]}", "not JSON: expected value at line 1 column 10"),
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        (r#"{"\ud800": ["x"]}"#, "a string holds half of a surrogate pair"),
        (r#"{"a": {"\ud800": ["x"]}}"#, "a string holds half of a surrogate pair, at /a"),
        (r#"{"a": "x"}"#, "`a` must be an array or an object, at /a"),
        (r#"{"a": {"b": 1}}"#, "`b` must be an array or an object, at /a/b"),
        (
            r#"{"a": {"suffix": "x"}}"#,
            "the operator `suffix` must stand in an array, as in [{\"suffix\"",
        ),
        (r#"{"a": []}"#, "the array is empty, at /a"),
        (r#"{"a": {}}"#, "the object is empty, at /a"),
        (r#"{"a": [["x"]]}"#, "a value must be a string, a number, true, false, null"),
        (r#"{"a": ["\ud800"]}"#, "a value must be a string"),
        (r#"{"a": [{}]}"#, "this object must have exactly one key: an operator, at /a/0"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "this object must have exactly one key"),
        (r#"{"a": [1], "b": [2], "a": [3]}"#, "the key occurs twice, at /a"),
        (r#"{"$or": []}"#, "the array is empty, at /$or"),
        (r#"{"$or": "x"}"#, "`$or` must be an array or an object, at /$or"),
        (r#"{"$or": [{"a": ["x"]}]}"#, "`$or` must have at least two objects"),
        (r#"{"$or": [{"a": ["x"]}, "b"]}"#, "`$or` must have at least two objects"),
        (r#"{"$or": [{"a": ["x"]}, {"prefix": "b"}]}"#, "`$or` must have at least two objects"),
        (
            r#"{"$or": [{"numeric": 123}, {"prefix": "abc"}]}"#,
            "`numeric` must be an array, at /$or/0/",
        ),
        (r#"{"$or": [{"a": ["x"]}, {}]}"#, "the object is empty, at /$or/1"),
        (r#"{"$or": [{"a": ["x"]}, {"b": "y"}]}"#, "must be an array or an object, at /$or/1/b"),
    ] {
        refused(policy, problem);
    }
}

#[test]
fn operands() {
    let wrong_sign = "`numeric` must have one of `=`, `<`, `<=`, `>`, `>=` here, at /a/0/numeric/0";
    let wrong_number = "must be from -1000000000 to 1000000000 with at most 5 decimals";
    for (rule, problem) in [
        (r#"{"prefix": 1}"#, "`prefix` must be a string, at /a/0/prefix"),
        (r#"{"suffix": ["x"]}"#, "`suffix` must be a string"),
        (r#"{"equals-ignore-case": null}"#, "`equals-ignore-case` must be a string"),
        (r#"{"exists": "no"}"#, "`exists` must be true or false, at /a/0/exists"),
        (r#"{"anything-but": null}"#, "`anything-but` must be a string, a number, or an array"),
        (r#"{"anything-but": []}"#, "the array of `anything-but` is empty"),
        (r#"{"anything-but": ["x", 1]}"#, "strings only, or numbers only, at /a/0/anything-but/1"),
        (r#"{"anything-but": [true]}"#, "strings only, or numbers only"),
        (r#"{"anything-but": {}}"#, "this object must have exactly one key"),
        (r#"{"anything-but": {"prefix": false}}"#, "`prefix` must be a string"),
        (r#"{"anything-but": {"prefix": ""}}"#, "`prefix` in `anything-but` is empty"),
        (r#"{"numeric": 1}"#, "`numeric` must be an array"),
        (r#"{"numeric": []}"#, wrong_sign),
        (r#"{"numeric": ["operator"]}"#, wrong_sign),
        (r#"{"numeric": [1, "<="]}"#, wrong_sign),
        (r#"{"numeric": ["=", "000"]}"#, "`numeric` must have a number here, at /a/0/numeric/1"),
        (r#"{"numeric": [">="]}"#, "`numeric` must have a number here, at /a/0/numeric/1"),
        (r#"{"numeric": ["<", 100, ">", 10]}"#, "must begin with `>` or `>=`"),
        (r#"{"numeric": ["=", 1, "<", 2]}"#, "must begin with `>` or `>=`"),
        (r#"{"numeric": [">=", 1, ">", 2]}"#, "one of `<`, `<=` here, at /a/0/numeric/2"),
        (r#"{"numeric": [">", 3, "<", 1]}"#, "the lower end in `numeric` is above the upper end"),
        (r#"{"numeric": [">", 20, "<="]}"#, "must have a number here, at /a/0/numeric/3"),
        (r#"{"numeric": [">", 20, 30]}"#, "one of `<`, `<=` here, at /a/0/numeric/2"),
        (r#"{"numeric": [">", 20, "<", "30"]}"#, "must have a number here, at /a/0/numeric/3"),
        (r#"{"numeric": [">", 20, "<", 30, "<", 50]}"#, "has two ends, at /a/0/numeric/4"),
        (r#"{"numeric": ["=", 1000000000.00001]}"#, wrong_number),
        (r#"{"numeric": ["=", -1e10]}"#, wrong_number),
        (r#"{"numeric": ["=", 1e999999999999]}"#, wrong_number),
        (r#"{"numeric": ["=", 0.000001]}"#, wrong_number),
    ] {
        refused(&format!(r#"{{"a": [{rule}]}}"#), problem);
    }
    FilterPolicy::parse(r#"{"a": [{"numeric": [">=", 5, "<=", 5.00000]}]}"#).expect("a policy");
}

/// A key with so many values.
fn many(key: &str, values: usize) -> String {
    let values: Vec<_> = (0..values).map(|value| value.to_string()).collect();
    format!(r#""{key}": [{}]"#, values.join(","))
}

#[test]
fn limits() {
    let check = |policy: &str, scope| {
        let policy = FilterPolicy::parse(policy).expect("a policy");
        policy.check(scope).map_err(|problem| problem.to_string())
    };
    let combinations = |count| {
        Err(format!("the policy has {count} combinations of values; SNS takes at most 150"))
    };
    let both = [FilterScope::MessageBody, FilterScope::MessageAttributes];
    for scope in both {
        let keys: Vec<_> = (0..6).map(|key| many(&format!("k{key}"), 1)).collect();
        assert_eq!(check(&format!("{{{}}}", keys[..5].join(",")), scope), Ok(()));
        let six = check(&format!("{{{}}}", keys.join(",")), scope);
        assert_eq!(six, Err("the policy has 6 top-level keys; SNS takes at most 5".to_owned()));
        assert_eq!(check(&format!("{{{},{}}}", many("a", 50), many("b", 3)), scope), Ok(()));
        let many = format!("{{{},{}}}", many("a", 100), many("b", 51));
        assert_eq!(check(&many, scope), combinations(5_100));
        assert_eq!(check("{}", scope), Ok(()));
    }
    let body = |policy: &str| check(policy, FilterScope::MessageBody);
    let nested = format!(r#"{{"a": {{"b": {{{}}}}}, "d": {{{}}}}}"#, many("c", 4), many("e", 3));
    assert_eq!(body(&nested), Ok(()), "3 x 4 x 2 x 3 = 72");
    let more = format!("{},{}}}", &nested[..nested.len() - 1], many("f", 3));
    assert_eq!(body(&more), combinations(216));
    let attributes = check(&nested, FilterScope::MessageAttributes).expect_err("it is nested");
    assert!(attributes.starts_with("the key `a.b.c` is nested"), "{attributes}");
    let or = format!(
        r#"{{"$or": [{{{}}}, {{{}}}], "detail": {{{}, "$or": [{{{}}}, {{{}}}]}}}}"#,
        many("metricName", 3),
        many("namespace", 2),
        many("scope", 2),
        many("source", 1),
        many("type", 3)
    );
    assert_eq!(body(&or), combinations(160), "24 + 72 + 16 + 48");
}

#[test]
fn what_would_take_too_long_is_refused_at_once() {
    refused(&format!("{{{}}}", many("a", 151)), "more than 150 combinations of values, at /a");
    let or = r#"[{"a": [1]}, {"b": [1]}]"#;
    let mut nested = r#"{"c": [1]}"#.to_owned();
    for _ in 0..20 {
        nested = format!(r#"{{"x": {nested}, "$or": {or}}}"#);
    }
    refused(&nested, "more than 150 combinations of values, at /x/x");
    let deep = format!("{}[1]{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    refused(&deep, "nested deeper than 100 levels");
    let keys: Vec<_> = (0..251).map(|key| many(&format!("k{key}"), 1)).collect();
    refused(&format!("{{{}}}", keys.join(",")), "more than 250 keys, at /k250");
    refused(&format!("{{{}}}", " ".repeat(256 * 1024)), "longer than 262144 bytes");
    FilterPolicy::parse(&format!("{{{}}}", " ".repeat(256 * 1024 - 2))).expect("a policy");
}
