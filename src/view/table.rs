//! Plain tables: columns two spaces apart, no borders, no trailing spaces. A cell that is too wide for the
//! terminal is cut, never wrapped.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::core::{Decimal, Price};

/// Replaces text that was cut.
pub(crate) const CUT: &str = "...";
/// The longest number that is written in full.
const LONGEST_NUMBER: usize = 24;
/// The least that is left of a cell that is cut.
const SHORTEST_CELL: usize = 8;
/// The digits shown of a longer one.
const SHOWN_DIGITS: usize = 12;

/// The title of a column, with its alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column<'a> {
    Left(&'a str),
    Right(&'a str),
}

impl<'a> Column<'a> {
    pub(crate) fn title(self) -> &'a str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }
}

/// The lines of a table, its header first. Cells must be safe to print.
pub(crate) fn lines(columns: &[Column<'_>], rows: &[Vec<String>]) -> Vec<String> {
    spaced(columns, rows, 2)
}

/// The same with this many spaces between columns.
pub(crate) fn spaced(columns: &[Column<'_>], rows: &[Vec<String>], gap: u16) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING);
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
        column.set_padding((0, if position == last { 0 } else { gap }));
        if matches!(kind, Column::Right(_)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The same, without the column `spare` where the lines would be wider than this.
pub(crate) fn lines_without(
    columns: &[Column<'_>],
    rows: &[Vec<String>],
    spare: usize,
    width: Option<u16>,
) -> Vec<String> {
    let whole = lines(columns, rows);
    let widest = whole.iter().map(|line| line.width()).max().unwrap_or(0);
    if width.is_none_or(|width| widest <= width.into()) {
        return whole;
    }
    lines_except(columns, rows, &[columns[spare].title()])
}

/// The same, without as many of the columns `spare` as make the lines too wide, the first one first. Returns the titles
/// of those that are left out too.
pub(crate) fn fitting<'a>(
    columns: &[Column<'_>],
    rows: &[Vec<String>],
    spare: &'a [&'a str],
    width: Option<u16>,
) -> (Vec<String>, &'a [&'a str]) {
    let width = width.map_or(usize::MAX, usize::from);
    for count in 0..spare.len() {
        let drawn = lines_except(columns, rows, &spare[..count]);
        if drawn.iter().all(|line| line.width() <= width) {
            return (drawn, &spare[..count]);
        }
    }
    let drawn = lines_except(columns, rows, spare);
    (drawn.iter().map(|line| cut(line, width)).collect(), spare)
}

/// The lines without the columns of these titles.
fn lines_except(columns: &[Column<'_>], rows: &[Vec<String>], left_out: &[&str]) -> Vec<String> {
    let is_shown = |at: &usize| !left_out.contains(&columns[*at].title());
    let shown: Vec<usize> = (0..columns.len()).filter(is_shown).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| shown.iter().map(|at| row[*at].clone()).collect()).collect();
    let columns: Vec<_> = shown.iter().map(|at| columns[*at]).collect();
    lines(&columns, &rows)
}

/// The same, with the cells of the column `long` cut in their middle where the lines would be wider than this.
pub(crate) fn lines_within(
    columns: &[Column<'_>],
    rows: &[Vec<String>],
    long: usize,
    width: Option<u16>,
) -> Vec<String> {
    let width = width.map_or(usize::MAX, usize::from);
    let others = |gap: usize| {
        let taken = |at: usize| width_of(columns[at].title(), rows, at) + gap;
        (0..columns.len()).filter(|at| *at != long).map(taken).sum::<usize>()
    };
    let whole = width_of(columns[long].title(), rows, long);
    let gap = if others(2).saturating_add(whole) > width { 1 } else { 2 };
    let room = width.saturating_sub(others(gap)).max(SHORTEST_CELL);
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row[long] = cut_middle(&row[long], room);
    }
    let gap = u16::try_from(gap).unwrap_or_default();
    spaced(columns, &rows, gap).iter().map(|line| cut(line, width)).collect()
}

/// A price for a column.
pub(crate) fn price(price: &Price) -> String {
    number(price.as_decimal())
}

/// A number for a column. A long one is in powers of ten, with `~` if digits are left out.
pub(crate) fn number(number: &Decimal) -> String {
    let plain = number.to_string();
    if plain.len() <= LONGEST_NUMBER {
        return plain;
    }
    let (sign, plain) = plain.strip_prefix('-').map_or(("", &*plain), |plain| ("-", plain));
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = format!("{whole}{part}");
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    let exponent = whole.len().cast_signed() - zeros.cast_signed() - 1;
    let shown = &significant[..significant.len().min(SHOWN_DIGITS)];
    let about = if shown.len() < significant.len() { "~" } else { "" };
    let (first, others) = shown.split_at(1);
    let point = if others.is_empty() { "" } else { "." };
    format!("{about}{sign}{first}{point}{others}e{exponent}")
}

/// The width of a column: its title or its widest cell.
pub(crate) fn width_of(title: &str, rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.width()).max().unwrap_or(0).max(title.width())
}

/// Cuts text at its end to this width in columns. Keeps grapheme clusters whole.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(CUT.len());
    head(text, room) + CUT
}

/// The beginning of a text, at most this wide. A joiner at its end would join nothing.
fn head(text: &str, room: usize) -> String {
    let mut head: String = text.graphemes(true).take_while(within(room)).collect();
    head.truncate(head.trim_end_matches(['\u{200c}', '\u{200d}']).len());
    head
}

/// Cuts a name in its middle to this width: names differ at their ends.
pub(crate) fn cut_middle(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let room = width.saturating_sub(CUT.len());
    let head = head(name, room / 2);
    let tail: Vec<_> = name.graphemes(true).rev().take_while(within(room - room / 2)).collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}{CUT}{tail}")
}

/// Whether the next grapheme cluster fits into the columns that are left.
fn within(mut room: usize) -> impl FnMut(&&str) -> bool {
    move |seen| match room.checked_sub(seen.width()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    }
}

/// Wraps a sentence to this width, with further lines two columns to the right. Without a width it stays one line.
pub(crate) fn wrapped(sentence: &str, width: Option<u16>) -> Vec<String> {
    match width {
        Some(width) => wrapped_at(sentence, usize::from(width).max(20), Words::Broken),
        None => vec![sentence.to_owned()],
    }
}

/// What becomes of a word that is wider than a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// It goes on in the next line.
    Broken,
    /// It stays whole, for the terminal to break: an address, which can be copied.
    Whole,
}

/// Wraps a sentence. `Ctrl-C` and `--wait` are words.
pub(super) fn wrapped_at(sentence: &str, width: usize, words: Words) -> Vec<String> {
    let indent = sentence.len() - sentence.trim_start().len();
    let indent = " ".repeat(indent + 2);
    let options = textwrap::Options::new(width)
        .break_words(words == Words::Broken)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .subsequent_indent(&indent);
    let glued = glued(sentence);
    let lines = textwrap::wrap(&glued, options).into_iter();
    lines.map(|line| line.replace(GLUE, " ")).collect()
}

/// A space at which no line is broken.
const GLUE: &str = "\u{a0}";

/// The sentence with no break between a number and what it counts, where that is short.
fn glued(sentence: &str) -> String {
    let mut glued = String::new();
    for word in sentence.split_inclusive(' ') {
        let unit = word.trim_end_matches([' ', ',', ';', ':', '.', ')']);
        if matches!(unit, "h" | "min" | "s" | "ms" | "late" | "%")
            && glued.trim_end().ends_with(|c: char| c.is_ascii_digit())
        {
            glued.truncate(glued.trim_end().len());
            glued.push_str(GLUE);
        }
        glued.push_str(word);
    }
    glued
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
        assert_eq!(lines(&columns, &rows), ["NAME   N  NOTE", "a      7  x", "bb    10"]);
    }

    #[test]
    fn a_long_cell_gives_way_in_its_middle() {
        let rows = [
            vec!["topic".into(), "wild-rydes-RequestForQuotesTopic".into(), "kept".into()],
            vec!["table".into(), "short".into(), "created".into()],
        ];
        let columns = ["RESOURCE", "NAME", "STATE"].map(Column::Left);
        assert_eq!(lines_within(&columns, &rows, 1, None), lines(&columns, &rows));
        assert_eq!(lines_within(&columns, &rows, 1, Some(51)), lines(&columns, &rows));
        assert_eq!(
            lines_within(&columns, &rows, 1, Some(40)),
            [
                "RESOURCE NAME                    STATE",
                "topic    wild-rydes...uotesTopic kept",
                "table    short                   created"
            ]
        );
        let tiny = lines_within(&columns, &rows, 1, Some(20));
        assert!(tiny.iter().all(|line| line.width() <= 20), "{tiny:?}");
    }

    #[test]
    fn prices_fit_into_a_column() {
        for (text, shown) in [
            ("16", "16"),
            ("12345678901234567890.12", "12345678901234567890.12"),
            ("1e125", "1e125"),
            ("9.99e125", "9.99e125"),
            ("1e-130", "1e-130"),
            ("99999999999999999999999999999999999999", "~9.99999999999e37"),
            ("0.00001234567890123456789012345", "~1.23456789012e-5"),
        ] {
            assert_eq!(price(&Price::parse(text).expect("valid")), shown);
        }
    }

    #[test]
    fn what_is_cut_is_as_wide_as_it_may_be() {
        assert_eq!(cut("declined: fully booked", 12), "declined:...");
        assert_eq!(cut_middle("UnicornManagementResource10", 15), "Unicor...urce10");
        assert_eq!(cut_middle("short", 5), "short");
        let odd = cut_middle(&"1\u{fe0f}".repeat(32), 20);
        assert!(odd.width() <= 20, "{odd:?}");
        assert_eq!(cut_middle("東京東京東京東京", 9), "東...京");
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(cut(&family.repeat(4), 7), format!("{family}{family}..."));
        assert_eq!(cut_middle(&family.repeat(4), 7), format!("{family}...{family}"));
        assert_eq!(cut("x\u{200c}خخخخ", 4), "x...", "a joiner joins nothing there");
        assert_eq!(cut_middle("x\u{200c}خخخخخخ", 6), "x...خخ");
        let rows = [vec![family.into(), "1".into()], vec!["می\u{200c}خواهم".into(), "2".into()]];
        let columns = [Column::Left("TO"), Column::Left("N")];
        let drawn = lines(&columns, &rows);
        assert_eq!(drawn[0].find('N'), Some(9));
        assert_eq!(drawn[1], format!("{family}       1"));
        assert_eq!(drawn[2], "می\u{200c}خواهم  2");
        assert_eq!(wrapped("one two three four five", Some(20)), ["one two three four", "  five"]);
        let indented = wrapped("    one two three four five", Some(20));
        assert_eq!(indented, ["    one two three", "      four five"]);
        assert_eq!(
            wrapped("it lasted 123456.7 s, then", Some(20)),
            ["it lasted", "  123456.7 s, then"]
        );
        let share = "3 silent, 7 late (12.5 %), then";
        assert_eq!(wrapped(share, Some(23)), ["3 silent, 7 late", "  (12.5 %), then"]);
    }
}
