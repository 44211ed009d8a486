//! Requests that must not be retried blindly: the caller has to know whether any attempt may have succeeded.

use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::sleep;

use super::watch::is_throttled;
use crate::consumer::Effect;

const ATTEMPTS: u32 = 3;
/// The wait after the first attempt; each further attempt adds as much.
const WAIT: Duration = Duration::from_millis(200);

/// Tries a request up to three times, until it is taken or definitely refused. The request must not retry by
/// itself. An error is the last attempt's; its [`Effect`] covers all attempts.
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

fn effect<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Effect {
    match error {
        SdkError::ServiceError(context) if context.raw().status().as_u16() < 500 => {
            Effect::Excluded
        }
        SdkError::ConstructionFailure(_) => Effect::Excluded,
        _ => Effect::Possible,
    }
}
