//! A bounded memory of recent items.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A set of limited size that forgets its oldest item first.
#[derive(Debug)]
pub struct LastFew<T> {
    most: usize,
    known: HashSet<T>,
    /// Oldest first.
    order: VecDeque<T>,
}

impl<T: Eq + Hash + Clone> LastFew<T> {
    /// Remembers `most` items.
    pub fn new(most: usize) -> Self {
        Self { most, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Remembers an item; one that is known stays as old as it is.
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

    /// Whether an item is remembered.
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
