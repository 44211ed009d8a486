//! Chaos: worker processes are killed while requests are under way, and every copy is accounted for
//! afterwards.
//!
//! What an answer has to be is known beforehand, since simulated providers answer by their seed: a
//! copy is lost when it has no row, doubled when its row holds another answer, and whatever else lies
//! in the table or in a queue is unexplained.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DEADLINE, LONGEST_THOUGHT, STALLED, TOLD_EVERY};
use crate::aws::{Aws, DeadLetter};
use crate::error::{Error, Result};
use crate::model::{Answer, AnswerRow, ProviderName, Reply, Request, RfqId, Timestamp};
use crate::provider::{Behaviour, Delivery, FaultKind, Intent};
use crate::queue::Ending;
use crate::scatter::{Scatter, Scattered, Submission};

/// Submissions under way at once.
const IN_FLIGHT: usize = 500;
/// How often a submission of which nobody knows how it ended is made again.
const SUBMISSIONS: u32 = 20;
/// How long before that.
const RESUBMITTED_AFTER: Duration = Duration::from_millis(500);
/// How often the table is looked into.
const LOOKS: Duration = Duration::from_secs(2);
/// How often it is seen who lives.
const ROUNDS: Duration = Duration::from_millis(50);
/// How long workers may take to end when they are asked to, and a little for the machine.
const ENDING: Duration = Duration::from_secs(30);
/// Lines of a worker's stderr that are remembered.
const REMEMBERED: usize = 5;
/// Dead letters that are looked into.
const MOST_LETTERS: usize = 100_000;

/// What is broken, and how long it is watched.
#[derive(Debug, Clone)]
pub struct Plan {
    /// RFQs.
    pub rfqs: u32,
    /// How many a second, each at its time.
    pub rate: f64,
    /// Who answers.
    pub providers: Vec<ProviderName>,
    /// How they answer.
    pub behaviour: Behaviour,
    /// Processes with all providers and the response consumer.
    pub workers: usize,
    /// How many of them are killed, each replaced at once.
    pub kills: u32,
    /// The command line of such a process, which prints its events as lines of JSON.
    pub command: Vec<OsString>,
    /// How long messages stay hidden that a killed process had in hand.
    pub visibility: Duration,
}

/// What became of everything.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// From the first submission to the last row.
    pub took: Duration,
    /// Processes that were killed.
    pub killed: u32,
    /// Processes that ended by themselves, and what they said.
    pub ended: Vec<String>,
    /// Submissions that were made again.
    pub resubmitted: u64,
    /// Copies of requests.
    pub copies: u64,
    /// Copies whose row holds their answer.
    pub answered: u64,
    /// Copies that a fault spoilt as it was to: a dead letter, or a row of no RFQ, is there instead.
    pub spoilt: u64,
    /// Copies that left nothing behind.
    pub lost: Vec<String>,
    /// Copies whose row holds another answer.
    pub doubled: Vec<String>,
    /// Rows, messages and dead letters that should not be there.
    pub unexplained: Vec<String>,
    /// Deliveries of requests beyond the first.
    pub redelivered: u64,
    /// Answers that the table held already.
    pub duplicates: u64,
}

impl Outcome {
    /// Whether there is nothing to complain of.
    pub fn is_sound(&self) -> bool {
        let nothing = [&self.ended, &self.lost, &self.doubled, &self.unexplained];
        nothing.into_iter().all(Vec::is_empty) && self.answered + self.spoilt == self.copies
    }
}

/// Submits through `reached`, where requests may fail, while workers are killed; then looks through
/// `aws` at what became of it. `told` is told now and then how many RFQs have all their rows.
///
/// # Errors
/// When workers cannot be started, when a request cannot be submitted however often it is tried, any
/// error of a look; interrupted, when `stop` is cancelled.
pub async fn run(
    reached: &Aws,
    aws: &Aws,
    plan: &Plan,
    stop: &CancellationToken,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Outcome> {
    let mut chance = ChaCha8Rng::seed_from_u64(plan.behaviour.seed);
    let load = Duration::from_secs_f64(f64::from(plan.rfqs) / plan.rate);
    let mut moments: Vec<_> =
        (0..plan.kills).map(|_| load.mul_f64(fraction(&mut chance))).collect();
    moments.sort();
    let ids: Vec<_> = (0..plan.rfqs)
        .map(|_| {
            let mut bytes = [0; 16];
            chance.fill_bytes(&mut bytes);
            RfqId::from_bytes(bytes)
        })
        .collect();

    let mut crew = Crew::muster(plan)?;
    let began = Instant::now();
    let work = async {
        let resubmitted = submit(reached, plan, &ids, stop);
        let gathered = gathered(aws, plan, &ids, told);
        let (resubmitted, took) = tokio::try_join!(resubmitted, gathered)?;
        drained(aws, plan.visibility + longest_thought(plan)).await?;
        Ok::<_, Error>((resubmitted, took))
    };
    tokio::pin!(work);
    let (resubmitted, took) = tokio::select! {
        done = &mut work => done?,
        never = crew.haunt(began, moments, &mut chance) => match never {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
        () = stop.cancelled() => return Err(Error::other("stopped")),
    };
    crew.dismiss().await?;
    let mut outcome = Outcome { took, resubmitted, ..Outcome::default() };
    account(aws, plan, &ids, &mut outcome).await?;
    crew.report(&mut outcome);
    Ok(outcome)
}

/// A number from 0 to 1.
fn fraction(chance: &mut ChaCha8Rng) -> f64 {
    f64::from(chance.next_u32()) / f64::from(u32::MAX)
}

/// Submits all of them; returns how many times one had to be submitted again.
async fn submit(aws: &Aws, plan: &Plan, ids: &[RfqId], stop: &CancellationToken) -> Result<u64> {
    let tasks = TaskTracker::new();
    let ending = Ending::with(stop);
    let scatter = Scatter::batched(aws, &tasks, &ending).await?;
    let began = Instant::now();
    let due = async |(number, id): (u32, &RfqId)| {
        sleep_until(began + Duration::from_secs_f64(f64::from(number) / plan.rate)).await;
        id.clone()
    };
    let one = async |id: RfqId| {
        let mut again = 0;
        loop {
            let failed = match scatter.submit(submission(&id)).await {
                Ok(Scattered::Published(_) | Scattered::Answered(_)) => {
                    return Ok(u64::from(again));
                }
                Ok(Scattered::Unknown(error)) | Err(error) => error,
            };
            // As its hint tells a customer to: the same id doubles nothing.
            again += 1;
            if again == SUBMISSIONS || ending.has_begun() {
                return Err(failed);
            }
            sleep(RESUBMITTED_AFTER).await;
        }
    };
    let numbered = (0..plan.rfqs).zip(ids);
    let again: Vec<u64> =
        stream::iter(numbered).then(due).map(one).buffer_unordered(IN_FLIGHT).try_collect().await?;
    Ok(again.into_iter().sum())
}

fn submission(id: &RfqId) -> Submission {
    Submission {
        id: id.clone(),
        from: "Frankfurt".to_owned(),
        to: "Las Vegas".to_owned(),
        customer: "chaos".to_owned(),
        deadline: DEADLINE,
        until: Vec::new(),
    }
}

/// Returns when every copy that should have a row has one, or when none has come for long; how long
/// that took.
async fn gathered(
    aws: &Aws,
    plan: &Plan,
    ids: &[RfqId],
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Duration> {
    let began = Instant::now();
    let expected: HashMap<_, _> = ids.iter().map(|id| (id, rows_of(&expected(plan, id)))).collect();
    let wanted: u64 = expected.values().sum();
    let (mut last, mut changed) = (0, Instant::now());
    loop {
        sleep(LOOKS).await;
        let answers = aws.table().answers().await?;
        let of = |id: &RfqId| answers.get(id).copied().unwrap_or(0);
        told(expected.iter().filter(|(id, wanted)| of(id) >= **wanted).count() as u64);
        let there = expected.iter().map(|(id, wanted)| of(id).min(*wanted)).sum();
        if there != last {
            (last, changed) = (there, Instant::now());
        }
        if there >= wanted || changed.elapsed() > STALLED + longest_thought(plan) {
            return Ok(changed - began);
        }
    }
}

/// Returns when no queue holds anything any more, or what was in the hands of the killed has had time
/// to come back.
async fn drained(aws: &Aws, visibility: Duration) -> Result<()> {
    let until = Instant::now() + 3 * visibility + ENDING;
    while Instant::now() < until {
        let depths = aws.all_depths().await?;
        let queues = depths.providers.iter().filter_map(|(_, counts)| *counts);
        if queues.chain([depths.responses]).all(|counts| counts.total() == 0) {
            return Ok(());
        }
        sleep(TOLD_EVERY).await;
    }
    Ok(())
}

/// The longest that a provider may think.
fn longest_thought(plan: &Plan) -> Duration {
    let behaviour = &plan.behaviour;
    let slow = behaviour.faults.iter().filter_map(|fault| match fault.kind {
        FaultKind::Slow(think) => Some(think),
        _ => None,
    });
    let think = behaviour.think.map_or(LONGEST_THOUGHT, |(_, longest)| longest);
    slow.chain([think]).max().unwrap_or_default().div_f64(behaviour.speed)
}

/// The worker processes.
struct Crew {
    command: Vec<OsString>,
    workers: Vec<Worker>,
    heard: Arc<Mutex<Heard>>,
    killed: u32,
}

/// One process and the last that it said.
struct Worker {
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
}

/// What the processes have told.
#[derive(Debug, Default)]
struct Heard {
    redelivered: u64,
    duplicates: u64,
    ended: Vec<String>,
}

impl Crew {
    /// Starts the processes.
    fn muster(plan: &Plan) -> Result<Self> {
        let mut crew = Self {
            command: plan.command.clone(),
            workers: Vec::new(),
            heard: Arc::default(),
            killed: 0,
        };
        for _ in 0..plan.workers {
            let worker = crew.start()?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    fn start(&self) -> Result<Worker> {
        let failed = || Error::other("a worker process cannot be started");
        let (program, arguments) = self.command.split_first().ok_or_else(failed)?;
        let mut process = Command::new(program)
            .args(arguments)
            // It ends when this pipe does, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for this process alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed().because(error))?;
        let heard = Arc::clone(&self.heard);
        each_line(process.stdout.take(), move |line| lock(&heard).hear(&line));
        let said = Arc::<Mutex<Vec<String>>>::default();
        let remembered = Arc::clone(&said);
        each_line(process.stderr.take(), move |line| {
            let mut said = lock(&remembered);
            if said.len() == REMEMBERED {
                said.remove(0);
            }
            said.push(line);
        });
        Ok(Worker { process, said })
    }

    /// Kills processes at these moments, counted from the beginning, and replaces them, as well as
    /// those that end by themselves.
    async fn haunt(
        &mut self,
        began: Instant,
        moments: Vec<Duration>,
        chance: &mut ChaCha8Rng,
    ) -> Result<std::convert::Infallible> {
        let mut moments = moments.into_iter().peekable();
        let mut rounds = interval(ROUNDS);
        loop {
            rounds.tick().await;
            for position in 0..self.workers.len() {
                let status = self.workers[position].process.try_wait();
                if let Some(status) = status.map_err(Error::system)? {
                    let said = lock(&self.workers[position].said).join(" | ");
                    lock(&self.heard).ended.push(format!("{status}: {said}"));
                    // One that cannot even begin is not started again at once.
                    sleep(RESUBMITTED_AFTER).await;
                    self.workers[position] = self.start()?;
                }
            }
            while moments.next_if(|moment| began.elapsed() >= *moment).is_some() {
                let whom = usize::try_from(chance.next_u32()).unwrap_or(0) % self.workers.len();
                self.workers[whom].process.kill().await.map_err(Error::system)?;
                self.killed += 1;
                self.workers[whom] = self.start()?;
            }
        }
    }

    /// Asks the processes to end, which they do in good order.
    async fn dismiss(&mut self) -> Result<()> {
        for worker in &self.workers {
            let id = worker.process.id().and_then(|id| i32::try_from(id).ok());
            if let Some(pid) = id.and_then(Pid::from_raw) {
                kill_process(pid, Signal::TERM).map_err(Error::system)?;
            }
        }
        let ends = self.workers.iter_mut().map(async |worker| {
            match timeout(ENDING, worker.process.wait()).await {
                Ok(Ok(status)) if status.success() => None,
                Ok(Ok(status)) => Some(format!("{status}: {}", lock(&worker.said).join(" | "))),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no end within {} s", ENDING.as_secs())),
            }
        });
        let ended: Vec<_> = join_all(ends).await.into_iter().flatten().collect();
        lock(&self.heard).ended.extend(ended);
        Ok(())
    }

    fn report(&self, outcome: &mut Outcome) {
        let heard = lock(&self.heard);
        outcome.killed = self.killed;
        outcome.redelivered = heard.redelivered;
        outcome.duplicates = heard.duplicates;
        outcome.ended.clone_from(&heard.ended);
    }
}

impl Heard {
    /// Hears a line of events.
    fn hear(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { return };
        match event["event"].as_str() {
            Some("received") if event["count"].as_u64() > Some(1) => self.redelivered += 1,
            Some("delivered-again") => self.redelivered += 1,
            Some("duplicate") => self.duplicates += 1,
            _ => {}
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands over each line of a stream until it ends.
fn each_line(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    mut hand_over: impl FnMut(String) + Send + 'static,
) {
    let Some(stream) = stream else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        // A line that is cut off by a kill is none.
        while let Ok(Some(line)) = lines.next_line().await {
            hand_over(line);
        }
    });
}

/// What has to have become of one copy.
#[derive(Debug, Clone)]
struct Expected {
    provider: ProviderName,
    trace: Trace,
    /// Whether its provider fails it, so that the request is among the dead letters.
    fails: bool,
}

/// What a copy leaves behind.
#[derive(Debug, Clone)]
enum Trace {
    /// A row with any of these answers: of two either may be gathered first, since queues keep no
    /// order.
    Row(Vec<Answer>),
    /// A dead letter that cannot be read.
    Poison,
    /// A row with this answer under this id, which belongs to no RFQ.
    Astray(RfqId, Answer),
}

/// What has to have become of each copy of an RFQ.
fn expected(plan: &Plan, id: &RfqId) -> Vec<Expected> {
    let submission = submission(id);
    let now = Timestamp::now();
    let request = Request {
        id: submission.id,
        from: submission.from,
        to: submission.to,
        customer: submission.customer,
        submitted_at: Some(now),
        deadline: Some(now.plus(submission.deadline)),
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
            (Delivery::Twice(second), Answer::Quote(_)) => {
                Trace::Row(vec![answer, Answer::Quote(second)])
            }
            (Delivery::Sound | Delivery::Twice(_) | Delivery::Crash(_), _) => {
                Trace::Row(vec![answer])
            }
            (Delivery::Poison, _) => Trace::Poison,
            (Delivery::Astray(id), _) => Trace::Astray(id, answer),
        };
        Expected { provider: provider.clone(), trace, fails }
    };
    plan.providers.iter().map(one).collect()
}

/// How many rows an RFQ has to have.
fn rows_of(expected: &[Expected]) -> u64 {
    expected.iter().filter(|copy| matches!(copy.trace, Trace::Row(_))).count() as u64
}

/// Whether two answers say the same; how often a failure was tried differs from run to run.
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

/// The rows of a table, by RFQ.
type Rows = HashMap<RfqId, Vec<AnswerRow>>;

/// Looks for every copy, and at everything else that is there.
async fn account(aws: &Aws, plan: &Plan, ids: &[RfqId], outcome: &mut Outcome) -> Result<()> {
    let mut rows = Rows::new();
    aws.table().each_answer(&mut |id, row| rows.entry(id).or_default().push(row)).await?;
    let mut letters = Letters::read(aws, outcome).await?;
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
    let depths = aws.all_depths().await?;
    let queues =
        depths.providers.iter().filter_map(|(who, counts)| Some((who.as_str(), (*counts)?)));
    for (queue, counts) in queues.chain([("the response queue", depths.responses)]) {
        if counts.total() > 0 {
            outcome.unexplained.push(format!("{} messages in {queue}", counts.total()));
        }
    }
    Ok(())
}

/// Compares what stands with what has to stand; takes out what it finds.
fn compare(
    id: &RfqId,
    copy: &Expected,
    rows: &mut Rows,
    letters: &mut Letters,
    outcome: &mut Outcome,
) {
    outcome.copies += 1;
    let provider = &copy.provider;
    let lost = |outcome: &mut Outcome, what: &str| {
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
            Some(_) | None => lost(outcome, &format!(", which answered to {wrong}")),
        },
        Trace::Poison if letters.take_poison(id, provider) => outcome.spoilt += 1,
        Trace::Poison => lost(outcome, ", whose answer cannot be read"),
    }
    if copy.fails && !letters.take_request(id, provider) {
        lost(outcome, ", which failed, among the dead letters");
    }
}

/// Takes a provider's row out.
fn take(rows: &mut Rows, id: &RfqId, provider: &ProviderName) -> Option<AnswerRow> {
    let of = rows.get_mut(id)?;
    let position = of.iter().position(|row| row.responder == provider.responder())?;
    let row = of.swap_remove(position);
    if of.is_empty() {
        rows.remove(id);
    }
    Some(row)
}

/// The dead letters that nobody has asked for yet.
#[derive(Debug, Default)]
struct Letters {
    /// Requests with their providers.
    requests: HashMap<(RfqId, ProviderName), Vec<DeadLetter>>,
    /// Replies that cannot be read.
    poison: Vec<DeadLetter>,
    /// What belongs among the dead letters in no case.
    others: Vec<DeadLetter>,
}

impl Letters {
    /// Reads all of them.
    async fn read(aws: &Aws, outcome: &mut Outcome) -> Result<Self> {
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
                letters.sort_in(aws, letter, queue.name() == of_replies.name());
            }
        }
        Ok(letters)
    }

    fn sort_in(&mut self, aws: &Aws, letter: DeadLetter, is_reply: bool) {
        if is_reply && Reply::decode(&letter.body).is_err() {
            self.poison.push(letter);
            return;
        }
        let request = Request::decode(&letter.body).ok().filter(|_| !is_reply);
        let provider = letter.source.as_ref().and_then(|source| aws.names.provider(source.name()));
        match request.zip(provider) {
            Some((request, provider)) => {
                self.requests.entry((request.id, provider)).or_default().push(letter);
            }
            None => self.others.push(letter),
        }
    }

    /// Takes out the letters of a copy; whether there is one.
    fn take_request(&mut self, id: &RfqId, provider: &ProviderName) -> bool {
        self.requests.remove(&(id.clone(), provider.clone())).is_some()
    }

    /// Takes out the unreadable replies of a copy; whether there is one.
    fn take_poison(&mut self, id: &RfqId, provider: &ProviderName) -> bool {
        let before = self.poison.len();
        let who = format!("\"{provider}\"");
        self.poison
            .retain(|letter| !(letter.body.contains(id.as_str()) && letter.body.contains(&who)));
        self.poison.len() < before
    }

    /// Whatever is left is unexplained.
    fn judge_the_others(self, outcome: &mut Outcome) {
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
    use super::*;
    use crate::model::{Price, Responder};
    use crate::provider::Temper;

    fn plan(faults: &[&str]) -> Plan {
        let faults = faults.iter().map(|fault| fault.parse().expect("valid")).collect();
        let behaviour =
            Behaviour { temper: Temper::Steady, seed: 1, think: None, speed: 1.0, faults };
        Plan {
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
        AnswerRow {
            responder: Responder::stored(responder),
            answer,
            received_at: None,
            answered_at: None,
            sent_at: None,
            gathered_at: None,
            failed_at: None,
        }
    }

    /// The rows and the letters that have to be there.
    fn traces(expected: &[Expected], id: &RfqId) -> (Rows, Letters) {
        let (mut rows, mut letters) = (Rows::new(), Letters::default());
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
        DeadLetter { id, body, reason: None, source: None, receive_count: 1, sent_at: None }
    }

    fn judged(id: &RfqId, expected: &[Expected], found: (Rows, Letters)) -> Outcome {
        let (mut rows, mut letters) = found;
        let mut outcome = Outcome::default();
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
            judged(&id, &expected, (Rows::from([(id.clone(), rows)]), Letters::default()))
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
        let lost = judged(&id, &expected, (rows, Letters::default()));
        assert_eq!((lost.lost.len(), lost.is_sound()), (1, false));
        let (mut rows, letters) = traces(&expected, &id);
        rows.retain(|of, _| *of == id);
        let lost = judged(&id, &expected, (rows, letters));
        assert_eq!((lost.lost.len(), lost.is_sound()), (1, false));
        let (rows, mut letters) = traces(&expected, &id);
        letters.poison.push(letter("of nobody"));
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
        // One whose provider answered does not belong there.
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

    #[test]
    fn workers_are_heard() {
        let mut heard = Heard::default();
        for line in [
            r#"{"event": "received", "count": 1}"#,
            r#"{"event": "received", "count": 2}"#,
            r#"{"event": "delivered-again"}"#,
            r#"{"event": "duplicate"}"#,
            r#"{"event": "gath"#,
        ] {
            heard.hear(line);
        }
        assert_eq!((heard.redelivered, heard.duplicates), (2, 1));
    }
}
