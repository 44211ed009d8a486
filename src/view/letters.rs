//! Dead letters, one line each, for people; and as a document.

use serde_json::{Value, json};

use super::clock::Clock;
use super::count_of;
use super::letter::{document_of, reason, sender, who, word};
use super::names::Prefix;
use super::table::{Column, cut, cut_middle, lines, width_of};
use super::tone::{Line, Tone, headed};
use crate::aws::DeadLetter;
use crate::core::text::printable;
use crate::core::{Gist, Names, Responder, Timestamp};
use crate::flow::letters::{LetterKind, QueueLook};

/// Characters of an id that are shown, if they differ.
const SHORT: usize = 8;
/// The least that is left of a sender, and of a reason.
const SHORTEST_SENDER: usize = 8;
const SHORTEST_REASON: usize = 10;
/// A reason with less room costs the kind, and the seconds.
const READABLE_REASON: usize = 24;
const TITLES: [&str; 6] = ["ID", "KIND", "TIME", "FROM", "RFQ", "REASON"];
/// The column that a narrow terminal has no room for.
const KIND: usize = 1;

/// `2 requests`, `100 of about 500 requests`.
pub fn count(of: &QueueLook) -> String {
    let shown = of.letters.len() as u64;
    let counted = many(of.kind, shown);
    if of.held > shown { format!("{shown} of about {}", many(of.kind, of.held)) } else { counted }
}

/// `1 request`, `2 replies`.
pub fn many(kind: LetterKind, number: u64) -> String {
    count_of(number, word(kind))
}

/// The ids of these letters as the table shows them: as short as keeps them apart.
pub fn short_ids(found: &[QueueLook]) -> Vec<String> {
    let ids: Vec<_> =
        found.iter().flat_map(|of| &of.letters).map(|letter| letter.id.as_str()).collect();
    let length = distinct(&ids);
    ids.iter().map(|id| id.chars().take(length).collect()).collect()
}

/// The table, its header first; nothing without letters. Senders and reasons are cut to the width. A narrow terminal
/// has no column for the kind, and short times, whose zone is below the table.
pub fn table(found: &[QueueLook], names: &Names, clock: &Clock, width: Option<u16>) -> Vec<Line> {
    let mut titles = TITLES.to_vec();
    let mut zone = None;
    let mut rows = rows(found, names, |at| clock.moment(at));
    if rows.is_empty() {
        return Vec::new();
    }
    if width.is_some_and(|width| least(&titles, &rows) > usize::from(width)) {
        rows = self::rows(found, names, |at| clock.short(at));
        for row in &mut rows {
            row.remove(KIND);
        }
        titles.remove(KIND);
        zone = Some(Line::new(Tone::Faint, format!("times are in {}", clock.zone_name())));
    }
    let explained = shorten_senders(&titles, &mut rows, &senders(found, names), width);
    let explained = explained.map(|explained| Line::new(Tone::Faint, explained));
    let below: Vec<_> = zone.into_iter().chain(explained).collect();
    let lines = headed(fitted(&titles, rows, width)).into_iter();
    lines.chain(below.iter().flat_map(|line| line.wrapped(width))).collect()
}

/// Who sent each letter, in the order of the rows.
fn senders(found: &[QueueLook], names: &Names) -> Vec<Option<Responder>> {
    let of = |of: &QueueLook, letter: &DeadLetter| {
        who(of.kind, letter, Gist::of(&letter.body).responder.as_ref(), names)
    };
    found.iter().flat_map(|look| look.letters.iter().map(|letter| of(look, letter))).collect()
}

/// Leaves out the beginning that senders share, where they do not fit. Returns what `…` stands for.
fn shorten_senders(
    titles: &[&str],
    rows: &mut [Vec<String>],
    senders: &[Option<Responder>],
    width: Option<u16>,
) -> Option<String> {
    let from = titles.len() - 3;
    let (room, _) = rooms(titles, rows, width.map_or(usize::MAX, usize::from));
    if width_of(titles[from], rows, from) <= room {
        return None;
    }
    // Each twice: a number is told apart from its name even where one provider alone has letters.
    let prefix = Prefix::of(senders.iter().chain(senders).flatten());
    let mut is_used = false;
    for (row, sender) in rows.iter_mut().zip(senders) {
        let Some(sender) = sender else { continue };
        let (whole, shorter) = (printable(sender.as_str()), prefix.leave_out(sender));
        is_used |= shorter != whole;
        row[from] = shorter;
    }
    prefix.explained().filter(|_| is_used)
}

fn rows(
    found: &[QueueLook],
    names: &Names,
    moment: impl Fn(Timestamp) -> String,
) -> Vec<Vec<String>> {
    let none = || "-".to_owned();
    let row = |of: &QueueLook, letter: &DeadLetter, id: String| {
        let Gist { rfq, responder } = Gist::of(&letter.body);
        vec![
            printable(&id),
            word(of.kind).to_owned(),
            letter.sent_at.map_or_else(none, &moment),
            sender(of.kind, letter, responder.as_ref(), names).unwrap_or_else(none),
            rfq.map_or_else(none, |id| printable(&id.short())),
            reason(letter),
        ]
    };
    let letters = found.iter().flat_map(|of| of.letters.iter().map(move |letter| (of, letter)));
    letters.zip(short_ids(found)).map(|((of, letter), id)| row(of, letter, id)).collect()
}

/// The width of the columns before the last but that of the sender, each with its gap, and of the sender's gap.
fn others(titles: &[&str], rows: &[Vec<String>]) -> usize {
    let from = titles.len() - 3;
    let taken = |column: usize| width_of(titles[column], rows, column) + 2;
    (0..titles.len() - 1).filter(|column| *column != from).map(taken).sum::<usize>() + 2
}

/// The least width of a table with these rows and readable reasons.
fn least(titles: &[&str], rows: &[Vec<String>]) -> usize {
    others(titles, rows) + SHORTEST_SENDER + READABLE_REASON
}

fn fitted(titles: &[&str], mut rows: Vec<Vec<String>>, width: Option<u16>) -> Vec<String> {
    let width = width.map_or(usize::MAX, usize::from);
    let (from, last) = (titles.len() - 3, titles.len() - 1);
    let (senders, reasons) = rooms(titles, &rows, width);
    for row in &mut rows {
        row[from] = cut_middle(&row[from], senders);
        row[last] = cut(&row[last], reasons);
    }
    let columns: Vec<_> = titles.iter().map(|title| Column::Left(title)).collect();
    lines(&columns, &rows).iter().map(|line| cut(line, width)).collect()
}

/// The room for senders, and for reasons.
fn rooms(titles: &[&str], rows: &[Vec<String>], width: usize) -> (usize, usize) {
    let (from, last) = (titles.len() - 3, titles.len() - 1);
    let room = width.saturating_sub(others(titles, rows));
    let [senders, reasons] = [from, last].map(|column| width_of(titles[column], rows, column));
    // A reason says more than a sender, whose end is enough.
    let senders = if senders + reasons <= room {
        senders
    } else {
        senders.min((room / 3).max(room.saturating_sub(reasons))).max(SHORTEST_SENDER)
    };
    (senders, room.saturating_sub(senders).max(SHORTEST_REASON))
}

/// How many characters keep these ids apart: eight or more.
fn distinct(ids: &[&str]) -> usize {
    let longest = ids.iter().map(|id| id.chars().count()).max().unwrap_or(SHORT);
    let are_apart = |length: &usize| {
        let mut all: Vec<String> =
            ids.iter().map(|id| id.chars().take(*length).collect()).collect();
        all.sort_unstable();
        all.windows(2).all(|pair| pair[0] != pair[1])
    };
    (SHORT..=longest).find(are_apart).unwrap_or(longest)
}

/// The document of `--output json`.
pub fn document(all: &[QueueLook], names: &Names) -> Value {
    let letters = all.iter().flat_map(|of| {
        of.letters.iter().map(move |letter| document_of(of.kind, &of.queue, letter, names))
    });
    let held = all.iter().map(|of| (word(of.kind).to_owned(), json!(of.held))).collect();
    json!({"letters": letters.collect::<Vec<_>>(), "held": Value::Object(held)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::LetterSource;
    use crate::core::StackName;
    use crate::view::tone::texts;

    const ID: &str = "78c371f6-0000-4000-8000-000000000001";

    fn letter(id: &str, body: &str, reason: Option<&str>, source: LetterSource) -> DeadLetter {
        DeadLetter {
            id: id.to_owned(),
            body: body.to_owned(),
            reason: reason.map(str::to_owned),
            source: Some(source),
            attempts: Some(5),
            receive_count: 7,
            sent_at: Timestamp::parse("2026-01-31T12:00:00Z"),
            cut: None,
        }
    }

    fn found() -> [QueueLook; 2] {
        let source = "x-UnicornManagementResource1".to_owned();
        let requests = vec![
            letter(
                "2f9c1c5e-a",
                &format!(r#"{{"rfq-id": "{ID}"}}"#),
                None,
                LetterSource::Queue(source.clone()),
            ),
            letter("2f9c1c5e-b", "\u{202e}", Some("engine fault"), LetterSource::Sender(source)),
        ];
        let body = format!(r#"{{"rfq-id": "{ID}", "responder": "acme"}}"#);
        let source = LetterSource::Sender("x-RequestForQuotesResponseQueue".to_owned());
        let why =
            "`quote` is missing: a reply has exactly one of quote, declined, failed, silent\n";
        let replies = vec![letter("aaaaaaaa-c", &body, Some(why), source)];
        [(LetterKind::Requests, requests), (LetterKind::Replies, replies)].map(|(kind, letters)| {
            let held = letters.len() as u64;
            QueueLook { kind, queue: "q".to_owned(), letters, held }
        })
    }

    fn shown(width: Option<u16>) -> String {
        let names = Names::new(&StackName::parse("x").expect("valid"));
        let now = Timestamp::parse("2026-01-31T13:00:00Z").expect("a time");
        texts(&table(&found(), &names, &Clock::utc(now), width)).join("\n")
    }

    #[test]
    fn each_letter_is_a_line_however_narrow_the_terminal() {
        let uncut = [
            "ID          KIND     TIME          FROM                        RFQ       REASON",
            "2f9c1c5e-a  request  12:00:00 UTC  UnicornManagementResource1  78c371f6  \
             received too often, moved by SQS",
            "2f9c1c5e-b  request  12:00:00 UTC  UnicornManagementResource1  -         engine fault",
            "aaaaaaaa-c  reply    12:00:00 UTC  acme                        78c371f6  \
             `quote` is missing: a reply has exactly one of quote, declined, failed, silent\\u{a}",
        ];
        assert_eq!(shown(None), uncut.join("\n"));
        for width in [120, 80, 69, 50, 20] {
            let shown = shown(Some(width));
            let below = shown.lines().skip(4).collect::<Vec<_>>().join(" ");
            let zone = if width > 69 { "" } else { "times are in UTC" };
            let names = "… stands for UnicornManagementResource";
            let said = format!("{zone} {names}").replace(' ', "");
            assert_eq!(below.replace(' ', ""), said, "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= width.into()), "{shown}");
            assert_eq!(shown.contains("  KIND"), width > 69, "{shown}");
            // The end of a name tells it from others, and a reason begins with what is wrong.
            for said in ["1  ", "  78c371f6  ", "  engine"] {
                assert!(width < 50 || shown.contains(said), "{said}: {shown}");
            }
        }
    }

    #[test]
    fn ids_are_as_long_as_they_must_be() {
        assert_eq!(distinct(&[]), 8);
        assert_eq!(distinct(&["2f9c1c5e-3a33", "aaaaaaaa-3a33"]), 8);
        assert_eq!(distinct(&["2f9c1c5e-3a33", "2f9c1c5e-3b33"]), 11);
    }
}
