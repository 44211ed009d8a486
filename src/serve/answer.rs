//! JSON responses: the result, or the problem.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::core::RfqId;
use crate::core::text::compact_json;
use crate::error::{Error, Kind};

/// `Retry-After` in seconds when the server is at a limit.
const SOON: u32 = 1;
/// `Retry-After` in seconds when the backend fails.
const LATER: u32 = 5;

pub(super) fn json_answer(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /healthz`: 200 while the process serves.
pub(super) async fn health() -> Response {
    json_answer(StatusCode::OK, r#"{"status":"up"}"#.into())
}

/// `{"rfq-id": "..."}`, with the spaces of Python's `json`.
pub(super) fn submitted(id: &RfqId) -> Response {
    let id = compact_json(&id.as_str());
    json_answer(StatusCode::CREATED, format!("{{\"rfq-id\": {id}}}"))
}

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    retry_after: Option<u32>,
    body: Value,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error: String = error.into();
        Self { status, retry_after: None, body: json!({"error": error}) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds a word that programs can branch on.
    pub(super) fn of_kind(mut self, kind: &str) -> Self {
        self.body["kind"] = json!(kind);
        self
    }

    /// Says what to do.
    pub(super) fn with_hint(mut self, hint: Option<&str>) -> Self {
        if let Some(hint) = hint {
            self.body["hint"] = json!(hint);
        }
        self
    }

    pub(super) fn no_such_rfq() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such RFQ")
    }

    /// The server is at a limit; nothing was done.
    pub(super) fn busy(error: &str) -> Self {
        let busy = Self::new(StatusCode::SERVICE_UNAVAILABLE, error).of_kind("busy");
        Self { retry_after: Some(SOON), ..busy }
    }

    /// The request may or may not have been published. The client may submit the same id again.
    pub(super) fn unknown(error: &Error, id: &RfqId) -> Self {
        let mut problem = Self::from(error);
        problem.body["rfq-id"] = json!(id.as_str());
        problem.with_hint(Some("submit it again with this `rfq-id`: nothing is doubled"))
    }
}

/// Whether the backend or the server is at fault, not the request.
pub(super) fn is_ours(error: &Error) -> bool {
    kind(error).is_some()
}

/// The word for what the backend lacks, for programs; `None` where the request is at fault.
pub(super) fn kind(error: &Error) -> Option<&'static str> {
    let word = match error.kind() {
        Kind::Unreachable => "unreachable",
        Kind::NotSetUp => "not-set-up",
        Kind::NoProvider => "no-provider",
        Kind::Other | Kind::Unexplained | Kind::Signal(_) => "backend",
        Kind::Invalid | Kind::TooLarge | Kind::Conflict | Kind::AllExcluded | Kind::NoSuchRfq => {
            return None;
        }
    };
    Some(word)
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::AllExcluded => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::NoSuchRfq => StatusCode::NOT_FOUND,
            // The backend may recover at any time.
            Kind::NoProvider
            | Kind::Other
            | Kind::Unreachable
            | Kind::NotSetUp
            | Kind::Unexplained
            | Kind::Signal(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut problem = Self::new(status, error.in_full());
        if let Some(field) = error.field() {
            problem.body["field"] = json!(field);
        }
        problem.retry_after = is_ours(error).then_some(LATER);
        let problem = problem.with_hint(error.hints().first().map(String::as_str));
        match kind(error) {
            Some(kind) => problem.of_kind(kind),
            None => problem,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json_answer(self.status, compact_json(&self.body));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
