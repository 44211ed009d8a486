//! `rydes quotes`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::recent::Recent;
use super::submit::check_until;
use super::{Context, env};
use crate::aggregate::{CompletedBy, Gathering, State, Status};
use crate::aws::Aws;
use crate::error::{Error, Result, exit};
use crate::model::text::printable;
use crate::model::{RfqId, Timestamp, Until, parse_duration};
use crate::output::live::{Live, size};
use crate::output::quotes::{Frame, MOST_ROWS, document, news, table, workshop};
use crate::output::table::wrapped;
use crate::output::{Format, Output};
use crate::quotes::{Filters, Patience, Watch, snapshot};
use crate::settings::Settings;
use crate::shutdown::Shutdown;

/// How often the countdown is redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// After so long without any answer the queues are looked at, once.
const SUSPICIOUS: Duration = Duration::from_secs(3);
/// How long after the deadline, or after the beginning, a read that failed is tried again.
const OVERTIME: Duration = Duration::from_secs(5);
/// Lines of the frame beside the rows of answers.
const FRAME_LINES: u16 = 8;

/// Show how an RFQ stands, or watch the quotes come in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes quotes                     the newest RFQ submitted from this machine
  rydes quotes 78c3 --watch        until everybody has answered, or the deadline
  rydes quotes 78c3 --watch --until 3 --until price:20 --until stall:5s
  rydes quotes 78c3 -o json        exact prices, for programs")]
pub(super) struct Command {
    /// The RFQ: its id, or a unique prefix (4 characters or more) of one submitted here
    #[arg(value_name = "RFQ-ID")]
    id: Option<String>,
    /// Stay until everybody has answered, or the deadline
    #[arg(short, long)]
    watch: bool,
    /// With --watch: end this wait with `all`, `3` quotes, `price:20` or `stall:5s`; may be repeated,
    /// the first one met ends it
    #[arg(long, value_name = "CONDITION", requires = "watch")]
    until: Vec<Until>,
    #[command(flatten)]
    stay: Stay,
}

/// How long a wait lasts beyond its conditions.
#[derive(Debug, Clone, Args)]
pub(super) struct Stay {
    /// With --watch: stay so much longer for late answers
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_duration, requires = "watch")]
    pub(super) linger: Duration,
    /// With --watch: how long to wait for an RFQ without a deadline
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, requires = "watch")]
    pub(super) timeout: Duration,
}

impl Default for Stay {
    fn default() -> Self {
        Self { linger: Duration::ZERO, timeout: Duration::from_mins(1) }
    }
}

impl Stay {
    /// The same for a wait that ends with these conditions too. A stall goes with the conditions that
    /// are stored; any other condition stands instead of them.
    pub(super) fn patience(&self, until: &[Until]) -> Patience {
        let conditions = until.iter().filter_map(|until| match until {
            Until::Complete(condition) => Some(condition.clone()),
            Until::Stall(_) => None,
        });
        let conditions: Vec<_> = conditions.collect();
        Patience {
            until: (!conditions.is_empty()).then_some(conditions),
            stall: shortest_stall(until),
            linger: self.linger,
            timeout: self.timeout,
        }
    }
}

/// The shortest stall among the conditions of a wait.
pub(super) fn shortest_stall(until: &[Until]) -> Option<Duration> {
    let stalls = until.iter().filter_map(|until| match until {
        Until::Stall(stall) => Some(*stall),
        Until::Complete(_) => None,
    });
    stalls.min()
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let settings = context.settings()?;
    check_until(&command.until)?;
    let aws = context.connect(&settings).await?;
    let recent = Recent::of(&aws, env);
    let id = recent.find(command.id.as_deref(), &settings).await?;
    if command.watch {
        let patience = command.stay.patience(&command.until);
        return wait(context, &settings, &aws, id, patience).await;
    }
    let read = context.visibly("reading the table", Box::pin(snapshot(&aws, &id, None)));
    let Some(mut gathering) = read.await? else {
        return Err(unknown(&aws, &id).await);
    };
    explain(&context.output, &aws, &mut gathering).await;
    print(&context.output, &aws, &gathering);
    if gathering.status == Status::Gathering && context.output.format == Format::Table {
        let watch = settings.command(&format!("quotes {} --watch", recent.prefix(&id).await));
        context.output.note(&format!("next: {watch}"));
    }
    Ok(exit::DONE)
}

/// The error about an RFQ that is not in the table.
pub(super) async fn unknown(aws: &Aws, id: &RfqId) -> Error {
    let id = printable(id.as_str());
    Recent::of(aws, env).unknown(format!("no RFQ {id} on stack {}", aws.names.stack())).await
}

/// Watches an RFQ until it ends; the exit code says how.
pub(super) async fn wait(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    id: RfqId,
    patience: Patience,
) -> Result<u8> {
    let gathering = watch(context, settings, aws, &id, patience).await?;
    let prefix = Recent::of(aws, env).prefix(&id).await;
    let again = settings.command(&format!("quotes {prefix}"));
    match gathering.status {
        _ if context.output.format != Format::Table => {}
        Status::Expired | Status::Closed => {
            context.output.note(&format!("late answers are still kept: {again}"));
        }
        Status::Gathering => context.output.note(&format!("it goes on: {again} --watch")),
        Status::Complete => {}
    }
    Ok(match (gathering.completed_by, &gathering.best) {
        (_, None) => exit::NO_QUOTE,
        (
            Some(CompletedBy::All | CompletedBy::Count | CompletedBy::Price | CompletedBy::Stall),
            Some(_),
        ) => exit::DONE,
        (Some(CompletedBy::Closed | CompletedBy::Deadline) | None, Some(_)) => exit::UNMET,
    })
}

/// Watches an RFQ until it ends; shows it meanwhile, and leaves the final state behind.
pub(super) async fn watch(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    id: &RfqId,
    patience: Patience,
) -> Result<Gathering> {
    let shutdown = &context.shutdown;
    let mut view = View::new(&context.output, aws, settings);
    let mut watch = Watch::new(aws, id.clone(), patience);
    while !watch.is_over() {
        let gathering = match view.animate(watch.next(), shutdown).await {
            Ok(Some(gathering)) => gathering,
            Ok(None) => return Err(unknown(aws, id).await),
            Err(error) if error.is_transient() && view.has_time_left() => {
                view.trouble(&error);
                continue;
            }
            Err(error) => {
                view.leave();
                return Err(error);
            }
        };
        view.show(gathering).await;
        view.written(shutdown).await;
        if context.output.is_closed() {
            break;
        }
    }
    tokio::select! {
        () = view.explain() => {}
        () = shutdown.stop.cancelled() => {}
    }
    view.finish(id).await
}

/// What a person or a program sees of a wait.
pub(super) struct View<'a> {
    output: &'a Output,
    aws: &'a Aws,
    settings: &'a Settings,
    live: Option<Live>,
    latest: Option<Gathering>,
    began: Instant,
    hint: Option<String>,
    /// Why the last read failed, if it did.
    failing: Option<String>,
    looked: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(output: &'a Output, aws: &'a Aws, settings: &'a Settings) -> Self {
        let live = output.format == Format::Table && output.is_live();
        Self {
            output,
            aws,
            settings,
            live: live.then(|| Live::new(output)),
            latest: None,
            began: Instant::now(),
            hint: None,
            failing: None,
            looked: false,
        }
    }

    /// Keeps the countdown going while the next snapshot is awaited.
    pub(super) async fn animate(
        &mut self,
        next: impl Future<Output = Result<Option<Gathering>>>,
        shutdown: &Shutdown,
    ) -> Result<Option<Gathering>> {
        tokio::pin!(next);
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                snapshot = &mut next => return snapshot,
                _ = redraw.tick() => self.draw(),
                () = shutdown.stop.cancelled() => return Err(shutdown.error()),
            }
        }
    }

    /// Takes in a snapshot.
    pub(super) async fn show(&mut self, gathering: Gathering) {
        self.failing = None;
        let fresh = news(self.latest.as_ref(), &gathering);
        match self.output.format {
            Format::Jsonl => {
                for news in &fresh {
                    self.output.json(&news.document(&gathering));
                }
            }
            Format::Table if self.live.is_none() => {
                for news in &fresh {
                    self.output.data(&news.line());
                }
            }
            Format::Table | Format::Json | Format::Workshop => {}
        }
        let nothing = gathering.providers.iter().all(|provider| {
            matches!(provider.state, State::Waiting | State::Silent | State::Missing)
        });
        if !nothing {
            self.hint = None;
        } else if !self.looked && self.began.elapsed() >= SUSPICIOUS {
            self.looked = true;
            self.hint = self.look(&gathering).await;
            if let (None, Some(hint)) = (&self.live, &self.hint) {
                self.output.note(&format!("hint: {hint}"));
            }
        }
        self.latest = Some(gathering);
        self.draw();
    }

    /// Waits until the changes are written, or a signal comes; a region that is redrawn is not waited
    /// for.
    async fn written(&self, shutdown: &Shutdown) {
        if self.live.is_some() {
            return;
        }
        tokio::select! {
            () = self.output.answered() => {}
            () = shutdown.stop.cancelled() => {}
        }
    }

    /// One look at the queues: who is not running?
    async fn look(&self, gathering: &Gathering) -> Option<String> {
        let expected = gathering.request.expected.as_deref()?;
        // A hint is not worth an error.
        let depths = self.aws.depths(expected).await.ok()?;
        // A queue that is not here is somebody else's: nobody can say what lies in it.
        let counts = || depths.providers.iter().filter_map(|(_, counts)| *counts);
        let unread = counts().filter(|counts| counts.ready > 0).count();
        let in_hand = counts().filter(|counts| counts.in_hand > 0).count();
        let replies = depths.responses.total();
        let run = self.settings.command("providers run");
        let expected = expected.len();
        Some(match (unread, in_hand, replies) {
            (_, _, 1..) => {
                let consumer = self.settings.command("consumer run");
                let lie = if replies == 1 { "reply lies" } else { "replies lie" };
                format!("{replies} {lie} unread; is a consumer running? ({consumer})")
            }
            (0, 0, 0) => "no copy is in any queue: the providers have taken them all".to_owned(),
            (0, 1, 0) => "1 copy is in hand: its provider is thinking".to_owned(),
            (0, in_hand, 0) => format!("{in_hand} copies are in hand: the providers are thinking"),
            (1, _, 0) if expected == 1 => format!("the copy lies unread; is `{run}` running?"),
            (unread, _, 0) if unread >= expected => {
                format!("all {unread} copies lie unread; is `{run}` running?")
            }
            (unread, _, 0) => {
                format!("{unread} of {expected} copies unread; is `{run}` running for all?")
            }
        })
    }

    fn draw(&mut self) {
        let (true, Some(gathering)) = (self.live.is_some(), &self.latest) else { return };
        let (columns, rows) = size();
        let room = usize::from(rows.saturating_sub(FRAME_LINES)).clamp(3, MOST_ROWS);
        let mut lines = self.table(gathering, Some(columns), room);
        let hint = self.hint.as_ref().map(|hint| format!("hint: {hint}"));
        for sentence in [hint, self.failing.clone()].into_iter().flatten() {
            lines.extend(wrapped(&printable(&sentence), Some(columns)));
        }
        if let Some(live) = &mut self.live {
            live.draw(lines);
        }
    }

    fn table(&self, gathering: &Gathering, width: Option<u16>, rows: usize) -> Vec<String> {
        let frame = Frame { stack: &self.settings.stack, now: Timestamp::now(), width, rows };
        styled(self.output, table(gathering, frame))
    }

    /// Whether a read that failed may be tried again: until a little after the deadline of what was
    /// last seen, so that a passing failure at the end does not hide how it ended, or of the
    /// beginning where nothing was seen yet.
    fn has_time_left(&self) -> bool {
        let Some(gathering) = &self.latest else { return self.began.elapsed() < OVERTIME };
        let deadline = gathering.request.deadline;
        deadline.is_some_and(|deadline| Timestamp::now() < deadline.plus(OVERTIME))
    }

    /// Tells that a read failed, and that it is tried again.
    fn trouble(&mut self, error: &Error) {
        let failing = format!("{error}; trying on");
        if self.live.is_none() && self.failing.as_ref() != Some(&failing) {
            self.output.note(&failing);
        }
        self.failing = Some(failing);
        self.draw();
    }

    /// Leaves what was last seen behind, before an error or at a signal.
    fn leave(&mut self) {
        self.live = None;
        if let Some(gathering) = &self.latest
            && self.output.format == Format::Table
        {
            let width = self.output.is_terminal().then(|| size().0);
            self.output.lines(&self.table(gathering, width, MOST_ROWS));
        }
    }

    /// Looks, once it is over, whether filters explain who is missing. A line per change says
    /// nothing of those.
    async fn explain(&mut self) {
        if let Some(gathering) =
            self.latest.as_mut().filter(|_| self.output.format != Format::Jsonl)
        {
            explain(self.output, self.aws, gathering).await;
        }
    }

    /// Leaves the final state behind.
    pub(super) async fn finish(mut self, id: &RfqId) -> Result<Gathering> {
        self.live = None;
        let Some(gathering) = self.latest else { return Err(unknown(self.aws, id).await) };
        if self.output.format == Format::Jsonl {
            self.output.json(&json!({
                "rfq-id": id.as_str(),
                "status": gathering.status.word(),
                "completed-by": document(&gathering)["completed-by"],
                "best": document(&gathering)["best"],
            }));
        } else {
            print(self.output, self.aws, &gathering);
        }
        Ok(gathering)
    }
}

/// Looks whether filters explain who is missing, where the format has room for that.
pub(super) async fn explain(output: &Output, aws: &Aws, gathering: &mut Gathering) {
    if output.format != Format::Workshop {
        Box::pin(Filters::default().explain(aws, gathering)).await;
    }
}

/// Prints how an RFQ stands, in the format that is wanted.
pub(super) fn print(output: &Output, aws: &Aws, gathering: &Gathering) {
    match output.format {
        Format::Table => {
            let width = output.is_terminal().then(|| size().0);
            let now = Timestamp::now();
            let frame = Frame { stack: aws.names.stack(), now, width, rows: MOST_ROWS };
            output.lines(&styled(output, table(gathering, frame)));
        }
        Format::Json | Format::Jsonl => output.json(&document(gathering)),
        Format::Workshop => output.data(&workshop(gathering)),
    }
}

/// The title bold, the best quote green: nothing that only colour says.
fn styled(output: &Output, lines: Vec<String>) -> Vec<String> {
    let style = output.out_style();
    let last = lines.len();
    lines
        .into_iter()
        .enumerate()
        .map(|(position, line)| match position {
            0 => style.clone().bold().apply_to(line).to_string(),
            1 => style.clone().dim().apply_to(line).to_string(),
            _ if position + 1 < last
                && (line.ends_with("  best") || line.ends_with("best so far")) =>
            {
                style.clone().green().apply_to(line).to_string()
            }
            _ => line,
        })
        .collect()
}
