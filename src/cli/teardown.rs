//! `rydes teardown`.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;
use serde_json::json;

use super::{Context, attended, waiting};
use crate::aws::Aws;
use crate::aws::provision::{Inventory, inventory, teardown};
use crate::error::{Error, Result, exit};
use crate::output::Format;
use crate::output::setup::inventory_line;
use crate::output::subscriptions;

/// Remove everything that carries the stack's tag.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes teardown                   shows what there is and asks
  rydes teardown --yes             for scripts
  rydes --aws --stack x teardown --confirm x")]
pub(super) struct Command {
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    /// With --aws off a terminal: the name of the stack, once more
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Say what would be removed; touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let found = context.visibly("looking for what there is", Box::pin(inventory(&aws))).await?;
    for sentence in subscriptions::going(&found.inactive) {
        output.note(&sentence);
    }
    if found.count() == 0 || command.dry_run {
        if found.count() == 0 {
            output.note(&format!("nothing of {} is here", settings.stack));
        } else {
            output.note(&format!("would remove {}; nothing was touched", inventory_line(&found)));
        }
        print(context, &found, 0);
        return Ok(exit::DONE);
    }
    confirm(context, &command, &aws, &found).await?;
    let patience = waiting(output);
    teardown(&aws, &found, &patience).await?;
    drop(patience);
    print(context, &found, found.count());
    output.note(&format!(
        "removed {}; looked again: nothing of {} is left",
        found.count(),
        settings.stack
    ));
    if !aws.is_real() {
        output.note(&format!("LocalStack is still up: {}", settings.command("localstack down")));
    }
    Ok(exit::DONE)
}

fn print(context: &Context, found: &Inventory, removed: usize) {
    if matches!(context.output.format, Format::Json | Format::Jsonl) {
        context.output.json(&json!({
            "topic": found.topic,
            "subscriptions": found.subscriptions,
            "inactive": subscriptions::inactive(&found.inactive),
            "queues": found.queues,
            "unread": found.unread,
            "table": found.table,
            "rows": found.rows,
            "removed": removed,
        }));
    }
}

/// On AWS the stack's name is wanted, elsewhere a yes; off a terminal an option has to say it.
async fn confirm(context: &Context, command: &Command, aws: &Aws, found: &Inventory) -> Result<()> {
    let stack = aws.names.stack().as_str();
    let wanted = if aws.is_real() { stack } else { "yes" };
    match &command.confirm {
        Some(name) if name == stack => return Ok(()),
        Some(_) => {
            return Err(Error::invalid("`--confirm` names another stack; nothing was removed"));
        }
        None if command.yes && !aws.is_real() => return Ok(()),
        None => {}
    }
    let place = match (aws.is_real(), aws.account()) {
        (true, Some(account)) => format!(" from AWS account {account} in {}", aws.region()),
        _ => String::new(),
    };
    context.output.note(&format!("remove {}{place}?", inventory_line(found)));
    if !io::stdin().is_terminal() {
        let option = if aws.is_real() { "--confirm NAME" } else { "--yes" };
        return Err(Error::invalid(format!(
            "not on a terminal, so nobody can be asked; nothing was removed: say `{option}`"
        )));
    }
    context.output.ask(&format!("type {wanted}:"));
    let answer = attended(context, || {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await?.map_err(|error| Error::other("cannot ask").because(error))?;
    if answer.trim() == wanted {
        Ok(())
    } else {
        Err(Error::invalid("not confirmed; nothing was removed"))
    }
}
