//! The advice for programs.

use serde_json::{Map, Value, json};

use crate::core::history::{Advice, Point};
use crate::flow::history::Coverage;
use crate::view::history::{coverage, ratio};

/// The document of `--output json`.
pub fn document(advice: &Advice, looked_back: &Coverage) -> Value {
    let market = &advice.market;
    let mut document = json!({
        "rfqs": market.gatherings,
        "with-best": market.with_best,
        "closed": market.closed,
        "unsent": market.unsent,
        "few": market.is_few(),
        "keep": advice.keep,
        "advised": advice.advised.as_ref().map(|point| record(advice, point)),
        "today": record(advice, &advice.own),
        "today-deadlines-ms": market.own_deadlines.map(|(shortest, longest)| {
            json!({"shortest": shortest, "longest": longest})
        }),
        "deadlines": market.points().iter().map(|point| record(advice, point)).collect::<Vec<_>>(),
    });
    if let (Value::Object(document), Value::Object(all)) = (&mut document, coverage(looked_back)) {
        document.extend(all);
    }
    document
}

/// The lines of `--output jsonl`: the advice, then one per deadline. `of` says which.
pub fn jsonl(advice: &Advice, looked_back: &Coverage) -> Vec<Value> {
    let of = |what: &str, value: Value| {
        let mut named = Map::from_iter([("of".to_owned(), what.into())]);
        if let Value::Object(fields) = value {
            named.extend(fields.into_iter().filter(|(name, _)| name != "deadlines"));
        }
        Value::Object(named)
    };
    let points = advice.market.points();
    let deadlines = points.iter().map(|point| of("deadline", record(advice, point)));
    std::iter::once(of("advice", document(advice, looked_back))).chain(deadlines).collect()
}

fn record(advice: &Advice, point: &Point) -> Value {
    let market = &advice.market;
    let waited_for = point.held_up_by.iter().map(|(who, count)| {
        json!({"responder": who.as_str(), "rfqs": count, "share": ratio(*count, market.gatherings)})
    });
    json!({
        "deadline-ms": point.deadline,
        "kept": point.kept,
        "kept-share": ratio(point.kept, market.with_best),
        "quoted": point.quoted,
        "complete": point.complete,
        "wait-ms": {"median": point.wait_median, "p95": point.wait_p95},
        "price": point.price,
        "above-best": point.premium,
        "waited-for": waited_for.collect::<Vec<_>>(),
    })
}

/// Comma-separated values: a header, and a line per deadline. There are only numbers, so nothing is quoted.
pub fn csv(advice: &Advice) -> Vec<String> {
    let header =
        "deadline-ms,kept,kept-share,quoted,complete,wait-median-ms,wait-p95-ms,price,above-best";
    let line = |point: &Point| {
        let cells = [
            cell(point.deadline),
            point.kept.to_string(),
            cell(ratio(point.kept, advice.market.with_best)),
            point.quoted.to_string(),
            point.complete.to_string(),
            cell(point.wait_median),
            cell(point.wait_p95),
            cell(point.price),
            cell(point.premium),
        ];
        cells.join(",")
    };
    std::iter::once(header.to_owned()).chain(advice.market.points().iter().map(line)).collect()
}

fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
