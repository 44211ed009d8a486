//! Turns the SDK's errors into this crate's.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::Aws;
use super::connect::ATTEMPT_TIMEOUT;
use super::failure::{asked, words};
use super::watch::is_throttled;
use crate::consumer::{Effect, Entries, Refusal};
use crate::error::{Error, Permanence};

/// Codes for a resource that does not exist.
const NOT_FOUND: [&str; 6] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NotFoundException",
    "ResourceNotFoundException",
    "ResourceNotFound",
];
/// Codes for credentials that are not accepted at all, with their names in other services and protocol versions.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
const REFUSED_CREDENTIALS: [&str; 21] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignature",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "NotAuthorizedException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClient",
    "UnrecognizedClientException",
];
/// Codes for credentials without the permission.
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "OptInRequired",
    "KmsAccessDenied",
];
/// Codes of entries and statements that would fail again.
const PERMANENT: [&str; 14] = [
    "InvalidMessageContents",
    "AWS.SimpleQueueService.InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameterValueException",
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

/// Codes of entries and statements that may have been carried out.
const UNKNOWN: [&str; 5] =
    ["InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "unknown"];

/// Why the service did not take an entry or a statement. The code decides whether it would be refused again, since
/// `SenderFault` is false even for contents that SQS never takes.
pub(super) fn refusal(code: Option<&str>, message: Option<&str>) -> Refusal {
    let code = code.unwrap_or("unknown").to_owned();
    let permanent = PERMANENT.contains(&code.as_str());
    Refusal {
        message: message.unwrap_or("no message").to_owned(),
        permanence: if permanent { Permanence::Permanent } else { Permanence::Transient },
        effect: if UNKNOWN.contains(&code.as_str()) { Effect::Possible } else { Effect::Excluded },
        code,
    }
}

/// Why the service rejected a whole call for its contents, so that it would fail again; `None` for other errors.
pub(super) fn rejection<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<Refusal> {
    let is_service = matches!(error, SdkError::ServiceError(_));
    let refusal = refusal(error.code(), error.message());
    (is_service && refusal.permanence == Permanence::Permanent).then_some(refusal)
}

/// One result per entry, in order. `failed` holds id, code and message. An unmentioned entry counts as failed.
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
    /// Our error for a request that failed. `doing` is what was being done, such as `reading the table`.
    pub(crate) fn error<E>(&self, doing: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failed = || Error::other(format!("{doing} failed"));
        match error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                self.answered(doing, status, error.code().unwrap_or_default(), error.message())
            }
            // The answer was cut off, or is not from the service.
            SdkError::ResponseError(_) => failed().because(words(error)).transient(),
            SdkError::TimeoutError(_) => {
                let cause = format!("{doing}: no answer within {} s", ATTEMPT_TIMEOUT.as_secs());
                self.unreachable(asked(error)).because(cause).transient()
            }
            SdkError::DispatchFailure(failure) => {
                let was_sent = asked(error).is_some() || failure.is_io() || failure.is_timeout();
                self.unanswered(doing, error).unwrap_or_else(|said| {
                    if was_sent {
                        let cause = format!("{doing}: {said}");
                        self.unreachable(asked(error)).because(cause).transient()
                    } else {
                        failed()
                            .because(format!("the request could not be sent: {said}"))
                            .transient()
                    }
                })
            }
            _ => self.unanswered(doing, error).unwrap_or_else(|said| {
                failed().because(format!("the request could not be made: {said}"))
            }),
        }
    }

    fn answered(&self, doing: &str, status: u16, code: &str, message: Option<&str>) -> Error {
        let said = match (code, message) {
            ("", _) => format!("HTTP {status} without an AWS error code"),
            (code, None) => code.to_owned(),
            (code, Some(message)) => format!("{code}: {message}"),
        };
        if NOT_FOUND.contains(&code) {
            return self.not_set_up();
        }
        if REFUSED_CREDENTIALS.contains(&code) {
            return self.refuses_credentials().because(format!("{doing}: {said}")).fatal();
        }
        if !self.is_real() && is_about_region(code, message) {
            return self.refuses_region().because(format!("{doing}: {said}")).fatal();
        }
        let ours = Error::other(format!("{doing} failed")).because(said);
        match code {
            "" if ![500, 502, 503, 504].contains(&status) && !self.is_real() => {
                ours.hint(format!("is the server at {} LocalStack?", self.url()))
            }
            _ if status >= 500 || is_throttled(code) => ours.transient(),
            _ if DENIED.contains(&code) => ours.fatal(),
            _ => ours,
        }
    }
}

/// Whether LocalStack does not know the region: it then rejects a topic's ARN as one of another region. Our ARNs
/// are well-formed, so nothing else can be wrong with them.
pub(super) fn is_about_region(code: &str, message: Option<&str>) -> bool {
    code == "InvalidParameter" && message.is_some_and(|message| message.contains("TopicArn"))
}

/// Whether every other statement would fail with this code too.
pub(super) fn is_fatal(code: &str) -> bool {
    NOT_FOUND.contains(&code) || DENIED.contains(&code)
}

pub(crate) fn is_not_found<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code().is_some_and(|code| NOT_FOUND.contains(&code))
}

#[cfg(test)]
mod tests;
