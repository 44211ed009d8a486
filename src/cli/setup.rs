//! `rydes setup`.

use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::{Context, waiting};
use crate::aws::Aws;
use crate::core::text::printable;
use crate::core::{ProviderName, Retention, STACK_TAG, show_duration};
use crate::error::{Result, exit};
use crate::settings::Settings;
use crate::stack::{
    self, Change, Mode, ProviderKind, SetupReport, SetupRequest, UnaskedProvider, Untagged,
};
use crate::terminal::{Format, Verbosity};
use crate::view::setup::{Totals, differences, document, full_table, table};
use crate::view::{self, subscriptions};

/// How many simulated providers a stack has unless `--providers` says otherwise.
const DEFAULT_PROVIDERS: u8 = 10;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes setup                      ten simulated providers
  rydes setup --providers 3        three of them
  rydes setup --providers 0        none: `providers add` adds real ones
  rydes setup --dry-run            what would be done
  rydes setup --check              what differs; exit code 8 if anything does
  rydes setup --print cloudformation > stack.json")]
pub(super) struct Command {
    /// Number of simulated providers, 0 to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PROVIDERS, value_parser = clap::value_parser!(u8).range(0..=100))]
    providers: u8,
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Compare the stack with what `setup` makes, and change nothing; exit code 8 if anything differs.
    /// Needs only read permissions
    #[arg(long, conflicts_with_all = ["dry_run", "adopt"])]
    check: bool,
    /// Print a template of the stack instead of making it: `cloudformation` (JSON). Needs no connection
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true,
        conflicts_with_all = ["dry_run", "adopt", "check"])]
    print: Option<TemplateFormat>,
    /// Days to keep rows, 1 to 3650: a request from its deadline, an answer from its gathering
    /// [default: the current setting; 7 in a new stack]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    keep: Option<u16>,
    /// Days to keep dead letters, 1 to 14 [default: the current setting; 14 in a new stack]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=14))]
    keep_dead_letters: Option<u16>,
    /// Take over resources of the right name that lack the stack's tag
    #[arg(long)]
    adopt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TemplateFormat {
    #[value(name = "cloudformation")]
    CloudFormation,
}

impl Command {
    fn mode(&self) -> Mode {
        match (self.dry_run, self.check) {
            (true, _) => Mode::DryRun,
            (_, true) => Mode::Check,
            _ => Mode::Apply,
        }
    }

    /// A check finds a resource without the stack's tag; a setup refuses it.
    fn untagged(&self) -> Untagged {
        if self.adopt || self.check { Untagged::Adopt } else { Untagged::Refuse }
    }

    fn retention(&self) -> Retention {
        Retention { rows: self.keep, dead_letters: self.keep_dead_letters }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    if let Some(TemplateFormat::CloudFormation) = command.print {
        return Ok(print_template(context, &settings, &command));
    }
    let mut aws = context.connect(&settings).await?;
    let mode = command.mode();
    output.note(&aws.target_line_with_account());
    let request = SetupRequest {
        providers: usize::from(command.providers),
        mode,
        untagged: command.untagged(),
        retention: command.retention(),
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
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            let verbose = output.verbosity == Verbosity::Verbose;
            let width = output.width();
            let table = if verbose { full_table } else { table };
            if mode != Mode::Check || verbose {
                output.toned(&table(&report, mode, width));
            }
            if mode == Mode::Check {
                output.toned(&differences(&report, width));
            }
        }
    }
    if mode == Mode::Check {
        return checked(context, &settings, &aws, &report, &command);
    }
    note_totals(context, &report, mode, began);
    note_next(context, &settings, &report, &command);
    Ok(exit::DONE)
}

fn note_totals(context: &Context, report: &SetupReport, mode: Mode, began: Instant) {
    let output = &context.output;
    let Totals { created, kept, changed } = Totals::of(report.changes());
    match mode {
        Mode::Check => {}
        Mode::DryRun => output.note(&format!(
            "dry run: {created} to create, {kept} to keep, {changed} to change; nothing was touched"
        )),
        Mode::Apply => output.note(&format!(
            "{created} created, {kept} kept, {changed} changed in {}",
            show_duration(began.elapsed())
        )),
    }
}

/// The end of a check: what was found, and what mends it.
fn checked(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    report: &SetupReport,
    command: &Command,
) -> Result<u8> {
    let totals = Totals::of(report.changes());
    if totals.kept + totals.changed == 0 {
        return Err(aws.not_set_up());
    }
    let Totals { created, kept, changed } = totals;
    let output = &context.output;
    let remarks = match report.remarks.len() {
        0 => String::new(),
        count => format!(", {count} left to the owner"),
    };
    output.note(&format!(
        "checked: {kept} as described, {changed} differ, {created} missing{remarks}"
    ));
    let next: Vec<_> =
        mending(report, command).iter().map(|next| (settings.command(next), "")).collect();
    if !next.is_empty() {
        output.next(&next);
    }
    let is_same = created + changed + report.remarks.len() == 0;
    Ok(if is_same { exit::DONE } else { exit::BAD_VERDICT })
}

/// The commands that mend what a check has found, without global options. `setup` does not mend a real provider.
fn mending(report: &SetupReport, command: &Command) -> Vec<String> {
    let (simulated, real): (Vec<_>, Vec<_>) = (report.unasked.iter())
        .filter(|one| one.differs())
        .partition(|one| one.kind == ProviderKind::Simulated);
    let numbers = simulated.iter().filter_map(|one| one.name.number());
    let providers = numbers.fold(usize::from(command.providers), usize::max);
    let Totals { created, changed, .. } = Totals::of(report.changes());
    let is_of_setup = created + changed > not_as_described(&real);
    let mut all = Vec::new();
    if is_of_setup {
        let has_untagged =
            report.changes().flat_map(Change::differences).any(|one| one.setting == STACK_TAG);
        let is_default = providers == usize::from(DEFAULT_PROVIDERS);
        let options = [
            (!is_default).then(|| format!("--providers {providers}")),
            command.keep.map(|days| format!("--keep {days}")),
            command.keep_dead_letters.map(|days| format!("--keep-dead-letters {days}")),
            has_untagged.then(|| "--adopt".to_owned()),
        ];
        let words = ["setup".to_owned()].into_iter().chain(options.into_iter().flatten());
        let setup = words.collect::<Vec<_>>().join(" ");
        all.push(setup);
    }
    all.extend(real.iter().map(|one| format!("providers add {}", one.name)));
    all
}

/// How many resources of these providers are not as described.
fn not_as_described(providers: &[&UnaskedProvider]) -> usize {
    let changes = providers.iter().flat_map(|one| [&one.queue_change, &one.subscription_change]);
    changes.filter(|change| **change != Change::Kept).count()
}

/// What to know about the stack, and the next command.
fn note_next(context: &Context, settings: &Settings, report: &SetupReport, command: &Command) {
    let output = &context.output;
    let mode = command.mode();
    for sentence in subscriptions::sentences(&report.subscribers, None) {
        output.note(&sentence);
    }
    report.remarks.iter().for_each(|remark| output.warning(remark));
    let is_changed = mode == Mode::Apply && Totals::of(report.changes()).changed > 0;
    if let Some(stack) = report.cloudformation_stack.as_ref().filter(|_| is_changed) {
        output.warning(&format!(
            "CloudFormation stack `{}` made this stack: change its template too",
            printable(stack)
        ));
    }
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
        (Mode::DryRun | Mode::Check, _) => "setup",
        (Mode::Apply, 0) => "providers add NAME",
        (Mode::Apply, _) => "providers run",
    };
    output.next(&[(settings.command(next), "")]);
}

/// Bytes of the longest template that CloudFormation takes in a request; a longer one must come from S3.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const TEMPLATE_MAX: usize = 51_200;

fn print_template(context: &Context, settings: &Settings, command: &Command) -> u8 {
    let output = &context.output;
    let providers: Vec<_> =
        (1..=usize::from(command.providers)).map(ProviderName::simulated).collect();
    let template = stack::cloudformation(&settings.stack, &providers, command.retention());
    let text = view::template::text(&template);
    output.data(&text);
    if text.len() > TEMPLATE_MAX {
        output.note(&format!(
            "the template has {} bytes: over {TEMPLATE_MAX} bytes, CloudFormation takes it only from S3",
            text.len()
        ));
    }
    exit::DONE
}
