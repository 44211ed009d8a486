//! `setup`: look at everything, then make what is missing and set what differs.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::description::StackDescription;
use super::late::{Origin, Seen, look_at_queue, look_twice, until_shown};
use super::made::Made;
use super::queue_state::{self, QueueState};
use super::spec::QueueSpec;
use super::subscriptions::Listed;
use super::table::TableState;
use super::topic::TopicState;
use super::{
    ArnScope, CONCURRENCY, Change, Mode, OnWait, TopicTags, Untagged, bindings, check_owner,
    others, queue, table, topic, unasked,
};
use super::{Subscriber, Subscribers, UnaskedProvider};
use crate::aws::Subscription;
use crate::aws::{Aws, Queue};
use crate::core::{CLOUDFORMATION_TAG, PROVIDER_TAG, ProviderName, Retention, SENDERS_TAG};
use crate::error::{Error, Result};

/// What a stack should be.
#[derive(Debug, Clone)]
pub struct SetupRequest {
    /// How many simulated providers it should have, from number 1.
    pub providers: usize,
    /// Whether to do it or to say what would be done.
    pub mode: Mode,
    /// What to do with resources that lack the stack's tag.
    pub untagged: Untagged,
    /// How long it keeps rows and dead letters; `None` leaves the current setting.
    pub retention: Retention,
}

/// What was done, or would be done.
#[derive(Debug, Clone)]
pub struct SetupReport {
    /// The account; `None` in a dry run that cannot know it.
    pub account: Option<String>,
    pub topic: (String, Change),
    /// The providers' queues, in natural order.
    pub provider_queues: Vec<(String, Change)>,
    /// Their subscriptions, in the same order; then those of the stack's other queues that were mended.
    pub subscriptions: Vec<(String, Change)>,
    pub response_queue: (String, Change),
    pub dead_letters: Vec<(String, Change)>,
    pub table: (String, Change),
    /// Simulated providers beyond the wanted number, which were kept.
    pub beyond: Vec<ProviderName>,
    /// The subscriptions that were there before, with what was mended.
    pub subscribers: Subscribers,
    /// In a check, the providers that it was not asked for.
    pub unasked: Vec<UnaskedProvider>,
    /// Differences that were left to the owner.
    pub remarks: Vec<String>,
    /// The CloudFormation stack whose template describes the topic.
    pub cloudformation_stack: Option<String>,
}

impl SetupReport {
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        let single = [&self.topic, &self.response_queue, &self.table].into_iter();
        single
            .chain(&self.provider_queues)
            .chain(&self.subscriptions)
            .chain(&self.dead_letters)
            .map(|(_, change)| change)
            .chain(
                self.unasked.iter().flat_map(|one| [&one.queue_change, &one.subscription_change]),
            )
    }
}

/// What was there before: the queues and the table.
struct StackState {
    provider_dead_letters: Option<QueueState>,
    response_dead_letters: Option<QueueState>,
    response: Option<QueueState>,
    providers: Vec<(ProviderName, Option<QueueState>)>,
    table: Option<TableState>,
}

impl StackState {
    async fn of(aws: &Aws, request: &SetupRequest, on_wait: OnWait<'_>) -> Result<Self> {
        let (names, untagged) = (&aws.names, request.untagged);
        let (dead, response_dead, response) =
            (names.provider_dead_letters(), names.response_dead_letters(), names.response_queue());
        let providers = stream::iter((1..=request.providers).map(ProviderName::simulated))
            .map(|name| async move {
                let queue = names.provider_queue(&name);
                let found = look_at_queue(aws, &queue, untagged, on_wait).await?;
                Ok((name, found))
            })
            .buffered(CONCURRENCY)
            .try_collect();
        let (provider_dead_letters, response_dead_letters, response, providers, table) = tokio::try_join!(
            look_at_queue(aws, &dead, untagged, on_wait),
            look_at_queue(aws, &response_dead, untagged, on_wait),
            look_at_queue(aws, &response, untagged, on_wait),
            providers,
            table::look_once_made(aws, untagged, on_wait),
        )?;
        Ok(Self { provider_dead_letters, response_dead_letters, response, providers, table })
    }

    /// Providers with the names of simulated ones that are real ones: their tag is never changed.
    fn not_simulated(&self, aws: &Aws) -> impl Iterator<Item = String> {
        let found = self.providers.iter().filter_map(|(name, found)| Some((name, found.as_ref()?)));
        found.filter(|(_, found)| !found.is_simulated()).map(|(name, _)| {
            let queue = aws.names.provider_queue(name);
            format!("queue {queue} lacks the tag {PROVIDER_TAG} = simulated: `providers run` alone does not serve it")
        })
    }

    fn queues(&self) -> impl Iterator<Item = &QueueState> {
        [&self.provider_dead_letters, &self.response_dead_letters, &self.response]
            .into_iter()
            .chain(self.providers.iter().map(|(_, found)| found))
            .flatten()
    }

    /// Fails when a resource belongs to another owner. Nothing has been changed yet.
    fn check(&self, aws: &Aws, topic: Option<&TopicState>, untagged: Untagged) -> Result<()> {
        for found in self.queues() {
            let name = found.url.rsplit('/').next().unwrap_or_default();
            check_owner(aws, &format!("queue {name}"), &found.tags, untagged)?;
        }
        if let Some(found) = topic {
            let what = format!("topic {}", aws.names.topic());
            check_owner(aws, &what, &found.tags, untagged)?;
        }
        // A table that is being deleted is waited for, also where it was another owner's.
        if let Some(found) = self.table.as_ref().filter(|found| !found.is_going()) {
            let what = format!("table {}", aws.names.table());
            check_owner(aws, &what, &found.tags, untagged)?;
            found.check_keys(aws)?;
        }
        Ok(())
    }
}

/// Makes what is missing and sets what differs; in a dry run, only reports it.
///
/// # Errors
/// When a resource belongs to another owner, before anything is changed; any error of a request.
pub async fn setup(aws: &Aws, request: &SetupRequest, on_wait: OnWait<'_>) -> Result<SetupReport> {
    let state = Box::pin(StackState::of(aws, request, on_wait)).await?;
    let arn = state.queues().find_map(QueueState::arn);
    let known = arn.and_then(ArnScope::of).or_else(|| ArnScope::known(aws));
    let look = async || topic::look(aws, known.as_ref()).await;
    let found_topic = look_twice(aws, request.untagged, on_wait, look, |t| &t.tags).await?;
    state.check(aws, found_topic.as_ref(), request.untagged)?;
    let (mode, names) = (request.mode, &aws.names);
    let tags = found_topic.as_ref().map(|found| TopicTags::read(&found.tags)).unwrap_or_default();
    let retention = request.retention.or(tags.retention);

    // The first queue names the account where nothing else did.
    let spec = QueueSpec::response_dead_letters(names, retention);
    let response_dead_letters =
        queue::ensure(aws, &spec, state.response_dead_letters.as_ref(), mode, on_wait).await?;
    let known = match (known, mode) {
        (None, Mode::Apply) => {
            Some(scope_beside(aws, &spec.name, &response_dead_letters, on_wait).await?)
        }
        (known, _) => known,
    };
    let account = known.as_ref().map(|scope| scope.account.clone());
    // Without an account, nothing exists that could be compared with these ARNs.
    let scope = known.unwrap_or_else(|| ArnScope {
        partition: aws.partition.clone(),
        region: aws.region.clone(),
        account: "unknown".to_owned(),
    });

    let wanted = (1..=request.providers).map(ProviderName::simulated);
    let description = &StackDescription::of(names, &scope, wanted, retention);
    let table = table::ensure(aws, &description.table, state.table.as_ref(), mode, on_wait);
    let scope = &scope;
    let messaging = Messaging { aws, request, state: &state, description, scope, on_wait };
    let messaging = messaging.ensure(found_topic.as_ref(), &response_dead_letters);
    let ((table, mut remarks), changes) = tokio::try_join!(table, messaging)?;
    remarks.extend(found_topic.iter().flat_map(TopicState::unread_days));
    if mode == Mode::Check {
        remarks.extend(state.not_simulated(aws));
    }
    Ok(SetupReport {
        account,
        topic: (names.topic(), changes.topic),
        provider_queues: changes.provider_queues,
        subscriptions: changes.subscriptions,
        response_queue: (names.response_queue(), changes.response),
        dead_letters: vec![
            (names.provider_dead_letters(), changes.dead_letters),
            (names.response_dead_letters(), response_dead_letters),
        ],
        table: (names.table(), table),
        beyond: changes.beyond,
        subscribers: changes.subscribers,
        unasked: changes.unasked,
        remarks,
        cloudformation_stack: found_topic
            .and_then(|found| found.tags.get(CLOUDFORMATION_TAG).cloned()),
    })
}

/// Everything but the table and the response dead letters: topic, queues and subscriptions.
struct Messaging<'a> {
    aws: &'a Aws,
    request: &'a SetupRequest,
    state: &'a StackState,
    description: &'a StackDescription,
    scope: &'a ArnScope,
    on_wait: OnWait<'a>,
}

/// What was done with it.
struct MessagingChanges {
    topic: Change,
    dead_letters: Change,
    response: Change,
    provider_queues: Vec<(String, Change)>,
    subscriptions: Vec<(String, Change)>,
    subscribers: Subscribers,
    beyond: Vec<ProviderName>,
    unasked: Vec<UnaskedProvider>,
}

impl Messaging<'_> {
    async fn ensure(
        &self,
        found: Option<&TopicState>,
        response_dead_letters: &Change,
    ) -> Result<MessagingChanges> {
        let Self { aws, request, state, description, scope, on_wait } = self;
        let mode = request.mode;
        let dead_spec = &description.provider_dead_letters;
        let (topic, dead_letters) = tokio::try_join!(
            topic::ensure(aws, &description.topic, found, mode),
            queue::ensure(aws, dead_spec, state.provider_dead_letters.as_ref(), mode, on_wait),
        )?;
        let response_spec = description.response.clone().after(response_dead_letters);
        let (response, provider_queues) = tokio::try_join!(
            queue::ensure(aws, &response_spec, state.response.as_ref(), mode, on_wait),
            self.ensure_providers(&dead_letters),
        )?;
        let listed = match found {
            Some(found) => Listed::of(&aws.topic_at(found.arn.clone())).await?,
            None => Listed::default(),
        };
        let listed_queues: Vec<_> = listed.live.iter().map(|one| one.queue().to_owned()).collect();
        let beyond = simulated_beyond(aws, request.providers, &listed.live).await?;
        let unasked = match mode {
            Mode::Check => unasked::check(aws, scope, &description.providers, &listed.live).await?,
            Mode::Apply | Mode::DryRun => Vec::new(),
        };
        let beside = (Origin::from(&topic), *on_wait);
        let (subscriptions, subscribers) =
            subscribe(aws, scope, &provider_queues, listed, mode, beside).await?;
        let topic = match found {
            Some(found) => {
                let mark = topic::ensure_mark(aws, found, &subscribers, mode).await?;
                topic.and(mark)
            }
            None => topic,
        };
        let topic = topic.and(self.mark_senders(found, &listed_queues).await?);
        let changes = MessagingChanges {
            topic,
            dead_letters,
            response,
            provider_queues,
            subscriptions,
            subscribers,
            beyond,
            unasked,
        };
        if mode == Mode::Apply {
            Box::pin(self.shows(&changes, response_dead_letters)).await?;
        }
        Ok(changes)
    }

    async fn ensure_providers(&self, dead_letters: &Change) -> Result<Vec<(String, Change)>> {
        let found = self.state.providers.iter().map(|(_, found)| found.as_ref());
        stream::iter(self.description.providers.iter().zip(found))
            .map(|((_, spec), found)| async move {
                let spec = spec.clone().after(dead_letters);
                let mode = self.request.mode;
                let change = queue::ensure(self.aws, &spec, found, mode, self.on_wait).await?;
                Ok((spec.name, change))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Marks the topic if a provider is bound to senders and the mark is missing. It never removes a mark: without one,
    /// consumers would gather replies of any sender.
    async fn mark_senders(&self, found: Option<&TopicState>, listed: &[String]) -> Result<Change> {
        if found.is_some_and(|found| TopicTags::read(&found.tags).has_senders) {
            return Ok(Change::Kept);
        }
        let has_been_seen = |queue: &&String| {
            self.description.providers.iter().any(|(_, spec)| spec.name == **queue)
        };
        let others: Vec<_> = listed.iter().filter(|queue| !has_been_seen(queue)).cloned().collect();
        let mut known = self.state.providers.iter().filter_map(|(_, found)| found.as_ref());
        let is_bound = known.any(|found| bindings::of_tags(&found.tags).is_some())
            || bindings::is_any_bound(self.aws, &others).await?;
        if !is_bound {
            return Ok(Change::Kept);
        }
        if self.request.mode == Mode::Apply {
            let arn = self.scope.topic_arn(&self.aws.names.topic());
            topic::mark(self.aws, &arn, SENDERS_TAG).await?;
        }
        Ok(Change::of(vec![topic::unmarked(SENDERS_TAG)]))
    }

    /// Returns when all that this run has made shows.
    async fn shows(
        &self,
        changes: &MessagingChanges,
        response_dead_letters: &Change,
    ) -> Result<()> {
        let names = &self.aws.names;
        let mut new = Made::default();
        new.topic(&changes.topic);
        new.queue(&names.provider_dead_letters(), &changes.dead_letters);
        new.queue(&names.response_dead_letters(), response_dead_letters);
        new.queue(&names.response_queue(), &changes.response);
        for (name, change) in &changes.provider_queues {
            new.queue(name, change);
        }
        for (queue, change) in &changes.subscriptions {
            new.subscription(queue, change);
        }
        new.shows(self.aws, self.scope, self.on_wait).await
    }
}

/// Makes or mends the subscriptions of these queues, and mends the others of the stack that are listed.
async fn subscribe(
    aws: &Aws,
    scope: &ArnScope,
    queues: &[(String, Change)],
    listed: Listed,
    mode: Mode,
    beside: (Origin, OnWait<'_>),
) -> Result<(Vec<(String, Change)>, Subscribers)> {
    let existing = listed.live.as_slice();
    let ensured = stream::iter(queues).map(|(name, _)| async move {
        let ensured =
            topic::ensure_subscription(aws, scope, name, existing, None, mode, beside).await?;
        Ok::<_, Error>((name.clone(), ensured))
    });
    let ensured: Vec<_> = ensured.buffered(CONCURRENCY).try_collect().await?;
    let topic = aws.topic_at(scope.topic_arn(&aws.names.topic()));
    let (mut changes, mut live) = (Vec::new(), Vec::new());
    for (name, (change, delivery)) in ensured {
        let arn = scope.queue_arn(&name);
        if let Some(found) = existing.iter().find(|found| found.queue_arn == arn) {
            live.push(Subscriber::of(&aws.names, found, Some(delivery)));
        }
        changes.push((name, change));
    }
    let is_wanted = |arn: &String| queues.iter().any(|(name, _)| scope.queue_arn(name) == *arn);
    let others = existing.iter().filter(|found| !is_wanted(&found.queue_arn)).collect();
    for (other, changed) in others::look(aws, scope, &topic, others, mode).await? {
        live.push(other);
        changes.extend(changed);
    }
    live.sort_by(|a, b| a.responder.cmp(&b.responder));
    let Listed { inactive, non_queues, .. } = listed;
    Ok((changes, Subscribers { live, inactive, non_queues, is_unmarked: false }))
}

/// The simulated providers with numbers above the wanted one, in natural order.
async fn simulated_beyond(
    aws: &Aws,
    wanted: usize,
    subscriptions: &[Subscription],
) -> Result<Vec<ProviderName>> {
    let beyond = subscriptions
        .iter()
        .filter_map(|found| aws.names.provider(found.queue()))
        .filter(|name| name.number().is_some_and(|number| number > wanted));
    let simulated = stream::iter(beyond)
        .map(|name| async move {
            let found = queue_state::look(aws, &aws.names.provider_queue(&name)).await?;
            Ok::<_, Error>(found.is_some_and(|found| found.is_simulated()).then_some(name))
        })
        .buffered(CONCURRENCY)
        .try_collect::<Vec<_>>();
    let mut simulated: Vec<_> = simulated.await?.into_iter().flatten().collect();
    simulated.sort();
    Ok(simulated)
}

/// Region and account of a queue that this run may have made a moment ago.
async fn scope_beside(
    aws: &Aws,
    queue: &str,
    change: &Change,
    on_wait: OnWait<'_>,
) -> Result<ArnScope> {
    let look = async || scope_of(&aws.queue(queue.to_owned()).await?).await;
    match Origin::from(change) {
        Origin::Found => look().await,
        Origin::Made => {
            let what = format!("queue {queue}");
            until_shown(on_wait, async || Seen::of(look().await, &what)).await
        }
    }
}

/// Region and account of a queue that exists.
pub(super) async fn scope_of(queue: &Queue) -> Result<ArnScope> {
    let arn = queue.arn().await?;
    ArnScope::of(&arn).ok_or_else(|| Error::other(format!("`{arn}` is not the ARN of a queue")))
}
