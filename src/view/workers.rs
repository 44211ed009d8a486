//! What has happened at the workers and the consumer: a table that is redrawn, and a summary.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::names::Prefix;
use super::quotes::seconds_of;
use super::table::{Column, cut, cut_middle, lines, spaced, wrapped};
use super::tone::{Line, Tone};
use super::{count_of, usage};
use crate::aws::Usage;
use crate::consumer::Trouble;
use crate::core::text::printable;
use crate::core::{Answer, ProviderName, Responder, RfqId, Timestamp};
use crate::flow::events::{Event, Gathered, Stray};
use crate::flow::provider::{Served, ServedBy};

/// Ids in each of two generations of [`Distinct`]: more RFQs than are ever gathered at once.
const MOST_IDS: usize = 50_000;
/// The most requests that are remembered as open.
const MOST_OPEN: usize = 100_000;

/// How long a trouble with one message is shown.
const SHOWN: Duration = Duration::from_secs(10);
/// The longest trouble that is shown in the table.
const LONGEST_TROUBLE: usize = 300;
/// The longest time to answer that is recorded exactly, in milliseconds: an hour.
const LONGEST_TIME: u64 = 3_600_000;
/// Lines about real providers below a narrow table, at most.
pub(crate) const MOST_REAL_LINES: u16 = 3;
/// Columns of the table that every provider fills.
const SHARED_COLUMNS: usize = 7;
/// The width below which titles are shortened.
const NARROW: u16 = 60;
/// The least width of a name.
const SHORTEST_NAME: usize = 10;

/// The terminal and the time that a table is drawn for.
#[derive(Debug, Clone, Copy)]
pub struct Viewport {
    /// Columns there are.
    pub width: u16,
    /// The time.
    pub now: Timestamp,
}

#[derive(Debug, Clone, Default)]
struct ProviderCounts {
    /// The attempts and times of a real provider; `None` for a simulated one.
    real: Option<RealCounts>,
    received: u64,
    quoted: u64,
    declined: u64,
    failed: u64,
    silent: u64,
    in_flight: u64,
    unreadable: u64,
}

/// How a real provider is asked and how long it takes.
#[derive(Debug, Clone)]
struct RealCounts {
    attempts: u64,
    /// From the receipt of a request to its answer, in milliseconds.
    times: Histogram<u32>,
}

impl Default for RealCounts {
    fn default() -> Self {
        let times = Histogram::new_with_max(LONGEST_TIME, 2).expect("these bounds are valid");
        Self { attempts: 0, times }
    }
}

impl RealCounts {
    /// The time within which this share of the answers came; `None` without answers.
    fn time(&self, share: f64) -> Option<Duration> {
        let is_empty = self.times.is_empty();
        (!is_empty).then(|| Duration::from_millis(self.times.value_at_quantile(share)))
    }
}

/// Counts what happened, for the table and for the summary.
#[derive(Debug, Default)]
pub struct Tally {
    providers: BTreeMap<ProviderName, ProviderCounts>,
    rfqs: Distinct,
    /// Deliveries that were not handled again.
    again: u64,
    /// Messages that faults sent beside replies, or in their place.
    strayed: u64,
    /// Second replies that a fault has sent beside the first.
    seconds: u64,
    /// Workers that a fault made die.
    crashed: u64,
    /// Quotes, declines and failures that were sent after the deadline.
    late: u64,
    /// Requests that came after their deadlines, and got receipts.
    received_late: u64,
    gathered: u64,
    duplicates: u64,
    refused: u64,
    troubles: Vec<Standing>,
    /// Whether a request was given back to its queue.
    has_given_back: bool,
    /// Requests that were received here and are not answered. One that comes again is not counted again.
    open: HashSet<(ProviderName, RfqId)>,
}

/// A trouble that is shown.
#[derive(Debug)]
struct Standing {
    subject: String,
    reason: String,
    /// When it is forgotten; `None` where it stands until it is over.
    until: Option<Timestamp>,
}

impl Tally {
    /// Nothing has happened at these providers.
    pub fn new<'a>(providers: impl IntoIterator<Item = &'a ProviderName>) -> Self {
        let counts = providers.into_iter().map(|name| (name.clone(), ProviderCounts::default()));
        Self { providers: counts.collect(), ..Self::default() }
    }

    /// The same for served providers; real ones also count attempts and times.
    pub fn of(served: &[Served]) -> Self {
        let mut tally = Self::new(served.iter().map(|one| &one.name));
        for one in served.iter().filter(|one| !matches!(one.by, ServedBy::Simulation(_))) {
            tally.of_provider(&one.name).real = Some(RealCounts::default());
        }
        tally
    }

    /// Counts an event that happened now.
    pub fn count(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Received { provider, id, .. } => {
                if self.open.len() >= MOST_OPEN {
                    self.open.clear();
                }
                let is_new = self.open.insert((provider.clone(), id.clone()));
                let counts = self.of_provider(provider);
                counts.in_flight += 1;
                counts.received += u64::from(is_new);
                self.rfqs.count(id);
            }
            Event::Asked { provider, .. } => {
                if let Some(real) = &mut self.of_provider(provider).real {
                    real.attempts += 1;
                }
            }
            Event::Answered { provider, id, answer, took, late_by } => {
                match (answer, late_by) {
                    (_, None) => {}
                    (Answer::Silent(_), Some(by)) => self.received_late += u64::from(by >= took),
                    (_, Some(_)) => self.late += 1,
                }
                self.open.remove(&(provider.clone(), id.clone()));
                let counts = self.of_provider(provider);
                if let Some(real) = &mut counts.real
                    && !matches!(answer, Answer::Silent(_))
                {
                    real.times
                        .saturating_record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                }
                match answer {
                    Answer::Quote(_) => counts.quoted += 1,
                    Answer::Declined(_) => counts.declined += 1,
                    Answer::Failed { .. } => counts.failed += 1,
                    Answer::Silent(_) => counts.silent += 1,
                }
                let is_real = counts.real.is_some();
                if let Answer::Failed { reason, .. } = answer
                    && is_real
                {
                    let (subject, reason) = (provider.to_string(), format!("failed: {reason}"));
                    self.stand(Standing { subject, reason, until: Some(now.plus(SHOWN)) });
                }
            }
            Event::Mute { provider, id } => {
                self.open.remove(&(provider.clone(), id.clone()));
                self.of_provider(provider).silent += 1;
            }
            Event::Strayed { provider, id, what } => {
                self.open.remove(&(provider.clone(), id.clone()));
                match what {
                    Stray::Second(_) => self.seconds += 1,
                    Stray::Poison | Stray::WrongId(_) => self.strayed += 1,
                }
            }
            Event::Crashed { .. } => self.crashed += 1,
            Event::GivenBack { .. } => self.has_given_back = true,
            Event::Again { .. } => self.again += 1,
            Event::Unreadable { provider, .. } => self.of_provider(provider).unreadable += 1,
            Event::Finished { provider } => {
                let counts = self.of_provider(provider);
                counts.in_flight = counts.in_flight.saturating_sub(1);
            }
            Event::Gathered { id, how, .. } => {
                match how {
                    Gathered::First | Gathered::Replacing => self.gathered += 1,
                    Gathered::Duplicate => self.duplicates += 1,
                }
                self.rfqs.count(id);
            }
            Event::Refused { .. } => self.refused += 1,
            Event::Trouble(Trouble::Began { subject, reason }) => {
                self.stand(Standing {
                    subject: subject.clone(),
                    reason: reason.clone(),
                    until: None,
                });
            }
            Event::Trouble(Trouble::Entry { subject, reason }) => {
                let (subject, reason) = (subject.clone(), reason.clone());
                self.stand(Standing { subject, reason, until: Some(now.plus(SHOWN)) });
            }
            Event::Trouble(Trouble::Over { subject } | Trouble::Abandoned { subject }) => {
                self.troubles.retain(|standing| standing.subject != *subject);
            }
            Event::Said { .. } | Event::AttemptFailed { .. } | Event::Left { .. } => {}
        }
    }

    /// Replaces the trouble of the same subject.
    fn stand(&mut self, new: Standing) {
        self.troubles.retain(|standing| standing.subject != new.subject);
        self.troubles.push(new);
    }

    /// The newest trouble that still stands, with the number of others.
    fn trouble(&self, now: Timestamp) -> Option<String> {
        let stands = |standing: &&Standing| standing.until.is_none_or(|until| now < until);
        let standing: Vec<_> = self.troubles.iter().filter(stands).collect();
        let newest = standing.last()?;
        let more = match standing.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "trouble: {}: {}{more}",
            printable(&newest.subject),
            printable(&newest.reason)
        ))
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.providers.values().map(|counts| counts.in_flight).sum()
    }

    fn of_provider(&mut self, provider: &ProviderName) -> &mut ProviderCounts {
        self.providers.entry(provider.clone()).or_default()
    }

    fn total(&self) -> ProviderCounts {
        let mut total = ProviderCounts::default();
        for counts in self.providers.values() {
            total.received += counts.received;
            total.quoted += counts.quoted;
            total.declined += counts.declined;
            total.failed += counts.failed;
            total.silent += counts.silent;
            total.in_flight += counts.in_flight;
            total.unreadable += counts.unreadable;
        }
        total
    }

    /// Requests that were received here, and are neither answered nor in hand: each counts once, however often it
    /// came again and was given back again.
    fn given_back(&self) -> u64 {
        if self.has_given_back {
            (self.open.len() as u64).saturating_sub(self.in_flight())
        } else {
            0
        }
    }

    /// The table that is redrawn in place, at most `rows` providers high.
    pub fn table(&self, consumer: ConsumerPart, rows: usize, screen: Viewport) -> Vec<Line> {
        let Viewport { width, now } = screen;
        let mut all = Vec::new();
        if !self.providers.is_empty() {
            let shown: Vec<_> = self.providers.iter().take(rows).collect();
            let failed = shown.iter().map(|(_, counts)| counts.failed > 0);
            let tones = failed.map(|failed| if failed { Tone::Failed } else { Tone::Plain });
            let tones =
                std::iter::once(Tone::Faint).chain(tones).chain(std::iter::repeat(Tone::Plain));
            let lines = self.provider_lines(&shown, width).into_iter().zip(tones);
            all.extend(lines.map(|(text, tone)| Line::new(tone, text)));
            let folded = self.providers.len().saturating_sub(rows);
            if folded > 0 {
                let in_hand: u64 =
                    self.providers.values().skip(rows).map(|counts| counts.in_flight).sum();
                let busy = if in_hand > 0 { format!(", {in_hand} in hand") } else { String::new() };
                all.push(format!("... and {folded} more{busy}").into());
            }
        }
        let consumer = (consumer == ConsumerPart::Included).then(|| self.consumer_line());
        let trouble = self.trouble(now);
        let trouble = trouble.map(|line| Line::new(Tone::Failed, cut(&line, LONGEST_TROUBLE)));
        let below = self.remarks(self.strayed).into_iter().chain(consumer).chain(trouble);
        all.extend(below.flat_map(|line| line.wrapped(Some(width))));
        all
    }

    /// A header, and a line per provider. Without room for the columns of real providers, their attempts and times
    /// follow on lines of their own, for the first few.
    fn provider_lines(
        &self,
        shown: &[(&ProviderName, &ProviderCounts)],
        width: u16,
    ) -> Vec<String> {
        let has_real = self.providers.values().any(|counts| counts.real.is_some());
        let title = if width < 70 || has_real { "PROVIDER" } else { "SIMULATED PROVIDER" };
        let mut columns = vec![Column::Left(title)];
        let titles = if width < NARROW {
            ["RECV", "QUOTED", "DECL", "FAILED", "SILENT", "HAND"]
        } else {
            ["RECEIVED", "QUOTED", "DECLINED", "FAILED", "SILENT", "IN HAND"]
        };
        columns.extend(titles.map(Column::Right));
        if has_real {
            columns.extend(["ATTEMPTS", "P50", "P95"].map(Column::Right));
        }
        let row = |(name, c): &(&ProviderName, &ProviderCounts)| {
            let numbers = [c.received, c.quoted, c.declined, c.failed, c.silent, c.in_flight];
            let mut row = vec![name.to_string()];
            row.extend(numbers.iter().map(ToString::to_string));
            if has_real {
                row.extend(real_cells(c.real.as_ref()));
            }
            row
        };
        let rows: Vec<_> = shown.iter().map(row).collect();
        let fits = widest(&spaced(&columns, &rows, 1)) <= usize::from(width);
        if fits {
            return narrow(&columns, &rows, width);
        }
        let rows: Vec<_> = rows.into_iter().map(|row| row[..SHARED_COLUMNS].to_vec()).collect();
        let mut all = narrow(&columns[..SHARED_COLUMNS], &rows, width);
        let real = shown.iter().filter_map(|(name, c)| Some(real_line(name, c.real.as_ref()?)));
        all.extend(real.take(MOST_REAL_LINES.into()).flat_map(|line| wrapped(&line, Some(width))));
        all
    }

    fn consumer_line(&self) -> Line {
        let gathered = count_of(self.gathered, "reply");
        let mut line = format!("consumer: {gathered} gathered");
        if self.duplicates > 0 {
            _ = write!(line, ", {}", count_of(self.duplicates, "duplicate"));
        }
        if self.refused > 0 {
            _ = write!(line, ", {} refused", self.refused);
        }
        Line::new(if self.refused > 0 { Tone::Failed } else { Tone::Plain }, line)
    }

    /// What happened beside the requests, and what a person should look at: `2 replies were sent after the deadline`,
    /// `1 unreadable request was sent to the dead letters`. `strayed` requests were answered wrongly.
    fn remarks(&self, strayed: u64) -> Vec<Line> {
        let line = |tone, count, what: &str, how: &str| {
            let verb = if count == 1 { "was" } else { "were" };
            (count > 0).then(|| Line::new(tone, format!("{} {verb} {how}", count_of(count, what))))
        };
        let late = line(Tone::Late, self.late, "reply", "sent after the deadline");
        let received = self.received_late;
        let received =
            line(Tone::Late, received, "request", "received after its deadline, and got a receipt");
        let unreadable = self.total().unreadable;
        let letters =
            line(Tone::Failed, unreadable, "unreadable request", "sent to the dead letters");
        let beside = self.beside(strayed).map(Line::from);
        beside.into_iter().chain(late).chain(received).chain(letters).collect()
    }

    /// The summary below the table, for people.
    pub fn done(&self) -> Vec<Line> {
        let mut all = Vec::new();
        if !self.providers.is_empty() {
            all.push(self.done_line().into());
        }
        for (name, counts) in &self.providers {
            all.extend(counts.real.as_ref().map(|real| real_line(name, real).into()));
        }
        all
    }

    /// The summary at the end without a table, for people.
    pub fn summary(&self, consumer: ConsumerPart) -> Vec<Line> {
        let mut all = self.done();
        all.extend(self.remarks(0));
        if consumer == ConsumerPart::Included {
            all.push(self.consumer_line());
        }
        all
    }

    /// `done: 30 requests: 21 quoted, 3 declined, 2 failed, 3 silent, 1 given back`.
    fn done_line(&self) -> String {
        let total = self.total();
        let mut line = format!("done: {}", count_of(total.received, "request"));
        let parts = [
            (total.quoted, "quoted"),
            (total.declined, "declined"),
            (total.failed, "failed"),
            (total.silent, "silent"),
            (self.strayed, "answered wrongly, by a fault"),
            (self.given_back(), "returned to the queues"),
            (total.in_flight, "still in hand"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        if !parts.is_empty() {
            _ = write!(line, ": {}", parts.join(", "));
        }
        line
    }

    /// What happened beside the requests, if anything did.
    fn beside(&self, strayed: u64) -> Option<String> {
        let parts = [
            (strayed, "request", "answered wrongly, by a fault"),
            (self.seconds, "reply", "sent twice, by a fault"),
            (self.crashed, "worker", "crashed, by a fault, and replaced"),
            (self.again, "message", "delivered again and counted once"),
        ];
        let parts = parts.iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<_> =
            parts.map(|(count, what, how)| format!("{} {how}", count_of(*count, what))).collect();
        (!parts.is_empty()).then(|| format!("also: {}", parts.join(", ")))
    }

    /// The AWS requests of the run.
    pub fn account(&self, usage: &Usage) -> Vec<String> {
        usage::lines(usage, self.rfqs.count)
    }

    /// The summary at the end, for programs.
    pub fn document(&self, usage: &Usage) -> Value {
        let total = self.total();
        let mut document = json!({
            "received": total.received,
            "quoted": total.quoted,
            "declined": total.declined,
            "failed": total.failed,
            "silent": total.silent,
            "unreadable": total.unreadable,
            "faulty": self.strayed + self.seconds,
            "crashed": self.crashed,
            "given-back": self.given_back(),
            "late": self.late,
            "received-late": self.received_late,
            "gathered": self.gathered,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "delivered-again": self.again,
            "rfqs": self.rfqs.count,
        });
        for (name, value) in usage::fields(usage, self.rfqs.count) {
            document[name] = value;
        }
        let real = self.providers.iter().filter_map(|(name, counts)| {
            let real = counts.real.as_ref()?;
            let millis = |share| u64::try_from(real.time(share)?.as_millis()).ok();
            let told = json!({
                "attempts": real.attempts,
                "p50-ms": millis(0.5),
                "p95-ms": millis(0.95),
            });
            Some((name.to_string(), told))
        });
        document["real-providers"] = Value::Object(real.collect());
        document
    }
}

/// Counts ids, each once, in bounded memory: an id that was not seen for long is forgotten, and would count again.
#[derive(Debug, Default)]
struct Distinct {
    count: u64,
    known: HashSet<u64>,
    before: HashSet<u64>,
    hasher: RandomState,
}

impl Distinct {
    fn count(&mut self, id: &RfqId) {
        let hash = self.hasher.hash_one(id);
        if self.before.contains(&hash) || !self.known.insert(hash) {
            return;
        }
        self.count += 1;
        if self.known.len() >= MOST_IDS {
            self.before = std::mem::take(&mut self.known);
        }
    }
}

/// Whether the response consumer runs in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerPart {
    /// It runs here.
    Included,
    /// It runs elsewhere.
    LeftOut,
}

/// `acme: 12 attempts, half of its replies within 210 ms, 95 % within 1.2 s`.
fn real_line(name: &ProviderName, real: &RealCounts) -> String {
    let attempts = count_of(real.attempts, "attempt");
    match (real.time(0.5), real.time(0.95)) {
        (Some(half), Some(most)) => format!(
            "{name}: {attempts}, half of its replies within {}, 95 % within {}",
            seconds_of(half),
            seconds_of(most)
        ),
        _ => format!("{name}: {attempts}"),
    }
}

/// A real provider's attempts, and the times within which half of the answers and 95 % of them came.
fn real_cells(real: Option<&RealCounts>) -> [String; 3] {
    let Some(real) = real else { return ["-", "-", "-"].map(str::to_owned) };
    let time = |share| real.time(share).map_or_else(|| "-".to_owned(), seconds_of);
    [real.attempts.to_string(), time(0.5), time(0.95)]
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| line.width()).max().unwrap_or(0)
}

/// The lines of a table that fit into the width: with columns one space apart where two do not fit, then without the
/// beginning that the names share, and with names cut where that is not enough.
fn narrow(columns: &[Column], rows: &[Vec<String>], width: u16) -> Vec<String> {
    let width = usize::from(width);
    let wide = lines(columns, rows);
    if widest(&wide) <= width {
        return wide;
    }
    let narrow = spaced(columns, rows, 1);
    if widest(&narrow) <= width {
        return narrow;
    }
    let names: Vec<_> = rows.iter().map(|row| Responder::stored(row[0].as_str())).collect();
    let prefix = Prefix::of(&names);
    let mut rows = rows.to_vec();
    for (row, name) in rows.iter_mut().zip(&names) {
        row[0] = prefix.leave_out(name);
    }
    let over = widest(&spaced(columns, &rows, 1)).saturating_sub(width);
    let longest = rows.iter().map(|row| row[0].width()).max().unwrap_or(0);
    for row in &mut rows {
        row[0] = cut_middle(&row[0], longest.saturating_sub(over).max(SHORTEST_NAME));
    }
    let mut lines = spaced(columns, &rows, 1);
    let explained = prefix.explained().unwrap_or_default();
    lines.extend(
        wrapped(&explained, u16::try_from(width).ok()).into_iter().filter(|line| !line.is_empty()),
    );
    lines
}
