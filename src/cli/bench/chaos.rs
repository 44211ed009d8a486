//! `rydes bench --chaos`: workers that are killed, requests that fail, and an account of every copy.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::Command;
use super::stack::BenchStack;
use crate::aws::Aws;
use crate::cli::Context;
use crate::cli::remedies::remedies;
use crate::error::{Error, Result, exit};
use crate::flow::provider::{Behaviour, Profile};
use crate::settings::Target;
use crate::terminal::progress::{Progress, Total};
use crate::terminal::{Format, Output};
use crate::tools::bench::chaos::{self, ChaosPlan, ChaosResult};
use crate::tools::bench::proxy::{Proxy, seeded};
use crate::view::chaos::{Proxied, document, report};

const COUNT: u32 = 500;
/// The default rate in RFQs a second: as many as two cores handle while workers restart.
const RATE: f64 = 20.0;
/// How long a message stays hidden after a killed worker received it.
const VISIBILITY: Duration = Duration::from_secs(10);
/// The default thinking time: long enough for a killed worker to have requests in flight.
const THINK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is broken.
#[derive(Debug, Args)]
pub(super) struct Chaos {
    /// Kill worker processes under load at random moments, then account for every copy
    #[arg(long = "chaos", id = "chaos")]
    is_asked: bool,
    /// With --chaos: number of kills
    #[arg(long, value_name = "N", requires = "chaos", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    kills: u32,
    /// With --chaos: number of worker processes, each with all providers and a consumer
    #[arg(long, value_name = "N", requires = "chaos", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=20))]
    workers: u8,
    /// With --chaos: share of the requests to LocalStack that fail, as in 0.05
    #[arg(long, value_name = "SHARE", requires = "chaos", value_parser = share)]
    failing: Option<f64>,
}

impl Chaos {
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 0.5, as in `0.05`".to_owned()),
    }
}

/// Makes the stack, runs the chaos test on it, and returns the result.
pub(super) async fn soak(
    context: &Context,
    stack: &BenchStack,
    command: &Command,
) -> Result<(ChaosPlan, ChaosResult, Option<Proxied>)> {
    let output = &context.output;
    let chaos = &command.chaos;
    let providers = stack.make(output, command.providers).await?;
    let mut behaviour = command.behaviour.behaviour(Profile::Steady);
    behaviour.think = behaviour.think.or(Some(THINK));
    let proxy = match chaos.failing {
        Some(share) => Some(in_front_of(&stack.settings.target, behaviour.seed, share).await?),
        None => None,
    };
    let (reached, endpoint) = match &proxy {
        Some(proxy) => {
            let settings = stack.settings.through(&proxy.url);
            (Aws::connect(&settings, remedies(&settings)).await?, Some(proxy.url.clone()))
        }
        None => (stack.aws.clone(), None),
    };
    let mut worker = stack.settings.arguments(endpoint.as_deref());
    worker.extend(
        ["providers", "run", "--tied", "-o", "jsonl", "--poll-wait", "2s"].map(str::to_owned),
    );
    worker.extend(["--visibility".to_owned(), format!("{}s", VISIBILITY.as_secs())]);
    worker.extend(["--concurrency".to_owned(), command.behaviour.concurrency().to_string()]);
    worker.extend(arguments(&behaviour));
    let program = std::env::current_exe().map_err(Error::system)?.into_os_string();
    let plan = ChaosPlan {
        rfqs: command.count.unwrap_or(COUNT),
        rate: command.rate.unwrap_or(RATE),
        providers,
        behaviour,
        workers: chaos.workers.into(),
        kills: chaos.kills,
        command: std::iter::once(program).chain(worker.into_iter().map(OsString::from)).collect(),
        visibility: VISIBILITY,
    };
    let bar = Progress::new(output, Total::Rfqs(plan.rfqs.into()), "answered");
    let told = |rfqs| bar.at(rfqs, 0);
    let stop = &context.shutdown.part();
    let outcome = Box::pin(chaos::run(&reached, &stack.aws, &plan, stop, &told)).await?;
    let proxied = proxy
        .as_ref()
        .map(|proxy| Proxied { share: chaos.failing.unwrap_or_default(), counts: proxy.counts() });
    Ok((plan, outcome, proxied))
}

async fn in_front_of(target: &Target, seed: u64, share: f64) -> Result<Proxy> {
    let Target::LocalStack(local) = target else {
        return Err(Error::invalid(
            "`--failing` works on LocalStack only: rydes puts no proxy in front of AWS",
        ));
    };
    let url = &local.sqs.url;
    if [&local.sns.url, &local.dynamodb.url].iter().any(|other| *other != url) {
        return Err(Error::invalid("`--failing` requires one endpoint for all three services"));
    }
    if !url.starts_with("http://") {
        return Err(Error::invalid("`--failing` requires a plain HTTP endpoint"));
    }
    Proxy::start(url, seeded(seed, share)).await.map_err(Error::system)
}

/// The options of `providers run` for this behaviour.
fn arguments(behaviour: &Behaviour) -> Vec<String> {
    let mut all = vec!["--behavior".to_owned(), behaviour.profile.word().to_owned()];
    all.extend(["--seed".to_owned(), behaviour.seed.to_string()]);
    all.extend(["--speed".to_owned(), behaviour.speed.to_string()]);
    if let Some((low, high)) = behaviour.think {
        all.extend(["--think".to_owned(), format!("{}ns..{}ns", low.as_nanos(), high.as_nanos())]);
    }
    for fault in &behaviour.faults {
        all.extend(["--fault".to_owned(), fault.to_string()]);
    }
    all
}

pub(super) fn tell(
    output: &Output,
    plan: &ChaosPlan,
    outcome: &ChaosResult,
    proxied: Option<Proxied>,
) -> Result<u8> {
    match output.format {
        Format::Json | Format::Jsonl => output.json(&document(plan, outcome, proxied)),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            output.lines(&report(plan, outcome, proxied));
        }
    }
    if outcome.is_sound() {
        return Ok(exit::DONE);
    }
    Err(Error::other("not every copy is accounted for as it should be"))
}
