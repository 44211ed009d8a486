//! What other deadlines would have brought in past gatherings: how many of the best quotes, for which wait.
//!
//! The best quote of a gathering is here the one that a customer gets who waits until its end, without any deadline:
//! late quotes count, and those that come after a condition is met do not. A deadline keeps it if the customer gets
//! the same one under that deadline.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::MOST_COUNTED;
use super::durations::{Durations, real};
use crate::core::aggregate::{Hindsight, Status, Verdict, cutoff};
use crate::core::{Answer, AnswerRow, Responder, Rows, Timestamp};

/// The longest deadline that is tried, in milliseconds: a day, since no command accepts a longer one.
const LONGEST: i64 = 86_400_000;
/// With fewer RFQs than this, advice is only a hint.
const FEW: u64 = 30;

/// Past gatherings under every deadline of a grid.
#[derive(Debug, Clone)]
pub struct Market {
    /// The gatherings.
    pub rfqs: u64,
    /// Gatherings with a best quote.
    pub with_best: u64,
    /// Gatherings that were closed. Their closing stays where it was.
    pub closed: u64,
    /// Receipts for requests that a provider received after the end, and so did not answer.
    pub unsent: u64,
    /// Late quotes and declines that replaced a failure: a replay brought them, and no deadline would have.
    pub replayed: u64,
    /// The shortest and the longest of the deadlines that the gatherings had, in milliseconds.
    pub todays_deadlines: Option<(i64, i64)>,
    today: Sum,
    todays_waits: Durations,
    /// Milliseconds from submission to the end, of the gatherings that end without a deadline.
    ends: Durations,
    grid: Vec<i64>,
    sums: Vec<Sum>,
    /// Deadlines of the grid that have more answers in time than the one before.
    occurred: Vec<bool>,
    waited_for: BTreeMap<Responder, WaitedFor>,
}

/// How many gatherings waited for one provider until their end.
#[derive(Debug, Clone)]
struct WaitedFor {
    /// Under the deadlines that they had.
    today: u64,
    /// Under each deadline of the grid.
    grid: Vec<u64>,
}

/// Sums over gatherings under one deadline.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    quoted: u64,
    kept: u64,
    complete: u64,
    paid: f64,
    best: f64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.quoted += other.quoted;
        self.kept += other.kept;
        self.complete += other.complete;
        self.paid += other.paid;
        self.best += other.best;
    }
}

/// What one deadline brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// In milliseconds after submission; `None`: each gathering under the one that it had, and these differ.
    pub deadline: Option<i64>,
    /// Gatherings that keep their best quote.
    pub kept: u64,
    /// Gatherings with any quote in time.
    pub quoted: u64,
    /// Gatherings that a condition ends.
    pub complete: u64,
    /// Milliseconds from submission to the end.
    pub wait_median: Option<u64>,
    /// The same for 95 % of them.
    pub wait_p95: Option<u64>,
    /// The same for all of them.
    pub wait_max: Option<u64>,
    /// The mean price of the best quotes in time.
    pub price: Option<f64>,
    /// The sum of these prices above the sum of the best prices of the same gatherings, as a share of the latter.
    pub above_best: Option<f64>,
    /// The providers that were waited for until the end, each with its number of gatherings, the most frequent first.
    pub waited_for: Vec<(Responder, u64)>,
}

impl Default for Market {
    fn default() -> Self {
        let grid = grid();
        Self {
            rfqs: 0,
            with_best: 0,
            closed: 0,
            unsent: 0,
            replayed: 0,
            todays_deadlines: None,
            today: Sum::default(),
            todays_waits: Durations::default(),
            ends: Durations::default(),
            sums: vec![Sum::default(); grid.len()],
            occurred: vec![false; grid.len()],
            grid,
            waited_for: BTreeMap::new(),
        }
    }
}

/// Deadlines with two significant digits, in milliseconds: 10, 11 ... 99, 100, 110 ... up to a day.
fn grid() -> Vec<i64> {
    let decades = std::iter::successors(Some(1), |step| Some(step * 10));
    let deadlines = decades.flat_map(|step| (10..100).map(move |digits| digits * step));
    deadlines.take_while(|at| *at <= LONGEST).collect()
}

impl Market {
    /// Adds a gathering that is over and has a submission time.
    pub fn add(&mut self, rows: &Rows) {
        let Some(submitted) = rows.request.submitted_at else { return };
        let (rows, replayed) = without_replays(rows);
        let rows = rows.as_ref();
        self.replayed += replayed;
        let mut hindsight = Hindsight::of(rows);
        self.rfqs += 1;
        self.closed += u64::from(rows.request.closed_at.is_some());
        self.unsent += unsent(rows);
        let own = hindsight.verdict();
        for responder in hindsight.waited_for() {
            self.count_waited_for(responder, |counts| counts.today += 1);
        }
        hindsight.set_deadline(None);
        let whole = hindsight.verdict();
        self.with_best += u64::from(whole.taken.is_some());
        self.add_today(rows, submitted, &own, &whole);
        if let Some(end) = whole.ended_at {
            self.ends.add(end.millis_since(submitted));
        }
        self.add_to_grid(&mut hindsight, submitted, &whole);
    }

    fn add_today(&mut self, rows: &Rows, submitted: Timestamp, own: &Verdict, whole: &Verdict) {
        if let Some(deadline) = rows.request.deadline {
            let own = deadline.millis_since(submitted);
            let (shortest, longest) = self.todays_deadlines.unwrap_or((own, own));
            self.todays_deadlines = Some((shortest.min(own), longest.max(own)));
        }
        self.today.add(&sum(own, whole));
        if let Some(end) = own.ended_at {
            self.todays_waits.add(end.millis_since(submitted));
        }
    }

    /// Evaluates the gathering once for each stretch of deadlines without an answer in between.
    fn add_to_grid(
        &mut self,
        hindsight: &mut Hindsight<'_>,
        submitted: Timestamp,
        whole: &Verdict,
    ) {
        let place = |at: Timestamp| {
            let after = at.millis_since(submitted);
            self.grid.partition_point(|deadline| *deadline < after)
        };
        let mut starts: Vec<usize> = hindsight.answer_times().map(place).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|start| *start < self.grid.len());
        for start in &starts {
            self.occurred[*start] = true;
        }
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().skip(1).copied().chain([self.grid.len()]);
        for (start, end) in starts.iter().copied().zip(ends) {
            let millis = Duration::from_millis(self.grid[start].unsigned_abs());
            hindsight.set_deadline(Some(submitted.plus(millis)));
            let sum = sum(&hindsight.verdict(), whole);
            self.sums[start..end].iter_mut().for_each(|all| all.add(&sum));
            for responder in hindsight.waited_for() {
                self.count_waited_for(responder, |counts| {
                    counts.grid[start..end].iter_mut().for_each(|count| *count += 1);
                });
            }
        }
    }

    fn count_waited_for(&mut self, responder: &Responder, count: impl FnOnce(&mut WaitedFor)) {
        if !self.waited_for.contains_key(responder) {
            if self.waited_for.len() == MOST_COUNTED {
                return;
            }
            let none = WaitedFor { today: 0, grid: vec![0; self.grid.len()] };
            self.waited_for.insert(responder.clone(), none);
        }
        if let Some(counts) = self.waited_for.get_mut(responder) {
            count(counts);
        }
    }

    /// Whether there are too few gatherings for advice to be more than a hint.
    pub fn is_few(&self) -> bool {
        self.rfqs < FEW
    }

    /// The deadlines at which something changes, the shortest first.
    pub fn points(&self) -> Vec<Point> {
        (0..self.grid.len()).filter(|at| self.occurred[*at]).map(|at| self.point(at)).collect()
    }

    /// The gatherings under the deadlines that they had.
    pub fn today(&self) -> Point {
        let waits = [Durations::median, Durations::p95, Durations::longest];
        let waits = waits.map(|wait| wait(&self.todays_waits));
        // A submitter may write a time that is a few milliseconds off.
        let is_one = |(shortest, longest): &(i64, i64)| shortest * 100 >= longest * 99;
        let deadline = self.todays_deadlines.filter(is_one).map(|(_, longest)| longest);
        let waited_for = self.waited_for(|counts| counts.today);
        shaped(deadline, &self.today, waits, waited_for)
    }

    /// The shortest deadline that keeps this share of the best quotes; `None` without any.
    pub fn advised(&self, keep: f64) -> Option<Point> {
        let is_enough = |at: &usize| self.is_enough(self.sums[*at].kept, keep);
        let at = (0..self.grid.len()).find(is_enough).filter(|_| self.with_best > 0)?;
        Some(self.point(at))
    }

    /// Whether `kept` best quotes are this share of all.
    pub(super) fn is_enough(&self, kept: u64, keep: f64) -> bool {
        // A share such as 0.95 is no exact number.
        real(kept) >= keep * real(self.with_best) - 1e-9
    }

    /// Gatherings that keep their best quote under the longest deadline of the grid up to this one.
    pub fn kept_within(&self, deadline: i64) -> u64 {
        let longer = self.grid.partition_point(|at| *at <= deadline);
        longer.checked_sub(1).map_or(0, |at| self.sums[at].kept)
    }

    fn point(&self, at: usize) -> Point {
        let deadline = self.grid[at];
        let wait = |share| {
            let ended = self.ends.quantile_of(share, self.rfqs);
            let most = deadline.unsigned_abs();
            (self.rfqs > 0).then(|| ended.map_or(most, |ended| ended.min(most)))
        };
        let waited_for = self.waited_for(|counts| counts.grid[at]);
        shaped(Some(deadline), &self.sums[at], [wait(0.5), wait(0.95), wait(1.0)], waited_for)
    }

    fn waited_for(&self, of: impl Fn(&WaitedFor) -> u64) -> Vec<(Responder, u64)> {
        let counts = self.waited_for.iter().map(|(who, counts)| (who, of(counts)));
        let mut all: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.into_iter().map(|(who, count)| (who.clone(), count)).collect()
    }
}

fn shaped(
    deadline: Option<i64>,
    sum: &Sum,
    [wait_median, wait_p95, wait_max]: [Option<u64>; 3],
    waited_for: Vec<(Responder, u64)>,
) -> Point {
    Point {
        deadline,
        kept: sum.kept,
        quoted: sum.quoted,
        complete: sum.complete,
        wait_median,
        wait_p95,
        wait_max,
        price: (sum.quoted > 0).then(|| sum.paid / real(sum.quoted)),
        above_best: (sum.best > 0.0).then(|| sum.paid / sum.best - 1.0),
        waited_for,
    }
}

/// One gathering under one deadline, beside the same without any.
fn sum(verdict: &Verdict<'_>, whole: &Verdict<'_>) -> Sum {
    let (Some(price), Some(best)) = (verdict.price, whole.price) else {
        return Sum { complete: complete(verdict), ..Sum::default() };
    };
    let responder = |row: &AnswerRow| row.responder.clone();
    Sum {
        quoted: 1,
        kept: u64::from(verdict.taken.map(responder) == whole.taken.map(responder)),
        complete: complete(verdict),
        paid: price.approximate(),
        best: best.approximate(),
    }
}

fn complete(verdict: &Verdict<'_>) -> u64 {
    u64::from(verdict.status == Status::Complete)
}

/// The receipts for requests that were received after the end of the gathering.
fn unsent(rows: &Rows) -> u64 {
    let end = cutoff(rows.request.deadline, rows.request.closed_at);
    let is_unsent = |row: &&AnswerRow| {
        let received = row.received_at.or(row.time());
        matches!(row.answer, Answer::Silent(_)) && end.is_some() && received > end
    };
    rows.answers.iter().filter(is_unsent).count() as u64
}

/// The rows with the failures that late answers have replaced, and how many these are.
fn without_replays(rows: &Rows) -> (Cow<'_, Rows>, u64) {
    let end = cutoff(rows.request.deadline, rows.request.closed_at);
    let is_replay = |row: &AnswerRow| row.failed_at.is_some() && end.is_some() && row.time() > end;
    let count = rows.answers.iter().filter(|row| is_replay(row)).count() as u64;
    if count == 0 {
        return (Cow::Borrowed(rows), 0);
    }
    let before = |row: &AnswerRow| {
        if !is_replay(row) {
            return row.clone();
        }
        let failed = Answer::Failed { reason: String::new(), attempts: None, attempted_at: vec![] };
        let sent_at = row.failed_at;
        AnswerRow { sent_at, ..AnswerRow::new(row.responder.clone(), failed) }
    };
    let answers = rows.answers.iter().map(before).collect();
    (Cow::Owned(Rows { request: rows.request.clone(), answers }), count)
}
