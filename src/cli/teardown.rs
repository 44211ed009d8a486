//! `rydes teardown`.

use clap::Args;
use serde_json::json;

use super::aws_cli::aws_command;
use super::confirmation::Confirmation;
use super::localstack::own_reach;
use super::{Context, waiting};
use crate::aws::Aws;
use crate::core::text::printable;
use crate::error::{Error, Result, exit};
use crate::settings::{Settings, quoted};
use crate::stack::{Inventory, find, stack_names, teardown};
use crate::terminal::Format;
use crate::tools::localstack::Reach;
use crate::view::count_of;
use crate::view::setup::inventory_line;
use crate::view::subscriptions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes teardown                   shows what there is and asks
  rydes teardown --yes             for scripts
  rydes --aws --stack x teardown --confirm x")]
pub(super) struct Command {
    #[command(flatten)]
    confirmation: Confirmation,
    /// Say what would be removed; touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let mut aws = context.connect(&settings).await?;
    output.note(&aws.target_line_with_account());
    let told = waiting(output);
    // On a terminal, `visibly` shows the wait.
    let on_wait = |waiting| {
        if !output.is_attended() {
            told(waiting);
        }
    };
    let found = Box::pin(find(&aws, &on_wait));
    let found = context.visibly("looking for what there is", found).await?;
    if let Some(line) = aws.learn_account(found.account()) {
        output.note(&line);
    }
    for sentence in subscriptions::going(&found.inactive) {
        output.note(&sentence);
    }
    if !found.untagged.is_empty() {
        let (stack, left) = (&settings.stack, found.untagged.join(", "));
        output.note(&format!("left alone, without the tag rydes:stack = {stack}: {left}"));
    }
    let obstacle = found
        .obstacle()
        .map(|error| error.hint(unprotect(&settings, &aws.names.table(), aws.region())));
    let left_alone = (!found.templated.is_empty()).then(|| left_alone(&settings, &aws, &found));
    if found.count() == 0 && left_alone.is_none() {
        output.note(&format!("nothing of {} is here", settings.stack));
    }
    if command.dry_run {
        if found.count() > 0 {
            output.note(&format!("would remove {}; nothing was touched", inventory_line(&found)));
        }
        for error in left_alone.iter().chain(&obstacle) {
            output.warning(&error.to_string());
            error.hints().iter().for_each(|hint| output.hint(hint));
        }
    }
    if found.count() == 0 || command.dry_run {
        print(context, &aws, &found, 0);
        return match left_alone.filter(|_| !command.dry_run) {
            Some(left_alone) => Err(left_alone),
            None => Ok(exit::DONE),
        };
    }
    if let Some(obstacle) = obstacle {
        return Err(obstacle);
    }
    let question = format!("remove {}", inventory_line(&found));
    command.confirmation.ask(context, &aws, &question, "removed").await?;
    let on_wait = waiting(output);
    let removed = teardown(&aws, &found, &on_wait).await;
    drop(on_wait);
    let removed = removed.map_err(|error| {
        error.hint(format!("to remove the rest: {}", settings.command("teardown")))
    })?;
    print(context, &aws, &found, removed);
    if let Some(left_alone) = left_alone {
        output.note(&format!("removed {removed}"));
        return Err(left_alone);
    }
    output.note(&format!("removed {removed}; looked again: nothing of {} is left", settings.stack));
    if let Some(line) = still_up(&settings, &aws).await {
        output.note(&line);
    }
    Ok(exit::DONE)
}

/// How to stop LocalStack, if that is this user's to do: `rydes` started it for this machine alone, and it holds no
/// other stack in this account and region.
async fn still_up(settings: &Settings, aws: &Aws) -> Option<String> {
    if own_reach(settings).await? != Reach::ThisMachine {
        return None;
    }
    // A failure to look is no failure of the teardown.
    let others = stack_names(aws).await.ok()?;
    let is_last = others.iter().all(|name| name == aws.names.stack());
    is_last.then(|| format!("LocalStack is still up: {}", settings.command("localstack down")))
}

/// What is left to CloudFormation: its resources, and how to delete its stacks.
fn left_alone(settings: &Settings, aws: &Aws, found: &Inventory) -> Error {
    let count = found.templated.values().map(Vec::len).sum::<usize>();
    let resources = count_of(u64::try_from(count).unwrap_or(u64::MAX), "resource");
    let (belong, they) = if count == 1 { ("belongs", "it was") } else { ("belong", "they were") };
    let stack = if found.templated.len() == 1 { "stack" } else { "stacks" };
    let listed: Vec<_> =
        found.templated.keys().map(|name| format!("`{}`", printable(name))).collect();
    let message = format!(
        "{resources} {belong} to the CloudFormation {stack} {}; {they} left alone",
        listed.join(", ")
    );
    let delete = |name: &String| {
        aws_command(
            settings,
            aws.region(),
            &format!("cloudformation delete-stack --stack-name {}", quoted(name)),
        )
    };
    found.templated.keys().fold(Error::other(message), |error, name| error.hint(delete(name)))
}

/// The command line that lifts the table's deletion protection.
fn unprotect(settings: &Settings, table: &str, region: &str) -> String {
    let update =
        format!("dynamodb update-table --table-name {table} --no-deletion-protection-enabled");
    aws_command(settings, region, &update)
}

fn print(context: &Context, aws: &Aws, found: &Inventory, removed: usize) {
    if matches!(context.output.format, Format::Json | Format::Jsonl) {
        context.output.json(&json!({
            "account": aws.account(),
            "topic": found.topic,
            "subscriptions": found.subscriptions,
            "inactive": subscriptions::inactive(&found.inactive),
            "queues": found.queues,
            "unread": found.unread,
            "table": found.table,
            "rows": found.rows,
            "cloudformation": found.templated,
            "removed": removed,
        }));
    }
}
