//! Reports how each attempt at a request ended and how long it took, to one watcher. Without a watcher, nothing is timed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_sqs::config::interceptors::FinalizerInterceptorContextRef;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use serde_json::Value;

/// How an attempt at a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The service did what was asked. Entries of a batch may have failed.
    Ok,
    /// The service refused the request as wrong or not allowed.
    Refused,
    /// The service refused it for now: too many requests.
    Throttled,
    /// The service failed, or its response could not be read.
    Failed,
    /// There was no response.
    Unanswered,
    /// The program did not wait for the response, as at a stop.
    Abandoned,
}

impl RequestOutcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Refused, Self::Throttled, Self::Failed, Self::Unanswered, Self::Abandoned];

    fn of(context: &FinalizerInterceptorContextRef<'_>) -> Self {
        let Some(response) = context.response() else { return Self::Unanswered };
        if context.output_or_error().is_some_and(|result| result.is_ok()) {
            return Self::Ok;
        }
        let code = response.headers().get(CODE_HEADER).map(str::to_owned);
        let code = code.or_else(|| code_of(response.body().bytes()?));
        match response.status().as_u16() {
            429 => Self::Throttled,
            400.. if code.is_some_and(|code| is_throttled(&code)) => Self::Throttled,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

const CODE_HEADER: &str = "x-amzn-errortype";

/// The code of an error: `__type` of a JSON object, or `<Code>` in XML.
fn code_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    if text.starts_with('{') {
        let body: Value = serde_json::from_str(text).ok()?;
        return body["__type"].as_str().map(str::to_owned);
    }
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.to_owned())
}

/// Whether a code means too many requests, or too many messages in flight.
pub(crate) fn is_throttled(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ThroughputExceeded", "OverLimit"]
        .iter()
        .any(|word| code.contains(word))
}

/// Takes each attempt: `sqs.ReceiveMessage`, how it ended, how long it took.
pub type RequestWatcher = Arc<dyn Fn(&str, RequestOutcome, Duration) + Send + Sync>;

/// An attempt under way. One that is dropped was abandoned.
pub(super) struct Attempt {
    operation: String,
    began: Instant,
    /// `None` once it has ended.
    watcher: Option<RequestWatcher>,
}

impl Attempt {
    pub(super) fn begin(operation: String, watcher: &RequestWatcher) -> Self {
        Self { operation, began: Instant::now(), watcher: Some(Arc::clone(watcher)) }
    }

    pub(super) fn end(&mut self, context: &FinalizerInterceptorContextRef<'_>) {
        self.report(RequestOutcome::of(context));
    }

    fn report(&mut self, outcome: RequestOutcome) {
        if let Some(watcher) = self.watcher.take() {
            watcher(&self.operation, outcome, self.began.elapsed());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.report(RequestOutcome::Abandoned);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attempt")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl Storable for Attempt {
    type Storer = StoreReplace<Self>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_read_from_json_and_xml() {
        for (body, code) in [
            (
                r#"{"__type":"com.amazonaws.sqs#RequestThrottled"}"#,
                Some("com.amazonaws.sqs#RequestThrottled"),
            ),
            (
                "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
                Some("Throttling"),
            ),
            (r#"{"message": "Throttling"}"#, None),
            ("Throttling", None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(code_of(body.as_bytes()).as_deref(), code, "{body}");
        }
        assert_eq!(code_of(b"\xff"), None);
    }

    #[test]
    fn an_attempt_is_reported_once() {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let watcher: RequestWatcher = Arc::new(move |operation, outcome, _| {
            heard.lock().expect("not poisoned").push((operation.to_owned(), outcome));
        });
        drop(Attempt::begin("sqs.A".to_owned(), &watcher));
        let mut ended = Attempt::begin("sqs.B".to_owned(), &watcher);
        ended.report(RequestOutcome::Ok);
        drop(ended);
        let both = [
            ("sqs.A".to_owned(), RequestOutcome::Abandoned),
            ("sqs.B".to_owned(), RequestOutcome::Ok),
        ];
        assert_eq!(*seen.lock().expect("not poisoned"), both);
    }
}
