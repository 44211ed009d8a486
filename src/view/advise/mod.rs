//! Which deadline would have kept the best quotes: a sentence, a table and a curve; and the same for programs.

mod curve;
mod document;
mod sentences;
mod table;

pub(super) use self::curve::span;
pub use self::document::{csv, document, jsonl};
pub use self::sentences::{headline, unknowns};

use super::tone::Line;
use crate::core::history::{Advice, Mark, Point};

/// The advice in lines of at most this width: the sentence that matters, the table, the curve, and what is not known.
pub fn lines(advice: &Advice, width: Option<u16>) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    all.extend(headline(advice).wrapped(width));
    if advice.market.with_best > 0 {
        all.push(Line::from(String::new()));
        all.extend(table::lines(advice, width));
        all.push(Line::from(String::new()));
        all.extend(curve::lines(advice, width));
    }
    let unknowns = unknowns(advice);
    if !unknowns.is_empty() {
        all.push(Line::from(String::new()));
    }
    all.extend(unknowns.into_iter().flat_map(|text| Line::from(text).wrapped(width)));
    all
}

/// A deadline: `820 ms`, `4.2 s`, `15 s`, `5 min`, `24 h`.
pub fn length(millis: i64) -> String {
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    match millis {
        _ if millis >= 2 * HOUR && millis % HOUR == 0 => format!("{} h", millis / HOUR),
        _ if millis >= 2 * MINUTE && millis % MINUTE == 0 => format!("{} min", millis / MINUTE),
        _ if millis < SECOND => format!("{millis} ms"),
        _ if millis % SECOND == 0 => format!("{} s", millis / SECOND),
        _ => {
            let thousandths = format!("{}.{:03}", millis / SECOND, millis % SECOND);
            format!("{} s", thousandths.trim_end_matches('0'))
        }
    }
}

/// The deadline of a point.
pub(super) fn deadline(point: &Point) -> String {
    point.deadline.map_or_else(|| "their own".to_owned(), length)
}

/// What is special about a deadline; empty if nothing is.
pub(super) fn word(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "",
        Mark::Advised => "advised",
        Mark::Today => "today",
        Mark::Both => "advised, today",
    }
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn deadlines_are_told_in_the_unit_that_they_are_typed_in() {
        for (millis, said) in [
            (10, "10 ms"),
            (820, "820 ms"),
            (1_000, "1 s"),
            (4_200, "4.2 s"),
            (4_125, "4.125 s"),
            (130_000, "130 s"),
            (300_000, "5 min"),
            (86_400_000, "24 h"),
        ] {
            assert_eq!(length(millis), said);
        }
    }
}
