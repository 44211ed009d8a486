//! A setup whose backend is not ready, or fails in passing.

use crate::support::Rydes;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::Stack;

const IN_USE: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
    "message": "Table is being deleted"}"#;

fn setup(stack: &Stack, proxy: &Proxy) -> Rydes {
    stack.rydes("setup --providers 3").env("AWS_ENDPOINT_URL", &proxy.url)
}

#[test]
fn a_table_that_is_still_being_deleted_is_waited_for() {
    let stack = Stack::new();
    let proxy = Proxy::start();
    proxy.fail("CreateTable", 3, ProxyFault::Answer(400, IN_USE));
    let made = setup(&stack, &proxy).run().exits(0);
    assert!(made.stderr.contains("waiting: for table "), "{}", made.stderr);
    assert!(made.stderr.contains("11 created, 0 kept, 0 changed"), "{}", made.stderr);
    assert_eq!(proxy.count("CreateTable"), 4);
}

#[test]
fn one_whose_requests_fail_in_passing_is_complete_all_the_same() {
    let stack = Stack::new();
    let proxy = Proxy::start();
    // The answer to what was carried out is lost, so it is asked for again.
    for operation in ["CreateTopic", "CreateQueue", "Subscribe"] {
        proxy.fail(operation, 1, ProxyFault::CutAfter);
        proxy.fail(operation, 1, ProxyFault::CutBefore);
    }
    setup(&stack, &proxy).run().exits(0);
    let again = stack.rydes("setup --providers 3").run().exits(0);
    assert!(again.stderr.contains("0 created, 11 kept, 0 changed"), "{}", again.stderr);
}
