//! `rydes localstack up|down|logs`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Uri;

use super::{Context, env};
use crate::error::{Error, Result, exit};
use crate::event::{Sink, Step};
use crate::localstack::{
    self, Answer, DEFAULT_PORT, Down, Extent, PieceState, Place, Plan, Runtime, Surroundings,
    Survey, Up, Wanted,
};
use crate::model::text::printable;
use crate::output::steps::Steps;
use crate::output::{Format, Output};
use crate::settings::Backend;

/// The variables that LocalStack may see; anything else of a shell could only mislead it.
const HANDED_ON: [&str; 9] = [
    "PATH",
    "JAVA_HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "USER",
    "DYNAMODB_HEAP_SIZE",
    "SQS_DELAY_RECENTLY_DELETED",
];

/// Bring LocalStack up or down on this machine.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start LocalStack and wait until it is ready; one that answers already is used
    ///
    /// Its files are kept in `$RYDES_CACHE_DIR`, else in the folder `rydes` of `$XDG_CACHE_HOME` or
    /// `~/.cache`. `RYDES_LOCALSTACK_IMAGE` replaces the image that Docker runs.
    Up(UpArgs),
    /// Stop what `up` started, and nothing else
    Down(PortArgs),
    /// Print what LocalStack has written
    Logs(LogsArgs),
}

#[derive(Debug, Args)]
struct UpArgs {
    #[command(flatten)]
    port: PortArgs,
    /// What to run it by
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto)]
    runtime: RuntimeArg,
    /// Only list what is needed, what is missing and how to install it
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct PortArgs {
    /// The port [default: that of the endpoint, else 4566]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

#[derive(Debug, Args)]
struct LogsArgs {
    #[command(flatten)]
    port: PortArgs,
    /// Go on until LocalStack ends
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
        return Err(Error::invalid("`localstack` and --aws exclude each other"));
    }
    let (Action::Up(UpArgs { port, .. })
    | Action::Down(port)
    | Action::Logs(LogsArgs { port, .. })) = &command.action;
    let place = Place { port: chosen_port(context, port.port)?, surroundings: surroundings()? };
    let desk = Desk { output: context.output.clone(), options: options(context, &place), place };
    let work = move || match command.action {
        Action::Up(args) if args.check => Ok(desk.check(args.runtime.into())),
        Action::Up(args) => desk.up(args.runtime.into()),
        Action::Down(_) => desk.down(),
        Action::Logs(args) => desk.logs(args.follow.then_some(Extent::Follow)),
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::other("the work was broken off").because(error))?
}

/// Where the commands are carried out and told of.
struct Desk {
    output: Output,
    place: Place,
    /// The options that make other commands reach this LocalStack, each with a space before it.
    options: String,
}

impl Desk {
    fn up(&self, wanted: Wanted) -> Result<u8> {
        let another = |error: Error| {
            error.hint(format!("another port: rydes localstack up --port {}", free_port()))
        };
        if let Some(up) = localstack::answering(&self.place).map_err(another)? {
            self.output.note(&format!(
                "LocalStack {} is up already at {}; using it",
                printable(&up.version),
                self.place.endpoint()
            ));
            self.announce(&up, "before");
            return Ok(exit::DONE);
        }
        let survey = Survey::look(&self.place, wanted);
        let plan = match survey.plan() {
            Ok(plan) => plan,
            Err(error) => return Err(self.incomplete(&survey, error)),
        };
        for line in survey.why(&plan) {
            self.output.note(&line);
        }
        let up = localstack::up(&self.place, &plan, self.sink()).map_err(|error| {
            error.hint(format!("its log, if it has started: {}", self.command("logs")))
        })?;
        let size = match (&plan, up.memory) {
            (Plan::Packages(_), Some(memory)) => {
                format!(" ({} MB of memory, {})", memory / 1_000_000, tilde(&self.place))
            }
            _ => String::new(),
        };
        self.output.note(&format!("LocalStack is up{size}"));
        self.output.note("It forgets everything when it stops.");
        self.announce(&up, "now");
        Ok(exit::DONE)
    }

    /// Writes what to do next, or the document that says what is up.
    fn announce(&self, up: &Up, started: &str) {
        let next = format!("next: rydes{} setup", self.options);
        let (stop, logs) = (self.command("down"), self.command("logs"));
        match up.runtime {
            // `down` would leave alone what somebody else started.
            None => self.output.note(&next),
            Some(_) if self.place.port == DEFAULT_PORT => {
                self.output.note(&format!("{next}    (stop: {stop}, logs: {logs})"));
            }
            Some(_) => self.output.note(&format!("{next}\nstop: {stop}\nlogs: {logs}")),
        }
        self.document(&json!({
            "endpoint": self.place.endpoint(),
            "port": self.place.port,
            "version": up.version,
            "runtime": up.runtime.map(name),
            "started": started == "now",
        }));
    }

    /// Tells what is missing before the error that it leads to.
    fn incomplete(&self, survey: &Survey, error: Error) -> Error {
        if survey.wanted() == Wanted::Only(Runtime::Docker) {
            return error;
        }
        for line in listing(survey) {
            self.output.note(&line);
        }
        error
            .hint(format!("this list again: {} --check", self.command("up")))
            .hint("or use an endpoint you have: --endpoint-url URL")
    }

    fn check(&self, wanted: Wanted) -> u8 {
        let survey = Survey::look(&self.place, wanted);
        let plan = survey.plan();
        if self.output.format == Format::Table {
            for line in listing(&survey) {
                self.output.data(&line);
            }
        }
        self.document(&document(&self.place, &survey, plan.as_ref().ok()));
        match plan {
            Ok(plan) => {
                let way = match plan {
                    Plan::Docker => "Docker",
                    Plan::Packages(_) => "packages",
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
        let port = self.place.port;
        let down = localstack::down(&self.place, self.sink())?;
        match down {
            Down::Stopped(_) => self.output.note("LocalStack is down; what it held is gone"),
            Down::Nothing => self.output.note(&format!("nothing to stop on port {port}")),
            Down::NotOurs => self.output.warning(&format!(
                "LocalStack answers on port {port}, but `rydes localstack up` did not start it; \
                 it was left alone"
            )),
        }
        let runtime = if let Down::Stopped(runtime) = down { Some(name(runtime)) } else { None };
        self.document(&json!({
            "endpoint": self.place.endpoint(),
            "port": port,
            "stopped": runtime.is_some(),
            "runtime": runtime,
        }));
        Ok(exit::DONE)
    }

    fn logs(&self, follow: Option<Extent>) -> Result<u8> {
        let print = |line: &str| {
            self.output.data(&printable(line));
            if self.output.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        localstack::logs(&self.place, follow.unwrap_or(Extent::SoFar), print)
            .map_err(|error| error.hint(self.command("up")))?;
        Ok(exit::DONE)
    }

    /// The command line of another command about this LocalStack.
    fn command(&self, action: &str) -> String {
        match self.place.port {
            DEFAULT_PORT => format!("rydes localstack {action}"),
            port => format!("rydes localstack {action} --port {port}"),
        }
    }

    fn sink(&self) -> Sink<Step> {
        let steps = Steps::new(&self.output);
        Arc::new(move |step: Step| steps.show(&step))
    }

    fn document(&self, value: &Value) {
        if self.output.format != Format::Table {
            self.output.json(value);
        }
    }
}

/// What is here and what is missing, in lines.
fn listing(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    if survey.wanted() != Wanted::Only(Runtime::Packages) {
        let problems = survey.docker_problems();
        if problems.is_empty() {
            lines.push(format!("docker: ok ({})", survey.docker_version()));
        }
        for (problem, advice) in problems {
            lines.push(format!("docker: {problem}"));
            lines.push(format!("        {advice}"));
        }
    }
    if survey.wanted() != Wanted::Only(Runtime::Docker) {
        lines.push("without Docker, LocalStack needs:".to_owned());
        for piece in survey.pieces() {
            let found = piece.found.map(|found| format!(" ({found})")).unwrap_or_default();
            lines.push(format!("  {:<20}  {}{found}", piece.name, state(piece.state)));
            lines.extend(piece.install.map(|install| format!("      {install}")));
        }
    }
    lines
}

/// What is here and what is missing, as a document.
fn document(place: &Place, survey: &Survey, plan: Option<&Plan>) -> Value {
    let problems = survey.docker_problems().into_iter();
    let pieces = survey.pieces().into_iter().map(|piece| {
        json!({
            "piece": piece.name,
            "state": state(piece.state),
            "found": piece.found,
            "install": piece.install,
        })
    });
    let runtime = plan.map(|plan| match plan {
        Plan::Docker => name(Runtime::Docker),
        Plan::Packages(_) => name(Runtime::Packages),
    });
    let port = match localstack::ask(place.port) {
        Answer::Nothing => "free",
        Answer::LocalStack(_) => "localstack",
        Answer::Foreign(_) => "taken",
    };
    json!({
        "endpoint": place.endpoint(),
        "port": { "number": place.port, "state": port },
        "runtime": runtime,
        "docker": {
            "state": if survey.docker_problems().is_empty() { "ok" } else { "missing" },
            "found": Some(survey.docker_version()).filter(|found| !found.is_empty()),
            "problems": problems
                .map(|(problem, install)| json!({ "problem": problem, "install": install }))
                .collect::<Vec<_>>(),
        },
        "packages": pieces.collect::<Vec<_>>(),
    })
}

fn state(state: PieceState) -> &'static str {
    match state {
        PieceState::Ok => "ok",
        PieceState::NotNeeded => "not needed",
        PieceState::Missing => "missing",
    }
}

fn name(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Docker => "docker",
        Runtime::Packages => "packages",
    }
}

impl From<RuntimeArg> for Wanted {
    fn from(runtime: RuntimeArg) -> Self {
        match runtime {
            RuntimeArg::Auto => Self::Auto,
            RuntimeArg::Docker => Self::Only(Runtime::Docker),
            RuntimeArg::Packages => Self::Only(Runtime::Packages),
        }
    }
}

/// `--port`, else the port of the endpoint that other commands would use, else the default.
fn chosen_port(context: &Context, port: Option<u16>) -> Result<u16> {
    if let Some(port) = port {
        return Ok(port);
    }
    match &context.typed.endpoint_url {
        Some(url) => loopback_port(url).ok_or_else(|| {
            Error::invalid("`--endpoint-url` is not on this machine, where `localstack` works")
        }),
        None => {
            Ok(env("AWS_ENDPOINT_URL").and_then(|url| loopback_port(&url)).unwrap_or(DEFAULT_PORT))
        }
    }
}

/// The port of an http URL on this machine.
fn loopback_port(url: &str) -> Option<u16> {
    let uri: Uri = url.parse().ok()?;
    let local = matches!(uri.host()?, "localhost" | "127.0.0.1" | "localhost.localstack.cloud");
    (local && uri.scheme_str() == Some("http")).then(|| uri.port_u16().unwrap_or(80))
}

/// The options that other commands need to reach this LocalStack: none, where they do anyway.
fn options(context: &Context, place: &Place) -> String {
    let typed = context.typed.endpoint_url.clone();
    let used = typed.clone().or_else(|| env("AWS_ENDPOINT_URL"));
    let reached = match used {
        Some(url) => loopback_port(&url) == Some(place.port),
        None => place.port == DEFAULT_PORT,
    };
    match typed {
        Some(url) if reached => format!(" --endpoint-url {}", crate::settings::quoted(&url)),
        _ if reached => String::new(),
        _ => format!(" --endpoint-url {}", place.endpoint()),
    }
}

/// What the environment says to the room below.
fn surroundings() -> Result<Surroundings> {
    let home = env("HOME").map(PathBuf::from);
    let cache = env("RYDES_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| env("XDG_CACHE_HOME").map(|folder| PathBuf::from(folder).join("rydes")))
        .or_else(|| home.as_ref().map(|home| home.join(".cache/rydes")))
        .ok_or_else(|| Error::other("there is no folder to keep files in: set RYDES_CACHE_DIR"))?;
    let cache = std::path::absolute(&cache)
        .map_err(|error| Error::other("the working folder is gone").because(error))?;
    let variables =
        HANDED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env(name)?))).collect();
    Ok(Surroundings { cache, home, image: env("RYDES_LOCALSTACK_IMAGE"), variables })
}

/// The folder of everything that is kept, short.
fn tilde(place: &Place) -> String {
    let root = place.root();
    let home = place.surroundings.home.as_ref();
    match home.and_then(|home| root.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => root.display().to_string(),
    }
}

/// A port that is free now, to be suggested.
fn free_port() -> u16 {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr());
    free.map_or(DEFAULT_PORT + 1, |address| address.port())
}
