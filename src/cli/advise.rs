//! `rydes advise`.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::history::{HistoryArgs, look_back, print_csv};
use super::picture::draw_into;
use crate::core::history::{Advice, Market};
use crate::error::{Result, exit};
use crate::terminal::Format;
use crate::view::advise::{csv, document, jsonl, lines};
use crate::view::history::left_out;
use crate::view::picture::curve;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes advise                         from all RFQs in the table
  rydes advise --since 7d --keep 0.99  99 % of the best quotes; the last 7 days
  rydes advise --file rows.json.gz     from an export
  rydes advise --svg deadlines.svg     kept quotes and price, as a picture

How it works:
  Each past RFQ is evaluated again under other deadlines. Its best quote is the
  one at its end if it had no deadline, late quotes included. A deadline keeps
  it if the RFQ ends with the same one.")]
pub(super) struct Command {
    /// Share of the best quotes that the deadline must keep, from 0.01 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share)]
    keep: f64,
    /// SVG file to draw the advice into; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    history: HistoryArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.01..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0.01 to 1, as in `0.95`".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let (market, coverage) =
        look_back(context, &command.history, Market::default(), Market::add).await?;
    let advice = Advice::of(market, command.keep);
    if let Some(file) = command.svg {
        draw_into(context, file, curve(&advice)?).await?;
    }
    let width = output.width();
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp => {
            output.toned(&lines(&advice, width));
            output.lines(&left_out(&coverage, width));
        }
        Format::Json => output.json(&document(&advice, &coverage)),
        Format::Jsonl => jsonl(&advice, &coverage).iter().for_each(|line| output.json(line)),
        Format::Csv => print_csv(context, &csv(&advice), &coverage),
    }
    Ok(exit::DONE)
}
