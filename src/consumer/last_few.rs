//! What happened lately: the last so many, and no more.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A set that forgets what was put into it longest ago.
#[derive(Debug)]
pub struct LastFew<T> {
    most: usize,
    known: HashSet<T>,
    /// The same, the oldest first.
    order: VecDeque<T>,
}

impl<T: Eq + Hash + Clone> LastFew<T> {
    /// Remembers so many.
    pub fn new(most: usize) -> Self {
        Self { most, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Remembers it, if it is new.
    pub fn insert(&mut self, one: T) {
        if self.known.insert(one.clone()) {
            self.order.push_back(one);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    /// Whether it is remembered.
    pub fn contains(&self, one: &T) -> bool {
        self.known.contains(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut last = LastFew::new(2);
        for number in [1, 2, 1, 1, 3] {
            last.insert(number);
        }
        assert_eq!([1, 2, 3].map(|number| last.contains(&number)), [false, true, true]);
    }
}
