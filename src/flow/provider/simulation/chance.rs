//! Seeded chance of a simulated provider: a redelivered request draws the same random words.
//!
//! The seed of a `ChaCha8` generator is the SHA-256 of `rydes 1`, the seed (eight bytes, big-endian), the RFQ's
//! id, a zero byte and the provider's name. Its first six 64-bit words decide, in this order: mishap, thinking
//! time, price, `extra` (the delay of a late answer, or the second price of a duplicate), and the two details of a
//! quote: minutes to arrival, and vehicle. A word `w` becomes a
//! number below `n` as `w * n >> 64`. Each fault draws the first word of a generator of its own, whose hash
//! continues with a zero byte and the fault's position. The id of a `wrong-id` answer is the start of the first
//! hash, as a UUID.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::core::{ProviderName, Request, RfqId};

/// The random words of one request at one provider.
pub(super) struct Chance {
    hash: Sha256,
    pub(super) mishap: u64,
    pub(super) think: u64,
    pub(super) price: u64,
    pub(super) extra: u64,
    pub(super) eta: u64,
    pub(super) vehicle: u64,
}

impl Chance {
    pub(super) fn of(seed: u64, provider: &ProviderName, request: &Request) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rydes 1");
        hash.update(seed.to_be_bytes());
        hash.update(request.id.as_str());
        hash.update([0]);
        hash.update(provider.as_str());
        let mut words = ChaCha8Rng::from_seed(hash.clone().finalize().into());
        Self {
            hash,
            mishap: words.next_u64(),
            think: words.next_u64(),
            price: words.next_u64(),
            extra: words.next_u64(),
            eta: words.next_u64(),
            vehicle: words.next_u64(),
        }
    }

    /// The word that decides whether the fault at this position strikes.
    pub(super) fn word_for(&self, position: usize) -> u64 {
        let mut hash = self.hash.clone();
        hash.update([0]);
        hash.update(position.to_string());
        ChaCha8Rng::from_seed(hash.finalize().into()).next_u64()
    }

    /// An id that belongs to no RFQ.
    pub(super) fn id(&self) -> RfqId {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        RfqId::from_bytes(first)
    }

    pub(super) fn percent(&self) -> u64 {
        below(self.mishap, 100)
    }

    pub(super) fn price(&self, low: u64, high: u64) -> u64 {
        low + below(self.price, high - low + 1)
    }
}

/// Scales a random word to a number below `n`.
pub(super) fn below(word: u64, n: u64) -> u64 {
    let scaled = (u128::from(word) * u128::from(n)) >> 64;
    u64::try_from(scaled).expect("a product of 64-bit words, halved, has 64 bits")
}
