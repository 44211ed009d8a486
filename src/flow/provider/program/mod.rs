//! A program that answers requests: one process per attempt, in a process group of its own. The request is on its
//! stdin, the answer on its stdout, and its stderr goes to the log. Nothing of a group outlives its attempt.

mod groups;
mod pipes;
mod process;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustix::io::Errno;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

pub(super) use groups::Groups;

use self::process::{Ended, Process};
use super::service::{AttemptOutcome, Inquiry, Service, ServiceContext, no_answer_within};
use crate::consumer::Trouble;
use crate::core::Timestamp;
use crate::flow::events::Event;

/// The exit code of a program that refuses the request itself: `EX_DATAERR` of `sysexits.h`.
const EX_DATAERR: i32 = 65;
/// How long a halted program may take to be reaped: the time after SIGTERM, and a little more.
const ENDING: Duration = Duration::from_millis(2_500);
/// The pause before the next try where the system has no room for another process.
const PAUSE: Duration = Duration::from_secs(1);

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
    fn ask<'a>(&'a self, inquiry: Inquiry<'a>) -> BoxFuture<'a, AttemptOutcome> {
        self.run(inquiry).boxed()
    }

    fn ending(&self) -> Duration {
        ENDING
    }
}

impl ProgramService {
    /// Runs the program once. A future that is dropped, or halted, ends the process.
    async fn run(&self, inquiry: Inquiry<'_>) -> AttemptOutcome {
        let facts = self.context.facts(inquiry);
        // A variable cannot hold a zero byte; the message on stdin can.
        let facts = facts.into_iter().filter(|(_, value)| !value.contains('\0'));
        let facts = facts.map(|(name, value)| (variable_name(name), value));
        let trace = ("TRACEPARENT".to_owned(), self.context.traceparent(inquiry));
        let facts = facts.chain([trace]).collect();
        let process = match self.start(inquiry, facts).await {
            Ok(process) => process,
            Err(error) => return AttemptOutcome::retry(format!("cannot be started: {error}")),
        };
        let stop = inquiry.halt.child_token();
        let _stops_when_dropped = stop.clone().drop_guard();
        let (request, limit) = (inquiry.body.to_owned(), self.program.timeout);
        let log = self.context.log();
        let running = self.tasks.spawn(process.run(request, limit, stop, log));
        match running.await {
            Ok(ended) => self.judge(ended),
            Err(panic) => AttemptOutcome::retry(format!("its attempt broke down: {panic}")),
        }
    }

    /// Starts the program. It waits for room where the system has none for another process, until the deadline.
    async fn start(
        &self,
        inquiry: Inquiry<'_>,
        facts: Vec<(String, String)>,
    ) -> io::Result<Process> {
        loop {
            let started = Process::start(&self.program, &facts, Arc::clone(&self.groups));
            let error = match started {
                Err(error) if is_lack(&error) => error,
                started => return started,
            };
            let deadline = inquiry.request.deadline;
            if deadline.is_some_and(|deadline| Timestamp::now() > deadline) {
                return Err(error);
            }
            let subject = format!("starting the program of {}", self.context.provider);
            let reason = error.to_string();
            self.context.report(Event::Trouble(Trouble::Entry { subject, reason }));
            sleep(PAUSE).await;
        }
    }

    fn judge(&self, ended: Ended) -> AttemptOutcome {
        match ended {
            Ended::Exit { code: 0, stdout, .. } => {
                AttemptOutcome::of_logged(&stdout, &*self.context.log())
            }
            Ended::Exit { code: EX_DATAERR, last_line, .. } => {
                AttemptOutcome::refused(last_line.unwrap_or_else(|| format!("exit {EX_DATAERR}")))
            }
            Ended::Exit { code, .. } => AttemptOutcome::retry(format!("exit {code}")),
            Ended::Signal(signal) => AttemptOutcome::retry(format!("signal {signal}")),
            Ended::OverTime => AttemptOutcome::DeadLetter(no_answer_within(self.program.timeout)),
            Ended::TooLong => AttemptOutcome::too_long(),
            Ended::Stopped => AttemptOutcome::Halted,
            Ended::Lost(error) => AttemptOutcome::retry(format!("its end is unknown: {error}")),
        }
    }
}

/// `RYDES_TIME_LEFT_MS` for `time-left-ms`.
fn variable_name(name: &str) -> String {
    format!("RYDES_{}", name.replace('-', "_").to_ascii_uppercase())
}

/// Whether the system has no room for another process or file now.
fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
}
