//! What a response means. Its status says whether there is an answer, its body says which.

use std::io;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use super::super::service::{AttemptOutcome, MAX_ANSWER, one_line};
use crate::error::{chain, innermost_cause};

/// Bytes of a refusal's body that are read for the log: more than a line's characters need.
const LOGGED: usize = 4 * 1_024;

/// The most bytes that are reserved for an answer before it is read.
const LIKELY: usize = 16 * 1_024;

/// Limit of reading that body.
const LOG_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads the answer of a response; gives back a response whose status says that it has none. A body that is no answer
/// goes to `log`.
pub(super) async fn answer_of(
    response: Response,
    log: &(dyn Fn(String) + Send + Sync),
) -> Result<AttemptOutcome, Response> {
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
        return Err(response);
    }
    Ok(match body(response, MAX_ANSWER + 1).await {
        Ok(said) => AttemptOutcome::of_logged(&said, log),
        Err(error) => AttemptOutcome::retry(reason_of(&error)),
    })
}

/// What a response without an answer means. What its body says goes to `log`.
pub(super) async fn refusal_of(
    response: Response,
    log: &(dyn Fn(String) + Send + Sync),
) -> AttemptOutcome {
    let status = response.status();
    let reason = format!("HTTP {}", status.as_u16());
    let headers = response.headers().clone();
    let said = timeout(LOG_TIMEOUT, body(response, LOGGED)).await;
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    let said = one_line(&said);
    log(if said.is_empty() { reason.clone() } else { format!("{reason}: {said}") });
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            again(reason, &headers)
        }
        _ if status.is_server_error() => again(reason, &headers),
        _ if status.is_client_error() => AttemptOutcome::refused(reason),
        _ => AttemptOutcome::DeadLetter(reason),
    }
}

fn again(reason: String, headers: &HeaderMap) -> AttemptOutcome {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let not_before = text.and_then(|text| retry_after(text, SystemTime::now()));
    AttemptOutcome::Retry { reason, not_before: not_before.unwrap_or_default() }
}

/// The wait that a `Retry-After` asks for: seconds, or a date.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads up to `most` bytes.
async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, reqwest::Error> {
    let length = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(length.unwrap_or_default().min(most).min(LIKELY));
    while body.len() < most
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
    }
    Ok(body)
}

/// Why an endpoint gave no response, or only part of one.
pub(super) fn reason_of(error: &reqwest::Error) -> String {
    let root = innermost_cause(error);
    let kinds = chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    let is_refused =
        kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::ConnectionRefused);
    match root {
        _ if is_refused => "connection refused".to_owned(),
        _ if error.is_connect() && error.is_timeout() => "no connection in time".to_owned(),
        root if error.is_connect() => format!("cannot connect: {root}"),
        root => format!("no complete response: {root}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sat, 31 Jan 2026 12:00:00 GMT").expect("a date");
        for (text, wait) in [
            ("7", Some(Duration::from_secs(7))),
            (" 0 ", Some(Duration::ZERO)),
            ("Sat, 31 Jan 2026 12:00:07 GMT", Some(Duration::from_secs(7))),
            ("Saturday, 31-Jan-26 12:01:00 GMT", Some(Duration::from_mins(1))),
            ("Sat, 31 Jan 2026 11:00:00 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), wait, "{text}");
        }
    }
}
