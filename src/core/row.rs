//! The rows of the table, without attributes that are never read.

use super::{
    Answer, BestBy, Condition, Details, Price, Request, Responder, RfqId, Ride, Timestamp,
};

/// The request row. Rows of the original have only the id and the ride.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The RFQ's id.
    pub id: RfqId,
    /// What was asked for.
    pub ride: Ride,
    /// When it was submitted, by the submitter's clock.
    pub submitted_at: Option<Timestamp>,
    /// Answers after this are late.
    pub deadline: Option<Timestamp>,
    /// The providers that are expected to answer: each that was asked, or may have been. `None` if not recorded.
    pub expected: Option<Vec<Responder>>,
    /// The subscribed providers that were not asked, because of their filters.
    pub not_asked: Vec<ExcludedProvider>,
    /// The conditions asked for.
    pub until: Vec<Condition>,
    /// What orders its quotes.
    pub best_by: BestBy,
    /// The details that providers got with the request.
    pub details: Option<Details>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// A subscribed provider whose filter excluded the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludedProvider {
    /// The name that it would have answered under.
    pub responder: Responder,
    /// The key of its filter policy that did not match, if recorded.
    pub key: Option<String>,
}

impl RequestRow {
    /// A row as the original writes it: the id and the ride.
    pub fn new(id: RfqId, ride: Ride) -> Self {
        Self {
            id,
            ride,
            submitted_at: None,
            deadline: None,
            expected: None,
            not_asked: Vec::new(),
            until: Vec::new(),
            best_by: BestBy::Price,
            details: None,
            closed_at: None,
        }
    }

    /// The request as it is published: JSON, ASCII only.
    pub fn message(&self) -> String {
        let request = Request {
            id: self.id.clone(),
            ride: self.ride.clone(),
            submitted_at: self.submitted_at,
            deadline: self.deadline,
        };
        request.encode(self.details.as_ref())
    }
}

/// The row of one answer (or receipt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRow {
    /// Who answered.
    pub responder: Responder,
    /// What the answer is.
    pub answer: Answer,
    /// The details that came with it.
    pub details: Option<Details>,
    /// When the provider received the request, by its own clock.
    pub received_at: Option<Timestamp>,
    /// When the provider answered, by its own clock.
    pub answered_at: Option<Timestamp>,
    /// When the response queue took the reply. This time decides whether it is late.
    pub sent_at: Option<Timestamp>,
    /// When the consumer wrote the row.
    pub gathered_at: Option<Timestamp>,
    /// The `sent_at` of a failure that a better answer has replaced.
    pub failed_at: Option<Timestamp>,
}

impl AnswerRow {
    /// A row without times and details.
    pub fn new(responder: Responder, answer: Answer) -> Self {
        Self {
            responder,
            answer,
            details: None,
            received_at: None,
            answered_at: None,
            sent_at: None,
            gathered_at: None,
            failed_at: None,
        }
    }

    /// The time that decides whether it is late: the queue's, else the provider's. The original's rows have none.
    pub fn time(&self) -> Option<Timestamp> {
        self.sent_at.or(self.answered_at)
    }

    /// The price, if it is a quote.
    pub fn quote(&self) -> Option<&Price> {
        match &self.answer {
            Answer::Quote(price) => Some(price),
            Answer::Declined(_) | Answer::Failed { .. } | Answer::Silent(_) => None,
        }
    }
}

/// All rows of one RFQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The request row.
    pub request: RequestRow,
    /// One row per responder.
    pub answers: Vec<AnswerRow>,
}
