//! What has happened: requests, rows, and the time from a submission to the last row of its answers.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rydes::core::Timestamp;
use serde_json::{Value, json};

/// The longest latency that is recorded, in milliseconds: an hour.
const LONGEST: u64 = 3_600_000;

/// Counts since they were last reset.
pub(crate) struct Figures {
    /// Requests by action.
    requests: BTreeMap<String, u64>,
    /// Messages that the receives brought.
    received: u64,
    /// Receives that brought nothing.
    empty: u64,
    /// The time that requests took, by action and queue. A receive that waits for messages does not count before
    /// they come.
    busy: HashMap<String, Duration>,
    throttled: u64,
    /// Requests that the stub lacks.
    lacking: u64,
    /// The RFQs whose answers are not all there: when they were submitted, and how many are missing.
    open: HashMap<String, (Option<Timestamp>, usize)>,
    complete: u64,
    /// Rows of answers, each once.
    answers: u64,
    /// In milliseconds.
    latency: Histogram<u64>,
    /// When the first request row was written, and the last answer.
    first: Option<Instant>,
    last: Option<Instant>,
    /// The rows that the end of each second saw.
    rows: Vec<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            requests: BTreeMap::new(),
            received: 0,
            empty: 0,
            busy: HashMap::new(),
            throttled: 0,
            lacking: 0,
            open: HashMap::new(),
            complete: 0,
            answers: 0,
            latency: Histogram::new_with_max(LONGEST, 3).expect("three digits are allowed"),
            first: None,
            last: None,
            rows: Vec::new(),
        }
    }
}

impl Figures {
    pub(crate) fn requested(&mut self, action: &str) {
        if let Some(count) = self.requests.get_mut(action) {
            *count += 1;
        } else {
            self.requests.insert(action.to_owned(), 1);
        }
    }

    pub(crate) fn received(&mut self, messages: usize) {
        self.received += messages as u64;
        self.empty += u64::from(messages == 0);
    }

    /// A request of this action has taken so long; `queue` is empty for what is no queue's.
    pub(crate) fn took(&mut self, action: &str, queue: &str, time: Duration) {
        *self.busy.entry(format!("{action} {queue}").trim_end().to_owned()).or_default() += time;
    }

    pub(crate) fn throttled(&mut self) {
        self.throttled += 1;
    }

    #[expect(
        clippy::print_stderr,
        reason = "a benchmark that is refused something must not pass unseen"
    )]
    pub(crate) fn lacks(&mut self, what: &str) {
        eprintln!("lacking: {what}");
        self.lacking += 1;
    }

    /// A request row was written, which expects this many answers.
    pub(crate) fn requested_quotes(&mut self, id: &str, submitted_at: Option<&str>, of: usize) {
        self.first.get_or_insert_with(Instant::now);
        self.open.insert(id.to_owned(), (submitted_at.and_then(Timestamp::parse), of));
    }

    /// The first answer of a provider was written.
    pub(crate) fn answered(&mut self, id: &str) {
        let now = Instant::now();
        self.answers += 1;
        self.last = Some(now);
        if let Some(first) = self.first {
            let second = usize::try_from(now.duration_since(first).as_secs()).unwrap_or(0);
            self.rows.resize(self.rows.len().max(second + 1), 0);
            self.rows[second] += 1;
        }
        let Some((submitted_at, missing)) = self.open.get_mut(id) else { return };
        *missing = missing.saturating_sub(1);
        if *missing > 0 {
            return;
        }
        if let Some(at) = submitted_at {
            let took = Timestamp::now().as_millis().saturating_sub(at.as_millis());
            self.latency.saturating_record(u64::try_from(took).unwrap_or(0));
        }
        self.open.remove(id);
        self.complete += 1;
    }

    /// Times in milliseconds, `seconds` from the first request row to the last answer. `in-flight` is the mean number
    /// of requests that were being answered at once in that time.
    pub(crate) fn document(&self) -> Value {
        let took = self.first.zip(self.last).map(|(first, last)| last.duration_since(first));
        let took = took.map(|took| took.as_secs_f64());
        let mean = |busy: &Duration| took.map(|took| busy.as_secs_f64() / took);
        let in_flight: BTreeMap<_, _> =
            self.busy.iter().map(|(what, busy)| (what, mean(busy))).collect();
        let latency = |quantile| self.latency.value_at_quantile(quantile);
        json!({
            "requests": self.requests,
            "received": self.received,
            "empty-receives": self.empty,
            "in-flight": in_flight,
            "throttled": self.throttled,
            "lacking": self.lacking,
            "open": self.open.len(),
            "complete": self.complete,
            "answers": self.answers,
            "answers-by-second": self.rows,
            "seconds": took,
            "latency-ms": {"p50": latency(0.5), "p99": latency(0.99), "max": self.latency.max()},
        })
    }
}
