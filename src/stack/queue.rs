//! Creates the queues of a stack, and sets what differs on existing ones.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{Instant, sleep};

use super::late::{Seen, until_shown};
use super::queue_state::{Attributes, QueueState};
use super::spec::QueueSpec;
use super::{Change, Mode, OnWait, Waiting};
use crate::aws::Aws;
use crate::error::Result;

/// How long SQS holds the name of a deleted queue.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
const NAME_HELD: Duration = Duration::from_mins(1);
/// Creation is tried for this much longer.
const NAME_SLACK: Duration = Duration::from_secs(15);

/// Creates a missing queue; sets what differs on an existing one.
pub(super) async fn ensure(
    aws: &Aws,
    spec: &QueueSpec,
    found: Option<&QueueState>,
    mode: Mode,
    on_wait: OnWait<'_>,
) -> Result<Change> {
    let Some(found) = found else {
        if mode == Mode::Apply {
            create(aws, spec, on_wait).await?;
        }
        return Ok(Change::Created);
    };
    let attributes = spec.attributes_to_set(found);
    let tags = spec.missing_tags(found);
    let change = spec.change(found, &attributes, &tags);
    if mode == Mode::Apply {
        set(aws, spec, found, attributes, tags, on_wait).await?;
    }
    Ok(change)
}

async fn set(
    aws: &Aws,
    spec: &QueueSpec,
    found: &QueueState,
    attributes: Attributes,
    tags: HashMap<String, String>,
    on_wait: OnWait<'_>,
) -> Result<()> {
    let doing = format!("setting up queue {}", spec.name);
    if !attributes.is_empty() {
        let set = async || {
            let call = aws.clients.sqs.set_queue_attributes().queue_url(&found.url);
            spec.seen(aws, &doing, call.set_attributes(Some(attributes.clone())).send().await)
        };
        until_shown(on_wait, set).await?;
    }
    if !tags.is_empty() {
        aws.clients
            .sqs
            .tag_queue()
            .queue_url(&found.url)
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(|error| aws.error(&doing, &error))?;
    }
    Ok(())
}

/// Creates a queue; waits for its dead letter queue if this run has made that one.
async fn create(aws: &Aws, spec: &QueueSpec, on_wait: OnWait<'_>) -> Result<()> {
    until_shown(on_wait, async || create_when_free(aws, spec, on_wait).await).await
}

/// Creates a queue; waits while its name is held after a deletion.
async fn create_when_free(aws: &Aws, spec: &QueueSpec, on_wait: OnWait<'_>) -> Result<Seen<()>> {
    let mut attributes = spec.attributes.clone();
    attributes.extend(spec.policy(None).map(|policy| (QueueAttributeName::Policy, policy)));
    let began = Instant::now();
    loop {
        let created = aws
            .clients
            .sqs
            .create_queue()
            .queue_name(&spec.name)
            .set_attributes(Some(attributes.clone()))
            .set_tags(Some(spec.tags.clone()))
            .send()
            .await;
        let held = created.as_ref().err().and_then(|error| error.code());
        let held = held.is_some_and(|code| code.ends_with("QueueDeletedRecently"));
        if !held || began.elapsed() > NAME_HELD + NAME_SLACK {
            return spec.seen(aws, &format!("creating queue {}", spec.name), created);
        }
        let left = NAME_HELD.saturating_sub(began.elapsed());
        on_wait(Waiting::QueueName(spec.name.clone(), left));
        sleep(Duration::from_secs(2)).await;
    }
}
