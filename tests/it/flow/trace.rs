//! `rydes trace` through the program: what happened, as rows and messages tell it.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::json;
use crate::support::stack::{Stack, provider};

#[test]
fn it_tells_what_happened_when_and_draws_it() {
    let stack = Stack::set_up(4);
    let faults = "--fault UnicornManagementResource2=slow:12s \
                  --fault UnicornManagementResource3=error \
                  --fault UnicornManagementResource4=silent";
    let workers = stack.providers(&format!("--behavior steady {faults}"));
    workers.says("response consumer");
    let id = stack.submit("--deadline 10s");
    stack.rydes("verify --wait").arg(&id).run().exits(0);
    workers.stop();

    let told = json(&stack.rydes("trace -o json").arg(&id).run().exits(0).stdout);
    assert_eq!(told["deadline-ms"], 10_000);
    let lanes = told["providers"].as_array().expect("a list");
    let times = ["received-ms", "answered-ms", "sent-ms", "gathered-ms"];
    for lane in lanes {
        let at = times.map(|name| lane[name].as_i64().unwrap_or_else(|| panic!("{name}: {lane}")));
        assert!(at[0] >= 0 && at.is_sorted(), "{lane}");
        let steps = ["pick-up", "thinking", "sending", "gather"];
        let sum: i64 =
            steps.map(|step| lane["took-ms"][step].as_i64().expect("a number")).iter().sum();
        assert_eq!(sum, at[3], "{lane}");
    }
    assert!(lanes[1]["took-ms"]["thinking"].as_i64() >= Some(12_000), "{}", lanes[1]);
    assert_eq!(told["slowest"]["thinking"]["responder"], provider(2).as_str());
    assert!(lanes[2]["attempted-ms"].as_array().is_some_and(|tries| tries.len() > 1));
    assert_eq!(lanes[3]["state"], "silent");

    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("quotes.svg");
    let shown = stack.rydes("trace --svg").arg(&file).run().exits(0);
    for said in [" -> Rome  submitted ", "= thinking", "| deadline", "fail", "slowest pick-up "] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 80), "{}", shown.stdout);
    let picture = std::fs::read_to_string(&file).expect("it was drawn");
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
    assert!(picture.contains("prefers-color-scheme: dark") && picture.contains(&provider(4)));
    // A picture that cannot be written is an error, and nothing is shown in its place.
    let nowhere = stack.rydes("trace --svg").arg(folder.path().join("no/such/folder.svg"));
    let nowhere = nowhere.run().exits(1);
    assert!(nowhere.stderr.contains("error: cannot write ") && nowhere.stdout.is_empty());
    stack.rydes("trace no-such-rfq").run().exits(5);
}

#[test]
fn rows_of_the_original_are_shown_as_what_they_are() {
    let stack = Stack::set_up(1);
    stack.put(&json!({"id": "of-old", "responder": "-", "from": "A", "to": "B", "customer": "c"}));
    stack.put(&json!({"id": "of-old", "responder": provider(1), "quote": 16}));
    let shown = stack.rydes("trace of-old").run().exits(0).stdout;
    assert!(shown.contains("16* no times") && shown.contains("no row has times"), "{shown}");
    let told = json(&stack.rydes("trace of-old -o json").run().exits(0).stdout);
    assert_eq!((&told["origin"], &told["deadline-ms"]), (&Value::Null, &Value::Null));
    assert_eq!(told["providers"][0]["gathered-ms"], Value::Null);
}
