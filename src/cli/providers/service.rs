//! A real provider as the command line names it: its program or its endpoint.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::program;
use crate::cli::behaviour::BehaviourArgs;
use crate::core::parse_duration;
use crate::error::{Error, Result};
use crate::flow::provider::{Endpoint, Program, ServedBy, Url, endpoint_url};

/// The limit of one attempt unless another is given.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Default concurrency of an endpoint.
pub(in crate::cli) const AT_ONCE: usize = 100;

/// The highest concurrency of a real provider.
pub(super) const MOST_AT_ONCE: usize = 1_000;

/// The heading of their options.
pub(super) const REAL: &str = "Real providers";

/// The program or the endpoint of one real provider.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ServiceArgs {
    /// Endpoint that answers; each attempt is a POST to this URL
    #[arg(long, help_heading = REAL, value_name = "URL", value_parser = endpoint_url, conflicts_with = "program")]
    http: Option<Url>,
    /// Limit of one attempt, 100ms to 1h [default: 10s]
    #[arg(long, help_heading = REAL, value_name = "TIME", value_parser = attempt_timeout)]
    timeout: Option<Duration>,
    /// File with headers for the endpoint, one `Name: value` per line
    #[arg(long, help_heading = REAL, value_name = "FILE", requires = "http", conflicts_with = "program")]
    headers_file: Option<PathBuf>,
    /// Variable of the environment that the program may see; repeatable
    #[arg(long = "env", help_heading = REAL, value_name = "NAME", value_parser = variable, requires = "program", conflicts_with = "http")]
    variables: Vec<String>,
    /// Program that answers, with its arguments; it reads the request from stdin
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl ServiceArgs {
    /// Whether a program or an endpoint was typed.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.http.is_some() || !self.program.is_empty()
    }

    /// What answers in the place of simulated providers; `None` if nothing was typed.
    ///
    /// # Errors
    /// Invalid when the program cannot be started, when an option of simulated providers was typed too, and for a
    /// `--timeout` without a program or an endpoint.
    pub(in crate::cli) fn in_place_of(
        &self,
        simulated: &BehaviourArgs,
        health: Option<&str>,
    ) -> Result<Option<ServedBy>> {
        let by = self.served_by(health)?;
        if by.is_some() && simulated.typed_concurrency() > Some(MOST_AT_ONCE) {
            return Err(Error::invalid(format!(
                "`--concurrency` of a real provider is 1 to {MOST_AT_ONCE}"
            )));
        }
        match (&by, simulated.typed()) {
            (Some(_), Some(option)) => {
                Err(Error::invalid(format!("`{option}` is for simulated providers")))
            }
            (None, _) if self.timeout.is_some() => {
                Err(Error::invalid("`--timeout` requires `-- PROGRAM` or `--http`"))
            }
            _ => Ok(by),
        }
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
            .map_err(|error| Error::invalid("cannot find the working directory").because(error))?;
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
    if arguments.iter().any(|argument| argument.as_bytes().contains(&0)) {
        return Err("no argument may hold a zero byte".to_owned());
    }
    Ok(Program {
        path: program::find(name, folder)?,
        arguments: arguments.to_vec(),
        folder: folder.to_owned(),
        environment: program::environment(variables),
        timeout,
    })
}

/// The concurrency unless another is given.
pub(in crate::cli) fn usual_concurrency(by: &ServedBy) -> usize {
    match by {
        ServedBy::Program(_) => std::thread::available_parallelism().map_or(1, usize::from),
        ServedBy::Endpoint(_) | ServedBy::Simulation(_) => AT_ONCE,
    }
}

pub(super) fn attempt_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    let range = Duration::from_millis(100)..=Duration::from_hours(1);
    if range.contains(&timeout) {
        Ok(timeout)
    } else {
        Err("an attempt's limit is 100ms to 1h".to_owned())
    }
}

pub(super) fn health_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.starts_with("//") {
        Ok(text.to_owned())
    } else {
        Err("a health path begins with one `/`, as in `/healthz`".to_owned())
    }
}

pub(super) fn variable(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_valid = text.chars().all(is_name) && !text.starts_with(|c: char| c.is_ascii_digit());
    if text.is_empty() || !is_valid {
        return Err("a variable's name has letters, digits and `_`, and no digit first".to_owned());
    }
    if text.starts_with("RYDES_") {
        return Err("rydes sets the RYDES_ variables itself: leave this one out".to_owned());
    }
    if text == "TRACEPARENT" {
        return Err("rydes sets TRACEPARENT itself: leave it out".to_owned());
    }
    Ok(text.to_owned())
}
