//! `rydes close`.

use clap::Args;

use super::recent::Recent;
use super::{Context, env, gathering};
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::{RfqId, Timestamp};
use crate::error::{Error, Result, exit};
use crate::flow::quotes::snapshot;
use crate::view::quotes::over;

const ATTEMPTS: usize = 4;

/// End the gathering of an RFQ now.
///
/// What is there in time stays; what comes later is late. An RFQ is closed once: where it is over
/// already, nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes close 78c3
  rydes close 78c3 -o json         how it stood when it was closed")]
pub(super) struct Command {
    /// Id of the RFQ, or its first 4 or more characters if it was submitted from this machine
    #[arg(value_name = "RFQ-ID")]
    id: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    let id = Recent::of(&aws, env).find(Some(&command.id), &settings).await?;
    output.note(&aws.target_line());
    let (mut after, closed) = close(&aws, &id).await?;
    gathering::explain(output, &aws, &mut after).await;
    let since = match closed {
        Some(at) => {
            format!("answers sent after {} are kept, and marked late", context.clock().precise(at))
        }
        None => format!("nothing was changed: {}", over(&after)),
    };
    gathering::print(output, &aws, &after, &[]);
    output.note(&since);
    Ok(exit::DONE)
}

/// Closes an RFQ. Returns its state then, and the time of closing if this call closed it.
async fn close(aws: &Aws, id: &RfqId) -> Result<(Gathering, Option<Timestamp>)> {
    let read = async || match snapshot(aws, id, None).await? {
        Some(gathering) => Ok(gathering),
        None => Err(gathering::unknown(aws, id).await),
    };
    let mut tried = Vec::new();
    loop {
        let gathering = read().await?;
        if gathering.completed_by.is_some() {
            // Another process has ended it, or an attempt of this call whose confirmation was lost.
            let closed = gathering.request.closed_at.filter(|at| tried.contains(at));
            return Ok((gathering, closed));
        }
        if tried.len() == ATTEMPTS {
            return Err(Error::other("the RFQ could not be closed; it is still open"));
        }
        // Each attempt has its own time, so that none undoes what was gathered in between.
        let at = gathering.closing_time(Timestamp::now());
        match aws.table().close(id, at).await {
            Err(error) if !error.is_transient() || tried.len() + 1 == ATTEMPTS => {
                return Err(error);
            }
            Ok(()) | Err(_) => tried.push(at),
        }
    }
}
