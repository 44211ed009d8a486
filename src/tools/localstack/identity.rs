//! Tells processes apart. The system reuses the id of a process that has ended, but never an id with its start
//! time. Starts nothing, and ends processes only through `signal`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::command::run;

const PS: Duration = Duration::from_secs(10);

/// A process, distinct from every earlier and later process with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: Pid,
    /// Start time: on Linux in ticks since boot, elsewhere as `ps` prints it.
    started: String,
}

impl Identity {
    /// The process with this id, unless it has ended and only waits to be reaped.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let started = if has_proc() { started_by_proc(pid) } else { started_by_ps(pid) };
        Some(Self { pid, started: started? })
    }

    /// Parses a line of `localstack/start.py` or `localstack/java.sh`: id and start time.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (pid, started) = line.trim().split_once(' ')?;
        let pid = Pid::from_raw(pid.parse::<u32>().ok()?.try_into().ok()?)?;
        Some(Self { pid, started: started.trim().to_owned() })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether this process still runs, not a later one with the same id.
    pub(super) fn is_running(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// The command line as the system shows it; `None` when the process has ended.
    pub(super) fn command(&self) -> Option<CommandLine> {
        let line = if has_proc() {
            CommandLine { text: std::fs::read(proc(self.pid, "cmdline")).ok()?, separator: 0 }
        } else {
            CommandLine { text: ps(self.pid, "command=")?.into_bytes(), separator: b' ' }
        };
        self.is_running().then_some(line)
    }

    /// Sends a signal to this process if `is_it` accepts its command line, and to no other.
    pub(super) fn signal(&self, signal: Signal, is_it: impl Fn(&CommandLine) -> bool) {
        let is_it = || self.command().is_some_and(|command| is_it(&command));
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
            // The descriptor pins the process. The one checked is the one signalled, even if it ends in between
            // and its id is reused.
            if let Ok(process) = pidfd_open(self.pid, PidfdFlags::empty()) {
                if is_it() {
                    // A process that has just ended needs no signal.
                    _ = pidfd_send_signal(process, signal);
                }
                return;
            }
        }
        if is_it() {
            _ = kill_process(self.pid, signal);
        }
    }
}

/// A command line: its arguments with a separator after or between them.
#[derive(Debug)]
pub(super) struct CommandLine {
    pub(super) text: Vec<u8>,
    /// NUL on Linux. A space elsewhere: `ps` prints only spaces, even if an argument holds one.
    separator: u8,
}

impl CommandLine {
    /// Whether it is `program` with this one argument. Only the start of the program's name is compared: `python`
    /// may be `python3.13`, or `Python` on macOS.
    pub(super) fn is_of(&self, program: &str, argument: &[u8]) -> bool {
        let text = self.text.strip_suffix(&[self.separator]).unwrap_or(&self.text);
        let before = text.strip_suffix(argument).and_then(|t| t.strip_suffix(&[self.separator]));
        let name = before.and_then(|path| path.rsplit(|byte| *byte == b'/').next());
        name.is_some_and(|name| {
            let begins = name.get(..program.len());
            begins.is_some_and(|begins| begins.eq_ignore_ascii_case(program.as_bytes()))
                && !name.contains(&self.separator)
        })
    }

    /// Whether an argument with this ending is followed by a separator.
    pub(super) fn has_ending(&self, ending: &str) -> bool {
        let mut ending = ending.as_bytes().to_vec();
        ending.push(self.separator);
        self.text.windows(ending.len()).any(|part| part == ending)
    }
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

fn proc(pid: Pid, name: &str) -> String {
    format!("/proc/{pid}/{name}")
}

/// Fields 3 and 22 of `proc_pid_stat(5)`. The process name before them may hold any character.
fn started_by_proc(pid: Pid) -> Option<String> {
    let stat = std::fs::read(proc(pid, "stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    (!has_ended).then(|| fields.get(19).map(|&started| started.to_owned()))?
}

fn started_by_ps(pid: Pid) -> Option<String> {
    let has_ended = ps(pid, "stat=")?.starts_with('Z');
    (!has_ended).then(|| ps(pid, "lstart="))?
}

fn ps(pid: Pid, what: &str) -> Option<String> {
    let mut ps = Command::new("ps");
    ps.args(["-ww", "-o", what, "-p", &pid.to_string()]).env("TZ", "UTC").env("LC_ALL", "C");
    let told = run(&mut ps, PS).ok().filter(|told| told.ok)?.out.trim().to_owned();
    (!told.is_empty()).then_some(told)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let me = Identity::of(getpid()).expect("it runs");
        assert!(me.is_running());
        let before = Identity { started: "1".to_owned(), ..me.clone() };
        assert!(!before.is_running() && before.command().is_none());
        let line = format!("{} {}\n", me.pid, me.started);
        assert_eq!(Identity::parse(&line), Some(me));
        for line in ["", "7", "x 1", "-1 1", "0 1"] {
            assert_eq!(Identity::parse(line), None, "{line}");
        }
    }

    #[test]
    fn ps_tells_the_same_at_every_look() {
        let first = started_by_ps(getpid()).expect("it runs");
        assert_eq!(started_by_ps(getpid()), Some(first.clone()));
        assert!(first.contains(':'), "{first}");
        assert!(ps(getpid(), "command=").is_some_and(|command| command.contains("rydes")));
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_has_ended() {
        let mut child = Command::new("true").spawn().expect("it starts");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("an id");
        let deadline = std::time::Instant::now() + PS;
        while Identity::of(pid).is_some() {
            assert!(std::time::Instant::now() < deadline, "it still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(started_by_ps(pid), None);
        child.wait().expect("it is reaped");
    }

    #[test]
    fn a_command_line_is_compared_argument_by_argument() {
        let line = |text: &str, separator| CommandLine { text: text.into(), separator };
        for (text, separator) in
            [("/v/bin/python\0/r/start.py\0", 0), ("/a b/Python /r/start.py", b' ')]
        {
            assert!(line(text, separator).is_of("python", b"/r/start.py"), "{text}");
        }
        for text in [
            "tail\0-f\0/r/start.py\0",
            "vim\0/r/start.py\0",
            "/v/python\0-c\0/r/start.py\0",
            "/v/python\0/r/start.py\0more\0",
            "/v/python\0/r/start.pyc\0",
            "/v/python\0",
            "",
        ] {
            assert!(!line(text, 0).is_of("python", b"/r/start.py"), "{text}");
        }
        assert!(line("java\0-jar\0/r/x.jar\0-port\0", 0).has_ending("/x.jar"));
        assert!(!line("java\0-jar\0/r/x.jar.old\0-port\0", 0).has_ending("/x.jar"));
    }
}
