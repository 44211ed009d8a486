//! Conservation: finds each provider's copy of a request. It reads rows and counts messages. It must not receive
//! any, because each receive counts towards redrive.

use std::time::Duration;

use tokio::time::sleep;

use crate::aws::{Aws, QueueCounts};
use crate::core::aggregate::{Gathering, Provider, State, aggregate};
use crate::core::{ProviderName, Responder, RfqId, Rows, Timestamp};
use crate::error::Result;
use crate::stack::{Depths, count_lag, depths, filters_of, is_marked};

/// Pause before the second look for a copy that nothing explains.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What accounts for a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyLocation {
    Row(State),
    /// Possibly a message in its provider's queue, which holds this many.
    Queue(QueueCounts),
    /// Possibly a message in the response queue, which holds this many.
    Responses(QueueCounts),
    /// Possibly a message that no count shows yet: the request is recent.
    Unseen,
    /// Possibly a message in a queue that cannot be counted from here.
    Elsewhere,
    /// No row, and both queues are empty.
    Nothing,
    /// No row, and its provider has no queue here.
    NoQueue,
    /// No row, and none expected: its provider's filter excluded the request.
    NotSent,
}

impl CopyLocation {
    pub fn is_unexplained(self) -> bool {
        matches!(self, Self::Nothing | Self::NoQueue)
    }

    /// Whether it may still lead to a row.
    pub fn is_in_flight(self) -> bool {
        matches!(self, Self::Queue(_) | Self::Responses(_) | Self::Unseen | Self::Elsewhere)
    }
}

/// Where every copy of one RFQ is.
#[derive(Debug, Clone)]
pub struct Conservation {
    pub gathering: Gathering,
    /// Each subscribed provider's copy, in natural order, those that were not sent last; none if the row does not list
    /// the expected providers.
    pub copies: Vec<(Responder, CopyLocation)>,
    /// Providers of unexplained copies whose subscriptions have a filter now.
    pub with_filter: Vec<Responder>,
    /// Whether submissions do not know these filters, because the topic is not marked.
    pub is_unmarked: bool,
    /// Messages in the dead letters of requests and of responses. Not counted (`None`) if every copy has a row.
    pub dead_letters: Option<(u64, u64)>,
}

impl Conservation {
    pub fn is_settled(&self) -> bool {
        !self.copies.iter().any(|(_, found)| found.is_in_flight())
    }

    pub fn unexplained(&self) -> Vec<&Responder> {
        let unexplained = self.copies.iter().filter(|(_, found)| found.is_unexplained());
        unexplained.map(|(responder, _)| responder).collect()
    }

    pub fn in_flight(&self) -> usize {
        self.copies.iter().filter(|(_, found)| found.is_in_flight()).count()
    }

    /// How many of the sent copies have a row.
    pub fn with_row(&self) -> usize {
        self.sent() - self.in_flight() - self.unexplained().len()
    }

    /// How many copies were sent, by the row.
    pub fn sent(&self) -> usize {
        self.copies.iter().filter(|(_, found)| *found != CopyLocation::NotSent).count()
    }
}

/// Checks once which subscriptions of unexplained copies have a filter now. The copies stay unexplained: the row
/// alone says who was asked. Returns only transient errors.
pub async fn look_for_filters(aws: &Aws, conservation: &mut Conservation) -> Result<()> {
    let unexplained: Vec<Responder> = conservation.unexplained().into_iter().cloned().collect();
    if !unexplained.is_empty() {
        let filters = filters_of(aws, &unexplained).await?;
        let has_filter = |who: &Responder| filters.contains_key(who);
        conservation.with_filter = unexplained.into_iter().filter(has_filter).collect();
        if !conservation.with_filter.is_empty() {
            conservation.is_unmarked = !is_marked(aws).await?;
        }
    }
    Ok(())
}

/// Finds every copy of an RFQ; `None` when the RFQ does not exist. Looks twice for copies that nothing explains.
pub async fn verify(aws: &Aws, id: &RfqId) -> Result<Option<Conservation>> {
    // For this long a copy may be in transit from the topic, or not counted yet.
    let unseen = count_lag(aws);
    let first = look(aws, id, unseen).await?;
    if first.as_ref().is_some_and(|conservation| !conservation.unexplained().is_empty()) {
        sleep(SECOND_LOOK).await;
        return look(aws, id, unseen).await;
    }
    Ok(first)
}

/// One look, in the order in which a message travels. A copy that has left its provider's queue and then the
/// response queue has its row when the rows are read at the end.
async fn look(aws: &Aws, id: &RfqId, unseen: Duration) -> Result<Option<Conservation>> {
    let asked = Timestamp::now();
    let Some(rows) = aws.table().rows(id).await? else { return Ok(None) };
    let missing = without_row(&rows);
    if missing.is_empty() {
        return Ok(Some(conservation(&rows, None, asked, unseen)));
    }
    let depths = depths(aws, &missing).await?;
    let rows = aws.table().rows(id).await?;
    Ok(rows.map(|rows| conservation(&rows, Some(&depths), asked, unseen)))
}

fn without_row(rows: &Rows) -> Vec<Responder> {
    let has_row = |who: &Responder| rows.answers.iter().any(|row| row.responder == *who);
    let expected = rows.request.expected.as_deref().unwrap_or_default();
    expected.iter().filter(|who| !has_row(who)).cloned().collect()
}

/// Accounts for each copy by the rows first, then by the queues. Pure.
fn conservation(
    rows: &Rows,
    depths: Option<&Depths>,
    now: Timestamp,
    unseen: Duration,
) -> Conservation {
    let gathering = aggregate(rows, now, None);
    let missing = without_row(rows);
    let is_young = rows.request.submitted_at.is_some_and(|submitted| submitted.plus(unseen) > now);
    let is_over = gathering.completed_by.is_some();
    let find = |who: &Responder, state: State| {
        if !missing.contains(who) {
            return CopyLocation::Row(state);
        }
        let Some(depths) = depths else { return CopyLocation::Nothing };
        let queue = depths.providers.iter().find(|(provider, _)| provider == who);
        match queue.and_then(|(_, counts)| *counts) {
            Some(counts) if counts.total() > 0 => CopyLocation::Queue(counts),
            _ if depths.responses.total() > 0 => CopyLocation::Responses(depths.responses),
            Some(_) if is_young => CopyLocation::Unseen,
            Some(_) => CopyLocation::Nothing,
            // No queue of the stack can have such a name: the queue was subscribed from elsewhere.
            None if ProviderName::parse(who.as_str()).is_err() && !is_over => {
                CopyLocation::Elsewhere
            }
            None => CopyLocation::NoQueue,
        }
    };
    let copy = |provider: &Provider| match (provider.expected, provider.state) {
        (_, State::NotAsked) => Some((provider.responder.clone(), CopyLocation::NotSent)),
        (Some(true), state) => Some((provider.responder.clone(), find(&provider.responder, state))),
        _ => None,
    };
    Conservation {
        copies: gathering.providers.iter().filter_map(copy).collect(),
        with_filter: Vec::new(),
        is_unmarked: false,
        dead_letters: depths.map(|depths| {
            (depths.provider_dead_letters.total(), depths.response_dead_letters.total())
        }),
        gathering,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Answer, AnswerRow, ExcludedProvider, Price, RequestRow, Ride};

    fn rows(expected: &[&str], answered: &[&str]) -> Rows {
        let row =
            |who: &&str| AnswerRow::new(Responder::stored(*who), Answer::Quote(Price::whole(1)));
        Rows {
            request: RequestRow {
                expected: Some(expected.iter().map(|who| Responder::stored(*who)).collect()),
                ..RequestRow::new(
                    RfqId::parse("x").expect("valid"),
                    Ride { from: "A".into(), to: "B".into(), customer: "c".into() },
                )
            },
            answers: answered.iter().map(row).collect(),
        }
    }

    fn holds(ready: u64, in_flight: u64) -> QueueCounts {
        QueueCounts { ready, in_flight }
    }

    fn depths(providers: &[(&str, Option<QueueCounts>)], responses: QueueCounts) -> Depths {
        let named = |(who, counts): &(&str, _)| (Responder::stored(*who), *counts);
        Depths {
            providers: providers.iter().map(named).collect(),
            responses,
            provider_dead_letters: holds(2, 0),
            response_dead_letters: holds(0, 0),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("in range")
    }

    /// How long a copy may be unseen: on LocalStack, and on AWS.
    const UNSEEN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

    fn judged(rows: &Rows, depths: Option<&Depths>) -> Conservation {
        conservation(rows, depths, at(10_000), UNSEEN.0)
    }

    fn found(conservation: &Conservation) -> Vec<CopyLocation> {
        conservation.copies.iter().map(|(_, found)| *found).collect()
    }

    #[test]
    fn a_row_a_queue_or_nothing_accounts_for_a_copy() {
        let rows = rows(&["a", "b", "c", "d"], &["a", "stranger"]);
        let queues = [("b", Some(holds(0, 1))), ("c", Some(holds(0, 0))), ("d", None)];
        let first = judged(&rows, Some(&depths(&queues, holds(0, 0))));
        let row = CopyLocation::Row(State::Quoted);
        assert_eq!(
            found(&first),
            [row, CopyLocation::Queue(holds(0, 1)), CopyLocation::Nothing, CopyLocation::NoQueue]
        );
        assert!(!first.is_settled());
        assert_eq!(first.unexplained().len(), 2);
        assert_eq!(first.dead_letters, Some((2, 0)));
        let responses = judged(&rows, Some(&depths(&queues, holds(3, 0))));
        assert_eq!(responses.unexplained().len(), 0);
        assert_eq!(found(&responses)[2], CopyLocation::Responses(holds(3, 0)));
    }

    #[test]
    fn a_copy_that_was_not_sent_needs_no_row_and_one_that_was_is_counted() {
        let mut rows = rows(&["a", "b"], &["a", "d"]);
        rows.request.not_asked = ["c", "d"]
            .map(|who| ExcludedProvider {
                responder: Responder::stored(who),
                key: Some("to".to_owned()),
            })
            .into();
        let conservation = judged(&rows, Some(&depths(&[("b", Some(holds(0, 0)))], holds(0, 0))));
        let row = CopyLocation::Row(State::Quoted);
        assert_eq!(found(&conservation), [row, CopyLocation::Nothing, row, CopyLocation::NotSent]);
        assert_eq!((conservation.sent(), conservation.is_settled()), (3, true));
        assert_eq!(conservation.unexplained(), [&Responder::stored("b")]);
    }

    #[test]
    fn whoever_has_a_row_needs_no_queue() {
        let conservation = judged(&rows(&["a"], &["a"]), None);
        assert!(conservation.is_settled() && conservation.unexplained().is_empty());
    }

    #[test]
    fn what_was_asked_a_moment_ago_may_not_be_seen_yet() {
        let mut rows = rows(&["a"], &[]);
        let empty = depths(&[("a", Some(holds(0, 0)))], holds(0, 0));
        rows.request.submitted_at = Some(at(8_500));
        assert_eq!(found(&judged(&rows, Some(&empty))), [CopyLocation::Unseen]);
        assert!(!judged(&rows, Some(&empty)).is_settled());
        rows.request.submitted_at = Some(at(8_000));
        assert_eq!(found(&judged(&rows, Some(&empty))), [CopyLocation::Nothing]);
        assert_eq!(
            found(&conservation(&rows, Some(&empty), at(10_000), UNSEEN.1)),
            [CopyLocation::Unseen]
        );
    }

    #[test]
    fn a_queue_from_elsewhere_is_not_called_lost_before_the_end() {
        let mut rows = rows(&["their-queue"], &[]);
        let unknown = depths(&[("their-queue", None)], holds(0, 0));
        rows.request.deadline = Some(at(10_000));
        assert_eq!(found(&judged(&rows, Some(&unknown))), [CopyLocation::Elsewhere]);
        rows.request.deadline = Some(at(9_999));
        assert_eq!(found(&judged(&rows, Some(&unknown))), [CopyLocation::NoQueue]);
    }
}
