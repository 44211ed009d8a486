//! What this machine offers to run LocalStack with, as lines and as a document.

use serde_json::{Value, json};

use crate::core::text::printable;
use crate::tools::localstack::{
    self, Instance, PortProbe, PrerequisiteState, RequestedRuntime, Runtime, RuntimeChoice,
    Soundness, Survey,
};

/// What is here and what is missing, in lines.
pub(super) fn listing(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    if survey.wanted() != RequestedRuntime::Only(Runtime::Packages) {
        let problems = survey.docker_problems();
        if problems.is_empty() {
            lines.push(format!("docker: ok ({})", survey.docker_version()));
        }
        for (problem, advice) in problems {
            lines.push(format!("docker: {problem}"));
            lines.push(format!("        {advice}"));
        }
    }
    if survey.wanted() != RequestedRuntime::Only(Runtime::Docker) {
        lines.push("without Docker, LocalStack needs:".to_owned());
        for piece in survey.pieces() {
            let found = piece.found.map(|found| format!(" ({found})")).unwrap_or_default();
            lines.push(format!("  {:<20}  {}{found}", piece.name, state(piece.state)));
            lines.extend(piece.install.map(|install| format!("      {install}")));
        }
    }
    lines
}

/// The state of the installed parts, in lines; none if nothing is installed, or if only Docker was requested.
pub(super) fn cached(survey: &Survey, cache: &[(&str, Soundness)]) -> Vec<String> {
    let is_empty = cache.iter().all(|(_, soundness)| *soundness == Soundness::Missing);
    if is_empty || survey.wanted() == RequestedRuntime::Only(Runtime::Docker) {
        return Vec::new();
    }
    let line = |(part, soundness): &(&str, Soundness)| match soundness {
        Soundness::Whole => format!("  {part:<20}  ok, contents checked"),
        Soundness::Missing => format!("  {part:<20}  not yet"),
        Soundness::Damaged(damage) => {
            format!("  {part:<20}  damaged: {}; `up` installs it again", printable(damage))
        }
    };
    ["installed from packages:".to_owned()].into_iter().chain(cache.iter().map(line)).collect()
}

/// What is here and what is missing, as a document.
pub(super) fn document(
    instance: &Instance,
    survey: &Survey,
    cache: &[(&str, Soundness)],
    plan: Option<&RuntimeChoice>,
) -> Value {
    let problems = survey.docker_problems().into_iter();
    let pieces = survey.pieces().into_iter().map(|piece| {
        json!({
            "piece": piece.name,
            "state": state(piece.state),
            "found": piece.found,
            "install": piece.install,
        })
    });
    let runtime = plan.map(|plan| match plan {
        RuntimeChoice::Docker => name(Runtime::Docker),
        RuntimeChoice::Packages(_) => name(Runtime::Packages),
    });
    let cache = cache.iter().map(|(part, soundness)| {
        let (state, damage) = match soundness {
            Soundness::Whole => ("ok", None),
            Soundness::Missing => ("missing", None),
            Soundness::Damaged(damage) => ("damaged", Some(damage)),
        };
        json!({ "part": part, "state": state, "damage": damage })
    });
    let port = match localstack::ask(instance.port) {
        PortProbe::Nothing => "free",
        PortProbe::LocalStack(_) => "localstack",
        PortProbe::Foreign(_) => "taken",
    };
    json!({
        "endpoint": instance.endpoint(),
        "port": { "number": instance.port, "state": port },
        "runtime": runtime,
        "docker": {
            "state": if survey.docker_problems().is_empty() { "ok" } else { "missing" },
            "found": Some(survey.docker_version()).filter(|found| !found.is_empty()),
            "problems": problems
                .map(|(problem, install)| json!({ "problem": problem, "install": install }))
                .collect::<Vec<_>>(),
        },
        "packages": pieces.collect::<Vec<_>>(),
        "installed": cache.collect::<Vec<_>>(),
    })
}

fn state(state: PrerequisiteState) -> &'static str {
    match state {
        PrerequisiteState::Ok => "ok",
        PrerequisiteState::NotNeeded => "not needed",
        PrerequisiteState::Missing => "missing",
    }
}

pub(super) fn name(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Docker => "docker",
        Runtime::Packages => "packages",
    }
}
