//! Which known word is meant by one that is misspelt.

/// The longest word that is compared: names and fields are shorter.
const LONGEST: usize = 64;

/// The known word that is nearest to this one, if one differs by a letter or two, or only by case. The word itself
/// must not be known.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    all_nearest(typed, known).first().copied()
}

/// The same with all that are equally near, in the order in which they are known.
pub fn all_nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(LONGEST + 1).collect();
    if typed.len() > LONGEST {
        return Vec::new();
    }
    let near = known.into_iter().filter_map(|known| {
        let word: Vec<char> = known.to_lowercase().chars().take(LONGEST).collect();
        let most = match typed.len().min(word.len()) {
            0 | 1 => 0,
            2..5 => 1,
            _ => 2,
        };
        let steps = steps(&typed, &word);
        (steps <= most).then_some((steps, known))
    });
    let near: Vec<_> = near.collect();
    let fewest = near.iter().map(|(steps, _)| *steps).min();
    near.into_iter().filter(|(steps, _)| Some(*steps) == fewest).map(|(_, known)| known).collect()
}

/// Letters to insert, to remove, to replace, or to swap with the next, to get from one word to the other.
fn steps(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut fewest = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let is_swapped =
                row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *letter;
            if is_swapped {
                fewest = fewest.min(before[column - 1] + 1);
            }
            next.push(fewest);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["from", "to", "deadline", "best-by", "error"];

    #[test]
    fn a_misspelt_word_is_found() {
        for (typed, meant) in [
            ("form", "from"),
            ("From", "from"),
            ("dealine", "deadline"),
            ("daedlnie", "deadline"),
            ("best_by", "best-by"),
            ("bestBy", "best-by"),
            ("eror", "error"),
            ("too", "to"),
        ] {
            assert_eq!(nearest(typed, KNOWN), Some(meant), "{typed}");
        }
    }

    #[test]
    fn words_that_are_equally_near_are_all_found() {
        assert_eq!(all_nearest("too", ["from", "to", "ton", "toe"]), ["to", "ton", "toe"]);
        assert_eq!(all_nearest("dealine", KNOWN), ["deadline"]);
    }

    #[test]
    fn another_word_is_not() {
        for typed in ["", "x", "passengers", "note", "terror-list", "frame", &"from".repeat(1_000)]
        {
            assert_eq!(nearest(typed, KNOWN), None, "{typed}");
        }
    }
}
