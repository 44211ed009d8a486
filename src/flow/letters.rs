//! Looks at the dead letters and finds them by their ids. Takes none away.

use std::collections::HashSet;

use crate::aws::{Aws, DeadLetter, Queue};
use crate::error::{Error, Result};

/// Characters of a whole id: SQS makes UUIDs.
const WHOLE: usize = 36;
/// The fewest characters that name a letter.
const SHORTEST_PREFIX: usize = 4;

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
    let (requests, replies) = tokio::try_join!(look(requests), look(replies))?;
    Ok([requests, replies])
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

/// The letter that was meant, by its id or a beginning that no other letter has.
///
/// # Errors
/// Invalid if the beginning is too short, or if several letters have it; any error of a request.
pub async fn find(aws: &Aws, typed: &str) -> Result<Option<(LetterKind, String, DeadLetter)>> {
    check(typed)?;
    let found = look(aws, usize::MAX, |letter| letter.id.starts_with(typed)).await?;
    let all = found.iter().flat_map(|of| &of.letters).map(|letter| letter.id.clone());
    let Some(id) = only(typed, &all.collect::<Vec<_>>())? else { return Ok(None) };
    let mut all = found.into_iter().flat_map(|QueueLook { kind, queue, letters, .. }| {
        letters.into_iter().map(move |letter| (kind, queue.clone(), letter))
    });
    Ok(all.find(|(_, _, letter)| letter.id == id))
}

fn check(typed: &str) -> Result<()> {
    if typed.chars().count() >= SHORTEST_PREFIX {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{}` is too short: an id, or its first {SHORTEST_PREFIX} characters or more, names a letter",
        crate::core::text::printable(typed)
    )))
}

/// The one id with this beginning.
fn only(typed: &str, ids: &[String]) -> Result<Option<String>> {
    let mut fitting: Vec<_> = ids.iter().filter(|id| id.starts_with(typed)).cloned().collect();
    if fitting.len() < 2 {
        return Ok(fitting.pop());
    }
    fitting.sort_unstable();
    Err(Error::invalid(format!(
        "`{}` may be any of {}",
        crate::core::text::printable(typed),
        fitting.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one_letter_or_none() {
        let ids = ["2f9c1c5e".to_owned(), "2f9cffff".to_owned(), "aaaa0000".to_owned()];
        let only = |typed: &str| only(typed, &ids).map_err(|error| error.to_string());
        assert_eq!(only("aaaa"), Ok(Some("aaaa0000".to_owned())));
        assert_eq!(only("bbbb"), Ok(None));
        assert_eq!(only("2f9c"), Err("`2f9c` may be any of 2f9c1c5e, 2f9cffff".to_owned()));
        assert!(check("2f9").is_err_and(|error| error.to_string().contains("too short")));
        assert!(check("2f9c").is_ok());
    }
}
