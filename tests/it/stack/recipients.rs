//! Who is asked: providers whose filters exclude a request are not waited for, and what it costs to know them.

use std::fs;

use serde_json::{Value, json};

use super::document;
use crate::schemas::conforms;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::resources::{clients, wait};
use crate::support::stack::{RESPONSES, Stack, provider};
use crate::support::{json_lines, wait_for};

/// Requests from Oslo alone.
const OSLO: &str = r#"{"from":["Oslo"]}"#;
/// How many RFQs are asked beside providers that filters exclude: 20 unless this variable says otherwise.
const RFQS: &str = "RYDES_TEST_FILTERED_RFQS";
const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
    <Message>not you</Message></Error></ErrorResponse>";

fn add(stack: &Stack, name: &str, policy: &str) {
    stack.rydes(&format!("providers add {name} --only")).arg(policy).run().exits(0);
}

/// Sets an attribute of a provider's subscription, past the program.
fn set(stack: &Stack, provider: &str, name: &str, value: &str) {
    let arn = stack.subscriptions().remove(&stack.full(provider)).expect("it is subscribed");
    let call = clients().sns.set_subscription_attributes().subscription_arn(arn);
    wait(call.attribute_name(name).attribute_value(value).send()).expect("it is set");
}

/// Lets only requests from Oslo through, past the program.
fn filter_by_hand(stack: &Stack, provider: &str) {
    set(stack, provider, "FilterPolicyScope", "MessageBody");
    set(stack, provider, "FilterPolicy", OSLO);
}

fn is_marked(stack: &Stack) -> bool {
    let tags = clients().sns.list_tags_for_resource().resource_arn(stack.topic_arn());
    let found = wait(tags.send()).expect("the topic is there");
    found.tags().iter().any(|tag| tag.key() == "rydes:filters")
}

/// The states of the providers, in the order of the document.
fn states(told: &Value) -> Vec<(&str, &str)> {
    let word = |value: &'_ Value| value.as_str().expect("a text").to_owned();
    let all = told["providers"].as_array().expect("a list").iter();
    all.map(|one| {
        let (who, state) = (word(&one["responder"]), word(&one["state"]));
        (&*who.leak(), &*state.leak())
    })
    .collect()
}

fn send(stack: &Stack, id: &str, who: &str, quote: u64) {
    let reply = json!({"responder": who, "rfq-id": id, "quote": quote});
    stack.send(RESPONSES, &reply.to_string());
    stack.row_when(id, who, |_| true);
}

#[test]
fn providers_that_filters_exclude_are_not_asked_and_not_waited_for() {
    let rfqs: usize = std::env::var(RFQS).map_or(20, |count| count.parse().expect("a number"));
    let stack = Stack::set_up(7);
    for name in ["acme", "globex", "initech"] {
        add(&stack, name, OSLO);
    }
    let workers = stack.providers("--behavior steady");
    let submit =
        format!("submit --from Frankfurt --to Rome --deadline 10m -o jsonl --count {rfqs}");
    let lines = json_lines(&stack.rydes(&submit).run().exits(0).stdout);
    let ids: Vec<_> = lines.iter().filter_map(|line| line["rfq-id"].as_str()).collect();
    assert_eq!(ids.len(), rfqs);
    for id in ids {
        let told = document(&stack.rydes(&format!("quotes {id} --watch -o json")).run().exits(0));
        conforms("quotes", &told);
        assert_eq!((&told["completed-by"], &told["status"]), (&json!("all"), &json!("complete")));
        let counts =
            ["expected", "answered", "not-asked", "unexpected"].map(|name| told[name].as_u64());
        assert_eq!(counts, [7, 7, 3, 0].map(Some), "{told}");
        let verified = document(&stack.rydes(&format!("verify {id} -o json")).run().exits(0));
        conforms("verify", &verified);
        let counts = ["accounted", "not-sent", "in-flight"].map(|name| verified[name].as_u64());
        assert_eq!(counts, [7, 3, 0].map(Some), "{verified}");
    }
    for name in ["acme", "globex", "initech"] {
        assert_eq!(stack.depth(name), 0, "SNS sent nothing either");
    }
    workers.stop();
}

#[test]
fn who_was_not_asked_is_shown_with_the_key_of_its_filter() {
    let stack = Stack::set_up(2);
    add(&stack, "acme", OSLO);
    add(&stack, "globex", r#"{"details": {"seats": [{"numeric": ["<=", 4]}]}}"#);
    let workers = stack.providers("--behavior steady");
    let submitted =
        stack.rydes("submit --from A --to B --deadline 10m --details").arg(r#"{"seats": 5}"#);
    let submitted = submitted.run().exits(0);
    assert!(
        submitted.stderr.contains("asked 2 providers, filters excluded 2"),
        "{}",
        submitted.stderr
    );
    let id = submitted.stdout.trim_end();
    let watched = stack.rydes(&format!("quotes {id} --watch")).run().exits(0).stdout;
    let line = "2 not asked: acme (its filter on the key from); globex (its filter on the key details.seats)";
    assert!(watched.contains(line), "{watched}");
    let row = stack.rows(id).into_iter().next().expect("the request row");
    assert_eq!(row["not-asked"], json!(["acme", "globex"]));
    assert_eq!(row["not-asked-keys"], json!(["from", "details.seats"]));
    let told = stack.quotes(id);
    let expected = [(provider(1), "quoted"), (provider(2), "quoted")]
        .map(|(who, state)| (&*who.leak(), state));
    let excluded = [("acme", "not-asked"), ("globex", "not-asked")];
    assert_eq!(states(&told), [expected, excluded].concat());
    assert_eq!(told["providers"][3]["reason"], "its filter on the key details.seats");
    let traced = stack.rydes(&format!("trace {id}")).run().exits(0).stdout;
    // The columns are as wide as the prices need.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(traced.lines().any(|line| words(line) == "acme - not asked"), "{traced}");
    let verified = stack.rydes(&format!("verify {id}")).run().exits(0).stdout;
    assert!(verified.contains(": 2 quotes; 2 not sent (filter)\n"), "{verified}");
    let told = document(&stack.rydes("status -o json").run().exits(0));
    assert_eq!(
        (&told["rfqs"][0]["expected"], &told["rfqs"][0]["not-asked"]),
        (&json!(2), &json!(2))
    );
    let server = stack.serve();
    let page = server.follow(id, "").until("end", |_| true);
    assert_eq!(page["table"][2]["note"], "not asked: its filter on the key from");
    // One that matches is asked.
    let asked = "submit --from Oslo --to B --deadline 10m --details 1 -o json";
    let asked = document(&stack.rydes(asked).run().exits(0));
    assert_eq!((&asked["expected"], &asked["not-asked"]), (&json!(3), &json!(1)));
    workers.stop();
}

#[test]
fn an_answer_proves_that_its_provider_was_asked() {
    let stack = Stack::set_up(1);
    add(&stack, "acme", OSLO);
    let consumer = stack.background("consumer run -o jsonl --poll-wait 2s");
    let server = stack.serve();
    server.submit(r#", "deadline": "10m""#);
    // The policy changes while the server still goes by the old one.
    set(&stack, "acme", "FilterPolicy", "{}");
    let id = server.submit(r#", "deadline": "10m""#);
    assert_eq!(stack.rows(&id)[0]["not-asked"], json!(["acme"]));
    stack.letters("acme", 1);
    send(&stack, &id, &provider(1), 50);
    assert_eq!(stack.quotes(&id)["status"], "complete");
    send(&stack, &id, "acme", 7);
    let told = stack.quotes(&id);
    assert_eq!((&told["status"], &told["best"]["responder"]), (&json!("complete"), &json!("acme")));
    let counts =
        ["expected", "answered", "not-asked", "unexpected"].map(|name| told[name].as_u64());
    assert_eq!(counts, [2, 2, 0, 0].map(Some), "{told}");
    let quote =
        told["quotes"].as_array().expect("a list").iter().find(|one| one["responder"] == "acme");
    assert_eq!(quote.map(|one| &one["expected"]), Some(&json!(true)));
    stack.rydes(&format!("verify {id}")).run().exits(0);
    consumer.stop();
}

#[test]
fn while_a_policy_changes_no_quote_in_time_is_kept_from_being_the_best() {
    let rfqs: usize = std::env::var(RFQS).map_or(20, |count| count.parse().expect("a number"));
    let stack = Stack::set_up(3);
    add(&stack, "acme", OSLO);
    let workers = stack.providers("--behavior steady");
    let run = "providers run acme --no-consumer --poll-wait 2s -o jsonl -- echo 1";
    let acme = stack.background(run);
    acme.says(" on LocalStack ");
    let server = stack.serve();
    let mut ids = Vec::new();
    for number in 0..rfqs {
        // The server goes on by the policy that it read first.
        match number % 10 {
            3 => set(&stack, "acme", "FilterPolicy", "{}"),
            8 => set(&stack, "acme", "FilterPolicy", OSLO),
            _ => {}
        }
        ids.push(server.submit(r#", "deadline": "10m""#));
    }
    for queue in ["acme", RESPONSES] {
        stack.drained(queue);
    }
    let mut proven = 0;
    for id in &ids {
        for number in 1..=3 {
            stack.row_when(id, &provider(number), |_| true);
        }
        let told = stack.quotes(id);
        let has_answered = stack.rows(id).iter().any(|row| row["responder"] == "acme");
        assert_eq!(has_answered, told["best"]["responder"] == "acme", "{told}");
        assert_eq!((&told["status"], &told["unexpected"]), (&json!("complete"), &json!(0)));
        proven += usize::from(has_answered);
        stack.rydes(&format!("verify {id}")).run().exits(0);
    }
    assert_eq!(proven, rfqs / 2, "half of them reached it");
    workers.stop();
    acme.stop();
}

#[test]
fn a_request_that_all_filters_exclude_is_not_written() {
    let stack = Stack::set_up(0);
    add(&stack, "acme", OSLO);
    add(&stack, "globex", r#"{"to": ["Oslo"]}"#);
    let refused = stack.rydes("submit --from A --to B --rfq-id x").run().exits(1);
    assert!(
        refused
            .stderr
            .contains("the filters of all providers exclude this request (keys: from, to); nothing was written"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("hint: rydes providers list"), "{}", refused.stderr);
    let server = stack.serve();
    let answer = server.post(r#"{"from": "A", "to": "B", "rfq-id": "x"}"#);
    assert_eq!((answer.status, answer.header("retry-after")), (422, ""));
    let batch = "printf '%s\\n' '{\"from\":\"A\",\"to\":\"B\"}' '{\"from\":\"A\",\"to\":\"Oslo\",\"rfq-id\":\"y\"}' | rydes submit --batch - -o json";
    let told = document(&stack.shell(batch).exits(1));
    assert_eq!((&told["submitted"], &told["failed"]), (&json!(1), &json!(1)));
    assert_eq!((stack.rows("x").len(), stack.keys().len()), (0, 1));
    assert_eq!((stack.depth("acme"), stack.depth("globex")), (0, 1));
}

#[test]
fn only_new_policies_exclude_all_providers() {
    let stack = Stack::set_up(0);
    add(&stack, "acme", OSLO);
    let server = stack.serve();
    assert_eq!(server.post(r#"{"from": "Oslo", "to": "B"}"#).status, 201);
    assert_eq!(server.post(r#"{"from": "A", "to": "B"}"#).status, 422);
    add(&stack, "acme", "{}");
    let is_taken = || (server.post(r#"{"from": "A", "to": "B"}"#).status == 201).then_some(());
    wait_for("the new policy counts", is_taken);
}

#[test]
fn a_row_that_is_there_says_who_was_asked() {
    let stack = Stack::set_up(0);
    add(&stack, "acme", r#"{"details": {"seats": [4]}}"#);
    let submit = "submit --from A --to B --deadline 10m --rfq-id x";
    stack.rydes(&format!("{submit} --details")).arg(r#"{"seats":4}"#).run().exits(0);
    // Without its details it would be asked of nobody, but they are in its row.
    stack.rydes(submit).run().exits(0);
    assert_eq!((stack.depth("acme"), stack.rows("x").len()), (2, 1));
    let other = stack.rydes(&format!("{submit} --details")).arg("{}").run().exits(2);
    assert!(other.stderr.contains("other details"), "{}", other.stderr);
}

#[test]
fn a_policy_on_attributes_excludes_every_request() {
    let stack = Stack::set_up(2);
    set(&stack, &provider(2), "FilterPolicy", r#"{"kind": ["a"]}"#);
    stack.run("setup --providers 2").exits(0);
    let id = stack.submit("--deadline 10m");
    assert_eq!(stack.rows(&id)[0]["not-asked-keys"], json!(["MessageAttributes.kind"]));
    assert_eq!((stack.depth(&provider(1)), stack.depth(&provider(2))), (1, 0), "SNS agrees");
}

#[test]
fn it_costs_one_look_at_the_tags_and_only_a_marked_topic_one_more_for_each_subscription() {
    let stack = Stack::set_up(3);
    let proxy = Proxy::start();
    let asked = |arguments: &str| stack.rydes(arguments).env("AWS_ENDPOINT_URL_SNS", &proxy.url);
    let mut before = (0, 0, 0);
    let mut reads = || {
        let now = (
            proxy.count("ListTagsForResource"),
            proxy.count("GetSubscriptionAttributes"),
            proxy.count("ListSubscriptionsByTopic"),
        );
        let since = (now.0 - before.0, now.1 - before.1, now.2 - before.2);
        before = now;
        since
    };
    let one = "submit --from A --to B --deadline 10m";
    let many = "submit --from A --to B --deadline 10m --count 60";
    for submit in [one, many] {
        asked(submit).run().exits(0);
        assert_eq!(reads(), (1, 0, 1), "{submit}");
    }
    // A filter that was set by hand: nothing says so yet, and its provider is waited for.
    filter_by_hand(&stack, &provider(3));
    asked(one).run().exits(0);
    assert_eq!(reads(), (1, 0, 1));
    stack.rydes("setup --providers 3").run().exits(0);
    for submit in [one, many] {
        let ran = asked(submit).arg("--rfq-id").arg("x");
        let ran = if submit == one { ran } else { asked(many) };
        ran.run().exits(0);
        assert_eq!(reads(), (1, 3, 1), "{submit}");
    }
    assert_eq!(stack.rows("x")[0]["not-asked"], json!([provider(3)]));
    // In a long run, a new subscription is looked at, and no other one again.
    let server = stack.serve_through(&proxy.url);
    server.submit("");
    assert_eq!((reads().0, reads().1), (1, 0));
    add(&stack, "acme", OSLO);
    let mut id = server.submit("");
    for _ in 0..40 {
        if stack.rows(&id)[0]["not-asked"] == json!([provider(3), "acme"]) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        id = server.submit("");
    }
    assert_eq!(stack.rows(&id)[0]["not-asked"], json!([provider(3), "acme"]));
    let (tags, attributes, _) = reads();
    assert_eq!((tags, attributes), (1, 1), "of the new one alone");
    server.stop();
}

#[test]
fn what_cannot_be_told_is_expected() {
    let stack = Stack::set_up(1);
    add(&stack, "acme", OSLO);
    let proxy = Proxy::start();
    let expected = || {
        let submit = stack.rydes("submit --from A --to B --deadline 10m -o json");
        let told = document(&submit.env("AWS_ENDPOINT_URL_SNS", &proxy.url).run().exits(0));
        conforms("submit", &told);
        (told["expected"].as_u64(), told["not-asked"].as_u64())
    };
    assert_eq!(expected(), (Some(1), Some(1)));
    for operation in ["ListTagsForResource", "GetSubscriptionAttributes"] {
        proxy.fail(operation, 99, ProxyFault::Answer(403, DENIED));
        assert_eq!(expected(), (Some(2), Some(0)), "{operation} denied");
        proxy.heal();
    }
    let policy = r#"{"from": [{"wildcard": "O*"}]}"#;
    let body = format!(
        "<GetSubscriptionAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <GetSubscriptionAttributesResult><Attributes><entry><key>FilterPolicyScope</key>\
         <value>MessageBody</value></entry><entry><key>FilterPolicy</key><value>{}</value></entry>\
         </Attributes></GetSubscriptionAttributesResult></GetSubscriptionAttributesResponse>",
        policy.replace('"', "&quot;")
    );
    proxy.fail("GetSubscriptionAttributes", 99, ProxyFault::Answer(200, body.leak()));
    assert_eq!(expected(), (Some(2), Some(0)), "an operator that is not known");
}

#[test]
fn a_policy_is_checked_before_aws_sees_it_and_stays_until_it_is_changed() {
    let stack = Stack::set_up(1);
    assert!(!is_marked(&stack));
    for (policy, problem) in [
        ("{", "`--only`: "),
        (r#"{"from": "Oslo"}"#, "/from"),
        (r#"{"from": []}"#, "/from"),
        (r#"{"from": [{"prefix": 7}]}"#, "/from/0"),
        (r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#, "at most 5"),
    ] {
        let refused = stack.rydes("providers add acme --only").arg(policy).run().exits(2);
        assert!(refused.stderr.contains(problem), "{policy}: {}", refused.stderr);
    }
    let wildcard = r#"{"from": [{"wildcard": "O*"}]}"#;
    let unknown = stack.rydes("providers add wild --only").arg(wildcard).run();
    let warning = "warning: `rydes` does not know the operator `wildcard` at /from/0/wildcard";
    assert!(unknown.stderr.contains(warning), "{}", unknown.stderr);
    if unknown.code != Some(0) {
        let hint = "hint: if a queue was made before this error: rydes providers remove wild";
        assert!(unknown.stderr.contains(hint), "{}", unknown.stderr);
    }
    // What can never match is accepted, as SNS does, and named.
    for (name, policy, warning) in [
        (
            "alpha",
            r#"{"frm": ["Oslo"]}"#,
            "warning: requests have no field `frm`; they have `rfq-id`, `from`",
        ),
        (
            "beta",
            r#"{"details": {"seats": {"numeric": ["<=", 4]}}}"#,
            "warning: `numeric` in `details.seats.numeric` is read as a key",
        ),
    ] {
        let added = stack.rydes(&format!("providers add {name} --only")).arg(policy).run().exits(0);
        assert!(added.stderr.contains(warning), "{policy}: {}", added.stderr);
    }
    stack.rydes("providers remove wild alpha beta").run().exits(0);
    // A simulated provider has a filter too.
    let first = provider(1);
    stack.rydes(&format!("providers add {first}")).run().exits(2);
    let told = stack.rydes(&format!("providers add {first} --only")).arg(OSLO).run().exits(0);
    assert!(
        told.stderr.contains(&format!("{first} is asked only for requests that match {OSLO}")),
        "{}",
        told.stderr
    );
    stack.rydes("submit --from A --to B").run().exits(1);
    let told = stack.rydes(&format!("providers add {first} --only {{}}")).run().exits(0);
    assert!(
        told.stderr.contains(&format!("{first} is asked for every request")),
        "{}",
        told.stderr
    );
    stack.run("setup --providers 1").exits(0);
    let refused = stack.rydes("providers add acme --only @/nonexistent").run().exits(2);
    assert!(refused.stderr.contains("cannot read"), "{}", refused.stderr);
    assert!(!stack.subscriptions().contains_key(&stack.full("acme")), "nothing was made");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("policy.json");
    fs::write(&file, format!("{OSLO}\n")).expect("it can be written");
    let added = stack.rydes(&format!("providers add acme -o json --only @{}", file.display()));
    let added = document(&added.run().exits(0));
    conforms("providers-add", &added);
    assert_eq!(added["filter-policy"], OSLO);
    assert!(is_marked(&stack));
    let expected = || stack.quotes(&stack.submit("--deadline 10m"))["expected"].clone();
    assert_eq!(expected(), 1);
    // Nothing said, nothing changed.
    assert_eq!(
        document(&stack.rydes("providers add acme -o json").run().exits(0))["filter-policy"],
        OSLO
    );
    assert_eq!(expected(), 1);
    let open = stack.rydes("providers add acme -o json --only {}").run().exits(0);
    assert_eq!(document(&open)["filter-policy"], Value::Null);
    assert_eq!(expected(), 2);
    assert!(is_marked(&stack));
    stack.rydes("setup --providers 1").run().exits(0);
    assert!(!is_marked(&stack), "no filter is left");
    filter_by_hand(&stack, "acme");
    stack.rydes("providers add acme").run().exits(0);
    assert!(is_marked(&stack) && expected() == 1);
}

#[test]
fn filters_that_were_set_by_hand_are_found_and_the_topic_is_marked() {
    let stack = Stack::set_up(2);
    filter_by_hand(&stack, &provider(2));
    let setup = "` to mark the topic";
    for command in ["providers list", "status"] {
        let ran = stack.rydes(command).run().exits(0);
        let said = format!("{}{}", ran.stdout, ran.stderr).replace("\n  ", " ");
        assert!(said.contains(setup), "{command}: {said}");
        let told = document(&stack.rydes(&format!("{command} -o json")).run().exits(0));
        conforms(&command.replace(' ', "-"), &told);
        assert_eq!(told["unmarked-filters"], true);
    }
    let workers = stack.providers("--behavior steady");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 10s");
    stack.rydes(&format!("quotes {id} --watch")).run().exits(3);
    let unexplained = stack.rydes(&format!("verify {id} --wait")).run().exits(8).stderr;
    assert!(
        unexplained.contains(&format!(
            "a filter that submissions ignore may have excluded {}; see",
            provider(2)
        )),
        "{unexplained}"
    );
    assert!(!stack.run("setup --providers 2 --dry-run").exits(0).stdout.contains("nothing"));
    assert!(!is_marked(&stack));
    let made = document(&stack.run("setup --providers 2 -o json").exits(0));
    assert!(is_marked(&stack));
    assert_eq!(made["changed"], 1, "{made}");
    assert_eq!(document(&stack.run("setup --providers 2 -o json").exits(0))["changed"], 0);
    let told = document(&stack.rydes("providers list -o json").run().exits(0));
    assert_eq!(told["unmarked-filters"], false);
    let unexplained = stack.rydes(&format!("verify {id}")).run().exits(8).stderr;
    let now = format!("a filter may have excluded {}", provider(2));
    assert!(unexplained.contains(&now), "{unexplained}");
    let id = stack.submit("--deadline 10m");
    let told = document(&stack.rydes(&format!("quotes {id} --watch -o json")).run().exits(0));
    assert_eq!((&told["expected"], &told["not-asked"]), (&json!(1), &json!(1)));
    workers.stop();
}

#[test]
fn subscribers_that_are_no_queues_are_listed_and_not_expected() {
    let stack = Stack::set_up(1);
    let subscribe = clients().sns.subscribe().topic_arn(stack.topic_arn()).protocol("email");
    wait(subscribe.endpoint("a@b.example").send()).expect("it is subscribed");
    let sentence = "email a@b.example: subscribed, but not a queue; it is not expected to answer";
    for command in ["providers list", "status", "setup --providers 1"] {
        let ran = stack.rydes(command).run().exits(0);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(sentence),
            "{command}: {}",
            ran.stderr
        );
    }
    for command in ["providers list", "status"] {
        let told = document(&stack.rydes(&format!("{command} -o json")).run().exits(0));
        assert_eq!(
            told["non-queue-subscribers"],
            json!([{"protocol": "email", "endpoint": "a@b.example"}])
        );
    }
    assert_eq!(stack.quotes(&stack.submit("--deadline 10m"))["expected"], 1);
}
