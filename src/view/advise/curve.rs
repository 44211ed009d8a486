//! The share of best quotes that a deadline keeps, as a curve of characters.

use super::{length, word};
use crate::core::history::{Advice, Mark};
use crate::view::tone::{Line, Tone};
use crate::view::trace::{Scale, ticks};

/// Rows of the curve, from 100 % down to 0 %.
const ROWS: usize = 9;
/// Every so many rows have a label.
const LABELLED: usize = 2;
/// The label and the gap before the curve.
const MARGIN: usize = 7;
const WIDEST: usize = 96;
const NARROWEST: usize = 20;
/// Columns without a terminal.
const COLUMNS: u16 = 80;

pub(super) fn lines(advice: &Advice, width: Option<u16>) -> Vec<Line> {
    let columns = usize::from(width.unwrap_or(COLUMNS)).saturating_sub(MARGIN);
    let columns = columns.clamp(NARROWEST, WIDEST);
    let span = span(advice);
    let scale = Scale { span, columns };
    let marks: Vec<_> = marks(advice).into_iter().filter(|(at, _)| *at <= span).collect();
    let mut all = vec![Line::new(Tone::Faint, "best quotes kept, by deadline".to_owned())];
    let cells = cells(advice, scale, &marks);
    for (place, row) in cells.iter().enumerate() {
        let label = match place % LABELLED {
            0 => format!("{:>3} %", 100 - place * 100 / (ROWS - 1)),
            _ => String::new(),
        };
        let line: String = row.iter().collect();
        all.push(Line::from(format!("{label:<MARGIN$}{line}").trim_end().to_owned()));
    }
    all.push(Line::new(Tone::Faint, format!("{:MARGIN$}{}", "", ticks(scale)).trim_end()));
    all.extend(marks.iter().map(|(at, text)| {
        let column = MARGIN + scale.column(*at);
        let text = if column + 2 + text.len() <= MARGIN + columns {
            format!("{:column$}^ {text}", "")
        } else {
            format!("{text:>column$} ^")
        };
        Line::new(Tone::Faint, text)
    }));
    let beyond = advice.today.deadline.filter(|today| *today > span);
    all.extend(beyond.map(|today| {
        Line::new(Tone::Faint, format!("today's {} is beyond the end of this scale", length(today)))
    }));
    all
}

/// The deadlines that are marked, in milliseconds, with their meaning.
fn marks(advice: &Advice) -> Vec<(i64, String)> {
    let advised = advice.advised.as_ref().and_then(|point| point.deadline);
    let today = advice.today.deadline;
    let mark =
        |at: Option<i64>, mark: Mark| at.map(|at| (at, format!("{} {}", length(at), word(mark))));
    if advised.is_some() && advised == today {
        return mark(advised, Mark::Both).into_iter().collect();
    }
    mark(advised, Mark::Advised).into_iter().chain(mark(today, Mark::Today)).collect()
}

/// The longest deadline of the curve, in milliseconds: a little beyond the one that keeps nearly all, and today's
/// unless it is much longer.
pub(in crate::view) fn span(advice: &Advice) -> i64 {
    const SPARE: i64 = 3;
    const LEAST: i64 = 20;
    let nearly_all = advice.market.advised(0.99).and_then(|point| point.deadline);
    let advised = advice.advised.as_ref().and_then(|point| point.deadline);
    let points = advice.market.points();
    let longest = points.last().and_then(|point| point.deadline);
    let last = nearly_all.max(advised).or(longest).unwrap_or(0).max(LEAST);
    let today = advice.today.deadline.filter(|today| *today <= last * SPARE);
    let last = last.max(today.unwrap_or(0));
    last + last / 20
}

fn cells(advice: &Advice, scale: Scale, marks: &[(i64, String)]) -> Vec<Vec<char>> {
    let mut cells = vec![vec![' '; scale.columns]; ROWS];
    for (at, _) in marks {
        for row in &mut cells {
            row[scale.column(*at)] = '|';
        }
    }
    let mut before = ROWS - 1;
    let last = scale.columns.saturating_sub(1).max(1);
    for column in 0..scale.columns {
        let at = scale.span * i64::try_from(column).unwrap_or(0) / i64::try_from(last).unwrap_or(1);
        let (kept, total) = (advice.market.kept_within(at), advice.market.with_best.max(1));
        let steps = (ROWS - 1) as u64;
        let height = usize::try_from((kept * steps * 2 + total) / (total * 2)).unwrap_or(0);
        let row = ROWS - 1 - height;
        // A steep curve has no gaps.
        for row in &mut cells[row..=before.max(row)] {
            row[column] = '*';
        }
        before = row.saturating_sub(1).max(row);
    }
    cells
}
