//! The request row: written once, found by those who submit the same id, removed by its writer alone,
//! closed.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use uuid::Uuid;

use super::attempt::attempt;
use super::row::{read_request, request_key, text, time, write_request, write_units};
use super::table::{DUPLICATE, Table};
use crate::consumer::{Effect, Entries};
use crate::core::{RequestRow, RfqId, Timestamp};
use crate::error::{Error, Result};

/// A request row on its way into the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInsert {
    /// The row.
    pub row: RequestRow,
    /// The submission that writes it. The row carries this mark until another submission of the same
    /// id finds it; only a row with its own mark may be removed (contract, section 4).
    pub submission: Uuid,
}

/// Whether a request row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was.
    New,
    /// Its id has a row already; an attempt of ours whose confirmation was lost may have written it.
    Taken,
}

/// Whose row stands under an id that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// It carries the mark of the submission that asks.
    Own,
    /// Another submission has written it; it has no mark any more and stays.
    Other(Box<RequestRow>),
    /// Its writer has removed it.
    Gone,
}

/// What became of a row that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// It is not there.
    Removed,
    /// It stays, because another submission has found it.
    Kept,
}

impl Table {
    /// The request row alone, read consistently.
    ///
    /// # Errors
    /// Not set up when there is no table.
    pub async fn request(&self, id: &RfqId) -> Result<Option<RequestRow>> {
        let found = self
            .aws
            .clients
            .dynamodb
            .get_item()
            .table_name(&self.name)
            .consistent_read(true)
            .set_key(Some(request_key(id)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| self.aws.error("reading the request row", &error))?;
        self.aws.meter.read(found.consumed_capacity());
        Ok(found.item().and_then(|item| read_request(id, item)))
    }

    /// Writes the request row if the id is new.
    ///
    /// # Errors
    /// Not set up when there is no table; whether the row may have been written.
    pub async fn record(&self, insert: &RequestInsert) -> Result<Recorded, (Error, Effect)> {
        let put = || {
            let call = self.aws.clients.dynamodb.put_item().table_name(&self.name);
            let call = call.set_item(Some(write_request(&insert.row, insert.submission)));
            let call = call.condition_expression("attribute_not_exists(id)");
            let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
            call.customize().config_override(once).send()
        };
        match attempt(put).await {
            Ok(_) => {
                let item = write_request(&insert.row, insert.submission);
                self.aws.meter.wrote(write_units(item.values()));
                Ok(Recorded::New)
            }
            Err((error, _)) if is_unmet(&error) => Ok(Recorded::Taken),
            Err((error, effect)) => {
                Err((self.aws.error("writing the request row", &error), effect))
            }
        }
    }

    /// Writes up to 25 request rows whose ids are new. One result per row, in order.
    ///
    /// # Errors
    /// Any error of the request as a whole but a refusal of some statement.
    pub async fn record_all(&self, inserts: &[RequestInsert]) -> Result<Entries<Recorded>> {
        let insertion = |at: usize| {
            let RequestInsert { row, submission } = &inserts[at];
            self.insertion(write_request(row, *submission))
        };
        let inserted = self.execute(inserts.len(), insertion).await?;
        let inserted = inserted.into_iter().map(|result| match result {
            Ok(()) => Ok(Recorded::New),
            Err(refusal) if refusal.code == DUPLICATE => Ok(Recorded::Taken),
            Err(refusal) => Err(refusal),
        });
        Ok(inserted.collect())
    }

    /// Takes the mark off a row that another submission has written, so that its writer cannot remove
    /// it any more, and says whose row it is. Safe to repeat.
    ///
    /// # Errors
    /// Not set up when there is no table; an item under the id that is no request row.
    pub async fn adopt(&self, insert: &RequestInsert) -> Result<Adopted> {
        let id = &insert.row.id;
        let update = self.aws.clients.dynamodb.update_item().table_name(&self.name);
        let update = update
            .set_key(Some(request_key(id)))
            .update_expression("REMOVE submission")
            .condition_expression(
                "attribute_exists(id) AND (attribute_not_exists(submission) OR submission <> :own)",
            )
            .expression_attribute_values(":own", text(&insert.submission.to_string()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(AllOld);
        match update.send().await {
            Ok(updated) => {
                let item = updated.attributes().cloned().unwrap_or_default();
                self.aws.meter.wrote(write_units(item.values()));
                match read_request(id, &item) {
                    Some(row) => Ok(Adopted::Other(Box::new(row))),
                    None => Err(Error::other(format!("the row of RFQ {id} is no request"))),
                }
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(unmet)) => {
                    self.aws.meter.wrote(1);
                    Ok(unmet.item().map_or(Adopted::Gone, |_| Adopted::Own))
                }
                _ => Err(self.aws.error("reading the request row", &error)),
            },
        }
    }

    /// Removes the request row of a submission that was never published, unless another submission has
    /// found it. Safe to repeat.
    ///
    /// # Errors
    /// Any error of the request; the row may still be there.
    pub async fn forget(&self, insert: &RequestInsert) -> Result<Forgotten> {
        let delete = self.aws.clients.dynamodb.delete_item().table_name(&self.name);
        let delete = delete
            .set_key(Some(request_key(&insert.row.id)))
            .condition_expression("submission = :own")
            .expression_attribute_values(":own", text(&insert.submission.to_string()))
            .return_values_on_condition_check_failure(AllOld);
        match delete.send().await {
            Ok(_) => Ok(Forgotten::Removed),
            Err(error) => match error.as_service_error() {
                // An attempt whose confirmation was lost has removed it, where there is no row or
                // one that another submission has written since.
                Some(DeleteItemError::ConditionalCheckFailedException(unmet)) => {
                    let unmarked =
                        unmet.item().is_some_and(|item| !item.contains_key("submission"));
                    Ok(if unmarked { Forgotten::Kept } else { Forgotten::Removed })
                }
                _ => Err(self.aws.error("removing the request row", &error)),
            },
        }
    }

    /// Sets `closed-at` in the request row, unless it is closed already or its deadline comes before
    /// that time: whether it was set shows when the row is read. One attempt, no retry: the time would
    /// be stale.
    ///
    /// # Errors
    /// Not set up when there is no table; one that may pass leaves open whether it was set.
    pub async fn close(&self, id: &RfqId, at: Timestamp) -> Result<()> {
        let update = self
            .aws
            .clients
            .dynamodb
            .update_item()
            .table_name(&self.name)
            .set_key(Some(request_key(id)))
            .update_expression("SET #closed = :at")
            .condition_expression(
                "attribute_exists(id) AND attribute_not_exists(#closed) \
                 AND (attribute_not_exists(deadline) OR deadline >= :at)",
            )
            .expression_attribute_names("#closed", "closed-at")
            .expression_attribute_values(":at", time(at));
        let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
        match update.customize().config_override(once).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_unmet(&error) => Ok(()),
            Err(error) => Err(self.aws.error("closing the RFQ", &error)),
        }
    }
}

/// Whether a write was refused because its condition does not hold.
fn is_unmet<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}
