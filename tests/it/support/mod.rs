//! Runs the program as a user would, in an environment that holds nothing of the developer's own.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rydes::view::tone::{Line, Tone};
use serde_json::Value;
use tempfile::TempDir;

pub mod aws;
pub mod axe;
pub mod background;
pub mod browser;
pub mod endpoint;
pub mod fixture;
pub mod growing;
pub mod http;
pub mod languages;
pub mod late;
pub mod localstack;
pub mod pipe;
pub mod proxy;
pub mod resources;
pub mod stack;
pub mod terminal;

/// How long anything may take that is bound to happen. A test that passes never waits so long, but on two slow cores
/// some need half of it.
pub const PATIENCE: Duration = Duration::from_mins(4);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a process or a text of this machine is looked at, which costs no request.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// How long a command may take unless told otherwise.
const LIMIT: Duration = Duration::from_mins(1);

/// The program.
const BINARY: &str = env!("CARGO_BIN_EXE_rydes");

/// A command line of `rydes`.
pub struct Rydes {
    command: Command,
    limit: Duration,
    /// The memory of submitted requests, gone with this value unless `state` named another.
    _state: TempDir,
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// `rydes` with these arguments, parted by white space.
pub fn rydes(arguments: &str) -> Rydes {
    let mut command = Command::new(BINARY);
    command.args(arguments.split_whitespace());
    prepared(command)
}

/// The same as the first program of a terminal, which it takes from its stdin.
pub fn on_terminal(arguments: &str) -> Rydes {
    let mut command = Command::new(located("setsid"));
    command.args(["--ctty", BINARY]).args(arguments.split_whitespace());
    prepared(command)
}

/// A line as a user types it, in a shell that finds `rydes`.
pub fn shell(line: &str) -> Rydes {
    let folder = Path::new(BINARY).parent().expect("it is in a folder");
    let script = format!("PATH='{}':$PATH\n{line}", folder.display());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]);
    prepared(command)
}

/// Another program, whose first words are its own, where it finds `rydes`.
pub fn beside_rydes(line: &str) -> Rydes {
    let folder = Path::new(BINARY).parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut words = line.split_whitespace();
    let mut command = Command::new(located(words.next().expect("a program")));
    command.args(words);
    prepared(command).env("PATH", format!("{}:{path}", folder.display()))
}

/// The file of a program. Where its environment differs, `std` starts a program that is given by its name with `fork`,
/// which copies this whole process and takes milliseconds.
fn located(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file()).unwrap_or_else(|| program.into())
}

fn prepared(mut command: Command) -> Rydes {
    let state = TempDir::new().expect("a temporary folder");
    command.env_clear();
    command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)));
    command.env("XDG_STATE_HOME", state.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Rydes { command, limit: LIMIT, _state: state }
}

/// Whether a variable is about the machine rather than about what is tested: where programs are, what
/// is cached, and how the network is reached.
fn is_kept(name: &str) -> bool {
    let upper = name.to_uppercase();
    ["PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME", "XDG_CACHE_HOME", "RYDES_CACHE_DIR"]
        .contains(&name)
        || ["CERT", "CA_BUNDLE"].iter().any(|part| upper.contains(part))
        || ["PIP_", "UV_", "NPM_CONFIG_"].iter().any(|start| upper.starts_with(start))
        || upper.ends_with("_PROXY")
}

impl Rydes {
    /// Adds an argument as it is.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets whoever starts it write to its stdin.
    pub fn piped(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Takes its stdin from elsewhere.
    pub fn stdin(mut self, from: impl Into<Stdio>) -> Self {
        self.command.stdin(from);
        self
    }

    /// Sends its stdout elsewhere.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Sends its stderr elsewhere.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    /// Lets it take this long.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// With what it printed, when it takes too long.
    pub fn run(mut self) -> Ran {
        let begun = Instant::now();
        let mut child = self.command.spawn().expect("rydes starts");
        let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
        let mut whole = None;
        // The end of its stdout mostly comes with its own, and wakes this thread: a pause would last too long.
        while whole.is_none() && !has_ended(&mut child) && begun.elapsed() < self.limit {
            whole = stdout.recv_timeout(LONGEST_PAUSE).ok();
        }
        let ended = ends_within(&mut child, self.limit.saturating_sub(begun.elapsed()));
        if !ended {
            child.kill().and_then(|()| child.wait()).expect("it can be killed");
        }
        // A child that it left behind must not hold its pipes open.
        let text = |from: Receiver<String>| from.recv_timeout(Duration::from_secs(2));
        let (stdout, stderr) = (whole.map_or_else(|| text(stdout), Ok), text(stderr));
        assert!(ended, "no end after {:?}:\n{stdout:?}\n{stderr:?}", self.limit);
        let code = child.wait().expect("it has ended").code();
        let open = "a process that it left behind holds its pipes";
        Ran { code, stdout: stdout.expect(open), stderr: stderr.expect(open) }
    }

    /// Starts it; the caller ends it. Its stdout and stderr are piped, unless they go elsewhere.
    pub fn start(mut self) -> Child {
        self.command.spawn().expect("rydes starts")
    }
}

impl Ran {
    /// The same, after making sure of its exit code.
    ///
    /// # Panics
    /// With all that it printed, when it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Whether a process ends within this time.
pub fn ends_within(child: &mut Child, limit: Duration) -> bool {
    eventually(limit, || has_ended(child))
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("it can be waited for").is_some()
}

/// Whether something becomes true within this time.
pub fn eventually(limit: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    while !is_true() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}

/// Waits for something that is bound to happen.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for_what(|| what, look)
}

/// The same, where what is told of it is looked up when it did not happen.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn wait_for_what<T, W: Display>(
    what: impl FnOnce() -> W,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {}", what());
        thread::sleep(PAUSE);
    }
}

/// Runs a test for each of these, all at the same time: for what waits more than it works.
pub fn side_by_side<T: Send>(each: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for one in each {
            let test = &test;
            scope.spawn(move || test(one));
        }
    });
}

/// One JSON document.
///
/// # Panics
/// When the text is anything else.
#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The one JSON document on stdout.
#[track_caller]
pub fn document(ran: &Ran) -> Value {
    json(&ran.stdout)
}

/// Makes sure that stderr holds this text.
#[track_caller]
pub fn says(ran: &Ran, text: &str) {
    assert!(ran.stderr.contains(text), "{text:?} is not in:\n{}", ran.stderr);
}

/// One JSON document per line.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

/// A port that is free now, and that no other test of this process gets. It lies below those that the
/// system hands out by itself, so that no connection takes it in the meantime.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let turn =
            NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(37));
        let port = 20_000 + u16::try_from(turn % 10_000).expect("it is below 10,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Writes a program that a PATH can hold.
pub fn script(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, text).expect("a script can be written");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, executable).expect("it can be made executable");
}

fn read(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).expect("it can be read");
        }
        // Nobody waits for it any more when the command took too long.
        _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The commands that the help of this one shows, and those below them.
pub fn commands(of: &str) -> Vec<String> {
    let help = rydes(&format!("{of} --help")).run().exits(0).stdout;
    let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let below = names.flat_map(|name| {
        let command = format!("{of} {name}").trim().to_owned();
        let further = commands(&command);
        [command].into_iter().chain(further)
    });
    below.collect()
}

/// Lines with their meaning in the margin, none wider than this.
pub fn toned(lines: &[Line], width: Option<u16>) -> String {
    let margin = |line: &Line| {
        let tone =
            if line.tone == Tone::Plain { String::new() } else { format!("{:?}", line.tone) };
        format!("{tone:<6} | {}", line.text).trim_end().to_owned()
    };
    let shown = lines.iter().map(margin).collect::<Vec<_>>().join("\n");
    let widest = lines.iter().map(|line| console::measure_text_width(&line.text)).max();
    assert!(
        width.is_none() || widest <= width.map(usize::from),
        "{widest:?} > {width:?}:\n{shown}"
    );
    shown
}
