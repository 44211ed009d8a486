//! One LocalStack for all tests of a process, gone when that process is.
//!
//! A watchdog, out of reach of a Ctrl-C at the terminal, reads a pipe that only the test process can
//! write to. However that process ends, the pipe ends with it, and the watchdog takes LocalStack
//! down: some 2 s later, so `cargo test` may return a moment before LocalStack is gone. It holds none
//! of cargo's pipes.
//!
//! `RYDES_TEST_ENDPOINT` names one that is up already and stays up: quicker while developing.

use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::{free_port, rydes};

/// How long the first start may take: it installs LocalStack.
const FIRST: Duration = Duration::from_mins(15);

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
    static GIVEN: OnceLock<Option<String>> = OnceLock::new();
    let given = GIVEN.get_or_init(|| std::env::var("RYDES_TEST_ENDPOINT").ok());
    given.as_deref().unwrap_or_else(|| &running().endpoint)
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
