//! Brings LocalStack up and down on this machine: in Docker where an engine answers, from packages elsewhere.
//! Reports steps and returns the outcome. Prints nothing, reads no environment, and stops nothing that it did not
//! start.

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

pub use health::{Health, PortProbe, SERVICES, ask};
pub use instance::{Instance, Reach, Surroundings};
pub use logs::{Extent, logs};
pub use manifest::Soundness;
pub use survey::{PrerequisiteState, RequestedRuntime, RuntimeChoice, Survey, SurveyScope};

use instance::{Lock, remove};
use process::Processes;
use steps::StepSink;

pub const DEFAULT_PORT: u16 = 4566;
/// Time limit for LocalStack to become ready; it took 8 to 11 s in tests. On two slow, busy cores it took more than
/// 2 minutes when Python had its packages to compile as well.
const READY: Duration = Duration::from_mins(5);
/// The same for one that has been ready before.
const READY_AGAIN: Duration = Duration::from_mins(2);
/// How long a port may stay taken after its LocalStack has ended.
const FREED: Duration = Duration::from_secs(10);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The same while a service is restarted: each look asks every service.
const RESTARTING: Duration = Duration::from_secs(1);
/// Time limit for a LocalStack that was ready to restart a service; it took 3 s in a test, and more than 15 s on two
/// slow, busy cores.
const RESTARTED: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    /// Python packages and DynamoDB Local, as processes of this machine.
    Packages,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    /// `None` when `up` did not start it.
    pub runtime: Option<Runtime>,
    pub started: Started,
    pub version: String,
    /// Memory of its processes in bytes, where known.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// LocalStack was already up or starting.
    Before,
    /// This call started it.
    Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    Stopped(Runtime),
    /// LocalStack answers, but `up` did not start it; left alone.
    NotOurs,
    /// What `up` started has ended, and another process has its id; left alone.
    Ended(u32),
    Nothing,
}

/// The LocalStack that already answers, if any. One that `up` started must also answer a request to each service:
/// LocalStack still calls a service `running` after it has ended.
///
/// Fails when another program holds the port, or when a LocalStack that `up` did not start lacks a service.
pub fn answering(instance: &Instance) -> Result<Option<Up>> {
    let port = instance.port;
    let runtime = runtime(instance);
    // `up` may have been interrupted while LocalStack was starting.
    let is_starting = runtime.is_some() && !instance.has_been_ready();
    match health::ask(port) {
        PortProbe::Nothing => Ok(None),
        PortProbe::LocalStack(health) if health.lacking.is_empty() && !is_starting => {
            let answers = runtime.is_none() || health::first_requests(port).is_ok();
            Ok(answers.then(|| up_now(instance, health)))
        }
        _ if runtime.is_some() => Ok(None),
        PortProbe::LocalStack(health) => Err(Error::other(format!(
            "LocalStack answers on port {port}, but lacks what is needed: {}",
            health.lacking.join(", ")
        ))),
        PortProbe::Foreign(how) => {
            Err(Error::other(format!("port {port} is taken by something that is not LocalStack"))
                .because(how))
        }
    }
}

/// Brings LocalStack up as planned and returns when it is ready. Waits for one that is already starting.
///
/// When a step fails, the installed parts stay. Nothing is left running but a LocalStack that had been ready
/// before.
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
        up.ok_or_else(|| Error::other("LocalStack was ready and then stopped answering"))
    });
    if up.is_err() && !may_hold_data {
        // The first error is the one to report.
        _ = match runtime(instance) {
            Some(Runtime::Docker) => compose::halt(instance),
            Some(Runtime::Packages) | None => packages::stop(instance),
        };
    }
    up
}

/// Stops what `up` started on this port, and nothing else. Fails when it does not end.
pub fn down(instance: &Instance, sink: Sink<Step>) -> Result<Down> {
    let steps = StepSink(sink);
    let _lock = Lock::hold(&instance.run_lock(), &steps)?;
    let processes = Processes::of(&instance.run());
    let runtime = if compose::is_ours(instance) {
        Runtime::Docker
    } else if !processes.is_empty() {
        Runtime::Packages
    } else {
        if matches!(health::ask(instance.port), PortProbe::LocalStack(_)) {
            return Ok(Down::NotOurs);
        }
        remove(&instance.run())?;
        return Ok(processes.stranger.map_or(Down::Nothing, Down::Ended));
    };
    steps.take("stop", &format!("127.0.0.1:{}", instance.port), || {
        match runtime {
            Runtime::Docker => compose::stop(instance)?,
            Runtime::Packages => packages::stop(instance)?,
        }
        freed(instance.port);
        remove(&instance.run())?;
        Ok("stopped")
    })?;
    Ok(Down::Stopped(runtime))
}

/// Who can reach the LocalStack that `up` started on this port; `None` if it started none.
pub fn reach(instance: &Instance) -> Option<Reach> {
    runtime(instance).map(|_| instance.noted_reach())
}

/// What `up` started, or began to start, on this port.
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

/// Waits until LocalStack is ready. Fails at once when there is `trouble`.
fn wait(instance: &Instance, trouble: impl Fn() -> Option<&'static str>) -> Result<()> {
    let began = Instant::now();
    let limit = if instance.has_been_ready() { READY_AGAIN } else { READY };
    while began.elapsed() < limit {
        if let Some(trouble) = trouble() {
            return Err(Error::other(trouble));
        }
        match health::ask(instance.port) {
            PortProbe::LocalStack(health) if health.lacking.is_empty() => {
                match health::first_requests(instance.port) {
                    Ok(()) => return Ok(()),
                    Err(_) if instance.has_been_ready() && began.elapsed() < RESTARTED => {
                        thread::sleep(RESTARTING);
                    }
                    Err(error) => {
                        let what = "LocalStack does not answer its first requests";
                        return Err(Error::other(what).because(error));
                    }
                }
            }
            PortProbe::LocalStack(health) if health.has_failed => {
                return Err(Error::other(format!("LocalStack: {}", health.lacking.join(", "))));
            }
            _ => thread::sleep(LOOK),
        }
    }
    Err(Error::other(format!("LocalStack was not ready within {} min", limit.as_secs() / 60)))
}

/// Waits until nothing listens on a port.
fn freed(port: u16) {
    let deadline = Instant::now() + FREED;
    while health::ask(port) != PortProbe::Nothing && Instant::now() < deadline {
        thread::sleep(LOOK);
    }
}
