//! Lines with a meaning that a terminal may colour. Every meaning is in the text too.

use super::table::wrapped;
use crate::core::aggregate::{Provider, State};

/// What a line means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing of its own.
    #[default]
    Plain,
    /// A title.
    Title,
    /// Headers, legends and commands to type next.
    Faint,
    /// The best quote.
    Best,
    /// Too late, perhaps with a quote that would have won.
    Late,
    /// Failed, in the dead letters, or without a reader.
    Failed,
}

impl Tone {
    /// The tone of a provider whose quote is not the best. A late quote, decline or failure is late.
    pub(super) fn of(provider: &Provider) -> Self {
        match provider.state {
            _ if provider.late_by().is_some() => Self::Late,
            State::Failed => Self::Failed,
            State::Late => Self::Late,
            State::Quoted
            | State::Declined
            | State::Waiting
            | State::Silent
            | State::Missing
            | State::NotAsked => Self::Plain,
        }
    }
}

/// A line that is safe to print.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// What it means.
    pub tone: Tone,
    /// The text without colours.
    pub text: String,
}

impl Line {
    /// A line with a meaning.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    /// The same line in as many as this width needs. Without a width it stays one.
    pub(crate) fn wrapped(&self, width: Option<u16>) -> impl Iterator<Item = Self> + use<> {
        let tone = self.tone;
        wrapped(&self.text, width).into_iter().map(move |text| Self { tone, text })
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// The lines of a table, its header faint, its rows plain.
pub(crate) fn headed(lines: Vec<String>) -> Vec<Line> {
    headed_with(lines, [])
}

/// The same with the tones of its rows. Further lines are plain.
pub(crate) fn headed_with(lines: Vec<String>, tones: impl IntoIterator<Item = Tone>) -> Vec<Line> {
    let rows = tones.into_iter().chain(std::iter::repeat(Tone::Plain));
    let tones = std::iter::once(Tone::Faint).chain(rows);
    lines.into_iter().zip(tones).map(|(text, tone)| Line::new(tone, text)).collect()
}

/// The texts alone.
pub fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}
