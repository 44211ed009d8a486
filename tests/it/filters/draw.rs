//! Draws what policies and messages are made of.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Cities that share beginnings, ends and letters. None of them is a number.
const CITIES: [&str; 8] =
    ["Rome", "rome", "ROMANA", "Oslo", "New York", "New Delhi", "Zürich", "Delhi"];
/// Numbers in more than one spelling.
const NUMBERS: [&str; 12] =
    ["1", "1.0", "10", "1e1", "2.5", "25e-1", "-3", "-3.00", "150", "999999999.5", "0.00001", "0"];

/// A source of policies and messages.
pub struct Draw {
    chance: ChaCha8Rng,
    /// How many rules of text, of numbers, and of ranges there were: each kind has its turn.
    pub(super) texts: usize,
    pub(super) numbers: usize,
    pub(super) ends: usize,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self { chance: ChaCha8Rng::seed_from_u64(seed), texts: 0, numbers: 0, ends: 0 }
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("it fits");
        usize::try_from(self.chance.next_u64() % end).expect("it fits")
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Whether something of so many percent happens.
    pub(super) fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn text(&mut self) -> String {
        format!("\"{}\"", self.one(&CITIES))
    }

    pub(super) fn texts(&mut self) -> String {
        let texts: Vec<_> = (0..=self.below(3)).map(|_| self.text()).collect();
        format!("[{}]", texts.join(","))
    }

    pub(super) fn number(&mut self) -> String {
        self.one(&NUMBERS).to_owned()
    }
}
