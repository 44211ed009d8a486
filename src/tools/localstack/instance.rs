//! Where LocalStack runs and where its files are: one folder for the installed parts, one for each port. Reads no
//! environment.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::health::SERVICES;
use super::steps::StepSink;
use crate::error::{Error, Result};
use crate::tools::file;

/// The machine's environment, as the caller has read it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The cache folder, absolute.
    pub cache: PathBuf,
    pub home: Option<PathBuf>,
    /// The image to run instead of the pinned one.
    pub image: Option<String>,
    /// The services to run instead of the three that are needed, separated by commas. It includes those three.
    pub services: Option<String>,
    /// The variables that LocalStack may see, `PATH` among them.
    pub variables: Vec<(String, OsString)>,
}

impl Surroundings {
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    pub(super) fn services(&self) -> String {
        self.services.clone().unwrap_or_else(|| SERVICES.join(","))
    }

    /// Finds a program on the `PATH`.
    pub(super) fn on_path(&self, program: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(self.variable("PATH")?);
        folders.map(|folder| folder.join(program)).find(|path| path.is_file())
    }
}

/// Who can reach LocalStack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    ThisMachine,
    /// Every machine that can reach one of the addresses of this one.
    Network,
}

impl Reach {
    /// The address that LocalStack listens on. Both include 127.0.0.1, where `rydes` looks for it.
    pub fn address(self) -> Ipv4Addr {
        match self {
            Self::ThisMachine => Ipv4Addr::LOCALHOST,
            Self::Network => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// LocalStack on one port of this machine.
#[derive(Debug, Clone)]
pub struct Instance {
    pub port: u16,
    /// What `up` gives it. One that runs already has its own: [`reach`](super::reach).
    pub reach: Reach,
    pub surroundings: Surroundings,
}

impl Instance {
    pub fn endpoint(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub fn root(&self) -> PathBuf {
        self.surroundings.cache.join("localstack")
    }

    pub(super) fn run(&self) -> PathBuf {
        self.root().join(format!("run-{}", self.port))
    }

    /// The file that is locked while a command works on this port.
    pub(super) fn run_lock(&self) -> PathBuf {
        self.root().join(format!("run-{}.lock", self.port))
    }

    /// Whether the LocalStack of this port has been ready since it was started.
    pub(super) fn has_been_ready(&self) -> bool {
        self.run().join("ready").exists()
    }

    /// How LocalStack makes the URLs of queues. Some SDKs send requests to such a URL, so that for other machines it
    /// must have the host by which they asked, not `localhost`. `None` for LocalStack's own choice.
    /// <https://docs.localstack.cloud/references/configuration/>
    pub(super) fn queue_urls(&self) -> Option<&'static str> {
        (self.reach == Reach::Network).then_some("dynamic")
    }

    /// Keeps the address that LocalStack is started with.
    pub(super) fn note_reach(&self) -> io::Result<()> {
        file::write(&self.run().join("host"), self.reach.address().to_string())
    }

    /// The reach that was kept. An older `rydes` kept none.
    pub(super) fn noted_reach(&self) -> Reach {
        let noted = file::read(&self.run().join("host")).unwrap_or_default();
        let is_network = noted == Reach::Network.address().to_string().as_bytes();
        if is_network { Reach::Network } else { Reach::ThisMachine }
    }

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

/// A lock file that is held until the value is dropped, or the process ends. Dropping the value removes the file.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked: one that waits for it locks a new file afterwards. A file that stays does no harm.
        if is_same(&self.file, &self.path).unwrap_or(false) {
            _ = fs::remove_file(&self.path);
        }
    }
}

impl Lock {
    /// Locks a file, and waits while another process holds the lock.
    pub(super) fn hold(path: &Path, steps: &StepSink) -> Result<Self> {
        let locked = || loop {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            let file = file::append(path)?;
            if file.try_lock().is_err() {
                steps.begin("wait", "for another `rydes localstack` to end");
                file.lock()?;
            }
            // The previous holder may have removed the file. Others would then lock a new one.
            if is_same(&file, path)? {
                return Ok::<_, io::Error>(file);
            }
        };
        match locked() {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) => {
                Err(Error::other(format!("cannot lock {}", path.display())).because(error))
            }
        }
    }
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::other(format!("cannot remove {}", folder.display())).because(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
