//! What `report` and `advise` have read, and what they left out: sentences for people, and an object for programs.

use serde_json::{Map, Value, json};

use super::count_of;
use super::table::wrapped;
use crate::core::history::LeftOut;
use crate::flow::history::{Coverage, GoingOn};

/// Which RFQs were left out, how many rows were ignored, and how many RFQs lack answers, in lines of at most this width.
/// Empty if everything counts.
pub fn left_out(coverage: &Coverage, width: Option<u16>) -> Vec<String> {
    let left_out = reasons(coverage);
    let left_out = (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", ")));
    let ignored = (coverage.foreign > 0)
        .then(|| format!("{} of other programs ignored", count_of(coverage.foreign, "row")));
    let parts: Vec<_> = left_out.into_iter().chain(ignored).collect();
    let parts = (!parts.is_empty()).then(|| parts.join("; "));
    let sentences = [parts, unsettled(coverage.unsettled)].into_iter().flatten();
    sentences.flat_map(|sentence| wrapped(&sentence, width)).collect()
}

/// Which figures may change.
fn unsettled(count: u64) -> Option<String> {
    let (were_read, lack) =
        if count == 1 { ("it was read", "lacks") } else { ("they were read", "lack") };
    (count > 0).then(|| {
        let rfqs = count_of(count, "RFQ");
        format!("{rfqs} ended less than 10 min before {were_read} and {lack} answers, which may still arrive")
    })
}

/// Says why there is no RFQ to report on.
pub fn nothing(coverage: &Coverage) -> &'static str {
    match coverage.left_out.total() {
        _ if coverage.rows == 0 => "nothing to report: there are no rows of RFQs",
        0 => "nothing to report: no RFQ was submitted in this period",
        _ => "nothing to report: every RFQ in this period is left out",
    }
}

/// How many RFQs were left out for each reason. The first part names what is counted.
fn reasons(coverage: &Coverage) -> Vec<String> {
    let left_out = &coverage.left_out;
    let going_on = match coverage.going_on {
        GoingOn::Surely => "still going on",
        GoingOn::Perhaps => "that may still be going on",
    };
    let reasons = [
        (left_out.going_on, going_on),
        (left_out.expired, "with expired rows"),
        (left_out.untimed, "without a submission time or a deadline"),
        (left_out.without_request, "without a request row"),
    ];
    let counted = reasons.into_iter().filter(|(count, _)| *count > 0).enumerate();
    let said = counted.map(|(place, (count, reason))| match place {
        0 => format!("{} {reason}", count_of(count, "RFQ")),
        _ => format!("{count} {reason}"),
    });
    said.collect()
}

/// The same for programs, with the number of rows and the time at which they were read.
pub fn coverage(coverage: &Coverage) -> Value {
    let LeftOut { going_on, expired, untimed, without_request } = coverage.left_out;
    json!({
        "read-at": coverage.read_at,
        "rows": coverage.rows,
        "ignored-rows": coverage.foreign,
        "left-out": {
            "going-on": going_on,
            "expired": expired,
            "untimed": untimed,
            "without-request": without_request,
        },
        "unsettled": coverage.unsettled,
    })
}

/// The fields of an object.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A line of `--output jsonl`. Its first field, `of`, says what the others are about.
pub(super) fn line_of(what: &str, fields: Map<String, Value>) -> Value {
    let first = [("of".to_owned(), json!(what))];
    Value::Object(first.into_iter().chain(fields).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Timestamp;

    fn of(left_out: LeftOut, foreign: u64) -> Coverage {
        let read_at = Timestamp::from_millis(1_769_860_800_000).expect("in range");
        let going_on = GoingOn::Surely;
        Coverage { read_at, rows: 40, foreign, left_out, going_on, unsettled: 0 }
    }

    #[test]
    fn only_what_is_left_out_is_named() {
        let all = LeftOut { going_on: 3, expired: 1, untimed: 2, without_request: 4 };
        assert_eq!(
            left_out(&of(all, 12), None),
            [
                "left out: 3 RFQs still going on, 1 with expired rows, 2 without a submission time or a deadline, \
              4 without a request row; 12 rows of other programs ignored"
            ]
        );
        let one = LeftOut { untimed: 1, ..LeftOut::default() };
        assert_eq!(
            left_out(&of(one, 0), None),
            ["left out: 1 RFQ without a submission time or a deadline"]
        );
        let none = LeftOut::default();
        assert_eq!(left_out(&of(none, 1), None), ["1 row of other programs ignored"]);
        assert!(left_out(&of(none, 0), Some(80)).is_empty());
        let narrow = left_out(&of(all, 12), Some(40));
        assert!(narrow.len() > 2 && narrow.iter().all(|line| line.len() <= 40), "{narrow:?}");
    }

    #[test]
    fn what_may_still_arrive_is_said() {
        let left = LeftOut { going_on: 1, expired: 2, ..LeftOut::default() };
        let perhaps = Coverage { going_on: GoingOn::Perhaps, unsettled: 1, ..of(left, 0) };
        assert_eq!(
            left_out(&perhaps, None),
            [
                "left out: 1 RFQ that may still be going on, 2 with expired rows",
                "1 RFQ ended less than 10 min before it was read and lacks answers, which may still arrive"
            ]
        );
        let more = Coverage { unsettled: 3, ..of(LeftOut::default(), 0) };
        assert_eq!(
            left_out(&more, None),
            [
                "3 RFQs ended less than 10 min before they were read and lack answers, which may still arrive"
            ]
        );
    }

    #[test]
    fn programs_read_each_reason() {
        let document = coverage(&of(LeftOut { expired: 7, ..LeftOut::default() }, 2));
        assert_eq!(document["read-at"], "2026-01-31T12:00:00.000Z");
        assert_eq!((&document["rows"], &document["ignored-rows"]), (&40.into(), &2.into()));
        let left_out = serde_json::json!(
            {"going-on": 0, "expired": 7, "untimed": 0, "without-request": 0}
        );
        assert_eq!(document["left-out"], left_out);
    }
}
