//! `rydes bench`: what it tells, and what it leaves behind.

use rustix::process::Signal;
use serde_json::json;

use crate::support::localstack::endpoint;
use crate::support::resources::Names;
use crate::support::stack::Stack;
use crate::support::{PATIENCE, json as document, shell};

const QUICK: &str = "bench --providers 3 --count 40 --warm-up 5";

#[test]
fn it_measures_on_a_stack_of_its_own() {
    let stack = Stack::new();
    let ran = stack.rydes(&format!("{QUICK} -o json")).run().exits(0);
    let told = document(&ran.stdout);
    assert_eq!((&told["lost"], &told["duplicates"]), (&json!(0), &json!(0)));
    assert_eq!((&told["quotes"], &told["answers"]), (&json!(120), &json!(120)));
    let latency = |what: &str| told["submit-to-gathered-ms"][what].as_f64().expect("a number");
    assert!(latency("p50") > 1.0 && latency("p50") <= latency("max"), "{told}");
    let by_operation = told["requests-per-rfq"]["by-operation"].as_object().expect("an object");
    let sum: f64 = by_operation.values().map(|count| count.as_f64().expect("a number")).sum();
    let total = told["requests-per-rfq"]["total"].as_f64().expect("a number");
    assert!((sum - total).abs() < 0.01, "{told}");
    // With three providers the floor is 1.76.
    assert!((1.7..4.0).contains(&total), "{told}");
    assert!(told["requests"]["by-operation"].get("dynamodb.Scan").is_none(), "{told}");
    assert!(told["cpu-ms-per-quote"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
    assert!(told["peak-memory-mib"].as_f64().is_some_and(|mib| mib > 1.0), "{told}");
    // Four write units at least, and what it takes to send, receive and delete.
    let dollars = told["dollars-per-million-rfqs"]["total"].as_f64().expect("a number");
    assert!((2.5..6.0).contains(&dollars), "{told}");
    assert_eq!(stack.names(), Names::default(), "nothing is left");
}

#[test]
fn at_a_rate_each_rfq_has_its_time() {
    let stack = Stack::new();
    let ran = stack.rydes("bench --providers 2 --count 15 --rate 10 --behavior demo --speed 100");
    let told = ran.run().exits(0).stdout;
    for line in ["15 RFQs to 2 providers, 10 a second, in ", "p50 ", "0 duplicates, 0 lost"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(told.contains("million such RFQs on AWS"), "{told}");
}

#[test]
fn it_leaves_a_stack_alone_that_is_there() {
    let stack = Stack::set_up(1);
    let refused = stack.rydes(QUICK).run().exits(2);
    assert!(refused.stderr.contains("makes and removes a stack of its own"), "{}", refused.stderr);
    assert!(refused.stderr.contains("name a stack that does not exist, or leave out `--stack`"));
    assert_eq!(stack.names().queues.len(), 4);
}

#[test]
fn a_second_one_leaves_the_stack_of_the_first_alone() {
    // The name that it takes when none is typed.
    let first = Stack::called("rydes-bench".to_owned());
    first.rydes("setup --providers 1").run().exits(0);
    let second = first.anywhere(QUICK).env("AWS_ENDPOINT_URL", endpoint()).run().exits(2);
    assert!(second.stderr.contains("another bench is running, or was killed"), "{}", second.stderr);
    assert_eq!(first.names().queues.len(), 4);
    let (_, removal) = second.stderr.split_once("rydes teardown").expect("how to remove it");
    let removal = format!("rydes teardown{} --yes", removal.lines().next().unwrap_or_default());
    let removed = shell(&removal).env("AWS_ENDPOINT_URL", endpoint()).run().exits(0);
    assert_eq!(first.names(), Names::default(), "{}", removed.stderr);
}

#[test]
fn a_signal_ends_it_and_what_it_made_is_removed() {
    let stack = Stack::new();
    let bench = stack.background("bench --providers 2 --count 1000 --rate 5");
    crate::support::wait_for("the stack", || (stack.names().tables.len() == 1).then_some(()));
    bench.signal(Signal::INT);
    bench.ends(PATIENCE).exits(130);
    assert_eq!(stack.names(), Names::default());
}

#[test]
fn it_leaves_its_stack_to_look_back_on_when_asked() {
    let stack = Stack::new();
    let keep = "bench --providers 2 --count 5 --warm-up 1 --deadline 7s --keep-stack";
    // No word of it is `setup`, so the removal of the stack is up to this test.
    let ran = stack.typed(keep).within(PATIENCE).run().exits(0);
    for line in ["is kept\n", " report ", "reports on its RFQs", " teardown ", "removes it"] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    let export = stack.rydes("export").run().exits(0).stdout;
    // Six RFQs with their request row and two answers.
    assert_eq!(export.lines().count(), 18, "{export}");
    let request = export.lines().find(|line| line.contains(r#""responder":{"S":"-"}"#));
    let request = document(request.expect("a request row"));
    let time = |name: &str| {
        let text = request["Item"][name]["S"].as_str().expect("a time");
        rydes::core::Timestamp::parse(text).expect("a time")
    };
    assert_eq!(time("deadline").millis_since(time("submitted-at")), 7_000);
    stack.rydes("teardown --yes").run().exits(0);
    assert_eq!(stack.names(), Names::default(), "nothing is left");
    for other in ["--chaos --keep-stack --deadline 5s", "--chaos --deadline 5s", "--keep-stack"] {
        stack.rydes(&format!("bench {other}")).run().exits(2);
    }
}
