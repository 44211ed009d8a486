//! `rydes stacks`.

use clap::Args;
use serde_json::json;

use super::{Context, env};
use crate::core::{StackName, Timestamp};
use crate::error::{Result, exit};
use crate::settings::{Env, Settings};
use crate::stack::stacks;
use crate::terminal::Format;
use crate::terminal::live::size;
use crate::view::stacks::{document, table};

/// List the stacks of this account and region.
///
/// A stack is what carries the tag `rydes:stack`. `--stack` is optional here, also with `--aws`: it lists that stack
/// alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes stacks
  AWS_ACCESS_KEY_ID=000000000042 rydes stacks     another account of LocalStack
  rydes --aws --region eu-west-1 stacks -o json")]
pub(super) struct Command {}

pub(super) async fn run(context: &Context) -> Result<u8> {
    let output = &context.output;
    let settings = Settings::without_stack(&context.typed, Env::new(&env))?;
    let aws = context.connect(&settings).await?;
    let only: Option<&StackName> = context.typed.stack.as_ref().map(|_| &settings.stack);
    let found = Box::pin(stacks(&aws, only));
    let found = context.visibly("looking for stacks", found).await?;
    match output.format {
        Format::Table | Format::Workshop => {
            output.note(&aws.place());
            let width = output.is_terminal().then(|| size().0);
            output.lines(&table(&found, Timestamp::now(), width));
            if found.is_empty() {
                output.note(&format!("no stack is here: {}", settings.command("setup")));
            } else {
                let rows = "ROWS: one per RFQ and one per answer";
                // LocalStack's counts are exact.
                let note = "as DynamoDB counts them every 6 hours; DEAD LETTERS: SQS's estimate";
                let note = if aws.is_real() { format!("{rows}, {note}") } else { rows.to_owned() };
                output.note(&note);
            }
        }
        Format::Json => output.json(&json!({
            "endpoint": aws.url(),
            "account": aws.account(),
            "region": aws.region(),
            "stacks": found.iter().map(document).collect::<Vec<_>>(),
        })),
        Format::Jsonl => found.iter().for_each(|stack| output.json(&document(stack))),
    }
    Ok(exit::DONE)
}
