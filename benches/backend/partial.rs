//! Receives that bring fewer messages than the queue has.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Decides how many messages a receive brings at most.
pub(crate) struct Partial {
    /// The share of the receives that are partial, from 0 to 1.
    share: f64,
    random: ChaCha8Rng,
}

impl Partial {
    pub(crate) fn of(share: f64) -> Self {
        Self { share, random: ChaCha8Rng::seed_from_u64(1) }
    }

    /// The most messages of the next receive, which asks for this many: fewer if it is partial, but at least one.
    pub(crate) fn most(&mut self, asked: usize) -> usize {
        if asked < 2 || f64::from(self.random.next_u32()) >= self.share * f64::from(u32::MAX) {
            return asked;
        }
        1 + self.random.next_u32() as usize % (asked - 1)
    }
}
