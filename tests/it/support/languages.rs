//! Python and Node.js, each with the SDK that the examples of `rydes providers add` need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::localstack::{endpoint, folder};

const BOTO3: &str = "boto3==1.42.54";
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
        own.find(has_boto3).unwrap_or_else(|| made_once("python", venv).join("bin/python"))
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

fn venv(folder: &Path) {
    done(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let python = folder.join("bin/python");
    done(Command::new(python).args(["-m", "pip", "install", "--quiet", BOTO3]));
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
