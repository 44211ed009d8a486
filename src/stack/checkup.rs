//! Looks for what needs a person: `status --check`. It only reads, and receives no message.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{AttributeValue, TableStatus};
use tokio::time::{Instant, sleep};

use super::depths::{Depths, all_depths, count_lag, depths_and_subscribers};
use super::subscriptions::Subscribers;
use super::{TopicTags, bindings, table};
use crate::aws::{Aws, QueueCounts, is_throttled};
use crate::core::Responder;
use crate::error::Result;

/// How often queues that seem unread are counted again, within the time that counts may lag behind.
const LOOKS: u32 = 5;
/// Reads of the table that must all be throttled, so that a moment's throttling is no alarm.
const READS: usize = 3;
/// The pause between them.
const READ_PAUSE: Duration = Duration::from_millis(300);

/// What `status --check` found in the stack.
#[derive(Debug, Clone)]
pub struct Checkup {
    pub depths: Depths,
    pub subscribers: Subscribers,
    /// The queues that held messages in each look, none of them in hand.
    pub unread: Unread,
    /// Whether a provider is bound to senders, and the topic is not marked as having any.
    pub has_unmarked_binding: bool,
    /// `None` if the table can be used.
    pub table: Option<TableTrouble>,
}

/// The queues that no worker reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    pub providers: Vec<Responder>,
    /// How many replies no consumer reads.
    pub replies: u64,
}

impl Unread {
    /// The queues with messages ready, and none in hand.
    fn of(depths: &Depths) -> Self {
        let counted = depths.providers.iter();
        let unread = counted.filter(|(_, counts)| counts.is_some_and(QueueCounts::is_unread));
        let responses = depths.responses;
        Self {
            providers: unread.map(|(who, _)| who.clone()).collect(),
            replies: if responses.is_unread() { responses.ready } else { 0 },
        }
    }

    /// What is unread in a later look too.
    fn still(self, later: &Self) -> Self {
        let is_still = |who: &Responder| later.providers.contains(who);
        let replies = if self.replies > 0 { later.replies } else { 0 };
        Self { providers: self.providers.into_iter().filter(is_still).collect(), replies }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Why rows cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableTrouble {
    Missing,
    /// It is not active; DynamoDB's word for its state.
    State(String),
    /// Reads are throttled.
    Throttles(Capacity),
}

/// How a table's capacity is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    OnDemand,
    Provisioned,
}

/// Looks at the whole stack. Queues that seem unread are counted again until counts can be trusted: a message that was
/// sent a moment ago is no alarm.
///
/// # Errors
/// Not set up when there is no stack; any error of a request.
pub async fn checkup(aws: &Aws) -> Result<Checkup> {
    let looks = async {
        let (depths, subscribers) = depths_and_subscribers(aws).await?;
        let unread = still_unread(aws, Unread::of(&depths)).await?;
        let has_unmarked_binding = has_unmarked_binding(aws, &subscribers).await?;
        Ok((depths, subscribers, unread, has_unmarked_binding))
    };
    let (looks, table) = tokio::join!(Box::pin(looks), Box::pin(table_trouble(aws)));
    let (depths, subscribers, unread, has_unmarked_binding) = looks?;
    Ok(Checkup { depths, subscribers, unread, has_unmarked_binding, table: table? })
}

async fn still_unread(aws: &Aws, mut unread: Unread) -> Result<Unread> {
    let (began, lag) = (Instant::now(), count_lag(aws));
    while !unread.is_none() && began.elapsed() < lag {
        sleep(lag / LOOKS).await;
        unread = unread.still(&Unread::of(&all_depths(aws).await?));
    }
    Ok(unread)
}

async fn has_unmarked_binding(aws: &Aws, subscribers: &Subscribers) -> Result<bool> {
    let topic = aws.topic().await?;
    if TopicTags::of(&topic).await?.has_senders {
        return Ok(false);
    }
    Ok(bindings::read_binding_state(aws, subscribers).await?.is_any_bound)
}

async fn table_trouble(aws: &Aws) -> Result<Option<TableTrouble>> {
    let Some(found) = table::describe(aws, &aws.names.table()).await? else {
        return Ok(Some(TableTrouble::Missing));
    };
    match found.table_status() {
        Some(TableStatus::Active | TableStatus::Updating) | None => {}
        Some(other) => return Ok(Some(TableTrouble::State(other.as_str().to_owned()))),
    }
    for read in 0..READS {
        if read > 0 {
            sleep(READ_PAUSE).await;
        }
        if !is_read_throttled(aws).await? {
            return Ok(None);
        }
    }
    let capacity =
        if table::is_provisioned(&found) { Capacity::Provisioned } else { Capacity::OnDemand };
    Ok(Some(TableTrouble::Throttles(capacity)))
}

/// Reads a row that does not exist, in one attempt: half a unit.
async fn is_read_throttled(aws: &Aws) -> Result<bool> {
    let none = || AttributeValue::S("-".to_owned());
    let key = HashMap::from([("id".to_owned(), none()), ("responder".to_owned(), none())]);
    let once = aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled());
    let get = aws.clients.dynamodb.get_item().table_name(aws.names.table()).set_key(Some(key));
    match get.customize().config_override(once).send().await {
        Ok(_) => Ok(false),
        Err(error) if error.code().is_some_and(is_throttled) => Ok(true),
        Err(error) => Err(aws.error("reading the table", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depths(of_a: (u64, u64), of_b: (u64, u64), responses: (u64, u64)) -> Depths {
        let held = |(ready, in_flight)| QueueCounts { ready, in_flight };
        let of = |name, counts| (Responder::stored(name), Some(held(counts)));
        Depths {
            providers: vec![of("a", of_a), of("b", of_b), (Responder::stored("elsewhere"), None)],
            responses: held(responses),
            provider_dead_letters: held((0, 0)),
            response_dead_letters: held((0, 0)),
        }
    }

    #[test]
    fn only_what_is_unread_in_each_look_is_an_alarm() {
        let unread = |providers: &[&str], replies| Unread {
            providers: providers.iter().map(|name| Responder::stored(*name)).collect(),
            replies,
        };
        let first = Unread::of(&depths((1, 0), (2, 0), (3, 0)));
        assert_eq!(first, unread(&["a", "b"], 3));
        let later = Unread::of(&depths((1, 0), (1, 1), (4, 0)));
        assert_eq!(first.clone().still(&later), unread(&["a"], 4));
        let gathered = first.still(&Unread::of(&depths((0, 0), (5, 0), (9, 1))));
        assert_eq!(gathered, unread(&["b"], 0));
        let new = gathered.still(&Unread::of(&depths((7, 0), (0, 1), (7, 0))));
        assert!(new.is_none(), "what is new in a later look may have come just then: {new:?}");
    }
}
