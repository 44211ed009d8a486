//! Brings LocalStack up and down on this machine: in Docker where an engine answers, from packages
//! elsewhere. Reports steps and returns what came of it; prints nothing, reads no environment, and
//! stops nothing that it did not start.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::flow::events::{Sink, Step};

mod advice;
mod command;
mod compose;
mod docker;
mod health;
mod identity;
mod install;
mod instance;
mod logs;
mod manifest;
mod packages;
mod process;
mod steps;
mod survey;
mod tarball;
mod tools;

pub use health::{Health, PortProbe, ask};
pub use instance::{Instance, Surroundings};
pub use logs::{Extent, logs};
pub use manifest::Soundness;
pub use survey::{PrerequisiteState, RequestedRuntime, RuntimeChoice, Survey, SurveyScope};

use instance::Lock;
use process::Processes;
use steps::StepSink;

/// The port unless told otherwise.
pub const DEFAULT_PORT: u16 = 4566;
/// How long LocalStack may take to be ready; it took 8 to 11 s when tried.
const READY: Duration = Duration::from_mins(2);
/// How long a port may stay taken after its LocalStack has ended.
const FREED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);
/// How long a LocalStack that was ready may take to start a service again; it took 3 s when tried.
const AGAIN: Duration = Duration::from_secs(15);

/// What LocalStack is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Docker Compose.
    Docker,
    /// Its Python packages and DynamoDB Local, as processes of this machine.
    Packages,
}

/// A LocalStack that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// What it is run by; `None` when somebody else started it.
    pub runtime: Option<Runtime>,
    /// Whether this call started it.
    pub started: Started,
    /// Its version.
    pub version: String,
    /// The memory its processes hold, in bytes, where that is known.
    pub memory: Option<u64>,
}

/// When a LocalStack was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It was up, or starting, when it was asked for.
    Before,
    /// It was started because it was asked for.
    Now,
}

/// What `down` came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// What `up` had started is stopped.
    Stopped(Runtime),
    /// LocalStack answers, but `up` did not start it: it was left alone.
    NotOurs,
    /// What `up` had started has ended, and this process has its id now: it was left alone.
    Ended(u32),
    /// There was nothing to stop.
    Nothing,
}

/// The LocalStack that answers already, if one does. One of ours must answer a request to each service too:
/// LocalStack still calls a service `running` after that has ended.
///
/// # Errors
/// When something else has the port, or a LocalStack without the services that are needed.
pub fn answering(instance: &Instance) -> Result<Option<Up>> {
    let port = instance.port;
    let runtime = runtime(instance);
    // Ours may have been interrupted while it was starting.
    let is_starting = runtime.is_some() && !instance.has_been_ready();
    match health::ask(port) {
        PortProbe::Nothing => Ok(None),
        PortProbe::LocalStack(health) if health.lacking.is_empty() && !is_starting => {
            let answers = runtime.is_none() || health::first_requests(port).is_ok();
            Ok(answers.then(|| up_now(instance, health)))
        }
        _ if runtime.is_some() => Ok(None),
        PortProbe::LocalStack(health) => Err(Error::other(format!(
            "LocalStack answers on port {port}, but not with what is needed: {}",
            health.lacking.join(", ")
        ))),
        PortProbe::Foreign(how) => {
            Err(Error::other(format!("port {port} is taken by something that is not LocalStack"))
                .because(how))
        }
    }
}

/// Brings LocalStack up the way that was planned, and returns when it is ready. One that is starting
/// already is waited for.
///
/// # Errors
/// When a step fails: what was installed stays, and nothing is left running but a LocalStack that had
/// been ready before.
pub fn up(instance: &Instance, plan: &RuntimeChoice, sink: Sink<Step>) -> Result<Up> {
    let steps = StepSink(sink);
    let _lock = Lock::hold(&instance.run_lock(), &steps)?;
    if let Some(up) = answering(instance)? {
        return Ok(up);
    }
    let started = if packages::is_ours(instance) { Started::Before } else { Started::Now };
    let may_hold_data = runtime(instance).is_some()
        && instance.has_been_ready()
        && health::ask(instance.port) != PortProbe::Nothing;
    let is_ready = match plan {
        _ if started == Started::Before => packages::ready(instance, &steps),
        RuntimeChoice::Packages(tools) => packages::start(instance, tools, &steps),
        RuntimeChoice::Docker => compose::start(instance, &steps),
    };
    let up = is_ready.and_then(|()| {
        instance.mark_ready()?;
        let up = answering(instance)?.map(|up| Up { started, ..up });
        up.ok_or_else(|| Error::other("LocalStack was ready and then answered no more"))
    });
    if up.is_err() && !may_hold_data {
        // The first error is the one to tell.
        _ = match runtime(instance) {
            Some(Runtime::Docker) => compose::halt(instance),
            Some(Runtime::Packages) | None => packages::stop(instance),
        };
    }
    up
}

/// Stops what `up` has started on this port, and nothing else.
///
/// # Errors
/// When it does not end.
pub fn down(instance: &Instance, sink: Sink<Step>) -> Result<Down> {
    let steps = StepSink(sink);
    let lock = Lock::hold(&instance.run_lock(), &steps)?;
    let processes = Processes::of(&instance.run());
    let runtime = if compose::is_ours(instance) {
        Runtime::Docker
    } else if !processes.is_empty() {
        Runtime::Packages
    } else {
        if matches!(health::ask(instance.port), PortProbe::LocalStack(_)) {
            return Ok(Down::NotOurs);
        }
        lock.give_up(&instance.run())?;
        return Ok(processes.stranger.map_or(Down::Nothing, Down::Ended));
    };
    steps.take("stop", &format!("127.0.0.1:{}", instance.port), || {
        match runtime {
            Runtime::Docker => compose::stop(instance)?,
            Runtime::Packages => packages::stop(instance)?,
        }
        freed(instance.port);
        lock.give_up(&instance.run())?;
        Ok("stopped")
    })?;
    Ok(Down::Stopped(runtime))
}

/// What `up` has started on this port, or has begun to.
fn runtime(instance: &Instance) -> Option<Runtime> {
    if compose::is_ours(instance) {
        Some(Runtime::Docker)
    } else {
        packages::is_ours(instance).then_some(Runtime::Packages)
    }
}

fn up_now(instance: &Instance, health: Health) -> Up {
    let memory = Processes::of(&instance.run()).memory();
    Up {
        runtime: runtime(instance),
        started: Started::Before,
        version: health.version.unwrap_or_else(|| "?".to_owned()),
        memory: (memory > 0).then_some(memory),
    }
}

/// Waits until LocalStack is ready, or there is `trouble`.
fn wait(instance: &Instance, trouble: impl Fn() -> Option<&'static str>) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < READY {
        if let Some(trouble) = trouble() {
            return Err(Error::other(trouble));
        }
        match health::ask(instance.port) {
            PortProbe::LocalStack(health) if health.lacking.is_empty() => {
                match health::first_requests(instance.port) {
                    Ok(()) => return Ok(()),
                    Err(_) if instance.has_been_ready() && began.elapsed() < AGAIN => {
                        thread::sleep(LOOK);
                    }
                    Err(error) => {
                        let what = "LocalStack does not answer its first requests";
                        return Err(Error::other(what).because(error));
                    }
                }
            }
            PortProbe::LocalStack(health) if health.has_failed() => {
                return Err(Error::other(format!("LocalStack: {}", health.lacking.join(", "))));
            }
            _ => thread::sleep(LOOK),
        }
    }
    Err(Error::other(format!("LocalStack was not ready within {} s", READY.as_secs())))
}

/// Waits until nothing listens on a port.
fn freed(port: u16) {
    let deadline = Instant::now() + FREED;
    while health::ask(port) != PortProbe::Nothing && Instant::now() < deadline {
        thread::sleep(LOOK);
    }
}
