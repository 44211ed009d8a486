//! When what lies behind is away.

use serde_json::json;

use crate::support::http::Server;
use crate::support::proxy::{Proxy, ProxyFault, ServiceError};
use crate::support::stack::{Stack, provider};
use crate::support::{free_port, wait_for};

#[test]
fn a_backend_that_is_away_is_a_503_and_the_same_id_may_come_again() {
    let stack = Stack::set_up(2);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    assert_eq!(server.get("/readyz").status, 200);
    let first = server.submit("");
    for operation in ["BatchExecuteStatement", "PublishBatch", "Query", "GetItem", "PutItem"] {
        proxy.fail(operation, 10_000, ProxyFault::Error(ServiceError::Unavailable));
    }
    let refused = server.post(r#"{"from": "A", "to": "B", "rfq-id": "again"}"#);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    assert!(refused.json()["error"].as_str().is_some_and(|error| !error.is_empty()));
    let read = server.get(&format!("/query-instant-ride-rfq/{first}"));
    assert_eq!((read.status, read.header("retry-after")), (503, "5"));
    assert_eq!(server.get("/healthz").status, 200, "the server itself is well");
    wait_for("it is not ready", || (server.get("/readyz").status == 503).then_some(()));

    proxy.heal();
    wait_for("it is ready again", || (server.get("/readyz").status == 200).then_some(()));
    let taken = server.post(r#"{"from": "A", "to": "B", "rfq-id": "again"}"#);
    assert_eq!((taken.status, taken.json()), (201, json!({"rfq-id": "again"})));
    assert_eq!(stack.rows("again").len(), 1);
    assert_eq!(stack.letters(&provider(1), 2).len(), 2, "each request once");
}

#[test]
fn a_backend_that_does_not_answer_is_a_503_too() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let id = server.submit("");
    for operation in ["Query", "BatchExecuteStatement"] {
        proxy.fail(operation, 1_000, ProxyFault::Hold);
    }
    std::thread::scope(|scope| {
        let read = scope.spawn(|| server.get(&format!("/query-instant-ride-rfq/{id}")));
        let followed = scope.spawn(|| server.get(&format!("/rfqs/{id}/events")));
        let submitted = scope.spawn(|| server.post(r#"{"from": "A", "to": "B"}"#));
        for client in [read, followed, submitted] {
            let answer = client.join().expect("it answers");
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.body.contains("within 20 s"), "{answer:?}");
        }
    });
}

#[test]
fn a_look_at_the_register_that_takes_long_holds_nobody_up() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    server.submit("");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    proxy.fail("ListSubscriptionsByTopic", 1_000, ProxyFault::Hold);
    let looks = proxy.count("ListSubscriptionsByTopic");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..40).map(|_| scope.spawn(|| server.submit(""))).collect();
        for client in clients {
            client.join().expect("each is taken");
        }
    });
    assert!(proxy.count("ListSubscriptionsByTopic") - looks <= 3, "all went by one look");
}

#[test]
fn of_many_who_come_first_while_the_backend_is_away_one_tries() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    let looks = proxy.count("GetQueueUrl");
    proxy.fail("GetQueueUrl", 1_000, ProxyFault::CutBefore);
    std::thread::scope(|scope| {
        let post = || server.post(r#"{"from": "A", "to": "B"}"#);
        let clients: Vec<_> = (0..20).map(|_| scope.spawn(post)).collect();
        for client in clients {
            let refused = client.join().expect("it answers");
            assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
            assert!(!refused.body.contains("rfq-id"), "nothing was sent: {refused:?}");
        }
    });
    let tries = proxy.count("GetQueueUrl") - looks;
    assert!(tries <= 9, "{tries} tries for 20 submissions, of which each would be three");
    server.process.says("trouble: submitting: ");
    proxy.heal();
    wait_for("it works again", || {
        (server.post(r#"{"from": "A", "to": "B"}"#).status == 201).then_some(())
    });
    server.process.says("over: submitting works again");
}

#[test]
fn a_publication_without_an_answer_keeps_its_id() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    let server = stack.serve_through(&proxy.url);
    proxy.fail("PublishBatch", 5, ProxyFault::CutBefore);
    let unknown = server.post(r#"{"from": "A", "to": "B"}"#);
    assert_eq!(unknown.status, 503, "{unknown:?}");
    let said = unknown.json();
    let id = said["rfq-id"].as_str().expect("it is named");
    assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("rfq-id")), "{said}");
    proxy.heal();
    let again = server.post(&format!(r#"{{"from": "A", "to": "B", "rfq-id": "{id}"}}"#));
    assert_eq!((again.status, &again.json()["rfq-id"]), (201, &json!(id)));
    assert_eq!(stack.letters(&provider(1), 1).len(), 1);
}

#[test]
fn a_stack_that_went_away_and_came_back_is_served_again() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    server.submit("");
    stack.delete_table();
    let refused = server.post(r#"{"from": "A", "to": "B"}"#);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(server.post(r#"{"from": "A", "to": "B"}"#).status, 503);
    stack.rydes("setup --providers 1").run().exits(0);
    server.submit("");
    assert_eq!(stack.depth(&provider(1)), 2);
}

#[test]
fn nobody_who_is_asked_is_a_503_until_somebody_is() {
    let stack = Stack::set_up(1);
    stack.rydes("providers remove UnicornManagementResource1").run().exits(0);
    let server = stack.serve();
    let refused = server.post(r#"{"from": "A", "to": "B"}"#);
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("no provider is subscribed"), "{refused:?}");
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("no provider is subscribed"), "{ready:?}");
    stack.rydes("providers add acme").run().exits(0);
    server.submit("");
    wait_for("it is ready", || (server.get("/readyz").status == 200).then_some(()));
}

#[test]
fn it_begins_only_where_there_is_something_to_serve() {
    let stack = Stack::new();
    let refused = stack.rydes("serve --listen 127.0.0.1:0").run().exits(7);
    assert!(refused.stderr.contains("is not set up"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let refused = stack.rydes("serve --listen 127.0.0.1:0").env("AWS_ENDPOINT_URL", nowhere);
    refused.run().exits(6);
    let nonsense = stack.rydes("serve --listen nonsense").run().exits(2);
    assert!(nonsense.stderr.contains("127.0.0.1:8080"), "{}", nonsense.stderr);
    let stack = Stack::set_up(1);
    let server = stack.serve();
    let taken = stack.rydes(&format!("serve --listen {}", server.address())).run().exits(1);
    assert!(taken.stderr.contains("hint: another port"), "{}", taken.stderr);
    assert!(!server.stop().stderr.contains("authentication"));
}

#[test]
fn beyond_this_machine_it_warns() {
    let stack = Stack::set_up(1);
    let serve = stack.rydes("serve --listen 0.0.0.0:0 --output jsonl");
    let server = Server::start(serve);
    server.process.says("warning: no authentication: anyone who can reach");
}
