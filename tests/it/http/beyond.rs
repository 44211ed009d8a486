//! Routes that the original does not have: an RFQ is ended, and found by the beginning of its id.

use serde_json::{Value, json};

use crate::support::http::{Server, get, post};
use crate::support::stack::{Stack, provider};
use crate::support::wait_for;

#[test]
fn an_rfq_is_ended_over_http_once() {
    let stack = Stack::set_up(2);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m""#);
    let close = |id: &str, headers: &[(&str, &str)]| {
        post(&format!("{}/rfqs/{id}/close", server.url), "", headers)
    };
    assert_eq!(close(&id, &[("Origin", "http://evil.example")]).status, 403);
    assert_eq!(close("00000000-0000-4000-8000-000000000000", &[]).status, 404);
    assert_eq!(server.get(&format!("/rfqs/{id}/close")).status, 405);
    let closed = close(&id, &[("Origin", &server.url)]);
    assert_eq!(closed.status, 200, "{closed:?}");
    let closed = closed.json();
    assert_eq!((&closed["status"], &closed["completed-by"]), (&json!("closed"), &json!("closed")));
    let again = close(&id, &[]).json();
    assert_eq!(again["closed-at"], closed["closed-at"], "it is closed once");
    // One that is complete stays so.
    let id = server.submit(r#", "deadline": "10m", "until": "price:5""#);
    stack.put(&json!({"id": id, "responder": provider(1), "quote": 4}));
    let complete = close(&id, &[]).json();
    assert_eq!((&complete["status"], &complete["closed-at"]), (&json!("complete"), &Value::Null));
}

#[test]
fn a_search_lists_no_other_ids() {
    let stack = Stack::set_up(1);
    let server = stack.serve();
    for id in ["78c371f6-one", "78c371f6-two"] {
        let body = json!({"from": "A", "to": "B", "rfq-id": id});
        assert_eq!(server.post(&body.to_string()).status, 201);
    }
    let find = |id: &str| server.get(&format!("/rfqs?id={id}"));
    wait_for("they are remembered", || (find("78c371f6").status == 400).then_some(()));
    for (typed, status) in [("78c371f6", 400), ("nothing", 404), ("%0A", 404), ("", 404)] {
        let answer = find(typed);
        assert_eq!(answer.status, status, "{typed}: {answer:?}");
        for listed in ["one", "two", "newest"] {
            assert!(!answer.body.contains(listed), "{typed}: {answer:?}");
        }
    }
}

#[test]
fn the_end_over_http_says_who_was_not_asked_and_why() {
    let stack = Stack::set_up(1);
    stack.rydes("providers add acme").arg("--only").arg(r#"{"to": ["Rome"]}"#).run().exits(0);
    let server = stack.serve();
    let id = server.submit(r#", "deadline": "10m", "to": "Oslo""#);
    let url = format!("{}/rfqs/{id}/close", server.url);
    let closed = post(&url, "", &[]).json();
    let shown = server.get(&format!("/query-instant-ride-rfq/{id}?view=full")).json();
    assert_eq!(closed["providers"], shown["providers"]);
    let states: Vec<_> = closed["providers"].as_array().expect("an array").iter().collect();
    assert!(states.iter().any(|one| one["reason"].is_string()), "{closed}");
}

#[test]
fn an_rfq_is_found_by_a_prefix_on_this_machine_alone() {
    let stack = Stack::set_up(1);
    let local = stack.serve();
    let open = Server::start(stack.rydes("serve --listen 0.0.0.0:0 --output jsonl"));
    let url = |server: &Server| server.url.replace("0.0.0.0", "127.0.0.1");
    let id = local.submit("");
    let find = |server: &Server, id: &str| get(&format!("{}/rfqs?id={id}", url(server)));
    wait_for("it is remembered", || (find(&local, &id[..8]).status == 200).then_some(()));
    assert_eq!(find(&local, &id[..8]).json(), json!({"rfq-id": id}));
    assert_eq!(find(&local, "00000000").status, 404);
    assert_eq!(find(&open, &id[..8]).status, 404, "whoever guesses finds nothing");
    assert_eq!(find(&open, &id).json(), json!({"rfq-id": id}));
    assert_eq!(get(&format!("{}/rfqs", url(&open))).status, 400);
    // Behind a proxy every client seems to be on this machine.
    let proxied =
        Server::start(stack.rydes("serve --listen 127.0.0.1:0 --host rides.example -o jsonl"));
    assert_eq!(find(&proxied, &id[..8]).status, 404);
    assert_eq!(find(&proxied, &id).status, 200);
    assert_eq!(get(&format!("{}/about", proxied.url)).json()["finds-prefixes"], false);
}

#[test]
fn command_lines_are_for_the_users_of_this_machine_alone() {
    let stack = Stack::set_up(1);
    let local = stack.serve();
    let open = Server::start(stack.rydes("serve --listen 0.0.0.0:0 --output jsonl"));
    let proxied =
        Server::start(stack.rydes("serve --listen 127.0.0.1:0 --host rides.example -o jsonl"));
    let url = |server: &Server, path: &str| {
        format!("{}{path}", server.url.replace("0.0.0.0", "127.0.0.1"))
    };
    let hint = |server: &Server, path: &str| {
        let answer = get(&url(server, path));
        assert_eq!(answer.status, 503, "{answer:?}");
        answer.json()["hint"].clone()
    };
    let ends = |said: &Value, end: &str| said.as_str().is_some_and(|said| said.ends_with(end));
    let about = |server: &Server| get(&url(server, "/about")).json()["commands"].take();
    for name in ["serve", "start-backend", "set-up", "status"] {
        assert!(about(&local)[name].as_str().is_some_and(|line| line.starts_with("rydes ")));
        for beyond in [&open, &proxied] {
            assert_eq!(about(beyond)[name], Value::Null, "{name}");
        }
    }
    // No provider is subscribed.
    stack.rydes(&format!("providers remove {}", provider(1))).run().exits(0);
    let ride = r#"{"from": "A", "to": "B"}"#;
    let submit = |server: &Server| {
        let refused = post(&url(server, "/submit-instant-ride-rfq"), ride, &[]);
        assert_eq!(refused.status, 503, "{refused:?}");
        refused.json()["hint"].clone()
    };
    wait_for("none is subscribed", || (local.get("/readyz").status == 503).then_some(()));
    assert!(ends(&hint(&local, "/readyz"), " setup"));
    wait_for("nothing is taken", || (local.post(ride).status == 503).then_some(()));
    assert!(ends(&submit(&local), " setup"));
    for beyond in [&open, &proxied] {
        assert_eq!(hint(beyond, "/readyz"), Value::Null);
        assert_eq!(submit(beyond), Value::Null);
    }
    // The stack is incomplete.
    stack.delete_table();
    wait_for("it is noticed", || {
        (local.get("/readyz").json()["kind"] == "not-set-up").then_some(())
    });
    for path in ["/readyz", "/query-instant-ride-rfq/x", "/rfqs/x/events"] {
        let here = hint(&local, path);
        assert!(here.as_str().is_some_and(|said| said.contains(" setup")), "{path}: {here}");
        for beyond in [&open, &proxied] {
            let told = wait_for("it is noticed", || {
                Some(hint(beyond, path)).filter(|hint| !hint.is_null())
            });
            assert_eq!(told, "the stack must be set up on the server's machine", "{path}");
        }
    }
}
