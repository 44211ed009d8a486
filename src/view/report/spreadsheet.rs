//! A report as CSV (RFC 4180), safe to open as a spreadsheet.

use super::document::above_best;
use super::ranked;
use crate::core::history::{ProviderRecord, Report};
use crate::core::text::printable;

const HEADER: [&str; 13] = [
    "provider",
    "asked",
    "quoted",
    "declined",
    "failed",
    "silent",
    "missing",
    "late",
    "median-ms",
    "p95-ms",
    "best",
    "missed",
    "above-best",
];
/// A cell that begins with one of these is a formula. <https://owasp.org/www-community/attacks/CSV_Injection>
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The header, and a line for each provider. Unknown values are empty.
pub fn csv(report: &Report) -> Vec<String> {
    let records = ranked(report).into_iter().map(|(name, record)| {
        std::iter::once(text(name.as_str())).chain(figures(record)).collect::<Vec<_>>()
    });
    std::iter::once(HEADER.map(str::to_owned).to_vec())
        .chain(records)
        .map(|cells| line(&cells))
        .collect()
}

fn figures(record: &ProviderRecord) -> impl Iterator<Item = String> {
    let shown = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let above = above_best(record).map(|above| above.to_string());
    let counts = [
        record.asked,
        record.quoted,
        record.declined,
        record.failed,
        record.silent,
        record.missing,
        record.late,
    ];
    let times = [shown(record.times.median()), shown(record.times.p95())];
    let prices = [record.best.to_string(), record.missed.to_string(), above.unwrap_or_default()];
    counts.into_iter().map(|count| count.to_string()).chain(times).chain(prices)
}

/// A text that no spreadsheet runs, safe to print.
fn text(text: &str) -> String {
    let before = if text.starts_with(FORMULA) { "'" } else { "" };
    format!("{before}{}", printable(text))
}

/// The cells as one line, without its end.
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
