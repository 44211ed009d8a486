//! The advice for programs.

use serde_json::{Value, json};

use crate::core::history::{Advice, Point};
use crate::flow::history::Coverage;
use crate::view::csv::{lines, number};
use crate::view::figures::ratio;
use crate::view::history::{coverage, fields, line_of};

/// The document of `--output json`.
pub fn document(advice: &Advice, looked_back: &Coverage) -> Value {
    let market = &advice.market;
    let document = json!({
        "rfqs": market.rfqs,
        "with-best": market.with_best,
        "closed": market.closed,
        "unsent": market.unsent,
        "replayed": market.replayed,
        "few": market.is_few(),
        "keep": advice.keep,
        "advised": advice.advised.as_ref().map(|point| record(advice, point)),
        "today": record(advice, &advice.today),
        "today-deadlines-ms": market.todays_deadlines.map(|(shortest, longest)| {
            json!({"shortest": shortest, "longest": longest})
        }),
        "deadlines": market.points().iter().map(|point| record(advice, point)).collect::<Vec<_>>(),
    });
    Value::Object([document, coverage(looked_back)].into_iter().flat_map(fields).collect())
}

/// The lines of `--output jsonl`: the advice, then one per deadline. `of` says which.
pub fn jsonl(advice: &Advice, looked_back: &Coverage) -> Vec<Value> {
    let mut advised = fields(document(advice, looked_back));
    advised.retain(|name, _| name != "deadlines");
    let points = advice.market.points();
    let deadlines = points.iter().map(|point| line_of("deadline", fields(record(advice, point))));
    std::iter::once(line_of("advice", advised)).chain(deadlines).collect()
}

fn record(advice: &Advice, point: &Point) -> Value {
    let market = &advice.market;
    let waited_for = point.waited_for.iter().map(|(who, count)| {
        json!({"responder": who.as_str(), "rfqs": count, "share": ratio(*count, market.rfqs)})
    });
    json!({
        "deadline-ms": point.deadline,
        "kept": point.kept,
        "kept-share": ratio(point.kept, market.with_best),
        "quoted": point.quoted,
        "complete": point.complete,
        "wait-ms": {"median": point.wait_median, "p95": point.wait_p95, "max": point.wait_max},
        "price": point.price,
        "above-best": point.above_best,
        "waited-for": waited_for.collect::<Vec<_>>(),
    })
}

const HEADER: [&str; 10] = [
    "deadline-ms",
    "kept",
    "kept-share",
    "quoted",
    "complete",
    "wait-median-ms",
    "wait-p95-ms",
    "wait-max-ms",
    "price",
    "above-best",
];

/// The advice as comma-separated values: a header, and a line for each deadline. Unknown values are empty.
pub fn csv(advice: &Advice) -> Vec<String> {
    let cells = |point: Point| {
        vec![
            number(point.deadline),
            point.kept.to_string(),
            number(ratio(point.kept, advice.market.with_best)),
            point.quoted.to_string(),
            point.complete.to_string(),
            number(point.wait_median),
            number(point.wait_p95),
            number(point.wait_max),
            number(point.price),
            number(point.above_best),
        ]
    };
    lines(&HEADER, advice.market.points().into_iter().map(cells))
}
