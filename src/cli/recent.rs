//! Remembers the RFQs submitted from this machine, so that `rydes quotes` finds the newest and commands accept a
//! prefix of an id. Nothing depends on it: an unreadable file counts as empty, and a disk that hangs is waited for
//! once.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::aws::Aws;
use crate::core::prefix::{Beginning, SHORTEST_PREFIX, ambiguous, is_long_enough};
use crate::core::text::{compact_json, printable};
use crate::core::{RequestRow, RfqId, Timestamp, show_duration};
use crate::error::{Error, Kind, Result};
use crate::settings::{Env, Settings, Target, plain_url, quoted};
use crate::terminal::Output;
use crate::tools::file;

const MOST: usize = 1_000;
/// Bytes that are read from the end of the file: room for twice as many RFQs with the longest ids.
const MOST_BYTES: u64 = 1 << 22;
/// The newest RFQs of a bulk submission, or of a `serve`, that are remembered.
pub(super) const REMEMBERED: usize = 10;
const HINTED: usize = 3;
/// Time limit for the disk.
const DISK_LIMIT: Duration = Duration::from_secs(2);

/// The memory of one stack.
pub(super) struct Recent {
    file: Option<PathBuf>,
    /// Identifies the stack.
    place: String,
    /// The RFQs of this stack, newest first, as first read; or why they are unknown.
    entries: OnceCell<io::Result<Vec<RecentRfq>>>,
    /// The disk did not respond, and is not asked again.
    is_hung: AtomicBool,
}

struct RecentRfq {
    id: String,
    at: Option<Timestamp>,
}

/// An RFQ and where it was submitted, as read from the file: each text may be invalid.
pub(super) struct Submitted {
    pub(super) id: String,
    pub(super) at: Option<Timestamp>,
    place: String,
}

impl Submitted {
    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let at = line["submitted-at"].as_str().and_then(Timestamp::parse);
        let id = line["rfq-id"].as_str()?.to_owned();
        Some(Self { id, at, place: plain(line["place"].as_str()?) })
    }

    pub(super) fn stack(&self) -> &str {
        self.place.split(' ').next().unwrap_or_default()
    }

    /// Whether it was submitted to this stack, as far as that is known without a connection: only AWS itself names
    /// its account and region.
    pub(super) fn is_of(&self, settings: &Settings) -> bool {
        let stack = &settings.stack;
        match &settings.target {
            Target::LocalStack(local) => {
                let (url, region) = (&local.sqs.url, &local.region);
                self.place == plain(&format!("{stack} {url} {} {region}", local.account()))
            }
            Target::Aws { region, .. } => {
                let place: Vec<_> = self.place.split(' ').collect();
                let [named, "AWS", _, found] = place[..] else { return false };
                named == stack.as_str() && region.as_ref().is_none_or(|region| region == found)
            }
        }
    }
}

impl Recent {
    pub(super) fn of(aws: &Aws, env: impl Fn(&str) -> Option<OsString>) -> Self {
        Self::at(&format!("{} {}", aws.names.stack(), aws.address()), env)
    }

    /// The memory under `$XDG_STATE_HOME`, else `~/.local/state`; none without a home.
    fn at(place: &str, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let env = Env::new(&env);
        let home = || env.folder("HOME").map(|home| home.join(".local/state"));
        let state = env.folder("XDG_STATE_HOME").or_else(home);
        let file = state.map(|folder| folder.join("rydes/recent.jsonl"));
        Self {
            file,
            place: plain(place),
            entries: OnceCell::new(),
            is_hung: AtomicBool::new(false),
        }
    }

    /// All RFQs submitted from this machine, newest first; empty if the file cannot be read.
    pub(super) async fn all(env: impl Fn(&str) -> Option<OsString>) -> Vec<Submitted> {
        let memory = Self::at("", env);
        let Some(file) = memory.file.clone() else { return Vec::new() };
        let text = memory.in_time(move || read(&file)).await.unwrap_or_default();
        text.lines().rev().filter_map(Submitted::read).collect()
    }

    /// Remembers RFQs. A failure only shows with `-v`.
    pub(super) async fn remember(
        &self,
        requests: impl IntoIterator<Item = &RequestRow>,
        output: &Output,
    ) {
        let line = |request: &RequestRow| {
            compact_json(&json!({
                "rfq-id": request.id.as_str(),
                "place": self.place,
                "submitted-at": request.submitted_at,
            })) + "\n"
        };
        let lines: String = requests.into_iter().map(line).collect();
        let Some(file) = self.file.clone().filter(|_| !lines.is_empty()) else { return };
        if let Err(error) = self.in_time(move || append(&file, &lines)).await {
            output.detail(&format!("the RFQ was not remembered: {error}"));
        }
    }

    /// Runs work on the disk that may hang, and waits for it no longer than `DISK_LIMIT`.
    async fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let hung = || io::Error::new(ErrorKind::TimedOut, "the disk does not respond");
        if self.is_hung.load(Ordering::Relaxed) {
            return Err(hung());
        }
        let done = timeout(DISK_LIMIT, tokio::task::spawn_blocking(work)).await;
        self.is_hung.store(done.is_err(), Ordering::Relaxed);
        done.map_err(|_| hung())?.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    /// The RFQ that was meant: a full id, a unique prefix of one submitted here, or the newest. Fails when there
    /// is no such RFQ, or when a prefix matches several.
    pub(super) async fn find(&self, typed: Option<&str>, settings: &Settings) -> Result<RfqId> {
        let entries = self.entries().await;
        let Some(typed) = typed else {
            return match (self.unreadable(), entries.first()) {
                (None, Some(newest)) => self.parse(&newest.id).await,
                (None, None) => Err(Error::new(
                    Kind::NoSuchRfq,
                    "no RFQ was submitted to this stack from this machine",
                )
                .hint(format!(
                    "name an RFQ by its id, or submit one: {}",
                    settings.command("submit --from A --to B")
                ))),
                (Some(why), _) => Err(Error::new(
                    Kind::NoSuchRfq,
                    "the RFQs submitted from this machine cannot be read",
                )
                .because(why)
                .hint("name one by its id")),
            };
        };
        if !is_long_enough(typed) {
            return self.parse(typed).await;
        }
        match Beginning::of(typed, entries.iter().map(|entry| entry.id.as_str())) {
            Beginning::None => self.parse(typed).await,
            Beginning::One(only) => self.parse(only).await,
            Beginning::Several(all) => Err(Error::invalid(ambiguous(typed, &all))),
        }
    }

    /// A malformed id is the id of no RFQ.
    async fn parse(&self, id: &str) -> Result<RfqId> {
        match RfqId::parse(id) {
            Ok(id) => Ok(id),
            Err(problem) => {
                let unknown = self.unknown(format!("no RFQ `{}`", printable(id)));
                Err(unknown.await.because(problem))
            }
        }
    }

    /// Whether this RFQ was submitted from this machine.
    pub(super) async fn knows(&self, id: &RfqId) -> bool {
        self.entries().await.iter().any(|entry| entry.id == id.as_str())
    }

    /// The error about an RFQ that does not exist, with the newest ones as a hint.
    pub(super) async fn unknown(&self, message: String) -> Error {
        let newest = self.newest().await.map(|newest| format!("; {newest}")).unwrap_or_default();
        Error::new(Kind::NoSuchRfq, message)
            .hint(format!("by default, RFQs are kept for 7 days after their deadline{newest}"))
    }

    /// The shortest prefix, of four characters or more, that names this RFQ here, as a shell needs it; the whole id of
    /// an RFQ that was submitted elsewhere.
    pub(super) async fn prefix(&self, id: &RfqId) -> String {
        let entries = self.entries().await;
        if !entries.iter().any(|entry| entry.id == id.as_str()) {
            return quoted(id.as_str());
        }
        let others: Vec<_> =
            entries.iter().map(|e| e.id.as_str()).filter(|other| *other != id.as_str()).collect();
        let prefix = |length: usize| id.as_str().chars().take(length).collect::<String>();
        let unique =
            |prefix: &String| !others.iter().any(|other| other.starts_with(prefix.as_str()));
        let shortest = (SHORTEST_PREFIX..=8).map(prefix).find(unique);
        quoted(&shortest.unwrap_or_else(|| id.as_str().to_owned()))
    }

    /// The RFQs submitted to this stack from this machine, newest first, each once.
    pub(super) async fn ids(&self, most: usize) -> Vec<RfqId> {
        let mut ids: Vec<RfqId> = Vec::new();
        for id in self.entries().await.iter().filter_map(|entry| RfqId::parse(&entry.id).ok()) {
            if ids.len() < most && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// `newest here: 78c371f6 (3 min), 1f0a99e2 (1 h)`; nothing where there is none.
    async fn newest(&self) -> Option<String> {
        let now = Timestamp::now();
        let entries = self.entries().await;
        let name = |entry: &RecentRfq| {
            let id: String = entry.id.chars().take(8).collect();
            let age = entry.at.map(|at| format!(" ({})", show_duration(now.saturating_since(at))));
            format!("{}{}", printable(&id), age.unwrap_or_default())
        };
        let all: Vec<_> = entries.iter().take(HINTED).map(name).collect();
        (!all.is_empty()).then(|| format!("newest here: {}", all.join(", ")))
    }

    /// The RFQs of this stack, newest first; empty if the file cannot be read.
    async fn entries(&self) -> &[RecentRfq] {
        let entries = self.entries.get_or_init(async || {
            let Some(file) = self.file.clone() else { return Ok(Vec::new()) };
            let text = self.in_time(move || read(&file)).await?;
            Ok(text.lines().rev().filter_map(|line| self.entry(line)).collect())
        });
        entries.await.as_deref().unwrap_or_default()
    }

    /// Why the file could not be read.
    fn unreadable(&self) -> Option<String> {
        let error = self.entries.get()?.as_ref().err()?;
        let file = self.file.as_ref().map(|file| format!("{}: ", file.display()));
        Some(format!("{}{error}", file.unwrap_or_default()))
    }

    fn entry(&self, line: &str) -> Option<RecentRfq> {
        let Submitted { id, at, place } = Submitted::read(line)?;
        (place == self.place).then_some(RecentRfq { id, at })
    }
}

/// The end of the file; empty if there is none.
fn read(path: &Path) -> io::Result<String> {
    let mut opened = match file::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let beyond = opened.metadata()?.len().saturating_sub(MOST_BYTES);
    opened.seek(SeekFrom::Start(beyond))?;
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Adds lines, and drops the oldest lines of a long file.
fn append(path: &Path, lines: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = read(path)?;
    let count = text.lines().count();
    if count < 2 * MOST && (text.len() as u64) < MOST_BYTES {
        return file::append(path)?.write_all(lines.as_bytes());
    }
    let kept = text.lines().skip(count.saturating_sub(MOST)).flat_map(|line| [line, "\n"]);
    let text: String = kept.chain([lines]).collect();
    file::write(path, text)
}

/// Writes the URL of a place in one way: `localhost` and `127.0.0.1` share one memory.
fn plain(place: &str) -> String {
    let word = |word: &str| plain_url(word).unwrap_or_else(|| word.to_owned());
    place.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_is_waited_for_once() {
        let recent = Recent {
            file: None,
            place: String::new(),
            entries: OnceCell::new(),
            is_hung: AtomicBool::new(false),
        };
        let (disk, hangs) = channel::<()>();
        let hung = recent.in_time(move || hangs.recv().map_err(io::Error::other)).await;
        assert_eq!(hung.expect_err("no disk").kind(), ErrorKind::TimedOut);
        let again = recent.in_time(|| -> io::Result<()> { panic!("it is left alone") }).await;
        assert_eq!(again.expect_err("no disk").to_string(), "the disk does not respond");
        drop(disk);
    }
}
