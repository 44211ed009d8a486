//! A wait whose reads fail.

use crate::support::PATIENCE;
use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{Stack, provider};

const INTERNAL: &str =
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "later"}"#;
const DENIED: &str =
    r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#;

#[test]
fn one_that_fails_in_passing_is_told_and_outlived() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 30s");
    let proxy = Proxy::start();
    let watch = stack.rydes("quotes --watch").arg(&id).env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url);
    let watch = Background::start(watch);
    proxy.until("Query", 1);
    // The SDK itself gives up after three.
    proxy.fail("Query", 7, ProxyFault::Answer(500, INTERNAL));
    let reads = proxy.count("Query");
    proxy.until("Query", reads + 8);
    let _workers = stack.providers("--behavior steady");
    let watched = watch.ends(PATIENCE).exits(0);
    assert!(watched.stderr.contains("reading the table failed; retrying"), "{}", watched.stderr);
    assert!(watched.stdout.contains("complete: 2 of 2 answered (2 quotes)"), "{}", watched.stdout);
}

#[test]
fn one_that_is_refused_ends_the_wait() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let proxy = Proxy::start();
    proxy.fail("Query", usize::MAX, ProxyFault::Answer(400, DENIED));
    let watch = stack.rydes("quotes --watch").arg(&id).env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url);
    let refused = watch.run().exits(1);
    assert!(refused.stderr.contains("AccessDeniedException: not you"), "{}", refused.stderr);
    assert!(!refused.stdout.contains(&provider(1)));
}

#[test]
fn the_first_one_may_fail_in_passing_too() {
    let stack = Stack::set_up(1);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    // All that the SDK tries by itself.
    proxy.fail("Query", 3, ProxyFault::Answer(500, INTERNAL));
    let submit = stack.rydes("submit --from A --to B --deadline 60s --wait");
    let waited = submit.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url).run().exits(0);
    assert!(waited.stderr.contains("retrying"), "{}", waited.stderr);
    assert!(waited.stdout.contains("complete: 1 of 1 answered"), "{}", waited.stdout);
}

#[test]
fn a_wait_that_fails_after_a_submission_says_how_to_go_on() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("Query", usize::MAX, ProxyFault::Answer(400, DENIED));
    let submit = stack.rydes("submit --from A --to B --deadline 60s --wait");
    let failed = submit.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url).run().exits(1);
    assert!(failed.stderr.contains("hint: the request was published; "), "{}", failed.stderr);
}
