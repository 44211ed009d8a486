//! Details in tables: a column for each field of the replies' details that is shown.

use std::collections::HashMap;
use std::str::FromStr;

use super::table::{Column, cut};
use crate::core::aggregate::Gathering;
use crate::core::text::printable;
use crate::core::{Decimal, Details, Pointer};

/// The widest cell on a terminal: the first of these that leaves room for names and notes, else the last.
pub(super) const WIDTHS: [usize; 3] = [24, 16, 12];
/// Fields of one reply that may become columns of the page.
const MOST_FIELDS: usize = 100;
/// Fields that a sentence names.
const MOST_NAMED: usize = 10;
/// The widest cell without a terminal.
const LONGEST: usize = 200;

/// A place in the replies' details, as the title of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    title: String,
    pointer: Pointer,
}

impl FromStr for Field {
    type Err = String;

    /// Reads the name of a top-level field, or a JSON Pointer, which begins with `/`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the field is empty; give a name such as `vehicle`, or a pointer such as `/legs/0/price`".to_owned());
        }
        if text.starts_with('/') { Pointer::parse(text) } else { Pointer::to_field(text) }
            .map(|pointer| Self { title: text.to_owned(), pointer })
    }
}

impl Field {
    /// The column of the value that orders the quotes.
    pub(super) fn of_order(pointer: &Pointer) -> Self {
        let text = pointer.to_string();
        let name =
            text.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains(['/', '~']));
        let name = if text.is_empty() { Some("details") } else { name };
        Self { title: name.unwrap_or(&text).to_owned(), pointer: pointer.clone() }
    }

    /// The title, safe to print.
    pub(super) fn title(&self, width: usize) -> String {
        cut(&printable(&self.title), width)
    }

    /// The value of a reply, safe to print; empty if it has none. A string stands without quotes.
    pub(super) fn cell(&self, details: Option<&Details>) -> String {
        let Some(value) = details.and_then(|details| details.part(&self.pointer)) else {
            return String::new();
        };
        let text = serde_json::from_str(value).ok();
        // An empty text, or one that looks like a number, keeps its quotes.
        let is_plain = |text: &String| !text.is_empty() && Decimal::of_json(text).is_none();
        let text = text.filter(is_plain);
        // Nothing beyond the cut is ever shown, so it need not be made safe.
        let shown: String = text.as_deref().unwrap_or(value).chars().take(LONGEST + 1).collect();
        cut(&printable(&shown), LONGEST)
    }

    /// Whether each value in its column is a number.
    pub(super) fn is_numeric(&self, gathering: &Gathering) -> bool {
        let details = gathering.providers.iter().filter_map(|provider| provider.details.as_ref());
        let mut values = details.filter_map(|details| details.part(&self.pointer)).peekable();
        values.peek().is_some() && values.all(|value| Decimal::of_json(value).is_some())
    }
}

/// The fields to show: the value that orders the quotes first, then those that were asked for.
pub(super) fn shown(gathering: &Gathering, asked: &[Field]) -> Vec<Field> {
    let order = gathering.best_by().pointer().map(Field::of_order);
    let mut fields: Vec<Field> = Vec::new();
    for field in order.into_iter().chain(asked.iter().cloned()) {
        if fields.iter().all(|other| other.pointer != field.pointer) {
            fields.push(field);
        }
    }
    fields
}

/// Says which of the fields that were asked for no reply has, and which there are; `None` where each is in a reply, or
/// where there is no reply yet.
pub fn absent(gathering: &Gathering, asked: &[Field]) -> Option<String> {
    let replies = || {
        let answered = gathering.providers.iter().filter(|provider| provider.state.is_answer());
        answered.map(|provider| provider.details.as_ref())
    };
    let details = || replies().flatten();
    let is_absent = |field: &&Field| details().all(|one| one.part(&field.pointer).is_none());
    let absent: Vec<_> = asked.iter().filter(is_absent).map(|field| field.title(LONGEST)).collect();
    if absent.is_empty() || replies().next().is_none() {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for name in details().flat_map(|one| one.fields().into_iter().take(MOST_FIELDS)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let shown = names.iter().take(MOST_NAMED).map(|name| cut(&printable(name), WIDTHS[0]));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let there = match names.len() {
        0 => "the replies have no fields".to_owned(),
        1..=MOST_NAMED => format!("the replies have {shown}"),
        more => format!("the replies have {shown} and {} more", more - MOST_NAMED),
    };
    Some(format!("no reply has {}: {there}", absent.join(" or ")))
}

/// The first three top-level fields that most quotes have, in the order in which they appear.
pub fn common(gathering: &Gathering) -> Vec<Field> {
    const MOST: usize = 3;
    // The number of quotes that have a field, and the order in which the fields appear.
    let (mut counts, mut names) = (HashMap::new(), Vec::new());
    for details in gathering.quotes.iter().filter_map(|quote| quote.details.as_ref()) {
        for name in details.fields().into_iter().take(MOST_FIELDS) {
            let count: &mut usize = counts.entry(name.clone()).or_default();
            if *count == 0 {
                names.push(name);
            }
            *count += 1;
        }
    }
    let common = names.into_iter().filter(|name| counts[name] * 2 > gathering.quotes.len());
    let field = |name: String| {
        let pointer = Pointer::to_field(&name).ok()?;
        Some(Field { title: name, pointer })
    };
    common.filter_map(field).take(MOST).collect()
}

/// A column for each of these fields, aligned to the right if all its values are numbers.
pub(super) fn columns<'a>(
    gathering: &Gathering,
    fields: &[Field],
    titles: &'a [String],
) -> Vec<Column<'a>> {
    let column = |(field, title): (&Field, &'a String)| {
        if field.is_numeric(gathering) { Column::Right(title) } else { Column::Left(title) }
    };
    fields.iter().zip(titles).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_the_order_always_has_a_title() {
        for (pointer, title) in [
            ("/eta", "eta"),
            ("/legs/0", "/legs/0"),
            ("/a~1b", "/a~1b"),
            ("/", "/"),
            ("", "details"),
        ] {
            let pointer = Pointer::parse(pointer).expect("a pointer");
            assert_eq!(Field::of_order(&pointer).title(20), title);
        }
    }
}
