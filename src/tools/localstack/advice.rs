//! How to install what is missing, as commands of this machine's package manager. Runs nothing but a query of
//! apt's lists.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::command::run;
use super::tools::{ToolProbe, Version};

const APT: &str = "/usr/bin/apt-get";
const APT_CACHE: &str = "/usr/bin/apt-cache";
const DNF: &str = "/usr/bin/dnf";

/// This machine's package manager. Most methods return a command for the user to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Brew,
    Apt,
    Dnf,
    Other,
}

impl Manager {
    pub(super) fn here() -> Self {
        if cfg!(target_os = "macos") {
            Self::Brew
        } else if Path::new(APT).exists() {
            Self::Apt
        } else if Path::new(DNF).exists() {
            Self::Dnf
        } else {
            Self::Other
        }
    }

    pub(super) fn python(self, found: &ToolProbe) -> String {
        if let (Self::Apt, ToolProbe::Unfit(Version(3, 13, _), _)) = (self, found) {
            return sudo("apt-get install python3.13-venv");
        }
        match self {
            Self::Brew => "brew install python@3.13".to_owned(),
            Self::Dnf => sudo("dnf install python3.13"),
            Self::Apt if apt_offers_python() => sudo("apt-get install python3.13 python3.13-venv"),
            Self::Apt | Self::Other => "curl -LsSf https://astral.sh/uv/install.sh | sh && \
                ~/.local/bin/uv python install 3.13"
                .to_owned(),
        }
    }

    pub(super) fn java(self) -> String {
        match self {
            Self::Brew => "brew install --cask temurin".to_owned(),
            Self::Apt => sudo("apt-get install default-jre-headless"),
            Self::Dnf => sudo("dnf install java-21-openjdk-headless"),
            Self::Other => "install Java 21: https://adoptium.net".to_owned(),
        }
    }

    pub(super) fn npm(self) -> String {
        match self {
            Self::Brew => "brew install node".to_owned(),
            Self::Apt => sudo("apt-get install npm"),
            Self::Dnf => sudo("dnf install nodejs-npm"),
            Self::Other => "install Node.js: https://nodejs.org".to_owned(),
        }
    }

    /// Installs Docker with its compose plugin.
    pub(super) fn docker(self) -> String {
        match self {
            Self::Brew => "brew install --cask docker".to_owned(),
            _ => "curl -fsSL https://get.docker.com | sh".to_owned(),
        }
    }

    /// Starts Docker's engine.
    pub(super) fn engine(self) -> String {
        match self {
            Self::Brew => "open -a Docker".to_owned(),
            _ => format!("start Docker Desktop, or: {}", sudo("systemctl start docker")),
        }
    }

    /// Lets this user reach the engine.
    pub(super) fn permission(self) -> String {
        match self {
            Self::Brew => "open -a Docker".to_owned(),
            _ => "sudo usermod -aG docker $USER, then log in again".to_owned(),
        }
    }

    /// Installs the compose plugin alone.
    pub(super) fn compose(self) -> String {
        match self {
            Self::Brew => "brew install docker-compose".to_owned(),
            Self::Apt => {
                sudo("apt-get install docker-compose-plugin || ")
                    + &sudo("apt-get install docker-compose-v2")
            }
            Self::Dnf => sudo("dnf install docker-compose-plugin"),
            Self::Other => "see https://docs.docker.com/compose/install/linux".to_owned(),
        }
    }
}

/// A command for root. Root itself may have no `sudo`.
fn sudo(command: &str) -> String {
    let prefix = if rustix::process::getuid().is_root() { "" } else { "sudo " };
    format!("{prefix}{command}")
}

/// Whether apt can install Python 3.13. Asked only once: apt takes a second to read its lists.
fn apt_offers_python() -> bool {
    static OFFERS: OnceLock<bool> = OnceLock::new();
    *OFFERS.get_or_init(|| {
        let mut policy = Command::new(APT_CACHE);
        let policy = run(policy.args(["policy", "python3.13"]), Duration::from_secs(10));
        policy.is_ok_and(|policy| {
            policy.out.lines().any(|line| line.contains("Candidate: ") && !line.contains("(none)"))
        })
    })
}
