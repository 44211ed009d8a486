//! Providers that go wrong on purpose: what `--fault` makes of them, and what becomes of it.

use serde_json::{Value, json};

use crate::support::background::Background;
use crate::support::json_lines;
use crate::support::stack::{PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, Stack, provider};

const STRUCK: &str = "UnicornManagementResource1";

/// Steady providers, the first of which goes wrong in this way.
fn workers(stack: &Stack, fault: &str) -> Background {
    stack.providers(&format!("--behavior steady --visibility 2s --fault {STRUCK}={fault}"))
}

/// The events of one kind.
fn events(workers: &Background, kind: &str) -> Vec<Value> {
    workers.events().into_iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn poison_goes_to_the_dead_letters_and_harms_nobody() {
    let stack = Stack::set_up(3);
    let workers = workers(&stack, "poison");
    let id = stack.submit("--deadline 10m");
    let letters = stack.letters(RESPONSE_DEAD_LETTERS, 1);
    assert!(letters[0].attributes["reason"].starts_with("not JSON: "), "{letters:?}");
    assert!(letters[0].body.contains(STRUCK) && letters[0].body.contains(&id), "{letters:?}");
    for (event, count) in [("gathered", 2), ("poison", 1), ("refused", 1)] {
        workers.until(event, count);
    }
    assert_eq!((workers.count("poison"), workers.count("refused")), (1, 1));
    let ended = workers.stop();
    let said = "done: 3 requests: 2 quoted, 1 answered wrongly, by a fault\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(stack.rows(&id).len(), 3, "the request and two quotes");
    // Nobody can tell whose answer it was: the copy is named.
    let told = stack.rydes("verify --wait").arg(&id).run().exits(8);
    assert!(told.stdout.contains(STRUCK), "{}", told.stdout);
}

#[test]
fn of_two_answers_the_first_that_is_gathered_stays() {
    let stack = Stack::set_up(2);
    let workers = workers(&stack, "duplicate");
    let id = stack.submit("--deadline 10m");
    for (event, count) in [("answered", 2), ("second-answer", 1), ("duplicate", 1), ("gathered", 2)]
    {
        workers.until(event, count);
    }
    let price = |kind: &str, who: &str| {
        let mut all = events(&workers, kind).into_iter();
        all.find(|event| event[who] == STRUCK).expect("it is told")["answer"]["quote"].clone()
    };
    let sent = [price("answered", "provider"), price("second-answer", "provider")];
    let (gathered, other) = (price("gathered", "responder"), price("duplicate", "responder"));
    // Queues keep no order, so it may be either.
    assert_ne!(gathered, other);
    assert!(sent.contains(&gathered) && sent.contains(&other), "{sent:?} {gathered} {other}");
    assert_eq!(stack.row_when(&id, STRUCK, |_| true)["quote"], gathered);
    workers.stop();
    assert_eq!(stack.rows(&id).len(), 3);
}

#[test]
fn an_answer_to_a_wrong_id_reaches_no_rfq() {
    let stack = Stack::set_up(2);
    let workers = workers(&stack, "wrong-id");
    let id = stack.submit("--deadline 10m");
    workers.until("gathered", 2);
    workers.until("wrong-id", 1);
    let wrong = events(&workers, "wrong-id")[0]["sent-as"].as_str().expect("an id").to_owned();
    workers.stop();
    let row = stack.row_when(&wrong, STRUCK, |row| row.get("quote").is_some());
    assert!(row.get("expires-at").is_some(), "it is gone after a while: {row}");
    stack.rydes("quotes").arg(&wrong).run().exits(5);
    let told = stack.quotes(&id);
    assert_eq!((&told["answered"], &told["expected"]), (&json!(1), &json!(2)));
    assert_eq!(stack.depth(RESPONSE_DEAD_LETTERS), 0, "to check every id would cost a read each");
}

#[test]
fn a_worker_that_dies_is_replaced_and_its_request_comes_back() {
    for (fault, sent, answers) in [("crash-before-send", false, 1), ("crash-after-send", true, 2)] {
        let stack = Stack::set_up(2);
        let workers = workers(&stack, fault);
        let id = stack.submit("--deadline 60s");
        // An answer may be gathered before its worker tells that it was sent.
        workers.until("gathered", 2);
        workers.until("answered", 1 + answers);
        let of = |kind| -> Vec<Value> {
            events(&workers, kind).into_iter().filter(|event| event["provider"] == STRUCK).collect()
        };
        if sent {
            workers.until("duplicate", 1);
        }
        let crashed = of("crashed");
        assert_eq!((crashed.len(), &crashed[0]["sent"]), (1, &json!(sent)), "{crashed:?}");
        let received = of("received");
        let counts: Vec<_> = received.iter().filter_map(|event| event["count"].as_u64()).collect();
        // The poll that the dead worker left open may have taken it once more.
        let came_back = matches!(counts[..], [1, 2..=3]);
        assert!(came_back, "{fault}: it came back, and was let live: {received:?}");
        let prices: Vec<_> = of("answered").iter().map(|e| e["answer"]["quote"].clone()).collect();
        assert_eq!(prices.len(), answers, "{fault}");
        assert!(prices.iter().all(|price| *price == prices[0]), "{fault}: {prices:?}");
        assert_eq!(stack.row_when(&id, STRUCK, |_| true)["quote"], prices[0]);
        stack.drained(&provider(1));
        let ended = workers.stop();
        assert!(
            ended.stderr.contains("1 worker crashed, by a fault, and replaced"),
            "{}",
            ended.stderr
        );
        assert_eq!(stack.rows(&id).len(), 3, "{fault}");
        for letters in [PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS] {
            assert_eq!(stack.depth(letters), 0, "{fault}");
        }
    }
}

#[test]
fn the_same_seed_brings_the_same_faults() {
    let struck = |seed: u32| -> Vec<String> {
        let stack = Stack::set_up(5);
        let workers =
            stack.providers(&format!("--behavior steady --seed {seed} --fault wrong-id@0.5"));
        for number in 0..3 {
            let id = format!("1f0a99e2-7d34-4b5c-9a61-00000000000{number}");
            stack.submit(&format!("--deadline 10m --rfq-id {id}"));
        }
        workers.until("gathered", 15);
        // An answer may be gathered before its worker tells of the fault: a stop waits for both.
        let told = json_lines(&workers.stop().stdout);
        let seen = told.iter().filter(|event| event["event"] == "wrong-id");
        let place = |event: &Value| format!("{} {}", event["rfq-id"], event["provider"]);
        let mut places: Vec<_> = seen.map(place).collect();
        places.sort();
        places
    };
    let first = struck(1);
    assert!((1..15).contains(&first.len()), "{first:?}");
    assert_eq!(first, struck(1));
    assert_ne!(first, struck(2));
}
