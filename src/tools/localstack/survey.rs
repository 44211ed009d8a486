//! What this machine has to run LocalStack with, and which way to take. Starts nothing.

use std::thread;

use super::advice::Manager;
use super::docker::Docker;
use super::manifest::Soundness;
use super::tools::{self, ToolProbe, Tools};
use super::{Instance, Runtime, Surroundings, install};
use crate::error::{Error, Result};

/// Which runtime is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedRuntime {
    /// Docker where an engine answers, packages elsewhere.
    Auto,
    /// This one.
    Only(Runtime),
}

/// What is looked for. Each program takes a tenth to a third of a second to tell its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurveyScope {
    /// Everything.
    All,
    /// What the wanted runtime needs; npm only where DynamoDB Local is not in the cache. The rest counts as
    /// missing.
    Needed,
}

/// What is here.
#[derive(Debug)]
pub struct Survey {
    wanted: RequestedRuntime,
    manager: Manager,
    docker: Docker,
    python: ToolProbe,
    java: ToolProbe,
    npm: ToolProbe,
    /// Whether DynamoDB Local is in the cache already, so that npm is not needed.
    fetched: bool,
}

/// One thing that a way to run LocalStack needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// What it is: `Java 11 or newer`.
    pub name: &'static str,
    /// Whether it is here.
    pub state: PrerequisiteState,
    /// What was found, if anything: a version, and what is wrong with it.
    pub found: Option<String>,
    /// The command that brings it, if it is needed.
    pub install: Option<String>,
}

/// Whether a piece is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrerequisiteState {
    /// It is here.
    Ok,
    /// It is not, but what it would be needed for is in the cache.
    NotNeeded,
    /// It is not, or not as it has to be.
    Missing,
}

/// The way to take, with what it takes.
#[derive(Debug)]
pub enum RuntimeChoice {
    /// Docker Compose.
    Docker,
    /// The packages.
    Packages(Tools),
}

impl Survey {
    /// Looks for all of it at once.
    ///
    /// # Panics
    /// Only where looking itself panics.
    pub fn look(instance: &Instance, wanted: RequestedRuntime, scope: SurveyScope) -> Self {
        let surroundings = &instance.surroundings;
        let fetched = install::has_dynamodb_local(instance);
        let looks_for = |runtime| {
            scope == SurveyScope::All
                || [RequestedRuntime::Auto, RequestedRuntime::Only(runtime)].contains(&wanted)
        };
        let (docker, packages) = (looks_for(Runtime::Docker), looks_for(Runtime::Packages));
        let npm = packages && (scope == SurveyScope::All || !fetched);
        let found = |is_looked_for: bool, look: fn(&Surroundings) -> ToolProbe| {
            if is_looked_for { look(surroundings) } else { ToolProbe::Missing }
        };
        thread::scope(|scope| {
            let docker =
                scope.spawn(move || if docker { Docker::look() } else { Docker::missing() });
            let python = scope.spawn(move || found(packages, tools::python));
            let java = scope.spawn(move || found(packages, tools::java));
            let npm = found(npm, tools::npm);
            let unwell = "looking does not panic";
            Self {
                wanted,
                manager: Manager::here(),
                docker: docker.join().expect(unwell),
                python: python.join().expect(unwell),
                java: java.join().expect(unwell),
                npm,
                fetched,
            }
        })
    }

    /// What was asked for.
    pub fn wanted(&self) -> RequestedRuntime {
        self.wanted
    }

    /// What is wrong with Docker, each with what mends it; nothing when it can be used.
    pub fn docker_problems(&self) -> Vec<(String, String)> {
        self.docker.problems(self.manager)
    }

    /// The versions of Docker's client and its compose plugin, as far as they are here.
    pub fn docker_version(&self) -> String {
        let client = self.docker.client.map(|version| format!("client {version}"));
        let compose = self.docker.compose.map(|version| format!("compose {version}"));
        client.into_iter().chain(compose).collect::<Vec<_>>().join(", ")
    }

    /// What the package way needs, here or not.
    pub fn pieces(&self) -> [Prerequisite; 3] {
        let manager = self.manager;
        let mut npm = piece("npm", &self.npm, |_| manager.npm());
        if self.fetched && npm.state == PrerequisiteState::Missing {
            npm = Prerequisite { state: PrerequisiteState::NotNeeded, install: None, ..npm };
        }
        [
            piece("Python 3.13", &self.python, |found| manager.python(found)),
            piece("Java 11 or newer", &self.java, |_| manager.java()),
            npm,
        ]
    }

    /// How what was installed is, its contents compared: each part with its name. Of what is damaged, this
    /// survey and the next `up` know.
    pub fn cache(&mut self, instance: &Instance) -> Vec<(&'static str, Soundness)> {
        let python = match &self.python {
            ToolProbe::Fits(python) => Some(python),
            ToolProbe::Unfit(..) | ToolProbe::Missing => None,
        };
        let parts = install::examine(instance, python);
        self.fetched = install::has_dynamodb_local(instance);
        parts
    }

    /// Why packages are taken, or Docker is, in lines.
    pub fn why(&self, plan: &RuntimeChoice) -> Vec<String> {
        match (plan, self.wanted) {
            (RuntimeChoice::Docker, RequestedRuntime::Auto) => {
                let versions = self.docker_version();
                vec![format!("docker {versions}: using Docker   (else: --runtime packages)")]
            }
            (RuntimeChoice::Docker, RequestedRuntime::Only(_)) => {
                vec![format!("docker {}: using Docker", self.docker_version())]
            }
            (RuntimeChoice::Packages(tools), wanted) => {
                let problems =
                    self.docker_problems().into_iter().filter(|_| wanted == RequestedRuntime::Auto);
                let mut lines: Vec<_> =
                    problems.map(|(problem, _)| format!("docker: {problem}")).collect();
                lines.push(format!("using packages ({})", tools.versions()));
                lines
            }
        }
    }

    /// The way to take.
    ///
    /// # Errors
    /// When what was asked for is not complete.
    pub fn plan(&self) -> Result<RuntimeChoice> {
        let docker = self.docker.is_whole();
        match self.wanted {
            RequestedRuntime::Auto | RequestedRuntime::Only(Runtime::Docker) if docker => {
                Ok(RuntimeChoice::Docker)
            }
            RequestedRuntime::Only(Runtime::Docker) => {
                let (problems, advice): (Vec<_>, Vec<_>) =
                    self.docker_problems().into_iter().unzip();
                let error =
                    Error::other("Docker cannot be used here").because(problems.join(",\n    "));
                let error = advice.into_iter().fold(error, Error::hint);
                Err(error.hint("without Docker: --runtime packages"))
            }
            RequestedRuntime::Auto | RequestedRuntime::Only(Runtime::Packages) => self.packages(),
        }
    }

    fn packages(&self) -> Result<RuntimeChoice> {
        let npm = self.npm.clone().fitting();
        match (&self.python, &self.java) {
            (ToolProbe::Fits(python), ToolProbe::Fits(java)) if npm.is_some() || self.fetched => {
                Ok(RuntimeChoice::Packages(Tools {
                    python: python.clone(),
                    java: java.clone(),
                    npm,
                }))
            }
            _ if self.wanted == RequestedRuntime::Auto => {
                Err(Error::other("neither way to run LocalStack is complete"))
            }
            _ => Err(Error::other("LocalStack's packages need what is missing above")),
        }
    }
}

fn piece(
    name: &'static str,
    found: &ToolProbe,
    install: impl Fn(&ToolProbe) -> String,
) -> Prerequisite {
    let (state, told) = match found {
        ToolProbe::Fits(tool) => (PrerequisiteState::Ok, Some(tool.version.to_string())),
        ToolProbe::Unfit(version, why) => {
            (PrerequisiteState::Missing, Some(format!("{version}, {why}")))
        }
        ToolProbe::Missing => (PrerequisiteState::Missing, None),
    };
    let install = (state == PrerequisiteState::Missing).then(|| install(found));
    Prerequisite { name, state, found: told, install }
}
