//! `rydes stacks`.

use clap::Args;
use serde_json::json;

use super::{Context, env};
use crate::aws::Aws;
use crate::core::{StackName, Timestamp};
use crate::error::{Result, exit};
use crate::settings::{Env, Settings};
use crate::stack::{StackList, stacks};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::stacks::{document, table};

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
    let StackList { stacks: found, unreadable } =
        context.visibly("looking for stacks", found).await?;
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            output.note(&aws.place());
            let width = output.width();
            output.toned(&table(&found, Timestamp::now(), width));
            if found.is_empty() {
                let setup = settings.command(set_up(context, &aws)?);
                output.note(&format!("no stack is here: {setup}"));
            } else {
                let rows = "ROWS: one per RFQ and one per reply";
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
            "unreadable": unreadable,
        })),
        Format::Jsonl => found.iter().for_each(|stack| output.json(&document(stack))),
    }
    if unreadable > 0 {
        output.note(&format!("{} may not be read", count_of(unreadable as u64, "stack")));
    }
    Ok(exit::DONE)
}

/// The command that makes a stack. On AWS it must name one.
fn set_up(context: &Context, aws: &Aws) -> Result<&'static str> {
    let is_named = context.typed.stack.is_some() || Env::new(&env).text("RYDES_STACK")?.is_some();
    Ok(if aws.is_real() && !is_named { "--stack NAME setup" } else { "setup" })
}
