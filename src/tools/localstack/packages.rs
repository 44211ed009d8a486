//! LocalStack from its packages: starts it as a process of its own, waits until it is ready, stops it. Knows
//! nothing of how packages are installed.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::command::last_lines;
use super::install::{Installed, install, remove, soundness};
use super::manifest::{Depth, Soundness};
use super::process::{self, Processes};
use super::steps::StepSink;
use super::tools::Tools;
use super::{Instance, PortProbe, health};
use crate::error::{Error, Result};
use crate::tools::file;

const START: &str = include_str!("../../../localstack/start.py");
/// Placed where LocalStack looks for its own Java.
const JAVA: &str = include_str!("../../../localstack/java.sh");
/// Settings to run LocalStack outside its image, with only the services that are needed.
const SETTINGS: [(&str, &str); 9] = [
    // Inside another container, LocalStack would take that one for its own.
    ("OVERRIDE_IN_DOCKER", "0"),
    ("EAGER_SERVICE_LOADING", "1"),
    ("STRICT_SERVICE_LOADING", "1"),
    ("DISABLE_EVENTS", "1"),
    ("SKIP_SSL_CERT_DOWNLOAD", "1"),
    ("DNS_ADDRESS", "0"),
    ("DYNAMODB_IN_MEMORY", "1"),
    ("PYTHONWARNINGS", "ignore"),
    // SNS calls SQS in memory, not over HTTP: this takes half the processor time.
    ("IN_MEMORY_CLIENT", "1"),
];
/// A closed proxy, so that neither LocalStack nor its child processes can fetch anything.
const CLOSED: [(&str, &str); 6] = [
    ("HTTP_PROXY", "http://127.0.0.1:1"),
    ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ("ALL_PROXY", "http://127.0.0.1:1"),
    ("OUTBOUND_HTTP_PROXY", "http://127.0.0.1:1"),
    ("OUTBOUND_HTTPS_PROXY", "http://127.0.0.1:1"),
    ("NO_PROXY", "localhost,127.0.0.1,localhost.localstack.cloud"),
];
/// Time limit for Python to write down its process identity; it took 0.1 s in a test.
const KNOWN: Duration = Duration::from_mins(1);
/// How often DynamoDB Local may start before LocalStack is ready. The second start is for a port that another
/// program took in between.
const STARTS: usize = 2;
const LOOK: Duration = Duration::from_millis(20);

/// Installs what is missing or damaged, starts LocalStack and waits until it is ready. If that fails and the
/// installed files show why, it repairs them and starts LocalStack once more.
pub(super) fn start(instance: &Instance, tools: &Tools, steps: &StepSink) -> Result<()> {
    // LocalStack itself would wait silently for a port that it cannot bind.
    TcpListener::bind((instance.reach.address(), instance.port)).map_err(|error| {
        Error::other(format!("cannot listen on port {}", instance.port)).because(error)
    })?;
    // DynamoDB Local may outlive a LocalStack that was killed.
    stop(instance)?;
    let installed = install(instance, tools, Depth::Sizes, steps)?;
    let was_compiled = installed.compiled.exists();
    let Err(error) = launch(instance, tools, &installed, steps) else { return Ok(()) };
    let may_be_compiled = was_compiled && has_failed_to_load(instance);
    stop(instance)?;
    // Python compiles missing files again.
    _ = remove(&installed.compiled);
    let mut parts = soundness(instance, Some(&tools.python), Depth::Contents).into_iter();
    if may_be_compiled || parts.any(|(_, soundness)| soundness != Soundness::Whole) {
        let installed = install(instance, tools, Depth::Contents, steps)?;
        return launch(instance, tools, &installed, steps);
    }
    Err(error)
}

/// Whether LocalStack, or one of its services, could not be loaded.
fn has_failed_to_load(instance: &Instance) -> bool {
    let service = |answer| matches!(answer, PortProbe::LocalStack(health) if health.has_failed);
    !is_ours(instance) || service(health::ask(instance.port))
}

fn launch(
    instance: &Instance,
    tools: &Tools,
    installed: &Installed,
    steps: &StepSink,
) -> Result<()> {
    let address = format!("{}:{}", instance.reach.address(), instance.port);
    steps.take("start", &address, || {
        let failed = |error| Error::other("cannot start LocalStack").because(error);
        let log = prepare(&instance.run(), &installed.dynamodb_local).map_err(failed)?;
        instance.note_reach().map_err(failed)?;
        let child = spawn(instance, tools, installed, log).map_err(failed)?;
        known(instance, child).map_err(failed)?;
        Ok("started")
    })?;
    ready(instance, steps)
}

/// Waits until a started LocalStack is ready. Fails at once when it has ended, with the last lines of its log.
pub(super) fn ready(instance: &Instance, steps: &StepSink) -> Result<()> {
    steps.take("ready", &health::SERVICES.join(" "), || {
        super::wait(instance, || trouble(instance)).map_err(|error| {
            let mut causes = error.causes();
            causes.push(log_tail(instance));
            error.because(causes.join("\n"))
        })?;
        Ok("running")
    })
}

fn trouble(instance: &Instance) -> Option<&'static str> {
    if !is_ours(instance) {
        Some("LocalStack ended while it was starting")
    } else if !instance.has_been_ready() && process::starts_of_java(&instance.run()) > STARTS {
        Some("DynamoDB Local ended each time it was started")
    } else {
        None
    }
}

fn log_tail(instance: &Instance) -> String {
    let log = file::read(&instance.log()).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&log))
}

/// Whether a LocalStack that `up` started on this port still runs.
pub(super) fn is_ours(instance: &Instance) -> bool {
    Processes::of(&instance.run()).main.is_some()
}

/// Ends LocalStack and its DynamoDB Local.
pub(super) fn stop(instance: &Instance) -> Result<()> {
    if process::stop(&instance.run()) {
        Ok(())
    } else {
        Err(Error::other(format!("LocalStack on port {} does not end", instance.port)))
    }
}

/// Lays out the folder of one run and removes everything of the last run. Returns the log to write to.
fn prepare(run: &Path, dynamodb_local: &Path) -> io::Result<File> {
    let lib = run.join("fs/var/lib/localstack/lib");
    remove(run)?;
    let java = lib.join("java/21/bin/java");
    fs::create_dir_all(lib.join("java/21/bin"))?;
    fs::write(&java, JAVA)?;
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(lib.join("dynamodb-local"))?;
    symlink(dynamodb_local, lib.join("dynamodb-local/2"))?;
    fs::create_dir(run.join("tmp"))?;
    fs::write(run.join("start.py"), START)?;
    file::append(&run.join("log"))
}

/// Starts the process, detached from this one and its terminal, in an environment of its own.
fn spawn(
    instance: &Instance,
    tools: &Tools,
    installed: &Installed,
    log: File,
) -> io::Result<Child> {
    let run = instance.run();
    let mut command = Command::new(&installed.python);
    command.arg(run.join("start.py")).current_dir(&run).process_group(0);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command
        .env_clear()
        .envs(instance.surroundings.variables.iter().map(|(name, value)| (name, value)));
    command.envs(SETTINGS).envs(CLOSED);
    command.env("SERVICES", instance.surroundings.services());
    command.env("RYDES_RUN", &run).env("RYDES_JAVA", &tools.java.path);
    // LocalStack's home and temporary files last no longer than it does.
    command.env("HOME", run.join("home")).env("TMPDIR", run.join("tmp"));
    command.env("PYTHONPYCACHEPREFIX", &installed.compiled);
    command.env("FILESYSTEM_ROOT", run.join("fs"));
    let address = instance.reach.address().to_string();
    command.env("GATEWAY_LISTEN", format!("{address}:{}", instance.port));
    command.env("RYDES_HOST", address);
    if let Some(strategy) = instance.queue_urls() {
        command.env("SQS_ENDPOINT_STRATEGY", strategy);
    }
    command.env("LOCALSTACK_HOST", format!("localhost:{}", instance.port));
    command.spawn()
}

/// Waits until the process has written down its identity. Without that, no later command finds it.
fn known(instance: &Instance, mut child: Child) -> io::Result<()> {
    let deadline = Instant::now() + KNOWN;
    while !is_ours(instance) {
        let has_ended = child.try_wait()?.is_some();
        if has_ended || Instant::now() >= deadline {
            // `kill` does not signal a child that has ended.
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(log_tail(instance)));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
