//! The request row: written once, adopted by other submissions of its id, closed, removed by its writer alone.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};

use super::attempt::attempt;
use super::row::{
    RequestInsert, read_request, request_key, text, time, write_request, write_units,
};
use super::table::{DUPLICATE, Table};
use crate::consumer::{Effect, Entries};
use crate::core::{RequestRow, RfqId, Timestamp};
use crate::error::{Error, Result};

/// Whether a request row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The row was written.
    New,
    /// The id has a row already, perhaps from an attempt of ours whose confirmation was lost.
    Taken,
}

/// Whose row a taken id has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// The row carries the mark of the submission that asks.
    Own,
    /// Another submission wrote the row; it has no mark any more and stays.
    Other(Box<RequestRow>),
    /// There is no row any more: its writer removed it.
    Gone,
}

/// The result of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// The row is not there any more.
    Removed,
    /// The row stays, because another submission has adopted it.
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
    /// Not set up when there is no table. The [`Effect`] says whether the row may have been written.
    pub async fn record(&self, insert: &RequestInsert) -> Result<Recorded, (Error, Effect)> {
        let put = || {
            let call = self.aws.clients.dynamodb.put_item().table_name(&self.name);
            let call = call.set_item(Some(write_request(insert)));
            let call = call.condition_expression("attribute_not_exists(id)");
            let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
            call.customize().config_override(once).send()
        };
        match attempt(put).await {
            Ok(_) => {
                let item = write_request(insert);
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
    /// Any error of the whole request; a refused statement has a result of its own.
    pub async fn record_all(&self, inserts: &[RequestInsert]) -> Result<Entries<Recorded>> {
        let insertion = |at: usize| self.insertion(write_request(&inserts[at]));
        let inserted = self.execute(inserts.len(), insertion).await?;
        let inserted = inserted.into_iter().map(|result| match result {
            Ok(()) => Ok(Recorded::New),
            Err(refusal) if refusal.code == DUPLICATE => Ok(Recorded::Taken),
            Err(refusal) => Err(refusal),
        });
        Ok(inserted.collect())
    }

    /// Removes the mark of another submission from the row, so that its writer can no longer remove the row.
    /// Returns whose row it is. Safe to repeat.
    ///
    /// # Errors
    /// Not set up when there is no table; other if the id's item is no request row.
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
                    None => Err(Error::other(format!("the row of RFQ {id} is not a request row"))),
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

    /// Removes the row of a submission that was never published, unless another has adopted it. Safe to repeat.
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
                // Without a row, or with a row that another submission has written since, an earlier attempt
                // removed ours and its confirmation was lost.
                Some(DeleteItemError::ConditionalCheckFailedException(unmet)) => {
                    let unmarked =
                        unmet.item().is_some_and(|item| !item.contains_key("submission"));
                    Ok(if unmarked { Forgotten::Kept } else { Forgotten::Removed })
                }
                _ => Err(self.aws.error("removing the request row", &error)),
            },
        }
    }

    /// Sets `closed-at`, unless the RFQ is closed already or its deadline is before `at`. The result does not show
    /// whether it was set: read the row. There is one attempt, since the time of a retry would be stale.
    ///
    /// # Errors
    /// Not set up when there is no table. After a transient error, `closed-at` may or may not be set.
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

fn is_unmet<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}
