//! A few deadlines side by side.

use super::{deadline, word};
use crate::core::Responder;
use crate::core::history::{Advice, Mark, Point};
use crate::core::text::printable;
use crate::view::figures::{above, known, share, time};
use crate::view::legend::below;
use crate::view::names::Prefix;
use crate::view::table::{Column, fitting};
use crate::view::tone::{Line, Tone, headed_with};

/// The most providers that are named beside one deadline.
const NAMED: usize = 2;

const COLUMNS: [Column<'_>; 9] = [
    Column::Left("DEADLINE"),
    Column::Right("KEPT"),
    Column::Right("NO QUOTE"),
    Column::Right("MEDIAN WAIT"),
    Column::Right("P95 WAIT"),
    Column::Right("PRICE"),
    Column::Right("ABOVE BEST"),
    Column::Left(""),
    Column::Left("WAITED FOR"),
];
/// What the columns mean whose titles do not say it.
const MEANINGS: [(&str, &str); 3] = [
    ("KEPT", "RFQs that keep their best quote"),
    ("ABOVE BEST", "price paid, above that of the best quotes"),
    ("WAITED FOR", "providers that RFQs wait for, with the share of RFQs"),
];
/// The columns that are left out where the lines would be too wide, the first one first.
const SPARE: [&str; 6] =
    ["WAITED FOR", "PRICE", "P95 WAIT", "MEDIAN WAIT", "ABOVE BEST", "NO QUOTE"];

pub(super) fn lines(advice: &Advice, width: Option<u16>) -> Vec<Line> {
    let compared = advice.compared();
    let waited_for = || compared.iter().flat_map(|(point, _)| point.waited_for.iter().take(NAMED));
    let mut names: Vec<Responder> = waited_for().map(|(who, _)| who.clone()).collect();
    names.sort();
    names.dedup();
    let prefix = Prefix::of(&names);
    let rows: Vec<_> =
        compared.iter().map(|(point, mark)| row(advice, point, *mark, &prefix)).collect();
    let (lines, left_out) = fitting(&COLUMNS, &rows, &SPARE, width);
    let tones = compared.iter().map(|(_, mark)| match mark {
        Mark::Advised | Mark::Both => Tone::Best,
        Mark::Plain | Mark::Today => Tone::Plain,
    });
    let mut all = headed_with(lines, tones);
    let meanings = MEANINGS.iter().filter(|(title, _)| !left_out.contains(title));
    let meanings = meanings.map(|(title, meaning)| format!("{title}: {meaning}"));
    let explained = prefix.explained().filter(|_| !left_out.contains(&"WAITED FOR"));
    all.extend(below(left_out, &meanings.collect::<Vec<_>>(), explained, width));
    if left_out.contains(&"WAITED FOR") {
        all.extend(waited_for_sentence(advice).into_iter().flat_map(|line| line.wrapped(width)));
    }
    all
}

/// `with 4.2 s, RFQs wait for acme (60.4 %), globex (13.0 %)`: what the table has no room for.
fn waited_for_sentence(advice: &Advice) -> Option<Line> {
    let point = advice.advised.as_ref().filter(|point| !point.waited_for.is_empty())?;
    let part = |(who, count): &(Responder, u64)| {
        format!("{} ({})", printable(who.as_str()), share(*count, advice.market.rfqs))
    };
    let names: Vec<_> = point.waited_for.iter().take(NAMED).map(part).collect();
    Some(Line::from(format!("with {}, RFQs wait for {}", deadline(point), names.join(", "))))
}

fn row(advice: &Advice, point: &Point, mark: Mark, prefix: &Prefix) -> Vec<String> {
    let market = &advice.market;
    let part = |(who, count): &(Responder, u64)| {
        format!("{} {}", prefix.leave_out(who), share(*count, market.rfqs))
    };
    let waited_for: Vec<_> = point.waited_for.iter().take(NAMED).map(part).collect();
    vec![
        deadline(point),
        share(point.kept, market.with_best),
        share(market.rfqs - point.quoted, market.rfqs),
        known(point.wait_median, time),
        known(point.wait_p95, time),
        known(point.price, mean),
        known(point.above_best, above),
        word(mark).to_owned(),
        waited_for.join(", "),
    ]
}

/// A mean price: `0.0031`, `31.2`, `1250`, `1.2e30`.
fn mean(price: f64) -> String {
    match price {
        0.0 => "0".to_owned(),
        ..0.001 => format!("{price:.1e}"),
        0.001..1.0 => format!("{price:.4}"),
        1.0..100.0 => format!("{price:.1}"),
        100.0..1e9 => format!("{price:.0}"),
        _ => format!("{price:.1e}"),
    }
}
