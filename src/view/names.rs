//! Short forms of provider names.

use crate::core::Responder;
use crate::core::text::printable;

/// The shortest beginning that is worth leaving out.
const SHORTEST_PREFIX: usize = 6;
/// Replaces it.
const LEFT_OUT: char = '…';

/// The beginning that several names share, up to their numbers: `UnicornManagementResource`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl Prefix {
    /// That of these names; empty if they share none that is worth leaving out.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a Responder>) -> Self {
        let names: Vec<_> = names.into_iter().map(Responder::as_str).collect();
        let [first, others @ ..] = &names[..] else { return Self::default() };
        if others.is_empty() {
            return Self::default();
        }
        let shared = others.iter().fold(*first, |shared, name| common(shared, name));
        // A number stays whole: 10 is not 1 with a 0.
        let shared = shared.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_worth_it = shared.chars().count() >= SHORTEST_PREFIX;
        Self(if is_worth_it { shared.to_owned() } else { String::new() })
    }

    /// The name with `…` for the prefix, safe to print.
    pub(super) fn leave_out(&self, name: &Responder) -> String {
        let rest = name.as_str().strip_prefix(&self.0).filter(|_| !self.0.is_empty());
        match rest.filter(|rest| !rest.is_empty()) {
            Some(rest) => format!("{LEFT_OUT}{}", printable(rest)),
            None => printable(name.as_str()),
        }
    }

    /// The names so, with commas between them.
    pub(super) fn leave_out_of_all(&self, names: &[&Responder]) -> String {
        names.iter().map(|name| self.leave_out(name)).collect::<Vec<_>>().join(", ")
    }

    /// Says what `…` stands for; `None` if it is not used.
    pub(super) fn explained(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("{LEFT_OUT} stands for {}", printable(&self.0)))
    }
}

/// What both texts begin with.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    &one[..same.map(|(c, _)| c.len_utf8()).sum()]
}

/// Whether both names have the same beginning and the second number is one higher.
pub(super) fn follow(first: &Responder, second: &Responder) -> bool {
    let ((start, from), (same, to)) = (numbered(first), numbered(second));
    let numbers = from.parse::<u64>().ok().zip(to.parse::<u64>().ok());
    start == same && numbers.is_some_and(|(from, to)| from.checked_add(1) == Some(to))
}

/// Consecutive names as a range, safe to print: `UnicornManagementResource1..9`.
pub(super) fn range(first: &Responder, last: &Responder) -> String {
    let name = printable(first.as_str());
    if first == last { name } else { format!("{name}..{}", numbered(last).1) }
}

/// Splits a name before its final digits.
fn numbered(name: &Responder) -> (&str, &str) {
    let name = name.as_str();
    let start = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.split_at(start.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_beginning_is_left_out_and_no_end() {
        let names =
            |names: &[&str]| names.iter().map(|name| Responder::stored(*name)).collect::<Vec<_>>();
        let shorter = |all: &[&str]| {
            let all = names(all);
            let prefix = Prefix::of(&all);
            (all.iter().map(|name| prefix.leave_out(name)).collect::<Vec<_>>(), prefix.explained())
        };
        let (told, explained) = shorter(&["Resource1", "Resource10", "Resource12"]);
        assert_eq!(told, ["…1", "…10", "…12"]);
        assert_eq!(explained.as_deref(), Some("… stands for Resource"));
        for as_they_are in [&["acme", "acorn"][..], &["Resource1"], &["globex", "acme"], &[]] {
            assert_eq!(
                shorter(as_they_are),
                (as_they_are.iter().map(|n| (*n).to_owned()).collect(), None)
            );
        }
        assert_eq!(shorter(&["Provider", "Provider2"]).0, ["Provider", "…2"]);
        assert_eq!(shorter(&["Übermütig1", "Übermütiä"]).0, ["…g1", "…ä"]);
    }

    #[test]
    fn names_that_follow_each_other_are_a_range() {
        let name = Responder::stored;
        assert!(follow(&name("a9"), &name("a10")));
        for (first, second) in [("a9", "a11"), ("a9", "b10"), ("a", "a1"), ("a", "a")] {
            assert!(!follow(&name(first), &name(second)), "{first} {second}");
        }
        assert!(!follow(&name("a18446744073709551615"), &name("a0")));
        assert_eq!(range(&name("a1"), &name("a9")), "a1..9");
        assert_eq!(range(&name("a1"), &name("a1")), "a1");
    }
}
