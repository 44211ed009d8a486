//! `rydes submit --count` and `--batch`: submits many requests in batches, in order, a few hundred at a time.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::TaskTracker;

use super::lines::{BatchLine, read_lines};
use super::options::{Command, from_stdin, warn};
use super::shape::look;
use super::subscribe_hint;
use crate::cli::recent::{REMEMBERED, Recent};
use crate::cli::{Context, env};
use crate::core::text::printable;
use crate::core::{RequestRow, RfqId, show_duration};
use crate::error::{Error, Result, exit};
use crate::flow::draft::{Misspelling, Submission, misspellings, of_json};
use crate::flow::scatter::{Scatter, Scattered};
use crate::settings::{Settings, quoted};
use crate::shutdown::{Stage, StopSignal};
use crate::terminal::progress::{Progress, Total};
use crate::terminal::{Format, Output};
use crate::view::count_of;

/// Requests in flight: twice as many as the batches of rows and messages hold together.
const IN_FLIGHT: usize = 500;
/// Misspelt fields of a file that are named, each once.
const MOST_MISSPELT: usize = 10;
/// A rate of less says nothing.
const LEAST_MEASURED: Duration = Duration::from_secs(1);
const FEWEST_MEASURED: u64 = 10;
/// Lines that are read before they are submitted.
const READ_AHEAD: usize = 100;

/// One request of many.
struct BatchItem {
    /// Its line in the file, from 1.
    line: Option<u64>,
    /// Bytes of the file up to its end.
    bytes: u64,
    request: Result<Submission>,
    /// Its fields that are ignored, unless an earlier line has them.
    misspelt: Vec<Misspelling>,
}

/// Where many requests come from.
pub(super) enum RequestSource {
    /// Copies of one request, each with an id of its own.
    Count(u32, Box<Submission>),
    /// The lines of a file, or of stdin.
    Lines {
        from: Box<dyn Read + Send>,
        /// Its name, safe to print.
        name: String,
        /// Its length in bytes, where that is known.
        bytes: Option<u64>,
    },
}

impl RequestSource {
    /// The lines of a file; of stdin with `-`. `batch` is the command that reads them from stdin.
    ///
    /// # Errors
    /// Invalid when the file cannot be opened or is not a batch.
    pub(super) fn of_file(file: &Path, batch: &str) -> Result<Self> {
        if file.as_os_str() == "-" {
            return Self::of_lines(io::stdin(), ("stdin".to_owned(), None), None, batch);
        }
        let name = printable(&file.display().to_string());
        let cannot =
            |error: io::Error| Error::invalid(format!("cannot read {name}")).because(error);
        let opened = File::open(file).map_err(cannot)?;
        let about = opened.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Error::invalid(format!("cannot read {name}: it is a folder")));
        }
        let bytes = about.is_file().then_some(about.len());
        let typed = quoted(&file.display().to_string());
        Self::of_lines(opened, (name, Some(typed)), bytes, batch)
    }

    /// The lines of `from`, once its beginning has shown that it is a batch. `name` is for messages, `typed` for
    /// command lines.
    fn of_lines(
        from: impl Read + Send + 'static,
        (name, typed): (String, Option<String>),
        bytes: Option<u64>,
        batch: &str,
    ) -> Result<Self> {
        let mut from = BufReader::new(from);
        let (head, foreign) = look(&mut from)
            .map_err(|error| Error::invalid(format!("cannot read {name}")).because(error))?;
        if let Some(foreign) = foreign {
            return Err(foreign.error(&name, typed.as_deref(), batch));
        }
        Ok(Self::Lines { from: Box::new(Cursor::new(head).chain(from)), name, bytes })
    }

    fn whole(&self) -> Total {
        match self {
            Self::Count(count, _) => Total::Rfqs((*count).into()),
            Self::Lines { bytes: Some(bytes), .. } => Total::Bytes(*bytes),
            Self::Lines { bytes: None, .. } => Total::Unknown,
        }
    }

    /// The requests, as fast as they are taken.
    fn stream(self, command: &Command) -> BoxStream<'_, Result<BatchItem>> {
        let (from, name) = match self {
            Self::Count(count, request) => {
                let one = move |_| {
                    let request = Submission { id: RfqId::random(), ..(*request).clone() };
                    Ok(BatchItem {
                        line: None,
                        bytes: 0,
                        request: Ok(request),
                        misspelt: Vec::new(),
                    })
                };
                return stream::iter(0..count).map(one).boxed();
            }
            Self::Lines { from, name, .. } => (from, name),
        };
        let terms = command.terms();
        let (lines, read) = mpsc::channel(READ_AHEAD);
        // Reading stdin or a pipe may block for long.
        tokio::task::spawn_blocking(move || read_lines(BufReader::new(from), &lines));
        let received = stream::unfold(read, async |mut read| Some((read.recv().await?, read)));
        let mut said: Vec<Misspelling> = Vec::new();
        let wanted = move |line: io::Result<BatchLine>| {
            let line = line
                .map_err(|error| Error::other(format!("reading {name} failed")).because(error))?;
            let mut misspelt = line.text.as_deref().map_or_else(|_| Vec::new(), misspellings);
            misspelt.retain(|one| said.len() < MOST_MISSPELT && !said.contains(one));
            misspelt.truncate(MOST_MISSPELT - said.len());
            said.extend(misspelt.iter().cloned());
            let request = line.text.map_err(Error::invalid);
            let request = request.and_then(|text| of_json("the line", &text, &terms));
            Ok(BatchItem { line: Some(line.number), bytes: line.bytes, request, misspelt })
        };
        received.map(wanted).boxed()
    }
}

#[derive(Default)]
struct BulkProgress {
    submitted: u64,
    answered_before: u64,
    /// Those that were refused.
    unsent: u64,
    /// Those that may or may not have been published.
    unclear: u64,
    /// The last line that was taken.
    line: Option<u64>,
    newest: VecDeque<RequestRow>,
}

impl BulkProgress {
    /// `submitted 57 RFQs in 1.2 s (48/s), 1 not sent`.
    fn sentence(&self, took: Duration) -> String {
        let mut line =
            format!("submitted {} in {}", count_of(self.submitted, "RFQ"), show_duration(took));
        if took >= LEAST_MEASURED && self.done() >= FEWEST_MEASURED {
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
            let rate = self.done() as f64 / took.as_secs_f64();
            _ = write!(line, " ({rate:.0}/s)");
        }
        for (count, what) in [
            (self.answered_before, "submitted and answered before"),
            (self.unsent, "not sent"),
            (self.unclear, "may or may not have been published"),
        ] {
            if count > 0 {
                _ = write!(line, ", {count} {what}");
            }
        }
        line
    }

    fn done(&self) -> u64 {
        self.submitted + self.answered_before
    }

    /// What is neither submitted nor answered.
    fn failed(&self) -> u64 {
        self.unsent + self.unclear
    }

    fn remember(&mut self, row: RequestRow) {
        self.newest.push_back(row);
        if self.newest.len() > REMEMBERED {
            self.newest.pop_front();
        }
    }
}

/// Submits many requests.
pub(super) async fn run(
    context: &Context,
    command: Command,
    requests: RequestSource,
) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    let tasks = TaskTracker::new();
    let stop = context.shutdown.part();
    let scatter = Scatter::batched(&aws, &tasks, &stop)
        .await
        .map_err(|error| subscribe_hint(error, &settings))?;
    let began = Instant::now();
    let what = if matches!(requests, RequestSource::Count(..)) { "RFQ" } else { "line" };
    let bar = Progress::new(output, requests.whole(), "submitted");
    let mut progress = BulkProgress::default();
    let bulk = Bulk {
        context,
        command: &command,
        settings: &settings,
        scatter: &scatter,
        stop: &stop,
        bar: &bar,
    };
    let broken = bulk.submit(requests.stream(&command), &mut progress).await.err();
    drop((bar, scatter));
    Recent::of(&aws, env).remember(&progress.newest, output).await;
    summary(context, &settings, &progress, began);
    let ended = stop
        .outcome()
        .err()
        .or(broken)
        .or_else(|| context.shutdown.is_signalled().then(|| context.shutdown.error()));
    if let Some(error) = ended {
        return Err(ended_early(error, &settings, &command, &progress));
    }
    if progress.failed() > 0 {
        let failed = count_of(progress.failed(), what);
        return Err(Error::other(format!("{failed} could not be submitted")));
    }
    Ok(exit::DONE)
}

/// Lets requests with the same id be submitted one after the other, so that the first line of them is the one that
/// counts.
#[derive(Default)]
struct Turns(HashMap<RfqId, Weak<Mutex<()>>>);

impl Turns {
    /// The lock of this request, which is shared by those with the same id that are not done.
    fn next(&mut self, item: &Result<BatchItem>) -> Arc<Mutex<()>> {
        let Ok(BatchItem { request: Ok(request), .. }) = item else { return Arc::default() };
        if self.0.len() > 2 * IN_FLIGHT {
            self.0.retain(|_, turn| turn.strong_count() > 0);
        }
        let known = self.0.get(&request.id).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::default();
            self.0.insert(request.id.clone(), Arc::downgrade(&turn));
            turn
        })
    }
}

/// A bulk submission that is under way.
struct Bulk<'a> {
    context: &'a Context,
    command: &'a Command,
    settings: &'a Settings,
    scatter: &'a Scatter,
    stop: &'a StopSignal,
    bar: &'a Progress,
}

impl Bulk<'_> {
    /// Submits the items until the stop drains; counts and prints the results in the order of the items.
    ///
    /// # Errors
    /// When reading the items failed, or stdout refused an id. The items before that are finished.
    async fn submit(
        &self,
        items: BoxStream<'_, Result<BatchItem>>,
        progress: &mut BulkProgress,
    ) -> Result<()> {
        let output = &self.context.output;
        let mut refused = Ok(());
        let items = items.take_until(self.stop.reached(Stage::Drain));
        let mut turns = Turns::default();
        let submitted = items.map(|item| {
            let turn = turns.next(&item);
            async move {
                let BatchItem { line, bytes, request, misspelt } = item?;
                let _turn = turn.lock().await;
                Ok::<_, Error>((line, bytes, misspelt, self.submit_one(request).await))
            }
        });
        let mut submitted = std::pin::pin!(submitted.buffered(IN_FLIGHT));
        while let Some(next) = submitted.next().await {
            let (line, bytes, misspelt, result) = next?;
            progress.line = line.or(progress.line);
            for misspelling in &misspelt {
                self.bar.aside(|| warn(output, &place(line), misspelling));
            }
            tell(output, self.bar, progress, line, result);
            self.bar.at(progress.done(), bytes);
            self.context.room().await;
            // Where stdout takes no ids, no more are submitted. Those that are in flight go to stderr.
            if let Err(error) = output.delivered() {
                refused = refused.and(Err(error));
                self.stop.reach(Stage::Drain);
            }
        }
        refused
    }

    async fn submit_one(&self, request: Result<Submission>) -> Result<Scattered> {
        let request = request?;
        let again = self.command.retry(self.settings, &request);
        match self.scatter.submit(request).await? {
            Scattered::Unknown(error) => {
                let hint = format!("submit it again, nothing is doubled: {again}");
                Ok(Scattered::Unknown(error.hint(hint)))
            }
            scattered => Ok(scattered),
        }
    }
}

/// Tells and counts what became of one request.
fn tell(
    output: &Output,
    bar: &Progress,
    progress: &mut BulkProgress,
    line: Option<u64>,
    outcome: Result<Scattered>,
) {
    let (row, state) = match outcome {
        Ok(Scattered::Published(row)) => {
            progress.submitted += 1;
            (row, "published")
        }
        Ok(Scattered::Answered(row)) => {
            progress.answered_before += 1;
            (row, "answered")
        }
        Ok(Scattered::Unknown(error)) => {
            progress.unclear += 1;
            let said = format!("{}{}", place(line), error.in_full());
            bar.aside(|| tell_failure(output, line, &error, &said));
            return;
        }
        Err(error) => {
            progress.unsent += 1;
            let said = not_sent(line, &error.in_full());
            bar.aside(|| tell_failure(output, line, &error, &said));
            return;
        }
    };
    let print = || match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => {
            output.id(&printable(row.id.as_str()));
        }
        Format::Jsonl => {
            output.id_json(&json!({"rfq-id": row.id.as_str(), "line": line, "state": state}));
        }
        Format::Json => {}
    };
    // The progress bar is in the way of stdout only where both are the terminal.
    if output.is_terminal() {
        bar.aside(print);
    } else {
        print();
    }
    progress.remember(row);
}

fn place(line: Option<u64>) -> String {
    line.map_or(String::new(), |line| format!("line {line}: "))
}

/// `line 2 was not sent: TO is missing`, where an error of one request ends with `nothing was sent`.
fn not_sent(line: Option<u64>, why: &str) -> String {
    let what = line.map_or("an RFQ".to_owned(), |line| format!("line {line}"));
    format!("{what} was not sent: {}", why.replace("; nothing was sent", ""))
}

fn tell_failure(output: &Output, line: Option<u64>, error: &Error, said: &str) {
    output.warning(said);
    for hint in error.hints() {
        output.hint(hint);
    }
    if output.format == Format::Jsonl {
        output.json(&json!({"line": line, "error": error.in_full()}));
    }
}

fn summary(context: &Context, settings: &Settings, progress: &BulkProgress, began: Instant) {
    let output = &context.output;
    let took = began.elapsed();
    if output.format == Format::Json {
        output.json(&json!({
            "submitted": progress.submitted,
            "answered-before": progress.answered_before,
            "failed": progress.failed(),
            "last-line": progress.line,
            "seconds": (took.as_secs_f64().max(0.001) * 1_000.0).round() / 1_000.0,
        }));
    }
    output.note(&progress.sentence(took));
    output.next(&[(settings.command("status"), "")]);
}

/// Adds to an error what was done before it, and how to go on.
fn ended_early(
    error: Error,
    settings: &Settings,
    command: &Command,
    progress: &BulkProgress,
) -> Error {
    let but = match progress.failed() {
        0 => String::new(),
        1 => ", but for 1 that is named above".to_owned(),
        failed => format!(", but for {failed} that are named above"),
    };
    match (progress.line, &command.batch) {
        (Some(line), Some(file)) if file.as_os_str() == "-" => {
            error.hint(format!("lines 1 to {line} are done{but}; the others are not"))
        }
        (Some(line), Some(file)) => {
            let rest = from_stdin(settings, command);
            let file = quoted(&file.display().to_string());
            error.hint(format!(
                "lines 1 to {line} are done{but}; for the others: tail -n +{} {file} | {rest}",
                line + 1
            ))
        }
        _ => error.hint(format!("{} were submitted", count_of(progress.done(), "RFQ"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_said_where_there_is_something_to_measure_it_by() {
        let sentence = |submitted: u64, millis: u64| {
            let progress = BulkProgress { submitted, ..BulkProgress::default() };
            progress.sentence(Duration::from_millis(millis))
        };
        assert_eq!(sentence(3, 43), "submitted 3 RFQs in 43 ms");
        assert_eq!(sentence(3, 1_500), "submitted 3 RFQs in 1.5 s");
        assert_eq!(sentence(900, 999), "submitted 900 RFQs in 999 ms");
        assert_eq!(sentence(900, 1_500), "submitted 900 RFQs in 1.5 s (600/s)");
        let progress =
            BulkProgress { submitted: 1, unsent: 2, unclear: 1, ..BulkProgress::default() };
        let said = "submitted 1 RFQ in 43 ms, 2 not sent, 1 may or may not have been published";
        assert_eq!(progress.sentence(Duration::from_millis(43)), said);
    }

    #[test]
    fn what_was_not_sent_is_said_of_its_line_alone() {
        let why = "`to` is missing; nothing was sent";
        assert_eq!(not_sent(Some(2), why), "line 2 was not sent: `to` is missing");
        assert_eq!(not_sent(None, "x: y"), "an RFQ was not sent: x: y");
    }
}
