//! One LocalStack for all tests of a process, and those that a test has of its own: all are gone when that process is.
//!
//! Each has a watchdog, out of reach of a Ctrl-C at the terminal, which reads a pipe that only the test process
//! can write to. However that process ends, the pipe ends with it, and the watchdog takes LocalStack
//! down: some 2 s later, so `cargo test` may return a moment before LocalStack is gone. It holds none
//! of cargo's pipes.
//!
//! `RYDES_TEST_ENDPOINT` names one that is up already and stays up: quicker while developing.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process, test_kill_process};

use super::{Rydes, free_port, rydes};

/// How long the first start may take: it installs LocalStack.
pub const FIRST: Duration = Duration::from_mins(15);

/// A LocalStack that is up until this process ends.
struct Running {
    port: u16,
    endpoint: String,
    _down: Down,
}

/// Where the LocalStack of this test process answers; started when it is first asked for.
///
/// # Panics
/// With all that `rydes localstack up` said, when it cannot be started: a test that needs LocalStack
/// must not pass without it.
pub fn endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let given = std::env::var("RYDES_TEST_ENDPOINT").ok();
        let endpoint = given.unwrap_or_else(|| running().endpoint.clone());
        give_way();
        endpoint
    })
}

/// Lets this process, and what it starts from now on, give way to the LocalStack that all tests share. Most of them
/// wait for it, and while it waits for a core nobody gets on.
fn give_way() {
    // With ten steps the tests starve beside any other busy program.
    const STEPS: i32 = 4;
    const LAST: i32 = 19;
    let priority = getpriority_process(None).expect("it has a priority");
    let lower = |thread: Option<Pid>| setpriority_process(thread, (priority + STEPS).min(LAST));
    // On Linux each thread has a priority of its own, which the threads that it starts have too.
    match fs::read_dir("/proc/self/task") {
        Ok(threads) => {
            let ids =
                threads.flatten().filter_map(|thread| thread.file_name().to_str()?.parse().ok());
            // A thread may end meanwhile.
            ids.filter_map(Pid::from_raw).for_each(|id| _ = lower(Some(id)));
        }
        Err(_) => lower(None).expect("a lower priority is allowed"),
    }
}

/// All that this LocalStack has logged, a line for each request: `AWS sqs.ReceiveMessage => 200`.
pub fn log() -> String {
    rydes(&format!("localstack logs --port {}", running().port)).run().exits(0).stdout
}

fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let port = free_port();
        // The watchdog first: a test process that is killed while LocalStack starts counts too.
        let down = Down::at(port);
        let up = rydes(&format!("localstack up --port {port}"))
            // As on AWS, the name of a deleted queue is taken for a minute.
            .env("SQS_DELAY_RECENTLY_DELETED", "1")
            .within(FIRST)
            .run();
        assert_eq!(up.code, Some(0), "LocalStack cannot be started:\n{}", up.stderr);
        Running { port, endpoint: format!("http://127.0.0.1:{port}"), _down: down }
    })
}

/// Takes down the LocalStack of a port, whatever becomes of the test, and whatever becomes of its process.
pub struct Down {
    port: u16,
    /// The cache that it was started from, where that is not this user's.
    cache: Option<PathBuf>,
    watchdog: Child,
}

impl Drop for Down {
    fn drop(&mut self) {
        // First: it would run when the cache is gone, and make it again.
        self.watchdog.kill().expect("it waits for this process to end");
        self.watchdog.wait().expect("it was killed");
        let down = rydes(&format!("localstack down --port {}", self.port)).within(FIRST);
        match &self.cache {
            Some(cache) => down.env("RYDES_CACHE_DIR", cache).run(),
            None => down.run(),
        };
    }
}

impl Down {
    pub fn at(port: u16) -> Self {
        Self { port, cache: None, watchdog: watchdog(port, None) }
    }

    /// One from this cache, which is removed if the process ends before the test does.
    pub fn with_cache(port: u16, cache: &Path) -> Self {
        Self { port, cache: Some(cache.to_owned()), watchdog: watchdog(port, Some(cache)) }
    }
}

/// Starts what runs `rydes localstack down` when the pipe it reads has ended.
fn watchdog(port: u16, cache: Option<&Path>) -> Child {
    let down = "cat > /dev/null; \"$0\" localstack down --port \"$1\"";
    let mut watchdog = Command::new("/bin/sh");
    match cache {
        Some(cache) => {
            watchdog.arg("-c").arg(format!("{down}; rm -r \"$RYDES_CACHE_DIR\""));
            watchdog.env("RYDES_CACHE_DIR", cache)
        }
        None => watchdog.arg("-c").arg(down),
    };
    watchdog.args([env!("CARGO_BIN_EXE_rydes"), &port.to_string()]);
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watchdog.spawn().expect("a shell starts")
}

/// `rydes localstack up` on this port. The LocalStack that all share comes first: most tests wait for it, and it
/// installs what the others are started from.
pub fn up(port: u16) -> Rydes {
    endpoint();
    rydes(&format!("localstack up --port {port}")).within(FIRST)
}

/// Whether something answers on this port.
pub fn is_listening(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// The folder of LocalStack's files when nothing else is said.
pub fn folder() -> PathBuf {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("RYDES_CACHE_DIR")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("rydes")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/rydes")));
    cache.expect("a home").join("localstack")
}

/// The processes that a run has written down.
pub fn written_down(run: &Path) -> Vec<Pid> {
    let read = |name| fs::read(run.join(name)).unwrap_or_default();
    let first = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        Pid::from_raw(line.split(' ').next()?.parse::<u32>().ok()?.try_into().ok()?)
    };
    let main = first(&read("main"));
    let java = read("java");
    main.into_iter().chain(java.split(|byte| *byte == b'\n').filter_map(first)).collect()
}

/// # Panics
/// When one of them still runs.
#[track_caller]
pub fn assert_ended(pids: &[Pid]) {
    assert!(!pids.is_empty(), "it was started");
    for pid in pids {
        // One that nothing reaps has no command line any more.
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(test_kill_process(*pid).is_err() || command.is_empty(), "{pid} still runs");
    }
}
