//! `localstack down` and processes that `up` did not start, by any name; state files that are links or
//! pipes.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Ran, Rydes, ends_within, free_port, rydes};

/// How long something that nothing ends is looked at.
const WHILE: Duration = Duration::from_millis(300);

/// A folder of a run, without a LocalStack.
struct Run {
    cache: TempDir,
    port: u16,
}

impl Run {
    fn new() -> Self {
        let run = Self { cache: TempDir::new().expect("a folder"), port: free_port() };
        fs::create_dir_all(run.folder()).expect("a folder");
        // Every program that runs it is a shell of another name.
        fs::write(run.script(), "echo begun; while :; do sleep 0.1; done\n").expect("writes");
        run
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join(format!("localstack/run-{}", self.port))
    }

    fn script(&self) -> PathBuf {
        self.folder().join("start.py")
    }

    fn rydes(&self, action: &str) -> Rydes {
        let line = format!("localstack {action} --port {}", self.port);
        rydes(&line).env("RYDES_CACHE_DIR", self.cache.path())
    }

    fn down(&self) -> Ran {
        self.rydes("down").run().exits(0)
    }

    /// Starts the script by a program of this name.
    fn start(&self, program: &str) -> Running {
        let path = self.cache.path().join(program);
        symlink("/bin/sh", &path).expect("links");
        Running::start(Command::new(path).arg(self.script()))
    }

    /// Writes down what LocalStack does when it starts.
    fn write_down(&self, process: &Running, started: &str, program: &str) {
        let (program, script) = (self.cache.path().join(program), self.script());
        let proc = Path::new("/proc/self/cmdline").exists();
        let (part, end) = if proc { ("\0", "\0") } else { (" ", "") };
        let command = format!("{}{part}{}{end}", program.display(), script.display());
        let text = format!("{} {started}\n{command}", process.0.id());
        fs::write(self.folder().join("main"), text).expect("writes");
    }
}

/// A process, gone with the test.
struct Running(Child);

impl Running {
    /// Whatever runs the script, or shows it, has opened it then: it may go.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.as_mut().expect("it is piped");
        stdout.read_exact(&mut [0]).expect("it prints something");
        Self(child)
    }

    /// When it started, as the system has it.
    fn started(&self) -> String {
        let pid = self.0.id();
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            let mut ps = Command::new("ps");
            ps.args(["-o", "lstart=", "-p", &pid.to_string()]).env("TZ", "UTC").env("LC_ALL", "C");
            let told = ps.output().expect("ps runs").stdout;
            return String::from_utf8(told).expect("a time").trim().to_owned();
        };
        let fields = stat.rsplit_once(") ").expect("fields").1;
        fields.split(' ').nth(19).expect("a time").to_owned()
    }

    #[track_caller]
    fn is_left_alone(&mut self) {
        assert!(!ends_within(&mut self.0, WHILE), "it was ended");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn down_signals_only_what_up_has_started() {
    let run = Run::new();
    let mut tail = Running::start(Command::new("tail").arg("-f").arg(run.script()));
    let mut vim = run.start("vim");
    let mut python = run.start("python3.13");
    // Nothing was written down: `down` finds nothing, and takes its folder away.
    let script = fs::read(run.script()).expect("reads");
    assert!(run.down().stderr.contains("nothing to stop"), "no command line makes it LocalStack");
    for process in [&mut tail, &mut vim, &mut python] {
        process.is_left_alone();
    }

    // A wrong program, and an id that was used again.
    for (process, started, program) in
        [(&mut vim, None, "vim"), (&mut python, Some("1"), "python3.13")]
    {
        fs::create_dir_all(run.folder()).expect("a folder");
        fs::write(run.script(), &script).expect("writes");
        let started = started.map_or_else(|| process.started(), str::to_owned);
        run.write_down(process, &started, program);
        let id = process.0.id();
        let told = format!("process {id} has its id now: nothing was stopped");
        let down = run.down();
        assert!(down.stderr.contains(&told), "{}", down.stderr);
        process.is_left_alone();
    }

    fs::create_dir_all(run.folder()).expect("a folder");
    run.write_down(&python, &python.started(), "python3.13");
    assert!(
        run.down().stderr.contains("LocalStack is down"),
        "it is the one that was written down"
    );
    assert!(ends_within(&mut python.0, WHILE));
    tail.is_left_alone();
    vim.is_left_alone();
}

#[test]
fn state_files_are_read_only_where_they_are_regular_files() {
    let run = Run::new();
    let pipe = |path: PathBuf| {
        let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
        assert!(made.success());
    };
    let mut python = run.start("python3");
    run.write_down(&python, &python.started(), "python3");
    let main = run.folder().join("main");
    let elsewhere = run.cache.path().join("elsewhere");
    fs::rename(&main, &elsewhere).expect("moves");
    symlink(&elsewhere, &main).expect("links");
    symlink(&elsewhere, run.folder().join("log")).expect("links");
    let logs = run.rydes("logs").run().exits(1);
    assert!(logs.stderr.contains("error: cannot read "), "{}", logs.stderr);
    assert!(run.down().stderr.contains("nothing to stop"), "no link is followed");
    python.is_left_alone();

    fs::create_dir_all(run.folder()).expect("a folder");
    pipe(main);
    pipe(run.folder().join("java"));
    assert!(run.down().stderr.contains("nothing to stop"), "a pipe holds nothing up");
    pipe(run.cache.path().join(format!("localstack/run-{}.lock", run.port)));
    let refused = run.rydes("down").run().exits(1);
    assert!(refused.stderr.contains("not a regular file"), "{}", refused.stderr);
    assert!(elsewhere.exists());
}
