//! The table of providers that is redrawn in place.

use unicode_width::UnicodeWidthStr as _;

use super::summary::real_line;
use super::{ConsumerPart, ProviderCounts, RealCounts, Tally};
use crate::core::{ProviderName, Responder, Timestamp};
use crate::view::names::Prefix;
use crate::view::quotes::seconds_of;
use crate::view::table::{Column, cut, cut_middle, lines, spaced, wrapped};
use crate::view::tone::{Line, Tone, headed_with};

/// The longest trouble that is shown in the table.
const LONGEST_TROUBLE: usize = 300;
/// Lines about real providers below a narrow table, at most.
pub(crate) const MOST_REAL_LINES: u16 = 3;
/// Columns of the table that every provider fills.
const SHARED_COLUMNS: usize = 7;
/// The width below which titles are shortened.
const NARROW: u16 = 60;
/// The least width of a name.
const SHORTEST_NAME: usize = 10;

/// The terminal and the time that a table is drawn for.
#[derive(Debug, Clone, Copy)]
pub struct Viewport {
    /// Columns there are.
    pub width: u16,
    /// The time.
    pub now: Timestamp,
}

impl Tally {
    /// The table that is redrawn in place, at most `rows` providers high.
    pub fn table(&self, consumer: ConsumerPart, rows: usize, screen: Viewport) -> Vec<Line> {
        let Viewport { width, now } = screen;
        let mut all = Vec::new();
        if !self.providers.is_empty() {
            let shown: Vec<_> = self.providers.iter().take(rows).collect();
            let failed = shown.iter().map(|(_, counts)| counts.failed > 0);
            let tones = failed.map(|failed| if failed { Tone::Failed } else { Tone::Plain });
            all.extend(headed_with(self.provider_lines(&shown, width), tones));
            let folded = self.providers.len().saturating_sub(rows);
            if folded > 0 {
                let in_hand: u64 =
                    self.providers.values().skip(rows).map(|counts| counts.in_flight).sum();
                let busy = if in_hand > 0 { format!(", {in_hand} in hand") } else { String::new() };
                all.push(format!("... and {folded} more{busy}").into());
            }
        }
        let consumer = (consumer == ConsumerPart::Included).then(|| self.consumer_line());
        let trouble = self.trouble(now);
        let trouble = trouble.map(|line| Line::new(Tone::Failed, cut(&line, LONGEST_TROUBLE)));
        let below = self.remarks(self.strayed).into_iter().chain(consumer).chain(trouble);
        all.extend(below.flat_map(|line| line.wrapped(Some(width))));
        all
    }

    /// A header, and a line per provider. Without room for the columns of real providers, their attempts and times
    /// follow on lines of their own, for the first few.
    fn provider_lines(
        &self,
        shown: &[(&ProviderName, &ProviderCounts)],
        width: u16,
    ) -> Vec<String> {
        let has_real = self.providers.values().any(|counts| counts.real.is_some());
        let title = if width < 70 || has_real { "PROVIDER" } else { "SIMULATED PROVIDER" };
        let mut columns = vec![Column::Left(title)];
        let titles = if width < NARROW {
            ["RECV", "QUOTED", "DECL", "FAILED", "SILENT", "HAND"]
        } else {
            ["RECEIVED", "QUOTED", "DECLINED", "FAILED", "SILENT", "IN HAND"]
        };
        columns.extend(titles.map(Column::Right));
        if has_real {
            columns.extend(["ATTEMPTS", "P50", "P95"].map(Column::Right));
        }
        let row = |(name, c): &(&ProviderName, &ProviderCounts)| {
            let numbers = [c.received, c.quoted, c.declined, c.failed, c.silent, c.in_flight];
            let mut row = vec![name.to_string()];
            row.extend(numbers.iter().map(ToString::to_string));
            if has_real {
                row.extend(real_cells(c.real.as_ref()));
            }
            row
        };
        let rows: Vec<_> = shown.iter().map(row).collect();
        let fits = widest(&spaced(&columns, &rows, 1)) <= usize::from(width);
        if fits {
            return narrow(&columns, &rows, width);
        }
        let rows: Vec<_> = rows.into_iter().map(|row| row[..SHARED_COLUMNS].to_vec()).collect();
        let mut all = narrow(&columns[..SHARED_COLUMNS], &rows, width);
        let real = shown.iter().filter_map(|(name, c)| Some(real_line(name, c.real.as_ref()?)));
        all.extend(real.take(MOST_REAL_LINES.into()).flat_map(|line| wrapped(&line, Some(width))));
        all
    }
}

/// A real provider's attempts, and the times within which half of the answers and 95 % of them came.
fn real_cells(real: Option<&RealCounts>) -> [String; 3] {
    let Some(real) = real else { return ["-", "-", "-"].map(str::to_owned) };
    let time = |share| real.time(share).map_or_else(|| "-".to_owned(), seconds_of);
    [real.attempts.to_string(), time(0.5), time(0.95)]
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| line.width()).max().unwrap_or(0)
}

/// The lines of a table that fit into the width: with columns one space apart where two do not fit, then without the
/// beginning that the names share, and with names cut where that is not enough.
fn narrow(columns: &[Column], rows: &[Vec<String>], width: u16) -> Vec<String> {
    let width = usize::from(width);
    let wide = lines(columns, rows);
    if widest(&wide) <= width {
        return wide;
    }
    let narrow = spaced(columns, rows, 1);
    if widest(&narrow) <= width {
        return narrow;
    }
    let names: Vec<_> = rows.iter().map(|row| Responder::stored(row[0].as_str())).collect();
    let prefix = Prefix::of(&names);
    let mut rows = rows.to_vec();
    for (row, name) in rows.iter_mut().zip(&names) {
        row[0] = prefix.leave_out(name);
    }
    let over = widest(&spaced(columns, &rows, 1)).saturating_sub(width);
    let longest = rows.iter().map(|row| row[0].width()).max().unwrap_or(0);
    for row in &mut rows {
        row[0] = cut_middle(&row[0], longest.saturating_sub(over).max(SHORTEST_NAME));
    }
    let mut lines = spaced(columns, &rows, 1);
    let explained = prefix.explained().unwrap_or_default();
    lines.extend(
        wrapped(&explained, u16::try_from(width).ok()).into_iter().filter(|line| !line.is_empty()),
    );
    lines
}
