//! `rydes trace`.

use std::path::PathBuf;

use clap::Args;

use super::picture::draw_into;
use super::recent::Recent;
use super::{Context, env, gathering};
use crate::core::Names;
use crate::core::aggregate::{Gathering, aggregate};
use crate::core::timeline::Timeline;
use crate::error::{Result, exit};
use crate::terminal::live::size;
use crate::terminal::{Format, Output};
use crate::view::clock::Clock;
use crate::view::otlp;
use crate::view::picture::svg;
use crate::view::trace::{document, lines};

/// Columns without a terminal.
const COLUMNS: u16 = 80;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes trace                      the newest RFQ submitted from this machine
  rydes trace 78c3 -o json         the same numbers, in milliseconds
  rydes trace 78c3 --svg quotes.svg
  rydes trace 78c3 -o otlp | curl -H 'Content-Type: application/json' \\
      --data-binary @- http://localhost:4318/v1/traces")]
pub(super) struct Command {
    /// Id of the RFQ, or its first 4 or more characters if it was submitted from this machine
    /// [default: the newest RFQ submitted from this machine]
    #[arg(value_name = "RFQ-ID")]
    id: Option<String>,
    /// Also draw it into this file, which is replaced
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let id = Recent::of(&aws, env).find(command.id.as_deref(), &settings).await?;
    let table = aws.table();
    let read = context.visibly("reading the table", Box::pin(table.rows(&id)));
    let Some(rows) = read.await? else { return Err(gathering::unknown(&aws, &id).await) };
    let clock = context.clock();
    let mut gathering = aggregate(&rows, clock.now(), None);
    gathering::explain(output, &aws, &mut gathering).await;
    let timeline = Timeline::of(&rows, &gathering);
    if let Some(file) = command.svg {
        draw_into(context, file, svg(&timeline, &gathering, &clock)?).await?;
    }
    match output.format {
        Format::Table | Format::Workshop | Format::Csv => {
            print(output, &timeline, &gathering, &clock);
        }
        Format::Json | Format::Jsonl => output.json(&document(&timeline, &gathering)),
        Format::Otlp => export(output, &timeline, &gathering, &aws.names),
    }
    Ok(exit::DONE)
}

/// Prints the trace for a collector, and says what it cannot hold.
fn export(output: &Output, timeline: &Timeline, gathering: &Gathering, names: &Names) {
    output.json(&otlp::export(timeline, gathering, names));
    if timeline.origin.is_none() {
        output.note("no row has times, so the trace has no spans");
        return;
    }
    for untraced in otlp::untraced(timeline) {
        output.detail(&format!("no span: {untraced}"));
    }
}

/// Prints the bars, fitted to the terminal.
pub(super) fn print(output: &Output, timeline: &Timeline, gathering: &Gathering, clock: &Clock) {
    let width = if output.is_terminal() { size().0 } else { COLUMNS };
    output.toned(&lines(timeline, gathering, clock, width));
}
