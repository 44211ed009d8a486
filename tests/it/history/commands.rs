//! `report` and `advise` on a real table, and on its export.

use serde_json::{Value, json};

use crate::schemas::conforms;
use crate::support::stack::Stack;

/// The document of a command, without the time at which the rows were read.
fn document(stack: &Stack, schema: &str, arguments: &str) -> Value {
    let ran = stack.rydes(&format!("{arguments} -o json")).run().exits(0);
    let mut document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    conforms(schema, &document);
    document.as_object_mut().expect("an object").remove("read-at").expect("it has one");
    document
}

/// Puts RFQs of the past into the table: the first provider quotes, the second declines.
fn past_rfqs(stack: &Stack, count: usize) {
    let names = ["UnicornManagementResource1", "UnicornManagementResource2"];
    for number in 0..count {
        let id = format!("rfq-{number}");
        stack.put(&json!({
            "id": id, "responder": "-", "from": "Oslo", "to": "Rome", "customer": "c",
            "submitted-at": "2026-01-31T12:00:00.000Z", "deadline": "2026-01-31T12:10:00.000Z",
            "expected": names, "until": ["all"],
        }));
        let times = json!({
            "sent-at": "2026-01-31T12:00:03.000Z", "gathered-at": "2026-01-31T12:00:03.100Z",
        });
        for (responder, answer) in
            names.iter().zip([json!({"quote": 7}), json!({"declined": "closed"})])
        {
            let mut row = json!({"id": id, "responder": responder, "from": "Oslo", "to": "Rome", "customer": "c"});
            for fields in [&times, &answer] {
                row.as_object_mut()
                    .expect("an object")
                    .extend(fields.as_object().expect("an object").clone());
            }
            stack.put(&row);
        }
    }
}

#[test]
fn the_table_and_its_export_say_the_same() {
    let stack = Stack::set_up(0);
    past_rfqs(&stack, 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.jsonl.gz").display().to_string();
    let report = document(&stack, "report", "report");
    assert_eq!((&report["rfqs"], &report["completed-by"]["all"]), (&3.into(), &3.into()));
    assert_eq!(report["providers"][0]["asked"], 3);
    let of_second = document(&stack, "report", "report --provider UnicornManagementResource2");
    assert_eq!(of_second["providers"][0]["declined"], 3);
    let advice = document(&stack, "advise", "advise");
    assert_eq!((&advice["rfqs"], &advice["with-best"]), (&3.into(), &3.into()));
    assert_eq!((&advice["advised"]["kept"], &advice["few"]), (&3.into(), &true.into()));
    assert_eq!(advice["today"]["deadline-ms"], 600_000);
    stack.rydes(&format!("export {file}")).run().exits(0);
    // The file needs no stack and no endpoint.
    let elsewhere = |command: &str| {
        format!("{command} --file {file} --endpoint-url http://127.0.0.1:1 --stack other")
    };
    assert_eq!(document(&stack, "report", &elsewhere("report")), report);
    assert_eq!(document(&stack, "advise", &elsewhere("advise")), advice);
}

#[test]
fn advice_is_for_people_and_programs() {
    let stack = Stack::set_up(0);
    let empty = stack.rydes("advise").run().exits(0);
    assert_eq!(empty.stdout, "no advice: there is no past RFQ to evaluate\n");
    document(&stack, "advise", "advise");
    past_rfqs(&stack, 1);
    let svg = tempfile::tempdir().expect("a folder");
    let file = svg.path().join("advice.svg");
    let shown = stack.rydes(&format!("advise --svg {}", file.display())).run().exits(0);
    let keeps = "a deadline of 3 s keeps 100 % of the best quotes, as many as today's 10 min";
    assert!(shown.stdout.contains(keeps), "{}", shown.stdout);
    assert!(shown.stdout.contains("only 1 RFQ: fewer than 30 "), "{}", shown.stdout);
    let picture = std::fs::read_to_string(&file).expect("it was drawn");
    assert!(picture.starts_with("<svg ") && picture.contains("advised"), "{picture}");
    let csv = stack.rydes("advise -o csv").run().exits(0).stdout;
    assert!(csv.starts_with("deadline-ms,kept,") && csv.lines().count() == 2, "{csv}");
    let lines = stack.rydes("advise -o jsonl").run().exits(0).stdout;
    let of: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["of"].clone())
        .collect();
    assert_eq!(of, ["advice", "deadline"]);
    for bad in ["0", "1.5", "x"] {
        let refused = stack.rydes(&format!("advise --keep {bad}")).run().exits(2);
        assert!(refused.stderr.contains("a share is"), "{}", refused.stderr);
    }
}

#[test]
fn an_rfq_counts_when_its_deadline_has_passed_and_not_when_it_completes() {
    let stack = Stack::new();
    stack.rydes("setup --providers 1").run().exits(0);
    let workers = stack.background("providers run --poll-wait 1s --behavior steady");
    stack.rydes("submit A B --deadline 10m --wait").run().exits(0);
    drop(workers);
    let report = document(&stack, "report", "report");
    assert_eq!((&report["rfqs"], &report["left-out"]["going-on"]), (&0.into(), &1.into()));
}
