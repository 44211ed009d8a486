//! Ids that are named by their beginnings.

use super::text::printable;

/// The fewest characters that name one.
pub const SHORTEST_PREFIX: usize = 4;

/// The ids that begin like a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// No id does.
    None,
    /// One does, or is the whole text.
    One(&'a str),
    /// In order, each once.
    Several(Vec<&'a str>),
}

impl<'a> Beginning<'a> {
    /// Looks among these ids. One that is the whole text is the one that is meant.
    pub fn of(typed: &str, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut fitting: Vec<_> = ids.into_iter().filter(|id| id.starts_with(typed)).collect();
        fitting.sort_unstable();
        fitting.dedup();
        match fitting.as_slice() {
            [] => Self::None,
            // The shortest one comes first.
            [first, ..] if *first == typed => Self::One(first),
            [only] => Self::One(only),
            _ => Self::Several(fitting),
        }
    }
}

/// Whether a text is long enough to be the beginning of an id.
pub fn is_long_enough(typed: &str) -> bool {
    typed.chars().count() >= SHORTEST_PREFIX
}

/// What is wrong with a beginning that is too short; `what` is `an RFQ`.
pub fn too_short(typed: &str, what: &str) -> String {
    format!(
        "`{}` is too short: an id, or its first {SHORTEST_PREFIX} characters or more, names {what}",
        printable(typed)
    )
}

/// What is wrong with a beginning that several ids have.
pub fn ambiguous(typed: &str, ids: &[&str]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| printable(id)).collect();
    format!("`{}` may be any of {}", printable(typed), ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one_id_several_or_none() {
        let ids = ["2f9cffff", "2f9c1c5e", "aaaa0000", "2f9c1c5e", "aaaa"];
        let of = |typed: &str| Beginning::of(typed, ids);
        assert_eq!(of("2f9cf"), Beginning::One("2f9cffff"));
        assert_eq!(of("2f9c1"), Beginning::One("2f9c1c5e"), "it is there twice");
        assert_eq!(of("aaaa"), Beginning::One("aaaa"), "a whole id");
        assert_eq!(of("bbbb"), Beginning::None);
        assert_eq!(of("2f9c"), Beginning::Several(vec!["2f9c1c5e", "2f9cffff"]));
        assert_eq!(ambiguous("2f9c", &ids[..2]), "`2f9c` may be any of 2f9cffff, 2f9c1c5e");
        assert!(is_long_enough("2f9c") && !is_long_enough("2f9"));
        assert!(too_short("2f9\u{1b}", "a letter").starts_with("`2f9\\u{1b}` is too short: "));
    }
}
