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
mod logs;
mod manifest;
mod packages;
mod place;
mod process;
mod steps;
mod survey;
mod tarball;
mod tools;

pub use health::{Answer, Health, ask};
pub use logs::{Extent, logs};
pub use manifest::Soundness;
pub use place::{Place, Surroundings};
pub use survey::{Piece, PieceState, Plan, Scope, Survey, Wanted};
pub use tools::Tools;

use place::Lock;
use process::Processes;
use steps::Steps;

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
pub fn answering(place: &Place) -> Result<Option<Up>> {
    let port = place.port;
    let runtime = runtime(place);
    // Ours may have been interrupted while it was starting.
    let is_starting = runtime.is_some() && !place.has_been_ready();
    match health::ask(port) {
        Answer::Nothing => Ok(None),
        Answer::LocalStack(health) if health.lacking.is_empty() && !is_starting => {
            let answers = runtime.is_none() || health::first_requests(port).is_ok();
            Ok(answers.then(|| up_now(place, health)))
        }
        _ if runtime.is_some() => Ok(None),
        Answer::LocalStack(health) => Err(Error::other(format!(
            "LocalStack answers on port {port}, but not with what is needed: {}",
            health.lacking.join(", ")
        ))),
        Answer::Foreign(how) => {
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
pub fn up(place: &Place, plan: &Plan, sink: Sink<Step>) -> Result<Up> {
    let steps = Steps(sink);
    let _lock = Lock::hold(&place.run_lock(), &steps)?;
    if let Some(up) = answering(place)? {
        return Ok(up);
    }
    let started = if packages::is_ours(place) { Started::Before } else { Started::Now };
    let may_hold_data = runtime(place).is_some()
        && place.has_been_ready()
        && health::ask(place.port) != Answer::Nothing;
    let is_ready = match plan {
        _ if started == Started::Before => packages::ready(place, &steps),
        Plan::Packages(tools) => packages::start(place, tools, &steps),
        Plan::Docker => compose::start(place, &steps),
    };
    let up = is_ready.and_then(|()| {
        place.mark_ready()?;
        let up = answering(place)?.map(|up| Up { started, ..up });
        up.ok_or_else(|| Error::other("LocalStack was ready and then answered no more"))
    });
    if up.is_err() && !may_hold_data {
        // The first error is the one to tell.
        _ = match runtime(place) {
            Some(Runtime::Docker) => compose::halt(place),
            Some(Runtime::Packages) | None => packages::stop(place),
        };
    }
    up
}

/// Stops what `up` has started on this port, and nothing else.
///
/// # Errors
/// When it does not end.
pub fn down(place: &Place, sink: Sink<Step>) -> Result<Down> {
    let steps = Steps(sink);
    let lock = Lock::hold(&place.run_lock(), &steps)?;
    let processes = Processes::of(&place.run());
    let runtime = if compose::is_ours(place) {
        Runtime::Docker
    } else if !processes.is_empty() {
        Runtime::Packages
    } else {
        if matches!(health::ask(place.port), Answer::LocalStack(_)) {
            return Ok(Down::NotOurs);
        }
        lock.give_up(&place.run())?;
        return Ok(processes.stranger.map_or(Down::Nothing, Down::Ended));
    };
    steps.take("stop", &format!("127.0.0.1:{}", place.port), || {
        match runtime {
            Runtime::Docker => compose::stop(place)?,
            Runtime::Packages => packages::stop(place)?,
        }
        freed(place.port);
        lock.give_up(&place.run())?;
        Ok("stopped")
    })?;
    Ok(Down::Stopped(runtime))
}

/// What `up` has started on this port, or has begun to.
fn runtime(place: &Place) -> Option<Runtime> {
    if compose::is_ours(place) {
        Some(Runtime::Docker)
    } else {
        packages::is_ours(place).then_some(Runtime::Packages)
    }
}

fn up_now(place: &Place, health: Health) -> Up {
    let memory = Processes::of(&place.run()).memory();
    Up {
        runtime: runtime(place),
        started: Started::Before,
        version: health.version.unwrap_or_else(|| "?".to_owned()),
        memory: (memory > 0).then_some(memory),
    }
}

/// Waits until LocalStack is ready, or there is `trouble`.
fn wait(place: &Place, trouble: impl Fn() -> Option<&'static str>) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < READY {
        if let Some(trouble) = trouble() {
            return Err(Error::other(trouble));
        }
        match health::ask(place.port) {
            Answer::LocalStack(health) if health.lacking.is_empty() => {
                match health::first_requests(place.port) {
                    Ok(()) => return Ok(()),
                    Err(_) if place.has_been_ready() && began.elapsed() < AGAIN => {
                        thread::sleep(LOOK);
                    }
                    Err(error) => {
                        let what = "LocalStack does not answer its first requests";
                        return Err(Error::other(what).because(error));
                    }
                }
            }
            Answer::LocalStack(health) if health.has_failed() => {
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
    while health::ask(port) != Answer::Nothing && Instant::now() < deadline {
        thread::sleep(LOOK);
    }
}
