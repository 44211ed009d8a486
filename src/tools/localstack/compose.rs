//! LocalStack in Docker, as one compose project for each port. Never touches a container of another project.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::command::{last_lines, require, run};
use super::steps::StepSink;
use super::{Instance, health};
use crate::error::{Error, Result};
use crate::tools::file;

const COMPOSE: &str = include_str!("../../../docker-compose.yml");
/// The image that the compose file pins.
const IMAGE: &str = "localstack/localstack:4.14.0";
/// Time limit to pull the image, which has 400 MB.
const PULL: Duration = Duration::from_mins(30);
/// Time limit for the container to start, to become healthy or to be removed.
const COMPOSED: Duration = Duration::from_mins(3);
const LOGS: Duration = Duration::from_secs(5);

/// Pulls the image unless it is here, starts the project and waits until it is healthy.
pub(super) fn start(instance: &Instance, steps: &StepSink) -> Result<()> {
    let image = instance.surroundings.image.as_deref().unwrap_or(IMAGE);
    steps.take("image", image, || pull(instance, image))?;
    let name = format!("{}, {}:{}", project(instance), instance.reach.address(), instance.port);
    steps.take("start", &name, || {
        let mut up = compose(instance)?;
        // Before the container runs: an `up` that is broken off here must not count as private.
        instance.note_reach().map_err(|error| {
            Error::other(format!("cannot write into {}", instance.run().display())).because(error)
        })?;
        require("docker compose up", up.args(["up", "-d"]), COMPOSED)?;
        Ok("started")
    })?;
    steps.take("ready", &health::SERVICES.join(" "), || {
        let up = require("LocalStack", compose(instance)?.args(["up", "-d", "--wait"]), COMPOSED);
        up.map_err(|error| error.because(tail(instance)))?;
        super::wait(instance, || None)?;
        Ok("running")
    })
}

fn pull(instance: &Instance, image: &str) -> Result<&'static str> {
    let mut inspect = Command::new("docker");
    inspect.args(["image", "inspect", "--format", "{{.Id}}", image]);
    if run(&mut inspect, COMPOSED).is_ok_and(|outcome| outcome.ok) {
        return Ok("kept");
    }
    require("docker compose pull", compose(instance)?.args(["pull", "--quiet"]), PULL)?;
    Ok("pulled")
}

/// Whether `up` has started, or begun to start, a container on this port.
pub(super) fn is_ours(instance: &Instance) -> bool {
    compose_file(instance).exists()
}

/// Removes what belongs to the project, and nothing else.
pub(super) fn stop(instance: &Instance) -> Result<()> {
    require("docker compose down", compose(instance)?.args(["down", "-v"]), COMPOSED).map(drop)
}

/// Stops the container but keeps it, with its log.
pub(super) fn halt(instance: &Instance) -> Result<()> {
    require("docker compose stop", compose(instance)?.arg("stop"), COMPOSED).map(drop)
}

/// Starts `docker compose logs`; the caller reads its stdout.
pub(super) fn logs(instance: &Instance, arguments: &[&str]) -> Result<Child> {
    let mut command = compose(instance)?;
    command.args(["logs", "--no-color", "--no-log-prefix"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|error| Error::other("cannot run docker").because(error))
}

fn tail(instance: &Instance) -> String {
    let command = compose(instance).map_err(|error| io::Error::other(error.to_string()));
    let logs = command.and_then(|mut command| {
        run(command.args(["logs", "--no-color", "--no-log-prefix", "--tail", "20"]), LOGS)
    });
    logs.map_or_else(|error| error.to_string(), |logs| last_lines(&logs.out))
}

/// The `docker compose` command for the project of this port. Writes the compose file first.
fn compose(instance: &Instance) -> Result<Command> {
    let compose_file = compose_file(instance);
    fs::create_dir_all(instance.run()).and_then(|()| file::write(&compose_file, COMPOSE)).map_err(
        |error| Error::other(format!("cannot write {}", compose_file.display())).because(error),
    )?;
    let mut command = Command::new("docker");
    command.args(["compose", "-p", &project(instance), "-f"]).arg(compose_file);
    command.env("RYDES_LOCALSTACK_PORT", instance.port.to_string());
    command.env("RYDES_LOCALSTACK_HOST", instance.reach.address().to_string());
    command.env("RYDES_LOCALSTACK_QUEUE_URLS", instance.queue_urls().unwrap_or_default());
    match &instance.surroundings.image {
        Some(image) => command.env("RYDES_LOCALSTACK_IMAGE", image),
        None => command.env_remove("RYDES_LOCALSTACK_IMAGE"),
    };
    command.env("RYDES_LOCALSTACK_SERVICES", instance.surroundings.services());
    Ok(command)
}

fn compose_file(instance: &Instance) -> PathBuf {
    instance.run().join("docker-compose.yml")
}

fn project(instance: &Instance) -> String {
    match instance.port {
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
        assert!(COMPOSE.contains(
            r#"- "${RYDES_LOCALSTACK_HOST:-127.0.0.1}:${RYDES_LOCALSTACK_PORT:-4566}:4566""#
        ));
        assert_eq!(COMPOSE.matches(":4566\"").count(), 1, "one port is published");
        assert!(COMPOSE.contains("SQS_ENDPOINT_STRATEGY: ${RYDES_LOCALSTACK_QUEUE_URLS:-}\n"));
        let services = health::SERVICES.join(",");
        assert!(
            COMPOSE.contains(&format!("SERVICES: ${{RYDES_LOCALSTACK_SERVICES:-{services}}}\n"))
        );
        for service in health::SERVICES {
            assert!(COMPOSE.contains(&format!("\"{service}\"")), "the health check asks for it");
        }
        assert!(!COMPOSE.contains("latest\n"));
        assert!(COMPOSE.contains("OUTBOUND_HTTPS_PROXY: http://127.0.0.1:1\n"), "fetches nothing");
    }
}
