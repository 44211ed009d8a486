//! The check after the load: what each copy must have left behind, what it has left, and what else is there.

use std::collections::HashMap;

use super::{ChaosPlan, ChaosResult, submission};
use crate::aws::{Aws, DeadLetter};
use crate::core::{Answer, AnswerRow, ProviderName, Reply, Request, RfqId, Timestamp};
use crate::error::Result;
use crate::flow::provider::{Intent, ReplyDelivery};
use crate::stack::all_depths;

/// The most dead letters that are read.
const MOST_LETTERS: usize = 100_000;

/// What must have become of one copy.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    provider: ProviderName,
    trace: Trace,
    /// Whether its provider fails it, so that the request is among the dead letters.
    fails: bool,
}

/// What a copy leaves behind.
#[derive(Debug, Clone)]
enum Trace {
    /// A row with any of these answers. Queues keep no order, so either of two answers may be gathered first.
    Row(Vec<Answer>),
    /// A dead letter that cannot be read.
    Poison,
    /// A row with this answer under this id, which belongs to no RFQ.
    Astray(RfqId, Answer),
}

/// What must have become of each copy of an RFQ.
pub(super) fn expected(plan: &ChaosPlan, id: &RfqId) -> Vec<Expected> {
    let submission = submission(id);
    let now = Timestamp::now();
    let request = Request {
        id: submission.id,
        ride: submission.ride,
        submitted_at: Some(now),
        deadline: Some(now.plus(submission.deadline.value())),
    };
    let one = |provider: &ProviderName| {
        let received = now.by_clock(plan.behaviour.clock(provider, &request));
        let decision = plan.behaviour.decide(provider, &request, received);
        let fails = matches!(decision.intent, Intent::Fail(_));
        let answer = match decision.intent {
            Intent::Quote(price) => Answer::Quote(price),
            Intent::Decline(reason) => Answer::Declined(reason),
            Intent::Silence(reason) => Answer::Silent(reason),
            Intent::Fail(reason) => {
                Answer::Failed { reason, attempts: None, attempted_at: Vec::new() }
            }
        };
        let trace = match (decision.delivery, &answer) {
            (ReplyDelivery::Twice(second), Answer::Quote(_)) => {
                Trace::Row(vec![answer, Answer::Quote(second)])
            }
            (ReplyDelivery::Sound | ReplyDelivery::Twice(_) | ReplyDelivery::Crash(_), _) => {
                Trace::Row(vec![answer])
            }
            (ReplyDelivery::Poison, _) => Trace::Poison,
            (ReplyDelivery::Astray(id), _) => Trace::Astray(id, answer),
        };
        Expected { provider: provider.clone(), trace, fails }
    };
    plan.providers.iter().map(one).collect()
}

/// How many rows an RFQ must have.
pub(super) fn rows_of(expected: &[Expected]) -> u64 {
    expected.iter().filter(|copy| matches!(copy.trace, Trace::Row(_))).count() as u64
}

/// Whether two answers are equal. The number of attempts differs from run to run and does not count.
fn is_same(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Quote(one), Answer::Quote(other)) => one == other,
        _ => one.kind() == other.kind() && one.reason() == other.reason(),
    }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Quote(price) => price.to_string(),
        other => format!("{}: {}", other.kind(), other.reason().unwrap_or_default()),
    }
}

type RowsByRfq = HashMap<RfqId, Vec<AnswerRow>>;

/// Looks for every copy, and for everything that no copy explains.
pub(super) async fn check(
    aws: &Aws,
    plan: &ChaosPlan,
    ids: &[RfqId],
    outcome: &mut ChaosResult,
) -> Result<()> {
    let mut rows = RowsByRfq::new();
    aws.table().each_answer(&mut |id, row| rows.entry(id).or_default().push(row)).await?;
    let mut letters = LetterCheck::read(aws, outcome).await?;
    for id in ids {
        for copy in expected(plan, id) {
            compare(id, &copy, &mut rows, &mut letters, outcome);
        }
    }
    for (id, rows) in rows {
        let strange = rows
            .into_iter()
            .map(|row| format!("a row of {} for {id}: {}", row.responder, words(&row.answer)));
        outcome.unexplained.extend(strange);
    }
    letters.judge_the_others(outcome);
    let depths = all_depths(aws).await?;
    let queues =
        depths.providers.iter().filter_map(|(who, counts)| Some((who.as_str(), (*counts)?)));
    for (queue, counts) in queues.chain([("the response queue", depths.responses)]) {
        if counts.total() > 0 {
            outcome.unexplained.push(format!("{} messages in {queue}", counts.total()));
        }
    }
    Ok(())
}

/// Compares the row of a copy with what it must be; takes out what it finds.
fn compare(
    id: &RfqId,
    copy: &Expected,
    rows: &mut RowsByRfq,
    letters: &mut LetterCheck,
    outcome: &mut ChaosResult,
) {
    outcome.copies += 1;
    let provider = &copy.provider;
    let lost = |outcome: &mut ChaosResult, what: &str| {
        outcome.lost.push(format!("{id} {provider}{what}"));
    };
    match &copy.trace {
        Trace::Row(any) => match take(rows, id, provider) {
            Some(row) if any.iter().any(|answer| is_same(answer, &row.answer)) => {
                outcome.answered += 1;
            }
            Some(row) => {
                outcome.doubled.push(format!("{id} {provider}: {}", words(&row.answer)));
            }
            None => lost(outcome, ""),
        },
        Trace::Astray(wrong, answer) => match take(rows, wrong, provider) {
            Some(row) if is_same(answer, &row.answer) => outcome.spoilt += 1,
            Some(_) | None => lost(outcome, &format!(": no row for its answer to {wrong}")),
        },
        Trace::Poison if letters.take_poison(id, provider) => outcome.spoilt += 1,
        Trace::Poison => lost(outcome, ": its unreadable reply is not among the dead letters"),
    }
    if copy.fails && !letters.take_request(id, provider) {
        lost(outcome, ": the request that it failed is not among the dead letters");
    }
}

/// Takes a provider's row out.
fn take(rows: &mut RowsByRfq, id: &RfqId, provider: &ProviderName) -> Option<AnswerRow> {
    let of = rows.get_mut(id)?;
    let position = of.iter().position(|row| row.responder == provider.responder())?;
    let row = of.swap_remove(position);
    if of.is_empty() {
        rows.remove(id);
    }
    Some(row)
}

/// The dead letters that no copy has explained yet.
#[derive(Debug, Default)]
struct LetterCheck {
    /// Requests with their providers.
    requests: HashMap<(RfqId, ProviderName), Vec<DeadLetter>>,
    /// Replies that cannot be read.
    poison: Vec<DeadLetter>,
    /// Letters that no fault explains.
    others: Vec<DeadLetter>,
}

impl LetterCheck {
    /// Reads all of them.
    async fn read(aws: &Aws, outcome: &mut ChaosResult) -> Result<Self> {
        let mut letters = Self::default();
        let of_requests = aws.queue(aws.names.provider_dead_letters()).await?;
        let of_replies = aws.queue(aws.names.response_dead_letters()).await?;
        for queue in [&of_requests, &of_replies] {
            let held = queue.counts().await?.total();
            let found = match held {
                0 => Vec::new(),
                _ => queue.letters(MOST_LETTERS).await?,
            };
            let unread = held.saturating_sub(found.len() as u64);
            if unread > 0 {
                let unread = format!("{unread} dead letters that could not be looked at");
                outcome.unexplained.push(unread);
            }
            for letter in found {
                if queue.name() == of_replies.name() {
                    letters.sort_reply(letter);
                } else {
                    letters.sort_request(aws, letter);
                }
            }
        }
        Ok(letters)
    }

    fn sort_reply(&mut self, letter: DeadLetter) {
        let is_readable = Reply::decode(&letter.body).is_ok();
        if is_readable { self.others.push(letter) } else { self.poison.push(letter) }
    }

    fn sort_request(&mut self, aws: &Aws, letter: DeadLetter) {
        let request = Request::decode(&letter.body).ok();
        let provider = letter.source.as_ref().and_then(|source| aws.names.provider(source.name()));
        match request.zip(provider) {
            Some((request, provider)) => {
                self.requests.entry((request.id, provider)).or_default().push(letter);
            }
            None => self.others.push(letter),
        }
    }

    /// Takes out the letters of a copy; returns whether there were any.
    fn take_request(&mut self, id: &RfqId, provider: &ProviderName) -> bool {
        self.requests.remove(&(id.clone(), provider.clone())).is_some()
    }

    /// Takes out the unreadable replies of a copy; returns whether there were any.
    fn take_poison(&mut self, id: &RfqId, provider: &ProviderName) -> bool {
        let before = self.poison.len();
        let who = format!("\"{provider}\"");
        self.poison
            .retain(|letter| !(letter.body.contains(id.as_str()) && letter.body.contains(&who)));
        self.poison.len() < before
    }

    /// Reports the letters that are left as unexplained.
    fn judge_the_others(self, outcome: &mut ChaosResult) {
        let requests = self.requests.into_values().flatten();
        let others = requests.chain(self.poison).chain(self.others);
        outcome.unexplained.extend(others.map(|letter| {
            let reason = letter.reason.as_deref().unwrap_or("no reason");
            format!("a dead letter ({reason}): {}", letter.body)
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::{Price, Responder};
    use crate::flow::provider::{Behaviour, Profile};

    fn plan(faults: &[&str]) -> ChaosPlan {
        let faults = faults.iter().map(|fault| fault.parse().expect("valid")).collect();
        let behaviour =
            Behaviour { profile: Profile::Steady, seed: 1, think: None, speed: 1.0, faults };
        ChaosPlan {
            rfqs: 1,
            rate: 1.0,
            providers: (1..=3).map(ProviderName::simulated).collect(),
            behaviour,
            workers: 1,
            kills: 0,
            command: Vec::new(),
            visibility: Duration::from_secs(1),
        }
    }

    fn row(responder: &str, answer: Answer) -> AnswerRow {
        AnswerRow::new(Responder::stored(responder), answer)
    }

    /// The rows and the letters that must be there.
    fn traces(expected: &[Expected], id: &RfqId) -> (RowsByRfq, LetterCheck) {
        let (mut rows, mut letters) = (RowsByRfq::new(), LetterCheck::default());
        for copy in expected {
            let (id, answer) = match &copy.trace {
                Trace::Row(any) => (id, &any[0]),
                Trace::Astray(wrong, answer) => (wrong, answer),
                Trace::Poison => {
                    let body = format!(r#"{{"responder":"{}","rfq-id":"{id}""#, copy.provider);
                    letters.poison.push(letter(&body));
                    continue;
                }
            };
            let row = row(copy.provider.as_str(), answer.clone());
            rows.entry(id.clone()).or_default().push(row);
        }
        (rows, letters)
    }

    fn letter(body: &str) -> DeadLetter {
        let (id, body) = ("m".to_owned(), body.to_owned());
        let (reason, source, sent_at, cut) = (None, None, None, None);
        DeadLetter { id, body, reason, source, attempts: None, receive_count: 1, sent_at, cut }
    }

    fn judged(id: &RfqId, expected: &[Expected], found: (RowsByRfq, LetterCheck)) -> ChaosResult {
        let (mut rows, mut letters) = found;
        let mut outcome = ChaosResult::default();
        for copy in expected {
            compare(id, copy, &mut rows, &mut letters, &mut outcome);
        }
        outcome.unexplained.extend(rows.keys().map(ToString::to_string));
        letters.judge_the_others(&mut outcome);
        outcome
    }

    #[test]
    fn what_is_missing_changed_or_strange_is_found() {
        let id = RfqId::random();
        let expected = expected(&plan(&[]), &id);
        let all = || traces(&expected, &id).0.remove(&id).expect("three rows");
        let judged = |rows: Vec<AnswerRow>| {
            judged(&id, &expected, (RowsByRfq::from([(id.clone(), rows)]), LetterCheck::default()))
        };
        let sound = judged(all());
        assert!(sound.is_sound() && sound.copies == 3 && sound.answered == 3);
        let lost = judged(all().split_off(1));
        assert!(!lost.is_sound() && lost.lost == [format!("{id} UnicornManagementResource1")]);
        let mut changed = all();
        changed[2].answer = Answer::Quote(Price::whole(999));
        let changed = judged(changed);
        assert_eq!((changed.doubled.len(), changed.answered), (1, 2));
        let mut strange = all();
        strange.push(row("stranger", Answer::Quote(Price::whole(1))));
        let strange = judged(strange);
        assert_eq!((strange.unexplained.len(), strange.is_sound()), (1, false));
    }

    #[test]
    fn what_a_fault_spoils_has_to_leave_its_own_trace() {
        let id = RfqId::random();
        let faults = ["UnicornManagementResource1=poison", "UnicornManagementResource2=wrong-id"];
        let expected = expected(&plan(&faults), &id);
        assert_eq!(rows_of(&expected), 1);
        let sound = judged(&id, &expected, traces(&expected, &id));
        assert!(sound.is_sound() && sound.spoilt == 2, "{sound:?}");
        let (rows, _) = traces(&expected, &id);
        let lost = judged(&id, &expected, (rows, LetterCheck::default()));
        assert_eq!((lost.lost.len(), lost.is_sound()), (1, false));
        let (mut rows, letters) = traces(&expected, &id);
        rows.retain(|of, _| *of == id);
        let lost = judged(&id, &expected, (rows, letters));
        assert_eq!((lost.lost.len(), lost.is_sound()), (1, false));
        let (rows, mut letters) = traces(&expected, &id);
        letters.poison.push(letter("of no one"));
        let strange = judged(&id, &expected, (rows, letters));
        assert_eq!((strange.unexplained.len(), strange.is_sound()), (1, false));
    }

    #[test]
    fn a_request_that_fails_has_to_be_among_the_dead_letters() {
        let id = RfqId::random();
        let expected = expected(&plan(&["UnicornManagementResource1=error"]), &id);
        let missing = judged(&id, &expected, traces(&expected, &id));
        assert_eq!((missing.lost.len(), missing.is_sound()), (1, false), "{missing:?}");
        let (rows, mut letters) = traces(&expected, &id);
        let key = (id.clone(), ProviderName::simulated(1));
        letters.requests.insert(key, vec![letter("its request")]);
        assert!(judged(&id, &expected, (rows, letters)).is_sound());
        // The request of a provider that answered does not belong there.
        let (rows, mut letters) = traces(&expected, &id);
        for number in 1..=2 {
            let key = (id.clone(), ProviderName::simulated(number));
            letters.requests.insert(key, vec![letter("a request")]);
        }
        assert_eq!(judged(&id, &expected, (rows, letters)).unexplained.len(), 1);
    }

    #[test]
    fn of_two_answers_either_may_stand() {
        let id = RfqId::random();
        let expected = expected(&plan(&["duplicate"]), &id);
        let (mut rows, letters) = traces(&expected, &id);
        let seconds = expected.iter().filter_map(|copy| match &copy.trace {
            Trace::Row(any) => Some(row(copy.provider.as_str(), any[1].clone())),
            Trace::Poison | Trace::Astray(..) => None,
        });
        rows.insert(id.clone(), seconds.collect());
        let outcome = judged(&id, &expected, (rows, letters));
        assert!(outcome.is_sound() && outcome.answered == 3);
    }
}
