//! Sends dead letters back to their source queue: receives them, sends them, and deletes them once the send is
//! confirmed. At every moment a letter is in at least one of the two queues.
//!
//! SQS's own message move is no substitute. It fails as a whole if one letter was put there by hand, by SNS or by
//! a worker, and it carries receive counts over.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::task::TaskTracker;

use super::letters::LetterKind;
use crate::aws::{Aws, Cut, DeadLetter, LetterSource, Queue, ReceivedLetter};
use crate::consumer::{Batcher, Effect};
use crate::core::{Gist, ProviderName, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::shutdown::{Stage, StopSignal};

/// Letters per receive.
const AT_ONCE: usize = 10;
/// The replay ends after this many receives in a row without a new letter.
const MOST_STALE: u32 = 3;

/// Which letters are replayed, and where to.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Message ids; `None` for all letters that are there now.
    pub ids: Option<HashSet<String>>,
    /// Provider for requests of unknown origin.
    pub to: Option<ProviderName>,
    pub mode: ReplayMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayMode {
    Apply,
    /// Moves nothing, and reports where each letter would go.
    DryRun,
}

#[derive(Debug, Clone)]
pub struct Replayed {
    pub of: LetterKind,
    pub letter: DeadLetter,
    pub outcome: ReplayOutcome,
    /// How long ago the deadline of the request passed, if it has one that is over.
    pub overdue_by: Option<Duration>,
}

/// Where a letter is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// Only in the queue of this name.
    Moved(String),
    /// Still a dead letter: only a dry run. It would be in the queue of this name.
    Movable(String),
    /// In the queue of this name and still a dead letter, with the reason why it was not deleted.
    Copied(String, String),
    /// Still a dead letter: it has no queue to go to, for this reason.
    Homeless(String),
    /// Still a dead letter: sending it failed or was not confirmed, for this reason.
    Unsent(String),
    /// Still a dead letter: its body was cut, so the message is incomplete.
    Cut(Cut),
}

/// Why a letter cannot be sent.
#[derive(Debug, Clone)]
enum NoWay {
    Cut(Cut),
    /// Its source is unknown, is no queue of this stack, or no longer exists.
    Nowhere(String),
    /// The lookup of its queue failed.
    Trouble(String),
}

/// Replays the chosen letters until all are done, or until `stop`. `told` receives the outcome of each, and may
/// take its time. The replay handles at most as many letters as were there at the beginning: a letter that fails
/// again comes back, and would be replayed for ever. Returns about how many letters other receivers hid.
///
/// # Errors
/// Invalid when the provider for requests of unknown origin does not exist; any error of a request. Letters in
/// hand then come back by themselves.
pub async fn replay(
    aws: &Aws,
    choice: &Choice,
    stop: &StopSignal,
    told: &mut impl AsyncFnMut(Replayed),
) -> Result<u64> {
    let mut hidden = 0;
    let fallback = match &choice.to {
        Some(provider) => Some(provider_queue(aws, provider).await?),
        None => None,
    };
    let mut left = choice.ids.clone();
    for of in LetterKind::ALL {
        let queue = of.queue(aws).await?;
        let tasks = TaskTracker::new();
        // Independent of `stop`: letters in flight are finished after a signal.
        let under_way = StopSignal::new();
        let mut round = QueueReplay {
            aws,
            of,
            mode: choice.mode,
            fallback: fallback.as_ref(),
            deletes: queue.deleter(&tasks, &under_way),
            queue,
            targets: HashMap::new(),
            tasks: tasks.clone(),
            under_way: under_way.clone(),
        };
        let gone_through = round.go_through(&mut left, stop, told).await;
        drop(round);
        tasks.close();
        tasks.wait().await;
        under_way.outcome()?;
        hidden += gone_through?;
    }
    Ok(hidden)
}

/// How long the deadline of a letter has been over; `None` for one without a deadline that is over. Replies name none.
pub fn overdue_by(of: LetterKind, letter: &DeadLetter, now: Timestamp) -> Option<Duration> {
    let deadline = match of {
        LetterKind::Requests => Gist::deadline(&letter.body)?,
        LetterKind::Replies => return None,
    };
    (now > deadline).then(|| now.saturating_since(deadline))
}

async fn provider_queue(aws: &Aws, provider: &ProviderName) -> Result<Queue> {
    aws.queue(aws.names.provider_queue(provider)).await.map_err(|error| match error.kind() {
        Kind::NotSetUp => Error::invalid(format!("there is no provider {provider}")).about("to"),
        _ => error,
    })
}

struct QueueReplay<'a> {
    aws: &'a Aws,
    of: LetterKind,
    mode: ReplayMode,
    fallback: Option<&'a Queue>,
    queue: Queue,
    deletes: Batcher<String, ()>,
    /// The source queues by name, or why a queue cannot be used.
    targets: HashMap<String, Result<Batcher<ReceivedLetter, ()>, NoWay>>,
    tasks: TaskTracker,
    under_way: StopSignal,
}

impl QueueReplay<'_> {
    /// Goes through the letters, and removes the ids it finds from `left`. Returns about how many it did not see.
    async fn go_through(
        &mut self,
        left: &mut Option<HashSet<String>>,
        stop: &StopSignal,
        told: &mut impl AsyncFnMut(Replayed),
    ) -> Result<u64> {
        let mut most = self.queue.counts().await?.total();
        let (mut seen, mut kept, mut stale) = (HashSet::new(), Vec::new(), 0);
        let mut is_first = true;
        while !stop.has_reached(Stage::Drain)
            && !self.under_way.has_reached(Stage::Drain)
            && stale < MOST_STALE
        {
            // Counts are estimates: ids are searched for even at a count of 0.
            match left.as_ref() {
                Some(left) if left.is_empty() => break,
                None if most == 0 && !is_first => break,
                _ => {}
            }
            is_first = false;
            let limit = match left {
                Some(_) => AT_ONCE,
                None => usize::try_from(most.max(1)).map_or(AT_ONCE, |most| most.min(AT_ONCE)),
            };
            let held = self.queue.receive_letters(limit).await?;
            if held.is_empty() {
                break;
            }
            let before = seen.len();
            let mut chosen = Vec::new();
            for held in held {
                let id = &held.letter.id;
                let is_chosen = left.as_mut().is_none_or(|left| left.remove(id));
                if seen.insert(id.clone()) && is_chosen {
                    chosen.push(held);
                } else {
                    kept.push(held.receipt);
                }
            }
            // In a long replay, letters that were kept become visible and are received again.
            stale = if seen.len() == before { stale + 1 } else { 0 };
            most = most.saturating_sub((seen.len() - before) as u64);
            kept.extend(self.send_back(chosen, told).await);
        }
        self.queue.release_letters(&kept).await?;
        if left.is_some() || stop.has_reached(Stage::Drain) || most == 0 {
            return Ok(0);
        }
        Ok(most.min(self.queue.counts().await?.in_flight))
    }

    /// Sends letters to their queues; returns the receipt handles of those that stay.
    async fn send_back(
        &mut self,
        letters: Vec<ReceivedLetter>,
        told: &mut impl AsyncFnMut(Replayed),
    ) -> Vec<String> {
        let mut ways = Vec::new();
        for held in letters {
            let target = self.target(&held.letter).await;
            ways.push((held, target));
        }
        // The next lookup may succeed.
        self.targets.retain(|_, target| !matches!(target, Err(NoWay::Trouble(_))));
        let (deletes, mode) = (&self.deletes, self.mode);
        let moved = join_all(ways.into_iter().map(async |(held, target)| {
            let (name, resender) = match target {
                Ok(target) => target,
                Err(NoWay::Cut(cut)) => return (held, ReplayOutcome::Cut(cut)),
                Err(NoWay::Nowhere(why)) => return (held, ReplayOutcome::Homeless(why)),
                Err(NoWay::Trouble(why)) => return (held, ReplayOutcome::Unsent(why)),
            };
            if mode == ReplayMode::DryRun {
                return (held, ReplayOutcome::Movable(name));
            }
            if let Err(refusal) = resender.submit(held.clone()).await {
                let perhaps = match refusal.effect {
                    Effect::Excluded => "",
                    Effect::Possible => "it may or may not have arrived: ",
                };
                let why = format!("sending it to {name}: {perhaps}{refusal}");
                return (held, ReplayOutcome::Unsent(why));
            }
            let outcome = match deletes.submit(held.receipt.clone()).await {
                Ok(()) => ReplayOutcome::Moved(name),
                Err(refusal) => ReplayOutcome::Copied(name, refusal.to_string()),
            };
            (held, outcome)
        }))
        .await;
        let mut kept = Vec::new();
        for (held, outcome) in moved {
            if !matches!(outcome, ReplayOutcome::Moved(_)) {
                kept.push(held.receipt);
            }
            let overdue_by = overdue_by(self.of, &held.letter, Timestamp::now());
            told(Replayed { of: self.of, letter: held.letter, outcome, overdue_by }).await;
        }
        kept
    }

    async fn target(
        &mut self,
        letter: &DeadLetter,
    ) -> Result<(String, Batcher<ReceivedLetter, ()>), NoWay> {
        if let Some(cut) = &letter.cut {
            return Err(NoWay::Cut(cut.clone()));
        }
        let target = match self.source(letter) {
            Ok(name) => self.resender(&name).await.map(|resender| (name, resender)),
            Err(why) => Err(NoWay::Nowhere(why)),
        };
        match (target, self.of, self.fallback) {
            // Only then: a letter whose own queue is merely unreachable belongs to that queue.
            (Err(NoWay::Nowhere(_)), LetterKind::Requests, Some(fallback)) => {
                let name = fallback.name().to_owned();
                self.resender(&name).await.map(|resender| (name, resender))
            }
            (target, _, _) => target,
        }
    }

    /// The name of the queue that a letter came from. A sender can write any name: it counts only if it is a
    /// provider queue of this stack.
    fn source(&self, letter: &DeadLetter) -> Result<String, String> {
        let names = &self.aws.names;
        match (&letter.source, self.of) {
            (Some(LetterSource::Queue(name)), _) => Ok(name.clone()),
            (Some(LetterSource::Sender(name)), LetterKind::Requests)
                if names.provider(name).is_some() =>
            {
                Ok(name.clone())
            }
            (Some(LetterSource::Sender(name)), LetterKind::Requests) => {
                Err(format!("`rydes-source` is not a provider queue of this stack: {name}"))
            }
            (None, LetterKind::Requests) => Err("its origin is unknown".to_owned()),
            // These letters come only from the response queue.
            (Some(LetterSource::Sender(_)) | None, LetterKind::Replies) => {
                Ok(names.response_queue())
            }
        }
    }

    async fn resender(&mut self, name: &str) -> Result<Batcher<ReceivedLetter, ()>, NoWay> {
        if let Some(known) = self.targets.get(name) {
            return known.clone();
        }
        let found = match self.aws.queue(name.to_owned()).await {
            Ok(queue) => Ok(queue.resender(&self.tasks, &self.under_way)),
            Err(error) if error.kind() == Kind::NotSetUp => {
                Err(NoWay::Nowhere(format!("{name} is gone")))
            }
            Err(error) => Err(NoWay::Trouble(format!("finding {name}: {error}"))),
        };
        self.targets.insert(name.to_owned(), found.clone());
        found
    }
}
