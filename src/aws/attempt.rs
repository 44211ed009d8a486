//! Requests that must not be retried blindly: whoever makes them has to know whether any attempt may
//! have been carried out.

use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::sleep;

use super::error::is_throttled;
use crate::consumer::Effect;

/// How often a request is tried, the first time included.
const ATTEMPTS: u32 = 3;
/// The wait after the first attempt; it grows by as much with each.
const WAIT: Duration = Duration::from_millis(200);

/// Tries a request, which must not retry by itself, until it is taken or definitely refused.
///
/// # Errors
/// The last attempt's error, and whether any of them may have been carried out.
pub(super) async fn attempt<T, E, Fut>(
    request: impl Fn() -> Fut,
) -> Result<T, (SdkError<E, HttpResponse>, Effect)>
where
    E: ProvideErrorMetadata,
    Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut worst = Effect::Excluded;
    let mut attempt = 1;
    loop {
        let error = match request().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let this = effect(&error);
        worst = worst.max(this);
        let throttled = error.code().is_some_and(is_throttled);
        if attempt == ATTEMPTS || (this == Effect::Excluded && !throttled) {
            return Err((error, worst));
        }
        sleep(WAIT * attempt).await;
        attempt += 1;
    }
}

/// Whether one attempt may have been carried out.
fn effect<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Effect {
    match error {
        SdkError::ServiceError(context) if context.raw().status().as_u16() < 500 => {
            Effect::Excluded
        }
        SdkError::ConstructionFailure(_) => Effect::Excluded,
        _ => Effect::Possible,
    }
}
