//! Makes the service of each provider.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::endpoint::EndpointService;
use super::program::{Groups, ProgramService};
use super::service::{Service, ServiceContext};
use super::simulation::SimulatedService;
use super::{Served, ServedBy};
use crate::core::StackName;
use crate::error::{Error, Result};
use crate::flow::events::{Event, Sink};

/// Makes the services of one run.
pub(super) struct Services<'a> {
    pub(super) stack: &'a StackName,
    pub(super) tasks: &'a TaskTracker,
    pub(super) sink: &'a Sink<Event>,
    /// Made for the first program.
    pub(super) groups: Option<Arc<Groups>>,
}

impl Services<'_> {
    /// Makes what answers a provider's requests.
    ///
    /// # Errors
    /// Invalid for an endpoint with wrong headers; other when the watcher of programs cannot be started.
    pub(super) fn make(&mut self, served: &Served) -> Result<Arc<dyn Service>> {
        let provider = served.name.clone();
        let context = || ServiceContext {
            provider: provider.clone(),
            stack: self.stack.clone(),
            sink: Arc::clone(self.sink),
        };
        Ok(match &served.by {
            ServedBy::Simulation(simulation) => {
                let simulation = simulation.clone();
                Arc::new(SimulatedService { provider, simulation })
            }
            ServedBy::Program(program) => {
                let context = context();
                let groups = match &self.groups {
                    Some(groups) => Arc::clone(groups),
                    None => Arc::clone(self.groups.insert(Arc::new(watched_groups()?))),
                };
                let (program, tasks) = (Arc::new(program.clone()), self.tasks.clone());
                Arc::new(ProgramService { context, program, groups, tasks })
            }
            ServedBy::Endpoint(endpoint) => {
                let serving = EndpointService::new(context(), endpoint);
                let wrong = |problem| Error::invalid(format!("{}: {problem}", served.name));
                Arc::new(serving.map_err(wrong)?)
            }
        })
    }
}

fn watched_groups() -> Result<Groups> {
    Groups::watched().map_err(|error| {
        Error::other("cannot start `/bin/sh`, which ends programs that are left over")
            .because(error)
    })
}
