//! From setup to the last quote, and how it is shown.

use serde_json::Value;

use crate::support::stack::{Stack, provider};
use crate::support::{json, json_lines};

/// The ten names as the original's own response sorts them: by bytes.
fn by_bytes(count: usize) -> Vec<String> {
    let mut names: Vec<_> = (1..=count).map(provider).collect();
    names.sort();
    names
}

#[test]
fn ten_providers_are_asked_and_all_ten_quotes_come_in() {
    let stack = Stack::set_up(10);
    let workers = stack.providers("--behavior steady");
    let submitted = stack
        .rydes("submit --from Frankfurt --customer cmr --deadline 60s --to")
        .arg("Las Vegas")
        .run()
        .exits(0);
    let id = submitted.stdout.trim_end();
    assert_eq!(submitted.stdout, format!("{id}\n"), "the id alone");
    assert!(submitted.stderr.contains("asked 10 providers, deadline in 60 s"));
    assert!(submitted.stderr.contains(&format!("next: rydes quotes {} --watch", &id[..4])));

    // Without an id the newest is meant.
    let watched = stack.rydes("quotes --watch").run().exits(0);
    let news = watched.stdout.lines().filter(|line| line.starts_with('+')).count();
    assert_eq!(news, 10, "one line per change: {}", watched.stdout);
    assert_eq!(watched.stdout.matches("RESPONDER").count(), 1, "the table once");
    assert!(watched.stdout.contains("complete: 10 of 10 answered (10 quotes)\n"));
    assert!(!watched.stdout.contains('\u{1b}'), "no colour and no cursor in a pipe");

    let told = stack.quotes(id);
    assert_eq!((&told["status"], &told["completed-by"]), (&"complete".into(), &"all".into()));
    assert_eq!((&told["expected"], &told["answered"]), (&10.into(), &10.into()));
    let prices: Vec<_> = told["quotes"].as_array().expect("a list").iter().collect();
    assert_eq!(prices.len(), 10);
    assert!(prices.iter().all(|quote| quote["quote"].is_number() && quote["late"] == false));
    assert!(prices.is_sorted_by_key(|quote| quote["quote"].as_u64()));
    assert_eq!(told["best"]["quote"], prices[0]["quote"]);
    let names: Vec<_> = told["providers"].as_array().expect("a list").iter().collect();
    let natural: Vec<_> = (1..=10).map(provider).collect();
    assert_eq!(
        names.iter().map(|p| &p["responder"]).collect::<Vec<_>>(),
        natural.iter().collect::<Vec<_>>()
    );

    // A prefix of four characters will do; the newest is shown in the original's own format.
    let prefix = &id[..4];
    let workshop = stack.rydes("quotes -o workshop").arg(prefix).run().exits(0).stdout;
    let price = |name: &String| {
        let quote = prices.iter().find(|quote| quote["responder"] == **name).expect("it quoted");
        format!("{{\"responder\": \"{name}\", \"quote\": \"{}\"}}", quote["quote"])
    };
    let quotes: Vec<_> = by_bytes(10).iter().map(price).collect();
    assert_eq!(
        workshop,
        format!(
            "{{\"quotes\": [{}], \"rfq-id\": \"{id}\", \"from\": \"Frankfurt\", \
             \"to\": \"Las Vegas\", \"customer\": \"cmr\"}}\n",
            quotes.join(", ")
        )
    );

    let stopped = workers.stop();
    assert!(stopped.stderr.contains("done: 10 requests: 10 quoted\n"));
    assert!(stopped.stderr.contains("consumer: 10 replies gathered\n"));
}

#[test]
fn a_wait_prints_one_line_per_change_or_one_document() {
    let stack = Stack::set_up(3);
    let _workers = stack.providers("--behavior steady");
    let submit = "submit --from A --to B --deadline 60s --wait";
    let table = stack.rydes(submit).run().exits(0);
    assert!(table.stdout.starts_with('+'), "{}", table.stdout);
    let id = table.stderr.lines().find(|line| line.len() == 36 && line.matches('-').count() == 4);
    let id = id.expect("the id goes to stderr").to_owned();
    assert!(!table.stdout.contains(&id));
    assert!(table.stdout.contains("3 of 3 answered"));

    let document = stack.rydes(submit).arg("-ojson").run().exits(0);
    let told = json(&document.stdout);
    assert_eq!(document.stdout.lines().count(), 1, "exactly one document");
    assert_eq!(told["answered"], 3);

    let lines = json_lines(&stack.rydes(submit).arg("-ojsonl").run().exits(0).stdout);
    assert_eq!(lines.len(), 4, "one per change and a final one: {lines:?}");
    let changes: Vec<_> = lines[..3].iter().map(|line| &line["state"]).collect();
    assert_eq!(changes, ["quoted"; 3]);
    let last = &lines[3];
    assert_eq!((&last["status"], &last["completed-by"]), (&"complete".into(), &"all".into()));
    assert!(last["best"]["quote"].is_number(), "{last}");

    let again = stack.rydes("quotes --watch -o workshop").arg(&id).run().exits(0).stdout;
    assert_eq!(again.lines().count(), 1);
    assert_eq!(json(&again)["quotes"].as_array().map(Vec::len), Some(3));
}

#[test]
fn an_rfq_is_found_by_what_names_it_and_by_nothing_else() {
    let stack = Stack::set_up(1);
    let none = stack.rydes("quotes").run().exits(5);
    assert!(none.stderr.contains("hint:"), "{}", none.stderr);
    for id in ["abcd-1", "abcd-2", "efgh-3"] {
        assert_eq!(stack.submit(&format!("--rfq-id {id}")), id);
    }
    let found = |typed: &str| {
        let ran = stack.rydes("quotes -o json").arg(typed).run().exits(0);
        json(&ran.stdout)["rfq-id"].clone()
    };
    assert_eq!(found("efgh"), "efgh-3");
    assert_eq!(found("abcd-2"), "abcd-2");
    assert_eq!(json(&stack.rydes("quotes -o json").run().exits(0).stdout)["rfq-id"], "efgh-3");
    let ambiguous = stack.rydes("quotes abcd").run().exits(2);
    assert!(ambiguous.stderr.contains("may be any of abcd-1, abcd-2"), "{}", ambiguous.stderr);
    for unknown in ["abc", "efgh-4", "", "00000000-0000-0000-0000-000000000000", &"x".repeat(129)] {
        let unknown = stack.rydes("quotes").arg(unknown).run().exits(5);
        assert_eq!(unknown.stdout, "");
        assert!(unknown.stderr.contains("error: no RFQ "), "{}", unknown.stderr);
        assert!(unknown.stderr.contains("hint: "), "{}", unknown.stderr);
        assert!(unknown.stderr.contains("newest here: efgh-3"), "{}", unknown.stderr);
    }
    stack.rydes("quotes --watch nothing").run().exits(5);
    let option = stack.rydes("quotes watch").run().exits(5).stderr;
    assert!(option.contains("hint: to wait: rydes "), "{option}");
    assert!(option.ends_with(" quotes --watch\n"), "{option}");
}

#[test]
fn an_rfq_that_nobody_has_answered_has_an_empty_list_of_quotes() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 24h");
    let workshop = stack.rydes("quotes -o workshop").run().exits(0).stdout;
    assert_eq!(
        workshop,
        format!(
            "{{\"quotes\": [], \"rfq-id\": \"{id}\", \"from\": \"Frankfurt\", \"to\": \"Rome\", \
             \"customer\": \"cmr\"}}\n"
        )
    );
    let told = stack.quotes(&id);
    assert_eq!(told["status"], "gathering");
    assert_eq!((&told["best"], &told["regret"]), (&Value::Null, &Value::Null));
    assert_eq!(told["providers"][0]["state"], "waiting");
}
