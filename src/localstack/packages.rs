//! LocalStack from its packages: starts it as a process of its own, sees it become ready, stops it.
//! Installs nothing.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::command::last_lines;
use super::install::{Installed, install};
use super::process::{self, Processes};
use super::steps::Steps;
use super::survey::Tools;
use super::{Place, health};
use crate::error::{Error, Result};

/// Starts LocalStack, bound to the loopback interface.
const START: &str = include_str!("../../localstack/start.py");
/// Stands where LocalStack looks for its own Java.
const JAVA: &str = include_str!("../../localstack/java.sh");
/// What makes LocalStack run outside its image, and only the services that are needed.
const SETTINGS: [(&str, &str); 9] = [
    // Within some other container it would take that one for its own.
    ("OVERRIDE_IN_DOCKER", "0"),
    ("SERVICES", "sns,sqs,dynamodb"),
    ("EAGER_SERVICE_LOADING", "1"),
    ("STRICT_SERVICE_LOADING", "1"),
    ("DISABLE_EVENTS", "1"),
    ("SKIP_SSL_CERT_DOWNLOAD", "1"),
    ("DNS_ADDRESS", "0"),
    ("DYNAMODB_IN_MEMORY", "1"),
    ("PYTHONWARNINGS", "ignore"),
];

/// Installs what is missing, starts LocalStack and waits until it is ready.
pub(super) fn start(place: &Place, tools: &Tools, steps: &Steps) -> Result<()> {
    // LocalStack itself would wait in silence for a port that it may not have.
    TcpListener::bind((Ipv4Addr::LOCALHOST, place.port)).map_err(|error| {
        Error::other(format!("cannot listen on port {}", place.port)).because(error)
    })?;
    let installed = install(place, tools, steps)?;
    let address = format!("127.0.0.1:{}", place.port);
    steps.take("start", &address, || {
        prepare(&place.run(), &installed.dynamodb_local)
            .and_then(|log| spawn(place, tools, &installed, log))
            .map_err(|error| Error::other("cannot start LocalStack").because(error))?;
        Ok("started")
    })?;
    ready(place, steps)
}

/// Waits until a LocalStack that was started is ready.
///
/// # Errors
/// At once when it has ended, with the last lines of its log.
pub(super) fn ready(place: &Place, steps: &Steps) -> Result<()> {
    steps.take("ready", &health::SERVICES.join(" "), || {
        super::wait(place, || is_ours(place)).map_err(|error| {
            let log = fs::read_to_string(place.log()).unwrap_or_default();
            error.because(last_lines(&log))
        })?;
        Ok("running")
    })
}

/// Whether a LocalStack that `up` started on this port is running.
pub(super) fn is_ours(place: &Place) -> bool {
    !Processes::of(&place.run()).main.is_empty()
}

/// Whether anything of it runs: DynamoDB Local may outlive a LocalStack that was killed.
pub(super) fn is_left(place: &Place) -> bool {
    !Processes::of(&place.run()).is_empty()
}

/// Ends it, with its DynamoDB Local.
pub(super) fn stop(place: &Place) -> Result<()> {
    if process::stop(&place.run()) {
        Ok(())
    } else {
        Err(Error::other(format!("LocalStack on port {} does not end", place.port)))
    }
}

/// Lays out the folder of one run: nothing of the last one stays. Gives the log to write to.
fn prepare(run: &Path, dynamodb_local: &Path) -> io::Result<File> {
    let lib = run.join("fs/var/lib/localstack/lib");
    if run.exists() {
        fs::remove_dir_all(run)?;
    }
    let java = lib.join("java/21/bin/java");
    fs::create_dir_all(lib.join("java/21/bin"))?;
    fs::write(&java, JAVA)?;
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(lib.join("dynamodb-local"))?;
    symlink(dynamodb_local, lib.join("dynamodb-local/2"))?;
    fs::write(run.join("start.py"), START)?;
    File::create(run.join("log"))
}

/// Starts the process: detached from this one and its terminal, in an environment of its own.
fn spawn(place: &Place, tools: &Tools, installed: &Installed, log: File) -> io::Result<()> {
    let run = place.run();
    let mut command = Command::new(&installed.python);
    command.arg(run.join("start.py")).current_dir(&run).process_group(0);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command
        .env_clear()
        .envs(place.surroundings.variables.iter().map(|(name, value)| (name, value)));
    // What LocalStack keeps in its user's home goes to the cache too.
    command.envs(SETTINGS).env("HOME", place.root().join("home")).env_remove("XDG_CACHE_HOME");
    command.env("FILESYSTEM_ROOT", run.join("fs")).env("RYDES_JAVA", &tools.java.path);
    command.env("GATEWAY_LISTEN", format!("127.0.0.1:{}", place.port));
    command.env("LOCALSTACK_HOST", format!("localhost:{}", place.port));
    command.spawn().map(drop)
}
