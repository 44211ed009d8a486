//! `rydes setup`.

use clap::Args;
use tokio::time::Instant;

use super::{Context, waiting};
use crate::core::show_duration;
use crate::error::{Result, exit};
use crate::stack::{self, Mode, SetupRequest, Untagged};
use crate::terminal::{Format, Verbosity};
use crate::view::setup::{Totals, document, full_table, table};
use crate::view::subscriptions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes setup                      ten simulated providers
  rydes setup --providers 3        three of them
  rydes setup --providers 0        none: `providers add` adds real ones
  rydes setup --dry-run            what would be done")]
pub(super) struct Command {
    /// Number of simulated providers, 0 to 100
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    providers: u8,
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Take over resources of the right name that lack the stack's tag
    #[arg(long)]
    adopt: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let mut aws = context.connect(&settings).await?;
    let mode = if command.dry_run { Mode::DryRun } else { Mode::Apply };
    output.note(&aws.target_line_with_account());
    let request = SetupRequest {
        providers: usize::from(command.providers),
        mode,
        untagged: if command.adopt { Untagged::Adopt } else { Untagged::Refuse },
    };
    let began = Instant::now();
    let on_wait = waiting(output);
    let report = Box::pin(stack::setup(&aws, &request, &on_wait)).await?;
    drop(on_wait);
    if let Some(line) = aws.learn_account(report.account.as_deref()) {
        output.note(&line);
    }
    match output.format {
        Format::Json | Format::Jsonl => output.json(&document(&report, mode)),
        Format::Table | Format::Workshop => {
            let verbose = output.verbosity == Verbosity::Verbose;
            let width = output.width();
            let table = if verbose { full_table } else { table };
            output.toned(&table(&report, mode, width));
        }
    }
    let Totals { created, kept, changed } = Totals::of(report.changes());
    match mode {
        Mode::DryRun => output.note(&format!(
            "dry run: {created} to create, {kept} to keep, {changed} to change; nothing was touched"
        )),
        Mode::Apply => output.note(&format!(
            "{created} created, {kept} kept, {changed} changed in {}",
            show_duration(began.elapsed())
        )),
    }
    for sentence in subscriptions::sentences(&report.subscribers, None) {
        output.note(&sentence);
    }
    report.remarks.iter().for_each(|remark| output.warning(remark));
    if !report.beyond.is_empty() {
        let names: Vec<_> = report.beyond.iter().map(ToString::to_string).collect();
        let kept = match names.len() {
            1 => "1 more simulated provider was kept; to remove it:".to_owned(),
            count => format!("{count} more simulated providers were kept; to remove them:"),
        };
        let remove = settings.command(&format!("providers remove {}", names.join(" ")));
        output.note(&kept);
        output.note(&format!("  {remove}"));
    }
    let next = match (mode, command.providers) {
        (Mode::DryRun, _) => "setup",
        (Mode::Apply, 0) => "providers add NAME",
        (Mode::Apply, _) => "providers run",
    };
    output.next(&[(settings.command(next), "")]);
    Ok(exit::DONE)
}
