//! What another thread goes on adding to, and how to wait until it holds something.

use std::sync::{Condvar, Mutex, MutexGuard};

use super::PATIENCE;

/// What grows. Whoever waits looks at it each time that something is added, and not in between.
#[derive(Debug, Default)]
pub struct Growing<T> {
    whole: Mutex<T>,
    grown: Condvar,
}

impl<T> Growing<T> {
    /// Adds to it.
    pub fn add(&self, add: impl FnOnce(&mut T)) {
        add(&mut self.now());
        self.grown.notify_all();
    }

    /// What there is.
    pub fn now(&self) -> MutexGuard<'_, T> {
        self.whole.lock().expect("no test breaks down here")
    }

    /// Waits until it is as wanted; says whether it came to that. `is_wanted` runs each time that something was added.
    /// It must not call a method of `self`, which would wait for ever.
    pub fn becomes(&self, mut is_wanted: impl FnMut(&T) -> bool) -> bool {
        let waited = self.grown.wait_timeout_while(self.now(), PATIENCE, |whole| !is_wanted(whole));
        !waited.expect("no test breaks down here").1.timed_out()
    }
}
