//! How long an answer takes.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rydes::core::parse_duration;

/// The 99th percentile of the delays with a tail, in medians.
const P99: f64 = 5.0;
/// The 99th percentile of the normal distribution, in standard deviations.
const DEVIATIONS: f64 = 2.326;

/// The delay of each answer.
pub(crate) struct Delay {
    median: Duration,
    /// Draws from the distribution with a tail; without it, every delay is the median.
    tail: Option<ChaCha8Rng>,
}

impl Delay {
    pub(crate) fn none() -> Self {
        Self { median: Duration::ZERO, tail: None }
    }

    /// Always this delay.
    ///
    /// # Errors
    /// The text is no time.
    pub(crate) fn fixed(text: &str) -> Result<Self, String> {
        let median = if text == "0" { Duration::ZERO } else { parse_duration(text)? };
        Ok(Self { median, tail: None })
    }

    /// Delays with a log-normal distribution: this median, and a 99th percentile of five times as much.
    ///
    /// # Errors
    /// The text is no time.
    pub(crate) fn tail(text: &str) -> Result<Self, String> {
        Ok(Self { tail: Some(ChaCha8Rng::seed_from_u64(0)), ..Self::fixed(text)? })
    }

    /// The next delay.
    pub(crate) fn next(&mut self) -> Duration {
        let Some(random) = &mut self.tail else { return self.median };
        // Box and Muller: two uniform numbers make a normal one.
        let mut uniform = || (f64::from(random.next_u32()) + 0.5) / f64::from(u32::MAX);
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        let normal = radius * angle.cos();
        self.median.mul_f64((P99.ln() / DEVIATIONS * normal).exp())
    }
}
