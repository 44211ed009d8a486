//! `rydes bench`: the whole path under load, on a stack of its own.

use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::conduct::Conduct;
use super::workers::GATHER_CONCURRENCY;
use super::{Context, waiting};
use crate::aws::provision::{self, Mode, Request, Untagged, inventory, teardown};
use crate::aws::{Aws, MAX_WAIT};
use crate::bench::{self, Arrival, Measured, Plan};
use crate::error::{Error, Result, exit};
use crate::gather;
use crate::model::StackName;
use crate::output::Format;
use crate::output::bench::{document, report};
use crate::output::progress::{Progress, Whole};
use crate::provider::{self, Receipts, Temper};
use crate::queue::Options;

/// The stack that is made and removed, unless another name is typed.
const STACK: &str = "rydes-bench";
/// How long a received message is hidden, as for any worker.
const VISIBILITY: Duration = Duration::from_secs(30);

/// Measure the whole path under load, on a stack that is made for it and removed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes bench                               1000 RFQs as fast as they are taken
  rydes bench --rate 5 --count 100          five a second, come what may
  rydes bench --providers 100 --count 100 --output json
  rydes bench --aws --stack bench-42        on AWS itself: costs what it says at the end

Submitter, workers and consumer run in this process; latency counts from when an RFQ was due
to be submitted to the write of its last answer.")]
pub(super) struct Command {
    /// RFQs that are measured
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Providers
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    providers: u8,
    /// RFQs a second, each at its time [default: as fast as they are taken]
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// RFQs before those that are measured
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    warm_up: u32,
    #[command(flatten)]
    conduct: Conduct,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.01 to 100000, as in `5`".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let mut settings = context.settings()?;
    let is_typed = context.typed.stack.is_some() || super::env("RYDES_STACK").is_some();
    if !is_typed {
        settings = settings.with_stack(StackName::parse(STACK).map_err(Error::other)?);
    }
    let mut removal = settings.command("teardown");
    if context.typed.stack.is_none() {
        removal = format!("{removal} --stack {}", settings.stack);
    }
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let left = inventory(&aws).await?;
    if left.count() > 0 {
        let of_another = if is_typed { "" } else { ": another one runs, or was killed" };
        return Err(Error::invalid(format!(
            "stack {} exists; `bench` makes and removes a stack of its own{of_another}",
            settings.stack
        ))
        .hint(&removal));
    }
    let stop = &context.shutdown.stop;
    let measured = tokio::select! {
        biased;
        () = stop.cancelled() => Err(context.shutdown.error()),
        measured = measure(context, &aws, &command) => measured,
    };
    let removed = async {
        let found = inventory(&aws).await?;
        teardown(&aws, &found, &waiting(output)).await
    };
    let removed = removed.await.map_err(|error| error.hint(&removal));
    let (plan, measured) = match (measured, &removed) {
        (Ok(measured), _) => measured,
        (Err(error), Ok(())) => return Err(error),
        (Err(error), Err(left)) => {
            output.warning(&format!("its stack could not be removed: {left}"));
            return Err(error.hint(left.hints().join("; ")));
        }
    };
    match output.format {
        Format::Json | Format::Jsonl => output.json(&document(&plan, &measured)),
        Format::Table | Format::Workshop => output.lines(&report(&plan, &measured)),
    }
    removed?;
    if measured.lost > 0 {
        return Err(Error::other(format!("{} answers never came", measured.lost)));
    }
    Ok(exit::DONE)
}

async fn measure(context: &Context, aws: &Aws, command: &Command) -> Result<(Plan, Measured)> {
    let output = &context.output;
    let request = Request {
        providers: command.providers.into(),
        mode: Mode::Apply,
        untagged: Untagged::Refuse,
    };
    Box::pin(provision::setup(aws, &request, &waiting(output))).await?;
    let providers =
        provision::register(aws).await?.into_iter().filter_map(|entry| entry.name).collect();
    let options =
        |concurrency| Options { concurrency, visibility: VISIBILITY, drain: Duration::ZERO };
    let plan = Plan {
        rfqs: command.count,
        warm_up: command.warm_up,
        arrival: command.rate.map_or(Arrival::Saturating, Arrival::Rate),
        providers,
        workers: provider::Settings {
            behaviour: command.conduct.behaviour(Temper::Steady),
            receipts: Receipts::Send,
            poll_wait: MAX_WAIT,
            options: options(command.conduct.concurrency()),
        },
        gathering: gather::Settings { poll_wait: MAX_WAIT, options: options(GATHER_CONCURRENCY) },
    };
    let bar = Progress::new(output, Whole::Rfqs(command.count.into()), "gathered");
    let told = |rfqs| bar.at(rfqs, 0);
    let measured = Box::pin(bench::run(aws, &plan, &CancellationToken::new(), &told)).await?;
    Ok((plan, measured))
}
