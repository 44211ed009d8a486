//! Records a request for quotes, then publishes it. No request is ever lost between the two: a row
//! without its message is published again by submitting the same id.

use std::time::Duration;

use crate::aws::{Aws, Fate, Recorded};
use crate::error::{Error, Result};
use crate::model::text::is_unsafe;
use crate::model::{Condition, Request, RequestRow, Responder, RfqId, Timestamp};

/// The longest text of a request, in characters.
const TEXT_MAX: usize = 256;
/// The shortest and the longest deadline.
const DEADLINES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));

/// A request as a customer makes it, already validated.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The RFQ.
    pub id: RfqId,
    /// Where the ride begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// Who asks.
    pub customer: String,
    /// How long after submission answers are wanted.
    pub deadline: Duration,
    /// What completes the gathering beside `all`.
    pub until: Vec<Condition>,
}

/// A request that is out, or that may be.
#[derive(Debug)]
pub enum Scattered {
    /// The topic has taken it.
    Published(RequestRow),
    /// It had been published before, and every expected provider has a row.
    Answered(RequestRow),
    /// Nobody knows how far it came; whatever was written stays, so that it can be submitted again.
    Unknown(Error),
}

/// A text as the contract wants it: trimmed, 1 to 256 characters, nothing that a terminal would
/// obey. `name` says which, in messages.
///
/// # Errors
/// Invalid, with what is wrong.
pub fn check_text(name: &str, text: &str) -> Result<String> {
    let text = text.trim();
    let problem = match text.chars().count() {
        0 => "is empty",
        n if n > TEXT_MAX => "is longer than 256 characters",
        _ if text.chars().any(is_unsafe) => "holds control characters",
        _ => return Ok(text.to_owned()),
    };
    Err(Error::invalid(format!("`{name}` {problem}; nothing was sent")))
}

/// A deadline as the contract wants it: 10 ms to 24 h.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_deadline(deadline: Duration) -> Result<Duration, String> {
    if (DEADLINES.0..=DEADLINES.1).contains(&deadline) {
        Ok(deadline)
    } else {
        Err("a deadline is 10 ms to 24 h away".to_owned())
    }
}

/// Scatters a request to everybody who is subscribed.
///
/// # Errors
/// Not set up; when nobody is subscribed; when the topic refused it, in which case its row is gone
/// again; invalid when the id is taken by a request of other content.
pub async fn submit(aws: &Aws, submission: Submission) -> Result<Scattered> {
    let topic = aws.topic().await?;
    let expected = topic.providers().await?;
    if expected.is_empty() {
        return Err(Error::other("no provider is subscribed; nothing was written"));
    }
    let submitted = Timestamp::now();
    let row = RequestRow {
        id: submission.id,
        from: submission.from,
        to: submission.to,
        customer: submission.customer,
        submitted_at: Some(submitted),
        deadline: Some(submitted.plus(submission.deadline)),
        expected: Some(expected),
        until: std::iter::once(Condition::All)
            .chain(submission.until.into_iter().filter(|until| *until != Condition::All))
            .collect(),
        closed_at: None,
    };
    let table = aws.table();
    let recorded = match table.record(&row).await {
        Ok(recorded) => recorded,
        Err((error, Fate::Unknown)) => {
            let message = "nobody knows whether the request was written; it was not published";
            return Ok(Scattered::Unknown(Error::other(message).because(error)));
        }
        Err((error, Fate::Refused)) => return Err(error),
    };
    let (row, is_new) = match recorded {
        Recorded::New => (row, true),
        Recorded::Existing(stored) => {
            check_same(&row, &stored)?;
            (*stored, false)
        }
    };
    if !is_new {
        match everybody_has_a_row(aws, &row).await {
            Ok(true) => return Ok(Scattered::Answered(row)),
            Ok(false) => {}
            Err(error) => return Ok(unpublished(error)),
        }
    }
    match topic.publish(&message(&row).encode()).await {
        Ok(()) => Ok(Scattered::Published(row)),
        Err((error, Fate::Unknown)) => Ok(unpublished(error)),
        Err((error, Fate::Refused)) if is_new => match table.forget(&row).await {
            Ok(()) => Err(error),
            Err(second) => Err(Error::other(format!(
                "the topic refused the request, and its row {} could not be removed: {second}",
                row.id
            ))
            .because(error)),
        },
        Err((error, Fate::Refused)) => Err(error),
    }
}

/// The row is there, the message may be.
fn unpublished(error: Error) -> Scattered {
    let message = "nobody knows whether the request is out; its row was kept";
    Scattered::Unknown(Error::other(message).because(error))
}

/// The message of a request row.
fn message(row: &RequestRow) -> Request {
    Request {
        id: row.id.clone(),
        from: row.from.clone(),
        to: row.to.clone(),
        customer: row.customer.clone(),
        submitted_at: row.submitted_at,
        deadline: row.deadline,
    }
}

fn check_same(row: &RequestRow, stored: &RequestRow) -> Result<()> {
    let content = |row: &RequestRow| [row.from.clone(), row.to.clone(), row.customer.clone()];
    if content(row) == content(stored) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "RFQ {} exists with other content: from {:?} to {:?} for {:?}; nothing was sent",
        row.id, stored.from, stored.to, stored.customer
    )))
}

async fn everybody_has_a_row(aws: &Aws, row: &RequestRow) -> Result<bool> {
    let Some(rows) = aws.table().rows(&row.id).await? else { return Ok(false) };
    let expected = row.expected.as_deref().unwrap_or_default();
    let has_row = |who: &Responder| rows.answers.iter().any(|answer| answer.responder == *who);
    Ok(!expected.is_empty() && expected.iter().all(has_row))
}
