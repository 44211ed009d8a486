//! Counts the requests that go out, retries included: they are the bill.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

/// Counts requests by operation. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<BTreeMap<String, u64>>>);

impl Meter {
    /// The requests so far, by operation: `sqs.ReceiveMessage`.
    pub fn by_operation(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests so far.
    pub fn total(&self) -> u64 {
        self.by_operation().values().sum()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = config.load::<Metadata>() {
            let operation = format!("{}.{}", call.service().to_lowercase(), call.name());
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(operation).or_default() += 1;
        }
        Ok(())
    }
}
