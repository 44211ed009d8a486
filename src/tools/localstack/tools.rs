//! Finds the programs that LocalStack's packages need, and their versions. Installs nothing.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Surroundings;
use super::command::run;

/// Time limit for a program to print its version.
const LIMIT: Duration = Duration::from_secs(20);
/// Prints the version, then `venv` if a virtual environment can be made (Debian packages that separately).
const PYTHON_PROBE: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3], flush=True)
import ensurepip, venv; print('venv')";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) path: PathBuf,
    pub(super) version: Version,
}

#[derive(Debug)]
pub struct Tools {
    pub(super) python: Tool,
    pub(super) java: Tool,
    /// `None` when it is not needed.
    pub(super) npm: Option<Tool>,
}

impl Tools {
    pub(super) fn versions(&self) -> String {
        let npm = self.npm.as_ref().map(|npm| format!(", npm {}", npm.version));
        let (python, java) = (self.python.version, self.java.version);
        format!("Python {python}, Java {java}{}", npm.unwrap_or_default())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToolProbe {
    Fits(Tool),
    /// Found, but too old, too new or incomplete.
    Unfit(Version, &'static str),
    Missing,
}

impl ToolProbe {
    pub(super) fn fitting(self) -> Option<Tool> {
        match self {
            Self::Fits(tool) => Some(tool),
            Self::Unfit(..) | Self::Missing => None,
        }
    }
}

/// Major, minor and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32, pub(super) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// The first version in a text: `17.0.15` in `openjdk version "17.0.15" 2025-04-15`.
    pub(super) fn find(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let rest = &text[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let mut parts = rest[..end].split('.').map(|part| part.parse().ok());
        Some(Self(
            parts.next()??,
            parts.next().flatten().unwrap_or(0),
            parts.next().flatten().unwrap_or(0),
        ))
    }
}

/// A Python that LocalStack 4.14.0 runs on: 3.13. Its services need `warnings.deprecated`, which 3.12 lacks, and
/// its packages have no resolution for 3.14. `python3` and `python` come last: on the `PATH`, pyenv has scripts, which
/// take 0.1 s each.
pub(super) fn python(surroundings: &Surroundings) -> ToolProbe {
    let named = ["python3.13"].map(PathBuf::from).into_iter().chain(off_path(surroundings));
    let unnamed = ["python3", "python"].map(PathBuf::from);
    let mut best = ToolProbe::Missing;
    for candidate in named.chain(unnamed) {
        match try_python(&candidate) {
            fits @ ToolProbe::Fits(_) => return fits,
            ToolProbe::Unfit(version, why) => {
                // The newest of the unsuitable versions is the one to report.
                let known = matches!(best, ToolProbe::Unfit(known, _) if known.1 >= version.1);
                if !known {
                    best = ToolProbe::Unfit(version, why);
                }
            }
            ToolProbe::Missing => {}
        }
    }
    best
}

fn try_python(path: &Path) -> ToolProbe {
    let probe = run(Command::new(path).args(["-I", "-c", PYTHON_PROBE]), LIMIT);
    let Some((probe, version)) = probe.ok().and_then(|p| Version::find(&p.out).map(|v| (p, v)))
    else {
        return ToolProbe::Missing;
    };
    match version {
        Version(3, 13, _) if probe.ok => ToolProbe::Fits(Tool { path: path.to_owned(), version }),
        Version(3, 13, _) => ToolProbe::Unfit(version, "without venv"),
        later if later > Version(3, 13, 0) => ToolProbe::Unfit(later, "too new"),
        older => ToolProbe::Unfit(older, "too old"),
    }
}

/// The Pythons that pyenv or uv installed, perhaps outside the `PATH`.
fn off_path(surroundings: &Surroundings) -> Vec<PathBuf> {
    let Some(home) = &surroundings.home else { return Vec::new() };
    let versions = home.join(".pyenv/versions").read_dir().into_iter().flatten().flatten();
    let mut names: Vec<_> = versions
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("3.13"))
        .collect();
    names.sort_by(|a, b| b.cmp(a));
    let pyenv = names.iter().map(|name| home.join(".pyenv/versions").join(name).join("bin/python"));
    pyenv.chain([home.join(".local/bin/python3.13")]).collect()
}

/// A Java that DynamoDB Local runs on: 11 or newer.
pub(super) fn java(surroundings: &Surroundings) -> ToolProbe {
    let home = surroundings.variable("JAVA_HOME").map(|home| Path::new(home).join("bin/java"));
    let candidates = surroundings.on_path("java").into_iter().chain(home);
    let mut best = ToolProbe::Missing;
    for path in candidates {
        let Some(version) = version_of(&path, "-version") else { continue };
        if version >= Version(11, 0, 0) {
            return ToolProbe::Fits(Tool { path, version });
        }
        best = ToolProbe::Unfit(version, "too old");
    }
    best
}

/// Any version: npm downloads only one package.
pub(super) fn npm(surroundings: &Surroundings) -> ToolProbe {
    let path = surroundings.on_path("npm");
    let tool = path.and_then(|path| version_of(&path, "--version").map(|v| (path, v)));
    tool.map_or(ToolProbe::Missing, |(path, version)| ToolProbe::Fits(Tool { path, version }))
}

/// The version that a program prints; `None` when it is missing or fails.
pub(super) fn version_of(program: impl AsRef<OsStr>, argument: &str) -> Option<Version> {
    let outcome = run(Command::new(program).arg(argument), LIMIT).ok()?;
    outcome.ok.then(|| Version::find(&(outcome.out + &outcome.err)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_programs_tell_them() {
        for (text, version) in [
            ("Docker version 28.2.2, build e6534b4", Version(28, 2, 2)),
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK", Version(17, 0, 15)),
            ("java version \"1.8.0_401\"", Version(1, 8, 0)),
            ("openjdk version \"21\" 2023-09-19", Version(21, 0, 0)),
            ("v2.36.0-desktop.1", Version(2, 36, 0)),
            ("3.13.0\nvenv\n", Version(3, 13, 0)),
            ("10.9.2", Version(10, 9, 2)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("none"), None);
    }
}
