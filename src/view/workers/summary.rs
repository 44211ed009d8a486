//! What is said at the end, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ConsumerPart, RealCounts, Tally};
use crate::aws::Usage;
use crate::core::ProviderName;
use crate::view::quotes::seconds_of;
use crate::view::tone::{Line, Tone};
use crate::view::{count_of, usage};

impl Tally {
    pub(super) fn consumer_line(&self) -> Line {
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
    pub(super) fn remarks(&self, strayed: u64) -> Vec<Line> {
        let line = |tone, count, what: &str, how: &str| {
            let verb = if count == 1 { "was" } else { "were" };
            (count > 0).then(|| Line::new(tone, format!("{} {verb} {how}", count_of(count, what))))
        };
        let late = line(Tone::Late, self.late, "reply", "sent after the deadline");
        let received = self.received_late;
        let received = line(
            Tone::Late,
            received,
            "request",
            "received after the deadline and got a receipt only",
        );
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

    /// `done: 30 requests: 21 quoted, 3 declined, 2 failed, 3 silent, 1 returned to the queues`.
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

/// `acme: 12 attempts, half of its replies within 210 ms, 95 % within 1.2 s`.
pub(super) fn real_line(name: &ProviderName, real: &RealCounts) -> String {
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
