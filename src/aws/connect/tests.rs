//! How errors and the target line name the location of a stack.

use super::*;

#[test]
fn silence_is_told_of_the_endpoint_that_was_asked() {
    let at = |url: &str, origin: &str| Endpoint { url: url.to_owned(), origin: origin.to_owned() };
    let mut location = Aws::sample().location;
    location.endpoints = vec![at("http://localhost:4566", "a"), at("http://localhost:45660", "b")];
    for (asked, named) in [
        ("http://127.0.0.1:4566/", "http://localhost:4566 (a)"),
        ("http://localhost:4566/queue", "http://localhost:4566 (a)"),
        ("http://localhost:45660", "http://localhost:45660 (b)"),
        ("http://localhost:45660/queue", "http://localhost:45660 (b)"),
    ] {
        assert_eq!(location.host(Some(asked)), named, "{asked}");
    }
}

#[test]
fn the_account_that_a_resource_names_is_taken_where_none_is_known() {
    let mut aws = Aws::real_sample();
    assert_eq!(aws.learn_account(Some("999999999999")), None);
    assert_eq!(aws.account(), Some("123456789012"));
    aws.account = None;
    assert_eq!(aws.learn_account(None), None);
    let line = aws.learn_account(Some("999999999999"));
    assert_eq!(line.as_deref(), Some("stack x on AWS account 999999999999 in eu-west-1"));
}
