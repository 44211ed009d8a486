//! `rydes localstack up|down|logs`.

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Context;
use crate::core::text::printable;
use crate::error::{Error, Result, exit};
use crate::flow::events::{Sink, Step};
use crate::settings::Backend;
use crate::terminal::steps::StepDisplay;
use crate::terminal::{Format, Output};
use crate::tools::localstack::{
    self, DEFAULT_PORT, Down, Extent, Instance, Reach, RequestedRuntime, Runtime, RuntimeChoice,
    Started, Survey, SurveyScope, Up,
};

mod instance;
mod listing;

pub(super) use instance::own_reach;
use instance::{chosen_port, free_port, options, surroundings, tilde};
use listing::{cached, document, listing, name};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes localstack up              installs it if it is missing, and starts it
  rydes localstack up --check      shows what it needs, and starts nothing
  rydes localstack up --port 4567  a second one
  rydes localstack logs --follow
  rydes localstack down")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start LocalStack, unless it is up already, and wait until it is ready
    ///
    /// Its files are kept in `$RYDES_CACHE_DIR`, else in the folder `rydes` of `$XDG_CACHE_HOME` or
    /// `~/.cache`. `RYDES_LOCALSTACK_IMAGE` replaces the image that Docker runs.
    Up(UpArgs),
    /// Stop what `up` started, and nothing else
    Down(PortArgs),
    /// Print the log of LocalStack
    Logs(LogsArgs),
}

#[derive(Debug, Args)]
struct UpArgs {
    #[command(flatten)]
    port: PortArgs,
    /// How to run it: `auto` (with Docker if it answers, else as packages), `docker` or `packages`
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto, hide_possible_values = true)]
    runtime: RuntimeArg,
    /// Address to listen at: 127.0.0.1 for this machine alone, or 0.0.0.0 for all that can reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = reach)]
    host: Reach,
    /// Show what is needed, what is missing or damaged and how to install it; start nothing
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct PortArgs {
    /// Port of LocalStack [default: that of the endpoint, else 4566]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

#[derive(Debug, Args)]
struct LogsArgs {
    #[command(flatten)]
    port: PortArgs,
    /// Go on with new lines until LocalStack ends
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuntimeArg {
    /// Docker where an engine answers, packages elsewhere
    Auto,
    /// Docker Compose
    Docker,
    /// Python packages and Java, without Docker
    Packages,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    if context.typed.backend == Backend::Aws {
        return Err(Error::invalid("`localstack` cannot be used with `--aws`"));
    }
    let (port, reach) = match &command.action {
        Action::Up(UpArgs { port, host, .. }) => (port, *host),
        Action::Down(port) | Action::Logs(LogsArgs { port, .. }) => (port, Reach::default()),
    };
    let session = Session::new(context, port.port, reach)?;
    let follows = matches!(&command.action, Action::Logs(args) if args.follow);
    let work = move || match command.action {
        Action::Up(args) if args.check => Ok(session.check(args.runtime.into())),
        Action::Up(args) => session.up(args.runtime.into()),
        Action::Down(_) => session.down(),
        Action::Logs(args) => session.logs(args.follow.then_some(Extent::Follow)),
    };
    let shutdown = &context.shutdown;
    tokio::select! {
        biased;
        // What follows a log has no other end.
        () = shutdown.first_signal(), if follows => Ok(shutdown.error().exit_code()),
        done = tokio::task::spawn_blocking(work) => {
            done.map_err(|error| Error::other("the work was broken off").because(error))?
        }
    }
}

struct Session {
    output: Output,
    instance: Instance,
    /// The options that make other commands reach this LocalStack, with a space before each.
    options: String,
}

/// Makes sure that LocalStack answers on this machine, and starts it if it must.
pub(super) async fn bring_up(context: &Context) -> Result<()> {
    let session = Session::new(context, None, Reach::default())?;
    let done =
        tokio::task::spawn_blocking(move || session.bring_up(RequestedRuntime::Auto).map(drop))
            .await;
    done.map_err(|error| Error::other("the work was broken off").because(error))?
}

impl Session {
    fn new(context: &Context, port: Option<u16>, reach: Reach) -> Result<Self> {
        let port = chosen_port(context, port)?;
        let instance = Instance { port, reach, surroundings: surroundings()? };
        let options = options(context, &instance);
        Ok(Self { output: context.output.clone(), options, instance })
    }

    fn up(&self, wanted: RequestedRuntime) -> Result<u8> {
        let up = self.bring_up(wanted)?;
        self.check_reach()?;
        self.announce(&up);
        Ok(exit::DONE)
    }

    fn bring_up(&self, wanted: RequestedRuntime) -> Result<Up> {
        let another = |error: Error| {
            error.hint(format!("another port: rydes localstack up --port {}", free_port()))
        };
        if let Some(up) = localstack::answering(&self.instance).map_err(another)? {
            self.say_is_up_already(&up);
            return Ok(up);
        }
        let survey = Survey::look(&self.instance, wanted, SurveyScope::Needed);
        let plan = survey.plan().map_err(|error| self.incomplete(wanted, error))?;
        for line in survey.why(&plan) {
            self.output.note(&line);
        }
        let up = localstack::up(&self.instance, &plan, self.sink()).map_err(|error| {
            error.hint(format!("its log, if it has started: {}", self.command("logs")))
        })?;
        if up.started == Started::Before {
            self.say_is_up_already(&up);
            return Ok(up);
        }
        let size = match (&plan, up.memory) {
            (RuntimeChoice::Packages(_), Some(memory)) => {
                format!(" ({} MB of memory, {})", memory / 1_000_000, tilde(&self.instance))
            }
            _ => String::new(),
        };
        self.output.note(&format!("LocalStack is up{size}"));
        self.output.note("It forgets everything when it stops.");
        Ok(up)
    }

    fn say_is_up_already(&self, up: &Up) {
        self.output.note(&format!(
            "LocalStack {} is up already at {}; using it",
            printable(&up.version),
            self.instance.endpoint()
        ));
    }

    /// Says who else can use LocalStack. Fails where others cannot although `--host` asks for it.
    fn check_reach(&self) -> Result<()> {
        let (port, wanted) = (self.instance.port, self.instance.reach);
        match (localstack::reach(&self.instance), wanted) {
            (Some(Reach::Network), _) => {
                self.output.warning(&format!(
                    "no authentication: anyone who can reach port {port} of this machine can use this LocalStack, and \
                     delete what it holds"
                ));
                self.output.hint(&format!(
                    "others reach it by a name or address of this machine: --endpoint-url http://NAME:{port}"
                ));
            }
            (Some(Reach::ThisMachine), Reach::Network) => {
                let (down, again) = (self.command("down"), self.command("up --host 0.0.0.0"));
                return Err(Error::other(
                    "this LocalStack was started for this machine alone, without `--host 0.0.0.0`",
                )
                .hint(format!("to start it anew, empty: {down}, then {again}")));
            }
            (None, Reach::Network) => self.output.warning(&format!(
                "`rydes` did not start this LocalStack, so the address that it listens on is unknown; it has no \
                 authentication: anyone who can reach port {port} of this machine can use it"
            )),
            (Some(Reach::ThisMachine) | None, Reach::ThisMachine) => {}
        }
        Ok(())
    }

    /// Prints what to do next, or the document.
    fn announce(&self, up: &Up) {
        let next = format!("next: rydes{} setup", self.options);
        let (stop, logs) = (self.command("down"), self.command("logs"));
        match up.runtime {
            // `down` does not stop what `up` did not start.
            None => self.output.suggest(&next),
            Some(_) if self.instance.port == DEFAULT_PORT => {
                self.output.suggest(&format!("{next}    (stop: {stop}, logs: {logs})"));
            }
            Some(_) => {
                self.output.suggest(&next);
                self.output.suggest(&format!("stop: {stop}"));
                self.output.suggest(&format!("logs: {logs}"));
            }
        }
        self.document(&json!({
            "endpoint": self.instance.endpoint(),
            "port": self.instance.port,
            "version": up.version,
            "runtime": up.runtime.map(name),
            "started": up.started == Started::Now,
            "host": localstack::reach(&self.instance).map(|reach| reach.address().to_string()),
        }));
    }

    /// Lists what is missing, then returns the error.
    fn incomplete(&self, wanted: RequestedRuntime, error: Error) -> Error {
        if wanted == RequestedRuntime::Only(Runtime::Docker) {
            return error;
        }
        let survey = Survey::look(&self.instance, wanted, SurveyScope::All);
        for line in listing(&survey) {
            self.output.note(&line);
        }
        error
            .hint(format!("this list again: {} --check", self.command("up")))
            .hint("or use an endpoint you have: --endpoint-url URL")
    }

    fn check(&self, wanted: RequestedRuntime) -> u8 {
        let mut survey = Survey::look(&self.instance, wanted, SurveyScope::All);
        let cache = survey.cache(&self.instance);
        let plan = survey.plan();
        if self.output.format == Format::Table {
            for line in listing(&survey).into_iter().chain(cached(&survey, &cache)) {
                self.output.data(&line);
            }
        }
        self.document(&document(&self.instance, &survey, &cache, plan.as_ref().ok()));
        match plan {
            Ok(plan) => {
                let way = match plan {
                    RuntimeChoice::Docker => "Docker",
                    RuntimeChoice::Packages(_) => "packages",
                };
                self.output.note(&format!("{} would use {way}", self.command("up")));
                exit::DONE
            }
            Err(error) => {
                self.output.error(&Error::other(error.to_string()));
                exit::ERROR
            }
        }
    }

    fn down(&self) -> Result<u8> {
        let port = self.instance.port;
        let down = localstack::down(&self.instance, self.sink())?;
        match down {
            Down::Stopped(_) => self.output.note("LocalStack is down; what it held is gone"),
            Down::Ended(other) => self.output.warning(&format!(
                "LocalStack on port {port} has ended, and process {other} has its id now: nothing was \
                 stopped"
            )),
            Down::Nothing => self.output.note(&format!("nothing to stop on port {port}")),
            Down::NotOurs => self.output.warning(&format!(
                "LocalStack on port {port} was not started by `rydes`; it was left alone"
            )),
        }
        let runtime = if let Down::Stopped(runtime) = down { Some(name(runtime)) } else { None };
        self.document(&json!({
            "endpoint": self.instance.endpoint(),
            "port": port,
            "stopped": runtime.is_some(),
            "runtime": runtime,
        }));
        Ok(exit::DONE)
    }

    fn logs(&self, follow: Option<Extent>) -> Result<u8> {
        let print = |line: &str| {
            self.output.data(&printable(line));
            self.output.hold_for_room();
            if self.output.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        localstack::logs(&self.instance, follow.unwrap_or(Extent::SoFar), print)
            .map_err(|error| error.hint(self.command("up")))?;
        Ok(exit::DONE)
    }

    /// The command line of another `localstack` command for this port.
    fn command(&self, action: &str) -> String {
        match self.instance.port {
            DEFAULT_PORT => format!("rydes localstack {action}"),
            port => format!("rydes localstack {action} --port {port}"),
        }
    }

    fn sink(&self) -> Sink<Step> {
        let steps = StepDisplay::new(&self.output);
        Arc::new(move |step: Step| steps.show(&step))
    }

    fn document(&self, value: &Value) {
        if self.output.format != Format::Table {
            self.output.json(value);
        }
    }
}

fn reach(address: &str) -> Result<Reach, String> {
    match address {
        "127.0.0.1" | "localhost" => Ok(Reach::ThisMachine),
        "0.0.0.0" => Ok(Reach::Network),
        _ => Err("LocalStack listens on 127.0.0.1 or on 0.0.0.0".to_owned()),
    }
}

impl From<RuntimeArg> for RequestedRuntime {
    fn from(runtime: RuntimeArg) -> Self {
        match runtime {
            RuntimeArg::Auto => Self::Auto,
            RuntimeArg::Docker => Self::Only(Runtime::Docker),
            RuntimeArg::Packages => Self::Only(Runtime::Packages),
        }
    }
}
