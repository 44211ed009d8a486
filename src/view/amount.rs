//! Large amounts for people.

use super::count_of;

/// A number of rows that is known roughly: `1 row`, `22220 rows`, `3.1 million rows`.
pub(crate) fn rough_rows(number: u64) -> String {
    const MILLION: u64 = 1_000_000;
    match number {
        ..MILLION => count_of(number, "row"),
        _ => format!("{}.{} million rows", number / MILLION, number % MILLION / (MILLION / 10)),
    }
}

/// `812 B`, `4.8 KB`, `120 MB`, `1.2 GB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let (mut size, mut unit) = (number, 0);
    let mut tenths = 0;
    while size >= 1_000 && unit + 1 < UNITS.len() {
        tenths = size % 1_000 / 100;
        size /= 1_000;
        unit += 1;
    }
    let part = if unit > 0 && size < 10 { format!(".{tenths}") } else { String::new() };
    format!("{size}{part} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_amounts_are_read_at_a_glance() {
        let shown = [0, 812, 4_870, 120_000_000, 1_240_000_000, 5_000_000_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "812 B", "4.8 KB", "120 MB", "1.2 GB", "5000 TB"]);
        let shown = [1, 22_220, 999_999, 3_190_000, 12_000_000].map(rough_rows);
        let wanted =
            ["1 row", "22220 rows", "999999 rows", "3.1 million rows", "12.0 million rows"];
        assert_eq!(shown, wanted);
    }
}
