//! Python and Node.js, each with the SDK that the examples of `rydes providers add` need, and Python with the
//! definitions of OTLP or the parser of metrics.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::localstack::{endpoint, folder};

const BOTO3: &str = "boto3==1.42.54";
/// With the protobuf that it takes; `otlp` is made anew where these change.
const OTLP: [&str; 2] = ["opentelemetry-proto==1.45.2", "protobuf==7.36.2"];
/// The parser of Prometheus's client library.
const PROMETHEUS: &str = "prometheus-client==0.26.0";
const SDK_OF_NODE: &str = "@aws-sdk/client-sqs@3.899.0";

/// A Python that has boto3: LocalStack's own, or else one that is made for these tests.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        // LocalStack's own is there once it is up, unless it runs in Docker.
        endpoint();
        let entries = fs::read_dir(folder()).into_iter().flatten().filter_map(Result::ok);
        let mut own = entries.map(|entry| entry.path().join("bin/python"));
        let has_boto3 = |python: &PathBuf| {
            let mut import = Command::new(python);
            let import = import.args(["-c", "import boto3"]).stderr(Stdio::null());
            import.status().is_ok_and(|status| status.success())
        };
        own.find(has_boto3).unwrap_or_else(|| {
            made_once("python", |folder| venv(folder, &[BOTO3])).join("bin/python")
        })
    })
}

/// A Python that reads metrics as Prometheus does.
pub fn prometheus() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        made_once("prometheus", |folder| venv(folder, &[PROMETHEUS])).join("bin/python")
    })
}

/// A folder in which Node.js finds the SDK.
pub fn node() -> &'static Path {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        made_once("node", |folder| {
            let install = ["install", "--no-audit", "--no-fund", SDK_OF_NODE];
            done(Command::new("npm").args(install).arg("--prefix").arg(folder));
        })
    })
}

/// Reads an OTLP/JSON document with the official protobuf definitions; returns its spans as lines.
#[track_caller]
pub fn otlp(document: &str) -> String {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON
        .get_or_init(|| made_once("otlp-1.45.2", |folder| venv(folder, &OTLP)).join("bin/python"));
    let mut check = Command::new(python);
    let check = check.args(["-c", include_str!("otlp.py")]).env("PYTHONIOENCODING", "utf-8");
    let check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = check.spawn().expect("it starts");
    let mut stdin = running.stdin.take().expect("a pipe");
    stdin.write_all(document.as_bytes()).expect("it is read");
    drop(stdin);
    let read = running.wait_with_output().expect("it ends");
    let problem = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{problem}\n{document}");
    String::from_utf8(read.stdout).expect("it is UTF-8")
}

fn venv(folder: &Path, packages: &[&str]) {
    done(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let python = folder.join("bin/python");
    done(Command::new(python).args(["-m", "pip", "install", "--quiet"]).args(packages));
}

/// A folder beside the build that holds what `make` puts into it, of an earlier run too.
fn made_once(name: &str, make: impl Fn(&Path)) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = all.join(name);
    if !folder.exists() {
        let new = TempDir::new_in(all).expect("a temporary folder");
        make(new.path());
        // Another run of these tests may have been quicker.
        _ = fs::rename(new.path(), &folder);
    }
    assert!(folder.exists(), "{name} is not installed");
    folder
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {problem}");
}
