//! `rydes providers run|list|add|remove|try`.

mod add;
mod config;
mod example;
mod list;
mod program;
mod run;
pub(super) mod service;
mod trial;

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, waiting};
use crate::aws::Aws;
use crate::core::text::printable;
use crate::core::{ProviderName, Responder, all_nearest};
use crate::error::{Result, exit};
use crate::settings::Settings;
use crate::stack::{self, OpenRequests, Removed};
use crate::terminal::Format;
use crate::view::count_of;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers run                      all simulated ones, with the consumer
  rydes providers list                     who is subscribed
  rydes providers add acme                 makes a queue for a real provider
  rydes providers try -- ./quote.py        asks a program once, without AWS
  rydes providers run acme -- ./quote.py   lets the program answer for acme
  rydes providers remove acme")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

impl Command {
    /// Whether this runs workers, which handle signals themselves.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.action, Action::Run(_))
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Answer requests, simulated or by a program or an endpoint, and gather the replies
    Run(run::Command),
    /// Show who is subscribed, and their filters
    List(list::Command),
    /// Make a queue and a subscription for a real provider
    Add(add::Command),
    /// Unsubscribe providers and delete their queues
    ///
    /// A queue that holds requests is kept. An empty one is counted for a minute on AWS (2 s on
    /// LocalStack) before it is deleted, since counts lag behind.
    Remove(Remove),
    /// Ask a program or an endpoint once, without AWS, and show its reply
    Try(trial::Command),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers remove acme
  rydes providers remove acme globex --force     even if requests are lost")]
struct Remove {
    /// Names of the providers
    #[arg(value_name = "NAME", required = true, value_parser = ProviderName::parse)]
    names: Vec<ProviderName>,
    /// Delete queues that still hold requests too; these requests are lost
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    match command.action {
        Action::Run(command) => run::run(context, command).await,
        Action::List(command) => list::run(context, command).await,
        Action::Try(command) => trial::run(context, command).await,
        Action::Add(command) => add::run(context, command).await,
        Action::Remove(command) => remove(context, command).await,
    }
}

/// The most names that a hint asks about.
const MOST_NEAR: usize = 3;

/// Names the provider that may be meant instead of one that does not exist.
async fn registered_instead(settings: &Settings, aws: &Aws, name: &ProviderName) -> String {
    // A look that fails must not fail the removal.
    let there = async { stack::subscribed(&aws.topic().await?).await };
    let there = there.await.unwrap_or_default();
    let near = all_nearest(name.as_str(), there.iter().map(Responder::as_str));
    if near.is_empty() {
        return format!("{} shows the register", settings.command("providers list"));
    }
    let quoted = |name: &&str| format!("`{}`", printable(name));
    let mut near: Vec<_> = near.iter().take(MOST_NEAR).map(quoted).collect();
    let last = near.pop().unwrap_or_default();
    let or = if near.is_empty() { "" } else { " or " };
    format!("write {}{or}{last}", near.join(", "))
}

async fn remove(context: &Context, command: Remove) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let requests = if command.force { OpenRequests::Lose } else { OpenRequests::Keep };
    let mut names = command.names;
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let on_wait = waiting(output);
    let removed = Box::pin(stack::remove(&aws, &names, requests, &on_wait)).await?;
    drop(on_wait);
    let (mut code, mut report) = (exit::DONE, Vec::new());
    for (name, removed) in names.iter().zip(removed) {
        let (state, left) = match removed {
            Removed::Gone(lost) => ("removed", lost),
            Removed::Kept(left) => ("unsubscribed", left),
            Removed::Nothing => ("nothing", 0),
        };
        report.push(json!({"provider": name.as_str(), "state": state, "requests": left}));
        match removed {
            Removed::Gone(0) => output.note(&format!("{name} is removed")),
            Removed::Gone(lost) => {
                let are = if lost == 1 { "is" } else { "are" };
                let lost = count_of(lost, "request");
                output.note(&format!("{name} is removed; {lost} in its queue {are} lost"));
            }
            Removed::Nothing => {
                output.note(&format!("{name} is not in the register; nothing was removed"));
                output.hint(&registered_instead(&settings, &aws, name).await);
            }
            Removed::Kept(left) => {
                code = exit::ERROR;
                let left = count_of(left, "request");
                output.warning(&format!(
                    "{name} is unsubscribed, but its queue was kept: it holds {left}"
                ));
                let again = settings.command(&format!("providers remove {name}"));
                output.hint(&format!("{again} once it is empty, or with --force to lose them"));
            }
        }
    }
    if matches!(output.format, Format::Json | Format::Jsonl) {
        output.json(&json!({"providers": report}));
    }
    Ok(code)
}
