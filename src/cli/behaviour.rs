//! The options that say how simulated providers behave.

use std::time::Duration;

use clap::Args;

use crate::core::parse_duration;
use crate::flow::provider::{Behaviour, Fault, Profile};

/// The heading of their options.
pub(super) const SIMULATED: &str = "Simulated providers";
/// Requests worked on at once per simulated provider.
const CONCURRENCY: usize = 100;

/// How simulated providers behave.
#[derive(Debug, Clone, Args)]
pub(super) struct BehaviourArgs {
    /// Behavior, see below: `demo`, `workshop` or `steady` [default: demo]
    #[arg(
        long,
        help_heading = SIMULATED,
        visible_alias = "behaviour",
        value_enum,
        value_name = "HOW",
        hide_possible_values = true
    )]
    behavior: Option<Profile>,
    /// Seed of all random choices [default: 0]
    #[arg(long, help_heading = SIMULATED, value_name = "N")]
    seed: Option<u64>,
    /// Thinking time, as in 200ms..4s [default: that of the behavior]
    #[arg(long, help_heading = SIMULATED, value_name = "MIN..MAX", value_parser = think)]
    think: Option<Think>,
    /// Divide thinking times by FACTOR; deadlines stay [default: 1]
    #[arg(long, help_heading = SIMULATED, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    /// Fault to inject, as in `silent@0.1` or `NAME=slow:20s`; repeatable
    #[arg(long = "fault", help_heading = SIMULATED, value_name = "FAULT")]
    faults: Vec<Fault>,
    /// Requests at once per provider [default: 100; for a program: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: Option<u16>,
}

/// The shortest and the longest thinking time.
type Think = (Duration, Duration);

impl BehaviourArgs {
    /// The typed behaviour, with the profile `otherwise` if none was typed.
    pub(super) fn behaviour(&self, otherwise: Profile) -> Behaviour {
        Behaviour {
            profile: self.behavior.unwrap_or(otherwise),
            seed: self.seed.unwrap_or(0),
            think: self.think,
            speed: self.speed.unwrap_or(1.0),
            faults: self.faults.clone(),
        }
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(super) fn concurrency(&self) -> usize {
        self.typed_concurrency().unwrap_or(CONCURRENCY)
    }

    pub(super) fn typed_concurrency(&self) -> Option<usize> {
        self.concurrency.map(usize::from)
    }

    /// The first option that was typed and that only simulated providers have.
    pub(super) fn typed(&self) -> Option<&'static str> {
        let typed = [
            ("--behavior", self.behavior.is_some()),
            ("--seed", self.seed.is_some()),
            ("--think", self.think.is_some()),
            ("--speed", self.speed.is_some()),
            ("--fault", !self.faults.is_empty()),
        ];
        typed.into_iter().find(|(_, is_typed)| *is_typed).map(|(option, _)| option)
    }
}

fn think(text: &str) -> Result<Think, String> {
    let example = "expected two durations, as in `200ms..4s`";
    let (low, high) = text.split_once("..").ok_or(example)?;
    let (low, high) = (parse_duration(low)?, parse_duration(high)?);
    if low > high || high > Duration::from_hours(12) {
        return Err(format!("{example}; the first must not exceed the second, nor the second 12h"));
    }
    Ok((low, high))
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("a factor is a number above 0, as in `10`".to_owned()),
    }
}
