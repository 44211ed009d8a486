//! What stands below a table of past RFQs: the columns that the terminal is too narrow for, and what the others mean.

use super::tone::{Line, Tone};
use super::trace::packed;

/// The lines below a table, each at most this wide. `meanings` are those of the columns that are shown, and `explained`
/// says what a sign in a cell stands for.
pub(super) fn below(
    hidden: &[&str],
    meanings: &[String],
    explained: Option<String>,
    width: Option<u16>,
) -> Vec<Line> {
    let hidden = (!hidden.is_empty()).then(|| format!("too narrow for {}", hidden.join(", ")));
    let meanings = packed(meanings, "; ", width.map_or(usize::MAX, usize::from));
    let lines = hidden.into_iter().chain(meanings).chain(explained);
    lines.flat_map(|text| Line::new(Tone::Faint, text).wrapped(width)).collect()
}
