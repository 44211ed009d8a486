//! Plain tables: columns two spaces apart, no borders, nothing at the end of a line.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// The lines of a table, its header first. `width` is the widest line there may be; without it
/// nothing is wrapped. Cells must be safe to print.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<String>], width: Option<u16>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let header = columns.iter().map(|column| match column {
        Column::Left(title) => Cell::new(title),
        Column::Right(title) => Cell::new(title).set_alignment(CellAlignment::Right),
    });
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    let last = columns.len().saturating_sub(1);
    for (position, (column, kind)) in table.column_iter_mut().zip(columns).enumerate() {
        column.set_padding((0, if position == last { 0 } else { 2 }));
        if matches!(kind, Column::Right(_)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_and_leaves_nothing_at_the_end() {
        let rows = [
            vec!["a".into(), "7".into(), "x".into()],
            vec!["bb".into(), "10".into(), String::new()],
        ];
        let columns = [Column::Left("NAME"), Column::Right("N"), Column::Left("NOTE")];
        assert_eq!(lines(&columns, &rows, None), ["NAME   N  NOTE", "a      7  x", "bb    10"]);
    }
}
