//! `rydes consumer run`.

use clap::{Args, Subcommand};

use super::Context;
use super::workers::{Common, run as run_workers};
use crate::consumer::retry_transient;
use crate::error::Result;
use crate::flow::workers::WorkerPlan;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes consumer run                     gathers the replies of all providers
  rydes providers run --no-consumer      the providers, in another terminal")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Gather replies into the table; any number of machines may do it at once
    #[command(after_help = "Examples:
  rydes consumer run
  rydes consumer run -o jsonl            one line of JSON per event")]
    Run(Common),
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let Action::Run(command) = command.action;
    let settings = context.settings()?;
    let listener = command.listen_for_metrics().await?;
    let aws = context.connect(&settings).await?;
    let metrics = listener.map(|listener| listener.watch(&aws));
    // Without the queue, the run fails before it prints anything.
    let queue = Box::pin(retry_transient(async || aws.queue(aws.names.response_queue()).await));
    context.visibly("looking for the response queue", queue).await?;
    let plan = WorkerPlan { providers: None, consumer: Some(command.gathering(&settings)) };
    Box::pin(run_workers(context, &settings, &aws, &plan, &command, metrics)).await
}
