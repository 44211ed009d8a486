//! Where LocalStack runs and where its files are: one folder for what is installed, one for each port.
//! Reads no environment.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::steps::StepSink;
use crate::error::{Error, Result};
use crate::tools::file;

/// What the machine lends; the caller reads it from the environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The folder for everything that is kept, absolute.
    pub cache: PathBuf,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The image to run in place of the pinned one.
    pub image: Option<String>,
    /// The variables that LocalStack may see, `PATH` among them.
    pub variables: Vec<(String, OsString)>,
}

impl Surroundings {
    /// A variable that LocalStack may see.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// Where the PATH has a program.
    pub(super) fn on_path(&self, program: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(self.variable("PATH")?);
        folders.map(|folder| folder.join(program)).find(|path| path.is_file())
    }
}

/// A port of this machine and what LocalStack is run with there.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The port.
    pub port: u16,
    /// What the machine lends.
    pub surroundings: Surroundings,
}

impl Instance {
    /// The URL to reach it by.
    pub fn endpoint(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The folder of everything that is kept.
    pub fn root(&self) -> PathBuf {
        self.surroundings.cache.join("localstack")
    }

    /// The folder of what runs on this port.
    pub(super) fn run(&self) -> PathBuf {
        self.root().join(format!("run-{}", self.port))
    }

    /// The file that is locked while something is done about this port.
    pub(super) fn run_lock(&self) -> PathBuf {
        self.root().join(format!("run-{}.lock", self.port))
    }

    /// Whether the LocalStack of this port has been ready since it was started.
    pub(super) fn has_been_ready(&self) -> bool {
        self.run().join("ready").exists()
    }

    /// Keeps in mind that it is ready.
    pub(super) fn mark_ready(&self) -> Result<()> {
        file::write(&self.run().join("ready"), "").map_err(|error| {
            Error::other(format!("cannot write into {}", self.run().display())).because(error)
        })
    }

    /// The log of a LocalStack that runs from packages.
    pub fn log(&self) -> PathBuf {
        self.run().join("log")
    }
}

/// A lock file that is held until the value is dropped, or the process ends.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Locks a file; waits for whoever holds it.
    pub(super) fn hold(path: &Path, steps: &StepSink) -> Result<Self> {
        let locked = || loop {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            let file = file::append(path)?;
            if file.try_lock().is_err() {
                steps.begin("wait", "for another `rydes localstack` to end");
                file.lock()?;
            }
            // Whoever held it may have removed it; then the next one locks another file.
            if is_same(&file, path)? {
                return Ok::<_, io::Error>(file);
            }
        };
        match locked() {
            Ok(file) => Ok(Self { path: path.to_owned(), _file: file }),
            Err(error) => {
                Err(Error::other(format!("cannot lock {}", path.display())).because(error))
            }
        }
    }

    /// Removes the folder that was locked, and with it the lock file.
    pub(super) fn give_up(&self, folder: &Path) -> Result<()> {
        let removed = [fs::remove_dir_all(folder), fs::remove_file(&self.path)];
        match removed.into_iter().filter_map(Result::err).find(|e| e.kind() != ErrorKind::NotFound)
        {
            None => Ok(()),
            Some(error) => {
                Err(Error::other(format!("cannot remove {}", folder.display())).because(error))
            }
        }
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
