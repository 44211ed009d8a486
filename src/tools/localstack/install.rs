//! Installs LocalStack's packages and DynamoDB Local into the cache. Each part is built next to its place and
//! moved there whole, with a list of its files that is compared before each start. Starts nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::command::{require, run};
use super::instance::{Instance, Lock};
use super::manifest::{self, Depth, Soundness};
use super::steps::{AtOnce, StepSink};
use super::tarball;
use super::tools::Tools;
use super::tools::{self, Tool};
use crate::error::{Error, Result};

/// LocalStack and its dependencies, with hashes.
const PACKAGES: &str = include_str!("../../../localstack/packages.lock");
/// Their installer (uv), with hashes: ten times as fast as pip.
const INSTALLER: &str = include_str!("../../../localstack/installer.lock");
/// Amazon's npm package that carries DynamoDB Local.
const DYNAMODB_LOCAL: &str = "amplify-dynamodb-simulator@2.9.30";
/// The integrity of its tarball, from npm's registry.
const DYNAMODB_LOCAL_INTEGRITY: &str = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6Jql\
                                        FdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==";
/// Time limit for one download, on a slow line.
const DOWNLOAD: Duration = Duration::from_mins(20);
/// Time limit to make a virtual environment; it took 7 s in a test.
const VENV: Duration = Duration::from_mins(3);
/// Time limit for Python to say whether it has pip; it took 0.1 s in a test.
const PIP: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Installed {
    /// The Python with LocalStack's packages.
    pub(super) python: PathBuf,
    /// The folder of Python's compiled files; it may be missing.
    pub(super) compiled: PathBuf,
    pub(super) dynamodb_local: PathBuf,
}

/// One of the two parts of the cache.
struct CachePart {
    name: &'static str,
    folder: PathBuf,
    soundness: Soundness,
}

/// Installs missing parts and reinstalls damaged ones, both at once. Concurrent calls wait for each other.
pub(super) fn install(
    instance: &Instance,
    tools: &Tools,
    depth: Depth,
    steps: &StepSink,
) -> Result<Installed> {
    let _lock = Lock::hold(&instance.root().join("install.lock"), steps)?;
    let packages = PACKAGES.lines().filter(|line| is_package(line)).count();
    let detail = format!("{packages}, hashes checked");
    let venv = python_part(instance, &tools.python, depth);
    let dynamodb_local = dynamodb_local_part(instance, depth);
    let parts = AtOnce::new(steps, "install");
    thread::scope(|scope| {
        let fetched = scope.spawn(|| {
            let (kept, installed) = ("from npm, checked", "57 MB from npm, checked");
            dynamodb_local.keep(kept, installed, &parts, |partial| {
                // The survey did not look for npm if the cache seemed whole.
                let npm =
                    tools.npm.clone().or_else(|| tools::npm(&instance.surroundings).fitting());
                let npm = npm.ok_or_else(|| Error::other("DynamoDB Local needs npm"))?;
                fetch_dynamodb_local(partial, &npm)
            })
        });
        let filled =
            venv.keep(&detail, &detail, &parts, |partial| python_packages(partial, &tools.python));
        both(filled, fetched.join().expect("fetching does not panic"))
    })?;
    let (compiled, python) = (compiled(&venv.folder), venv.folder.join("bin/python"));
    Ok(Installed { python, compiled, dynamodb_local: dynamodb_local.folder })
}

/// The state of each part. Without a Python, the Python packages have no folder and are left out.
pub(super) fn soundness(
    instance: &Instance,
    python: Option<&Tool>,
    depth: Depth,
) -> Vec<(&'static str, Soundness)> {
    parts(instance, python, depth).map(|part| (part.name, part.soundness)).collect()
}

fn parts(
    instance: &Instance,
    python: Option<&Tool>,
    depth: Depth,
) -> impl Iterator<Item = CachePart> {
    let venv = python.map(|python| python_part(instance, python, depth));
    venv.into_iter().chain([dynamodb_local_part(instance, depth)])
}

/// The state of each part, with contents compared. Notes the damage, so that the next `install` repairs it.
pub(super) fn examine(
    instance: &Instance,
    python: Option<&Tool>,
) -> Vec<(&'static str, Soundness)> {
    let examined = |part: CachePart| {
        // A folder that is not writable cannot be repaired either.
        _ = manifest::note(&part.folder, &part.soundness);
        (part.name, part.soundness)
    };
    parts(instance, python, Depth::Contents).map(examined).collect()
}

/// Whether DynamoDB Local is in the cache, so that npm is not needed.
pub(super) fn has_dynamodb_local(instance: &Instance) -> bool {
    dynamodb_local_part(instance, Depth::Sizes).soundness == Soundness::Whole
}

fn python_part(instance: &Instance, python: &Tool, depth: Depth) -> CachePart {
    let folder = venv(instance, python);
    let soundness = match manifest::check(&folder, depth) {
        // A virtual environment breaks when its Python is removed.
        Soundness::Whole if !folder.join("bin/python").exists() => {
            Soundness::Damaged("the Python that it was made with is gone".to_owned())
        }
        soundness => soundness,
    };
    CachePart { name: "python packages", folder, soundness }
}

fn dynamodb_local_part(instance: &Instance, depth: Depth) -> CachePart {
    let folder = instance.root().join(DYNAMODB_LOCAL.replace('@', "-"));
    let soundness = manifest::check(&folder, depth);
    CachePart { name: "DynamoDB Local", folder, soundness }
}

impl CachePart {
    /// Fills the part unless it is whole.
    fn keep(
        &self,
        kept: &str,
        installed: &str,
        parts: &AtOnce<'_>,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let (detail, outcome) = match &self.soundness {
            Soundness::Whole => {
                parts.kept(self.name, kept);
                return Ok(());
            }
            Soundness::Missing => (installed.to_owned(), "installed"),
            Soundness::Damaged(damage) => (format!("damaged: {damage}"), "mended"),
        };
        parts.take(self.name, &detail, || build(&self.folder, fill).map(|()| outcome))
    }
}

/// Combines two results. When both failed, the error holds the causes of both.
fn both(one: Result<()>, other: Result<()>) -> Result<()> {
    match (one, other) {
        (Err(one), Err(other)) => {
            let said = [one, other].map(|error| [vec![error.to_string()], error.causes()].concat());
            Err(Error::other("neither part could be installed").because(said.concat().join("\n")))
        }
        (one, other) => one.and(other),
    }
}

fn is_package(line: &str) -> bool {
    line.contains("==") && line.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The virtual environment; its name depends on the lock files and the Python version.
fn venv(instance: &Instance, python: &Tool) -> PathBuf {
    let hash = Sha256::new().chain_update(PACKAGES).chain_update(INSTALLER).finalize();
    let short = hash.iter().take(6).fold(0_u64, |short, byte| short << 8 | u64::from(*byte));
    instance.root().join(format!("python-{}.{}-{short:012x}", python.version.0, python.version.1))
}

/// Python's compiled files have their own folder, so that they can be removed alone.
fn compiled(venv: &Path) -> PathBuf {
    PathBuf::from(format!("{}.compiled", venv.display()))
}

/// Fills a folder next to its place, lists its files, then moves it there. The old folder stays until then.
fn build(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |error| Error::other(format!("cannot write {}", folder.display())).because(error);
    let partial = PathBuf::from(format!("{}.partial", folder.display()));
    remove(&partial).and_then(|()| fs::create_dir_all(&partial)).map_err(failed)?;
    let filled = fill(&partial).and_then(|()| {
        let written = manifest::write(&partial).and_then(|()| remove(folder));
        written.and_then(|()| fs::rename(&partial, folder)).map_err(failed)
    });
    if filled.is_err() {
        // The first error is the one to report. The next build removes what stays behind.
        _ = fs::remove_dir_all(&partial);
    }
    filled
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn python_packages(venv: &Path, python: &Tool) -> Result<()> {
    let write = |name: &str, text: &str| {
        let file = venv.join(name);
        let written = fs::write(&file, text).map(|()| file);
        written.map_err(|error| Error::other("cannot write the lock file").because(error))
    };
    // A virtual environment with its own pip takes three more seconds.
    let has_pip = run(isolated(&python.path).args(["-I", "-c", "import pip"]), PIP);
    let has_pip = has_pip.is_ok_and(|outcome| outcome.ok);
    let mut make = isolated(&python.path);
    make.args(["-I", "-m", "venv"]).args(has_pip.then_some("--without-pip")).arg(venv);
    require("making a virtual environment", &mut make, VENV)?;
    let (packages, installer) =
        (write("packages.lock", PACKAGES)?, write("installer.lock", INSTALLER)?);

    let inside = venv.join("bin/python");
    let mut pip = isolated(if has_pip { &python.path } else { &inside });
    pip.args(["-I", "-m", "pip", "--python"]).arg(&inside);
    pip.args(["install", "--no-cache-dir", "--disable-pip-version-check"]);
    pip.args(["--require-hashes", "-r"]).arg(installer);
    require("pip install", &mut pip, DOWNLOAD)?;

    // Three packages are built from source, with the setuptools of the same lock file.
    let (uv, cache) = (venv.join("bin/uv"), venv.join("uv-cache"));
    let mut install = isolated(&uv);
    install.args(["pip", "install", "--cache-dir"]).arg(&cache);
    install.arg("--python").arg(&inside);
    install.arg("--build-constraints").arg(&packages);
    install.args(["--require-hashes", "-r"]).arg(&packages);
    require("uv pip install", &mut install, DOWNLOAD)?;
    let removed = fs::remove_dir_all(cache).and_then(|()| fs::remove_file(uv));
    removed.map_err(|error| Error::other("cannot remove the installer").because(error))
}

/// A command that ignores any Python environment active in the shell.
fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"]
    {
        command.env_remove(name);
    }
    command
}

fn fetch_dynamodb_local(folder: &Path, npm: &Tool) -> Result<()> {
    let mut pack = Command::new(&npm.path);
    pack.args(["pack", DYNAMODB_LOCAL, "--ignore-scripts", "--silent", "--cache"]);
    // In this folder npm finds no project settings.
    pack.arg(folder.join("npm-cache")).current_dir(folder);
    require("npm pack", &mut pack, DOWNLOAD)?;
    let file = folder.join(DYNAMODB_LOCAL.replace('@', "-") + ".tgz");
    tarball::check(&file, DYNAMODB_LOCAL_INTEGRITY)?;
    let wanted =
        |path: &Path| path.starts_with("DynamoDBLocal_lib") || path.ends_with("DynamoDBLocal.jar");
    tarball::unpack(&file, "package/emulator", wanted, folder)?;
    let removed = fs::remove_file(file).and_then(|()| fs::remove_dir_all(folder.join("npm-cache")));
    removed.map_err(|error| Error::other("cannot remove npm's cache").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_of_the_lock_files_has_a_version_and_a_hash() {
        for text in [PACKAGES, INSTALLER] {
            let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            for (line, next) in lines.iter().zip(&lines[1..]) {
                assert!(line.starts_with("    --hash=sha256:") || is_package(line), "{line}");
                assert!(!is_package(line) || next.starts_with("    --hash=sha256:"), "{line}");
            }
        }
        assert!(PACKAGES.contains("\nlocalstack-core==4.14.0 \\\n"));
    }

    #[test]
    fn where_both_parts_fail_both_are_told() {
        let failed = |what: &str| Err(Error::other(format!("{what} failed")).because("no way"));
        let told = both(failed("pip"), failed("npm")).expect_err("fails");
        assert_eq!(told.causes(), ["pip failed\nno way\nnpm failed\nno way"]);
        assert_eq!(both(Ok(()), failed("npm")).expect_err("fails").to_string(), "npm failed");
        assert_eq!(both(failed("pip"), Ok(())).expect_err("fails").to_string(), "pip failed");
        both(Ok(()), Ok(())).expect("succeeds");
    }

    #[test]
    fn what_could_not_be_filled_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = folder.path().join("a-1.2.3");
        build(&instance, |_| Err(Error::other("no"))).expect_err("fails");
        assert_eq!(folder.path().read_dir().expect("reads").count(), 0);
        build(&instance, |partial| {
            fs::write(partial.join("x"), "").map_err(|error| Error::other("x").because(error))
        })
        .expect("fills");
        assert_eq!(manifest::check(&instance, Depth::Contents), Soundness::Whole);
        build(&instance, |_| Err(Error::other("no"))).expect_err("fails");
        assert!(instance.join("x").exists(), "what was there stays");
    }
}
