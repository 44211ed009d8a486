//! Lists the stacks of an account and region. Changes nothing.
//!
//! Names suggest where to look, and tags decide. SQS and DynamoDB list names by page, so that an account without stacks
//! costs two requests; each stack then costs five. A stack that has only its topic left is not listed.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::queue_state::{self, name_of};
use super::subscriptions::Listed;
use super::table::{self, TableState};
use super::{ArnScope, is_ours};
use crate::aws::{Aws, CONCURRENCY, Queue};
use crate::core::{Names, StackName, Timestamp};
use crate::error::{Error, Kind, Result};

/// A stack and its size. What has gone, or was never made, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSummary {
    pub name: StackName,
    /// When its table was made; without a table, its response queue or dead letters.
    pub made_at: Option<Timestamp>,
    /// The account, if a resource names it.
    pub account: Option<String>,
    /// Providers with a live subscription.
    pub providers: Option<usize>,
    /// The table's rows when DynamoDB last counted them: one per RFQ, and one per reply.
    pub rows: Option<u64>,
    /// About how many requests are dead letters.
    pub dead_requests: Option<u64>,
    /// About how many replies are.
    pub dead_replies: Option<u64>,
}

/// The stacks of an account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackList {
    pub stacks: Vec<StackSummary>,
    /// How many others there may be, which these credentials may not read.
    pub unreadable: usize,
}

/// The URLs of those of its queues that are not a provider's.
type Urls = Vec<String>;

/// The names of the stacks that may be here, by the names of tables and queues.
///
/// # Errors
/// Any error of a request.
pub async fn stack_names(aws: &Aws) -> Result<Vec<StackName>> {
    Ok(suggested(aws).await?.into_keys().collect())
}

/// The stacks of this account and region, or only this one. One that may not be read is counted.
///
/// # Errors
/// Any error of a request, but a permission that lacks for one stack.
pub async fn stacks(aws: &Aws, only: Option<&StackName>) -> Result<StackList> {
    let mut suggested = suggested(aws).await?;
    suggested.retain(|name, _| only.is_none_or(|only| name == only));
    let looks: Vec<_> = stream::iter(suggested)
        .map(|(name, urls)| async move {
            let mut there = aws.clone();
            there.names = Names::new(&name);
            look(&there, name, &urls).await
        })
        .buffered(CONCURRENCY)
        .collect()
        .await;
    let mut list = StackList::default();
    for look in looks {
        match look {
            Ok(found) => list.stacks.extend(found),
            Err(error) if is_denied(&error) => list.unreadable += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(list)
}

/// Whether the credentials are accepted, but lack the permission.
fn is_denied(error: &Error) -> bool {
    error.is_fatal() && error.kind() == Kind::Other
}

async fn suggested(aws: &Aws) -> Result<BTreeMap<StackName, Urls>> {
    let (tables, urls) = tokio::try_join!(table::names(aws), queue_state::urls(aws, None))?;
    let mut found: BTreeMap<StackName, Urls> = BTreeMap::new();
    for name in tables.iter().filter_map(|table| Names::suggested_by(table)) {
        found.entry(name).or_default();
    }
    for url in urls {
        if let Some(name) = Names::suggested_by(name_of(&url)) {
            found.entry(name).or_default().push(url);
        }
    }
    Ok(found)
}

/// `None` if nothing here carries the stack's tag.
async fn look(aws: &Aws, name: StackName, urls: &Urls) -> Result<Option<StackSummary>> {
    let table = table::look(aws).await?.filter(|table| !table.is_going());
    let table = table.filter(|table| is_ours(&table.tags, &aws.names));
    let (made_at, arn) = match (&table, urls.first()) {
        (Some(table), _) => (table.made_at(), Some(table.arn().to_owned())),
        (None, Some(url)) => {
            let queue = queue_state::look_at(aws, name_of(url), url.clone()).await?;
            let Some(queue) = queue.filter(|queue| is_ours(&queue.tags, &aws.names)) else {
                return Ok(None);
            };
            (queue.made_at(), queue.arn().map(str::to_owned))
        }
        (None, None) => return Ok(None),
    };
    let scope = arn.as_deref().and_then(ArnScope::of).or_else(|| ArnScope::known(aws));
    let (providers, dead_requests, dead_replies) = tokio::try_join!(
        providers(aws, scope.as_ref()),
        held(aws, urls, aws.names.provider_dead_letters()),
        held(aws, urls, aws.names.response_dead_letters()),
    )?;
    Ok(Some(StackSummary {
        name,
        made_at,
        account: scope.map(|scope| scope.account),
        providers,
        rows: table.as_ref().map(TableState::rows),
        dead_requests,
        dead_replies,
    }))
}

async fn providers(aws: &Aws, scope: Option<&ArnScope>) -> Result<Option<usize>> {
    let Some(scope) = scope else { return Ok(None) };
    match Listed::of(&aws.topic_at(scope.topic_arn(&aws.names.topic()))).await {
        Ok(listed) => Ok(Some(listed.responders(&aws.names).len())),
        Err(error) if error.kind() == Kind::NotSetUp => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many messages a queue holds; `None` if it is not listed, or has gone since.
async fn held(aws: &Aws, urls: &Urls, name: String) -> Result<Option<u64>> {
    let Some(url) = urls.iter().find(|url| name_of(url) == name) else { return Ok(None) };
    match Queue::at(aws, name, url.clone()).counts().await {
        Ok(counts) => Ok(Some(counts.total())),
        Err(error) if error.kind() == Kind::NotSetUp => Ok(None),
        Err(error) => Err(error),
    }
}
