//! Which parts of Docker this machine has, and what is wrong with them. Starts nothing.

use std::process::Command;
use std::time::Duration;

use super::advice::Manager;
use super::command::run;
use super::tools::{Version, version_of};

/// Time limit for any answer of the engine.
const ENGINE: Duration = Duration::from_secs(5);
#[derive(Debug)]
pub struct Docker {
    pub(super) client: Option<Version>,
    pub(super) engine: Engine,
    pub(super) compose: Option<Version>,
}

/// The state of the engine. Where it fails, with its address or the client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Engine {
    Answers,
    Denies(String),
    Silent(String),
}

impl Docker {
    pub(super) fn look() -> Self {
        let client = version_of("docker", "--version");
        if client.is_none() {
            return Self::missing();
        }
        let compose = run(Command::new("docker").args(["compose", "version", "--short"]), ENGINE);
        let compose = compose.ok().filter(|c| c.ok).and_then(|c| Version::find(&c.out));
        let mut ask = Command::new("docker");
        ask.args(["version", "--format", "{{.Server.Version}}"]);
        let engine = match run(&mut ask, ENGINE) {
            Ok(answer) if answer.ok => Engine::Answers,
            Ok(answer) => Engine::of(&answer.err),
            Err(error) => Engine::Silent(error.to_string()),
        };
        Self { client, engine, compose }
    }

    pub(super) fn missing() -> Self {
        Self { client: None, engine: Engine::Silent("no client".to_owned()), compose: None }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.problems(Manager::Other).is_empty()
    }

    /// Each problem with the command that solves it.
    pub(super) fn problems(&self, manager: Manager) -> Vec<(String, String)> {
        if self.client.is_none() {
            return vec![("not installed".to_owned(), manager.docker())];
        }
        let engine = match &self.engine {
            Engine::Answers => None,
            Engine::Denies(at) => {
                Some((format!("the engine refuses this user ({at})"), manager.permission()))
            }
            Engine::Silent(at) => {
                Some((format!("client found, engine does not answer ({at})"), manager.engine()))
            }
        };
        let compose = self
            .compose
            .is_none()
            .then(|| ("the compose plugin is missing".to_owned(), manager.compose()));
        engine.into_iter().chain(compose).collect()
    }
}

impl Engine {
    /// Derives the state from the client's error message.
    fn of(said: &str) -> Self {
        let address = said
            .split_whitespace()
            .find(|word| {
                ["unix://", "tcp://", "npipe://", "ssh://"].iter().any(|s| word.starts_with(s))
            })
            .map(|word| word.trim_end_matches(['.', ':', ';', ',']).to_owned());
        let at = address.unwrap_or_else(|| said.lines().next().unwrap_or_default().to_owned());
        if said.to_lowercase().contains("permission denied") {
            Self::Denies(at)
        } else {
            Self::Silent(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_why_the_engine_was_not_reached() {
        let socket = "unix:///var/run/docker.sock".to_owned();
        for said in [
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
             daemon running?",
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path",
        ] {
            assert_eq!(Engine::of(said), Engine::Silent(socket.clone()));
        }
        let said = "permission denied while trying to connect to the Docker daemon socket at \
                    unix:///var/run/docker.sock: Get \"http://%2Fvar\": dial unix";
        assert_eq!(Engine::of(said), Engine::Denies(socket));
        assert_eq!(Engine::of("odd\nvery"), Engine::Silent("odd".to_owned()));
    }
}
