//! LocalStack in Docker: what of Docker is here, and the compose project that is ours. Never touches
//! a container of another project.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::advice::Manager;
use super::command::{last_lines, require, run};
use super::steps::Steps;
use super::tools::{Version, version_of};
use super::{Place, health};
use crate::error::{Error, Result};

/// The compose file, the same as at the root of the repository.
pub(super) const COMPOSE: &str = include_str!("../../docker-compose.yml");
/// The image that the compose file pins.
const IMAGE: &str = "localstack/localstack:4.14.0";
/// How long an engine may take to answer at all.
const ENGINE: Duration = Duration::from_secs(5);
/// How long the image may take to come: it has 400 MB.
const PULL: Duration = Duration::from_secs(30 * 60);
/// How long the container may take to be started, to be healthy or to be gone.
const COMPOSED: Duration = Duration::from_secs(180);

/// What of Docker is here.
#[derive(Debug)]
pub struct Docker {
    pub(super) client: Option<Version>,
    pub(super) engine: Engine,
    pub(super) compose: Option<Version>,
}

/// How the engine is; where not well, with its address or what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Engine {
    /// It answers.
    Answers,
    /// It refuses this user.
    Denies(String),
    /// It does not answer.
    Silent(String),
}

impl Docker {
    /// Looks.
    pub(super) fn look() -> Self {
        let client = version_of("docker", "--version");
        if client.is_none() {
            return Self { client, engine: Engine::Silent("no client".to_owned()), compose: None };
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

    /// Whether LocalStack can be run with it.
    pub(super) fn is_whole(&self) -> bool {
        self.problems(Manager::Other).is_empty()
    }

    /// What is wrong with it, and what mends that.
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
    /// Tells from what the client says why it did not reach its engine.
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

/// Pulls the image unless it is here, starts the project and waits until it is healthy.
pub(super) fn start(place: &Place, steps: &Steps) -> Result<()> {
    let image = place.surroundings.image.as_deref().unwrap_or(IMAGE);
    steps.take("image", image, || pull(place, image))?;
    let name = format!("{}, 127.0.0.1:{}", project(place), place.port);
    steps.take("start", &name, || {
        require("docker compose up", compose(place)?.args(["up", "-d"]), COMPOSED)?;
        Ok("started")
    })?;
    steps.take("ready", &health::SERVICES.join(" "), || {
        let up = require("LocalStack", compose(place)?.args(["up", "-d", "--wait"]), COMPOSED);
        up.map_err(|error| error.because(tail(place)))?;
        super::wait(place, || true)?;
        Ok("running")
    })
}

fn pull(place: &Place, image: &str) -> Result<&'static str> {
    let mut inspect = Command::new("docker");
    inspect.args(["image", "inspect", "--format", "{{.Id}}", image]);
    if run(&mut inspect, COMPOSED).is_ok_and(|outcome| outcome.ok) {
        return Ok("kept");
    }
    require("docker compose pull", compose(place)?.args(["pull", "--quiet"]), PULL)?;
    Ok("pulled")
}

/// Whether `up` has started, or begun to start, a container on this port.
pub(super) fn is_ours(place: &Place) -> bool {
    compose_file(place).exists()
}

/// Removes the container, and nothing but what belongs to the project.
pub(super) fn stop(place: &Place) -> Result<()> {
    require("docker compose down", compose(place)?.args(["down", "-v"]), COMPOSED).map(drop)
}

/// A running `docker compose logs`, its stdout to be read.
pub(super) fn logs(place: &Place, arguments: &[&str]) -> Result<std::process::Child> {
    let mut command = compose(place)?;
    command.args(["logs", "--no-color", "--no-log-prefix"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|error| Error::other("cannot run docker").because(error))
}

/// The last lines of the container's log.
fn tail(place: &Place) -> String {
    let command = compose(place).map_err(|error| io::Error::other(error.to_string()));
    let logs = command.and_then(|mut command| {
        run(command.args(["logs", "--no-color", "--no-log-prefix", "--tail", "20"]), ENGINE)
    });
    logs.map_or_else(|error| error.to_string(), |logs| last_lines(&logs.out))
}

/// `docker compose` for the project of this port; writes its file first.
fn compose(place: &Place) -> Result<Command> {
    let file = compose_file(place);
    fs::create_dir_all(place.run())
        .and_then(|()| fs::write(&file, COMPOSE))
        .map_err(|error| Error::other(format!("cannot write {}", file.display())).because(error))?;
    let mut command = Command::new("docker");
    command.args(["compose", "-p", &project(place), "-f"]).arg(file);
    command.env("RYDES_LOCALSTACK_PORT", place.port.to_string());
    match &place.surroundings.image {
        Some(image) => command.env("RYDES_LOCALSTACK_IMAGE", image),
        None => command.env_remove("RYDES_LOCALSTACK_IMAGE"),
    };
    Ok(command)
}

fn compose_file(place: &Place) -> std::path::PathBuf {
    place.run().join("docker-compose.yml")
}

/// The name of the compose project: it tells the ports apart.
fn project(place: &Place) -> String {
    match place.port {
        super::DEFAULT_PORT => "rydes-localstack".to_owned(),
        port => format!("rydes-localstack-{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_file_pins_the_image_and_keeps_to_loopback() {
        assert!(COMPOSE.contains(&format!("image: ${{RYDES_LOCALSTACK_IMAGE:-{IMAGE}}}\n")));
        assert!(COMPOSE.contains(r#"- "127.0.0.1:${RYDES_LOCALSTACK_PORT:-4566}:4566""#));
        assert_eq!(COMPOSE.matches(":4566\"").count(), 1, "one port is published");
        assert!(COMPOSE.contains("SERVICES: sns,sqs,dynamodb\n"));
        for service in health::SERVICES {
            assert!(COMPOSE.contains(&format!("\"{service}\"")), "the health check asks for it");
        }
        assert!(!COMPOSE.contains("latest\n"));
    }

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
