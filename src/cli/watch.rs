//! A wait for quotes: shows an RFQ until it ends. `quotes --watch`, `submit --wait` and `demo` share it.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::gathering::{explain, print, unknown};
use super::recent::Recent;
use super::until::{shortest_stall, stored};
use super::{Context, env};
use crate::aws::Aws;
use crate::consumer::{Trouble, Troubles};
use crate::core::aggregate::{CompletedBy, Gathering, State, Status};
use crate::core::text::printable;
use crate::core::{Responder, RfqId, Timestamp, Until, parse_duration};
use crate::error::{Error, Kind, Result, exit};
use crate::flow::quotes::{WaitOptions, Watch};
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::stack::{Backlog, depths, is_simulated};
use crate::terminal::live::{Live, room};
use crate::terminal::{Format, Output};
use crate::view::details::Field;
use crate::view::quotes::{Frame, document, news, table};
use crate::view::tone::{Line, Tone};

const READING: &str = "reading";
/// How often the countdown is redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// The queues are checked once after this long without any answer.
const SUSPICIOUS: Duration = Duration::from_secs(3);
/// How long after the deadline, or after the beginning, a failed read is retried.
const OVERTIME: Duration = Duration::from_secs(5);

/// How long a wait lasts beyond its conditions.
#[derive(Debug, Clone, Args)]
pub(super) struct Stay {
    /// With --watch: extra time for late replies
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_duration, requires = "watch")]
    pub(super) linger: Duration,
    /// With --watch: limit of the wait for an RFQ without a deadline
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, requires = "watch")]
    pub(super) timeout: Duration,
    /// With --watch: exit 0 where there is a best quote, however the wait ended
    #[arg(long, requires = "watch")]
    pub(super) accept_partial: bool,
}

/// What becomes of a best quote where the condition of the wait is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partial {
    /// The wait is done: exit 0.
    Accepted,
    /// The wait is not: exit 3.
    Unmet,
}

impl Partial {
    /// As `--accept-partial` says.
    pub(super) fn of(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Unmet }
    }
}

impl Default for Stay {
    fn default() -> Self {
        let (linger, timeout) = (Duration::ZERO, Duration::from_mins(1));
        Self { linger, timeout, accept_partial: false }
    }
}

/// What a wait does and shows.
pub(super) struct WaitPlan {
    pub(super) options: WaitOptions,
    /// The fields of details to show.
    pub(super) fields: Vec<Field>,
}

/// How a watch ended.
pub(super) enum Watched {
    /// By itself, in this state.
    Ended { gathering: Gathering, all_unread: bool },
    /// By a signal, with the last state that was read.
    Interrupted(Option<Gathering>, Error),
}

impl Watched {
    /// The final state, or the error of the signal.
    pub(super) fn ended(self) -> Result<Gathering> {
        match self {
            Self::Ended { gathering, .. } => Ok(gathering),
            Self::Interrupted(_, error) => Err(error),
        }
    }
}

impl Stay {
    /// The options of a wait that also ends with these conditions. A stall is added to the stored conditions; any
    /// other condition replaces them.
    pub(super) fn options(&self, until: &[Until]) -> WaitOptions {
        let conditions = stored(until);
        WaitOptions {
            until: (!conditions.is_empty()).then_some(conditions),
            stall: shortest_stall(until),
            linger: self.linger,
            timeout: self.timeout,
        }
    }
}

/// Watches an RFQ until it ends; the exit code says how. A signal ends the wait alone.
pub(super) async fn wait(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    id: RfqId,
    (plan, partial): (WaitPlan, Partial),
) -> Result<u8> {
    let watched = watch(context, settings, aws, &id, plan).await?;
    let prefix = Recent::of(aws, env).prefix(&id).await;
    let command =
        |command: &str, more: &str| settings.command(&format!("{command} {prefix}{more}"));
    let (gathering, all_unread) = match watched {
        Watched::Ended { gathering, all_unread } => (gathering, all_unread),
        Watched::Interrupted(latest, error) => {
            let is_over = latest.is_some_and(|latest| latest.status != Status::Gathering);
            context.output.note(&if is_over {
                format!("the wait ended; late replies: {}", command("quotes", ""))
            } else {
                let again = command("quotes", " --watch");
                format!("the wait ended, the gathering goes on: {again}")
            });
            return Ok(error.exit_code());
        }
    };
    if context.output.format == Format::Table {
        let letters = if all_unread || !may_have_letters(&gathering) {
            0
        } else {
            tokio::select! {
                letters = dead_letters(aws) => letters,
                () = context.shutdown.first_signal() => 0,
            }
        };
        let mut next = Vec::new();
        match gathering.status {
            Status::Gathering => next.push((command("quotes", " --watch"), "go on watching")),
            Status::Expired | Status::Closed if !gathering.is_settled() => {
                next.push((command("quotes", ""), "late replies too"));
            }
            Status::Expired | Status::Closed | Status::Complete => {}
        }
        next.push((command("trace", ""), "what happened when"));
        if letters > 0 {
            next.push((command("dlq list", ""), "its dead letters, if any, and why"));
        }
        context.output.next(&next);
    }
    Ok(match (gathering.completed_by, &gathering.best) {
        (_, None) => exit::NO_QUOTE,
        (
            Some(CompletedBy::All | CompletedBy::Count | CompletedBy::Price | CompletedBy::Stall),
            Some(_),
        ) => exit::DONE,
        (Some(CompletedBy::Closed | CompletedBy::Deadline) | None, Some(_)) => match partial {
            Partial::Accepted => exit::DONE,
            Partial::Unmet => exit::UNMET,
        },
    })
}

/// Whether a dead letter may explain how it ended: a provider failed, or left no trace until the deadline. One that
/// is missing earlier may still answer.
fn may_have_letters(gathering: &Gathering) -> bool {
    let waited_long = gathering.completed_by == Some(CompletedBy::Deadline);
    gathering.count(State::Failed) > 0 || waited_long && gathering.count(State::Missing) > 0
}

/// How many dead letters the stack has. A look that fails finds none: it must not fail the wait.
async fn dead_letters(aws: &Aws) -> u64 {
    let depths = depths(aws, &[]).await;
    depths.map_or(0, |depths| {
        depths.provider_dead_letters.total() + depths.response_dead_letters.total()
    })
}

/// Shows an RFQ until it ends, then prints its final state.
pub(super) async fn watch(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    id: &RfqId,
    plan: WaitPlan,
) -> Result<Watched> {
    let shutdown = &context.shutdown;
    let mut view = WaitView::new(&context.output, aws, settings, plan.fields);
    let mut watch = Watch::new(aws, id.clone(), plan.options);
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
                return match error.kind() {
                    Kind::Signal(_) => Ok(Watched::Interrupted(view.latest, error)),
                    _ => Err(error),
                };
            }
        };
        view.show(gathering).await;
        view.written(shutdown).await;
        if context.output.is_closed() {
            break;
        }
    }
    let latest = view.latest.clone();
    tokio::select! {
        () = view.explain() => {}
        () = shutdown.first_signal() => view.latest = latest,
    }
    let all_unread = view.all_unread;
    let gathering = view.finish(id).await?;
    Ok(Watched::Ended { gathering, all_unread })
}

/// The output of a wait.
pub(super) struct WaitView<'a> {
    output: &'a Output,
    aws: &'a Aws,
    settings: &'a Settings,
    fields: Vec<Field>,
    live: Option<Live>,
    latest: Option<Gathering>,
    began: Instant,
    hint: Option<Line>,
    /// Why the last read failed, if it did.
    failing: Option<String>,
    troubles: Troubles,
    looked: bool,
    /// Whether the last look found every copy unread.
    all_unread: bool,
}

impl<'a> WaitView<'a> {
    fn new(output: &'a Output, aws: &'a Aws, settings: &'a Settings, fields: Vec<Field>) -> Self {
        let live = output.format == Format::Table && output.is_live();
        Self {
            output,
            aws,
            settings,
            fields,
            live: live.then(|| Live::new(output)),
            latest: None,
            began: Instant::now(),
            hint: None,
            failing: None,
            troubles: Troubles::default(),
            looked: false,
            all_unread: false,
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
                () = shutdown.first_signal() => return Err(shutdown.error()),
            }
        }
    }

    pub(super) async fn show(&mut self, gathering: Gathering) {
        self.failing = None;
        _ = self.troubles.news(Trouble::Over { subject: READING.to_owned() });
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
            Format::Table | Format::Json | Format::Workshop | Format::Otlp | Format::Csv => {}
        }
        if !gathering.is_unanswered() {
            self.hint = None;
        } else if !self.looked && self.began.elapsed() >= SUSPICIOUS {
            self.looked = true;
            self.hint = self.look(&gathering).await;
            if let (None, Some(hint)) = (&self.live, &self.hint) {
                self.output.toned_note(&said(hint));
            }
        }
        self.latest = Some(gathering);
        self.draw();
    }

    /// Waits until the changes are written, or a signal comes. A live region is not waited for.
    async fn written(&self, shutdown: &Shutdown) {
        if self.live.is_some() {
            return;
        }
        tokio::select! {
            () = self.output.answered() => {}
            () = shutdown.first_signal() => {}
        }
    }

    /// Reads the queues once, to find out what is not running.
    async fn look(&mut self, gathering: &Gathering) -> Option<Line> {
        let expected = gathering.request.expected.as_deref()?;
        // A hint must not fail the wait.
        let depths = depths(self.aws, expected).await.ok()?;
        let (backlog, all) = (depths.backlog(), expected.len());
        self.all_unread = matches!(&backlog, Backlog::Requests(of) if of.len() >= all);
        let text = match &backlog {
            Backlog::Replies(replies) => {
                let consumer = self.settings.command("consumer run");
                let lie = if *replies == 1 { "reply lies" } else { "replies lie" };
                format!("{replies} {lie} unread; is a consumer running? ({consumer})")
            }
            Backlog::Gathering => "the consumer has the replies in hand".to_owned(),
            Backlog::Nothing => {
                "every copy was taken from its queue, and no reply is on its way".to_owned()
            }
            Backlog::InHand(1) => "1 copy is in hand: its provider is thinking".to_owned(),
            Backlog::InHand(copies) => {
                format!("{copies} copies are in hand: the providers are thinking")
            }
            Backlog::Requests(of) => {
                let running = self.running(of);
                match of.len() {
                    1 if all == 1 => format!("the copy lies unread; {running}"),
                    unread if unread >= all => format!("all {unread} copies lie unread; {running}"),
                    unread => format!("{unread} of {all} copies unread; {running}"),
                }
            }
        };
        let is_unread = matches!(backlog, Backlog::Replies(_) | Backlog::Requests(_));
        Some(Line::new(if is_unread { Tone::Failed } else { Tone::Faint }, text))
    }

    /// Asks whether the workers of these providers run. A real one needs its own program or endpoint.
    fn running(&self, of: &[&Responder]) -> String {
        let run = self.settings.command("providers run");
        match of {
            _ if of.iter().any(|who| is_simulated(who)) => format!("is `{run}` running?"),
            [real] => format!("is `{run} {} -- PROGRAM` running?", real.as_str()),
            _ => {
                let names: Vec<_> = of.iter().map(|who| who.as_str()).collect();
                format!("are the workers of {} running?", names.join(", "))
            }
        }
    }

    fn draw(&mut self) {
        let (true, Some(gathering)) = (self.live.is_some(), &self.latest) else { return };
        let (columns, rows) = room();
        let hint = self.hint.as_ref().map(said);
        let failing = self.failing.clone().map(|text| Line::new(Tone::Failed, text));
        let below = [hint, failing].into_iter().flatten().flat_map(|line| {
            let line = Line { text: printable(&line.text), ..line };
            line.wrapped(Some(columns))
        });
        let below: Vec<_> = below.collect();
        // On a screen that is far too low, the table comes first.
        let for_table = rows.saturating_sub(u16::try_from(below.len()).unwrap_or(rows));
        let mut lines = self.table(gathering, Some(columns), Some(for_table.max(rows / 2)));
        lines.extend(below);
        lines.truncate(rows.into());
        let lines = self.output.painted(&lines);
        if let Some(live) = &mut self.live {
            live.draw(lines);
        }
    }

    fn table(&self, gathering: &Gathering, width: Option<u16>, height: Option<u16>) -> Vec<Line> {
        let (stack, now) = (&self.settings.stack, Timestamp::now());
        let frame = Frame { stack, now, width, height, fields: &self.fields };
        table(gathering, frame)
    }

    /// Whether a failed read may be retried: until `OVERTIME` after the deadline, so that a transient failure does
    /// not hide the end. Before the first snapshot, `OVERTIME` counts from the beginning.
    fn has_time_left(&self) -> bool {
        let Some(gathering) = &self.latest else { return self.began.elapsed() < OVERTIME };
        let deadline = gathering.request.deadline;
        deadline.is_some_and(|deadline| Timestamp::now() < deadline.plus(OVERTIME))
    }

    /// Reports a failed read that is being retried.
    fn trouble(&mut self, error: &Error) {
        let trouble = Trouble::Began { subject: READING.to_owned(), reason: error.to_string() };
        let failing = format!("{error}; retrying");
        if self.troubles.news(trouble).is_some() && self.live.is_none() {
            self.output.note(&failing);
        }
        self.failing = Some(failing);
        self.draw();
    }

    /// Prints the last snapshot, before an error or at a signal.
    fn leave(&mut self) {
        self.live = None;
        if let Some(gathering) = &self.latest
            && self.output.format == Format::Table
        {
            let width = self.output.width();
            self.output.toned(&self.table(gathering, width, None));
        }
    }

    /// Checks at the end whether filters explain missing providers, and whether the queues explain that none has
    /// answered. JSON Lines have no place for that.
    async fn explain(&mut self) {
        let hint = self.hint.take();
        let Some(mut gathering) = self.latest.take() else { return };
        if self.output.format != Format::Jsonl {
            explain(self.output, self.aws, &mut gathering).await;
        }
        // Lines in place of a live region have the hint already.
        let is_said = hint.is_some() && self.live.is_none();
        if self.output.format == Format::Table && gathering.is_unanswered() && !is_said {
            self.hint = self.look(&gathering).await;
        }
        self.latest = Some(gathering);
    }

    /// Prints the final state.
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
            print(self.output, self.aws, &gathering, &self.fields);
        }
        if let Some(hint) = &self.hint {
            self.output.toned_note(&said(hint));
        }
        Ok(gathering)
    }
}

fn said(hint: &Line) -> Line {
    Line { text: format!("hint: {}", hint.text), ..hint.clone() }
}
