//! From the SDK's errors to ours.

use std::fmt;

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::config::http::HttpResponse;

use super::Aws;
use crate::error::{Error, Kind};

/// Codes that say a resource is not there.
const NOT_FOUND: [&str; 5] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NotFoundException",
    "ResourceNotFoundException",
];
/// Codes that say the credentials are not accepted at all.
const REFUSED_CREDENTIALS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "UnrecognizedClientException",
];
/// Codes of entries and statements that would fail again however often they are sent.
const PERMANENT: [&str; 12] = [
    "InvalidMessageContents",
    "AWS.SimpleQueueService.InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameter",
    "InvalidAttributeValue",
    "MessageTooLong",
    "BatchRequestTooLong",
    "ReceiptHandleIsInvalid",
    "ValidationError",
    "ValidationException",
    "ItemCollectionSizeLimitExceeded",
    "AccessDenied",
];

/// Whether a request that failed may have been carried out all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The service said no: nothing has happened.
    Refused,
    /// No answer, or an answer that leaves it open.
    Unknown,
}

/// Says whether a failed attempt may have been carried out.
pub fn fate<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Fate {
    match error {
        SdkError::ServiceError(context) if context.raw().status().as_u16() < 500 => Fate::Refused,
        SdkError::ConstructionFailure(_) => Fate::Refused,
        _ => Fate::Unknown,
    }
}

/// Why one entry of a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The service's code.
    pub code: String,
    /// The service's message.
    pub message: String,
}

impl Refusal {
    /// A refusal as the service words it.
    pub fn new(code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            code: code.unwrap_or("unknown").to_owned(),
            message: message.unwrap_or("no message").to_owned(),
        }
    }

    /// Whether sending it again would end the same way. `SenderFault` does not tell: it is false
    /// for contents that SQS never takes.
    pub fn is_permanent(&self) -> bool {
        PERMANENT.contains(&self.code.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Aws {
    /// Our error for a request that failed. `doing` says what was being done: `reading the table`.
    pub(super) fn error<E>(&self, doing: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.code().unwrap_or_default();
        match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                self.unreachable().because(format!("{doing}: {}", root(error)))
            }
            _ if NOT_FOUND.contains(&code) => self.not_set_up(),
            _ if REFUSED_CREDENTIALS.contains(&code) => {
                Error::new(Kind::Unreachable, format!("{} refuses the credentials", self.address()))
                    .because(format!("{doing}: {code}"))
            }
            SdkError::ServiceError(_) => {
                let message = error.message().unwrap_or("no message");
                Error::other(format!("{doing} failed")).because(format!("{code}: {message}"))
            }
            _ => Error::other(format!("{doing} failed"))
                .because(DisplayErrorContext(error).to_string()),
        }
    }
}

/// Whether the service says that this resource does not exist.
pub(super) fn is_not_found<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code().is_some_and(|code| NOT_FOUND.contains(&code))
}

/// The innermost cause: `connection refused` rather than `dispatch failure`.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
