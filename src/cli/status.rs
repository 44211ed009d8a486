//! `rydes status`.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::recent::Recent;
use super::{Context, env, setup_again};
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::{RfqId, Timestamp};
use crate::error::{Result, exit};
use crate::flow::quotes::snapshot;
use crate::stack::depths_and_subscribers;
use crate::terminal::Format;
use crate::view::status::{Heading, document, queues, rfqs, subscribers};
use crate::view::tone::{Line, Tone};

/// Reads of RFQs in flight at once.
const CONCURRENCY: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes status
  rydes status --rfqs 50
  rydes status -o json")]
pub(super) struct Command {
    /// How many of the RFQs submitted from this machine are shown, the newest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    rfqs: u16,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let ids = Recent::of(&aws, env).ids(command.rfqs.into()).await;
    let look = async { tokio::try_join!(depths_and_subscribers(&aws), gatherings(&aws, &ids)) };
    let ((depths, subscribed), gatherings) = context.visibly("looking", Box::pin(look)).await?;
    let gone = ids.len() - gatherings.len();
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp => {
            let width = output.width();
            let heading = Line::new(Tone::Title, aws.target_line_in_full());
            output.toned(&heading.wrapped(width).collect::<Vec<_>>());
            output.toned(&queues(&depths, &settings.command("dlq list"), width));
            let setup = settings.command(&setup_again(&subscribed));
            output.lines(&subscribers(&subscribed, &setup, width));
            output.toned(&rfqs(&gatherings, Timestamp::now(), width));
        }
        Format::Json | Format::Jsonl => {
            let heading = Heading {
                stack: aws.names.stack().as_str(),
                endpoint: aws.url(),
                version: aws.version(),
                account: aws.account(),
                region: aws.region(),
            };
            output.json(&document(heading, &depths, &subscribed, &gatherings));
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

/// The states of those RFQs that still exist.
async fn gatherings(aws: &Aws, ids: &[RfqId]) -> Result<Vec<Gathering>> {
    let reads = stream::iter(ids).map(|id| snapshot(aws, id, None)).buffered(CONCURRENCY);
    let found: Vec<Option<Gathering>> = reads.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
