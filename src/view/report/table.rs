//! The table of providers. A narrow terminal shows fewer columns.

use unicode_width::UnicodeWidthStr as _;

use crate::core::Responder;
use crate::core::history::ProviderRecord;
use crate::core::text::printable;
use crate::view::figures::{above, known, time};
use crate::view::legend::below;
use crate::view::names::Prefix;
use crate::view::table::{Column, cut, cut_middle, lines as drawn};
use crate::view::tone::{Line, Tone, headed_with};

/// The title of the column of names.
const PROVIDER: &str = "PROVIDER";
/// The most rows on a terminal.
const MOST_ROWS: usize = 50;
/// A name is cut to this length before a column is left out. After that, it is cut to the second length.
const SHORT_NAME: usize = 16;
const SHORTEST_NAME: usize = 8;
/// Spaces between two columns.
const GAP: usize = 2;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Asked,
    Quoted,
    Declined,
    Failed,
    Silent,
    Missing,
    /// The sum of the four before.
    NoQuote,
    Late,
    Median,
    P95,
    Best,
    Missed,
    AboveBest,
}

use Figure::{
    AboveBest, Asked, Best, Declined, Failed, Late, Median, Missed, Missing, NoQuote, P95, Quoted,
    Silent,
};

/// In the order of their declaration, which is their place in [`Cells`].
const ALL: [Figure; 13] = [
    Asked, Quoted, Declined, Failed, Silent, Missing, NoQuote, Late, Median, P95, Best, Missed,
    AboveBest,
];
const _: () = {
    let mut position = 0;
    while position < ALL.len() {
        assert!(ALL[position] as usize == position);
        position += 1;
    }
};
const WHOLE: [Figure; 12] =
    [Asked, Quoted, Declined, Failed, Silent, Missing, Late, Median, P95, Best, Missed, AboveBest];
const FOLDED: [Figure; 9] = [Asked, Quoted, NoQuote, Late, Median, P95, Best, Missed, AboveBest];
/// The columns that are left out on a narrow terminal, in this order.
const SPARE: [Figure; 7] = [P95, Late, NoQuote, Missed, AboveBest, Median, Asked];

impl Figure {
    fn title(self) -> &'static str {
        match self {
            Asked => "ASKED",
            Quoted => "QUOTED",
            Declined => "DECLINED",
            Failed => "FAILED",
            Silent => "SILENT",
            Missing => "MISSING",
            NoQuote => "NO QUOTE",
            Late => "LATE",
            Median => "MEDIAN",
            P95 => "P95",
            Best => "BEST",
            Missed => "MISSED",
            AboveBest => "ABOVE BEST",
        }
    }

    fn cell(self, record: &ProviderRecord) -> String {
        let count = match self {
            Asked => record.asked,
            Quoted => record.quoted,
            Declined => record.declined,
            Failed => record.failed,
            Silent => record.silent,
            Missing => record.missing,
            NoQuote => record.declined + record.failed + record.silent + record.missing,
            Late => record.late,
            Best => record.best,
            Missed => record.missed,
            Median => return known(record.times.median(), time),
            P95 => return known(record.times.p95(), time),
            AboveBest => return known(record.prices.median(), |ratio| above(ratio - 1.0)),
        };
        count.to_string()
    }

    /// What its title means, unless the title says it.
    fn meaning(self) -> Option<&'static str> {
        match self {
            Median => Some("MEDIAN: time to its answers, late ones included"),
            NoQuote => Some("NO QUOTE: declined, failed, silent or missing"),
            Missed => Some("MISSED: RFQs in which its late quote would have been best"),
            AboveBest => Some("ABOVE BEST: its price above the best quote, on the median"),
            Asked | Quoted | Declined | Failed | Silent | Missing | Late | P95 | Best => None,
        }
    }
}

/// The table of these providers, in this order, and what its columns mean.
pub(super) fn lines(providers: &[(&Responder, &ProviderRecord)], width: Option<u16>) -> Vec<Line> {
    if providers.is_empty() {
        return Vec::new();
    }
    let prefix = Prefix::of(providers.iter().map(|(name, _)| *name));
    let most = if width.is_some() { MOST_ROWS } else { usize::MAX };
    let shown = &providers[..providers.len().min(most)];
    let responders: Vec<_> = shown.iter().map(|(responder, _)| *responder).collect();
    let cells: Vec<_> = shown.iter().map(|(_, record)| Cells::of(record)).collect();
    let Layout { names, figures, hidden } = Layout::of(&responders, &cells, &prefix, width);
    let is_short = names.iter().any(|name| name.starts_with('…'));
    let row = |(name, cells): (String, &Cells)| {
        std::iter::once(name).chain(figures.iter().map(|one| cells.cell(*one).to_owned())).collect()
    };
    let rows: Vec<Vec<String>> = names.into_iter().zip(&cells).map(row).collect();
    let columns = figures.iter().map(|figure| Column::Right(figure.title()));
    let columns: Vec<_> = std::iter::once(Column::Left(PROVIDER)).chain(columns).collect();
    let widest = width.map_or(usize::MAX, usize::from);
    let table = drawn(&columns, &rows).iter().map(|line| cut(line, widest)).collect();
    let most_best = providers.iter().map(|(_, record)| record.best).max().unwrap_or(0);
    let mut all = headed_with(table, shown.iter().map(|(_, record)| tone(record, most_best)));
    let more = providers.len() - shown.len();
    if more > 0 {
        let more = Line::from(format!("... and {more} more; -o csv names them"));
        all.extend(more.wrapped(width));
    }
    let hidden: Vec<_> = hidden.iter().map(|figure| figure.title()).collect();
    let meanings = figures.iter().filter_map(|figure| figure.meaning()).map(str::to_owned);
    let explained = prefix.explained().filter(|_| is_short);
    all.extend(below(&hidden, &meanings.collect::<Vec<_>>(), explained, width));
    all
}

/// Best: the most best quotes. Failed: only failed and missing. Late: more late quotes than quotes, or more missed than best.
fn tone(record: &ProviderRecord, most_best: u64) -> Tone {
    match record {
        _ if record.best > 0 && record.best == most_best => Tone::Best,
        _ if record.failed + record.missing == record.asked => Tone::Failed,
        _ if record.late > record.quoted || record.missed > record.best => Tone::Late,
        _ => Tone::Plain,
    }
}

/// A provider's figures as text. To find a median takes long, so it is found once for all layouts that are tried.
struct Cells([String; ALL.len()]);

impl Cells {
    fn of(record: &ProviderRecord) -> Self {
        Self(ALL.map(|figure| figure.cell(record)))
    }

    fn cell(&self, figure: Figure) -> &str {
        &self.0[figure as usize]
    }
}

/// The columns and the names that fit.
struct Layout {
    names: Vec<String>,
    figures: Vec<Figure>,
    /// The columns that are left out.
    hidden: Vec<Figure>,
}

impl Layout {
    /// First, names lose their common beginning. Then four columns become one. Then others are left out.
    fn of(responders: &[&Responder], cells: &[Cells], prefix: &Prefix, width: Option<u16>) -> Self {
        let whole: Vec<_> = responders.iter().map(|name| printable(name.as_str())).collect();
        let Some(width) = width.map(usize::from) else {
            return Self { names: whole, figures: WHOLE.to_vec(), hidden: Vec::new() };
        };
        let taken = |figure: &Figure| {
            let cells = cells.iter().map(|cells| cells.cell(*figure).width());
            GAP + cells.max().unwrap_or(0).max(figure.title().width())
        };
        let room =
            |figures: &[Figure]| width.saturating_sub(figures.iter().map(taken).sum::<usize>());
        if widest(&whole) <= room(&WHOLE) {
            return Self { names: whole, figures: WHOLE.to_vec(), hidden: Vec::new() };
        }
        let short: Vec<_> = responders.iter().map(|name| prefix.leave_out(name)).collect();
        let needed = widest(&short);
        let mut figures = WHOLE.to_vec();
        if needed.min(SHORT_NAME) > room(&figures) {
            figures = FOLDED.to_vec();
        }
        let mut hidden = Vec::new();
        for figure in SPARE {
            if needed.min(SHORT_NAME) <= room(&figures) {
                break;
            }
            figures.retain(|kept| *kept != figure);
            hidden.push(figure);
        }
        let room = room(&figures).max(SHORTEST_NAME);
        let names = short.iter().map(|name| cut_middle(name, room)).collect();
        Self { names, figures, hidden }
    }
}

/// The width of the column of these names.
fn widest(names: &[String]) -> usize {
    names.iter().map(|name| name.width()).max().unwrap_or(0).max(PROVIDER.len())
}
