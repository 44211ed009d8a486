//! Chaos test: kills worker processes while requests are in flight, then accounts for every copy of every request.
//! Simulated providers answer by their seed, so each answer is known beforehand. A copy is lost when it has no
//! row, and doubled when its row holds another answer. Any other row, message or dead letter is unexplained.

mod check;
mod processes;

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use self::check::{check, expected, rows_of};
use self::processes::WorkerProcesses;
use super::{DEADLINE, STALLED, TOLD_EVERY};
use crate::aws::Aws;
use crate::core::{ProviderName, RfqId};
use crate::error::{Error, Result};
use crate::flow::draft::Submission;
use crate::flow::provider::Behaviour;
use crate::flow::scatter::{Scatter, Scattered};
use crate::shutdown::{Stage, StopSignal};
use crate::stack::all_depths;

/// Submissions in flight at once.
const IN_FLIGHT: usize = 500;
/// Attempts at a submission that fails or whose outcome is unknown.
const SUBMISSIONS: u32 = 20;
/// Pause before another attempt.
const RESUBMITTED_AFTER: Duration = Duration::from_millis(500);
/// How often the table is read.
const LOOKS: Duration = Duration::from_secs(2);
/// How long workers may take to drain after `SIGTERM`, with a margin for a slow machine.
const ENDING: Duration = Duration::from_secs(30);

/// The load, the workers and the kills of one run.
#[derive(Debug, Clone)]
pub struct ChaosPlan {
    pub rfqs: u32,
    /// Submissions a second, each at its own time.
    pub rate: f64,
    pub providers: Vec<ProviderName>,
    pub behaviour: Behaviour,
    /// Worker processes. Each runs all providers and the response consumer.
    pub workers: usize,
    /// Kills. Each killed process is replaced at once.
    pub kills: u32,
    /// The command line of a worker process, which prints its events as lines of JSON.
    pub command: Vec<OsString>,
    /// How long a message stays hidden after a killed process received it.
    pub visibility: Duration,
}

#[derive(Debug, Clone, Default)]
pub struct ChaosResult {
    /// From the first submission to the last row.
    pub took: Duration,
    pub killed: u32,
    /// Processes that ended by themselves or did not drain: exit status and last lines of stderr.
    pub ended: Vec<String>,
    pub resubmitted: u64,
    /// Copies of requests.
    pub copies: u64,
    /// Copies whose row holds the expected answer.
    pub answered: u64,
    /// Copies that a fault spoilt as planned: they left a dead letter, or a row of no RFQ.
    pub spoilt: u64,
    /// Copies that left nothing behind.
    pub lost: Vec<String>,
    /// Copies whose row holds another answer.
    pub doubled: Vec<String>,
    /// Rows, messages and dead letters that should not be there.
    pub unexplained: Vec<String>,
    /// Deliveries of requests beyond the first.
    pub redelivered: u64,
    /// Answers that the table already held.
    pub duplicates: u64,
}

impl ChaosResult {
    pub fn is_sound(&self) -> bool {
        let nothing = [&self.ended, &self.lost, &self.doubled, &self.unexplained];
        nothing.into_iter().all(Vec::is_empty) && self.answered + self.spoilt == self.copies
    }
}

/// Submits through `reached`, where requests may fail, while workers are killed. Then reads through `aws` what
/// became of each copy. `told` receives now and then the number of RFQs that have all their rows.
///
/// Fails when a worker cannot be started, when the last attempt at a submission fails, on any error of a read, and
/// when `stop` reaches its drain stage.
pub async fn run(
    reached: &Aws,
    aws: &Aws,
    plan: &ChaosPlan,
    stop: &StopSignal,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<ChaosResult> {
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

    let mut processes = WorkerProcesses::start(plan)?;
    let began = Instant::now();
    let work = async {
        let resubmitted = submit(reached, plan, &ids, stop);
        let gathered = gathered(aws, plan, &ids, told);
        let (resubmitted, took) = tokio::try_join!(resubmitted, gathered)?;
        drained(aws, plan.visibility + plan.behaviour.longest_thought()).await?;
        Ok::<_, Error>((resubmitted, took))
    };
    tokio::pin!(work);
    let (resubmitted, took) = tokio::select! {
        done = &mut work => done?,
        never = processes.kill_at(began, moments, &mut chance) => match never {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
        () = stop.reached(Stage::Drain) => return Err(Error::other("stopped")),
    };
    processes.stop().await?;
    let mut outcome = ChaosResult { took, resubmitted, ..ChaosResult::default() };
    check(aws, plan, &ids, &mut outcome).await?;
    processes.report(&mut outcome);
    Ok(outcome)
}

/// A number from 0 to 1.
fn fraction(chance: &mut ChaCha8Rng) -> f64 {
    f64::from(chance.next_u32()) / f64::from(u32::MAX)
}

/// Submits all RFQs. Returns the number of repeated attempts.
async fn submit(aws: &Aws, plan: &ChaosPlan, ids: &[RfqId], stop: &StopSignal) -> Result<u64> {
    let tasks = TaskTracker::new();
    let stop = stop.part();
    let scatter = Scatter::batched(aws, &tasks, &stop).await?;
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
            // A repeat with the same id doubles nothing. The hint of this error recommends it to users too.
            again += 1;
            if again == SUBMISSIONS || stop.has_reached(Stage::Drain) {
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
    Submission::sample(id.clone(), "chaos", DEADLINE)
}

/// Waits until every copy that should have a row has one, or until no row has come for a long time. Returns the
/// time until the last row.
async fn gathered(
    aws: &Aws,
    plan: &ChaosPlan,
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
        if there >= wanted || changed.elapsed() > STALLED + plan.behaviour.longest_thought() {
            return Ok(changed - began);
        }
    }
}

/// Waits until every queue is empty, or until the messages of killed workers have had time to return.
async fn drained(aws: &Aws, visibility: Duration) -> Result<()> {
    let until = Instant::now() + 3 * visibility + ENDING;
    while Instant::now() < until {
        let depths = all_depths(aws).await?;
        let queues = depths.providers.iter().filter_map(|(_, counts)| *counts);
        if queues.chain([depths.responses]).all(|counts| counts.total() == 0) {
            return Ok(());
        }
        sleep(TOLD_EVERY).await;
    }
    Ok(())
}
