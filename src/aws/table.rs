//! The DynamoDB table: request rows, answer rows, and the rank rule between them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest,
    ReturnValue,
};

use super::Aws;
use super::error::{is_fatal, refusal};
use crate::error::{Error, Result};
use crate::model::{
    Answer, AnswerRow, Condition, Price, RequestRow, Responder, RfqId, Rows, Timestamp,
};
use crate::queue::{Entries, Refusal};

/// Statements that a `BatchExecuteStatement` holds.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>
pub const MAX_STATEMENTS: usize = 25;
/// How long rows are kept: the request row after its deadline, the others after gathering.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// The `responder` of the request row.
const REQUEST_KEY: &str = "-";

type Item = HashMap<String, AttributeValue>;

/// The stack's table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    aws: Aws,
    name: String,
}

/// An answer on its way into the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The RFQ that it answers.
    pub id: RfqId,
    /// The answer.
    pub row: AnswerRow,
    /// `from`, `to` and `customer`, which every row but a quote carries.
    pub texts: Option<[String; 3]>,
}

impl Insert {
    /// How many bytes it takes in a batch, roughly: its texts, and something for the rest.
    pub fn size(&self) -> usize {
        const REST: usize = 512;
        let reason = self.row.answer.reason().map_or(0, str::len);
        let texts: usize = self.texts.iter().flatten().map(String::len).sum();
        REST + reason + texts
    }
}

/// Whether a request row was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It was.
    New,
    /// Its id was there already, with this row.
    Existing(Box<RequestRow>),
}

/// What became of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is the first answer of this provider.
    New,
    /// It replaced an answer of a lower rank.
    Replaced,
    /// An answer of the same or a higher rank is there already.
    Duplicate,
}

impl Aws {
    /// The stack's table. No request is made.
    pub fn table(&self) -> Table {
        Table { aws: self.clone(), name: self.names.table() }
    }
}

impl Table {
    /// All rows of an RFQ, read consistently; `None` without a request row.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn rows(&self, id: &RfqId) -> Result<Option<Rows>> {
        let mut pages = self
            .aws
            .dynamodb
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("id = :id")
            .expression_attribute_values(":id", text(id.as_str()))
            .into_paginator()
            .items()
            .send();
        let (mut request, mut answers) = (None, Vec::new());
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| self.aws.error("reading the table", &error))?;
            if read_text(&item, "responder").as_deref() == Some(REQUEST_KEY) {
                request = read_request(id, &item);
            } else {
                answers.extend(read_answer(&item));
            }
        }
        Ok(request.map(|request| Rows { request, answers }))
    }

    /// The request row alone, read consistently.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn request(&self, id: &RfqId) -> Result<Option<RequestRow>> {
        let found = self
            .aws
            .dynamodb
            .get_item()
            .table_name(&self.name)
            .consistent_read(true)
            .set_key(Some(request_key(id)))
            .send()
            .await
            .map_err(|error| self.aws.error("reading the request row", &error))?;
        Ok(found.item().and_then(|item| read_request(id, item)))
    }

    /// Writes the request row if the id is new.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn record(&self, row: &RequestRow) -> Result<Recorded> {
        let written = self
            .aws
            .dynamodb
            .put_item()
            .table_name(&self.name)
            .set_item(Some(write_request(row)))
            .condition_expression("attribute_not_exists(id)")
            .send()
            .await;
        match written {
            Ok(_) => Ok(Recorded::New),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                let existing = self.request(&row.id).await?;
                existing.map(Box::new).map(Recorded::Existing).ok_or_else(|| {
                    Error::other(format!("the request row of {} went away; try again", row.id))
                })
            }
            Err(error) => Err(self.aws.error("writing the request row", &error)),
        }
    }

    /// Removes the request row of an RFQ that was never published.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn forget(&self, row: &RequestRow) -> Result<()> {
        self.aws
            .dynamodb
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(request_key(&row.id)))
            .return_values(ReturnValue::None)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.aws.error("removing the request row", &error))
    }

    /// Inserts up to 25 answers by the rank rule; no two may have the same key. One result per
    /// answer, in order.
    ///
    /// # Errors
    /// Any error of the request as a whole but a refusal of some statement.
    pub async fn insert(&self, answers: &[Insert]) -> Result<Entries<Inserted>> {
        let statements = answers.iter().map(|answer| self.insertion(answer)).collect();
        let inserted = self.execute(statements).await?;
        let mut results: Vec<_> =
            inserted.into_iter().map(|result| result.map(|()| Inserted::New)).collect();
        // Ranks only rise: a row that was silent may have failed by the second look, never the
        // other way round.
        for replaced in [Lower::Silent, Lower::Failed] {
            let open: Vec<usize> = results
                .iter()
                .zip(answers)
                .enumerate()
                .filter(|(_, (result, answer))| {
                    is_duplicate(result) && replaced.rank() < answer.row.answer.rank()
                })
                .map(|(position, _)| position)
                .collect();
            if open.is_empty() {
                continue;
            }
            let updates = open.iter().map(|at| self.replacement(&answers[*at], replaced)).collect();
            for (position, result) in open.into_iter().zip(self.execute(updates).await?) {
                results[position] = match result {
                    Ok(()) => Ok(Inserted::Replaced),
                    // Something else is there: the next kind, or an answer that stays.
                    Err(refusal) if refusal.code == "ConditionalCheckFailed" => duplicate(),
                    Err(refusal) => Err(refusal),
                };
            }
        }
        let settled = results
            .into_iter()
            .map(|result| if is_duplicate(&result) { Ok(Inserted::Duplicate) } else { result });
        Ok(settled.collect())
    }

    fn insertion(&self, answer: &Insert) -> BatchStatementRequest {
        let mut names = vec!["id", "responder"];
        let mut values = vec![text(answer.id.as_str()), text(answer.row.responder.as_str())];
        for (name, value) in write_answer(answer) {
            names.push(name);
            values.push(value);
        }
        let fields: Vec<_> = names.iter().map(|name| format!("'{name}': ?")).collect();
        statement(format!("INSERT INTO \"{}\" VALUE {{{}}}", self.name, fields.join(", ")), values)
    }

    /// The update that puts an answer in the place of one of a lower rank.
    fn replacement(&self, answer: &Insert, replaced: Lower) -> BatchStatementRequest {
        let mut names = Vec::new();
        let mut values = Vec::new();
        for (name, value) in write_answer(answer) {
            // The failure that is there came first.
            if replaced == Lower::Failed && name == "failed-at" {
                continue;
            }
            names.push(name);
            values.push(value);
        }
        let mut update = format!("UPDATE \"{}\"", self.name);
        if replaced == Lower::Failed {
            update.push_str(" SET \"failed-at\"=\"sent-at\"");
        }
        for name in &names {
            _ = write!(update, " SET \"{name}\"=?");
        }
        let old = ["failed", "silent", "attempts", "attempted-at", "from", "to", "customer"];
        for name in old.iter().filter(|name| !names.contains(name)) {
            _ = write!(update, " REMOVE \"{name}\"");
        }
        _ = write!(
            update,
            " WHERE \"id\"=? AND \"responder\"=? AND \"quote\" IS MISSING \
             AND \"declined\" IS MISSING AND \"{}\" IS NOT MISSING",
            replaced.word()
        );
        values.push(text(answer.id.as_str()));
        values.push(text(answer.row.responder.as_str()));
        statement(update, values)
    }

    /// Executes statements in one call; one by one where one of them fails the call as a whole.
    async fn execute(&self, statements: Vec<BatchStatementRequest>) -> Result<Entries> {
        match self.execute_batch(statements.clone()).await {
            Ok(results) => Ok(results),
            Err(Whole::Invalid(refusal)) if statements.len() == 1 => Ok(vec![Err(refusal)]),
            Err(Whole::Invalid(_)) => {
                let mut results = Vec::with_capacity(statements.len());
                for statement in statements {
                    match self.execute_batch(vec![statement]).await {
                        Ok(mut result) => results.append(&mut result),
                        Err(Whole::Invalid(refusal)) => results.push(Err(refusal)),
                        Err(Whole::Failed(error)) => return Err(error),
                    }
                }
                Ok(results)
            }
            Err(Whole::Failed(error)) => Err(error),
        }
    }

    async fn execute_batch(
        &self,
        statements: Vec<BatchStatementRequest>,
    ) -> Result<Entries, Whole> {
        let count = statements.len();
        let call = self.aws.dynamodb.batch_execute_statement().set_statements(Some(statements));
        let executed = call.send().await.map_err(|error| match &error {
            SdkError::ServiceError(_) if error.code() == Some("ValidationException") => {
                Whole::Invalid(refusal(error.code(), error.message()))
            }
            _ => Whole::Failed(self.aws.error("writing answers", &error)),
        })?;
        let refused = |error: &BatchStatementError| {
            refusal(error.code().map(BatchStatementErrorCodeEnum::as_str), error.message())
        };
        let mut results: Vec<_> = executed
            .responses()
            .iter()
            .map(|response| response.error().map_or(Ok(()), |error| Err(refused(error))))
            .collect();
        if let Some(Err(refusal)) =
            results.iter().find(|result| result.as_ref().is_err_and(|r| is_fatal(&r.code)))
        {
            return Err(Whole::Failed(self.fatal(refusal)));
        }
        let unmentioned = refusal(None, Some("the answer does not mention this statement"));
        results.resize(count, Err(unmentioned));
        Ok(results)
    }

    /// The error of a statement that no other statement would be spared.
    fn fatal(&self, refusal: &Refusal) -> Error {
        if refusal.code == "AccessDenied" {
            Error::other("writing answers failed").because(refusal.to_string()).fatal()
        } else {
            self.aws.not_set_up()
        }
    }
}

/// Why a call failed as a whole.
enum Whole {
    /// One of its statements is not valid.
    Invalid(Refusal),
    /// Anything else.
    Failed(Error),
}

/// The kinds that a better answer replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lower {
    Failed,
    Silent,
}

impl Lower {
    fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Silent => "silent",
        }
    }

    /// As [`Answer::rank`] counts.
    fn rank(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Silent => 0,
        }
    }
}

fn is_duplicate(result: &Result<Inserted, Refusal>) -> bool {
    result.as_ref().is_err_and(|refusal| refusal.code == "DuplicateItem")
}

fn duplicate() -> Result<Inserted, Refusal> {
    Err(refusal(Some("DuplicateItem"), None))
}

fn statement(statement: String, values: Vec<AttributeValue>) -> BatchStatementRequest {
    BatchStatementRequest::builder()
        .statement(statement)
        .set_parameters(Some(values))
        .build()
        .expect("the statement is set")
}

fn request_key(id: &RfqId) -> Item {
    HashMap::from([
        ("id".to_owned(), text(id.as_str())),
        ("responder".to_owned(), text(REQUEST_KEY)),
    ])
}

fn write_request(row: &RequestRow) -> Item {
    let mut item = request_key(&row.id);
    let mut set = |name: &str, value: Option<AttributeValue>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    set("from", Some(text(&row.from)));
    set("to", Some(text(&row.to)));
    set("customer", Some(text(&row.customer)));
    set("submitted-at", row.submitted_at.map(time));
    set("deadline", row.deadline.map(time));
    let names = |all: &Vec<Responder>| list(all.iter().map(Responder::as_str));
    set("expected", row.expected.as_ref().map(names));
    let conditions: Vec<_> = row.until.iter().map(ToString::to_string).collect();
    set("until", Some(list(conditions.iter().map(String::as_str))));
    set("closed-at", row.closed_at.map(time));
    set("expires-at", row.deadline.or(row.submitted_at).map(expiry));
    item
}

/// Everything but the key.
fn write_answer(insert: &Insert) -> Vec<(&'static str, AttributeValue)> {
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
    if let Some(texts) = &insert.texts {
        fields.extend(["from", "to", "customer"].into_iter().zip(texts.iter().map(|t| text(t))));
    }
    for (name, at) in [
        ("received-at", row.received_at),
        ("answered-at", row.answered_at),
        ("sent-at", row.sent_at),
        ("gathered-at", row.gathered_at),
        ("failed-at", row.failed_at),
    ] {
        fields.extend(at.map(|at| (name, time(at))));
    }
    fields.extend(row.gathered_at.map(|at| ("expires-at", expiry(at))));
    fields
}

fn read_request(id: &RfqId, item: &Item) -> Option<RequestRow> {
    let until = read_list(item, "until").unwrap_or_default();
    let expected = read_list(item, "expected");
    Some(RequestRow {
        id: id.clone(),
        from: read_text(item, "from")?,
        to: read_text(item, "to")?,
        customer: read_text(item, "customer")?,
        submitted_at: read_time(item, "submitted-at"),
        deadline: read_time(item, "deadline"),
        expected: expected.map(|all| all.into_iter().map(Responder::stored).collect()),
        until: until.iter().filter_map(|text| Condition::parse(text).ok()).collect(),
        closed_at: read_time(item, "closed-at"),
    })
}

/// An answer as the table holds it; `None` for a row that is none, such as one with a `quote` that
/// is not a price.
fn read_answer(item: &Item) -> Option<AnswerRow> {
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
        received_at: read_time(item, "received-at"),
        answered_at: read_time(item, "answered-at"),
        sent_at: read_time(item, "sent-at"),
        gathered_at: read_time(item, "gathered-at"),
        failed_at: read_time(item, "failed-at"),
    })
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn time(time: Timestamp) -> AttributeValue {
    AttributeValue::S(time.to_string())
}

fn expiry(from: Timestamp) -> AttributeValue {
    AttributeValue::N((from.plus(KEPT).as_millis() / 1_000).to_string())
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::L(texts.map(text).collect())
}

fn read_text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::parse(item.get(name)?.as_s().ok()?)
}

fn read_list(item: &Item, name: &str) -> Option<Vec<String>> {
    let list = item.get(name)?.as_l().ok()?;
    Some(list.iter().filter_map(|value| value.as_s().ok().cloned()).collect())
}
