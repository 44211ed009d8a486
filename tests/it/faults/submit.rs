//! A submission that is broken off, or of which nobody knows how it ended.

use serde_json::Value;

use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{Stack, provider};
use crate::support::{Ran, Rydes};

pub(super) const ID: &str = "1f0a99e2-7d34-4b5c-9a61-00000000000a";
pub(super) const SUBMIT: &str =
    "submit --from Frankfurt --to Rome --customer cmr --deadline 60s --rfq-id";

/// SNS is away.
const AWAY: ProxyFault = ProxyFault::Answer(
    503,
    "<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>later</Message></Error></ErrorResponse>",
);

/// SNS says no.
pub(super) const REFUSED: ProxyFault = ProxyFault::Answer(
    403,
    "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>not you</Message></Error></ErrorResponse>",
);
/// DynamoDB says no.
const DENIED: ProxyFault = ProxyFault::Answer(
    400,
    r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not you"}"#,
);

/// A submission whose row and message go through the proxy.
pub(super) fn submit(stack: &Stack, proxy: &Proxy) -> Rydes {
    stack
        .rydes(SUBMIT)
        .arg(ID)
        .env("AWS_ENDPOINT_URL_SNS", &proxy.url)
        .env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url)
}

/// Runs the line that was printed to try again, word by word, in a shell that finds `rydes`; returns
/// the id that it printed.
fn try_again(stack: &Stack, ran: &Ran) -> String {
    let hint = "hint: submit it again, nothing is doubled: ";
    let line = ran.stderr.lines().find_map(|line| line.strip_prefix(hint)).expect("a line to type");
    stack.shell(line).exits(0).stdout.trim_end().to_owned()
}

/// Everybody's quote is there, once, and nothing was doubled on the way.
fn is_answered_once(stack: &Stack, providers: usize) {
    stack.rydes("quotes --watch").arg(ID).run().exits(0);
    let told = stack.quotes(ID);
    assert_eq!((&told["status"], &told["completed-by"]), (&"complete".into(), &"all".into()));
    let mut responders: Vec<_> =
        stack.rows(ID).iter().map(|row| row["responder"].clone()).collect();
    responders.sort_by_key(ToString::to_string);
    let mut expected: Vec<_> = (1..=providers).map(|n| Value::from(provider(n))).collect();
    expected.push("-".into());
    expected.sort_by_key(ToString::to_string);
    assert_eq!(responders, expected);
}

#[test]
fn one_that_is_killed_between_row_and_message_is_finished_by_the_next() {
    let stack = Stack::set_up(10);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    proxy.fail("Publish", 1, ProxyFault::Hold);
    let mut killed = submit(&stack, &proxy).start();
    proxy.until_held();
    killed.kill().and_then(|()| killed.wait()).expect("it can be killed");
    let row = stack.rows(ID).pop().expect("the row was written before");
    assert_eq!(row["responder"], "-");

    submit(&stack, &proxy).run().exits(0);
    is_answered_once(&stack, 10);
    let told = stack.quotes(ID);
    assert_eq!(
        (&told["submitted-at"], &told["deadline"]),
        (&row["submitted-at"], &row["deadline"])
    );
    assert_eq!(proxy.count("Publish"), 2);
}

#[test]
fn one_that_the_topic_refuses_leaves_nothing_behind() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("Publish", 1, REFUSED);
    let refused = submit(&stack, &proxy).run().exits(1);
    assert!(refused.stderr.contains("AuthorizationError: not you"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    assert!(stack.rows(ID).is_empty(), "the row is gone again");
    assert_eq!(proxy.count("Publish"), 1, "a refusal is not tried again");
}

#[test]
fn a_publish_that_fails_in_passing_is_tried_again() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    proxy.fail("Publish", 1, AWAY);
    proxy.fail("Publish", 1, ProxyFault::CutBefore);
    submit(&stack, &proxy).run().exits(0);
    assert_eq!(proxy.count("Publish"), 3);
    is_answered_once(&stack, 2);
}

#[test]
fn a_publish_of_which_nobody_knows_is_finished_by_the_line_that_is_printed() {
    for fault in [AWAY, ProxyFault::CutBefore, ProxyFault::CutAfter] {
        let stack = Stack::set_up(2);
        let _workers = stack.providers("--behavior steady");
        let proxy = Proxy::start();
        proxy.fail("Publish", usize::MAX, fault.clone());
        let unknown = submit(&stack, &proxy).run().exits(1);
        let said = "error: the request may or may not have been published; its row was kept";
        assert!(unknown.stderr.contains(said), "{fault:?}: {}", unknown.stderr);
        assert_eq!(unknown.stdout, "", "an id on stdout would look like success");
        assert!(stack.rows(ID).iter().any(|row| row["responder"] == "-"), "the row stays");
        assert_eq!(try_again(&stack, &unknown), ID);
        is_answered_once(&stack, 2);
    }
}

#[test]
fn a_row_of_which_nobody_knows_is_finished_by_the_line_that_is_printed() {
    for fault in [AWAY, ProxyFault::CutBefore, ProxyFault::CutAfter] {
        let stack = Stack::set_up(2);
        let _workers = stack.providers("--behavior steady");
        let proxy = Proxy::start();
        proxy.fail("PutItem", usize::MAX, fault.clone());
        let unknown = submit(&stack, &proxy).run().exits(1);
        let said = "error: the request may or may not have been written; it was not published";
        assert!(unknown.stderr.contains(said), "{fault:?}: {}", unknown.stderr);
        assert_eq!(proxy.count("Publish"), 0);
        assert_eq!(try_again(&stack, &unknown), ID);
        is_answered_once(&stack, 2);
    }
}

#[test]
fn the_line_that_is_printed_names_the_same_details_and_the_same_order() {
    let stack = Stack::set_up(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("it can be written");
        file.display().to_string()
    };
    let long = format!(r#"{{"it's": "{}"}}"#, "x".repeat(2_000));
    let event = format!(r#"{{"from": "A", "to": "B", "details": {long}}}"#);
    let (details, event) = (file("details.json", &long), file("event.json", &event));
    let ride = ["--from", "A", "--to", "B"];
    let from_file = format!("@{details}");
    let short = r#"{"it's":-1}"#;
    for (number, (options, kept)) in [
        ([&ride[..], &["--details", short]].concat(), short.to_owned()),
        ([&ride[..], &["--details", "-5"]].concat(), "-5".to_owned()),
        ([&ride[..], &["--details", &from_file]].concat(), long.replace(": ", ":")),
        (vec!["--file", &event], long.replace(": ", ":")),
    ]
    .into_iter()
    .enumerate()
    {
        let proxy = Proxy::start();
        proxy.fail("PutItem", usize::MAX, ProxyFault::CutBefore);
        let id = format!("rfq-{number}");
        let submit = format!("submit --deadline 10m --best-by min:/eta~0'x --rfq-id {id}");
        let mut submit = stack.rydes(&submit).env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url);
        for option in options {
            submit = submit.arg(option);
        }
        let unknown = submit.run().exits(1);
        assert!(stack.rows(&id).is_empty(), "nothing was written");
        assert_eq!(try_again(&stack, &unknown), id);
        let row = &stack.rows(&id)[0];
        assert_eq!((&row["details"], &row["best-by"]), (&kept.into(), &"min:/eta~0'x".into()));
    }
}

#[test]
fn a_row_whose_confirmation_is_lost_is_recognised() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    // The second attempt finds the row that the first has written.
    proxy.fail("PutItem", 1, ProxyFault::CutAfter);
    submit(&stack, &proxy).run().exits(0);
    assert_eq!((proxy.count("PutItem"), proxy.count("Publish")), (2, 1));
    is_answered_once(&stack, 2);
}

#[test]
fn a_refusal_after_an_attempt_of_which_nobody_knows_leaves_the_row() {
    let stack = Stack::set_up(2);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    proxy.fail("Publish", 1, ProxyFault::CutAfter);
    proxy.fail("Publish", 1, REFUSED);
    let unknown = submit(&stack, &proxy).run().exits(1);
    assert!(unknown.stderr.contains("its row was kept"), "{}", unknown.stderr);
    assert_eq!(proxy.count("Publish"), 2);
    // The message was out.
    is_answered_once(&stack, 2);
}

#[test]
fn a_refusal_leaves_the_row_of_a_submission_before() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    submit(&stack, &proxy).run().exits(0);
    let mut row = stack.rows(ID).pop().expect("the request row");
    let mark = row.as_object_mut().expect("a row").remove("submission");
    assert!(mark.is_some_and(|mark| mark.is_string()), "the first has marked it");
    proxy.fail("Publish", 1, REFUSED);
    let refused = submit(&stack, &proxy).run().exits(1);
    assert!(refused.stderr.contains("AuthorizationError: not you"), "{}", refused.stderr);
    assert_eq!(stack.rows(ID), [row], "its message is out");
}

#[test]
fn a_row_that_is_refused_or_cannot_be_removed_is_told() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("PutItem", 1, DENIED);
    let refused = submit(&stack, &proxy).run().exits(1);
    assert!(refused.stderr.contains("AccessDeniedException: not you"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("may or may not"), "{}", refused.stderr);
    assert_eq!((proxy.count("PutItem"), proxy.count("Publish")), (1, 0));

    proxy.fail("Publish", 1, REFUSED);
    proxy.fail("DeleteItem", 1, DENIED);
    let left = submit(&stack, &proxy).run().exits(1);
    for said in [
        &format!("the topic refused the request; its row {ID} could not be removed"),
        "AuthorizationError: not you",
    ] {
        assert!(left.stderr.contains(said), "{said}: {}", left.stderr);
    }
    assert_eq!(stack.rows(ID).len(), 1);
    assert_eq!(stack.depth(&provider(1)), 0);
}

#[test]
fn the_line_that_is_printed_keeps_every_text_and_every_option() {
    let stack = Stack::set_up(1);
    let _workers = stack.providers("--behavior steady");
    let proxy = Proxy::start();
    proxy.fail("Publish", 3, AWAY);
    let texts = ["Frankfurt (Main)", "Las Vegas", r#"O'Hare $HOME `id` & "y" \\ !"#];
    let mut line = stack.anywhere(&format!(
        "--stack {} --endpoint-url {} submit --deadline 90s",
        stack.name, proxy.url
    ));
    for (option, text) in ["--from", "--to", "--customer"].into_iter().zip(texts) {
        line = line.arg(option).arg(text);
    }
    let id = try_again(&stack, &line.run().exits(1));
    let told = stack.quotes(&id);
    assert_eq!([&told["from"], &told["to"], &told["customer"]], texts);
    stack.rydes("quotes --watch").arg(&id).run().exits(0);
}

#[test]
fn a_refusal_after_a_lost_confirmation_leaves_nothing_behind_either() {
    let stack = Stack::set_up(1);
    let proxy = Proxy::start();
    proxy.fail("PutItem", 1, ProxyFault::CutAfter);
    let denied = "<ErrorResponse><Error><Code>AuthorizationError</Code>\
        <Message>not you</Message></Error></ErrorResponse>";
    proxy.fail("Publish", 1, ProxyFault::Answer(403, denied));
    let refused = submit(&stack, &proxy).run().exits(1);
    assert!(refused.stderr.contains("AuthorizationError: not you"), "{}", refused.stderr);
    assert_eq!(proxy.count("PutItem"), 2);
    assert!(stack.rows(ID).is_empty(), "the row is gone again");
}
