//! Three-valued logic: a doubt counts only where the outcome depends on it.

/// Whether something matches; if that cannot be said, why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth<'a> {
    /// It certainly matches.
    Yes,
    /// It certainly does not match.
    No,
    /// It may match. The reason ends the sentence "`from`: ...".
    Unknown(&'a str),
}

impl From<bool> for Truth<'_> {
    fn from(is_match: bool) -> Self {
        if is_match { Self::Yes } else { Self::No }
    }
}

impl<'a> Truth<'a> {
    /// Whether any matches. The first doubt counts where none certainly does.
    pub fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        Self::until(Self::Yes, Self::No, truths)
    }

    /// Whether all match. The first doubt counts where none certainly fails.
    pub fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        Self::until(Self::No, Self::Yes, truths)
    }

    /// The opposite; a doubt stays one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown(_) => self,
        }
    }

    /// The value that all of these share, a doubt included; the doubt `otherwise` where they differ.
    pub fn agreed(truths: impl IntoIterator<Item = Self>, otherwise: &'a str) -> Self {
        let mut truths = truths.into_iter();
        let first = truths.next().unwrap_or(Self::Yes);
        if truths.all(|truth| truth == first) { first } else { Self::Unknown(otherwise) }
    }

    fn until(decisive: Self, usual: Self, truths: impl IntoIterator<Item = Self>) -> Self {
        let mut outcome = usual;
        for truth in truths {
            if truth == decisive {
                return decisive;
            }
            if outcome == usual {
                outcome = truth;
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{No, Unknown, Yes};
    use super::*;

    #[test]
    fn a_doubt_counts_only_where_nothing_is_certain() {
        for (truths, any, all) in [
            (vec![], No, Yes),
            (vec![Yes, Yes], Yes, Yes),
            (vec![No, Yes], Yes, No),
            (vec![Unknown("a"), Yes], Yes, Unknown("a")),
            (vec![Unknown("a"), No, Unknown("b")], Unknown("a"), No),
            (vec![Yes, Unknown("a"), Unknown("b")], Yes, Unknown("a")),
        ] {
            assert_eq!(Truth::any(truths.clone()), any, "{truths:?}");
            assert_eq!(Truth::all(truths.clone()), all, "{truths:?}");
        }
        assert_eq!(Truth::agreed([No, No], "b"), No);
        assert_eq!(Truth::agreed([Yes, No], "b"), Unknown("b"));
        assert_eq!(Truth::agreed([Unknown("a"), No], "b"), Unknown("b"));
        assert_eq!((Yes.opposite(), Unknown("a").opposite()), (No, Unknown("a")));
    }
}
