//! The proxy in front of LocalStack, going wrong where a test wants it to.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rydes::tools::bench::proxy::Rewrite;
pub use rydes::tools::bench::proxy::{ProxyFault, ServiceError};

use super::late::Late;
use super::localstack::endpoint;
use super::resources::wait;
use super::wait_for;

/// The proxy; ends with this value.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
    inner: rydes::tools::bench::proxy::Proxy,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The operations that go wrong, and how often yet.
    plan: Vec<(String, usize, Option<ProxyFault>)>,
    /// What reads do not see yet.
    late: Late,
    /// The operations that were asked for, in order.
    seen: Vec<String>,
}

impl Proxy {
    /// A proxy in front of the tests' LocalStack, in which nothing goes wrong yet.
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let asked = Arc::clone(&shared);
        let plan: rydes::tools::bench::proxy::FaultPlan =
            Arc::new(move |operation, _, body| asked.take(operation, body));
        let proxy = wait(rydes::tools::bench::proxy::Proxy::start(endpoint(), plan))
            .expect("a port is free");
        Self { url: proxy.url.clone(), shared, inner: proxy }
    }

    /// Lets the next `times` requests of an operation, such as `Publish`, go wrong.
    pub fn fail(&self, operation: &str, times: usize, fault: ProxyFault) {
        self.shared.state().plan.push((operation.to_owned(), times, Some(fault)));
    }

    /// Lets the next `times` requests of an operation pass, before those that go wrong.
    pub fn pass(&self, operation: &str, times: usize) {
        self.shared.state().plan.push((operation.to_owned(), times, None));
    }

    /// Lets the next `times` answers of an operation have another body.
    pub fn rewrite(
        &self,
        operation: &str,
        times: usize,
        rewrite: impl Fn(&str) -> String + Send + Sync + 'static,
    ) {
        self.fail(operation, times, ProxyFault::Rewrite(Rewrite(Arc::new(rewrite))));
    }

    /// Lets reads of this kind see a resource only this long after it was made through the proxy, and after
    /// the first late read. `kind` is an operation, or `RedrivePolicy` for the target of one; with the
    /// name of a resource behind it, it is about that one alone.
    pub fn late(&self, kind: &str, by: Duration) {
        self.shared.state().late.lag(kind, by);
    }

    /// Lets reads of this kind see nothing of a stack for this long from the first late read on.
    pub fn blind(&self, kind: &str, during: Duration) {
        self.shared.state().late.blind(kind, during);
    }

    /// The operations that were asked for, in order.
    pub fn seen(&self) -> Vec<String> {
        self.shared.state().seen.clone()
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&self) {
        self.shared.state().plan.clear();
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.state().seen.iter().filter(|seen| *seen == operation).count()
    }

    /// Waits until an operation was asked for so often.
    #[track_caller]
    pub fn until(&self, operation: &str, count: usize) {
        let is_missing =
            |state: &mut State| state.seen.iter().filter(|seen| *seen == operation).count() < count;
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), super::PATIENCE, is_missing)
            .expect("no thread broke down");
        let seen = state.seen.clone();
        drop(state);
        assert!(!waited.timed_out(), "no {count} times {operation} among {seen:?}");
    }

    /// Lets the requests go on that pause.
    pub fn resume(&self) {
        self.inner.resume();
    }

    /// Waits until a request is held.
    pub fn until_held(&self) {
        wait_for("a request that is held", || (*self.inner.held.borrow() > 0).then_some(()));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread broke down")
    }

    /// Takes down a request; says how it goes wrong.
    fn take(&self, operation: &str, body: &[u8]) -> Option<ProxyFault> {
        let mut state = self.state();
        let planned = state.plan.iter_mut().find(|(name, left, _)| name == operation && *left > 0);
        let fault = planned.and_then(|(_, left, fault)| {
            *left -= 1;
            fault.clone()
        });
        let fault = fault.or_else(|| state.late.take(operation, body));
        state.seen.push(operation.to_owned());
        self.changed.notify_all();
        fault
    }
}
