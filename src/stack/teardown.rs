//! `teardown`: finds what carries the stack's tag, removes it, and looks again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::Inactive;
use super::late::{self, moment};
use super::queue_state::{self, QueueState};
use super::subscriptions::Listed;
use super::table::TableState;
use super::{ArnScope, CONCURRENCY, OnWait, Waiting, is_ours, table, topic};
use crate::aws::{Aws, Subscription, is_not_found};
use crate::core::{CLOUDFORMATION_TAG, STACK_TAG};
use crate::error::{Error, Kind, Result};

/// How long deletions may take to show. SQS documents up to 60 s.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
const LIMIT: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest search for the rest of a stack when part of it shows.
const REST: Duration = Duration::from_secs(6);
/// An error names this many of the resources that were not removed.
const NAMED: usize = 3;

/// What shows of a stack.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Its ARN.
    pub topic: Option<String>,
    pub subscriptions: usize,
    /// They are deleted with the topic.
    pub inactive: Vec<Inactive>,
    /// Their names.
    pub queues: Vec<String>,
    /// Messages in the queues.
    pub unread: u64,
    /// Its name.
    pub table: Option<String>,
    /// The table's rows when DynamoDB last counted them.
    pub rows: u64,
    /// Resources with names of the stack but without the tag of any stack: `queue x`.
    pub untagged: Vec<String>,
    /// Resources that CloudFormation made, by the name of its stack. They are left alone, and not counted elsewhere.
    pub templated: BTreeMap<String, Vec<String>>,
    /// If the topic is left alone: its subscriptions whose queues are removed.
    to_unsubscribe: Vec<Subscription>,
    urls: Vec<String>,
    scope: Option<ArnScope>,
    is_whole: bool,
    is_table_hidden: bool,
    described: Option<TableState>,
}

impl Inventory {
    /// The number of resources, with subscriptions.
    pub fn count(&self) -> usize {
        usize::from(self.topic.is_some())
            + self.subscriptions
            + self.queues.len()
            + usize::from(self.table.is_some())
    }

    pub fn account(&self) -> Option<&str> {
        self.scope.as_ref().map(|scope| scope.account.as_str())
    }

    /// Why it cannot be removed: the table's deletion protection.
    pub fn obstacle(&self) -> Option<Error> {
        let is_protected = self.described.as_ref().is_some_and(TableState::is_protected);
        let table = self.table.as_ref().filter(|_| is_protected)?;
        Some(Error::other(format!(
            "table {table} is protected against deletion; nothing was removed"
        )))
    }

    fn is_table_going(&self) -> bool {
        self.described.as_ref().is_some_and(TableState::is_going)
    }

    /// How long to search for more. New resources may not show yet, or show without their tag.
    fn search_time(&self, aws: &Aws) -> Duration {
        if self.is_table_hidden {
            table::LIMIT
        } else if self.is_whole && self.untagged.is_empty() {
            Duration::ZERO
        } else if self.count() > 0 || !self.untagged.is_empty() {
            moment(aws).max(REST)
        } else {
            moment(aws)
        }
    }
}

/// Finds everything with the stack's tag. If that is less than a whole stack, the search goes on: for 15 s on AWS;
/// on LocalStack for 6 s, or for 1 s if nothing shows. It also waits for a new table that shows no tags yet.
pub async fn find(aws: &Aws, on_wait: OnWait<'_>) -> Result<Inventory> {
    let began = Instant::now();
    loop {
        let looked = began.elapsed();
        let found = inventory(aws).await?;
        let wait = found.search_time(aws);
        if looked >= wait {
            return Ok(found);
        }
        if wait > late::WORTH_A_WORD {
            on_wait(Waiting::Trace);
        }
        sleep(if looked < LOOK_EVERY { late::LOOK_EVERY } else { LOOK_EVERY }).await;
    }
}

/// One look at everything that shows with the stack's tag.
pub async fn inventory(aws: &Aws) -> Result<Inventory> {
    let names = &aws.names;
    let (queues, table) = tokio::try_join!(queues(aws), table::look(aws))?;
    let lacks_tag = |tags: &HashMap<String, String>| !tags.contains_key(STACK_TAG);
    let mut untagged: Vec<_> = queues
        .iter()
        .filter(|(name, found)| names.may_name(name) && lacks_tag(&found.tags))
        .map(|(name, _)| format!("queue {name}"))
        .collect();
    let mut queues: Vec<_> =
        queues.into_iter().filter(|(_, found)| is_ours(&found.tags, names)).collect();
    queues.sort_by_key(|(a, _)| names.responder(a));
    let arn = queues.iter().find_map(|(_, found)| found.arn());
    let scope = arn.and_then(ArnScope::of).or_else(|| ArnScope::known(aws));
    let topic = topic::look(aws, scope.as_ref()).await?;
    if topic.as_ref().is_some_and(|found| lacks_tag(&found.tags)) {
        untagged.push(format!("topic {}", names.topic()));
    }
    if table.as_ref().is_some_and(|found| lacks_tag(&found.tags) && !found.is_going()) {
        untagged.push(format!("table {}", names.table()));
    }
    let is_table_hidden = table.as_ref().is_some_and(TableState::hides_tags);
    let topic = topic.filter(|found| is_ours(&found.tags, names));
    let listed = match &topic {
        Some(found) => subscriptions(aws, &found.arn).await?,
        None => Listed::default(),
    };
    let table = table.filter(|found| is_ours(&found.tags, names));
    let mut arns =
        topic.iter().map(|found| found.arn.as_str()).chain(table.as_ref().map(TableState::arn));
    let scope = scope.or_else(|| arns.find_map(ArnScope::of));
    let mut fixed =
        [names.provider_dead_letters(), names.response_dead_letters(), names.response_queue()]
            .into_iter();
    let has = |name: &str| queues.iter().any(|(queue, _)| queue == name);
    let are_subscribed_listed = (listed.live.iter())
        .all(|found| names.provider(found.queue()).is_none() || has(found.queue()));
    let is_whole =
        topic.is_some() && table.is_some() && fixed.all(|name| has(&name)) && are_subscribed_listed;
    let mut templated = Templated::default();
    let topic =
        topic.filter(|found| templated.leaves(&format!("topic {}", names.topic()), &found.tags));
    queues.retain(|(name, found)| templated.leaves(&format!("queue {name}"), &found.tags));
    let table =
        table.filter(|found| templated.leaves(&format!("table {}", names.table()), &found.tags));
    let is_removed = |one: &Subscription| {
        queues.iter().any(|(_, found)| found.arn() == Some(one.queue_arn.as_str()))
    };
    let to_unsubscribe: Vec<_> = match &topic {
        Some(_) => Vec::new(),
        None => listed.live.iter().filter(|one| is_removed(one)).cloned().collect(),
    };
    let subscriptions = if topic.is_some() { listed.live.len() } else { to_unsubscribe.len() };
    Ok(Inventory {
        is_whole,
        is_table_hidden,
        scope,
        topic: topic.map(|found| found.arn),
        subscriptions,
        to_unsubscribe,
        templated: templated.0,
        inactive: listed.inactive,
        untagged,
        unread: queues.iter().map(|(_, found)| found.messages()).sum(),
        urls: queues.iter().map(|(_, found)| found.url.clone()).collect(),
        queues: queues.into_iter().map(|(name, _)| name).collect(),
        rows: table.as_ref().map_or(0, TableState::rows),
        table: table.as_ref().map(|_| names.table()),
        described: table,
    })
}

/// The resources that CloudFormation made.
#[derive(Default)]
struct Templated(BTreeMap<String, Vec<String>>);

impl Templated {
    /// Whether `teardown` may remove a resource with these tags; records it if CloudFormation made it.
    fn leaves(&mut self, what: &str, tags: &HashMap<String, String>) -> bool {
        let Some(stack) = tags.get(CLOUDFORMATION_TAG) else { return true };
        self.0.entry(stack.clone()).or_default().push(what.to_owned());
        false
    }
}

/// What a topic lists; nothing if the topic has gone in the meantime.
async fn subscriptions(aws: &Aws, topic: &str) -> Result<Listed> {
    match Listed::of(&aws.topic_at(topic.to_owned())).await {
        Err(error) if error.kind() == Kind::NotSetUp => Ok(Listed::default()),
        listed => listed,
    }
}

/// All queues with the stack's name prefix. Skips a queue that may not be read, unless the stack may own it.
async fn queues(aws: &Aws) -> Result<Vec<(String, QueueState)>> {
    let found: Vec<_> = stream::iter(queue_state::list(aws).await?)
        .map(|url| async move {
            let name = queue_state::name_of(&url).to_owned();
            match queue_state::look_at(aws, &name, url).await {
                Ok(found) => Ok::<_, Error>(found.map(|found| (name, found))),
                Err(error) if error.is_fatal() && !aws.names.may_name(&name) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Removes what was found and what shows meanwhile, then looks until nothing is left. A refused removal does not
/// hold up the others. Returns how many resources were removed.
///
/// # Errors
/// When the table may not be deleted, before anything is removed; when a resource was not removed, with its name;
/// any error of a look; when something is left after two minutes.
pub async fn teardown(aws: &Aws, found: &Inventory, on_wait: OnWait<'_>) -> Result<usize> {
    if let Some(obstacle) = found.obstacle() {
        return Err(obstacle);
    }
    if found.table.is_some() && !found.is_table_going() {
        table::await_deletable(aws, on_wait).await?;
    }
    let mut removal = Removal { aws, on_wait, begun: HashSet::new(), refused: Vec::new() };
    removal.of(found).await?;
    let began = Instant::now();
    loop {
        removal.is_done()?;
        let left = inventory(aws).await?;
        if left.count() == 0 {
            return Ok(removal.begun.len());
        }
        removal.of(&left).await?;
        if began.elapsed() > LIMIT {
            return Err(Error::other(format!("{} resources are still there", left.count())));
        }
        on_wait(Waiting::Gone(left.count()));
        sleep(LOOK_EVERY).await;
    }
}

struct Removal<'a> {
    aws: &'a Aws,
    on_wait: OnWait<'a>,
    /// URLs, ARNs and names of resources whose removal has begun.
    begun: HashSet<String>,
    /// What was not removed, and why.
    refused: Vec<(String, Error)>,
}

impl Removal<'_> {
    /// Removes what is not in `begun` yet. The topic comes first, because it feeds the queues.
    async fn of(&mut self, found: &Inventory) -> Result<()> {
        if let Some(arn) = &found.topic {
            self.topic(arn).await?;
        }
        for subscription in &found.to_unsubscribe {
            self.unsubscribe(subscription).await?;
        }
        if let Some(name) = &found.table
            && self.begun.insert(name.clone())
            && !found.is_table_going()
        {
            let deleted = table::delete(self.aws, self.on_wait).await;
            self.note(format!("table {name}"), deleted)?;
        }
        let urls: Vec<_> =
            found.urls.iter().filter(|url| self.begun.insert((*url).clone())).collect();
        let aws = self.aws;
        let mut deleted = stream::iter(urls)
            .map(|url| async move { (queue_state::name_of(url), delete_queue(aws, url).await) })
            .buffered(CONCURRENCY);
        while let Some((name, deleted)) = deleted.next().await {
            self.note(format!("queue {name}"), deleted)?;
        }
        Ok(())
    }

    /// Unsubscribes the queues first: AWS deletes subscriptions with their topic, but LocalStack keeps them.
    async fn topic(&mut self, arn: &str) -> Result<()> {
        if self.begun.contains(arn) {
            return Ok(());
        }
        let before = self.refused.len();
        for found in subscriptions(self.aws, arn).await?.live {
            self.unsubscribe(&found).await?;
        }
        self.begun.insert(arn.to_owned());
        let deleted = self.aws.clients.sns.delete_topic().topic_arn(arn).send().await;
        if deleted.is_ok() && self.aws.is_real() {
            self.refused.truncate(before);
        }
        let deleted = deleted.map(drop).map_err(|e| self.aws.error("deleting the topic", &e));
        self.note(format!("topic {}", self.aws.names.topic()), deleted)
    }

    async fn unsubscribe(&mut self, found: &Subscription) -> Result<()> {
        if !self.begun.insert(found.arn.clone()) {
            return Ok(());
        }
        let call = self.aws.clients.sns.unsubscribe().subscription_arn(&found.arn);
        let removed = match call.send().await {
            Err(error) if !is_not_found(&error) => {
                Err(self.aws.error("unsubscribing a queue", &error))
            }
            _ => Ok(()),
        };
        self.note(format!("the subscription of {}", found.queue()), removed)
    }

    /// Records a refusal and goes on. Fails only if the endpoint is unreachable.
    fn note(&mut self, what: String, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == Kind::Unreachable => Err(error),
            Err(error) => {
                self.refused.push((what, error));
                Ok(())
            }
        }
    }

    /// Fails with the names of the refused resources and the first reason.
    fn is_done(&mut self) -> Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        let (refused, tried) = (self.refused.len(), self.begun.len());
        let mut names: Vec<_> =
            self.refused.iter().take(NAMED).map(|(what, _)| what.clone()).collect();
        if refused > NAMED {
            names.push(format!("{} more", refused - NAMED));
        }
        let (_, reason) = self.refused.swap_remove(0);
        let message = format!("{refused} of {tried} could not be removed: {}", names.join(", "));
        Err(Error::other(message).because(reason))
    }
}

/// A queue that is gone is no error.
async fn delete_queue(aws: &Aws, url: &str) -> Result<()> {
    match aws.clients.sqs.delete_queue().queue_url(url).send().await {
        Err(error) if !is_not_found(&error) => Err(aws.error("deleting a queue", &error)),
        _ => Ok(()),
    }
}
