//! The examples of AWS's pages, and of the library that SNS matches with.

use super::*;

#[test]
fn strings() {
    // https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
    judges(
        r#"{"customer_interests": ["rugby", "tennis"]}"#,
        &[r#"{"customer_interests": "rugby"}"#, r#"{"customer_interests": "tennis"}"#],
        &[(r#"{"customer_interests": "baseball"}"#, "customer_interests")],
    );
    judges(
        r#"{"customer_interests": [{"anything-but": ["rugby", "tennis"]}]}"#,
        &[
            r#"{"customer_interests": "baseball"}"#,
            r#"{"customer_interests": "football"}"#,
            r#"{"customer_interests": ["rugby", "baseball"]}"#,
        ],
        &[
            (r#"{"customer_interests": "rugby"}"#, "customer_interests"),
            (r#"{"customer_interests": ["rugby", "tennis"]}"#, "customer_interests"),
            ("{}", "customer_interests"),
        ],
    );
    judges(
        r#"{"event": [{"anything-but": {"prefix": "order-"}}]}"#,
        &[r#"{"event": "data-entry"}"#, r#"{"event": "order_number"}"#],
        &[(r#"{"event": "order-cancelled"}"#, "event"), (r#"{"events": "x"}"#, "event")],
    );
    judges(
        r#"{"customer_interests": [{"equals-ignore-case": "tennis"}]}"#,
        &[r#"{"customer_interests": "TENNIS"}"#, r#"{"customer_interests": "Tennis"}"#],
        &[(r#"{"customer_interests": "tennis "}"#, "customer_interests")],
    );
    judges(
        r#"{"customer_interests": [{"prefix": "bas"}]}"#,
        &[r#"{"customer_interests": "baseball"}"#, r#"{"customer_interests": "basketball"}"#],
        &[(r#"{"customer_interests": "rugby"}"#, "customer_interests")],
    );
    judges(
        r#"{"customer_interests": [{"suffix": "ball"}]}"#,
        &[r#"{"customer_interests": "baseball"}"#, r#"{"customer_interests": "basketball"}"#],
        &[(r#"{"customer_interests": "rugby"}"#, "customer_interests")],
    );
}

#[test]
fn numbers() {
    // https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html
    judges(
        r#"{"price_usd": [{"numeric": ["=", 301.5]}]}"#,
        &[r#"{"price_usd": 301.5}"#, r#"{"price_usd": 3.015e2}"#],
        &[(r#"{"price_usd": 301.51}"#, "price_usd")],
    );
    judges(
        r#"{"price": [{"anything-but": [100, 500]}]}"#,
        &[r#"{"price": 101}"#, r#"{"price": 100.1}"#, r#"{"price": [100, 50]}"#],
        &[(r#"{"price": 100}"#, "price"), (r#"{"price": 5e2}"#, "price")],
    );
    judges(
        r#"{"price_usd": [{"numeric": ["<", 0]}]}"#,
        &[r#"{"price_usd": -0.00001}"#],
        &[(r#"{"price_usd": 0}"#, "price_usd")],
    );
    judges(
        r#"{"price_usd": [{"numeric": [">", 0, "<=", 150]}]}"#,
        &[r#"{"price_usd": 150}"#, r#"{"price_usd": 0.5}"#],
        &[(r#"{"price_usd": 0}"#, "price_usd"), (r#"{"price_usd": 151}"#, "price_usd")],
    );
}

#[test]
fn keys() {
    // https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html
    let with = r#"{"store": "fans", "customer_interests": ["baseball", "basketball"]}"#;
    let without = r#"{"customer_interests": ["baseball", "basketball"]}"#;
    judges(r#"{"store": [{"exists": true}]}"#, &[with], &[(without, "store")]);
    judges(r#"{"store": [{"exists": false}]}"#, &[without], &[(with, "store")]);
    // https://github.com/aws/event-ruler#exists-matching
    let inner = r#"{"detail": {"state": ["running"], "c-count": {"c1": 100}}}"#;
    judges(
        r#"{"detail": {"c-count": [{"exists": true}]}}"#,
        &[r#"{"detail": {"c-count": 5}}"#],
        &[(inner, "detail.c-count")],
    );
    judges(r#"{"detail": {"c-count": [{"exists": false}]}}"#, &[inner, "{}"], &[]);
}

#[test]
fn and_and_or() {
    // https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html
    judges(
        r#"{"customer_interests": ["rugby"], "price_usd": [{"numeric": [">", 100]}]}"#,
        &[r#"{"customer_interests": "rugby", "price_usd": 101}"#],
        &[
            (r#"{"customer_interests": "rugby", "price_usd": 100}"#, "price_usd"),
            (r#"{"customer_interests": "golf", "price_usd": 101}"#, "customer_interests"),
        ],
    );
    judges(
        r#"{"source": ["aws.cloudwatch"],
            "$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}]}"#,
        &[
            r#"{"source": "aws.cloudwatch", "metricName": "CPUUtilization"}"#,
            r#"{"source": "aws.cloudwatch", "namespace": "AWS/EC2"}"#,
        ],
        &[
            (r#"{"source": "aws.cloudwatch"}"#, "$or"),
            (r#"{"source": "x", "namespace": "AWS/EC2"}"#, "source"),
        ],
    );
    judges(
        r#"{"source": ["s"], "$or": [
            {"metricName": ["CPUUtilization", "ReadLatency"]},
            {"metricType": ["MetricType"], "$or": [{"metricId": [1234, 4321]}, {"spaceId": [1000]}]}
        ]}"#,
        &[
            r#"{"source": "s", "metricName": "ReadLatency"}"#,
            r#"{"source": "s", "metricType": "MetricType", "spaceId": 1000}"#,
        ],
        &[(r#"{"source": "s", "metricType": "MetricType", "spaceId": 1234}"#, "$or")],
    );
}

#[test]
fn or_inside_a_nested_key() {
    // https://github.com/aws/event-ruler#the-or-primitive
    judges(
        r#"{"$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}],
            "detail": {"scope": ["Service"], "$or": [{"source": ["s"]}, {"type": ["t"]}]}}"#,
        &[
            r#"{"metricName": "CPUUtilization", "detail": {"scope": "Service", "source": "s"}}"#,
            r#"{"namespace": "AWS/EC2", "detail": {"scope": "Service", "type": "t"}}"#,
        ],
        &[
            (r#"{"namespace": "AWS/EC2", "detail": {"scope": "x", "type": "t"}}"#, "detail.scope"),
            (r#"{"namespace": "AWS/EC2", "source": "s", "detail": {"scope": "Service"}}"#, "$or"),
        ],
    );
}

#[test]
fn or_that_is_a_key_like_any_other() {
    judges(
        r#"{"$or": ["x", {"prefix": "abc"}]}"#,
        &[r#"{"$or": "x"}"#, r#"{"$or": "abcd"}"#],
        &[(r#"{"x": "x"}"#, "$or")],
    );
    judges(
        r#"{"$or": {"metricType": ["MetricType"]}}"#,
        &[r#"{"$or": {"metricType": "MetricType"}}"#],
        &[(r#"{"metricType": "MetricType"}"#, "$or.metricType")],
    );
}

#[test]
fn whole_messages() {
    // https://docs.aws.amazon.com/sns/latest/dg/example-filter-policies.html
    let body = r#"{"customer_interests": ["soccer", "rugby", "hockey"], "store": "example_corp",
        "event": "order_placed", "price_usd": 210.75}"#;
    judges(
        r#"{"store": ["example_corp"], "event": [{"anything-but": "order_cancelled"}],
            "customer_interests": ["rugby", "football", "baseball"],
            "price_usd": [{"numeric": [">=", 100]}]}"#,
        &[body],
        &[],
    );
    judges(
        r#"{"store": ["example_corp"], "event": ["order_cancelled"], "encrypted": [false],
            "customer_interests": ["basketball", "baseball"]}"#,
        &[],
        &[(body, "event")],
    );
    // https://aws.amazon.com/blogs/compute/introducing-payload-based-message-filtering-for-amazon-sns/
    let record = |key: &str, event: &str| {
        format!(r#"{{"eventName": "{event}", "s3": {{"object": {{"key": "{key}", "size": 17}}}}}}"#)
    };
    let message = |records: &[String]| format!(r#"{{"Records": [{}]}}"#, records.join(","));
    let (car, home) = ("auto-insurance-2314.xml", "home-insurance-2314.xml");
    let (put, delete) = ("ObjectCreated:Put", "ObjectRemoved:Delete");
    judges(
        r#"{"Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}},
            "eventName": [{"prefix": "ObjectCreated:"}]}}"#,
        &[&message(&[record(car, put)]), &message(&[record(car, put), record(home, delete)])],
        &[
            (&message(&[record(car, delete)]), "Records.eventName"),
            (&message(&[record(home, put)]), "Records.s3.object.key"),
        ],
    );
}
