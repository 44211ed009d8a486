//! `rydes report`.

use clap::Args;

use super::Context;
use super::history::{HistoryArgs, look_back, print_csv};
use crate::core::Responder;
use crate::core::history::Report;
use crate::error::{Error, Result, exit};
use crate::flow::history::Coverage;
use crate::terminal::Format;
use crate::view::report::{csv, document, jsonl, lines, unasked};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes report                     every provider, most best quotes first
  rydes report --provider acme     answer times and reasons of one provider
  rydes report -o csv > providers.csv
  rydes report -o jsonl | jq 'select(.of == \"provider\" and .missed > 0)'")]
pub(super) struct Command {
    /// One provider in depth: its answer times, and the reasons that it gave instead of a quote
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    #[command(flatten)]
    history: HistoryArgs,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let report = Report::new(command.provider.map(Responder::stored));
    let read = look_back(context, &command.history, report, Report::add);
    let (report, coverage) = Box::pin(read).await?;
    if let Some((problem, hint)) = unasked(&report) {
        return Err(Error::invalid(problem).hint(hint));
    }
    print(context, &report, &coverage);
    Ok(exit::DONE)
}

fn print(context: &Context, report: &Report, coverage: &Coverage) {
    let output = &context.output;
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp => {
            output.toned(&lines(report, coverage, &context.clock(), output.width()));
        }
        Format::Json => output.json(&document(report, coverage)),
        Format::Jsonl => jsonl(report, coverage).iter().for_each(|line| output.json(line)),
        Format::Csv => print_csv(context, &csv(report), coverage),
    }
}
