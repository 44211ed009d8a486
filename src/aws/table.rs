//! The DynamoDB table: all rows of an RFQ, its answers, and the rank rule between them.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest,
    ReturnConsumedCapacity,
};
use futures_util::FutureExt as _;

use super::Aws;
use super::error::{is_fatal, refusal};
use super::row::{
    Insert, Item, REQUEST_KEY, read_answer, read_request, read_text, text, write_answer,
    write_units,
};
use crate::consumer::{Entries, Outcome, Refusal};
use crate::core::{AnswerRow, RfqId, Rows};
use crate::error::{Error, Permanence, Result};

/// Statements that a `BatchExecuteStatement` holds.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>
pub const MAX_STATEMENTS: usize = 25;
/// Bytes of the statements of one call, as `rydes` fills it. DynamoDB accepts requests of up to 16 MB.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const MAX_STATEMENTS_BYTES: usize = 4_000_000;
/// Capacity for the text and the values of an insertion, so that neither has to grow.
const INSERTION: usize = 256;
const ATTRIBUTES: usize = 12;
/// The code of a statement whose key is taken.
pub(super) const DUPLICATE: &str = "DuplicateItem";

/// The stack's table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) aws: Aws,
    pub(super) name: String,
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
            .clients
            .dynamodb
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("id = :id")
            .expression_attribute_values(":id", text(id.as_str()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .into_paginator()
            .send();
        let (mut request, mut answers) = (None, Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.aws.error("reading the table", &error))?;
            self.aws.meter.read(page.consumed_capacity());
            for item in page.items() {
                if read_text(item, "responder").as_deref() == Some(REQUEST_KEY) {
                    request = read_request(id, item);
                } else {
                    answers.extend(read_answer(item));
                }
            }
        }
        Ok(request.map(|request| Rows { request, answers }))
    }

    /// How many answers each RFQ has. Reads the whole table.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn answers(&self) -> Result<HashMap<RfqId, u64>> {
        let mut answers = HashMap::new();
        self.scan(Some("id, responder"), &mut |id, _| *answers.entry(id).or_default() += 1).await?;
        Ok(answers)
    }

    /// Passes every answer to `take`. Reads the whole table.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn each_answer(&self, take: &mut dyn FnMut(RfqId, AnswerRow)) -> Result<()> {
        let read = &mut |id, item: &Item| {
            if let Some(row) = read_answer(item) {
                take(id, row);
            }
        };
        self.scan(None, read).await
    }

    /// Passes each answer row to `each`, with the `wanted` attributes or all.
    async fn scan(&self, wanted: Option<&str>, each: &mut dyn FnMut(RfqId, &Item)) -> Result<()> {
        let scan = self.aws.clients.dynamodb.scan().table_name(&self.name).consistent_read(true);
        let scan = scan.set_projection_expression(wanted.map(str::to_owned));
        let mut items = scan.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| self.aws.error("reading all rows", &error))?;
            let (id, responder) = (read_text(&item, "id"), read_text(&item, "responder"));
            if let Some(id) = id.and_then(|id| RfqId::parse(&id).ok())
                && responder.is_some_and(|responder| responder != REQUEST_KEY)
            {
                each(id, &item);
            }
        }
        Ok(())
    }

    /// Inserts up to 25 answers by the rank rule; no two may have the same key. One result per answer, in order.
    ///
    /// # Errors
    /// Any error of the whole request; a refused statement has a result of its own.
    pub async fn insert(&self, answers: &[Insert]) -> Result<Entries<Inserted>> {
        let insertion = |at: usize| {
            let answer = &answers[at];
            self.insertion(answer_key(answer).chain(write_answer(answer)))
        };
        let inserted = self.execute(answers.len(), insertion).await?;
        let mut results: Vec<_> =
            inserted.into_iter().map(|result| result.map(|()| Inserted::New)).collect();
        // Ranks only rise: between the two updates a silent row may become a failed one, never the reverse.
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
            let update = |at: usize| self.replacement(&answers[open[at]], replaced);
            let updated = self.execute(open.len(), update).await?;
            for (position, result) in open.into_iter().zip(updated) {
                results[position] = match result {
                    Ok(()) => Ok(Inserted::Replaced),
                    // The row holds the other kind, or an answer that stays.
                    Err(refusal) if refusal.code == "ConditionalCheckFailed" => duplicate(),
                    Err(refusal)
                        if replaced == Lower::Failed
                            && refusal.permanence == Permanence::Permanent =>
                    {
                        self.replace_untimed(&answers[position], refusal).await?
                    }
                    Err(refusal) => Err(refusal),
                };
            }
        }
        let settled = results
            .into_iter()
            .map(|result| if is_duplicate(&result) { Ok(Inserted::Duplicate) } else { result });
        Ok(settled.collect())
    }

    /// Replaces a failure without a time, which another program wrote. `refusal` is the usual update's result.
    async fn replace_untimed(
        &self,
        answer: &Insert,
        refusal: Refusal,
    ) -> Result<Outcome<Inserted>> {
        let update = |_| self.replacement(answer, Lower::UntimedFailure);
        Ok(match self.execute(1, update).await?.pop() {
            Some(Ok(())) => Ok(Inserted::Replaced),
            _ => Err(refusal),
        })
    }

    pub(super) fn insertion<N: AsRef<str>>(
        &self,
        fields: impl IntoIterator<Item = (N, AttributeValue)>,
    ) -> BatchStatementRequest {
        let mut insert = String::with_capacity(INSERTION);
        insert.extend(["INSERT INTO \"", &self.name, "\" VALUE {"]);
        let mut values = Vec::with_capacity(ATTRIBUTES);
        for (name, value) in fields {
            let comma = if values.is_empty() { "" } else { ", " };
            insert.extend([comma, "'", name.as_ref(), "': ?"]);
            values.push(value);
        }
        insert.push('}');
        statement(insert, values)
    }

    /// The update that replaces an answer of a lower rank.
    fn replacement(&self, answer: &Insert, replaced: Lower) -> BatchStatementRequest {
        let mut names = Vec::new();
        let mut values = Vec::new();
        for (name, value) in write_answer(answer) {
            // The failure in the row came first: its `sent-at` becomes `failed-at`.
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
        let old =
            ["failed", "silent", "attempts", "attempted-at", "from", "to", "customer", "details"];
        for name in old.iter().filter(|name| !names.contains(name)) {
            _ = write!(update, " REMOVE \"{name}\"");
        }
        _ = write!(
            update,
            " WHERE \"id\"=? AND \"responder\"=? AND \"quote\" IS MISSING \
             AND \"declined\" IS MISSING AND \"{}\" IS NOT MISSING",
            replaced.word()
        );
        if replaced == Lower::UntimedFailure {
            update.push_str(" AND \"sent-at\" IS MISSING");
        }
        values.push(text(answer.id.as_str()));
        values.push(text(answer.row.responder.as_str()));
        statement(update, values)
    }

    /// Executes `count` statements in one call, or each alone if an invalid one fails the whole call.
    pub(super) async fn execute(
        &self,
        count: usize,
        statement: impl Fn(usize) -> BatchStatementRequest,
    ) -> Result<Entries> {
        match self.execute_batch((0..count).map(&statement).collect()).await {
            Ok(results) => Ok(results),
            Err(CallFailure::Invalid(refusal)) if count == 1 => Ok(vec![Err(refusal)]),
            Err(CallFailure::Invalid(_)) => {
                let mut results = Vec::with_capacity(count);
                for position in 0..count {
                    match self.execute_batch(vec![statement(position)]).await {
                        Ok(mut result) => results.append(&mut result),
                        Err(CallFailure::Invalid(refusal)) => results.push(Err(refusal)),
                        Err(CallFailure::Failed(error)) => return Err(error),
                    }
                }
                Ok(results)
            }
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }

    async fn execute_batch(
        &self,
        statements: Vec<BatchStatementRequest>,
    ) -> Result<Entries, CallFailure> {
        let count = statements.len();
        let units = statements.iter().map(units).sum();
        let call =
            self.aws.clients.dynamodb.batch_execute_statement().set_statements(Some(statements));
        let executed = call.send().boxed().await.map_err(|error| match &error {
            SdkError::ServiceError(_) if error.code() == Some("ValidationException") => {
                CallFailure::Invalid(refusal(error.code(), error.message()))
            }
            _ => CallFailure::Failed(self.aws.error("writing rows", &error)),
        })?;
        self.aws.meter.wrote(units);
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
            return Err(CallFailure::Failed(self.fatal(refusal)));
        }
        let unmentioned = refusal(None, Some("the answer does not mention this statement"));
        results.resize(count, Err(unmentioned));
        Ok(results)
    }

    /// The error for a refusal that every other statement would meet too.
    fn fatal(&self, refusal: &Refusal) -> Error {
        if refusal.code == "AccessDenied" {
            Error::other("writing rows failed").because(refusal.to_string()).fatal()
        } else {
            self.aws.not_set_up()
        }
    }
}

enum CallFailure {
    /// One of its statements is not valid.
    Invalid(Refusal),
    Failed(Error),
}

/// The kinds that a better answer replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lower {
    Failed,
    UntimedFailure,
    Silent,
}

impl Lower {
    fn word(self) -> &'static str {
        match self {
            Self::Failed | Self::UntimedFailure => "failed",
            Self::Silent => "silent",
        }
    }

    /// As [`Answer::rank`] counts.
    fn rank(self) -> u8 {
        match self {
            Self::Failed | Self::UntimedFailure => 1,
            Self::Silent => 0,
        }
    }
}

fn answer_key(answer: &Insert) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let key = [("id", answer.id.as_str()), ("responder", answer.row.responder.as_str())];
    key.into_iter().map(|(name, value)| (name, text(value)))
}

fn is_duplicate(result: &Result<Inserted, Refusal>) -> bool {
    result.as_ref().is_err_and(|refusal| refusal.code == DUPLICATE)
}

fn duplicate() -> Result<Inserted, Refusal> {
    Err(refusal(Some(DUPLICATE), None))
}

/// AWS bills a statement whether its condition is met or not.
fn units(statement: &BatchStatementRequest) -> u64 {
    write_units(statement.parameters().iter())
}

fn statement(statement: String, values: Vec<AttributeValue>) -> BatchStatementRequest {
    BatchStatementRequest::builder()
        .statement(statement)
        .set_parameters(Some(values))
        .build()
        .expect("the statement is set")
}
