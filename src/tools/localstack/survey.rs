//! What this machine offers to run LocalStack with, and which runtime to choose. Starts nothing.

use std::thread;

use super::advice::Manager;
use super::docker::Docker;
use super::manifest::Soundness;
use super::tools::{self, ToolProbe, Tools};
use super::{Instance, Runtime, Surroundings, install};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedRuntime {
    /// Docker where an engine answers, packages elsewhere.
    Auto,
    Only(Runtime),
}

/// How much to look for. Each program takes 0.1 to 0.3 s to print its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurveyScope {
    All,
    /// What the requested runtime needs; npm only if DynamoDB Local is not in the cache. The rest counts as
    /// missing.
    Needed,
}

#[derive(Debug)]
pub struct Survey {
    wanted: RequestedRuntime,
    manager: Manager,
    docker: Docker,
    python: ToolProbe,
    java: ToolProbe,
    npm: ToolProbe,
    /// DynamoDB Local is in the cache, so npm is not needed.
    fetched: bool,
}

/// A program that LocalStack's packages need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// For example `Java 11 or newer`.
    pub name: &'static str,
    pub state: PrerequisiteState,
    /// The version that was found, with what is wrong with it.
    pub found: Option<String>,
    /// The command that installs it, if it is needed.
    pub install: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrerequisiteState {
    Ok,
    /// Missing, but what it would fetch is in the cache.
    NotNeeded,
    /// Missing or unsuitable.
    Missing,
}

#[derive(Debug)]
pub enum RuntimeChoice {
    Docker,
    Packages(Tools),
}

impl Survey {
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

    pub fn wanted(&self) -> RequestedRuntime {
        self.wanted
    }

    /// Each problem with Docker, with the command that solves it; empty when Docker is usable.
    pub fn docker_problems(&self) -> Vec<(String, String)> {
        self.docker.problems(self.manager)
    }

    pub fn docker_version(&self) -> String {
        let client = self.docker.client.map(|version| format!("client {version}"));
        let compose = self.docker.compose.map(|version| format!("compose {version}"));
        client.into_iter().chain(compose).collect::<Vec<_>>().join(", ")
    }

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

    /// The state of each installed part, with contents compared. This survey and the next `up` then know the
    /// damage.
    pub fn cache(&mut self, instance: &Instance) -> Vec<(&'static str, Soundness)> {
        let python = match &self.python {
            ToolProbe::Fits(python) => Some(python),
            ToolProbe::Unfit(..) | ToolProbe::Missing => None,
        };
        let parts = install::examine(instance, python);
        self.fetched = install::has_dynamodb_local(instance);
        parts
    }

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

    /// The runtime to use. Fails when the requested one is incomplete.
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
