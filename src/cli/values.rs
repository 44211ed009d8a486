//! The words that options take for our own enums, with their help.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::flow::provider::Profile;
use crate::terminal::{Color, Format};

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Json, Self::Jsonl, Self::Workshop, Self::Otlp, Self::Csv]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Table => PossibleValue::new("table").help("For people"),
            Self::Json => PossibleValue::new("json").help("One JSON document"),
            Self::Jsonl => PossibleValue::new("jsonl").help("One line of JSON per change or event"),
            Self::Workshop => {
                PossibleValue::new("workshop").help("The original's own response (`quotes` alone)")
            }
            Self::Otlp => PossibleValue::new("otlp")
                .help("A trace for a collector, OTLP/JSON (`trace` alone)"),
            Self::Csv => PossibleValue::new("csv")
                .help("Comma-separated values (`report` and `advise` alone)"),
        })
    }
}

impl ValueEnum for Color {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => {
                PossibleValue::new("auto").help("On a terminal, unless `NO_COLOR` is set")
            }
            Self::Always => PossibleValue::new("always").help("Always"),
            Self::Never => PossibleValue::new("never").help("Never"),
        })
    }
}

impl ValueEnum for Profile {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Demo, Self::Workshop, Self::Steady]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Demo => {
                "Thinks 0.2 to 4 s; 10 % each decline, stay silent, fail, or answer too late"
            }
            Self::Workshop => {
                "As the original: 50 % stay silent, the others think 0 to 60 s (a deadline of 70 s suits it)"
            }
            Self::Steady => "Answers at once, always",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}
