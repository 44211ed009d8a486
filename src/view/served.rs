//! How each provider is served: by a simulation, a program or an endpoint.

use serde_json::{Value, json};

use super::table::{Column, lines_within};
use super::tone::{Line, headed};
use crate::core::show_duration;
use crate::core::text::printable;
use crate::flow::provider::{Behaviour, Program, Served, ServedBy};
use crate::settings::quoted;

/// What the tables show for a simulated provider.
pub(crate) const SIMULATED: &str = "simulated";

/// What answers, in a few words: `./quote.py --fast`, a URL, or `simulated`.
pub(crate) fn what_answers(by: &ServedBy) -> String {
    match by {
        ServedBy::Simulation(_) => SIMULATED.to_owned(),
        ServedBy::Program(program) => words(program).join(" "),
        ServedBy::Endpoint(endpoint) => printable(endpoint.url.as_str()),
    }
}

/// The words of a command, as a shell would need them.
fn words(program: &Program) -> Vec<String> {
    let path = program.path.strip_prefix(&program.folder);
    let path = match path {
        Ok(inside) => format!("./{}", inside.display()),
        Err(_) => program.path.display().to_string(),
    };
    let arguments = program.arguments.iter().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(path).chain(arguments).map(|word| printable(&quoted(&word))).collect()
}

/// The limits of a real provider: `4 at once, 10 s each`.
fn limits(served: &Served) -> Option<String> {
    let timeout = match &served.by {
        ServedBy::Simulation(_) => return None,
        ServedBy::Program(program) => program.timeout,
        ServedBy::Endpoint(endpoint) => endpoint.timeout,
    };
    Some(format!("{} at once, {} each", served.concurrency, show_duration(timeout)))
}

/// A line for each real provider: `acme: ./quote.py (4 at once, 10 s each)`.
pub(crate) fn real_providers(served: &[Served]) -> Vec<String> {
    let line = |one: &Served| {
        let limits = limits(one)?;
        Some(format!("{}: {} ({limits})", one.name, what_answers(&one.by)))
    };
    served.iter().filter_map(line).collect()
}

/// How simulated providers behave: `simulated: behavior demo, seed 0, fault silent@0.1`.
pub(crate) fn simulated(behaviour: &Behaviour) -> String {
    let faults = behaviour.faults.iter().map(|fault| format!(", fault {fault}"));
    let faults: String = faults.collect();
    let (profile, seed) = (behaviour.profile.word(), behaviour.seed);
    let think = behaviour
        .think
        .map(|(low, high)| format!(", thinking {} to {}", show_duration(low), show_duration(high)));
    let is_scaled = (behaviour.speed - 1.0).abs() > f64::EPSILON;
    let scaled = if is_scaled { format!(", speed {}", behaviour.speed) } else { String::new() };
    format!(
        "{SIMULATED}: behavior {profile}, seed {seed}{}{scaled}{faults}",
        think.unwrap_or_default()
    )
}

/// A row for each provider.
pub(crate) fn table(served: &[Served], width: Option<u16>) -> Vec<Line> {
    let row = |one: &Served| {
        vec![one.name.to_string(), what_answers(&one.by), limits(one).unwrap_or_default()]
    };
    let rows: Vec<_> = served.iter().map(row).collect();
    headed(lines_within(&["PROVIDER", "SERVED BY", "LIMITS"].map(Column::Left), &rows, 1, width))
}

/// How one provider is served, as JSON. Times are in milliseconds.
pub(crate) fn document(served: &Served) -> Value {
    let mut document = json!({
        "provider": served.name.as_str(),
        "concurrency": served.concurrency,
    });
    let millis =
        |time: std::time::Duration| json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    match &served.by {
        ServedBy::Simulation(simulation) => {
            document["simulated"] = json!(simulation.behaviour.profile.word());
        }
        ServedBy::Program(program) => {
            let path = program.path.to_string_lossy().into_owned();
            let arguments =
                program.arguments.iter().map(|word| word.to_string_lossy().into_owned());
            document["command"] = json!(std::iter::once(path).chain(arguments).collect::<Vec<_>>());
            document["folder"] = json!(program.folder.to_string_lossy());
            document["timeout-ms"] = millis(program.timeout);
        }
        ServedBy::Endpoint(endpoint) => {
            document["http"] = json!(endpoint.url.as_str());
            document["health"] = json!(endpoint.health);
            document["timeout-ms"] = millis(endpoint.timeout);
        }
    }
    document
}
