//! One LocalStack for all tests of a process, gone when that process is; and what is asked of one that a
//! test has of its own.
//!
//! A watchdog, out of reach of a Ctrl-C at the terminal, reads a pipe that only the test process can
//! write to. However that process ends, the pipe ends with it, and the watchdog takes LocalStack
//! down: some 2 s later, so `cargo test` may return a moment before LocalStack is gone. It holds none
//! of cargo's pipes.
//!
//! `RYDES_TEST_ENDPOINT` names one that is up already and stays up: quicker while developing.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process, test_kill_process};

use super::{Rydes, free_port, rydes};

/// How long the first start may take: it installs LocalStack.
pub const FIRST: Duration = Duration::from_mins(15);

/// A LocalStack that is up, and what keeps its watchdog waiting.
struct Running {
    port: u16,
    endpoint: String,
    _held: ChildStdin,
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
        let held = watchdog(port);
        let up = rydes(&format!("localstack up --port {port}"))
            // As on AWS, the name of a deleted queue is taken for a minute.
            .env("SQS_DELAY_RECENTLY_DELETED", "1")
            .within(FIRST)
            .run();
        assert_eq!(up.code, Some(0), "LocalStack cannot be started:\n{}", up.stderr);
        Running { port, endpoint: format!("http://127.0.0.1:{port}"), _held: held }
    })
}

/// Starts what runs `rydes localstack down` when the pipe it reads has ended.
fn watchdog(port: u16) -> ChildStdin {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", "cat > /dev/null; exec \"$0\" localstack down --port \"$1\""]);
    watchdog.args([env!("CARGO_BIN_EXE_rydes"), &port.to_string()]);
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    #[expect(clippy::zombie_processes, reason = "it outlives this process")]
    let mut watchdog = watchdog.spawn().expect("a shell starts");
    watchdog.stdin.take().expect("its stdin is piped")
}

/// Takes LocalStack down whatever becomes of the test.
pub struct Down(pub u16);

impl Drop for Down {
    fn drop(&mut self) {
        rydes(&format!("localstack down --port {}", self.0)).run();
    }
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
