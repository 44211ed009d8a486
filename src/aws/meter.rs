//! Counts the requests that go out, retries included, with what they bring and what they cost.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_sdk_sqs::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use super::watch::{Attempt, RequestWatcher};

/// List prices of us-east-1 in dollars, without the free tier, as of November 2026. This one is for a million SQS
/// requests to standard queues, <https://aws.amazon.com/sqs/pricing/>
const SQS_MILLION: f64 = 0.40;
/// A million SNS requests, <https://aws.amazon.com/sns/pricing/>
const SNS_MILLION: f64 = 0.50;
/// A million write units on demand, <https://aws.amazon.com/dynamodb/pricing/on-demand/>
const WRITE_MILLION: f64 = 0.625;
/// A million read units on demand, same page.
const READ_MILLION: f64 = 0.125;

/// The bytes of one read unit: two eventually consistent reads of 4 KB.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(super) const UNIT_BYTES: f64 = 8_192.0;

/// Counts requests by operation. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct Meter {
    usage: Arc<Mutex<Usage>>,
    watcher: Arc<OnceLock<RequestWatcher>>,
}

/// The usage between two readings of a meter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Requests by operation: `sqs.ReceiveMessage`.
    pub requests: BTreeMap<String, u64>,
    /// Messages that receives brought.
    pub messages: u64,
    /// Receives that brought nothing.
    pub empty_receives: u64,
    /// Write units of the rows that were written, by their size.
    pub write_units: u64,
    /// Read units, as DynamoDB reports them.
    pub read_units: f64,
}

/// The cost of a [`Usage`] on AWS, in dollars, by service.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// SNS.
    pub sns: f64,
    /// SQS.
    pub sqs: f64,
    /// DynamoDB.
    pub dynamodb: f64,
}

impl Cost {
    /// The prices: what is counted, and dollars for a million of it.
    pub const PRICES: [(&str, f64); 4] = [
        ("sns-request", SNS_MILLION),
        ("sqs-request", SQS_MILLION),
        ("dynamodb-write-unit", WRITE_MILLION),
        ("dynamodb-read-unit", READ_MILLION),
    ];

    /// What it costs to read so many bytes of a table once, eventually consistent, in dollars.
    pub fn of_reading(bytes: u64) -> f64 {
        real(bytes) / UNIT_BYTES * READ_MILLION / 1e6
    }

    /// The sum over all services.
    pub fn total(self) -> f64 {
        self.sns + self.sqs + self.dynamodb
    }

    /// Scales this cost, of `many`, to a million.
    #[must_use]
    pub fn million_of(self, many: u64) -> Self {
        let factor = 1e6 / real(many);
        let Self { sns, sqs, dynamodb } = self;
        Self { sns: sns * factor, sqs: sqs * factor, dynamodb: dynamodb * factor }
    }
}

impl Usage {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The usage since an earlier reading of the same meter.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut requests = self.requests.clone();
        for (operation, count) in &mut requests {
            *count -= before.requests.get(operation).copied().unwrap_or(0);
        }
        requests.retain(|_, count| *count > 0);
        Self {
            requests,
            messages: self.messages - before.messages,
            empty_receives: self.empty_receives - before.empty_receives,
            write_units: self.write_units - before.write_units,
            read_units: self.read_units - before.read_units,
        }
    }

    /// Messages per receive that brought any; `None` when none did.
    pub fn messages_per_receive(&self) -> Option<f64> {
        let receives = self.requests.get("sqs.ReceiveMessage").copied().unwrap_or(0);
        let full = receives.saturating_sub(self.empty_receives);
        (self.messages > 0 && full > 0).then(|| real(self.messages) / real(full))
    }

    /// The cost on AWS at list prices. Each SQS and SNS request counts once, which is exact up to 64 KB. DynamoDB
    /// bills rows, not requests.
    pub fn cost(&self) -> Cost {
        let of = |service: &str| {
            let ours = self.requests.iter().filter(|(operation, _)| operation.starts_with(service));
            real(ours.map(|(_, count)| count).sum())
        };
        Cost {
            sns: of("sns.") * SNS_MILLION / 1e6,
            sqs: of("sqs.") * SQS_MILLION / 1e6,
            dynamodb: (real(self.write_units) * WRITE_MILLION + self.read_units * READ_MILLION)
                / 1e6,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn real(count: u64) -> f64 {
    count as f64
}

impl Meter {
    /// Reports each further attempt at a request to this watcher. Only the first watcher is kept.
    pub fn watch(&self, watcher: RequestWatcher) {
        _ = self.watcher.set(watcher);
    }

    /// The usage so far.
    pub fn usage(&self) -> Usage {
        self.lock().clone()
    }

    /// The requests so far.
    pub fn total(&self) -> u64 {
        self.lock().total()
    }

    pub(super) fn received(&self, messages: usize) {
        let mut usage = self.lock();
        usage.messages += u64::try_from(messages).unwrap_or(u64::MAX);
        usage.empty_receives += u64::from(messages == 0);
    }

    pub(super) fn wrote(&self, units: u64) {
        self.lock().write_units += units;
    }

    pub(super) fn read(&self, used: Option<&ConsumedCapacity>) {
        self.lock().read_units += used.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
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
            let watched = self.watcher.get().map(|it| Attempt::begin(operation.clone(), it));
            *self.lock().requests.entry(operation).or_default() += 1;
            if let Some(attempt) = watched {
                config.interceptor_state().store_put(attempt);
            }
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.watcher.get().is_some()
            && let Some(attempt) = config.get_mut_from_interceptor_state::<Attempt>()
        {
            attempt.end(context);
        }
        Ok(())
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Meter").field(&self.usage).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(requests: &[(&str, u64)]) -> Usage {
        let requests = requests.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Usage { requests, ..Usage::default() }
    }

    /// A thousand RFQs in full batches, with a quote from each of ten providers.
    #[test]
    fn a_million_rfqs_cost_what_the_price_list_says() {
        let mut all = usage(&[
            ("sns.PublishBatch", 100),
            ("sqs.ReceiveMessage", 2_000),
            ("sqs.DeleteMessageBatch", 2_000),
            ("sqs.SendMessageBatch", 1_000),
            ("dynamodb.BatchExecuteStatement", 440),
        ]);
        (all.messages, all.write_units) = (20_000, 11_000);
        let million = all.cost().million_of(1_000);
        let cents = |dollars: f64| (dollars * 100.0).round();
        assert!((cents(million.sqs) - 200.0).abs() < 0.1);
        assert!((cents(million.sns) - 5.0).abs() < 0.1);
        assert!((cents(million.dynamodb) - 688.0).abs() < 0.1);
        assert!((cents(million.total()) - 893.0).abs() < 1.1, "{million:?}");
        assert_eq!(all.messages_per_receive(), Some(10.0));
    }

    #[test]
    fn reading_a_gigabyte_costs_a_cent_and_a_half() {
        let dollars = Cost::of_reading(1_000_000_000);
        assert!((0.015..0.016).contains(&dollars), "{dollars}");
    }

    #[test]
    fn an_account_is_what_came_between_two_looks() {
        let before = usage(&[("sqs.ReceiveMessage", 3), ("sns.Publish", 1)]);
        let mut after = usage(&[("sqs.ReceiveMessage", 7), ("sns.Publish", 1)]);
        (after.messages, after.empty_receives) = (5, 2);
        let between = after.since(&before);
        assert_eq!(between.requests, usage(&[("sqs.ReceiveMessage", 4)]).requests);
        assert_eq!((between.total(), between.messages_per_receive()), (4, Some(2.5)));
        assert_eq!(Usage::default().messages_per_receive(), None);
    }
}
