//! Short forms of provider names.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::core::Responder;
use crate::core::aggregate::Provider;
use crate::core::text::printable;

/// The shortest beginning that is worth leaving out.
const SHORTEST_LEFT_OUT: usize = 6;
/// Replaces it.
const LEFT_OUT: char = '…';

/// The beginning that several names share, up to their numbers: `UnicornManagementResource`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl Prefix {
    /// That of these names; empty if they share none that is worth leaving out. Others may be among them.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a Responder>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let mut stems: HashMap<&str, usize> = HashMap::new();
        for name in &names {
            // A number stays whole: 10 is not 1 with a 0.
            let (stem, number) = numbered(name);
            if !number.is_empty() && stem.chars().count() >= SHORTEST_LEFT_OUT {
                *stems.entry(stem).or_default() += 1;
            }
        }
        let shared = stems.into_iter().filter(|(_, count)| *count > 1);
        let most = shared.max_by_key(|(stem, count)| (*count, Reverse(*stem)));
        let shared = match most {
            Some((stem, _)) => stem,
            None => shared_by_all(&names),
        };
        Self(shared.to_owned())
    }

    /// That of the providers that were asked.
    pub(super) fn of_asked(providers: &[Provider]) -> Self {
        let asked = providers.iter().filter(|provider| provider.expected != Some(false));
        Self::of(asked.map(|provider| &provider.responder))
    }

    /// The name with `…` for the prefix, safe to print.
    pub(super) fn leave_out(&self, name: &Responder) -> String {
        let rest = name.as_str().strip_prefix(&self.0).filter(|_| !self.0.is_empty());
        match rest.filter(|rest| !rest.is_empty()) {
            Some(rest) => format!("{LEFT_OUT}{}", printable(rest)),
            None => printable(name.as_str()),
        }
    }

    /// The names so, with commas between them, and those that follow each other as a range: `…1..3, …7, acme`.
    pub(super) fn ranges(&self, names: &[&Responder]) -> String {
        let groups = names.chunk_by(|first, second| follow(first, second));
        let range = |group: &[&Responder]| match group {
            [first, second] => format!("{}, {}", self.leave_out(first), self.leave_out(second)),
            [first, .., last] => self.range(first, last),
            [only] => self.leave_out(only),
            [] => String::new(),
        };
        groups.map(range).collect::<Vec<_>>().join(", ")
    }

    /// Consecutive names as a range without the prefix: `…1..9`.
    pub(super) fn range(&self, first: &Responder, last: &Responder) -> String {
        let name = self.leave_out(first);
        if first == last { name } else { format!("{name}..{}", numbered(last).1) }
    }

    /// Says what `…` stands for; `None` if it is not used.
    pub(super) fn explained(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("{LEFT_OUT} stands for {}", printable(&self.0)))
    }
}

/// The beginning of all these names; empty if it is not worth leaving out.
fn shared_by_all<'a>(names: &[&'a Responder]) -> &'a str {
    let [first, others @ ..] = names else { return "" };
    let common = |shared: &'a str, name: &&Responder| {
        let same = shared.chars().zip(name.as_str().chars()).take_while(|(a, b)| a == b);
        &shared[..same.map(|(c, _)| c.len_utf8()).sum()]
    };
    let shared =
        others.iter().fold(first.as_str(), common).trim_end_matches(|c: char| c.is_ascii_digit());
    let is_worth_it = !others.is_empty() && shared.chars().count() >= SHORTEST_LEFT_OUT;
    if is_worth_it { shared } else { "" }
}

/// The beginning of the names of simulated providers; what follows it tells them apart.
const SIMULATED: &str = "UnicornManagement";

/// A name in two parts, safe to print: the beginning that all simulated providers share, and the rest. The beginning is
/// empty where another of `all` has the rest as its whole name.
pub(super) fn parted(name: &Responder, all: &[&Responder]) -> (String, String) {
    let rest = name.as_str().strip_prefix(SIMULATED).filter(|rest| !rest.is_empty());
    match rest.filter(|rest| all.iter().all(|other| other.as_str() != *rest)) {
        Some(rest) => (SIMULATED.to_owned(), printable(rest)),
        None => (String::new(), printable(name.as_str())),
    }
}

/// Whether both names have the same beginning and the second number is one higher.
pub(super) fn follow(first: &Responder, second: &Responder) -> bool {
    let ((start, from), (same, to)) = (numbered(first), numbered(second));
    let numbers = from.parse::<u64>().ok().zip(to.parse::<u64>().ok());
    start == same && numbers.is_some_and(|(from, to)| from.checked_add(1) == Some(to))
}

/// Consecutive names as a range, safe to print: `UnicornManagementResource1..9`.
pub(super) fn range(first: &Responder, last: &Responder) -> String {
    Prefix::default().range(first, last)
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
        assert_eq!(shorter(&["acme", "Resource1", "Resource2"]).0, ["acme", "…1", "…2"]);
        for as_they_are in
            [&["acme", "acorn"][..], &["Resource1"], &["globex", "acme"], &["a1", "a2"], &[]]
        {
            let whole: Vec<_> = as_they_are.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(shorter(as_they_are), (whole, None));
        }
        assert_eq!(shorter(&["Übermut1", "Übermut2"]).0, ["…1", "…2"]);
        assert_eq!(shorter(&["Übermütig", "Übermütiä"]).0, ["…g", "…ä"]);
        assert_eq!(shorter(&["Provider", "Provider2"]).0, ["Provider", "…2"]);
        let many =
            names(&["acme", "Resource1", "Resource2", "Resource3", "Resource5", "Resource6"]);
        let ranges = Prefix::of(&many).ranges(&many.iter().collect::<Vec<_>>());
        assert_eq!(ranges, "acme, …1..3, …5, …6");
    }

    #[test]
    fn a_name_is_shortened_while_that_names_one_responder() {
        let part = |name: &str, others: &[&str]| {
            let others: Vec<_> = others.iter().map(|name| Responder::stored(*name)).collect();
            let (prefix, rest) =
                parted(&Responder::stored(name), &others.iter().collect::<Vec<_>>());
            (prefix.is_empty(), rest)
        };
        let name = "UnicornManagementResource4";
        assert_eq!(part(name, &[name, "acme"]), (false, "Resource4".to_owned()));
        assert_eq!(part(name, &[name, "Resource4"]), (true, name.to_owned()));
        assert_eq!(part("acme", &[name, "acme"]), (true, "acme".to_owned()));
        assert_eq!(part(SIMULATED, &[]), (true, SIMULATED.to_owned()));
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
