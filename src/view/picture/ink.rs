//! What the pictures share: colours of a light and a dark scheme, text, and the frame of an SVG file without scripts,
//! fonts or links.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Error, Result};

/// The width of the picture in pixels: a README shows it without shrinking.
pub(super) const WIDTH: u32 = 860;

/// A colour in the light and in the dark scheme.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) light: RGBColor,
    dark: RGBColor,
}

const fn paint(light: u32, dark: u32) -> Paint {
    Paint { light: rgb(light), dark: rgb(dark) }
}

#[expect(clippy::cast_possible_truncation, reason = "each is one byte")]
const fn rgb(hex: u32) -> RGBColor {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

pub(super) const GROUND: Paint = paint(0xff_ff_ff, 0x0d_11_17);
pub(super) const INK: Paint = paint(0x1f_23_28, 0xf0_f6_fc);
pub(super) const FAINT: Paint = paint(0x59_63_6e, 0x91_98_a1);
pub(super) const GRID: Paint = paint(0xd8_de_e4, 0x30_36_3d);
pub(super) const QUEUED: Paint = paint(0xaf_b8_c1, 0x65_6c_76);
pub(super) const THINKING: Paint = paint(0x09_69_da, 0x44_93_f8);
pub(super) const REPLY: Paint = paint(0x82_50_df, 0xab_7d_f8);
pub(super) const BEST: Paint = paint(0x1a_7f_37, 0x3f_b9_50);
pub(super) const LIMIT: Paint = paint(0xcf_22_2e, 0xf8_51_49);
pub(super) const TRY: Paint = paint(0xbc_4c_00, 0xf0_88_3e);
pub(super) const LATE: Paint = paint(0x9a_67_00, 0xd2_99_22);
pub(super) const PAINTS: [Paint; 11] =
    [GROUND, INK, FAINT, GRID, QUEUED, THINKING, REPLY, BEST, LIMIT, TRY, LATE];

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Draws a picture of this height, and gives it a title and a description for screen readers.
///
/// # Errors
/// When it cannot be drawn.
pub(super) fn framed(
    height: u32,
    title: &str,
    description: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        root.fill(&GROUND.light)
            .map_err(Into::into)
            .and_then(|()| draw(&root))
            .and_then(|()| Ok(root.present()?))
            .map_err(|error| {
                Error::other("the picture cannot be drawn").because(error.to_string())
            })?;
    }
    Ok(dressed(&text, title, description))
}

/// Writes a text, vertically centred at the point.
pub(super) fn say(
    root: &Area<'_>,
    text: &str,
    at: (i32, i32),
    anchor: HPos,
    paint: Paint,
    size: i32,
) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font())
        .color(&paint.light)
        .pos(Pos::new(anchor, VPos::Center));
    root.draw_text(text, &style, at)?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a day has 86,400,000 milliseconds")]
pub(super) fn exact(millis: i64) -> f64 {
    millis as f64
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The picture with a title and a description for screen readers, and with the colours of the dark scheme.
fn dressed(picture: &str, title: &str, description: &str) -> String {
    let mut dark = String::new();
    for Paint { light, dark: to } in PAINTS {
        let (light, to) = (hex(light), hex(to));
        _ = write!(dark, "[fill=\"{light}\"]{{fill:{to}}}[stroke=\"{light}\"]{{stroke:{to}}}");
    }
    let head = format!(
        "<title>{}</title>\n<desc>{}</desc>\n<style>@media (prefers-color-scheme: dark){{{dark}}}\
         </style>\n",
        escaped(title),
        escaped(description)
    );
    match picture.split_once('>') {
        Some((open, rest)) => format!("{open} role=\"img\">\n{head}{}", rest.trim_start()),
        None => picture.to_owned(),
    }
}

/// A colour as the SVG backend writes it.
fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
