//! The table of quotes.

use unicode_width::UnicodeWidthStr as _;

use super::sentences::{NO_QUOTE, after, not_asked, seconds, silence, truth, waiting_for};
use crate::core::aggregate::{CompletedBy, Gathering, Provider, Quote, State, Status, Timing};
use crate::core::text::printable;
use crate::core::{Details, Responder, StackName, Timestamp};
use crate::view::details::{self, Field};
use crate::view::names::Prefix;
use crate::view::table::{Column, cut, cut_middle, lines, price, width_of};
use crate::view::tone::{Line, Tone, headed_with};

/// Rows that a table shows before it folds.
const MOST_ROWS: usize = 20;
/// Rows that a low screen shows before it leaves out what surrounds them.
const LEAST_ROWS: usize = 3;

/// The columns before and after the fields of details.
const BEFORE: [Column<'static>; 3] =
    [Column::Right("#"), Column::Left("RESPONDER"), Column::Right("QUOTE")];
const AFTER: [Column<'static>; 2] = [Column::Right("AFTER"), Column::Left("NOTE")];
/// The column of names, which is cut when space is short.
const RESPONDER: usize = 1;
/// The width of the gap between two columns; the indent of a table is one more.
const GAP: usize = 2;
/// The widest note. A reason may have 1,024 characters; JSON has all of them.
const LONGEST_NOTE: usize = 200;
/// The least width of a note when space is short: alone, and beside fields of details, where names give way.
const SHORTEST_NOTES: [usize; 2] = [16, 24];
/// The least width of a name.
const SHORTEST_NAME: usize = 12;

/// The room that a comfortable table has beside its names.
const ROOM_BESIDE_NAMES: usize = 70;
/// What each field of details takes of it.
const ROOM_OF_A_FIELD: usize = 12;
/// The longest name that is never shortened.
const LONGEST_WHOLE: usize = 14;

/// The most lines of a list of names below the table.
const LONGEST_LIST: usize = 3;

/// How a table is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The stack to name in the corner.
    pub stack: &'a StackName,
    /// The time that the countdown starts from.
    pub now: Timestamp,
    /// The width in columns; without one, only very long notes are cut.
    pub width: Option<u16>,
    /// The lines that all of it may fill. On a low screen rows are folded first, the best stay.
    pub height: Option<u16>,
    /// The fields of details to show.
    pub fields: &'a [Field],
}

/// The answer first: title, best quote and how the RFQ stands; below them the table, and who is waited for.
pub fn table(gathering: &Gathering, frame: Frame<'_>) -> Vec<Line> {
    let names = Names::of(gathering, frame.fields.len(), frame.width);
    let height = frame.height.map_or(usize::MAX, usize::from);
    let mut sheet = Sheet::of(gathering, &names, frame, MOST_ROWS);
    for least in [LEAST_ROWS, 1] {
        while sheet.height() > height && sheet.shown > least {
            let fewer = sheet.shown.saturating_sub(sheet.height() - height).max(least);
            sheet = Sheet::of(gathering, &names, frame, fewer);
            if least < LEAST_ROWS {
                sheet.leave_out(height);
            }
        }
        sheet.leave_out(height);
    }
    let mut all = sheet.lines();
    all.truncate(height);
    all
}

/// A table with all that surrounds it, from top to bottom.
struct Sheet {
    title: Option<Line>,
    truth: Vec<Line>,
    /// The header, the rows, and how many more there are.
    rows: Vec<Line>,
    /// How many rows are shown.
    shown: usize,
    below: Vec<Line>,
}

impl Sheet {
    /// With at most this many rows.
    fn of(gathering: &Gathering, names: &Names, frame: Frame<'_>, most: usize) -> Self {
        let truth = truth(gathering, frame.now);
        let truth = truth.iter().flat_map(|sentence| sentence.wrapped(frame.width)).collect();
        let (mut fields, mut hidden) = (details::shown(gathering, frame.fields), Vec::new());
        let drawn = loop {
            match (drawn(gathering, &fields, names, frame.width, most), fields.pop()) {
                (Drawn { fits: false, .. }, Some(last)) => {
                    hidden.insert(0, last.title(SHORTEST_NAME));
                }
                (drawn, _) => break drawn,
            }
        };
        let indented = |line: Line| Line { text: format!("    {}", line.text), ..line };
        let (mut rows, shown) = (drawn.lines, drawn.shown);
        if drawn.folded > 0 {
            rows.push(indented(format!("... and {} more", drawn.folded).into()));
        }
        let mut below = Vec::new();
        if !hidden.is_empty() {
            below.push(format!("too narrow for {}", hidden.join(", ")));
        }
        let lists = [waiting_for(gathering, &names.prefix), not_asked(gathering, &names.prefix)];
        let is_short = names.form == NameForm::Short || lists.iter().any(Option::is_some);
        below.extend(lists.into_iter().flatten());
        let explained = names.prefix.explained().filter(|_| is_short);
        let below = below.into_iter().map(Line::from);
        let explained = silence(gathering).into_iter().chain(explained);
        let below = below.chain(explained.map(|text| Line::new(Tone::Faint, text)));
        let most = if frame.width.is_some() { LONGEST_LIST } else { usize::MAX };
        let below = below.map(indented);
        let below = below.flat_map(|line| line.wrapped(frame.width).take(most)).collect();
        let title = Some(Line::new(Tone::Title, title(gathering, frame)));
        Self { title, truth, rows, shown, below }
    }

    fn height(&self) -> usize {
        let others = self.truth.len() + self.rows.len() + self.below.len();
        usize::from(self.title.is_some()) + others
    }

    /// Leaves out what surrounds the rows, as far as that makes it fit: first what stands below them, then the title.
    fn leave_out(&mut self, height: usize) {
        while self.height() > height && self.below.pop().is_some() {}
        self.title.take_if(|_| self.truth.len() + self.rows.len() >= height);
    }

    fn lines(self) -> Vec<Line> {
        self.title.into_iter().chain(self.truth).chain(self.rows).chain(self.below).collect()
    }
}

/// How the names of responders are written.
struct Names {
    prefix: Prefix,
    form: NameForm,
    /// The width of the widest, as it is written, of those that were asked.
    widest: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameForm {
    Whole,
    /// Without the prefix that they share.
    Short,
}

impl Names {
    /// Long names lose their common beginning where the terminal is narrow. That does not depend on who has
    /// answered: a table that is redrawn keeps its names.
    fn of(gathering: &Gathering, fields: usize, width: Option<u16>) -> Self {
        let asked = || gathering.providers.iter().filter(|one| one.expected != Some(false));
        let prefix = Prefix::of_asked(&gathering.providers);
        let widths = asked().map(|one| printable(one.responder.as_str()).width());
        let widest = widths.max().unwrap_or(0);
        let room = ROOM_BESIDE_NAMES + fields * ROOM_OF_A_FIELD;
        let is_narrow = width.is_some_and(|width| widest + room > usize::from(width));
        let form =
            if is_narrow && widest > LONGEST_WHOLE { NameForm::Short } else { NameForm::Whole };
        let mut names = Self { prefix, form, widest: 0 };
        names.widest = asked().map(|one| names.written(&one.responder).width()).max().unwrap_or(0);
        names
    }

    fn written(&self, name: &Responder) -> String {
        match self.form {
            NameForm::Whole => printable(name.as_str()),
            NameForm::Short => self.prefix.leave_out(name),
        }
    }
}

struct Drawn {
    lines: Vec<Line>,
    /// How many rows are shown.
    shown: usize,
    /// How many rows are not shown.
    folded: usize,
    /// Whether names and notes have the width that they need.
    fits: bool,
}

/// The first rows of the table with these fields, its header before them.
fn drawn(
    gathering: &Gathering,
    fields: &[Field],
    names: &Names,
    width: Option<u16>,
    most: usize,
) -> Drawn {
    let rows = rows(gathering, fields);
    let folded = rows.len().saturating_sub(most);
    let rows: Vec<_> = rows.into_iter().take(most).collect();
    let number = rows.len();
    let tones: Vec<_> = rows.iter().map(|row| row.tone).collect();
    let written = |row: Row| {
        let mut cells = row.cells;
        cells[RESPONDER] = names.written(&row.responder);
        cells
    };
    let mut shown: Vec<_> = rows.into_iter().map(written).collect();
    let widest = if width.is_some() { details::WIDTHS[0] } else { usize::MAX };
    let titles: Vec<_> = fields.iter().map(|field| field.title(widest)).collect();
    let columns = details::columns(gathering, fields, &titles);
    let mut columns: Vec<_> = BEFORE.into_iter().chain(columns).chain(AFTER).collect();
    let fits = narrow(&mut shown, &columns, width);
    // Names that come later must not move the columns, where there is room for them.
    let title = format!("{:<1$}", columns[RESPONDER].title(), names.widest);
    let taken: usize =
        (0..columns.len()).map(|at| GAP + width_of(columns[at].title(), &shown, at)).sum();
    let more = title.len().saturating_sub(width_of(columns[RESPONDER].title(), &shown, RESPONDER));
    if width.is_none_or(|width| taken + more < usize::from(width)) {
        columns[RESPONDER] = Column::Left(&title);
    }
    let lines = lines(&columns, &shown).iter().map(|text| format!(" {text}")).collect();
    let lines = headed_with(lines, tones);
    Drawn { lines, shown: number, folded, fits }
}

/// Cuts fields, names and notes to the width that the other columns leave. Returns whether that is enough.
fn narrow(rows: &mut [Vec<String>], columns: &[Column<'_>], width: Option<u16>) -> bool {
    let note_column = columns.len() - 1;
    let wide =
        |rows: &[Vec<String>], column: usize| width_of(columns[column].title(), rows, column);
    let (name, note) = (wide(rows, RESPONDER), wide(rows, note_column));
    let shortest_note = SHORTEST_NOTES[usize::from(note_column > BEFORE.len() + 1)];
    let mut fits = true;
    let (name, note) = match width.map(usize::from) {
        None => (name, note.min(LONGEST_NOTE)),
        Some(width) => {
            let mut left = 0;
            for widest in details::WIDTHS {
                for row in &mut *rows {
                    for cell in &mut row[BEFORE.len()..note_column] {
                        *cell = cut(cell, widest);
                    }
                }
                let is_fixed = |column: &usize| ![RESPONDER, note_column].contains(column);
                let fixed = (0..columns.len()).filter(is_fixed).map(|column| wide(rows, column));
                left = width.saturating_sub(fixed.sum::<usize>() + GAP * note_column + 1);
                if left >= name + note.min(shortest_note) {
                    break;
                }
            }
            fits = left >= name.min(SHORTEST_NAME) + note.min(SHORTEST_NOTES[0]);
            let name = name.min(left.saturating_sub(note.min(shortest_note)).max(SHORTEST_NAME));
            (name, note.min(LONGEST_NOTE).min(left.saturating_sub(name)))
        }
    };
    for row in rows {
        row[RESPONDER] = cut_middle(&row[RESPONDER], name);
        row[note_column] = cut(&row[note_column], note);
    }
    fits
}

fn title(gathering: &Gathering, frame: Frame<'_>) -> String {
    let request = &gathering.request;
    let title = format!(
        "RFQ {}  {} -> {}  for {}",
        printable(&request.id.short()),
        printable(&request.ride.from),
        printable(&request.ride.to),
        printable(&request.ride.customer)
    );
    let stack = frame.stack.as_str();
    let width = usize::from(frame.width.unwrap_or(80)).min(80);
    let gap = width.saturating_sub(title.width() + stack.len());
    let title = format!("{title}{}{stack}", " ".repeat(gap.max(2)));
    frame.width.map_or(title.clone(), |width| cut(&title, width.into()))
}

/// A row of the table.
pub(in crate::view) struct Row {
    pub(in crate::view) responder: Responder,
    pub(in crate::view) state: State,
    pub(in crate::view) tone: Tone,
    /// Place, name, price, fields, time and note.
    pub(in crate::view) cells: Vec<String>,
}

/// The rows. In-time quotes come first, the best one before the others; among them, quotes of unexpected providers
/// come last and have no place. Then come the providers in other states, except those that may still answer.
pub(in crate::view) fn rows(gathering: &Gathering, fields: &[Field]) -> Vec<Row> {
    let in_time = gathering.quotes.iter().filter(|quote| quote.timing == Timing::InTime);
    let (expected, strangers): (Vec<_>, Vec<_>) =
        in_time.partition(|quote| quote.expected != Some(false));
    let row = |place: String, quote: &Quote| {
        let cells = [place, printable(quote.responder.as_str()), price(&quote.price)];
        let details = quote.details.as_ref();
        let end = [after(quote.after_ms), note(gathering, quote)];
        let tone = if is_best(gathering, quote) { Tone::Best } else { Tone::Plain };
        let cells = row_of(cells, fields, details, end);
        Row { responder: quote.responder.clone(), state: State::Quoted, tone, cells }
    };
    let places = expected.into_iter().zip(1..);
    let mut rows: Vec<_> =
        places.map(|(quote, place): (&Quote, usize)| row(place.to_string(), quote)).collect();
    rows.extend(strangers.into_iter().map(|quote| row(String::new(), quote)));
    let others = gathering.providers.iter().filter(|provider| {
        !matches!(provider.state, State::Quoted | State::Waiting | State::NotAsked)
    });
    rows.extend(others.map(|provider| Row {
        responder: provider.responder.clone(),
        state: provider.state,
        tone: Tone::of(provider),
        cells: other_row(gathering, provider, fields),
    }));
    rows
}

/// What a receipt says before the end, with its reason.
pub(in crate::view) fn receipt(reason: &str) -> String {
    format!("{NO_QUOTE}: {reason}")
}

fn is_best(gathering: &Gathering, quote: &Quote) -> bool {
    gathering.best.as_ref().is_some_and(|best| best.responder == quote.responder)
}

fn note(gathering: &Gathering, quote: &Quote) -> String {
    match (is_best(gathering, quote), gathering.status) {
        (true, Status::Gathering) => "best so far".to_owned(),
        (true, Status::Complete | Status::Closed | Status::Expired) => "best".to_owned(),
        (false, _) if quote.expected == Some(false) => "unexpected".to_owned(),
        (false, _) => String::new(),
    }
}

/// The cells of a row, with those of the fields in their place.
fn row_of(
    before: [String; 3],
    fields: &[Field],
    details: Option<&Details>,
    after: [String; 2],
) -> Vec<String> {
    let fields = fields.iter().map(|field| field.cell(details));
    before.into_iter().chain(fields).chain(after).collect()
}

fn other_row(gathering: &Gathering, provider: &Provider, fields: &[Field]) -> Vec<String> {
    let late = gathering.quotes.iter().find(|quote| quote.responder == provider.responder);
    let late = late.filter(|_| provider.state == State::Late);
    let price = late.map_or_else(|| "-".to_owned(), |quote| price(&quote.price));
    let before = [String::new(), printable(provider.responder.as_str()), price];
    let after = [after(provider.after_ms), other_note(gathering, provider)];
    row_of(before, fields, provider.details.as_ref(), after)
}

/// The note of a provider without a quote in time. It begins with the word of the state, which is whole where a
/// note is cut.
fn other_note(gathering: &Gathering, provider: &Provider) -> String {
    let reason = provider.reason.as_deref().map(printable).unwrap_or_default();
    let unexpected = if provider.expected == Some(false) { ", unexpected" } else { "" };
    let late = provider.late_by().map(|by| format!("late by {}", seconds(by)));
    let too_late = late.as_ref().map_or_else(String::new, |late| format!(" {late}"));
    match provider.state {
        State::Declined => format!("declined{too_late}: {reason}{unexpected}"),
        State::Failed => match provider.attempts {
            Some(1) => format!("failed{too_late}: {reason}, 1 attempt{unexpected}"),
            Some(attempts) => {
                format!("failed{too_late}: {reason}, {attempts} attempts{unexpected}")
            }
            None => format!("failed{too_late}: {reason}{unexpected}"),
        },
        State::Silent => format!("silent: {reason}"),
        State::Late => late.map_or_else(|| "late".to_owned(), |late| late + unexpected),
        State::Missing if provider.reason.is_some() => format!("missing: {reason}"),
        State::Missing => match gathering.completed_by {
            Some(CompletedBy::Deadline) => "missing: no reply before the deadline".to_owned(),
            _ => "missing: no reply before the end".to_owned(),
        },
        State::Quoted | State::Waiting | State::NotAsked => String::new(),
    }
}
