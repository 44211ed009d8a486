//! The response consumer: response queue -> table.
//!
//! A reply is acknowledged only after the table has confirmed its row. A bad reply goes to the dead letters with
//! its reason, and does not affect other replies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::aws::{
    Aws, Cause, DeadLetters, Insert, Inserted, MAX_STATEMENTS, MAX_STATEMENTS_BYTES, PolledQueue,
    Table, WithSender,
};
use crate::consumer::{
    Batcher, ConsumeOptions, Consumer, Entries, Limits, Message, Notice, Polling, Seat, Trouble,
    Verdict, retry_transient,
};
use crate::core::{Answer, AnswerRow, Reply, Ride, Timestamp};
use crate::error::{Error, Permanence, Result};
use crate::flow::events::{Event, Gathered, Sink};
use crate::flow::rules::RulesInForce;
use crate::shutdown::StopSignal;

pub use super::rules::RULES_AGE;

/// The replies of one receive arrive together, so none waits for more.
const INSERT_LINGER: Duration = Duration::ZERO;
/// Answers are urgent: the next receive follows at once. The answers of all providers come through this one queue.
const POLLING: Polling = Polling { pause: Duration::ZERO, max_quick: 16 };
/// How long an answer waits while other inserts are in flight.
const INSERT_MAX_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub struct ConsumerSettings {
    /// Duration of a long poll, at most 20 s.
    pub poll_wait: Duration,
    pub options: ConsumeOptions,
    /// How long the rules of the stack count before they are read again.
    pub rules_age: Duration,
}

/// Gathers until `stop`, then drains. The error is `NotSetUp` if a queue is missing, else the first permanent one.
pub async fn run(
    aws: &Aws,
    settings: ConsumerSettings,
    stop: &StopSignal,
    sink: &Sink<Event>,
) -> Result<()> {
    let (queue, dead_letters) = tokio::try_join!(
        retry_transient(async || aws.queue(aws.names.response_queue()).await),
        retry_transient(async || aws.queue(aws.names.response_dead_letters()).await),
    )?;
    // Before the first receive: an unchecked reply would be gathered.
    let rules = Arc::new(Box::pin(RulesInForce::read(aws, &queue)).await?);
    let tasks = TaskTracker::new();
    let stop = stop.part();
    let gatherer = Arc::new(Gatherer {
        table: aws.table(),
        rows: inserts(&tasks, aws.table(), &stop),
        rules: Arc::clone(&rules),
        dead_letters: dead_letters.dead_letters(&tasks, &stop),
        stop: stop.clone(),
        sink: Arc::clone(sink),
        queue: queue.name().to_owned(),
    });
    let queue_name = queue.name().to_owned();
    let troubles = Arc::clone(sink);
    let consumer = Consumer {
        source: PolledQueue {
            queue,
            wait: settings.poll_wait,
            visibility: settings.options.visibility,
            sender: WithSender::Asked,
        },
        options: settings.options,
        polling: POLLING,
        stop: stop.clone(),
        trouble: Arc::new(move |trouble| troubles(Event::Trouble(trouble))),
    };
    let handler = move |message, seat| {
        let gatherer = Arc::clone(&gatherer);
        async move { gatherer.handle(message, seat).await }
    };
    let (again, name) = (Arc::clone(sink), queue_name);
    let notice = move |notice| match notice {
        // Its next receiver gathers it.
        Notice::GivenBack => {}
        Notice::Again => again(Event::Again { queue: name.clone() }),
    };
    // A task of its own: as part of the caller's future, each wake-up would poll that whole future.
    let consumer = AbortOnDropHandle::new(tokio::spawn(consumer.run(handler, notice)));
    let keep = rules.keep(settings.rules_age, stop.clone(), Arc::clone(sink));
    let _keep = AbortOnDropHandle::new(tokio::spawn(keep));
    let outcome = consumer
        .await
        .unwrap_or_else(|panic| Err(Error::other("the consumer broke down").because(panic)));
    tasks.close();
    tasks.wait().await;
    outcome
}

fn inserts(tasks: &TaskTracker, table: Table, stop: &StopSignal) -> Batcher<Insert, Inserted> {
    let limits = Limits {
        count: MAX_STATEMENTS,
        bytes: MAX_STATEMENTS_BYTES,
        linger: INSERT_LINGER,
        max_wait: INSERT_MAX_WAIT,
        max_in_flight: 4,
        max_quick_in_flight: 8,
        attempts: 5,
    };
    let table = Arc::new(table);
    Batcher::start(tasks, limits, stop.clone(), Insert::size, move |batch| {
        let table = Arc::clone(&table);
        async move { insert(&table, &batch).await }.boxed()
    })
}

/// Inserts answers. Of several with the same key, it writes only the first of the highest rank.
async fn insert(table: &Table, answers: &[Insert]) -> Result<Entries<Inserted>> {
    let standing = collapse(answers);
    let mut chosen: Vec<usize> = standing.clone();
    chosen.sort_unstable();
    chosen.dedup();
    // The usual case: all keys differ, and nothing is copied.
    if chosen.len() == answers.len() {
        return table.insert(answers).await;
    }
    let unique: Vec<Insert> =
        chosen.iter().map(|position| with_failure(answers, *position)).collect();
    let results = table.insert(&unique).await?;
    let by_position: HashMap<usize, _> = chosen.into_iter().zip(results).collect();
    let result = |(position, stands): (usize, usize)| match &by_position[&stands] {
        Ok(_) if position != stands => Ok(Inserted::Duplicate),
        result => result.clone(),
    };
    Ok(standing.into_iter().enumerate().map(result).collect())
}

/// The answer to write. It keeps the time of a failure that it replaces: that failure settled the provider's part.
fn with_failure(answers: &[Insert], position: usize) -> Insert {
    let mut standing = answers[position].clone();
    let is_failure = |answer: &&Insert| {
        let same = answer.id == standing.id && answer.row.responder == standing.row.responder;
        same && matches!(answer.row.answer, Answer::Failed { .. })
    };
    if !matches!(standing.row.answer, Answer::Failed { .. }) {
        standing.row.failed_at = answers.iter().find(is_failure).and_then(|f| f.row.sent_at);
    }
    standing
}

/// For each answer, the position of the one that is written for its key.
fn collapse(answers: &[Insert]) -> Vec<usize> {
    let mut best: HashMap<_, usize> = HashMap::new();
    for (position, answer) in answers.iter().enumerate() {
        let stands = best.entry((&answer.id, &answer.row.responder)).or_insert(position);
        if answer.row.answer.rank() > answers[*stands].row.answer.rank() {
            *stands = position;
        }
    }
    answers.iter().map(|answer| best[&(&answer.id, &answer.row.responder)]).collect()
}

struct Gatherer {
    table: Table,
    rows: Batcher<Insert, Inserted>,
    rules: Arc<RulesInForce>,
    dead_letters: DeadLetters,
    stop: StopSignal,
    sink: Sink<Event>,
    queue: String,
}

impl Gatherer {
    async fn handle(&self, message: Message, seat: Seat) -> Verdict {
        let reply = match Reply::decode(&message.body) {
            Ok(reply) => reply,
            Err(reason) => return self.refuse(&message, &seat, reason).await,
        };
        if let Err(reason) = self.rules.check(&reply.responder, message.sender.as_deref()) {
            return self.refuse(&message, &seat, reason).await;
        }
        let ride = match self.ride(&reply).await {
            Ok(ride) => ride,
            Err(Untold::NoRequest) => {
                let reason = "`from`, `to` or `customer` is missing, and there is no request row";
                return self.refuse(&message, &seat, reason.to_owned()).await;
            }
            Err(Untold::Trouble(error)) => {
                let verdict = self.leave("reading the table", error.to_string());
                if error.is_fatal() {
                    self.stop.fail(error);
                }
                return verdict;
            }
        };
        let (responder, id, answer) =
            (reply.responder.clone(), reply.id.clone(), reply.answer.clone());
        let gathered_at = Timestamp::now();
        let took = message.sent_at.map(|sent| gathered_at.saturating_since(sent));
        let row = AnswerRow {
            details: reply.details,
            received_at: reply.received_at,
            answered_at: reply.answered_at,
            sent_at: message.sent_at,
            gathered_at: Some(gathered_at),
            ..AnswerRow::new(reply.responder, reply.answer)
        };
        match self.rows.submit(Insert { id: reply.id, row, ride, kept: self.rules.kept() }).await {
            Ok(inserted) => {
                let how = match inserted {
                    Inserted::New => Gathered::First,
                    Inserted::Replaced => Gathered::Replacing,
                    Inserted::Duplicate => Gathered::Duplicate,
                };
                (self.sink)(Event::Gathered { responder, id, answer, how, took });
                Verdict::Done
            }
            Err(refusal) if refusal.permanence == Permanence::Permanent => {
                self.refuse(&message, &seat, format!("the table refuses it: {refusal}")).await
            }
            Err(refusal) => self.leave("writing the table", refusal.to_string()),
        }
    }

    /// The ride to store with a reply that is not a quote: from the reply, or else from the request row.
    async fn ride(&self, reply: &Reply) -> Result<Option<Ride>, Untold> {
        if matches!(reply.answer, Answer::Quote(_)) {
            return Ok(None);
        }
        if let Some(ride) = reply.ride.complete() {
            return Ok(Some(ride));
        }
        let request = self.table.request(&reply.id).boxed().await;
        let request = request.map_err(Untold::Trouble)?;
        Ok(Some(reply.ride.or(request.ok_or(Untold::NoRequest)?.ride)))
    }

    /// Moves a reply to the dead letters, and acknowledges it once they have confirmed it.
    async fn refuse(&self, message: &Message, seat: &Seat, reason: String) -> Verdict {
        if seat.has_lapsed() {
            // Its next receiver refuses it too. Refusing it here as well would add a second dead letter.
            return Verdict::Leave;
        }
        let (sink, told) = (Arc::clone(&self.sink), reason.clone());
        let report = move || sink(Event::Refused { reason: told.clone() });
        let cause = Cause { reason: &reason, source: &self.queue, attempts: None };
        // Boxed, since it is rare: as a part of this future it would take memory for each reply in hand.
        match Box::pin(self.dead_letters.bury(message, cause, report)).await {
            Ok(()) => Verdict::Done,
            Err(refusal) => self.leave("moving a reply to the dead letters", refusal.to_string()),
        }
    }

    /// Leaves a reply in the queue, which delivers it again.
    fn leave(&self, subject: &str, reason: String) -> Verdict {
        (self.sink)(Event::Trouble(Trouble::Entry { subject: subject.to_owned(), reason }));
        Verdict::Leave
    }
}

/// Why the ride of a reply is not known.
enum Untold {
    /// The reply does not repeat it, and there is no request row.
    NoRequest,
    /// The request row could not be read.
    Trouble(Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Details, Price, Responder, RfqId};

    fn answer(responder: &str, answer: Answer) -> Insert {
        let row = AnswerRow::new(Responder::stored(responder), answer);
        Insert { id: RfqId::parse("x").expect("valid"), row, ride: None, kept: Duration::ZERO }
    }

    #[test]
    fn a_failure_that_another_answer_stands_for_keeps_its_time() {
        let at = |millis| Timestamp::from_millis(millis);
        let mut failure = answer(
            "a",
            Answer::Failed { reason: "f".into(), attempts: None, attempted_at: Vec::new() },
        );
        failure.row.sent_at = at(1_000);
        let mut quote = answer("a", Answer::Quote(Price::whole(1)));
        quote.row.sent_at = at(2_000);
        let other = answer("b", Answer::Quote(Price::whole(1)));
        let batch = [failure, quote, other];
        assert_eq!(collapse(&batch), [1, 1, 2]);
        assert_eq!(with_failure(&batch, 1).row.failed_at, at(1_000));
        assert_eq!(with_failure(&batch, 2).row.failed_at, None);
    }

    #[test]
    fn an_answer_that_stands_for_another_keeps_its_own_details() {
        let detailed = |answer: Insert, json: &str| {
            let details = Details::parse(json).expect("JSON");
            Insert { row: AnswerRow { details, ..answer.row }, ..answer }
        };
        let failed =
            Answer::Failed { reason: "f".into(), attempts: None, attempted_at: Vec::new() };
        let failure = detailed(answer("a", failed), "1");
        let quote = detailed(answer("a", Answer::Quote(Price::whole(1))), "2");
        let late = detailed(answer("a", Answer::Quote(Price::whole(2))), "3");
        let batch = [failure, quote.clone(), late];
        assert_eq!(collapse(&batch), [1, 1, 1]);
        assert_eq!(with_failure(&batch, 1).row.details, quote.row.details);
    }

    #[test]
    fn of_equal_keys_the_first_of_the_highest_rank_stands() {
        let quote = |price| Answer::Quote(Price::whole(price));
        let batch = [
            answer("a", Answer::Silent("s".into())),
            answer("b", quote(1)),
            answer("a", quote(2)),
            answer("a", quote(3)),
            answer("b", Answer::Declined("d".into())),
        ];
        assert_eq!(collapse(&batch), [2, 1, 2, 2, 1]);
    }
}
