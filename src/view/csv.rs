//! Comma-separated values (RFC 4180), safe to open as a spreadsheet.

use crate::core::text::printable;

/// A cell that begins with one of these is a formula. <https://owasp.org/www-community/attacks/CSV_Injection>
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The header and the records, one line each, without the ends of the lines.
pub(super) fn lines(
    header: &[&str],
    records: impl IntoIterator<Item = Vec<String>>,
) -> Vec<String> {
    let header = header.iter().map(|title| (*title).to_owned()).collect();
    std::iter::once(header).chain(records).map(|cells: Vec<_>| line(&cells)).collect()
}

/// A cell with a text that no spreadsheet runs, safe to print.
pub(super) fn text(text: &str) -> String {
    let before = if text.starts_with(FORMULA) { "'" } else { "" };
    format!("{before}{}", printable(text))
}

/// A cell with a number; empty if it is not known.
pub(super) fn number(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn line(cells: &[String]) -> String {
    let mut writer = ::csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells).expect("memory takes each record");
    let bytes = writer.into_inner().expect("memory takes each record");
    let line = String::from_utf8(bytes).expect("the cells are UTF-8");
    line.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert!(text(formula).starts_with('\''), "{formula:?}");
            assert!(!text(formula).chars().any(char::is_control), "{formula:?}");
        }
        assert_eq!(text("acme-1"), "acme-1");
        assert_eq!(text("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
    }

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        let cells = ["a,b", "say \"hi\"", "", "plain"].map(str::to_owned);
        assert_eq!(line(&cells), r#""a,b","say ""hi""",,plain"#);
        assert_eq!(line(&[String::new()]), "\"\"");
    }
}
