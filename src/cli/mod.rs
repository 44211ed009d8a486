//! The command line: global options, one module per command, the exit code.

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ColorChoice, FromArgMatches as _, Parser, Subcommand};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use jiff::tz::TimeZone;

use crate::aws::Aws;
use crate::core::text::printable;
use crate::core::{ProviderName, Timestamp};
use crate::error::{Error, Kind, Result, exit};
use crate::flow::events::{Step, StepState};
use crate::settings::open_files;
use crate::settings::{Backend, Env, RawOptions, Settings, Target};
use crate::shutdown::Shutdown;
use crate::stack::Subscribers;
use crate::terminal::steps::StepDisplay;
use crate::terminal::{Color, Format, Output, Terminal, Verbosity};
use crate::view::clock::Clock;

mod advise;
mod aws_cli;
mod behaviour;
mod bench;
mod candidates;
mod close;
mod completions;
mod confirmation;
mod consumer;
mod demo;
mod dlq;
mod export;
mod gathering;
mod help;
mod history;
mod input;
mod listen;
mod localstack;
mod man;
mod metrics;
mod picture;
mod providers;
mod quotes;
mod reading;
mod recent;
mod remedies;
mod report;
mod serve;
mod setup;
mod stacks;
mod status;
pub mod submit;
mod teardown;
mod trace;
mod until;
mod usage;
mod values;
mod verify;
mod version;
mod waiting;
mod watch;
mod workers;

use remedies::remedies;
use usage::{color, refuse, usage};
use waiting::waiting;

/// What bare `rydes` prints: the commands in the order of use.
const SHORT_HELP: &str = "\
Ask many providers for a quote at once; gather the replies; take the best.
Scatter-gather on SNS, SQS and DynamoDB, on LocalStack unless you say --aws.

  rydes demo                                 see it all in under 40 s

  rydes localstack up                        1  a place to run it
  rydes setup                                2  topic, queues, table
  rydes providers run                        3  ten providers (leave it running)
  rydes submit Frankfurt Rome                4  ask         (another terminal)
  rydes quotes --watch                       5  see the quotes come in
  rydes teardown                             6  remove everything

More: status stacks verify trace report advise export close dlq providers consumer
      bench serve completions
`rydes COMMAND --help` has examples.";

/// Ask many providers for a quote at once; gather the replies; take the best.
#[derive(Debug, Parser)]
#[command(
    name = "rydes",
    version = version::VERSION,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Examples:
  rydes demo                       see it all in under 40 s
  rydes setup                      topic, queues, table
  rydes providers run              ten providers, and the response consumer
  rydes submit Frankfurt Rome --wait
  rydes COMMAND --help             has examples of each"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option without a value")]
struct Global {
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help = "Stack to work on [default: wild-rydes] [env: RYDES_STACK]"
    )]
    stack: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help = "Address of LocalStack [default: http://localhost:4566] [env: AWS_ENDPOINT_URL]"
    )]
    endpoint_url: Option<String>,
    #[arg(
        long,
        value_name = "REGION",
        global = true,
        help = "Region [default: us-east-1] [env: RYDES_REGION]; with --aws [default: the \
                profile's] [env: AWS_REGION, AWS_DEFAULT_REGION]"
    )]
    region: Option<String>,
    /// Work on AWS itself, with the ordinary chain of credentials; requires --stack, but not for `stacks`
    #[arg(long, global = true)]
    aws: bool,
    /// With --aws: profile of the credentials; it is used before keys in the environment
    #[arg(long, value_name = "NAME", global = true)]
    profile: Option<String>,
    /// Format of the answer: `table`, `json`, `jsonl` (one line per change or event), `workshop` (the
    /// original's response, `quotes` alone), `otlp` (`trace` alone) or `csv` (`report` and `advise`
    /// alone) [default: table]
    #[arg(
        short,
        long,
        value_enum,
        value_name = "FORMAT",
        global = true,
        hide_possible_values = true
    )]
    output: Option<Format>,
    /// Same as `--output json`
    #[arg(long, global = true)]
    json: bool,
    /// Print only the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more on stderr
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Colours: `auto` (on a terminal, unless `NO_COLOR` is set), `always` or `never`
    #[arg(
        long,
        value_enum,
        default_value_t = Color::Auto,
        value_name = "WHEN",
        global = true,
        hide_possible_values = true
    )]
    color: Color,
}

/// The commands, in the order in which they are used.
#[derive(Debug, Subcommand)]
enum Command {
    /// See it all in under 40 s: starts LocalStack, sets up, submits, cleans up
    Demo(demo::Command),
    /// Start or stop LocalStack on this machine
    Localstack(localstack::Command),
    /// Make the topic, the queues and the table of a stack, or repair their settings
    Setup(setup::Command),
    /// Run providers, simulated and real; list, add, remove and try them
    Providers(providers::Command),
    /// Run the response consumer alone
    Consumer(consumer::Command),
    /// Ask the subscribed providers for quotes
    Submit(submit::Command),
    /// Show how an RFQ stands, or watch its quotes arrive
    Quotes(quotes::Command),
    /// Show queues, dead letters, and the RFQs submitted from this machine
    Status(status::Command),
    /// List the stacks of this account and region
    ///
    /// A stack is everything with the tag `rydes:stack`. With --stack, only that one is listed.
    Stacks(stacks::Command),
    /// Account for every copy of a request
    Verify(verify::Command),
    /// Show the timeline of an RFQ, one line per provider
    Trace(trace::Command),
    /// End the gathering of an RFQ now
    ///
    /// Replies that were sent before stay; later ones count as late. An RFQ that is over stays as it is.
    Close(close::Command),
    /// Report on each provider: answers, times, prices, and how often it was best
    Report(report::Command),
    /// Show which deadline would have kept the best quotes
    Advise(advise::Command),
    /// Write all rows of the table, one JSON object per line
    Export(export::Command),
    /// Look at the dead letters; send them back, or delete them
    Dlq(dlq::Command),
    /// Measure the whole path under load, on its own stack
    Bench(bench::Command),
    /// Serve the original's HTTP routes, and a page that shows quotes arriving
    Serve(serve::Command),
    /// Remove everything that carries the stack's tag
    Teardown(teardown::Command),
    /// Print the completion script of a shell
    ///
    /// The scripts of bash, zsh and fish complete values too: formats, faults, stacks, and the RFQs submitted from
    /// this machine. They run `rydes`, which then connects to nothing.
    Completions(completions::Command),
    /// Print the help of a command
    Help(help::Command),
    /// Print the version, and the commit that it was built from
    Version(version::Command),
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man(man::Command),
    /// Print what may stand at the end of a command line, for the scripts of `completions`
    #[command(hide = true)]
    Candidates(candidates::Command),
}

struct Context {
    output: Output,
    typed: RawOptions,
    /// When help is coloured.
    color: ColorChoice,
    shutdown: Shutdown,
    /// Read when a time is first shown.
    zone: OnceCell<TimeZone>,
    /// Whether the note about an ignored access key is out.
    has_named_key: Cell<bool>,
}

impl Context {
    /// Waits until there is room for more answers, or a signal comes.
    async fn room(&self) {
        tokio::select! {
            () = self.output.room() => {}
            () = self.shutdown.first_signal() => {}
        }
    }

    fn settings(&self) -> Result<Settings> {
        Settings::resolve(&self.typed, Env::new(&env))
    }

    /// The time now, in the zone of `TZ` or of the system.
    fn clock(&self) -> Clock {
        let zone = || match (TimeZone::try_system(), env("TZ")) {
            (Ok(zone), _) => zone,
            (Err(_), None) => TimeZone::UTC,
            (Err(_), Some(named)) => {
                let named = printable(&named.to_string_lossy());
                self.output.warning(&format!("TZ={named} is not a time zone; times are in UTC"));
                self.output.hint("set TZ to a name such as Europe/Berlin");
                TimeZone::UTC
            }
        };
        Clock::new(Timestamp::now(), self.zone.get_or_init(zone).clone())
    }

    /// Makes the clients, and checks that the endpoint answers.
    async fn connect(&self, settings: &Settings) -> Result<Aws> {
        let aws = Aws::connect(settings, remedies(settings)).boxed();
        let aws = self.visibly("connecting", aws).await?;
        self.name_ignored_key(&settings.target);
        Ok(aws)
    }

    /// Says once that LocalStack's account is not the one of a key. Otherwise it could be found out only by missing
    /// one's stack.
    fn name_ignored_key(&self, target: &Target) {
        let Target::LocalStack(local) = target else { return };
        if local.is_key_ignored && !self.has_named_key.replace(true) {
            self.output.note(&format!(
                "AWS_ACCESS_KEY_ID is not twelve digits, so LocalStack's account is {}",
                local.account()
            ));
        }
    }

    /// Waits for work that a signal may interrupt. On a terminal it shows `subject`, unless the wait is shorter
    /// than `AT_ONCE`.
    async fn visibly<T>(
        &self,
        subject: &str,
        mut work: impl Future<Output = Result<T>> + Unpin,
    ) -> Result<T> {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(AT_ONCE) => {}
        }
        let steps = StepDisplay::new(&self.output);
        let (subject, detail) = (subject.to_owned(), String::new());
        steps.show(&Step { subject, detail, state: StepState::Running });
        tokio::select! {
            biased;
            () = self.shutdown.first_signal() => Err(self.shutdown.error()),
            done = work => done,
        }
    }
}

/// A variable of the environment; an empty one counts as unset.
fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Runs the program with these arguments; returns its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let arguments: Vec<_> = arguments.collect();
    let color = color(&arguments);
    let choice = match color {
        Color::Auto if terminal() == Terminal::Dumb => ColorChoice::Never,
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let parsed = help::program().color(choice).try_get_matches_from(&arguments);
    let cli = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments, color),
    };
    let output = match cli.global.output() {
        Ok(output) => output,
        Err(error) => return refuse(&error, color),
    };
    let Some(command) = cli.command else {
        output.data(SHORT_HELP);
        return conclude(&output, Ok(exit::DONE));
    };
    start(&output, cli.global.typed(), choice, command)
}

fn start(output: &Output, typed: RawOptions, color: ColorChoice, command: Command) -> u8 {
    let misplaced = match output.format {
        Format::Workshop if !matches!(command, Command::Quotes(_)) => {
            Some(("workshop", "`rydes quotes`"))
        }
        Format::Otlp if !matches!(command, Command::Trace(_)) => Some(("otlp", "`rydes trace`")),
        Format::Csv if !matches!(command, Command::Report(_) | Command::Advise(_)) => {
            Some(("csv", "`rydes report` and `rydes advise`"))
        }
        _ => None,
    };
    if let Some((format, place)) = misplaced {
        let problem = format!("`--output {format}` is for {place} alone");
        return conclude(output, Err(Error::invalid(problem)));
    }
    open_files::raise();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = Error::other("cannot start the async runtime").because(error);
            return conclude(output, Err(error));
        }
    };
    let code = runtime.block_on(async {
        let context = match Shutdown::listen() {
            Ok(shutdown) => {
                let (output, zone, has_named_key) =
                    (output.clone(), OnceCell::new(), Cell::default());
                Context { output, typed, color, shutdown, zone, has_named_key }
            }
            Err(error) => {
                let error = Error::other("cannot listen for signals").because(error);
                return conclude(output, Err(error));
            }
        };
        let shutdown = &context.shutdown;
        let outcome = {
            let work = execute(&context, command);
            tokio::pin!(work);
            // Work that ends by itself at this signal says more, and clears what it draws.
            tokio::select! {
                biased;
                code = &mut work => code,
                () = shutdown.second_signal() => Err(shutdown.error()),
            }
        };
        let judge = || judge(output, outcome, shutdown.error().kind());
        output.finish(shutdown, judge).await
    });
    // Work left by a second signal must not delay the exit.
    runtime.shutdown_background();
    code
}

/// Prints the errors that the program ends with, and returns the exit code. Work counts as done only when its
/// answer is written. `kind` is that of the signal that ended the wait for this.
fn judge(output: &Output, outcome: Result<u8>, kind: Kind) -> u8 {
    let delivered = output.delivered_in_full(kind);
    let code = match (&outcome, &delivered) {
        (Err(error), _) | (Ok(_), Err(error)) => error.exit_code(),
        (Ok(code), Ok(())) => *code,
    };
    for error in outcome.err().into_iter().chain(delivered.err()) {
        output.error(&error);
    }
    code
}

/// The same where the program does not handle signals.
fn conclude(output: &Output, outcome: Result<u8>) -> u8 {
    output.finish_now();
    let code = judge(output, outcome, Kind::Other);
    output.finish_now();
    code
}

async fn execute(context: &Context, command: Command) -> Result<u8> {
    let work: LocalBoxFuture<'_, Result<u8>> = match command {
        Command::Completions(command) => return Ok(completions::run(context, &command)),
        Command::Help(command) => return Ok(help::run(context, &command)),
        Command::Version(command) => return Ok(version::run(context, &command)),
        Command::Man(command) => return man::run(context, &command),
        Command::Candidates(command) => {
            return candidates::run(context, command).boxed_local().await;
        }
        // These commands stop in order by themselves. A signal must not interrupt a submission half way.
        Command::Submit(command) => return submit::run(context, command).boxed_local().await,
        Command::Demo(command) => return demo::run(context, command).boxed_local().await,
        Command::Providers(command) if command.is_run() => {
            return providers::run(context, command).boxed_local().await;
        }
        Command::Providers(command) => providers::run(context, command).boxed_local(),
        Command::Bench(command) => return bench::run(context, command).boxed_local().await,
        Command::Serve(command) => return serve::run(context, command).boxed_local().await,
        Command::Consumer(command) => return consumer::run(context, command).boxed_local().await,
        Command::Localstack(command) => localstack::run(context, command).boxed_local(),
        Command::Setup(command) => setup::run(context, command).boxed_local(),
        Command::Quotes(command) if command.is_wait() => {
            return quotes::run(context, command).boxed_local().await;
        }
        Command::Quotes(command) => quotes::run(context, command).boxed_local(),
        Command::Status(command) => status::run(context, command).boxed_local(),
        Command::Stacks(stacks::Command {}) => stacks::run(context).boxed_local(),
        Command::Verify(command) if command.is_wait() => {
            return verify::run(context, command).boxed_local().await;
        }
        Command::Verify(command) => verify::run(context, command).boxed_local(),
        Command::Trace(command) => trace::run(context, command).boxed_local(),
        Command::Report(command) => report::run(context, command).boxed_local(),
        Command::Advise(command) => advise::run(context, command).boxed_local(),
        Command::Export(command) => export::run(context, command).boxed_local(),
        Command::Close(command) => close::run(context, command).boxed_local(),
        Command::Dlq(command) if command.takes_letters() => {
            return dlq::run(context, command).boxed_local().await;
        }
        Command::Dlq(command) => dlq::run(context, command).boxed_local(),
        Command::Teardown(command) => teardown::run(context, command).boxed_local(),
    };
    interruptible(context, work).await
}

/// Ends work at the first signal. Such a command is safe to repeat.
async fn interruptible(context: &Context, mut work: LocalBoxFuture<'_, Result<u8>>) -> Result<u8> {
    tokio::select! {
        biased;
        code = &mut work => code,
        () = context.shutdown.first_signal() => {
            // What shows progress leaves the screen in order.
            tokio::select! {
                biased;
                code = &mut work => code,
                () = tokio::task::yield_now() => Err(context.shutdown.error()),
            }
        }
    }
}

/// `setup` with the number of simulated providers that follow each other from number 1, so that it makes no others.
fn setup_again(subscribers: &Subscribers) -> String {
    let live = subscribers.live.iter().filter_map(|one| one.name.clone());
    let inactive = subscribers.inactive.iter();
    let inactive = inactive.filter_map(|one| ProviderName::parse(one.responder.as_str()).ok());
    let numbers: HashSet<usize> = live.chain(inactive).filter_map(|name| name.number()).collect();
    let in_a_row = (1..=numbers.len()).take_while(|number| numbers.contains(number));
    format!("setup --providers {}", in_a_row.count())
}

/// Waits for a person or another program that types or reads. A signal interrupts the wait.
async fn attended<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::select! {
        biased;
        () = context.shutdown.first_signal() => Err(context.shutdown.error()),
        done = tokio::task::spawn_blocking(work) => {
            done.map_err(|panic| Error::other("the work was broken off").because(panic))
        }
    }
}

fn terminal() -> Terminal {
    match env("TERM") {
        None => Terminal::Dumb,
        Some(name) if name == "dumb" => Terminal::Dumb,
        Some(_) if env("NO_COLOR").is_some() => Terminal::Colourless,
        Some(_) => Terminal::Capable,
    }
}

/// A shorter wait shows nothing.
const AT_ONCE: Duration = Duration::from_millis(60);
impl Global {
    fn typed(&self) -> RawOptions {
        RawOptions {
            stack: self.stack.clone(),
            endpoint_url: self.endpoint_url.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            backend: if self.aws { Backend::Aws } else { Backend::LocalStack },
        }
    }

    fn output(&self) -> Result<Output> {
        let format = match (self.json, self.output) {
            (false, typed) => typed.unwrap_or(Format::Table),
            (true, None | Some(Format::Json)) => Format::Json,
            (true, Some(_)) => {
                return Err(Error::invalid("`--json` cannot be used with another `--output`"));
            }
        };
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        Ok(Output::new(format, verbosity, self.color, terminal()))
    }
}
