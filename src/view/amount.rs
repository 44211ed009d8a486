//! Large numbers for people.

/// `3,100,000`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3,100,000 rows`, `1 row`.
pub(crate) fn rows(number: u64) -> String {
    format!("{} row{}", thousands(number), if number == 1 { "" } else { "s" })
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
    format!("{}{part} {}", thousands(size), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_read_at_a_glance() {
        let shown = [0, 999, 1_000, 3_100_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "3,100,000"]);
        let shown = [0, 812, 4_870, 120_000_000, 1_240_000_000, 5_000_000_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "812 B", "4.8 KB", "120 MB", "1.2 GB", "5,000 TB"]);
        assert_eq!([1, 2_000].map(rows), ["1 row", "2,000 rows"]);
    }
}
