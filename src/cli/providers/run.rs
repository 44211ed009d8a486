//! `rydes providers run`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::config::{self, Config};
use super::service::{REAL, ServiceArgs, health_path, usual_concurrency};
use crate::aws::Aws;
use crate::cli::Context;
use crate::cli::behaviour::{BehaviourArgs, SIMULATED};
use crate::cli::workers::{self, Common};
use crate::consumer::retry_transient;
use crate::core::ProviderName;
use crate::error::{Error, Result, exit};
use crate::flow::provider::{Profile, Receipts, Served, ServedBy, Simulation};
use crate::flow::workers::WorkerPlan;
use crate::settings::{Settings, open_files};
use crate::stack::{self, ProviderKind, Registered};
use crate::terminal::Format;
use crate::view::served::{document, table};

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  rydes providers run                                  all, with the consumer
  rydes providers run UnicornManagementResource3       one of them
  rydes providers run --behavior workshop
  rydes providers run --fault silent@0.1 --fault crash-after-send@0.01
  rydes providers run --fault UnicornManagementResource3=slow:20s
  rydes providers run acme -- ./quote.py               a program answers
  rydes providers run acme --http http://localhost:8000/rides
  rydes providers run --config providers.toml          those of the file as well

Behaviors:
  demo      thinks 0.2 to 4 s; 10 % each decline, stay silent, fail, or are late
  workshop  as the original: 50 % stay silent, the others think 0 to 60 s
  steady    always answers at once

Faults: [NAME=]KIND[@CHANCE][:ARGUMENT]; the first one that strikes counts:
  decline:REASON     declines with this reason
  silent             sends a receipt and no answer
  error              fails at every attempt
  slow:TIME          thinks for this time; the behavior decides the reply
  clock:TIME         its clock is fast (clock:+5m) or slow (clock:-5m)
  poison             sends a body that is not JSON
  duplicate          answers twice, the second time at a higher price
  wrong-id           answers to an id that belongs to no RFQ
  crash-before-send  its worker dies once before it sends the reply
  crash-after-send   its worker dies once after it has sent the reply

Deadlines: `submit --deadline 70s` suits workshop; 60s suits the crashes.")]
pub(super) struct Command {
    /// Providers to run; with PROGRAM or --http exactly one [default: all simulated ones]
    #[arg(value_name = "NAME", value_parser = provider_name)]
    names: Vec<ProviderName>,
    #[command(flatten)]
    service: ServiceArgs,
    /// Path of the endpoint's health check, as in `/healthz`; no request is received until it returns 2xx
    #[arg(long, help_heading = REAL, value_name = "PATH", value_parser = health_path, requires = "http", conflicts_with = "program")]
    health: Option<String>,
    /// File that names real providers, with the program or endpoint of each
    #[arg(long, help_heading = REAL, value_name = "FILE", conflicts_with_all = ["http", "program"])]
    config: Option<PathBuf>,
    /// Show how each provider would be served, and run nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    behaviour: BehaviourArgs,
    /// Leave out the consumer, which gathers the replies
    #[arg(long)]
    no_consumer: bool,
    /// Send no receipts for silent providers, as if they were down
    #[arg(long, help_heading = SIMULATED)]
    no_receipts: bool,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let settings = context.settings()?;
    let own = command.own(&settings)?;
    let config = command.config.as_deref();
    let config = config.map(|path| config::read(path, &settings.stack)).transpose()?;
    let listener = if command.check { None } else { command.common.listen_for_metrics().await? };
    let aws = context.connect(&settings).await?;
    let metrics = listener.map(|listener| listener.watch(&aws));
    let served = match own {
        Some(served) => {
            require_real(context, &settings, &aws, &served.name).await?;
            vec![served]
        }
        None => command.registered(context, &settings, &aws, config.as_ref()).await?,
    };
    command.check_faults(&served)?;
    for one in &served {
        if let ServedBy::Endpoint(endpoint) = &one.by {
            let wrong = |problem| Error::invalid(format!("{}: {problem}", one.name));
            endpoint.check().map_err(wrong)?;
        }
    }
    room_for(&served)?;
    if command.check {
        print(context, &served);
        return Ok(exit::DONE);
    }
    let plan = WorkerPlan {
        providers: Some(command.common.provider_plan(&settings, served)),
        consumer: (!command.no_consumer).then(|| command.common.gathering(&settings)),
    };
    Box::pin(workers::run(context, &settings, &aws, &plan, &command.common, metrics)).await
}

/// A provider's name, and not a program's.
fn provider_name(text: &str) -> Result<ProviderName, String> {
    let is_path = text.contains(['/', '.']);
    let hint = if is_path { "; a program comes after `--`" } else { "" };
    ProviderName::parse(text).map_err(|problem| format!("{problem}{hint}"))
}

/// Files that queues and table need beside those of real providers.
const OTHER_FILES: u64 = 200;

/// Raises the limit of open files as far as these providers need.
fn room_for(served: &[Served]) -> Result<()> {
    let files = served.iter().map(|one| match one.by {
        // Three pipes and the process.
        ServedBy::Program(_) => 4 * one.concurrency as u64,
        ServedBy::Endpoint(_) => one.concurrency as u64,
        ServedBy::Simulation(_) => 0,
    });
    let files: u64 = files.sum();
    match open_files::raise_to(open_files::FILES + files) {
        // Queues and table need some too.
        Some(limit) if files > 0 && limit < OTHER_FILES + files => Err(Error::invalid(format!(
            "these providers need {} open files at once; the limit is {limit}",
            OTHER_FILES + files
        ))
        .hint("lower the concurrency, or raise the limit that `ulimit -Hn` shows")),
        _ => Ok(()),
    }
}

fn print(context: &Context, served: &[Served]) {
    let output = &context.output;
    match output.format {
        Format::Json => {
            let providers: Vec<_> = served.iter().map(document).collect();
            output.json(&json!({"providers": providers}));
        }
        Format::Jsonl => served.iter().for_each(|one| output.json(&document(one))),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            let width = output.width();
            output.toned(&table(served, width));
        }
    }
}

impl Command {
    /// The one provider whose program or endpoint was typed.
    fn own(&self, settings: &Settings) -> Result<Option<Served>> {
        let by = self.service.in_place_of(&self.behaviour, self.health.as_deref())?;
        let Some(by) = by else { return Ok(None) };
        let [name] = &self.names[..] else {
            let example = settings.command("providers run NAME -- PROGRAM");
            return Err(Error::invalid(
                "a program or an endpoint answers for one provider: name it",
            )
            .hint(example));
        };
        if self.no_receipts {
            return Err(Error::invalid("`--no-receipts` is for simulated providers"));
        }
        let concurrency = self.behaviour.typed_concurrency().unwrap_or(usual_concurrency(&by));
        Ok(Some(Served { name: name.clone(), by, concurrency }))
    }

    /// The named providers, or all simulated ones and those of the file.
    async fn registered(
        &self,
        context: &Context,
        settings: &Settings,
        aws: &Aws,
        config: Option<&Config>,
    ) -> Result<Vec<Served>> {
        let register = Box::pin(retry_transient(async || stack::register(aws).await));
        let register = context.visibly("reading the register", register).await?;
        let real = config.map_or(&[][..], |config| &config.served);
        for served in real {
            check_real(&served.name, kind_in(&register, &served.name), settings)?;
        }
        let of_file = |name: &ProviderName| real.iter().find(|served| served.name == *name);
        let mut names = self.names.clone();
        if names.is_empty() {
            let simulated = register.iter().filter(|entry| entry.kind == ProviderKind::Simulated);
            names.extend(simulated.filter_map(|entry| entry.name.clone()));
            names.extend(real.iter().map(|served| served.name.clone()));
            if names.is_empty() {
                let hint = match register.iter().find_map(|entry| entry.name.as_ref()) {
                    Some(real) => settings.command(&format!("providers run {real} -- PROGRAM")),
                    None => format!("{} makes them", settings.command("setup")),
                };
                return Err(Error::other("no simulated provider is subscribed").hint(hint));
            }
        }
        if self.names.is_empty() {
            let others = register.iter().filter_map(|entry| entry.name.as_ref());
            let others = others.filter(|name| !names.contains(name)).map(ProviderName::as_str);
            let others: Vec<_> = others.collect();
            if !others.is_empty() {
                context.output.note(&format!("not served here: {}", others.join(", ")));
            }
        }
        names.sort();
        names.dedup();
        let served = names.into_iter().map(|name| {
            if let Some(real) = of_file(&name) {
                return Ok(real.clone());
            }
            check_simulated(&name, kind_in(&register, &name), settings)?;
            let (by, concurrency) =
                (ServedBy::Simulation(self.simulation()), self.behaviour.concurrency());
            Ok(Served { name, by, concurrency })
        });
        served.collect()
    }

    fn simulation(&self) -> Simulation {
        Simulation {
            behaviour: self.behaviour.behaviour(Profile::Demo),
            receipts: if self.no_receipts { Receipts::Withhold } else { Receipts::Send },
        }
    }

    /// A fault must concern a provider that runs, and is simulated.
    fn check_faults(&self, served: &[Served]) -> Result<()> {
        let is_simulated = |name: &ProviderName| {
            served.iter().any(|one| one.name == *name && matches!(one.by, ServedBy::Simulation(_)))
        };
        let names = self.behaviour.faults().iter().filter_map(|fault| fault.provider.as_ref());
        match names.into_iter().find(|name| !is_simulated(name)) {
            Some(name) => Err(Error::invalid(format!(
                "`--fault`: {name} is not among the simulated providers that would run"
            ))),
            None => Ok(()),
        }
    }
}

fn kind_in(register: &[Registered], name: &ProviderName) -> Option<ProviderKind> {
    register.iter().find(|entry| entry.name.as_ref() == Some(name)).map(|entry| entry.kind)
}

/// Looks at the provider's queue alone: the owner of one provider need not read the register.
async fn require_real(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    name: &ProviderName,
) -> Result<()> {
    let look = Box::pin(retry_transient(async || stack::provider_kind(aws, name).await));
    let kind = context.visibly("looking at the provider's queue", look).await?;
    if kind.is_none() {
        // Without a stack this fails, and says that the stack is not set up.
        let register = Box::pin(retry_transient(async || stack::register(aws).await));
        context.visibly("reading the register", register).await?;
    }
    check_real(name, kind, settings)
}

fn check_real(name: &ProviderName, kind: Option<ProviderKind>, settings: &Settings) -> Result<()> {
    match kind {
        Some(ProviderKind::External) => Ok(()),
        Some(ProviderKind::Simulated) => Err(Error::invalid(format!(
            "{name} is a simulated provider; only a real one takes a program or an endpoint"
        ))
        .hint(format!("{} makes a real one", settings.command("providers add NAME")))),
        None => Err(unknown(name, settings)),
    }
}

fn check_simulated(
    name: &ProviderName,
    kind: Option<ProviderKind>,
    settings: &Settings,
) -> Result<()> {
    match kind {
        Some(ProviderKind::Simulated) => Ok(()),
        Some(ProviderKind::External) => Err(Error::invalid(format!(
            "{name} is a real provider: it needs a program or an endpoint"
        ))
        .hint(format!(
            "{} lets a program answer",
            settings.command(&format!("providers run {name} -- PROGRAM"))
        ))),
        None => Err(unknown(name, settings)),
    }
}

fn unknown(name: &ProviderName, settings: &Settings) -> Error {
    Error::invalid(format!("no provider {name} is subscribed"))
        .hint(format!("{} makes its queue", settings.command(&format!("providers add {name}"))))
}
