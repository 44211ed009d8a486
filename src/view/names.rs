//! Short forms of provider names.

use crate::core::Responder;
use crate::core::text::printable;

/// The common prefix of simulated providers.
const SIMULATED: &str = "UnicornManagementResource";

/// The name without that prefix, safe to print.
pub(super) fn short(name: &Responder) -> String {
    let name = name.as_str();
    printable(name.strip_prefix(SIMULATED).unwrap_or(name))
}

/// The names without that prefix: `1, 2, 10`.
pub(super) fn short_all(names: &[&Responder]) -> String {
    names.iter().map(|name| short(name)).collect::<Vec<_>>().join(", ")
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
