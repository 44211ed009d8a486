//! A scrape, read by the parser of Prometheus's client library for Python.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::background::Background;
use crate::support::http::{Answer, get};
use crate::support::languages::prometheus;
use crate::support::{json, wait_for};

/// A label set, sorted.
pub type Labels = BTreeMap<String, String>;

/// A family of samples under one name.
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    /// Name, labels and value of each sample.
    pub samples: Vec<(String, Labels, f64)>,
}

/// All families of one scrape.
pub struct Scrape(pub Vec<Family>);

/// Where workers with `--metrics` answer.
pub fn url(workers: &Background) -> String {
    let line = wait_for("metrics are served", || workers.error_line("metrics: http://"));
    line.strip_prefix("metrics: ").expect("it begins so").to_owned()
}

impl Scrape {
    /// Scrapes a process once.
    #[track_caller]
    pub fn of(url: &str) -> Self {
        Self::read(&get(url))
    }

    /// Reads what was answered.
    #[track_caller]
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let mut parser = Command::new(prometheus())
            .args(["-c", include_str!("parse.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut stdin = parser.stdin.take().expect("it is piped");
        stdin.write_all(answer.body.as_bytes()).expect("Python reads");
        drop(stdin);
        let read = parser.wait_with_output().expect("Python ends");
        assert!(read.status.success(), "{}", answer.body);
        let families = json(&String::from_utf8(read.stdout).expect("JSON is text"));
        Self(families.as_array().expect("a list").iter().map(Family::of).collect())
    }

    /// The sum of the samples of this name that have these labels; zero if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let all = self.0.iter().flat_map(|family| &family.samples);
        let fits = |its: &Labels| {
            labels.iter().all(|(name, value)| its.get(*name).is_some_and(|it| it == value))
        };
        let fitting = all.filter(|(other, its, _)| other == name && fits(its));
        fitting.map(|(_, _, value)| value).sum()
    }

    /// The same as a count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small")]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// Names and labels of all samples.
    pub fn series(&self) -> BTreeSet<(String, Labels)> {
        let all = self.0.iter().flat_map(|family| &family.samples);
        all.map(|(name, labels, _)| (name.clone(), labels.clone())).collect()
    }

    /// The names of the metrics, as a user queries them.
    pub fn names(&self) -> BTreeSet<String> {
        self.0.iter().map(Family::queried).collect()
    }
}

impl Family {
    fn of(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let samples = value["samples"].as_array().expect("a list").iter().map(|sample| {
            let labels = sample["labels"].as_object().expect("an object");
            let labels = labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            (text(&sample["name"]), labels, sample["value"].as_f64().expect("a number"))
        });
        Self {
            name: text(&value["name"]),
            kind: text(&value["type"]),
            help: text(&value["help"]),
            samples: samples.collect(),
        }
    }

    /// Its name with the `_total` that the parser takes off counters.
    pub fn queried(&self) -> String {
        match self.kind.as_str() {
            "counter" => format!("{}_total", self.name),
            _ => self.name.clone(),
        }
    }
}
