//! Adds the URL of a request to its errors, which the SDK leaves out.

use aws_sdk_sqs::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::{BoxError, ConnectorError};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// Remembers the URL of each request until it is answered.
#[derive(Debug)]
pub(super) struct UrlRecorder;

#[derive(Debug)]
struct At(String);

impl Storable for At {
    type Storer = StoreReplace<Self>;
}

#[derive(Debug, thiserror::Error)]
#[error("no answer from {url}")]
pub(super) struct Unanswered {
    pub(super) url: String,
    source: BoxError,
}

#[dyn_dispatch_hint]
impl Intercept for UrlRecorder {
    fn name(&self) -> &'static str {
        "UrlRecorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = context.request().uri().to_owned();
        config.interceptor_state().store_put(At(url));
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(Err(error)), Some(At(url))) =
            (context.output_or_error_mut(), config.load::<At>())
        else {
            return Ok(());
        };
        let (is_late, is_cut) = (error.is_timeout_error(), error.is_connector_error());
        if is_late || is_cut {
            let source = std::mem::replace(error, OrchestratorError::other("it is replaced below"));
            let unanswered = Unanswered { url: url.clone(), source: source.into() };
            *error = if is_late {
                OrchestratorError::timeout(unanswered.into())
            } else {
                OrchestratorError::connector(ConnectorError::io(unanswered.into()))
            };
        }
        Ok(())
    }
}
