//! What ends a gathering, or a wait for it: each condition, its reason and its exit code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::{PATIENCE, json, json_lines, rydes, wait_for};

/// A quote on its way to the consumer.
fn quote(stack: &Stack, id: &str, number: usize, price: u64) {
    let reply = json!({"responder": provider(number), "rfq-id": id, "quote": price});
    stack.send(RESPONSES, &reply.to_string());
}

/// Waits until so many providers have answered.
fn answered(stack: &Stack, id: &str, count: u64) -> Value {
    wait_for(&format!("{count} answers"), || {
        let told = stack.quotes(id);
        (told["answered"] == count).then_some(told)
    })
}

/// `status`, `completed-by` and `until` of a document.
fn end(told: &Value) -> (&str, &str, Vec<&str>) {
    let until = told["until"].as_array().expect("a list").iter();
    (
        told["status"].as_str().expect("a text"),
        told["completed-by"].as_str().unwrap_or("nothing"),
        until.map(|condition| condition.as_str().expect("a text")).collect(),
    )
}

#[test]
fn a_number_of_quotes_ends_it_for_every_reader() {
    let stack = Stack::set_up(3);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let id = stack.submit("--deadline 10m --until 2");
    quote(&stack, &id, 1, 50);
    assert_eq!(end(&answered(&stack, &id, 1)), ("gathering", "nothing", vec!["all", "2"]));
    quote(&stack, &id, 3, 60);
    let told = answered(&stack, &id, 2);
    assert_eq!(end(&told), ("complete", "count", vec!["all", "2"]));
    assert_eq!(told["providers"][1]["state"], "missing");
    assert_eq!(stack.rows(&id)[0]["until"], json!(["all", "2"]));
    let watched = stack.rydes("quotes --watch").run().exits(0);
    let truth = "ended after 2 quotes, as asked: 2 of 3 answered (2 quotes)";
    assert!(watched.stdout.contains(truth), "{}", watched.stdout);
}

#[test]
fn a_price_ends_a_wait_and_other_conditions_may_stand_in_its_place() {
    let stack = Stack::set_up(3);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let id = stack.submit("--deadline 10m --until price:20 --until 3");
    quote(&stack, &id, 1, 21);
    answered(&stack, &id, 1);
    // The wait of one reader ends otherwise, which changes nothing for others.
    let one = stack.rydes("quotes --watch --until 1 -o json").run().exits(0);
    assert_eq!(end(&json(&one.stdout)), ("complete", "count", vec!["all", "1"]));
    assert_eq!(end(&stack.quotes(&id)).0, "gathering");
    quote(&stack, &id, 2, 20);
    let watched = stack.rydes("quotes --watch").run().exits(0);
    assert!(
        watched.stdout.contains("ended at a price of 20 or less, as asked: "),
        "{}",
        watched.stdout
    );
    let told = stack.quotes(&id);
    assert_eq!(end(&told), ("complete", "price", vec!["all", "price:20", "3"]));
    assert_eq!(told["best"]["quote"], 20);
}

#[test]
fn a_stall_ends_a_wait_and_nothing_else() {
    let stack = Stack::set_up(3);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let submit = "submit --from A --to B --deadline 10m --wait --until stall:1s -o json";
    let nothing = json(&stack.rydes(submit).run().exits(4).stdout);
    assert_eq!(end(&nothing), ("gathering", "stall", vec!["all", "stall:1s"]));
    let id = nothing["rfq-id"].as_str().expect("a text");
    assert_eq!(stack.rows(id)[0]["until"], json!(["all"]), "a stall is never stored");
    quote(&stack, id, 1, 50);
    answered(&stack, id, 1);
    let began = Instant::now();
    let watched = stack.rydes("quotes --watch --until stall:1500ms").run().exits(0);
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    let truth = "nothing new for 1.5 s, still gathering: 1 of 3 answered (1 quote)";
    assert!(watched.stdout.contains(truth), "{}", watched.stdout);
    assert!(watched.stderr.contains("next: rydes quotes "), "{}", watched.stderr);
    let lines = stack.rydes("quotes --watch --until stall:1s -o jsonl").run().exits(0).stdout;
    let last = json_lines(&lines).pop().expect("a line");
    assert_eq!((&last["status"], &last["completed-by"]), (&"gathering".into(), &"stall".into()));
    assert_eq!(end(&stack.quotes(id)), ("gathering", "nothing", vec!["all"]));
}

#[test]
fn answers_keep_a_stall_from_ending_a_wait() {
    let stack = Stack::set_up(3);
    let options = "--behavior steady --fault UnicornManagementResource1=slow:0s \
                   --fault UnicornManagementResource2=slow:2500ms \
                   --fault UnicornManagementResource3=slow:5s";
    let _workers = stack.providers(options);
    // 5 s without a stall of 4 s: every answer begins it anew.
    let submit = "submit --from A --to B --deadline 10m --wait --until stall:4s -o json";
    let told = json(&stack.rydes(submit).run().exits(0).stdout);
    assert_eq!((end(&told).1, &told["answered"]), ("all", &3.into()));
}

#[test]
fn a_closing_ends_it_once_and_for_all() {
    let stack = Stack::set_up(3);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let (id, submitted) = (stack.submit("--deadline 20s"), Instant::now());
    quote(&stack, &id, 1, 50);
    answered(&stack, &id, 1);
    let watch = stack.background("quotes --watch");
    let closed = stack.rydes("close").arg(&id).run().exits(0);
    assert!(closed.stderr.starts_with("stack "), "the target first: {}", closed.stderr);
    assert!(closed.stdout.contains("closed after "), "{}", closed.stdout);
    let watched = watch.ends(PATIENCE).exits(3);
    assert!(watched.stdout.contains("best 50 · "), "{}", watched.stdout);
    let told = stack.quotes(&id);
    assert_eq!((end(&told).0, end(&told).1), ("closed", "closed"));

    // A late reply, another closing and the deadline change nothing of it.
    quote(&stack, &id, 2, 7);
    let late = wait_for("the late quote", || {
        let told = stack.quotes(&id);
        (told["late"] == 1).then_some(told)
    });
    let again = stack.rydes("close -o json").arg(&id).run().exits(0);
    assert!(again.stderr.contains("it was over already (closed"), "{}", again.stderr);
    std::thread::sleep(Duration::from_secs(20).saturating_sub(submitted.elapsed()));
    let after = stack.quotes(&id);
    assert_eq!((end(&after).0, &after["closed-at"]), ("closed", &told["closed-at"]));
    assert_eq!((&after["best"], &after), (&told["best"], &late));
    assert_eq!(json(&again.stdout)["closed-at"], told["closed-at"]);
    assert_eq!(after["regret"]["quote"], 7);
    let shown = stack.rydes("quotes").run().exits(0).stdout;
    assert!(shown.contains("would have beaten 50; it came "), "{shown}");
}

#[test]
fn a_closing_whose_confirmation_is_lost_or_that_fails_at_first_is_told_as_it_is() {
    let stack = Stack::set_up(1);
    // The last of four attempts may be the first that succeeds.
    for (fault, failures, attempts) in
        [(ProxyFault::CutAfter, 1, 1), (ProxyFault::CutBefore, 1, 2), (ProxyFault::CutBefore, 3, 4)]
    {
        let id = stack.submit("--deadline 10m");
        let proxy = Proxy::start();
        proxy.fail("UpdateItem", failures, fault.clone());
        let close = stack.rydes("close").arg(&id).env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url);
        let closed = close.run().exits(0);
        assert!(closed.stderr.contains("\nreplies sent after "), "{fault:?}: {}", closed.stderr);
        assert_eq!(end(&stack.quotes(&id)).0, "closed");
        assert_eq!(proxy.count("UpdateItem"), attempts, "{fault:?}");
    }
}

#[test]
fn what_is_over_is_not_closed_and_what_does_not_exist_neither() {
    let stack = Stack::set_up(1);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let complete = stack.submit("--deadline 10m");
    quote(&stack, &complete, 1, 50);
    answered(&stack, &complete, 1);
    let expired = stack.submit("--deadline 10ms");
    for (id, how) in [(&complete, "complete"), (&expired, "deadline passed")] {
        let closed = stack.rydes("close").arg(id).run().exits(0);
        let nothing = format!("it was over already ({how}); nothing was changed");
        assert!(closed.stderr.contains(&nothing), "{}", closed.stderr);
        assert!(stack.rows(id)[0].get("closed-at").is_none());
    }
    stack.rydes("close no-such-rfq").run().exits(5);
    // One of the original, which has no times: it can be ended all the same.
    stack.put(&json!({"id": "of-old", "responder": "-", "from": "A", "to": "B", "customer": "c"}));
    let told = json(&stack.rydes("close of-old -o json").run().exits(0).stdout);
    assert_eq!((&told["status"], &told["answered"]), (&"closed".into(), &0.into()));
    stack.rydes("quotes of-old --watch").run().exits(4);
}

#[test]
fn a_deadline_is_never_reported_before_it_has_passed() {
    let stack = Stack::set_up(1);
    let began = Instant::now();
    let ran = stack.rydes("submit --from A --to B --deadline 3s --wait -o jsonl").run().exits(4);
    let took = began.elapsed();
    let last = json_lines(&ran.stdout).pop().expect("a line");
    assert_eq!((&last["status"], &last["completed-by"]), (&"expired".into(), &"deadline".into()));
    assert!(took >= Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_late_reply_to_one_moves_no_other() {
    let stack = Stack::set_up(2);
    let _consumer = stack.background("consumer run --poll-wait 2s --progress none");
    let first = stack.submit("--deadline 1s --until 1");
    let second = stack.submit("--deadline 10m --until 2");
    quote(&stack, &second, 1, 50);
    let before = answered(&stack, &second, 1);
    stack.rydes("quotes --watch").arg(&first).run().exits(4);
    quote(&stack, &first, 1, 1);
    quote(&stack, &first, 2, 2);
    wait_for("both late replies", || (stack.quotes(&first)["late"] == 2).then_some(()));
    assert_eq!(stack.quotes(&second), before);
    assert_eq!(end(&stack.quotes(&first)).1, "deadline");
}

#[test]
fn a_bad_condition_shows_a_good_one_and_nothing_is_sent() {
    let stack = Stack::set_up(1);
    for (bad, good) in [
        ("price:x", "a price is a decimal number"),
        ("0", "a number of quotes such as `3`"),
        ("stall:-5", "`stall:5s`"),
        ("soon", "`price:20`"),
    ] {
        for command in ["submit --from A --to B --until", "quotes x --watch --until"] {
            let ran = stack.rydes(command).arg(bad).run().exits(2);
            assert!(ran.stderr.contains(good), "{bad}: {}", ran.stderr);
        }
    }
    let stall = stack.rydes("submit --from A --to B --until stall:5s").run().exits(2);
    assert!(stall.stderr.contains("requires `--wait`; nothing was sent"), "{}", stall.stderr);
    assert_eq!(stack.depth(&provider(1)), 0);
    rydes("quotes --until 3").run().exits(2);
    // One that can never be met is no error, but worth a word.
    let many = stack.rydes("submit --from A --to B --until 5").run().exits(0);
    assert!(many.stderr.contains("warning: `--until 5` exceeds the 1 provider"));
}
