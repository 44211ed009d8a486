//! `rydes bench`: the whole path under load, on a stack of its own.

mod chaos;
mod stack;

use std::time::Duration;

use clap::Args;

use crate::aws::MAX_WAIT;
use crate::cli::Context;
use crate::cli::behaviour::BehaviourArgs;
use crate::cli::input::read_details;
use crate::cli::providers::service::{ServiceArgs, usual_concurrency};
use crate::cli::submit::deadline;
use crate::cli::workers::GATHER_CONCURRENCY;
use crate::consumer::ConsumeOptions;
use crate::error::{Error, Result, exit};
use crate::flow::gather::{self, RULES_AGE};
use crate::flow::provider::{Profile, ProviderPlan, Receipts, Served, ServedBy, Simulation};
use crate::shutdown::StopSignal;
use crate::terminal::Format;
use crate::terminal::progress::{Progress, Total};
use crate::tools::bench::{self, Arrival, DEADLINE, LoadPlan, Measured};
use crate::view::bench::{document, report};
use crate::view::count_of;
use chaos::Chaos;
use stack::{BenchStack, Fate};

const COUNT: u32 = 1_000;
/// How long a received message is hidden, as for any worker.
const VISIBILITY: Duration = Duration::from_secs(30);

/// Help of `--behavior`, whose default is another here.
const BEHAVIOR: &str = "Behavior, see below: `demo`, `workshop` or `steady` [default: steady]";

#[derive(Debug, Args)]
#[command(mut_arg("behavior", |arg| arg.help(BEHAVIOR)))]
#[command(after_help = "Examples:
  rydes bench                               1000 RFQs as fast as they are taken
  rydes bench --rate 5 --count 100          five a second, at fixed times
  rydes bench --providers 100 --count 100 --output json
  rydes bench --aws --stack bench-42        on AWS itself, which costs money
  rydes bench --chaos --failing 0.05        20 kills, and 5 % of requests fail
  rydes bench --http http://localhost:8000  a real endpoint answers
  rydes bench --count 100 -- ./quote.py     a real program answers
  rydes bench --behavior demo --deadline 15s --keep-stack

What is measured:
  latency  from the time an RFQ was due to the write of its last reply
  process  one for all parts; with --chaos the workers have their own

Behaviors:
  demo      thinks 0.2 to 4 s; 10 % each decline, stay silent, fail, or are late
  workshop  as the original: 50 % stay silent, the others think 0 to 60 s
  steady    always answers at once

Faults: `rydes providers run --help` lists them.")]
pub(super) struct Command {
    /// RFQs to measure [default: 1000; with --chaos: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) count: Option<u32>,
    /// Providers, 1 to 100
    #[arg(long, value_name = "M", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) providers: u8,
    /// RFQs per second, at fixed times [default: as fast as possible; with --chaos: 20]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// RFQs before the measured ones
    #[arg(long, value_name = "N", conflicts_with = "chaos", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    warm_up: u32,
    /// Details of each RFQ: JSON, `@FILE`, or `@-` for stdin
    #[arg(long, value_name = "JSON", allow_negative_numbers = true, conflicts_with = "chaos")]
    details: Option<String>,
    /// Deadline of each RFQ, 10 ms to 24 h [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = deadline, conflicts_with = "chaos")]
    deadline: Option<Duration>,
    /// Keep the stack, for `rydes report` and `rydes advise`, which count RFQs whose deadlines have
    /// passed
    #[arg(long, conflicts_with = "chaos", requires = "deadline")]
    keep_stack: bool,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    pub(super) behaviour: BehaviourArgs,
    #[command(flatten)]
    chaos: Chaos,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.01 to 100000, as in `5`".to_owned()),
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    if command.chaos.is_asked() && command.service.is_given() {
        return Err(Error::invalid("`--chaos` is for simulated providers"));
    }
    let real = command.service.in_place_of(&command.behaviour, None)?;
    let fate = if command.keep_stack { Fate::Kept } else { Fate::Removed };
    let stack = BenchStack::find(context, fate).await?;
    if command.chaos.is_asked() {
        let (plan, outcome, proxied) =
            stack.with(context, Box::pin(chaos::soak(context, &stack, &command))).await?;
        return chaos::tell(output, &plan, &outcome, proxied);
    }
    let (plan, measured) =
        stack.with(context, Box::pin(measure(context, &stack, &command, real))).await?;
    match output.format {
        Format::Json | Format::Jsonl => output.json(&document(&plan, &measured)),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            output.lines(&report(&plan, &measured));
        }
    }
    if measured.lost > 0 {
        return Err(Error::other(format!("{} did not arrive", count_of(measured.lost, "reply"))));
    }
    Ok(exit::DONE)
}

async fn measure(
    context: &Context,
    stack: &BenchStack,
    command: &Command,
    real: Option<ServedBy>,
) -> Result<(LoadPlan, Measured)> {
    let output = &context.output;
    let count = command.count.unwrap_or(COUNT);
    let providers = stack.make(output, command.providers).await?;
    let by = real.unwrap_or_else(|| {
        let behaviour = command.behaviour.behaviour(Profile::Steady);
        ServedBy::Simulation(Simulation { behaviour, receipts: Receipts::Send })
    });
    let concurrency =
        command.behaviour.typed_concurrency().unwrap_or_else(|| usual_concurrency(&by));
    let details = match &command.details {
        Some(typed) => read_details(context, typed).await?,
        None => None,
    };
    let plan = LoadPlan {
        details,
        deadline: command.deadline.unwrap_or(DEADLINE),
        rfqs: count,
        warm_up: command.warm_up,
        arrival: command.rate.map_or(Arrival::Saturating, Arrival::Rate),
        providers: ProviderPlan {
            served: Served::all(providers, &by, concurrency),
            poll_wait: MAX_WAIT,
            visibility: VISIBILITY,
            drain: Duration::ZERO,
        },
        gathering: gather::ConsumerSettings {
            poll_wait: MAX_WAIT,
            options: ConsumeOptions {
                concurrency: GATHER_CONCURRENCY,
                visibility: VISIBILITY,
                drain: Duration::ZERO,
            },
            rules_age: RULES_AGE,
        },
    };
    let bar = Progress::new(output, Total::Rfqs(count.into()), "gathered");
    let told = |rfqs| bar.at(rfqs, 0);
    let measured = Box::pin(bench::run(&stack.aws, &plan, &StopSignal::new(), &told)).await?;
    Ok((plan, measured))
}
