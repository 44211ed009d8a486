//! The AWS requests of a run: per RFQ, by operation, and in dollars.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value, json};

use super::count_of;
use super::table::wrapped;
use crate::aws::{Cost, Usage};

/// The widest line of the list of operations.
const WIDTH: u16 = 79;

/// For people. `rfqs` is the number of RFQs that the requests were made for.
pub fn lines(usage: &Usage, rfqs: u64) -> Vec<String> {
    let total = usage.total();
    let per_rfq = per(total, rfqs).map_or(String::new(), |n| format!(" ({n:.1} per RFQ)"));
    let mut first = format!("AWS requests: {total}{per_rfq}");
    if let Some(messages) = usage.messages_per_receive() {
        _ = write!(first, ", {messages:.1} messages per receive");
    }
    _ = write!(first, ", {} empty", count_of(usage.empty_receives, "receive"));
    let mut lines = vec![first];
    let by_operation: Vec<_> = usage
        .requests
        .iter()
        .map(|(operation, count)| {
            format!("{count} {}", operation.rsplit('.').next().unwrap_or_default())
        })
        .collect();
    if !by_operation.is_empty() {
        let list = wrapped(&by_operation.join(", "), Some(WIDTH - 2));
        lines.extend(list.iter().map(|line| format!("  {line}")));
    }
    if rfqs > 0 {
        lines.push(cost_line(usage.cost().million_of(rfqs)));
    }
    lines
}

/// `about $8.93 per million such RFQs on AWS (SNS 0.05, SQS 2.00, DynamoDB 6.88)`.
fn cost_line(million: Cost) -> String {
    let Cost { sns, sqs, dynamodb } = million;
    format!(
        "about ${:.2} per million such RFQs on AWS (SNS {sns:.2}, SQS {sqs:.2}, DynamoDB {dynamodb:.2})",
        million.total()
    )
}

/// For programs. Values per RFQ are `null` without any RFQ.
pub fn fields(usage: &Usage, rfqs: u64) -> Map<String, Value> {
    let per_rfq = |count: u64| per(count, rfqs).map_or(Value::Null, |n| rounded(n, 4));
    let by_operation: Map<_, _> =
        usage.requests.iter().map(|(name, count)| (name.clone(), per_rfq(*count))).collect();
    let million = (rfqs > 0).then(|| usage.cost().million_of(rfqs));
    let prices: Map<_, _> =
        Cost::PRICES.iter().map(|(what, dollars)| ((*what).to_owned(), json!(dollars))).collect();
    let fields = json!({
        "requests": {"total": usage.total(), "by-operation": usage.requests},
        "requests-per-rfq": {"total": per_rfq(usage.total()), "by-operation": by_operation},
        "messages-per-receive": usage.messages_per_receive().map(|n| rounded(n, 2)),
        "empty-receives": usage.empty_receives,
        "dollars-per-million-rfqs": million.map(|cost| json!({
            "total": rounded(cost.total(), 2),
            "sns": rounded(cost.sns, 2),
            "sqs": rounded(cost.sqs, 2),
            "dynamodb": rounded(cost.dynamodb, 2),
            "prices-per-million": prices,
        })),
    });
    let Value::Object(fields) = fields else { unreachable!("it is written as an object") };
    fields
}

/// The count per RFQ; `None` without any RFQ.
pub fn per(count: u64, rfqs: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    (rfqs > 0).then(|| count as f64 / rfqs as f64)
}

/// Rounds to at most this many decimals.
pub fn rounded(number: f64, decimals: i32) -> Value {
    let factor = 10_f64.powi(decimals);
    Number::from_f64((number * factor).round() / factor).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_per_rfq_and_in_dollars() {
        let requests =
            [("sqs.ReceiveMessage", 13), ("sqs.DeleteMessageBatch", 11), ("sns.Publish", 1)];
        let requests = requests.map(|(name, count)| (name.to_owned(), count)).into();
        let usage = Usage {
            requests,
            messages: 20,
            empty_receives: 3,
            write_units: 11,
            ..Usage::default()
        };
        assert_eq!(
            lines(&usage, 2),
            [
                "AWS requests: 25 (12.5 per RFQ), 2.0 messages per receive, 3 receives empty",
                "  1 Publish, 11 DeleteMessageBatch, 13 ReceiveMessage",
                "about $8.49 per million such RFQs on AWS (SNS 0.25, SQS 4.80, DynamoDB 3.44)",
            ]
        );
        let fields = fields(&usage, 2);
        assert_eq!(fields["requests-per-rfq"]["by-operation"]["sqs.ReceiveMessage"], 6.5);
        assert_eq!(fields["dollars-per-million-rfqs"]["total"], 8.49);
        assert_eq!(fields["messages-per-receive"], 2.0);
    }

    #[test]
    fn nothing_is_divided_by_no_rfqs() {
        let fields = fields(&Usage::default(), 0);
        assert_eq!(fields["requests-per-rfq"]["total"], Value::Null);
        assert_eq!(fields["dollars-per-million-rfqs"], Value::Null);
        assert_eq!(lines(&Usage::default(), 0), ["AWS requests: 0, 0 receives empty"]);
    }
}
