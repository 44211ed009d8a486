//! Remembers the RFQs submitted from this machine, so that `rydes quotes` finds the newest and a
//! prefix of an id will do. Nothing depends on it: a file that cannot be read is an empty one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::aws::Aws;
use crate::error::{Error, Kind, Result};
use crate::model::text::{compact_json, printable};
use crate::model::{RequestRow, RfqId, Timestamp, show_duration};
use crate::settings::Settings;

/// RFQs that are remembered.
const MOST: usize = 1_000;
/// The shortest prefix of an id that will do.
const SHORTEST_PREFIX: usize = 4;
/// RFQs that a hint names.
const HINTED: usize = 3;

/// The memory of one stack.
pub(super) struct Recent {
    file: Option<PathBuf>,
    /// What tells stacks apart.
    place: String,
}

/// An RFQ that was submitted here.
struct Entry {
    id: String,
    at: Option<Timestamp>,
}

impl Recent {
    /// The memory under `$XDG_STATE_HOME`, else `~/.local/state`; none without a home.
    pub(super) fn of(aws: &Aws, env: impl Fn(&str) -> Option<String>) -> Self {
        let state = env("XDG_STATE_HOME").map(PathBuf::from);
        let home = || env("HOME").map(|home| Path::new(&home).join(".local/state"));
        let file = state.or_else(home).map(|folder| folder.join("rydes/recent.jsonl"));
        Self { file, place: format!("{} {}", aws.names.stack(), aws.address()) }
    }

    /// Remembers an RFQ.
    ///
    /// # Errors
    /// When the file cannot be written, which is worth a word and no more.
    pub(super) fn remember(&self, request: &RequestRow) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let line = compact_json(&json!({
            "rfq-id": request.id.as_str(),
            "place": self.place,
            "submitted-at": request.submitted_at,
        }));
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().count() >= 2 * MOST {
            let kept: Vec<_> = text.lines().skip(text.lines().count() - MOST).collect();
            fs::write(file, format!("{}\n{line}\n", kept.join("\n")))
        } else {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(file)?;
            writeln!(file, "{line}")
        }
    }

    /// The RFQ that was meant: a full id, a unique prefix of one submitted here, or the newest.
    ///
    /// # Errors
    /// No such RFQ; invalid when a prefix fits several.
    pub(super) fn find(&self, typed: Option<&str>, settings: &Settings) -> Result<RfqId> {
        let entries = self.entries();
        let Some(typed) = typed else {
            let newest = entries.first().ok_or_else(|| {
                Error::new(Kind::NoSuchRfq, "no RFQ was submitted to this stack from this machine")
                    .hint(format!(
                        "name one by its id, or ask: {}",
                        settings.command("submit --from A --to B")
                    ))
            })?;
            return self.parse(&newest.id);
        };
        if typed.chars().count() >= SHORTEST_PREFIX {
            let mut fitting: Vec<_> =
                entries.iter().map(|e| e.id.as_str()).filter(|id| id.starts_with(typed)).collect();
            fitting.sort_unstable();
            fitting.dedup();
            match fitting.as_slice() {
                _ if fitting.contains(&typed) => {}
                [only] => return self.parse(only),
                [] => {}
                _ => {
                    let all = fitting.iter().map(|id| printable(id)).collect::<Vec<_>>();
                    return Err(Error::invalid(format!(
                        "`{}` may be any of {}",
                        printable(typed),
                        all.join(", ")
                    )));
                }
            }
        }
        self.parse(typed)
    }

    /// A malformed id is the id of no RFQ.
    fn parse(&self, id: &str) -> Result<RfqId> {
        RfqId::parse(id)
            .map_err(|problem| self.unknown(format!("no RFQ `{}`", printable(id))).because(problem))
    }

    /// The error about an RFQ that does not exist, with the ones that do.
    pub(super) fn unknown(&self, message: String) -> Error {
        let newest = self.newest().map(|newest| format!("; {newest}")).unwrap_or_default();
        Error::new(Kind::NoSuchRfq, message).hint(format!("RFQs are kept 7 days{newest}"))
    }

    /// The shortest prefix, of four characters or more, that names this RFQ here.
    pub(super) fn prefix(&self, id: &RfqId) -> String {
        let entries = self.entries();
        let others: Vec<_> =
            entries.iter().map(|e| e.id.as_str()).filter(|other| *other != id.as_str()).collect();
        let prefix = |length: usize| id.as_str().chars().take(length).collect::<String>();
        let unique =
            |prefix: &String| !others.iter().any(|other| other.starts_with(prefix.as_str()));
        (SHORTEST_PREFIX..=8).map(prefix).find(unique).unwrap_or_else(|| id.as_str().to_owned())
    }

    /// The RFQs submitted to this stack from this machine, newest first, each once.
    pub(super) fn ids(&self, most: usize) -> Vec<RfqId> {
        let mut ids: Vec<RfqId> = Vec::new();
        for id in self.entries().iter().filter_map(|entry| RfqId::parse(&entry.id).ok()) {
            if ids.len() < most && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// `newest here: 78c371f6 (3 min), 1f0a99e2 (1 h)`; nothing where there is none.
    fn newest(&self) -> Option<String> {
        let now = Timestamp::now();
        let entries = self.entries();
        let name = |entry: &Entry| {
            let id: String = entry.id.chars().take(8).collect();
            let age = entry.at.map(|at| format!(" ({})", show_duration(now.after(at))));
            format!("{}{}", printable(&id), age.unwrap_or_default())
        };
        let all: Vec<_> = entries.iter().take(HINTED).map(name).collect();
        (!all.is_empty()).then(|| format!("newest here: {}", all.join(", ")))
    }

    /// What was submitted to this stack, newest first.
    fn entries(&self) -> Vec<Entry> {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let text = text.unwrap_or_default();
        let entry = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["place"].as_str()? == self.place).then_some(())?;
            let at = line["submitted-at"].as_str().and_then(Timestamp::parse);
            Some(Entry { id: line["rfq-id"].as_str()?.to_owned(), at })
        };
        text.lines().rev().filter_map(entry).collect()
    }
}
