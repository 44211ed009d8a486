//! Input from outside that means harm, or is just wrong: each is refused or stored as the contract
//! says, and nothing of it reaches a terminal raw.

use std::collections::HashMap;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::resources::{clients, wait};
use crate::support::stack::{
    PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, RESPONSES, Stack, provider,
};

/// Requests under way at once, to send and to receive.
const AT_ONCE: usize = 8;

/// How many of each kind of bad reply there are, and how many good ones among them.
fn how_many() -> usize {
    let asked = std::env::var("RYDES_TEST_BAD_REPLIES").ok();
    asked.map_or(100, |count| count.parse().expect("`RYDES_TEST_BAD_REPLIES` is a number"))
}

/// The body of the reply with this number.
type Body = Box<dyn Fn(usize) -> String>;

/// The kinds of bad replies, each with a word of the reason that it is refused for.
fn bad_kinds() -> Vec<(&'static str, Body)> {
    let reply = |fields: &'static str| -> Body {
        Box::new(move |number| {
            format!(r#"{{"responder": "bad{number}", "rfq-id": "bad", {fields}}}"#)
        })
    };
    let quote = |price: String| -> Body {
        Box::new(move |number| {
            format!(r#"{{"responder": "bad{number}", "rfq-id": "bad", "quote": {price}}}"#)
        })
    };
    let responder = |name: String| -> Body {
        Box::new(move |number| {
            format!(r#"{{"responder": "{name}", "rfq-id": "bad{number}", "quote": 1}}"#)
        })
    };
    vec![
        ("not JSON", Box::new(|number| format!("hello {number}"))),
        ("not JSON", Box::new(|number| format!(r#"{{"responder": "r", "quote": {number}"#))),
        ("not a JSON object", Box::new(|number| format!("{}{number}", "[".repeat(20_000)))),
        ("not JSON", Box::new(|number| format!(r#"{{"a\x": {number}}}"#))),
        ("not a JSON object", Box::new(|number| format!(r#"["responder", {number}]"#))),
        ("`responder` is missing", Box::new(|n| format!(r#"{{"rfq-id": "{n}", "quote": 1}}"#))),
        ("`rfq-id` is missing", Box::new(|n| format!(r#"{{"responder": "bad{n}", "quote": 1}}"#))),
        ("key of the request row", responder("-".to_owned())),
        ("`responder` is empty", responder(String::new())),
        ("longer than 64", responder("r".repeat(65))),
        ("longer than 64", responder("r".repeat(200_000))),
        ("control characters", responder(r"r\u001b[2J".to_owned())),
        ("control characters", responder(r"r\u202e".to_owned())),
        ("not a string", responder(r"r\ud800".to_owned())),
        ("none of", reply(r#""price": 7"#)),
        ("both", reply(r#""quote": 1, "silent": "x""#)),
        ("not a string", reply(r#""declined": 7"#)),
        (
            "longer than 1024",
            Box::new(|number| {
                let reason = "x".repeat(1_025);
                json!({"responder": format!("bad{number}"), "rfq-id": "bad", "failed": reason})
                    .to_string()
            }),
        ),
        ("no request row", reply(r#""declined": "no""#)),
        ("not a number", quote(r#""57""#.to_owned())),
        ("not a number", quote(r#"{"$serde_json::private::Number": "57"}"#.to_owned())),
        ("negative", quote("-0.01".to_owned())),
        ("beyond", quote("1e126".to_owned())),
        ("beyond", quote("10e9223372036854775807".to_owned())),
        ("significant digits", quote("9".repeat(39))),
        ("significant digits", quote("1".repeat(100_000))),
        // The texts of three fields together are more than a row holds.
        (
            "the table refuses it",
            Box::new(|number| {
                let text = "x".repeat(150_000);
                json!({"responder": format!("bad{number}"), "rfq-id": "bad", "declined": "no",
                    "from": text, "to": text, "customer": text})
                .to_string()
            }),
        ),
    ]
}

/// Good replies, and the quote that has to stand then.
fn good(number: usize) -> (String, Value) {
    let responder = match number % 7 {
        0 => format!("../../etc/passwd{number}"),
        1 => format!("..{number}"),
        2 => format!("$(reboot) `{number}` 'x'; --"),
        3 => format!("Zürich 東京 🦄 {number}"),
        _ => format!("good{number}"),
    };
    let (written, stored) = match number % 6 {
        0 => ("1e2", "100"),
        1 => ("12345678901234567890.12", "12345678901234567890.12"),
        2 => ("1, \"quote\": 2", "2"),
        3 => ("0.10", "0.1"),
        4 => ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        _ => ("7, \"deep\": [[[[[[[[{\"a\": [null, 1e999]}]]]]]]]], \"received-at\": {}", "7"),
    };
    let name = serde_json::to_string(&responder).expect("a text");
    let body =
        format!(r#"{{"rfq-id": "rfq{}", "responder": {name}, "quote": {written}}}"#, number % 10);
    let row = json!({"responder": responder, "quote": serde_json::from_str::<Value>(stored).expect("JSON")});
    (body, row)
}

/// Takes all letters out of a queue: how often each reason stands there, in its first words.
fn take_reasons(stack: &Stack, queue: &str) -> HashMap<String, usize> {
    let url = stack.queue_url(queue);
    let taken = stream::iter(0..AT_ONCE).map(|_| async {
        let mut reasons = Vec::new();
        loop {
            let receive = clients().sqs.receive_message().queue_url(&url).wait_time_seconds(1);
            let receive = receive.max_number_of_messages(10).message_attribute_names("reason");
            let messages = receive.send().await.expect("it answers").messages.unwrap_or_default();
            if messages.is_empty() {
                return reasons;
            }
            let entries = messages.iter().enumerate().map(|(position, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
                entry.set_receipt_handle(message.receipt_handle.clone()).build().expect("it is set")
            });
            let delete = clients().sqs.delete_message_batch().queue_url(&url);
            delete.set_entries(Some(entries.collect())).send().await.expect("they go");
            reasons.extend(messages.into_iter().map(|message| {
                let reason = message.message_attributes.and_then(|mut said| said.remove("reason"));
                reason.and_then(|reason| reason.string_value).unwrap_or_default()
            }));
        }
    });
    let all: Vec<Vec<String>> = wait(taken.buffer_unordered(AT_ONCE).collect());
    let mut count = HashMap::new();
    for reason in all.into_iter().flatten() {
        *count.entry(reason).or_default() += 1;
    }
    count
}

#[test]
fn bad_replies_of_every_kind_are_kept_with_their_reason_and_hold_nobody_up() {
    let (stack, count) = (Stack::set_up(1), how_many());
    let kinds = bad_kinds();
    // One of each kind after another, and a good one.
    let bodies = (0..count).flat_map(|number| {
        kinds.iter().map(move |(_, body)| body(number)).chain([good(number).0]).collect::<Vec<_>>()
    });
    stack.send_all(RESPONSES, bodies.collect());
    let consumer = stack.background("consumer run -o json --poll-wait 2s");
    let patience =
        PATIENCE + std::time::Duration::from_millis(100) * u32::try_from(count).expect("few");
    let began = std::time::Instant::now();
    while stack.depth(RESPONSES) > 0 {
        assert!(began.elapsed() < patience, "{} are left", stack.depth(RESPONSES));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let told = crate::support::json(&consumer.stop().stdout);
    assert_eq!((&told["gathered"], &told["duplicates"]), (&json!(count), &json!(0)), "{told}");
    assert_eq!(told["refused"], json!(count * kinds.len()));

    let mut expected: Vec<_> = (0..count).map(|number| good(number).1).collect();
    let rows = (0..10).flat_map(|rfq| stack.rows(&format!("rfq{rfq}")));
    let mut rows: Vec<_> =
        rows.map(|row| json!({"responder": row["responder"], "quote": row["quote"]})).collect();
    rows.sort_by_key(ToString::to_string);
    expected.sort_by_key(ToString::to_string);
    assert!(rows == expected, "{rows:?}\n{expected:?}");

    let reasons = take_reasons(&stack, RESPONSE_DEAD_LETTERS);
    assert_eq!(reasons.values().sum::<usize>(), count * kinds.len(), "{reasons:?}");
    assert!(reasons.keys().all(|reason| reason.chars().count() <= 1_024));
    for (word, _) in &kinds {
        let wanted = count * kinds.iter().filter(|(other, _)| other == word).count();
        let there = reasons.iter().filter(|(reason, _)| reason.contains(word));
        assert_eq!(there.map(|(_, times)| times).sum::<usize>(), wanted, "{word}: {reasons:?}");
    }
}

#[test]
fn hostile_requests_are_answered_or_kept_and_their_neighbours_answered() {
    let stack = Stack::set_up(1);
    let text = "x".repeat(200_000);
    let request = |id: &str, from: &str| {
        json!({"rfq-id": id, "from": from, "to": "B", "customer": "c"}).to_string()
    };
    let bad = [
        ("not JSON", "{".repeat(10_000)),
        ("not JSON", r#"{"rfq-id": "x", "from": "\ud800\u"}"#.to_owned()),
        ("`rfq-id` is missing", r#"{"from": "A", "to": "B", "customer": "c"}"#.to_owned()),
        ("longer than 128", request(&"i".repeat(129), "A")),
        (
            "`from` is not a string",
            r#"{"rfq-id": "x", "from": ["A"], "to": "B", "customer": "c"}"#.to_owned(),
        ),
    ];
    let deep = format!(
        r#"{{"rfq-id": "deep", "from": "A", "to": "B", "customer": "c", "x": {}1{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let good = [
        request("../../etc/passwd", "A"),
        request("-", "A"),
        request("$(reboot) \u{1b}[2J\u{202e}", "\u{1b}]0;title\u{7}"),
        request("long", &text),
        deep,
        r#"{"rfq-id": "first", "rfq-id": "last", "from": "A", "to": "B", "customer": "c"}"#
            .to_owned(),
    ];
    let ids = ["../../etc/passwd", "-", "$(reboot) \u{1b}[2J\u{202e}", "long", "deep", "last"];
    let bodies = bad.iter().map(|(_, body)| body.clone()).chain(good);
    stack.send_all(&provider(1), bodies.collect());
    let plain =
        stack.background("providers run --progress plain --poll-wait 2s --fault decline:no");
    for id in ids {
        let row = stack.row_when(id, &provider(1), |_| true);
        assert_eq!(row["declined"], "no");
    }
    let letters = stack.letters(PROVIDER_DEAD_LETTERS, bad.len());
    for (word, body) in &bad {
        let letter = letters.iter().find(|letter| letter.body == *body);
        let letter = letter.unwrap_or_else(|| panic!("no letter for {body:.100}"));
        assert!(letter.attributes["reason"].contains(word), "{word}: {:?}", letter.attributes);
    }
    let said = plain.stop();
    let listed = stack.rydes("dlq list").run().exits(0);
    for text in [&said.stdout, &said.stderr, &listed.stdout, &listed.stderr] {
        let raw = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(raw, None, "{text:.2000}");
    }
    assert!(said.stdout.contains("$(reboot"), "it is told: {}", said.stdout);
    assert!(listed.stdout.lines().all(|line| line.chars().count() <= 1_200), "{}", listed.stdout);
}

#[test]
fn an_answer_that_no_queue_takes_sends_its_request_to_the_dead_letters_once() {
    let stack = Stack::set_up(1);
    // Escaped, as replies are, each of these takes six bytes: more than a message may have.
    let long = "\u{fc}".repeat(180_000);
    let request = |id: &str, from: &str| {
        format!(r#"{{"rfq-id": "{id}", "from": "{from}", "to": "B", "customer": "c"}}"#)
    };
    for fault in ["decline:no", "error"] {
        let ids = ["one", "two", "three"].map(|id| format!("{fault} {id}"));
        let bodies =
            [request(&ids[0], "A"), request(&ids[1], &long), request(&ids[2], "A")].to_vec();
        stack.send_all(&provider(1), bodies);
        let workers = stack.providers(&format!("--behavior steady --fault {fault}"));
        workers.until("gathered", 2);
        workers.until("unreadable", 1);
        stack.drained(&provider(1));
        workers.stop();
        assert!(stack.rows(&ids[1]).is_empty());
    }
    let reasons = take_reasons(&stack, PROVIDER_DEAD_LETTERS);
    let unsent = reasons.iter().filter(|(why, _)| why.starts_with("its reply cannot be sent: "));
    assert_eq!(unsent.map(|(_, times)| times).sum::<usize>(), 2, "{reasons:?}");
    assert_eq!(reasons.values().sum::<usize>(), 2 + 2, "two have failed, as they should");
}
