//! `rydes submit` of one request.

use serde_json::json;

use super::options::Command;
use super::subscribe_hint;
use crate::cli::recent::Recent;
use crate::cli::until::shortest_stall;
use crate::cli::watch::{Partial, Stay, WaitPlan, wait};
use crate::cli::{Context, env};
use crate::core::text::printable;
use crate::core::{Condition, RequestRow, show_duration};
use crate::error::{Result, exit};
use crate::flow::draft::Submission;
use crate::flow::quotes::WaitOptions;
use crate::flow::scatter::{self, Scattered};
use crate::settings::Settings;
use crate::terminal::Format;
use crate::view::count_of;

/// Submits a request; with `--wait`, stays for its quotes.
pub(super) async fn run(
    context: &Context,
    settings: &Settings,
    command: &Command,
    submission: Submission,
) -> Result<u8> {
    let output = &context.output;
    let retry = command.retry(settings, &submission);
    let aws = context.connect(settings).await?;
    output.note(&aws.target_line());
    let recent = Recent::of(&aws, env);
    let scattered = scatter::submit(&aws, submission).await;
    let scattered = scattered.map_err(|error| subscribe_hint(error, settings))?;
    let row = match scattered {
        Scattered::Published(row) => {
            let asked = row.expected.as_ref().map_or(0, |all| all.len() as u64);
            let deadline = deadline_of(&row);
            print_id(context, &row, command);
            let asked = count_of(asked, "provider");
            let not_asked = match row.not_asked.len() {
                0 => String::new(),
                count => format!(", filters excluded {count}"),
            };
            output.note(&format!("asked {asked}{not_asked}{deadline}"));
            warn_of_too_many(context, &row);
            row
        }
        Scattered::Answered(row) => {
            print_id(context, &row, command);
            output.note("it was submitted before, and every provider has answered");
            row
        }
        Scattered::Unknown(error) => {
            return Err(error.hint(format!("submit it again, nothing is doubled: {retry}")));
        }
    };
    recent.remember([&row], output).await;
    if command.wait {
        let again = settings.command(&format!("quotes {} --watch", recent.prefix(&row.id).await));
        let options =
            WaitOptions { stall: shortest_stall(&command.until), ..Stay::default().options(&[]) };
        let partial = Partial::of(command.accept_partial);
        let plan = WaitPlan { options, fields: command.show.clone() };
        let waited = wait(context, settings, &aws, row.id, (plan, partial)).await;
        return waited.map_err(|error| {
            error.hint(format!("the request was published; to wait for its quotes: {again}"))
        });
    }
    let prefix = recent.prefix(&row.id).await;
    output
        .next(&[(settings.command(&format!("quotes {prefix} --watch")), "see the quotes come in")]);
    Ok(exit::DONE)
}

/// Prints the id to stdout, or to stderr where the quotes follow on stdout.
fn print_id(context: &Context, row: &RequestRow, command: &Command) {
    let output = &context.output;
    let id = printable(row.id.as_str());
    match output.format {
        _ if command.wait => output.note(&id),
        Format::Json | Format::Jsonl => output.id_json(&json!({
            "rfq-id": row.id.as_str(),
            "from": row.ride.from,
            "to": row.ride.to,
            "customer": row.ride.customer,
            "submitted-at": row.submitted_at,
            "deadline": row.deadline,
            "expected": row.expected.as_ref().map(Vec::len),
            "not-asked": row.not_asked.len(),
            "until": row.until.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "best-by": row.best_by.to_string(),
        })),
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => output.id(&id),
    }
}

/// Warns of a condition that can never be met: more quotes than providers.
fn warn_of_too_many(context: &Context, row: &RequestRow) {
    let asked = row.expected.as_ref().map_or(0, Vec::len);
    for condition in &row.until {
        if matches!(condition, Condition::Count(count) if *count > asked) {
            let asked = count_of(asked as u64, "provider");
            context.output.warning(&format!(
                "`--until {condition}` exceeds the {asked} asked: the RFQ ends when all have answered"
            ));
        }
    }
}

fn deadline_of(row: &RequestRow) -> String {
    match (row.submitted_at, row.deadline) {
        (Some(submitted), Some(deadline)) => {
            let wanted = show_duration(deadline.saturating_since(submitted));
            format!(", deadline in {wanted}")
        }
        _ => String::new(),
    }
}
