//! A real provider as the command line names it: its program or its endpoint.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::program;
use crate::core::parse_duration;
use crate::error::{Error, Result};
use crate::flow::provider::{Endpoint, Program, ServedBy, Url, endpoint_url};

/// The limit of one attempt unless another is given.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at once of an endpoint unless another number is given.
pub(in crate::cli) const AT_ONCE: usize = 100;

/// Requests at once of a real provider, at most.
pub(super) const MOST_AT_ONCE: usize = 1_000;

/// The program or the endpoint of one real provider.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ServiceArgs {
    /// The endpoint that answers: each request is a POST to this URL
    #[arg(long, value_name = "URL", value_parser = endpoint_url, conflicts_with = "program")]
    http: Option<Url>,
    /// Limit of one attempt, 100ms to 1h [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = attempt_timeout)]
    timeout: Option<Duration>,
    /// A file with headers for the endpoint, one `Name: value` a line
    #[arg(long, value_name = "FILE", requires = "http")]
    headers_file: Option<PathBuf>,
    /// A variable of the environment that the program may see; repeatable
    #[arg(long = "env", value_name = "NAME", value_parser = variable, requires = "program")]
    variables: Vec<String>,
    /// The program that answers, and its arguments: the request is on its stdin
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl ServiceArgs {
    /// Whether any of this was typed.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.http.is_some() || !self.program.is_empty()
    }

    /// Whether a limit was typed without a service that it is for.
    pub(in crate::cli) fn is_pointless(&self) -> bool {
        !self.is_given() && self.timeout.is_some()
    }

    /// What answers; `None` if nothing was typed.
    ///
    /// # Errors
    /// Invalid when the program cannot be started.
    pub(in crate::cli) fn served_by(&self, health: Option<&str>) -> Result<Option<ServedBy>> {
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        if let Some(url) = &self.http {
            return Ok(Some(ServedBy::Endpoint(Endpoint {
                url: url.clone(),
                headers_file: self.headers_file.clone(),
                health: health.map(str::to_owned),
                timeout,
            })));
        }
        let Some((name, arguments)) = self.program.split_first() else { return Ok(None) };
        let here = std::env::current_dir()
            .map_err(|error| Error::other("there is no working directory").because(error))?;
        let program = started_in(&here, name, arguments, &self.variables, timeout);
        program.map(|program| Some(ServedBy::Program(program))).map_err(Error::invalid)
    }
}

/// A program that starts in this folder.
///
/// # Errors
/// Why it cannot be started.
pub(super) fn started_in(
    folder: &Path,
    name: &OsStr,
    arguments: &[OsString],
    variables: &[String],
    timeout: Duration,
) -> Result<Program, String> {
    Ok(Program {
        path: program::found(name, folder)?,
        arguments: arguments.to_vec(),
        folder: folder.to_owned(),
        environment: program::environment(variables),
        timeout,
    })
}

/// Requests at once unless another number is given.
pub(in crate::cli) fn usual_concurrency(by: &ServedBy) -> usize {
    match by {
        ServedBy::Program(_) => std::thread::available_parallelism().map_or(1, usize::from),
        ServedBy::Endpoint(_) | ServedBy::Simulation(_) => AT_ONCE,
    }
}

pub(super) fn attempt_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    let range = Duration::from_millis(100)..=Duration::from_hours(1);
    if range.contains(&timeout) { Ok(timeout) } else { Err("100ms to 1h".to_owned()) }
}

pub(super) fn health_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.starts_with("//") {
        Ok(text.to_owned())
    } else {
        Err("a path at the same host, as in `/healthz`".to_owned())
    }
}

pub(super) fn variable(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_valid = text.chars().all(is_name) && !text.starts_with(|c: char| c.is_ascii_digit());
    if text.is_empty() || !is_valid {
        return Err("a variable's name has letters, digits and `_`".to_owned());
    }
    if text.starts_with("RYDES_") {
        return Err("RYDES_ variables are set for each attempt".to_owned());
    }
    Ok(text.to_owned())
}
