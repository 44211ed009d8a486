//! `rydes version`.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::error::exit;
use crate::terminal::Format;

/// The version, with the commit that it was built from where that is known: `0.1.0 (11547d0 2026-11-26)`.
pub(super) const VERSION: &str = env!("RYDES_VERSION");
/// The commit, with `+changes` where the sources differed from it; empty where it is not known.
const COMMIT: &str = env!("RYDES_COMMIT");
/// The day on which the commit was made, `2026-11-26`; empty where it is not known.
pub(super) const COMMIT_DATE: &str = env!("RYDES_COMMIT_DATE");

#[derive(Debug, Args)]
pub(super) struct Command {}

pub(super) fn run(context: &Context, Command {}: &Command) -> u8 {
    let known = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    match context.output.format {
        Format::Json | Format::Jsonl => context.output.json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": known(COMMIT),
            "commit-date": known(COMMIT_DATE),
        })),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            context.output.data(&format!("rydes {VERSION}"));
        }
    }
    exit::DONE
}
