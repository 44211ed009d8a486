//! From the SDK's errors to ours.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::Aws;
use crate::error::{Error, Kind};
use crate::queue::{Entries, Fate, Lasting, Refusal};

/// Codes that say a resource is not there.
const NOT_FOUND: [&str; 6] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NotFoundException",
    "ResourceNotFoundException",
    "ResourceNotFound",
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
/// Codes that say the credentials do not suffice for this.
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "OptInRequired",
    "KmsAccessDenied",
];
/// Codes of entries and statements that would fail again however often they are sent.
const PERMANENT: [&str; 13] = [
    "InvalidMessageContents",
    "AWS.SimpleQueueService.InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameter",
    "InvalidAttributeValue",
    "MessageTooLong",
    "AWS.SimpleQueueService.MessageTooLong",
    "BatchRequestTooLong",
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "ReceiptHandleIsInvalid",
    "ValidationError",
    "ValidationException",
    "ItemCollectionSizeLimitExceeded",
];

/// Codes of entries and statements that leave open whether they were carried out.
const UNKNOWN: [&str; 5] =
    ["InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "unknown"];

/// Why an entry or a statement was not taken, as the service words it. `SenderFault` does not tell
/// whether it would be refused again: it is false for contents that SQS never takes.
pub(super) fn refusal(code: Option<&str>, message: Option<&str>) -> Refusal {
    let code = code.unwrap_or("unknown").to_owned();
    let permanent = PERMANENT.contains(&code.as_str());
    Refusal {
        message: message.unwrap_or("no message").to_owned(),
        lasting: if permanent { Lasting::Permanent } else { Lasting::Passing },
        fate: if UNKNOWN.contains(&code.as_str()) { Fate::Unknown } else { Fate::Refused },
        code,
    }
}

/// Why a call failed as a whole, where that is something about what was sent, so that it would fail
/// again.
pub(super) fn rejection<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<Refusal> {
    let is_service = matches!(error, SdkError::ServiceError(_));
    let refusal = refusal(error.code(), error.message());
    (is_service && refusal.lasting == Lasting::Permanent).then_some(refusal)
}

/// One result per entry of a batch, in order, from the ids of those that were done and id, code and
/// message of those that failed; an entry that the answer does not mention counts as failed.
pub(super) fn per_entry<'a>(
    entries: usize,
    done: impl Iterator<Item = &'a str>,
    failed: impl Iterator<Item = (&'a str, &'a str, Option<&'a str>)>,
) -> Entries {
    let unmentioned = refusal(None, Some("the answer does not mention this entry"));
    let mut results = vec![Err(unmentioned); entries];
    let mut set = |id: &str, result| {
        if let Some(slot) = id.parse::<usize>().ok().and_then(|n| results.get_mut(n)) {
            *slot = result;
        }
    };
    for id in done {
        set(id, Ok(()));
    }
    for (id, code, message) in failed {
        set(id, Err(refusal(Some(code), message)));
    }
    results
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
                self.unreachable().because(format!("{doing}: {}", root(error))).passing()
            }
            _ if NOT_FOUND.contains(&code) => self.not_set_up(),
            _ if REFUSED_CREDENTIALS.contains(&code) => {
                Error::new(Kind::Unreachable, format!("{} refuses the credentials", self.address()))
                    .because(format!("{doing}: {code}"))
                    .fatal()
            }
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let ours = Error::other(format!("{doing} failed"));
                let ours = match (code, error.message()) {
                    ("", _) => ours.because(format!("HTTP {status}, and no error of AWS's")),
                    (code, None) => ours.because(code),
                    (code, Some(message)) => ours.because(format!("{code}: {message}")),
                };
                match code {
                    "" if ![500, 502, 503, 504].contains(&status) => {
                        ours.hint(format!("is it LocalStack that answers at {}?", self.url()))
                    }
                    _ if status >= 500 || is_throttled(code) => ours.passing(),
                    _ if DENIED.contains(&code) => ours.fatal(),
                    _ => ours,
                }
            }
            // An answer that is none: cut off, or not the service's.
            SdkError::ResponseError(_) => {
                Error::other(format!("{doing} failed")).because(root(error)).passing()
            }
            _ => Error::other(format!("{doing} failed"))
                .because(DisplayErrorContext(error).to_string()),
        }
    }
}

/// Whether a code says that there were too many requests, or too many messages in hand.
pub(super) fn is_throttled(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ThroughputExceeded", "OverLimit"]
        .iter()
        .any(|word| code.contains(word))
}

/// Whether the code of a statement says that no other statement would be spared it.
pub(super) fn is_fatal(code: &str) -> bool {
    NOT_FOUND.contains(&code) || DENIED.contains(&code)
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
