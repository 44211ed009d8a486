//! `teardown`: finds what carries the stack's tag, removes it, and looks again.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::{CONCURRENCY, Patience, Place, Waiting, is_ours, queue, table, topic};
use crate::aws::subscription::Listed;
use crate::aws::{Aws, Inactive, error};
use crate::error::{Error, Result};

/// How long deletions may take to show: SQS says up to 60 s.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What there is of a stack.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The topic's ARN.
    pub topic: Option<String>,
    /// How many queues are subscribed to it.
    pub subscriptions: usize,
    /// Subscriptions that are listed, but receive nothing; they go with the topic.
    pub inactive: Vec<Inactive>,
    /// The queues, by name.
    pub queues: Vec<String>,
    /// How many messages they hold.
    pub unread: u64,
    /// The table's name.
    pub table: Option<String>,
    /// How many rows it has, as DynamoDB last counted.
    pub rows: u64,
    urls: Vec<String>,
    table_is_going: bool,
}

impl Inventory {
    /// How many resources there are, subscriptions included.
    pub fn count(&self) -> usize {
        usize::from(self.topic.is_some())
            + self.subscriptions
            + self.queues.len()
            + usize::from(self.table.is_some())
    }
}

/// Finds what carries the stack's tag.
///
/// # Errors
/// Any error of a request.
pub async fn inventory(aws: &Aws) -> Result<Inventory> {
    let (mut queues, table) = tokio::try_join!(queues(aws), table::look(aws))?;
    queues.sort_by_key(|(a, _)| aws.names.responder(a));
    let arn = queues.iter().find_map(|(_, found)| found.arn());
    let place = arn.and_then(Place::of).or_else(|| Place::known(aws));
    let topic = topic::look(aws, place.as_ref()).await?;
    let topic = topic.filter(|found| is_ours(&found.tags, &aws.names)).map(|found| found.arn);
    let listed = match &topic {
        Some(arn) => aws.topic_at(arn.clone()).listed().await?,
        None => Listed::default(),
    };
    let table = table.filter(|found| is_ours(&found.tags, &aws.names));
    Ok(Inventory {
        topic,
        subscriptions: listed.live.len(),
        inactive: listed.inactive,
        unread: queues.iter().map(|(_, found)| found.messages()).sum(),
        urls: queues.iter().map(|(_, found)| found.url.clone()).collect(),
        queues: queues.into_iter().map(|(name, _)| name).collect(),
        rows: table.as_ref().map_or(0, table::Found::rows),
        table_is_going: table.as_ref().is_some_and(table::Found::is_going),
        table: table.map(|_| aws.names.table()),
    })
}

/// The stack's queues. The prefix only narrows the search; the tag decides.
async fn queues(aws: &Aws) -> Result<Vec<(String, queue::Found)>> {
    let mut urls = Vec::new();
    let mut pages = aws
        .clients
        .sqs
        .list_queues()
        .queue_name_prefix(aws.names.prefix())
        .max_results(1_000)
        .into_paginator()
        .items()
        .send();
    while let Some(url) = pages.next().await {
        urls.push(url.map_err(|error| aws.error("listing the queues", &error))?);
    }
    let found: Vec<_> = stream::iter(urls)
        .map(|url| async move {
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            let found = queue::look(aws, &name).await?;
            Ok::<_, Error>(found.map(|found| (name, found)))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().filter(|(_, q)| is_ours(&q.tags, &aws.names)).collect())
}

/// Removes what was found, then looks until nothing is left.
///
/// # Errors
/// Any error of a request; when something is left after two minutes.
pub async fn teardown(aws: &Aws, found: &Inventory, patience: Patience<'_>) -> Result<()> {
    if let Some(arn) = &found.topic {
        // On AWS the subscriptions go with their topic; LocalStack would keep them.
        for subscription in aws.topic_at(arn.clone()).subscriptions().await? {
            aws.clients
                .sns
                .unsubscribe()
                .subscription_arn(&subscription.arn)
                .send()
                .await
                .map_err(|error| aws.error("unsubscribing a queue", &error))?;
        }
        aws.clients
            .sns
            .delete_topic()
            .topic_arn(arn)
            .send()
            .await
            .map_err(|error| aws.error("deleting the topic", &error))?;
    }
    if found.table.is_some() && !found.table_is_going {
        table::delete(aws).await?;
    }
    stream::iter(&found.urls)
        .map(|url| async move {
            match aws.clients.sqs.delete_queue().queue_url(url).send().await {
                Err(error) if !error::is_not_found(&error) => {
                    Err(aws.error("deleting a queue", &error))
                }
                _ => Ok(()),
            }
        })
        .buffered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    let began = Instant::now();
    loop {
        let left = inventory(aws).await?;
        if left.count() == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(Error::other(format!("{} resources are still there", left.count())));
        }
        patience(Waiting::Gone(left.count()));
        sleep(LOOK_EVERY).await;
    }
}
