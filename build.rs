//! Tells the program which commit it is built from: `0.1.0 (11547d0 2026-11-26)`. Where the sources
//! differ from that commit, its name ends with `+changes`. Without git, and outside of a checkout of
//! its own, the version stands alone.
//!
//! The date is that of the commit, so two builds of one commit say the same.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the build. Cargo runs this script again when one of these changes, or the commit; the
/// program has to be compiled again then in any case, or says another version.
const SOURCES: [&str; 6] =
    ["build.rs", "Cargo.lock", "Cargo.toml", "docker-compose.yml", "localstack", "src"];

/// What is known of the sources in a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the commit and its day; `None` where there is no checkout.
    pub commit: Option<(String, String)>,
    /// The files and folders whose change may change the commit or the sources. Each exists: where one is
    /// missing, cargo runs the script each time.
    pub watched: Vec<PathBuf>,
}

fn main() {
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let origin = Origin::of(Path::new(&folder));
    for path in origin.watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let (name, date) = origin.commit.unwrap_or_default();
    let commit = if name.is_empty() { String::new() } else { format!(" ({name} {date})") };
    println!("cargo::rustc-env=RYDES_VERSION={version}{commit}");
    println!("cargo::rustc-env=RYDES_COMMIT={name}");
    println!("cargo::rustc-env=RYDES_COMMIT_DATE={date}");
    link_for_many_starts();
}

/// Links a build for development at fixed addresses, on Linux. Otherwise each start writes its addresses into 2.4 MB
/// of tables, a third of the processor time of `rydes --version`; the tests start it 4,300 times. Releases keep
/// addresses that differ from start to start, which are harder to attack.
fn link_for_many_starts() {
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let is_linux = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    let is_static =
        env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    if is("PROFILE", "debug") && is_linux && !is_static {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

impl Origin {
    /// Looks at a folder and at what git says of it.
    pub fn of(folder: &Path) -> Self {
        let git = Git { folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()) };
        let mut watched: Vec<_> = SOURCES.iter().map(|source| git.folder.join(source)).collect();
        let mut commit = None;
        if git.is_ours() {
            watched.extend(git.positions());
            commit = git.commit();
        }
        watched.retain(|path| path.exists());
        Self { commit, watched }
    }
}

/// A folder that may be a checkout.
struct Git {
    folder: PathBuf,
}

impl Git {
    /// What a git command prints; nothing where it fails.
    fn says(&self, arguments: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        // A build that a hook of git starts would be led elsewhere by these.
        for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
            git.env_remove(variable);
        }
        git.arg("--no-optional-locks").args(arguments).current_dir(&self.folder);
        let told = git.output().ok().filter(|told| told.status.success())?;
        Some(String::from_utf8(told.stdout).ok()?.trim().to_owned())
    }

    /// Whether the checkout is of this package: sources that were unpacked inside another project's
    /// checkout do not belong to that one's commit.
    fn is_ours(&self) -> bool {
        let top = self.says(&["rev-parse", "--show-toplevel"]);
        top.and_then(|top| PathBuf::from(top).canonicalize().ok()).as_ref() == Some(&self.folder)
    }

    /// The files that change when another commit is checked out or made. A branch that has no file of its
    /// own gets one with the next commit, which changes the folder.
    fn positions(&self) -> Vec<PathBuf> {
        let branch = self.says(&["symbolic-ref", "--quiet", "HEAD"]);
        let names = ["HEAD".to_owned(), "reftable/tables.list".to_owned()];
        let paths = names.into_iter().chain(branch).filter_map(|name| {
            let path = self.folder.join(self.says(&["rev-parse", "--git-path", &name])?);
            let is_branch = name.starts_with("refs/");
            path.ancestors().find(|path| !is_branch || path.exists()).map(PathBuf::from)
        });
        paths.collect()
    }

    /// The name and the day of the commit that is checked out.
    fn commit(&self) -> Option<(String, String)> {
        let told = self.says(&["log", "-1", "--no-show-signature", "--format=%H %cs"])?;
        let (hash, date) = told.split_once(' ')?;
        // Git's own short name gets longer as the checkout grows.
        let mut name = hash.get(..7)?.to_owned();
        let mut changes = vec!["status", "--porcelain", "--untracked-files=normal", "--"];
        changes.extend(SOURCES);
        if !self.says(&changes)?.is_empty() {
            name.push_str("+changes");
        }
        Some((name, date.to_owned()))
    }
}
