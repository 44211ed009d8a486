//! Throttling: how many requests a second are answered.

use std::time::Instant;

/// A bucket of tokens that holds those of a second. The requests that find it empty are throttled.
pub(crate) struct Limit {
    /// Tokens a second; `None` for as many as come.
    rate: Option<f64>,
    tokens: f64,
    filled: Instant,
}

impl Limit {
    pub(crate) fn none() -> Self {
        Self { rate: None, tokens: 0.0, filled: Instant::now() }
    }

    /// At most this many requests a second.
    pub(crate) fn of(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self { rate: Some(rate), tokens: rate, filled: Instant::now() }
    }

    /// Whether one more request is answered.
    pub(crate) fn takes(&mut self) -> bool {
        let Some(rate) = self.rate else { return true };
        let now = Instant::now();
        let since = now.duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * rate).min(rate);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}
