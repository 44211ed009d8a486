//! The command line: global options, one module per command, the exit code.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result, exit};
use crate::output::{Color, Format, Output, Verbosity};
use crate::settings::{Backend, Settings, Typed};

mod localstack;

/// Ask many providers for a quote at once; gather the answers; take the best.
#[derive(Debug, Parser)]
#[command(name = "rydes", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The stack to work on [default: wild-rydes] [env: `RYDES_STACK`]
    #[arg(long, value_name = "NAME", global = true)]
    stack: Option<String>,
    /// Where LocalStack answers [default: <http://localhost:4566>] [env: `AWS_ENDPOINT_URL`]
    #[arg(long, value_name = "URL", global = true)]
    endpoint_url: Option<String>,
    /// The region [default: us-east-1] [env: `RYDES_REGION`]
    #[arg(long, value_name = "REGION", global = true)]
    region: Option<String>,
    /// Work on AWS itself, with the ordinary chain of credentials; the stack must be named
    #[arg(long, global = true)]
    aws: bool,
    /// The profile of the AWS credentials, with --aws
    #[arg(long, value_name = "NAME", global = true)]
    profile: Option<String>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT", global = true)]
    output: Format,
    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on stderr
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to colour
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN", global = true)]
    color: Color,
}

/// The commands, in the order in which they are used.
#[derive(Debug, Subcommand)]
enum Command {
    /// Bring LocalStack up or down on this machine
    Localstack(localstack::Command),
}

/// What every command is handed.
struct Context {
    output: Output,
    typed: Typed,
}

impl Context {
    /// Where to work and on what.
    fn settings(&self) -> Result<Settings> {
        Settings::resolve(&self.typed, &env)
    }
}

/// A variable of the environment; empty counts as unset.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs the program with these arguments; returns its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(exit::INVALID);
        }
    };
    let context = Context { output: cli.global.output(), typed: cli.global.typed() };
    let Some(command) = cli.command else { return exit::INVALID };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            context.output.error(&Error::other("cannot start the async runtime").because(error));
            return exit::ERROR;
        }
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Localstack(command) => localstack::run(&context, command).await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            context.output.error(&error);
            error.exit_code()
        }
    }
}

impl Global {
    fn typed(&self) -> Typed {
        Typed {
            stack: self.stack.clone(),
            endpoint_url: self.endpoint_url.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            backend: if self.aws { Backend::Aws } else { Backend::LocalStack },
        }
    }

    fn output(&self) -> Output {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        Output::new(self.output, verbosity, self.color, env("NO_COLOR").is_some())
    }
}
