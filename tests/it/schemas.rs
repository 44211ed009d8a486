//! `--output json` of each command against its schema in tests/schemas.

use serde_json::Value;

use crate::support::stack::{RESPONSE_DEAD_LETTERS, Stack};
use crate::support::{Ran, free_port, rydes};

/// The one document that a command wrote, after holding it against a schema.
#[track_caller]
fn document(schema: &str, ran: &Ran) -> Value {
    assert!(ran.stdout.is_ascii(), "{}", ran.stdout);
    let document = serde_json::from_str(&ran.stdout).expect("one JSON document");
    conforms(schema, &document);
    document
}

/// Holds a document against a schema.
#[track_caller]
pub fn conforms(schema: &str, document: &Value) {
    let file = format!("{}/tests/schemas/{schema}.json", env!("CARGO_MANIFEST_DIR"));
    let mut schemas = boon::Schemas::new();
    let schema = boon::Compiler::new().compile(&file, &mut schemas).expect("it is a schema");
    if let Err(problems) = schemas.validate(document, schema) {
        panic!("{problems:#}\n{document:#}");
    }
}

#[test]
fn every_command_keeps_to_its_schema() {
    let stack = Stack::new();
    let json = |arguments: &str| stack.rydes(&format!("{arguments} -o json")).run().exits(0);
    document("setup", &json("setup --providers 2 --dry-run"));
    document("setup", &json("setup --providers 2"));
    document("providers-list", &json("providers list"));
    document("providers-add", &json("providers add acme"));
    document("providers-remove", &json("providers remove acme"));
    let run = "providers run --poll-wait 2s --behavior steady -o json";
    let fault = "--fault UnicornManagementResource2=decline:closed";
    let workers = stack.background(&format!("{run} {fault}"));
    let submitted = document("submit", &json("submit --from A --to B --deadline 10m"));
    let id = submitted["rfq-id"].as_str().expect("a text");
    document("quotes", &json(&format!("quotes {id}")));
    let watched = document("quotes", &json(&format!("quotes {id} --watch")));
    assert_eq!((&watched["status"], &watched["answered"]), (&"complete".into(), &2.into()));
    document("quotes", &json("submit --from A --to B --deadline 10m --wait --until stall:5s"));
    let traced = document("trace", &json(&format!("trace {id}")));
    assert!(traced["slowest"]["gather"]["ms"].is_i64(), "{traced}");
    let verified = document("verify", &json(&format!("verify {id}")));
    assert_eq!((&verified["settled"], &verified["accounted"]), (&true.into(), &2.into()));
    let status = document("status", &json("status"));
    assert_eq!(status["rfqs"].as_array().map(Vec::len), Some(2));
    let summary = workers.stop();
    assert_eq!(document("providers-run", &summary)["rfqs"], 2);
    let consumer = stack.background("consumer run --poll-wait 2s -o json");
    consumer.says(" on LocalStack ");
    document("providers-run", &consumer.stop());
    document("submit-bulk", &json("submit --from A --to B --count 3"));
    let open = document("submit", &json("submit --from A --to B --deadline 10m --until 9"));
    let open = open["rfq-id"].as_str().expect("a text");
    document("verify", &json(&format!("verify {open}")));
    document("trace", &json(&format!("trace {open}")));
    document("quotes", &json(&format!("close {open}")));
    stack.send(RESPONSE_DEAD_LETTERS, "what was it?");
    let serve = stack.background("serve --listen 127.0.0.1:0 -o json");
    serve.says("Ctrl-C");
    document("serve", &serve.stop());
    let letters = document("dlq-list", &json("dlq list"));
    assert_eq!(letters["letters"][0]["body"], "what was it?");
    let letter = letters["letters"][0]["message-id"].as_str().expect("an id");
    document("dlq-show", &json(&format!("dlq show {letter}")));
    document("dlq-replay", &json("dlq replay --all --dry-run"));
    let replayed = document("dlq-replay", &json("dlq replay --all"));
    assert_eq!(replayed["letters"].as_array().map(Vec::len), Some(1));
    stack.send(RESPONSE_DEAD_LETTERS, "and this?");
    let purged = document("dlq-purge", &json("dlq purge --yes"));
    assert_eq!(purged["deleted"]["reply"], 1);
    document("dlq-purge", &json("dlq purge --yes"));
    let stacks = document("stacks", &json(&format!("stacks --stack {}", stack.name)));
    assert_eq!(stacks["stacks"][0]["providers"], 2);
    document("teardown", &json("teardown --dry-run"));
    document("teardown", &json("teardown --yes"));
    document("teardown", &json("teardown --yes"));
}

/// On stacks of their own: a queue cannot be made again within a minute of its removal.
#[test]
fn both_kinds_of_bench_keep_to_their_schema() {
    let bench = |options: &str| {
        let bench = format!("bench --providers 1 --count 3 --warm-up 1 {options} -o json");
        document("bench", &Stack::new().rydes(&bench).run().exits(0))
    };
    bench("");
    assert_eq!(bench("--rate 20")["rate"], 20.0);
}

#[test]
fn chaos_keeps_to_its_schema() {
    let stack = Stack::new();
    let chaos = stack.rydes("bench --chaos --providers 1 --count 2 --kills 1 --failing 0 -o json");
    assert_eq!(document("bench-chaos", &chaos.run().exits(0))["killed"], 1);
}

#[test]
fn localstack_keeps_to_its_schema() {
    let endpoint = crate::support::localstack::endpoint();
    let up = rydes(&format!("localstack up --endpoint-url {endpoint} -o json")).run().exits(0);
    assert_eq!(document("localstack-up", &up)["started"], false);
    let down = rydes(&format!("localstack down --port {} -o json", free_port())).run().exits(0);
    assert_eq!(document("localstack-down", &down)["stopped"], false);
}
