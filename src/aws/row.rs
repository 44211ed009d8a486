//! The rows of the table as DynamoDB holds them: attributes by name (contract, section 4).

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use uuid::Uuid;

use crate::core::{
    Answer, AnswerRow, BestBy, Condition, Details, ExcludedProvider, Price, RequestRow, Responder,
    RfqId, Ride, Timestamp,
};

/// The `responder` of the request row.
pub const REQUEST_KEY: &str = "-";

/// The attributes that looking back reads: all but `submission` and `attempted-at`.
pub const LOOKED_BACK_ON: [&str; 25] = [
    "id",
    "responder",
    "from",
    "to",
    "customer",
    "submitted-at",
    "deadline",
    "expected",
    "not-asked",
    "not-asked-keys",
    "until",
    "best-by",
    "details",
    "closed-at",
    "expires-at",
    "quote",
    "declined",
    "failed",
    "silent",
    "attempts",
    "received-at",
    "answered-at",
    "sent-at",
    "gathered-at",
    "failed-at",
];

/// A row: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// An answer to be inserted into the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The RFQ that it answers.
    pub id: RfqId,
    /// The answer.
    pub row: AnswerRow,
    /// The ride, which every row but a quote carries.
    pub ride: Option<Ride>,
    /// How long the row is kept after it was gathered.
    pub kept: Duration,
}

impl Insert {
    /// Its bytes in a batch, roughly: its reason, its details, its ride, and an allowance for the rest.
    pub fn size(&self) -> usize {
        const REST: usize = 512;
        let reason = self.row.answer.reason().map_or(0, str::len);
        let details = self.row.details.as_ref().map_or(0, sent_size);
        let ride = self
            .ride
            .as_ref()
            .map_or(0, |Ride { from, to, customer }| from.len() + to.len() + customer.len());
        REST + reason + details + ride
    }
}

/// A request row to be inserted into the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInsert {
    /// The row itself.
    pub row: RequestRow,
    /// The submission that writes it. The row carries this mark until another submission of the same id adopts it.
    /// A submission may remove only a row with its own mark (contract, section 4).
    pub submission: Uuid,
    /// How long the row is kept after its deadline.
    pub kept: Duration,
}

impl RequestInsert {
    /// Its bytes in a batch, roughly: its texts, its providers, its details, and an allowance for the rest.
    pub fn size(&self) -> usize {
        const REST: usize = 1_024;
        // A provider's name, with the quotes and the type around it.
        const PROVIDER: usize = 80;
        let RequestRow { ride: Ride { from, to, customer }, expected, not_asked, details, .. } =
            &self.row;
        let providers = expected.as_ref().map_or(0, Vec::len) + 2 * not_asked.len();
        let details = details.as_ref().map_or(0, sent_size);
        REST + from.len() + to.len() + customer.len() + providers * PROVIDER + details
    }
}

pub(super) fn request_key(id: &RfqId) -> Item {
    HashMap::from([
        ("id".to_owned(), text(id.as_str())),
        ("responder".to_owned(), text(REQUEST_KEY)),
    ])
}

/// The request row, with the mark of the submission that writes it.
pub(super) fn write_request(insert: &RequestInsert) -> Item {
    let RequestInsert { row, submission, kept } = insert;
    let mut item = request_key(&row.id);
    let mut set = |name: &str, value: Option<AttributeValue>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    set("from", Some(text(&row.ride.from)));
    set("to", Some(text(&row.ride.to)));
    set("customer", Some(text(&row.ride.customer)));
    set("submitted-at", row.submitted_at.map(time));
    set("deadline", row.deadline.map(time));
    let names = |all: &Vec<Responder>| list(all.iter().map(Responder::as_str));
    set("expected", row.expected.as_ref().map(names));
    if !row.not_asked.is_empty() {
        let all = || row.not_asked.iter();
        set("not-asked", Some(list(all().map(|one| one.responder.as_str()))));
        let keys = all().map(|one| one.key.as_deref().unwrap_or_default());
        set("not-asked-keys", Some(list(keys)));
    }
    let conditions: Vec<_> = row.until.iter().map(ToString::to_string).collect();
    set("until", Some(list(conditions.iter().map(String::as_str))));
    let best_by = (row.best_by != BestBy::Price).then(|| row.best_by.to_string());
    set("best-by", best_by.as_deref().map(text));
    set("details", row.details.as_ref().map(details));
    set("closed-at", row.closed_at.map(time));
    set("submission", Some(text(&submission.to_string())));
    set("expires-at", row.deadline.or(row.submitted_at).map(|at| expiry(at, *kept)));
    item
}

/// All attributes but the key.
pub(super) fn write_answer(insert: &Insert) -> Vec<(&'static str, AttributeValue)> {
    let row = &insert.row;
    let mut fields = Vec::new();
    match &row.answer {
        Answer::Quote(price) => fields.push(("quote", AttributeValue::N(price.to_string()))),
        Answer::Declined(reason) | Answer::Silent(reason) => {
            fields.push((row.answer.kind(), text(reason)));
        }
        Answer::Failed { reason, attempts, attempted_at } => {
            fields.push(("failed", text(reason)));
            fields.extend(attempts.map(|n| ("attempts", AttributeValue::N(n.to_string()))));
            let times: Vec<_> = attempted_at.iter().map(ToString::to_string).collect();
            fields.push(("attempted-at", list(times.iter().map(String::as_str))));
        }
    }
    if let Some(Ride { from, to, customer }) = &insert.ride {
        fields.extend([("from", text(from)), ("to", text(to)), ("customer", text(customer))]);
    }
    fields.extend(row.details.as_ref().map(|all| ("details", details(all))));
    for (name, at) in [
        ("received-at", row.received_at),
        ("answered-at", row.answered_at),
        ("sent-at", row.sent_at),
        ("gathered-at", row.gathered_at),
        ("failed-at", row.failed_at),
    ] {
        fields.extend(at.map(|at| (name, time(at))));
    }
    fields.extend(row.gathered_at.map(|at| ("expires-at", expiry(at, insert.kept))));
    fields
}

/// The write units of a row with these values: one for each KiB or part of it. Strings count their bytes, numbers
/// half their digits, lists three bytes plus one per element. All attribute names together count 128 bytes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(super) fn write_units<'a>(values: impl Iterator<Item = &'a AttributeValue>) -> u64 {
    const NAMES: usize = 128;
    const UNIT: usize = 1_024;
    let bytes = NAMES + values.map(size).sum::<usize>();
    u64::try_from(bytes.div_ceil(UNIT)).unwrap_or(u64::MAX)
}

fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::L(all) => 3 + all.iter().map(|value| 1 + size(value)).sum::<usize>(),
        _ => 0,
    }
}

/// Reads a request row; `None` if a part of the ride is missing. Other malformed attributes count as absent.
pub fn read_request(id: &RfqId, item: &Item) -> Option<RequestRow> {
    let until = read_list(item, "until").unwrap_or_default();
    let expected = read_list(item, "expected");
    Some(RequestRow {
        id: id.clone(),
        ride: Ride {
            from: read_text(item, "from")?,
            to: read_text(item, "to")?,
            customer: read_text(item, "customer")?,
        },
        submitted_at: read_time(item, "submitted-at"),
        deadline: read_time(item, "deadline"),
        expected: expected.map(|all| all.into_iter().map(Responder::stored).collect()),
        not_asked: read_not_asked(item),
        until: until.iter().filter_map(|text| Condition::parse(text).ok()).collect(),
        best_by: read_text(item, "best-by").and_then(|by| by.parse().ok()).unwrap_or_default(),
        details: read_details(item),
        closed_at: read_time(item, "closed-at"),
    })
}

/// Reads an answer row; `None` if it holds no answer, for example if its `quote` is not a price.
pub fn read_answer(item: &Item) -> Option<AnswerRow> {
    let number = |name: &str| item.get(name)?.as_n().ok().cloned();
    let answer = if let Some(price) = number("quote") {
        Answer::Quote(Price::parse(&price).ok()?)
    } else if let Some(reason) = read_text(item, "declined") {
        Answer::Declined(reason)
    } else if let Some(reason) = read_text(item, "failed") {
        let times = read_list(item, "attempted-at").unwrap_or_default();
        Answer::Failed {
            reason,
            attempts: number("attempts").and_then(|n| n.parse().ok()),
            attempted_at: times.iter().filter_map(|time| Timestamp::parse(time)).collect(),
        }
    } else {
        Answer::Silent(read_text(item, "silent")?)
    };
    Some(AnswerRow {
        responder: Responder::stored(read_text(item, "responder")?),
        answer,
        details: read_details(item),
        received_at: read_time(item, "received-at"),
        answered_at: read_time(item, "answered-at"),
        sent_at: read_time(item, "sent-at"),
        gathered_at: read_time(item, "gathered-at"),
        failed_at: read_time(item, "failed-at"),
    })
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn time(time: Timestamp) -> AttributeValue {
    AttributeValue::S(time.to_string())
}

fn details(details: &Details) -> AttributeValue {
    text(details.as_str())
}

/// The bytes of details as a string in the JSON of a request.
pub(super) fn sent_size(details: &Details) -> usize {
    let escaped = details.as_str().bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    details.as_str().len() + escaped
}

fn expiry(from: Timestamp, kept: Duration) -> AttributeValue {
    AttributeValue::N((from.plus(kept).as_millis() / 1_000).to_string())
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::L(texts.map(text).collect())
}

pub(super) fn read_text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// The keys are beside the names, in the same order.
fn read_not_asked(item: &Item) -> Vec<ExcludedProvider> {
    let list = |name: &str| {
        item.get(name).and_then(|list| list.as_l().ok()).map_or(&[][..], Vec::as_slice)
    };
    let text = |value: &AttributeValue| value.as_s().ok().filter(|text| !text.is_empty()).cloned();
    let keys = list("not-asked-keys").iter().map(text).chain(std::iter::repeat(None));
    let one = |(name, key): (&AttributeValue, _)| {
        let name = name.as_s().ok()?;
        Some(ExcludedProvider { responder: Responder::stored(name.clone()), key })
    };
    list("not-asked").iter().zip(keys).filter_map(one).collect()
}

fn read_details(item: &Item) -> Option<Details> {
    Details::parse(item.get("details")?.as_s().ok()?).ok()?
}

/// When the row expires, if it does.
pub fn read_expiry(item: &Item) -> Option<Timestamp> {
    let seconds = item.get("expires-at")?.as_n().ok()?.parse::<i64>().ok()?;
    Timestamp::from_millis(seconds.checked_mul(1_000)?)
}

fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::parse(item.get(name)?.as_s().ok()?)
}

fn read_list(item: &Item, name: &str) -> Option<Vec<String>> {
    let list = item.get(name)?.as_l().ok()?;
    Some(list.iter().filter_map(|value| value.as_s().ok().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_in_a_batch_counts_details_as_they_are_sent() {
        let ride = Ride { from: "A".into(), to: "B".into(), customer: "c".into() };
        let id = RfqId::parse("x").expect("an id");
        let answer = AnswerRow::new(Responder::stored("r"), Answer::Quote(Price::whole(1)));
        let insert = |json: &str| {
            let details = Details::parse(json).expect("JSON");
            let row = AnswerRow { details, ..answer.clone() };
            let ride = Some(ride.clone());
            Insert { id: id.clone(), row, ride, kept: Duration::ZERO }.size()
        };
        let quotes = |count: usize| format!("[{}]", vec!["\"\\\"\""; count].join(","));
        let (none, some, more) = (insert("null"), insert(&quotes(1_000)), insert(&quotes(2_000)));
        // Each of an element's four characters is sent with an escape: eight, and a comma.
        assert_eq!((more - some, some - none), (9_000, 9_001));
    }
}
