//! The process groups under way. A watcher outlives this process, however it ends, and kills what is left of them.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Reads which groups have begun and which are over. When its stdin ends, it kills those that are not over.
const WATCHER: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r change group; do
    case $change in
        begun) groups="$groups$group " ;;
        over) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
"#;

/// The process groups under way, each known to the watcher.
pub(in crate::flow::provider) struct Groups(Mutex<State>);

struct State {
    watcher: Watcher,
    begun: BTreeSet<i32>,
}

/// A shell that runs [`WATCHER`]. Its pipe closes with this process.
struct Watcher {
    process: Child,
    /// `None` while the watcher is being stopped.
    pipe: Option<ChildStdin>,
}

impl Groups {
    /// Starts the watcher.
    pub(in crate::flow::provider) fn watched() -> io::Result<Self> {
        let state = State { watcher: Watcher::start()?, begun: BTreeSet::new() };
        Ok(Self(Mutex::new(state)))
    }

    /// Reports a new group to the watcher. A watcher that has ended is replaced.
    ///
    /// # Errors
    /// No watcher can be started.
    pub(super) fn begin(&self, group: Pid) -> io::Result<()> {
        let (mut state, group) = (self.state(), group.as_raw_pid());
        if state.watcher.tell("begun", group).is_err() {
            let mut watcher = Watcher::start()?;
            for group in state.begun.iter().chain([&group]) {
                watcher.tell("begun", *group)?;
            }
            state.watcher = watcher;
        }
        state.begun.insert(group);
        Ok(())
    }

    /// Kills what is left of a group whose first process has been reaped.
    pub(super) fn end(&self, group: Pid) {
        // Without a process left there is no group. Its number is not given out again at once.
        _ = kill_process_group(group, Signal::KILL);
        let mut state = self.state();
        state.begun.remove(&group.as_raw_pid());
        // A watcher that has ended knows no group.
        _ = state.watcher.tell("over", group.as_raw_pid());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    fn start() -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        // In a group of its own it gets no signal from the terminal.
        shell.args(["-c", WATCHER]).process_group(0).current_dir("/").env_clear();
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = shell.spawn()?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    fn tell(&mut self, change: &str, group: i32) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(format!("{change} {group}\n").as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends at once, and is reaped.
        _ = self.process.wait();
    }
}
