//! A program that answers requests: one process per attempt, in a process group of its own. The request is on its
//! stdin, the answer on its stdout, and its stderr goes to the log. Nothing of a group outlives its attempt.

mod groups;
mod pipes;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use groups::Groups;

use self::process::{Ended, Process};
use super::service::{Inquiry, Outcome, Service, ServiceContext, no_answer_within};
use crate::consumer::Seat;

/// The exit code of a program that refuses the request itself: `EX_DATAERR` of `sysexits.h`.
const EX_DATAERR: i32 = 65;

/// How a program is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its arguments, passed unchanged: no shell interprets them.
    pub arguments: Vec<OsString>,
    /// The folder that it starts in.
    pub folder: PathBuf,
    /// Its environment, beside the variables that describe the attempt.
    pub environment: Vec<(OsString, OsString)>,
    /// The limit of one attempt.
    pub timeout: Duration,
}

/// A provider that a program serves.
pub(super) struct ProgramService {
    pub(super) context: ServiceContext,
    pub(super) program: Arc<Program>,
    pub(super) groups: Arc<Groups>,
    /// Runs the processes: one whose attempt was dropped is still ended and reaped.
    pub(super) tasks: TaskTracker,
}

impl Service for ProgramService {
    fn ask<'a>(&'a self, inquiry: Inquiry<'a>, _seat: &'a Seat) -> BoxFuture<'a, Outcome> {
        self.run(inquiry).boxed()
    }
}

impl ProgramService {
    /// Runs the program once. A future that is dropped ends the process.
    pub(super) async fn run(&self, inquiry: Inquiry<'_>) -> Outcome {
        let facts = self.context.facts(inquiry);
        // A variable cannot hold a zero byte; the message on stdin can.
        let facts = facts.into_iter().filter(|(_, value)| !value.contains('\0'));
        let facts = facts.map(|(name, value)| (variable(name), value)).collect();
        let process = match Process::start(&self.program, facts, Arc::clone(&self.groups)) {
            Ok(process) => process,
            Err(error) => return Outcome::retry(format!("cannot be started: {error}")),
        };
        let stop = CancellationToken::new();
        let _stops_when_dropped = stop.clone().drop_guard();
        let (request, limit) = (inquiry.body.to_owned(), self.program.timeout);
        let log = self.context.log();
        let running = self.tasks.spawn(process.run(request, limit, stop, log));
        match running.await {
            Ok(ended) => self.judge(ended),
            Err(panic) => Outcome::retry(format!("its attempt broke down: {panic}")),
        }
    }

    fn judge(&self, ended: Ended) -> Outcome {
        match ended {
            Ended::Exit { code: 0, stdout, .. } => Outcome::of(&stdout),
            Ended::Exit { code: EX_DATAERR, last_line, .. } => {
                Outcome::refused(last_line.unwrap_or_else(|| format!("exit {EX_DATAERR}")))
            }
            Ended::Exit { code, .. } => Outcome::retry(format!("exit {code}")),
            Ended::Signal(signal) => Outcome::retry(format!("signal {signal}")),
            Ended::OverTime => Outcome::Failed(no_answer_within(self.program.timeout)),
            Ended::TooLong => Outcome::too_long(),
            Ended::Stopped => Outcome::retry("stopped"),
            Ended::Lost(error) => Outcome::retry(format!("its end is unknown: {error}")),
        }
    }
}

/// `RYDES_TIME_LEFT_MS` for `time-left-ms`.
fn variable(name: &str) -> String {
    format!("RYDES_{}", name.replace('-', "_").to_ascii_uppercase())
}
