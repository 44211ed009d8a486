//! What a longer wait brings: the share of best quotes that are kept, and the price.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::ink::{
    Area, BEST, Drawn, FAINT, GRID, INK, LIMIT, Paint, THINKING, TRY, WIDTH, count, exact, framed,
    say,
};
use crate::core::history::{Advice, Mark, Point};
use crate::error::Result;
use crate::view::advise::{deadline, headline, span, unknowns, word};
use crate::view::figures::ratio;
use crate::view::table::wrapped;
use crate::view::trace::{step, tick};

/// The margins of a panel in pixels.
const LEFT: u32 = 64;
const RIGHT: u32 = 24;
/// Heights in pixels: one line of text, the name of a panel, a panel, the scale, margins.
const LINE: u32 = 22;
const NAME: u32 = 34;
const PANEL: u32 = 170;
const SCALE: u32 = 28;
const MARGIN: u32 = 16;
/// The most characters of a line of text.
const TEXT: u16 = 100;
/// The height of the word at a marked deadline.
const MARK: i32 = 17;
/// The least distance of two labels of the scale, in pixels.
const TICK: u32 = 70;

/// The part of the RFQs with a quote, one in so many, below which a mean price says little.
const TELLING: u64 = 50;

/// The least range of a price above the best, in percent.
const LEAST_RANGE: f64 = 5.0;

/// A point of a panel: milliseconds of wait, and its value in percent.
type Value = (f64, f64);

/// The picture, as the text of an SVG file.
///
/// # Errors
/// When it cannot be drawn.
pub fn curve(advice: &Advice) -> Result<String> {
    let title = headline(advice).text;
    let titles = wrapped(&title, Some(TEXT));
    let below: Vec<_> =
        unknowns(advice).iter().flat_map(|text| wrapped(text, Some(TEXT + 18))).collect();
    let head = MARGIN + LINE * count(titles.len());
    let panels = 2 * (NAME + PANEL + SCALE) + LINE;
    let height = head + panels + LINE * count(below.len()) + MARGIN;
    framed(height, &title, &unknowns(advice).join("; "), |root| {
        for (line, place) in titles.iter().zip(0..) {
            say(root, line, (20, middle(MARGIN + LINE * place)?), HPos::Left, INK, 17)?;
        }
        draw(root, advice, head)?;
        for (line, place) in below.iter().zip(0..) {
            let y = middle(head + panels + LINE * place)?;
            say(root, line, (20, y), HPos::Left, FAINT, 14)?;
        }
        Ok(())
    })
}

/// The middle of a line that begins at this height.
fn middle(top: u32) -> std::result::Result<i32, std::num::TryFromIntError> {
    i32::try_from(top + LINE / 2)
}

fn draw(root: &Area<'_>, advice: &Advice, top: u32) -> Drawn {
    let last = span(advice);
    let mut points = advice.market.points();
    points.retain(|point| point.deadline.is_some_and(|deadline| deadline <= last));
    let mut kept = values(&points, |point| {
        ratio(point.kept, advice.market.with_best).map(|kept| kept * 100.0)
    });
    kept.insert(0, (0.0, 0.0));

    let is_telling = |point: &Point| point.quoted * TELLING >= advice.market.with_best;
    let above = values(&points, |point| {
        point.above_best.filter(|_| is_telling(point)).map(|above_best| above_best * 100.0)
    });
    let longest = kept.iter().chain(&today(advice)).map(|(wait, _)| *wait).fold(1.0, f64::max);
    let dearest = above.iter().map(|(_, above)| *above).fold(LEAST_RANGE, f64::max);
    let cheapest = above.iter().map(|(_, above)| *above).fold(0.0, f64::min);
    let panels = [
        ("best quotes kept", kept, 0.0..100.0, THINKING),
        ("price paid, above the best", above, cheapest..dearest * 1.05, TRY),
    ];
    let mut y = top;
    for (name, values, range, paint) in panels {
        say(root, name, (20, i32::try_from(y + NAME / 2)?), HPos::Left, paint, 15)?;
        let area = root.clone().shrink((0, y + NAME), (WIDTH, PANEL + SCALE));
        panel(&area, advice, &values, (longest * 1.04, range), paint)?;
        y += NAME + PANEL + SCALE;
    }
    let place = (i32::try_from(WIDTH - RIGHT)?, middle(y)?);
    say(root, "wait that 95 % of the RFQs do not exceed", place, HPos::Right, FAINT, 14)
}

/// One value over the wait, with the marked deadlines.
fn panel(
    area: &Area<'_>,
    advice: &Advice,
    values: &[Value],
    (longest, range): (f64, std::ops::Range<f64>),
    paint: Paint,
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, SCALE)
        .build_cartesian_2d(0.0..longest, range.clone())?;
    #[expect(clippy::cast_possible_truncation, reason = "a wait is a day at the most")]
    let whole = longest as i64;
    let step = step(whole, usize::try_from((WIDTH - LEFT - RIGHT) / TICK)?);
    #[expect(clippy::cast_possible_truncation, reason = "a label stands at whole milliseconds")]
    let label = move |at: &f64| tick(at.round() as i64, step);
    chart
        .configure_mesh()
        .x_labels(usize::try_from(whole / step)? + 2)
        .x_label_formatter(&label)
        .y_labels(5)
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .label_style(("sans-serif", 14).into_font().color(&FAINT.light))
        .bold_line_style(GRID.light)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID.light)
        .draw()?;
    let mut marks = marks(advice);
    marks.retain(|(wait, ..)| *wait <= longest);
    for (place, (wait, mark, text)) in marks.into_iter().enumerate() {
        let ink = if mark == Mark::Today { LIMIT } else { BEST };
        let line = vec![(wait, range.start), (wait, range.end)];
        chart.draw_series([PathElement::new(line, ink.light.stroke_width(2))])?;
        let (x, y) = chart.backend_coord(&(wait, range.end));
        let (anchor, x) =
            if wait > longest / 2.0 { (HPos::Right, x - 6) } else { (HPos::Left, x + 6) };
        let (root_x, root_y) = area.get_base_pixel();
        // Marks may stand at the same wait, so each has its line.
        let place = (x - root_x, y - root_y - 9 + i32::try_from(place)? * MARK);
        say(area, &text, place, anchor, ink, 14)?;
    }
    chart.draw_series([PathElement::new(stairs(values, longest), paint.light.stroke_width(2))])?;
    Ok(())
}

/// The values as stairs: each holds until the next wait, and the last one to the end.
fn stairs(values: &[Value], end: f64) -> Vec<Value> {
    let corners = values.windows(2).map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    let last = values.last().map(|(wait, value)| [(*wait, *value), (wait.max(end), *value)]);
    corners.chain(last).flatten().collect()
}

/// The marked deadlines: the wait under each, in milliseconds, with a word.
fn marks(advice: &Advice) -> Vec<(f64, Mark, String)> {
    let wait = |point: &Point| point.wait_p95.and_then(|wait| i64::try_from(wait).ok()).map(exact);
    let compared = advice.compared();
    let marked = compared.iter().filter_map(|(point, mark)| {
        let text = match point.deadline {
            Some(_) => format!("{} {}", deadline(point), word(*mark)),
            None => word(*mark).to_owned(),
        };
        (*mark != Mark::Plain).then_some((wait(point)?, *mark, text))
    });
    marked.collect()
}

/// The wait under today's deadlines, unless it is far beyond the others.
fn today(advice: &Advice) -> Vec<Value> {
    let is_near = advice.today.deadline.is_none_or(|today| today <= span(advice));
    let today = advice.today.wait_p95.filter(|_| is_near).and_then(|wait| i64::try_from(wait).ok());
    today.map(|wait| (exact(wait), 0.0)).into_iter().collect()
}

fn values(points: &[Point], value: impl Fn(&Point) -> Option<f64>) -> Vec<Value> {
    let of = |point: &Point| {
        let wait = i64::try_from(point.wait_p95?).ok()?;
        Some((exact(wait), value(point)?))
    };
    points.iter().filter_map(of).collect()
}
