//! Looks at the dead letters and finds them by their ids. Takes none away.

use std::collections::HashSet;

use crate::aws::{Aws, DeadLetter, Queue};
use crate::core::Gist;
use crate::core::prefix::{Beginning, ambiguous, is_long_enough, too_short};
use crate::error::{Error, Result};

/// Characters of a whole id: SQS makes UUIDs.
const WHOLE: usize = 36;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// Requests that no provider could handle.
    Requests,
    /// Replies that could not be gathered.
    Replies,
}

impl LetterKind {
    /// Both, in the order in which messages travel.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Replies];

    /// The queue of these letters.
    pub async fn queue(self, aws: &Aws) -> Result<Queue> {
        aws.queue(match self {
            Self::Requests => aws.names.provider_dead_letters(),
            Self::Replies => aws.names.response_dead_letters(),
        })
        .await
    }
}

/// The letters of one queue that were looked for.
#[derive(Debug, Clone)]
pub struct QueueLook {
    pub kind: LetterKind,
    pub queue: String,
    pub letters: Vec<DeadLetter>,
    /// About how many letters the queue held before, including those in flight.
    pub held: u64,
}

/// Looks through both queues at the same time. Returns up to `most` letters of each that `is_chosen` accepts.
///
/// # Errors
/// Any error of a request.
pub async fn look(
    aws: &Aws,
    most: usize,
    is_chosen: impl Fn(&DeadLetter) -> bool,
) -> Result<[QueueLook; 2]> {
    let look = async |kind: LetterKind| {
        let queue = kind.queue(aws).await?;
        let held = queue.counts().await?.total();
        let letters = queue.chosen_letters(most, &is_chosen).await?;
        Ok::<_, Error>(QueueLook { kind, queue: queue.name().to_owned(), letters, held })
    };
    let [requests, replies] = LetterKind::ALL;
    // A look that was broken off would leave its letters hidden.
    let (requests, replies) = tokio::join!(look(requests), look(replies));
    Ok([requests?, replies?])
}

/// The ids that were meant. A whole id is taken as it is; the beginning of one is looked for, and stays as it is if no
/// letter has it.
///
/// # Errors
/// Invalid if a beginning is too short, or if several letters have it; any error of a request.
pub async fn ids(aws: &Aws, typed: &[String]) -> Result<HashSet<String>> {
    let (whole, beginnings): (Vec<_>, Vec<_>) =
        typed.iter().cloned().partition(|id| id.chars().count() >= WHOLE);
    let mut ids: HashSet<String> = whole.into_iter().collect();
    if beginnings.is_empty() {
        return Ok(ids);
    }
    beginnings.iter().try_for_each(|beginning| check(beginning))?;
    let begins = |letter: &DeadLetter| beginnings.iter().any(|typed| letter.id.starts_with(typed));
    let found = look(aws, usize::MAX, begins).await?;
    let found: Vec<_> = found.into_iter().flat_map(|of| of.letters).map(|one| one.id).collect();
    for beginning in beginnings {
        ids.insert(only(&beginning, &found)?.unwrap_or(beginning));
    }
    Ok(ids)
}

/// The letter that was meant, by its id or a beginning that no other letter has. A look for a whole id ends with it.
///
/// # Errors
/// Invalid if the beginning is too short, or if several letters have it; any error of a request.
pub async fn find(aws: &Aws, typed: &str) -> Result<Option<(LetterKind, String, DeadLetter)>> {
    check(typed)?;
    let most = if typed.chars().count() >= WHOLE { 1 } else { usize::MAX };
    let found = look(aws, most, |letter| letter.id.starts_with(typed)).await?;
    let all = found.iter().flat_map(|of| &of.letters).map(|letter| letter.id.clone());
    let Some(id) = only(typed, &all.collect::<Vec<_>>())? else { return Ok(None) };
    let mut all = found.into_iter().flat_map(|QueueLook { kind, queue, letters, .. }| {
        letters.into_iter().map(move |letter| (kind, queue.clone(), letter))
    });
    Ok(all.find(|(_, _, letter)| letter.id == id))
}

/// Why ids may name no letter that could be received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfound {
    /// This one is the id of an RFQ with letters, or the beginning of it.
    OfRfq(String),
    /// Other receivers hide about so many letters.
    Hidden(u64),
    /// All letters were seen.
    Unknown,
}

/// Goes through both queues to find out why `ids` name no letter.
///
/// # Errors
/// Any error of a request.
pub async fn why_unfound(aws: &Aws, ids: &[String]) -> Result<Unfound> {
    let look = async |kind: LetterKind| {
        let queue = kind.queue(aws).await?;
        let held = queue.counts().await?.total();
        let (mut seen, mut of_rfq) = (HashSet::new(), None);
        let note = |letter: &DeadLetter| {
            seen.insert(letter.id.clone());
            let rfq = Gist::of(&letter.body).rfq;
            let mut named = ids.iter();
            let named =
                named.find(|id| rfq.as_ref().is_some_and(|rfq| rfq.as_str().starts_with(*id)));
            of_rfq = of_rfq.take().or(named.cloned());
            false
        };
        queue.chosen_letters(usize::MAX, note).await?;
        let unseen = held.saturating_sub(seen.len() as u64);
        let hidden = if unseen > 0 { unseen.min(queue.counts().await?.in_flight) } else { 0 };
        Ok::<_, Error>((of_rfq, hidden))
    };
    let [requests, replies] = LetterKind::ALL;
    // A look that was broken off would leave its letters hidden.
    let (requests, replies) = tokio::join!(look(requests), look(replies));
    let ((first, of_requests), (second, of_replies)) = (requests?, replies?);
    Ok(match (first.or(second), of_requests + of_replies) {
        (Some(id), _) => Unfound::OfRfq(id),
        (None, 0) => Unfound::Unknown,
        (None, hidden) => Unfound::Hidden(hidden),
    })
}

fn check(typed: &str) -> Result<()> {
    if is_long_enough(typed) { Ok(()) } else { Err(Error::invalid(too_short(typed, "a letter"))) }
}

/// The one id with this beginning.
fn only(typed: &str, ids: &[String]) -> Result<Option<String>> {
    match Beginning::of(typed, ids.iter().map(String::as_str)) {
        Beginning::None => Ok(None),
        Beginning::One(only) => Ok(Some(only.to_owned())),
        Beginning::Several(all) => Err(Error::invalid(ambiguous(typed, &all))),
    }
}
