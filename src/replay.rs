//! Dead letters back to where they came from: received, sent there, and deleted once that is
//! confirmed. Whatever happens in between, a letter is in one of the two queues.
//!
//! SQS's own move of messages would not do: it fails as a whole when one letter was put there by
//! hand, by SNS or by a worker, and it carries receive counts over.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aws::{Aws, DeadLetter, HeldLetter, Queue, Source};
use crate::error::{Error, Kind, Result};
use crate::model::ProviderName;
use crate::queue::{Batcher, Ending};

/// Letters that are received at once.
const AT_ONCE: usize = 10;

/// Which letters are replayed, and where to.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The ids of the messages; `None` for all that lie there now.
    pub ids: Option<HashSet<String>>,
    /// Where requests go of which nobody wrote down where they came from.
    pub to: Option<ProviderName>,
}

/// Which dead letters they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// Requests that no provider could handle.
    Requests,
    /// Replies that could not be gathered.
    Replies,
}

/// What became of one letter.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Which letters it was among.
    pub of: Letters,
    /// The letter.
    pub letter: DeadLetter,
    /// The name of the queue it is in now, or why it stays where it was.
    pub outcome: Result<String, String>,
}

/// Replays letters until all that were chosen are gone through, or `stop`. `told` hears what becomes of
/// each. No more are replayed than lay there at the beginning: what cannot be handled comes back, and
/// would be replayed for ever. Returns about how many of all were hidden, in somebody else's hands.
///
/// # Errors
/// Invalid when there is no such provider to send to; any error of a request, after which what was in
/// hand comes back by itself.
pub async fn replay(
    aws: &Aws,
    choice: &Choice,
    stop: &CancellationToken,
    told: &mut dyn FnMut(Replayed),
) -> Result<u64> {
    let mut hidden = 0;
    let fallback = match &choice.to {
        Some(provider) => Some(provider_queue(aws, provider).await?),
        None => None,
    };
    let mut left = choice.ids.clone();
    for of in [Letters::Requests, Letters::Replies] {
        let queue = match of {
            Letters::Requests => aws.queue(aws.names.provider_dead_letters()).await?,
            Letters::Replies => aws.queue(aws.names.response_dead_letters()).await?,
        };
        let tasks = TaskTracker::new();
        // What is under way is finished when a signal comes.
        let ending = Ending::with(&CancellationToken::new());
        let mut round = Round {
            aws,
            of,
            fallback: fallback.as_ref(),
            deletes: queue.shredder(&tasks, &ending),
            queue,
            targets: HashMap::new(),
            tasks: tasks.clone(),
            ending: ending.clone(),
        };
        let gone_through = round.go_through(&mut left, stop, told).await;
        drop(round);
        tasks.close();
        tasks.wait().await;
        ending.outcome()?;
        hidden += gone_through?;
    }
    Ok(hidden)
}

async fn provider_queue(aws: &Aws, provider: &ProviderName) -> Result<Queue> {
    aws.queue(aws.names.provider_queue(provider)).await.map_err(|error| match error.kind() {
        Kind::NotSetUp => Error::invalid(format!("`--to`: there is no provider {provider}")),
        _ => error,
    })
}

/// The replay of the letters of one queue.
struct Round<'a> {
    aws: &'a Aws,
    of: Letters,
    fallback: Option<&'a Queue>,
    queue: Queue,
    deletes: Batcher<String, ()>,
    /// The queues that letters came from, by name; why there is none.
    targets: HashMap<String, Result<Batcher<HeldLetter, ()>, String>>,
    tasks: TaskTracker,
    ending: Ending,
}

impl Round<'_> {
    /// Goes through the letters; takes the ids it finds out of `left`. Returns about how many it did not
    /// get to see.
    async fn go_through(
        &mut self,
        left: &mut Option<HashSet<String>>,
        stop: &CancellationToken,
        told: &mut dyn FnMut(Replayed),
    ) -> Result<u64> {
        let mut most = self.queue.counts().await?.total();
        let (mut seen, mut kept) = (HashSet::new(), Vec::new());
        while most > 0
            && !stop.is_cancelled()
            && left.as_ref().is_none_or(|left| !left.is_empty())
            && !self.ending.has_begun()
        {
            let held =
                self.queue.hold_letters(AT_ONCE.min(usize::try_from(most).unwrap_or(AT_ONCE)));
            let held = held.await?;
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
            // Nothing is left, or what was seen before comes again.
            if seen.len() == before {
                break;
            }
            most = most.saturating_sub((seen.len() - before) as u64);
            kept.extend(self.send_back(chosen, told).await);
        }
        self.queue.release_letters(&kept).await?;
        Ok(if left.is_none() && !stop.is_cancelled() { most } else { 0 })
    }

    /// Sends letters to where they came from; returns the handles of those that stay.
    async fn send_back(
        &mut self,
        letters: Vec<HeldLetter>,
        told: &mut dyn FnMut(Replayed),
    ) -> Vec<String> {
        let mut ways = Vec::new();
        for held in letters {
            let target = self.target(&held.letter).await;
            ways.push((held, target));
        }
        let deletes = &self.deletes;
        let moved = join_all(ways.into_iter().map(async |(held, target)| {
            let outcome = match target {
                Ok((name, letterbox)) => match letterbox.submit(held.clone()).await {
                    Ok(()) => Ok(name),
                    Err(refusal) => Err(format!("sending it to {name}: {refusal}")),
                },
                Err(why) => Err(why),
            };
            let outcome = match outcome {
                Ok(name) => match deletes.submit(held.receipt.clone()).await {
                    Ok(()) => Ok(name),
                    Err(refusal) => {
                        Err(format!("it is in {name} now, but cannot be deleted: {refusal}"))
                    }
                },
                stays => stays,
            };
            (held, outcome)
        }))
        .await;
        let mut kept = Vec::new();
        for (held, outcome) in moved {
            if outcome.is_err() {
                kept.push(held.receipt);
            }
            told(Replayed { of: self.of, letter: held.letter, outcome });
        }
        kept
    }

    /// Where a letter goes.
    async fn target(
        &mut self,
        letter: &DeadLetter,
    ) -> Result<(String, Batcher<HeldLetter, ()>), String> {
        let mut target = match self.source(letter) {
            Ok(name) => self.letterbox(&name).await.map(|letterbox| (name, letterbox)),
            Err(why) => Err(why),
        };
        if target.is_err()
            && self.of == Letters::Requests
            && let Some(fallback) = self.fallback
        {
            let name = fallback.name().to_owned();
            target = self.letterbox(&name).await.map(|letterbox| (name, letterbox));
        }
        target
    }

    /// The name of the queue that a letter came from. What a sender says of it may be anything: it
    /// counts where it names a queue that this stack has such letters from.
    fn source(&self, letter: &DeadLetter) -> Result<String, String> {
        let names = &self.aws.names;
        match (&letter.source, self.of) {
            (Some(Source::Queue(name)), _) => Ok(name.clone()),
            (Some(Source::Sender(name)), Letters::Requests) if names.provider(name).is_some() => {
                Ok(name.clone())
            }
            (Some(Source::Sender(name)), Letters::Requests) => {
                Err(format!("`rydes-source` names no provider's queue of this stack: {name}"))
            }
            (None, Letters::Requests) => Err("nobody wrote down where it came from".to_owned()),
            // These letters come from one queue alone.
            (Some(Source::Sender(_)) | None, Letters::Replies) => Ok(names.response_queue()),
        }
    }

    async fn letterbox(&mut self, name: &str) -> Result<Batcher<HeldLetter, ()>, String> {
        if let Some(known) = self.targets.get(name) {
            return known.clone();
        }
        let found = match self.aws.queue(name.to_owned()).await {
            Ok(queue) => Ok(queue.letterbox(&self.tasks, &self.ending)),
            Err(error) if error.kind() == Kind::NotSetUp => Err(format!("{name} is gone")),
            // It may be there the next time.
            Err(error) => return Err(format!("finding {name}: {error}")),
        };
        self.targets.insert(name.to_owned(), found.clone());
        found
    }
}
