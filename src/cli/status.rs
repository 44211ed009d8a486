//! `rydes status`.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::aws_cli::aws_command;
use super::recent::Recent;
use super::{Context, env, setup_again};
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::{RfqId, Timestamp};
use crate::error::{Kind, Result, exit};
use crate::flow::quotes::snapshot;
use crate::settings::Settings;
use crate::stack::{self, Checkup, Subscribers, depths_and_subscribers, read_binding_state};
use crate::terminal::Format;
use crate::view::count_of;
use crate::view::findings::{CommandLines, findings, lines};
use crate::view::status::{
    self as view, Heading, StatusExtras, document, queues, rfqs, subscribers,
};
use crate::view::tone::{Line, Tone};

/// Reads of RFQs in flight at once.
const CONCURRENCY: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes status
  rydes status --rfqs 50
  rydes status -o json
  rydes status --check -q      for cron: exit code 8 if anything needs a person")]
pub(super) struct Command {
    /// How many of the RFQs submitted from this machine are shown, the newest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    rfqs: u16,
    /// Print only what needs a person, each with the command that mends it; exit code 8 if there is
    /// anything. A queue that seems unread is watched for 1 min on AWS, 2 s on LocalStack
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    if command.check {
        return print_findings(context, &settings, &aws).await;
    }
    let ids = Recent::of(&aws, env).ids(command.rfqs.into()).await;
    let look = async { tokio::try_join!(depths_and_subscribers(&aws), gatherings(&aws, &ids)) };
    let ((depths, subscribed), gatherings) = context.visibly("looking", Box::pin(look)).await?;
    let unbound = unbound_on_aws(&aws, &subscribed).await?;
    let gone = ids.len() - gatherings.len();
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            let width = output.width();
            let heading = Line::new(Tone::Title, aws.target_line_in_full());
            output.toned(&heading.wrapped(width).collect::<Vec<_>>());
            output.toned(&queues(&depths, &settings.command("dlq list"), width));
            let setup = settings.command(&setup_again(&subscribed));
            output.lines(&subscribers(&subscribed, &setup, width));
            let bind = settings.command("providers add NAME --sender ID");
            let unbound = unbound.as_deref().and_then(|names| view::unbound(names, &bind));
            output.lines(&unbound.into_iter().collect::<Vec<_>>());
            output.toned(&rfqs(&gatherings, Timestamp::now(), width));
        }
        Format::Json | Format::Jsonl => {
            let extras = StatusExtras { unbound: unbound.as_deref(), findings: None };
            output.json(&document(heading(&aws), &depths, &subscribed, &gatherings, extras));
        }
    }
    if ids.is_empty() && command.rfqs > 0 {
        let submit = settings.command("submit --from Frankfurt --to Rome");
        output.note(&format!("no RFQ was submitted from this machine yet: {submit}"));
    } else if gone > 0 {
        let (what, is) = if gone == 1 { ("RFQ", "is") } else { ("RFQs", "are") };
        output.note(&format!(
            "{gone} {what} submitted from this machine {is} no longer in the table"
        ));
    }
    Ok(exit::DONE)
}

/// Prints what needs a person, or that nothing does.
async fn print_findings(context: &Context, settings: &Settings, aws: &Aws) -> Result<u8> {
    let output = &context.output;
    let look = Box::pin(stack::checkup(aws));
    let checkup = context.visibly("looking for what needs a person", look).await?;
    let setup = setup_again(&checkup.subscribers);
    let rydes = |command: &str| settings.command(command);
    let aws_cli = |command: &str| aws_command(settings, aws.region(), command);
    let commands = CommandLines { rydes: &rydes, aws: &aws_cli, setup: &setup };
    let found = findings(&checkup, &aws.names, &commands);
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            if found.is_empty() {
                output.note(&format!("stack {}: nothing needs a person", aws.names.stack()));
            }
            output.toned(&lines(&found));
        }
        Format::Json | Format::Jsonl => {
            let unbound = unbound_on_aws(aws, &checkup.subscribers).await?;
            let extras = StatusExtras { unbound: unbound.as_deref(), findings: Some(&found) };
            let Checkup { depths, subscribers, .. } = &checkup;
            output.json(&document(heading(aws), depths, subscribers, &[], extras));
        }
    }
    let unreadable = checkup.subscribers.live.iter().filter(|one| one.delivery.is_none()).count();
    if unreadable > 0 {
        let subscriptions = count_of(unreadable as u64, "subscription");
        output.note(&format!(
            "{subscriptions} could not be checked: allow `sns:GetSubscriptionAttributes`"
        ));
    }
    Ok(if found.is_empty() { exit::DONE } else { exit::BAD_VERDICT })
}

/// The external providers that are not bound to senders. On LocalStack they are not looked for. `None` if they are not
/// known: the tags of queues may not be readable.
async fn unbound_on_aws(aws: &Aws, subscribers: &Subscribers) -> Result<Option<Vec<String>>> {
    if !aws.is_real() {
        return Ok(None);
    }
    match Box::pin(read_binding_state(aws, subscribers)).await {
        Ok(state) => Ok(Some(state.unbound.iter().map(ToString::to_string).collect())),
        Err(error) if error.is_fatal() && error.kind() == Kind::Other => Ok(None),
        Err(error) => Err(error),
    }
}

fn heading(aws: &Aws) -> Heading<'_> {
    Heading {
        stack: aws.names.stack().as_str(),
        endpoint: aws.url(),
        version: aws.version(),
        account: aws.account(),
        region: aws.region(),
    }
}

/// The states of those RFQs that still exist.
async fn gatherings(aws: &Aws, ids: &[RfqId]) -> Result<Vec<Gathering>> {
    let reads = stream::iter(ids).map(|id| snapshot(aws, id, None)).buffered(CONCURRENCY);
    let found: Vec<Option<Gathering>> = reads.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
