//! `rydes bench`: the whole path under load, on a stack of its own.

use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::chaos::{self, Chaos};
use super::conduct::Conduct;
use super::workers::GATHER_CONCURRENCY;
use super::{Context, waiting};
use crate::aws::provision::{self, Mode, Request, Untagged, find, inventory, teardown};
use crate::aws::{Aws, MAX_WAIT};
use crate::bench::{self, Arrival, Measured, Plan};
use crate::error::{Error, Result, exit};
use crate::gather;
use crate::model::{ProviderName, StackName};
use crate::output::bench::{document, report};
use crate::output::progress::{Progress, Whole};
use crate::output::{Format, Output};
use crate::provider::{self, Receipts, Temper};
use crate::queue::Options;
use crate::settings::Settings;

/// RFQs that are measured, unless told otherwise.
const COUNT: u32 = 1_000;
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
  rydes bench --chaos --failing 0.05        20 workers killed, 5 % of requests failed

Submitter, workers and consumer run in this process (with --chaos the workers in others); latency
counts from when an RFQ was due to be submitted to the write of its last answer.")]
pub(super) struct Command {
    /// RFQs that are measured [default: 1000; for --chaos 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) count: Option<u32>,
    /// Providers
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) providers: u8,
    /// RFQs a second, each at its time [default: as fast as they are taken; for --chaos 20]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// RFQs before those that are measured
    #[arg(long, value_name = "N", conflicts_with = "chaos", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    warm_up: u32,
    #[command(flatten)]
    pub(super) conduct: Conduct,
    #[command(flatten)]
    pub(super) chaos: Chaos,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.01 to 100000, as in `5`".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let place = Place::find(context).await?;
    if command.chaos.is_asked() {
        let (plan, outcome, proxied) =
            place.with_stack(context, Box::pin(chaos::soak(context, &place, &command))).await?;
        return chaos::tell(output, &plan, &outcome, proxied);
    }
    let (plan, measured) =
        place.with_stack(context, Box::pin(measure(context, &place, &command))).await?;
    match output.format {
        Format::Json | Format::Jsonl => output.json(&document(&plan, &measured)),
        Format::Table | Format::Workshop => output.lines(&report(&plan, &measured)),
    }
    if measured.lost > 0 {
        return Err(Error::other(format!("{} answers never came", measured.lost)));
    }
    Ok(exit::DONE)
}

/// Where it is measured: a stack that is not there yet.
pub(super) struct Place {
    pub(super) settings: Settings,
    pub(super) aws: Aws,
    /// The line that removes it.
    removal: String,
}

impl Place {
    async fn find(context: &Context) -> Result<Self> {
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
        if inventory(&aws).await?.count() > 0 {
            let of_another = if is_typed { "" } else { ": another one runs, or was killed" };
            return Err(Error::invalid(format!(
                "stack {} exists; `bench` makes and removes a stack of its own{of_another}",
                settings.stack
            ))
            .hint(removal));
        }
        Ok(Self { settings, aws, removal })
    }

    /// Makes the stack.
    pub(super) async fn make(&self, output: &Output, providers: u8) -> Result<Vec<ProviderName>> {
        let request =
            Request { providers: providers.into(), mode: Mode::Apply, untagged: Untagged::Refuse };
        Box::pin(provision::setup(&self.aws, &request, &waiting(output))).await?;
        let register = provision::register(&self.aws).await?;
        Ok(register.into_iter().filter_map(|entry| entry.name).collect())
    }

    /// Does the work, unless a signal comes, and removes the stack in any case.
    async fn with_stack<T>(
        &self,
        context: &Context,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (output, stop) = (&context.output, &context.shutdown.stop);
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => Err(context.shutdown.error()),
            done = work => done,
        };
        let removed = async {
            let patience = waiting(output);
            let found = find(&self.aws, &patience).await?;
            teardown(&self.aws, &found, &patience).await.map(drop)
        };
        match (done, removed.await) {
            (done, Ok(())) => done,
            (Ok(_), Err(left)) => Err(left.hint(&self.removal)),
            (Err(error), Err(left)) => {
                output.warning(&format!("its stack could not be removed: {left}"));
                Err(error.hint(&self.removal))
            }
        }
    }
}

async fn measure(context: &Context, place: &Place, command: &Command) -> Result<(Plan, Measured)> {
    let output = &context.output;
    let count = command.count.unwrap_or(COUNT);
    let providers = place.make(output, command.providers).await?;
    let options =
        |concurrency| Options { concurrency, visibility: VISIBILITY, drain: Duration::ZERO };
    let plan = Plan {
        rfqs: count,
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
    let bar = Progress::new(output, Whole::Rfqs(count.into()), "gathered");
    let told = |rfqs| bar.at(rfqs, 0);
    let never = CancellationToken::new();
    let measured = Box::pin(bench::run(&place.aws, &plan, &never, &told)).await?;
    Ok((plan, measured))
}
