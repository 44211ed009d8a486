//! The timeline of an RFQ.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::ink::{
    Area, BEST, Drawn, FAINT, GRID, INK, LATE, LIMIT, Paint, QUEUED, REPLY, THINKING, TRY, WIDTH,
    count, exact, framed, say,
};
use crate::core::aggregate::{Gathering, State};
use crate::core::text::printable;
use crate::core::timeline::{Lane, Timeline, TimelineStep};
use crate::error::Result;
use crate::view::clock::Clock;
use crate::view::names::Prefix;
use crate::view::quotes::truth;
use crate::view::table::{cut, cut_middle, wrapped};
use crate::view::tone::{Tone, texts};
use crate::view::trace::{beyond, disagreement, is_receipt, packed, slowest, step, tick, unsaid};

/// The margins of the bars in pixels.
const LEFT: u32 = 312;
const RIGHT: u32 = 24;
/// Heights in pixels: title, one lane, scale, one line of text, margin.
const TOP: u32 = 62;
const LANE: u32 = 26;
const SCALE: u32 = 34;
const LINE: u32 = 20;
const BOTTOM: u32 = 14;
/// The most characters of a name, a price, a line of text.
const NAME: usize = 30;
const VALUE: usize = 9;
const TEXT: usize = 118;
/// The least distance of two labels of the scale, in pixels.
const TICK: u32 = 70;

/// How a word of the legend is shown.
#[derive(Debug, Clone, Copy)]
enum Swatch {
    Bar,
    Triangle,
    Cross,
}

/// The picture, as the text of an SVG file.
///
/// # Errors
/// When it cannot be drawn.
pub fn svg(timeline: &Timeline, gathering: &Gathering, clock: &Clock) -> Result<String> {
    let (sentences, below) = below(timeline, gathering, clock);
    let lanes = count(timeline.lanes.len()) * LANE;
    let height = TOP + lanes + SCALE + LINE * (1 + count(below.len())) + BOTTOM;
    framed(height, &heading(gathering), &sentences.join("; "), |root| {
        draw(root, timeline, gathering, clock, &below)
    })
}

/// The lanes over time, in milliseconds since submission.
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw(
    root: &Area<'_>,
    timeline: &Timeline,
    gathering: &Gathering,
    clock: &Clock,
    below: &[String],
) -> Drawn {
    say(root, &heading(gathering), (20, 24), HPos::Left, INK, 19)?;
    say(root, &subheading(gathering, clock), (20, 46), HPos::Left, FAINT, 15)?;
    let chart_height = TOP + count(timeline.lanes.len()) * LANE + SCALE;
    let (area, _) = root.split_vertically(chart_height);
    let lanes = exact(i64::try_from(timeline.lanes.len())?);
    let mut chart = ChartBuilder::on(&area)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, SCALE)
        .build_cartesian_2d(0.0..exact(timeline.span()), lanes..0.0)?;
    scale(&mut chart, timeline)?;
    for (lane, row) in timeline.lanes.iter().zip(0_i64..) {
        bars(&mut chart, timeline, lane, exact(row))?;
        marks(&mut chart, timeline, lane, exact(row))?;
    }
    for (at, paint) in [(timeline.deadline, LIMIT), (timeline.closed, INK)] {
        if let Some(at) = at.filter(|at| *at <= timeline.span()) {
            let line = vec![(exact(at), 0.0), (exact(at), lanes)];
            chart.draw_series([PathElement::new(line, paint.light.stroke_width(2))])?;
        }
    }
    labels(root, timeline)?;
    let mut y = i32::try_from(chart_height + LINE / 2)?;
    legend(root, timeline, y)?;
    for line in below {
        y += i32::try_from(LINE)?;
        say(root, line, (20, y), HPos::Left, FAINT, 15)?;
    }
    Ok(())
}

/// The scale below the lanes, with its grid.
fn scale(chart: &mut Chart<'_>, timeline: &Timeline) -> Drawn {
    let step = step(timeline.span(), usize::try_from((WIDTH - LEFT - RIGHT) / TICK)?);
    let labels = usize::try_from(timeline.span() / step)? + 2;
    #[expect(clippy::cast_possible_truncation, reason = "a label stands at whole milliseconds")]
    let label = move |at: &f64| tick(at.round() as i64, step);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .x_labels(labels)
        .x_label_formatter(&label)
        .x_label_style(("sans-serif", 15).into_font().color(&FAINT.light))
        .bold_line_style(GRID.light)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID.light)
        .draw()?;
    Ok(())
}

/// A time, moved into the chart: the clock of a provider may be wrong.
fn within(timeline: &Timeline, at: i64) -> f64 {
    exact(at.clamp(0, timeline.span()))
}

/// One bar for each step of a lane.
fn bars(chart: &mut Chart<'_>, timeline: &Timeline, lane: &Lane, row: f64) -> Drawn {
    let bars = [
        (lane.submitted, lane.received, QUEUED, 0.42),
        (lane.received, lane.answered, thinking(lane), 0.25),
        (lane.answered.or(lane.sent), lane.end(), REPLY, 0.36),
    ];
    for (from, to, paint, inset) in bars {
        let (Some(from), Some(to)) = (from, to) else { continue };
        let (from, to) = (within(timeline, from), within(timeline, to));
        if from < to {
            let corners = [(from, row + inset), (to, row + 1.0 - inset)];
            chart.draw_series([Rectangle::new(corners, paint.light.filled())])?;
        }
    }
    Ok(())
}

/// The failed tries of a lane, and its end.
fn marks(chart: &mut Chart<'_>, timeline: &Timeline, lane: &Lane, row: f64) -> Drawn {
    let middle = |at: i64| (within(timeline, at), row + 0.5);
    let tries = lane.attempted.iter().chain(&lane.failed);
    chart.draw_series(tries.map(|at| TriangleMarker::new(middle(*at), 5, TRY.light.filled())))?;
    match lane.end() {
        None => {}
        Some(end) if is_receipt(lane) => {
            let cross = Cross::new(middle(end), 4, FAINT.light.stroke_width(2));
            chart.draw_series([cross])?;
        }
        Some(end) => {
            chart.draw_series([Circle::new(middle(end), 4, thinking(lane).light.filled())])?;
        }
    }
    Ok(())
}

/// The names and answers beside the lanes.
fn labels(root: &Area<'_>, timeline: &Timeline) -> Drawn {
    let mut y = i32::try_from(TOP + LANE / 2)?;
    for lane in &timeline.lanes {
        let name = cut_middle(&printable(lane.provider.responder.as_str()), NAME);
        say(root, &name, (20, y), HPos::Left, INK, 15)?;
        let ink = match Tone::of(&lane.provider) {
            _ if lane.is_best => BEST,
            Tone::Late => LATE,
            Tone::Failed => LIMIT,
            Tone::Plain | Tone::Title | Tone::Faint | Tone::Best => INK,
        };
        say(root, &value(lane), (i32::try_from(LEFT)? - 12, y), HPos::Right, ink, 15)?;
        let unsaid = unsaid(timeline, lane);
        if !unsaid.is_empty() {
            say(root, unsaid, (i32::try_from(LEFT)? + 6, y), HPos::Left, FAINT, 15)?;
        }
        y += i32::try_from(LANE)?;
    }
    Ok(())
}

/// Explains the shapes that occur: a swatch and a word each.
fn legend(root: &Area<'_>, timeline: &Timeline, y: i32) -> Drawn {
    let any = |holds: &dyn Fn(&Lane) -> bool| timeline.lanes.iter().any(holds);
    let within = |at: Option<i64>| at.is_some_and(|at| at <= timeline.span());
    let tried = |lane: &Lane| !lane.attempted.is_empty() || lane.failed.is_some();
    let parts = [
        (
            any(&|lane| lane.took(TimelineStep::PickUp).is_some()),
            Swatch::Bar,
            QUEUED,
            "in its queue",
            100,
        ),
        (any(&|lane| lane.answered.is_some()), Swatch::Bar, THINKING, "thinking", 84),
        (any(&|lane| lane.is_best), Swatch::Bar, BEST, "thinking, the best", 138),
        (any(&|lane| lane.gathered.is_some()), Swatch::Bar, REPLY, "reply on its way", 128),
        (any(&tried), Swatch::Triangle, TRY, "failed attempt", 120),
        (within(timeline.deadline), Swatch::Bar, LIMIT, "deadline", 86),
        (within(timeline.closed), Swatch::Bar, INK, "closed", 74),
        (any(&is_receipt), Swatch::Cross, FAINT, "silent", 70),
    ];
    let mut x = 20;
    for (_, swatch, paint, word, width) in parts.into_iter().filter(|(occurs, ..)| *occurs) {
        match swatch {
            Swatch::Bar => {
                let corners = [(x, y - 5), (x + 10, y + 5)];
                root.draw(&Rectangle::new(corners, paint.light.filled()))?;
            }
            Swatch::Triangle => {
                root.draw(&TriangleMarker::new((x + 5, y), 5, paint.light.filled()))?;
            }
            Swatch::Cross => {
                root.draw(&Cross::new((x + 5, y), 4, paint.light.stroke_width(2)))?;
            }
        }
        say(root, word, (x + 16, y), HPos::Left, FAINT, 14)?;
        x += width + 8;
    }
    Ok(())
}

fn thinking(lane: &Lane) -> Paint {
    if lane.is_best { BEST } else { THINKING }
}

/// The price, or the kind of answer in its place.
fn value(lane: &Lane) -> String {
    let word = match (&lane.price, lane.provider.state) {
        (Some(price), _) => cut(&price.to_string(), VALUE),
        (None, State::Declined) => "declined".to_owned(),
        (None, State::Failed) => "failed".to_owned(),
        (None, State::Silent) => "silent".to_owned(),
        (None, _) => String::new(),
    };
    match lane.provider.late_by() {
        _ if lane.is_best => format!("{word} best"),
        Some(_) => format!("{word} late"),
        None => word,
    }
}

fn heading(gathering: &Gathering) -> String {
    let request = &gathering.request;
    let heading =
        format!("{} \u{2192} {}", printable(&request.ride.from), printable(&request.ride.to));
    cut(&heading, TEXT * 2 / 3)
}

fn subheading(gathering: &Gathering, clock: &Clock) -> String {
    let request = &gathering.request;
    let submitted = request.submitted_at.map(|at| format!(", submitted {}", clock.dated(at)));
    format!("RFQ {}{}", printable(&request.id.short()), submitted.unwrap_or_default())
}

/// The sentences below the picture, and the lines that they are drawn in.
fn below(timeline: &Timeline, gathering: &Gathering, clock: &Clock) -> (Vec<String>, Vec<String>) {
    let slowest = slowest(timeline, &Prefix::default());
    let mut others: Vec<_> = timeline.disagreement().iter().map(disagreement).collect();
    others.extend(texts(&truth(gathering, clock.now())));
    let all = beyond(timeline).into_iter();
    let all = all.chain((!slowest.is_empty()).then(|| slowest.join(", ")));
    let width = u16::try_from(TEXT).ok();
    let wide = others.iter().flat_map(|sentence| wrapped(sentence, width));
    let lines = beyond(timeline).into_iter().chain(packed(&slowest, ", ", TEXT)).chain(wide);
    (all.chain(others.iter().cloned()).collect(), lines.collect())
}
