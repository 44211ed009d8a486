//! `rydes verify`.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep};

use super::recent::Recent;
use super::{Context, env, gathering};
use crate::aws::Aws;
use crate::core::text::printable;
use crate::core::{RfqId, parse_duration, show_duration};
use crate::error::{Error, Kind, Result, exit};
use crate::flow::verify::{Conservation, look_for_filters, verify};
use crate::terminal::{Format, Output};
use crate::view::clock::Clock;
use crate::view::count_of;
use crate::view::verify::{document, lines};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes verify                     the newest RFQ submitted from this machine
  rydes verify 78c3 --wait         until no copy is in flight
  rydes verify 78c3 -o json")]
pub(super) struct Command {
    /// Id of the RFQ, or its first 4 or more characters if it was submitted from this machine
    /// [default: the newest RFQ submitted from this machine]
    #[arg(value_name = "RFQ-ID")]
    id: Option<String>,
    /// Wait until no copy is in flight
    #[arg(short, long)]
    wait: bool,
    /// With --wait: limit of the wait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, requires = "wait")]
    timeout: Duration,
}

impl Command {
    /// Whether this waits; a wait handles signals itself.
    pub(super) fn is_wait(&self) -> bool {
        self.wait
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let recent = Recent::of(&aws, env);
    let id = recent.find(command.id.as_deref(), &settings).await?;
    let limit = command.wait.then_some(command.timeout);
    let looked = settle(&aws, &id, limit);
    let looked = context.visibly("looking for every copy", Box::pin(looked)).await;
    let mut conservation = match looked {
        Err(error) if matches!(error.kind(), Kind::Signal(_)) => {
            let again = settings.command(&format!("verify {} --wait", recent.prefix(&id).await));
            output.note(&format!("the wait ended; copies may still be in flight: {again}"));
            return Ok(error.exit_code());
        }
        looked => looked?,
    };
    Box::pin(look_for_filters(&aws, &mut conservation)).await?;
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            print(output, &conservation, &context.clock());
        }
        Format::Json | Format::Jsonl => output.json(&document(&conservation)),
    }
    let (short, prefix) = (printable(&id.short()), recent.prefix(&id).await);
    let unexplained = conservation.unexplained().len();
    if unexplained > 0 {
        let copies = if unexplained == 1 { "copy" } else { "copies" };
        let is = if unexplained == 1 { "is" } else { "are" };
        let message = format!("{unexplained} {copies} of {short} {is} unexplained");
        let error = Error::new(Kind::Unexplained, message)
            .hint("workers with `--no-receipts` and the original's providers send no receipt when they are silent");
        let error = match filtered_names(&conservation) {
            Some(names) if conservation.is_unmarked => error.hint(format!(
                "a filter that submissions ignore may have excluded {names}; see {}",
                settings.command("status")
            )),
            Some(names) => error.hint(format!("a filter may have excluded {names}")),
            None => error,
        };
        return Err(match conservation.dead_letters {
            None | Some((0, 0)) => error,
            Some((requests, responses)) => error.hint(format!(
                // Without an id: a letter that cannot be read names no RFQ.
                "the stack has {}, which may explain it: {}",
                count_of(requests + responses, "dead letter"),
                settings.command("dlq list")
            )),
        });
    }
    if !conservation.is_settled() {
        if command.wait {
            let in_flight = conservation.in_flight();
            let copies = if in_flight == 1 { "copy" } else { "copies" };
            let is = if in_flight == 1 { "is" } else { "are" };
            let limit = show_duration(command.timeout);
            let message =
                format!("{in_flight} {copies} of {short} {is} still in flight after {limit}");
            return Err(Error::other(message));
        }
        let again = settings.command(&format!("verify {prefix} --wait"));
        output.next(&[(again, "until no copy is in flight")]);
    }
    Ok(exit::DONE)
}

/// Checks once or, with `limit`, until no copy is in flight.
async fn settle(aws: &Aws, id: &RfqId, limit: Option<Duration>) -> Result<Conservation> {
    let began = Instant::now();
    loop {
        let Some(conservation) = verify(aws, id).await? else {
            return Err(gathering::unknown(aws, id).await);
        };
        let over = limit.is_none_or(|limit| began.elapsed() >= limit);
        if conservation.is_settled() || over {
            return Ok(conservation);
        }
        sleep(PAUSE).await;
    }
}

/// The providers of unexplained copies that have a filter now.
fn filtered_names(conservation: &Conservation) -> Option<String> {
    let names: Vec<_> =
        conservation.with_filter.iter().map(|who| printable(who.as_str())).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Prints where every copy is, fitted to the terminal.
pub(super) fn print(output: &Output, conservation: &Conservation, clock: &Clock) {
    let width = output.width();
    output.toned(&lines(conservation, clock, width));
}
