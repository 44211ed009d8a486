//! One run of a program: started, fed, read, limited, ended and reaped.

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::service::Log;
use super::Program;
use super::groups::Groups;
use super::pipes::{LineLog, collect, feed, log_lines};

/// Waits for a line, then becomes the program, so that the watcher knows the group before the program runs. The
/// shell reads no more than that line from stdin, and interprets no argument.
const STARTER: &str = r#"read -r line && unset PWD OLDPWD SHLVL && exec "$@""#;
/// How long a program may take to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long to read on after a program has ended: what it printed may still be in its pipes. A process outside its
/// group may hold them open for ever.
const READ_ON: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    Exit {
        code: i32,
        stdout: Vec<u8>,
        /// The last line of stderr that is not blank.
        last_line: Option<String>,
    },
    Signal(i32),
    OverTime,
    /// It printed more than an answer may have.
    TooLong,
    Stopped,
    Lost(io::Error),
}

/// A program that has been started.
pub(super) struct Process {
    child: Child,
    group: Group,
}

/// A process group, which ends with this value.
struct Group {
    id: Pid,
    groups: Arc<Groups>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        // Without a process left there is no group.
        _ = kill_process_group(self.id, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.groups.end(self.id);
    }
}

impl Process {
    /// Starts the program with these variables beside its own.
    pub(super) fn start(
        program: &Program,
        variables: &[(String, String)],
        groups: Arc<Groups>,
    ) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", STARTER, "rydes"]).arg(&program.path).args(&program.arguments);
        command.current_dir(&program.folder).process_group(0).env_clear();
        command.envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.ok_or_else(|| io::Error::other("it ended at once"))?;
        groups.begin(id)?;
        Ok(Self { child, group: Group { id, groups } })
    }

    /// Runs it until it exits, exceeds `limit`, or `stop` is cancelled. Returns once it is reaped.
    pub(super) async fn run(
        mut self,
        request: String,
        limit: Duration,
        stop: CancellationToken,
        log: Log,
    ) -> Ended {
        let (mut stdout, mut lines) = (Vec::new(), LineLog::to(log));
        let too_long = CancellationToken::new();
        let pipes = {
            let Child { stdin, stdout: out, stderr, .. } = &mut self.child;
            let (stdin, out, stderr) = (stdin.take(), out.take(), stderr.take());
            let (out_text, lines, too_long) = (&mut stdout, &mut lines, &too_long);
            async move {
                let given = feed(stdin, format!("\n{request}"));
                let said = collect(out, out_text, too_long);
                let logged = log_lines(stderr, lines);
                tokio::join!(given, said, logged);
            }
        };
        let mut pipes = Box::pin(pipes.fuse());
        let ended = serving(&mut pipes, async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(Ended::Stopped),
                () = too_long.cancelled() => Err(Ended::TooLong),
                status = self.child.wait() => status.map_err(Ended::Lost),
                () = sleep(limit) => Err(Ended::OverTime),
            }
        });
        let ended = ended.await;
        if ended.is_err() {
            // Its pipes are still served: a full one must not keep it from ending.
            self.group.signal(Signal::TERM);
            let ended = serving(&mut pipes, timeout(TERM_GRACE, self.child.wait()));
            if ended.await.is_err() {
                self.group.signal(Signal::KILL);
                _ = self.child.wait().await;
            }
        }
        // What is left of the group holds no pipe open any more.
        drop(self.group);
        if !pipes.is_terminated() {
            _ = timeout(READ_ON, &mut pipes).await;
        }
        drop(pipes);
        let last_line = lines.end();
        match ended {
            Ok(status) => match status.signal() {
                Some(signal) => Ended::Signal(signal),
                None => Ended::Exit { code: status.code().unwrap_or(-1), stdout, last_line },
            },
            Err(ended) => ended,
        }
    }
}

/// Does `work` and serves the pipes meanwhile.
async fn serving<T>(
    pipes: &mut (impl FusedFuture<Output = ()> + Unpin),
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = &mut *pipes, if !pipes.is_terminated() => {}
        }
    }
}
