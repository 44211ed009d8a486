//! The options that workers and consumer share, and the view while they run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::Notify;
use tokio::time::{Instant, interval, sleep};

use super::Context;
use super::metrics::{MetricsListener, MetricsServer};
use crate::aws::{Aws, MAX_WAIT};
use crate::consumer::{ConsumeOptions, Trouble, Troubles};
use crate::core::{Timestamp, parse_duration, show_duration};
use crate::error::{Error, Result, exit};
use crate::flow::events::{Event, Sink};
use crate::flow::gather;
use crate::flow::provider::{Profile, ProviderPlan, Served, ServedBy};
use crate::flow::workers::{self, WorkerPlan};
use crate::settings::{Backend, Settings};
use crate::shutdown::{Stage, StopSignal};
use crate::terminal::live::{Live, size};
use crate::terminal::{Format, Output, Verbosity};
use crate::view::count_of;
use crate::view::events::{document, line, said};
use crate::view::served::{real_providers, simulated};
use crate::view::tone::Line;
use crate::view::workers::{ConsumerPart, MOST_REAL_LINES, Tally, Viewport};

/// How long the workers may take to end after a first Ctrl-C: longer than the longest poll.
const DRAIN: Duration = Duration::from_secs(25);
/// The part of it for messages in flight, which are then given back.
const IN_FLIGHT: Duration = Duration::from_secs(21);
/// Replies in flight at once.
pub(super) const GATHER_CONCURRENCY: usize = 300;
/// How often the view is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// How long lines that come together are waited for before the table is drawn again.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Lines of the view beside the providers.
const FRAME_LINES: u16 = 10;

/// The options that workers and consumer share.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// What is shown: `auto` (a live table on a terminal, else lines), `live`, `plain` (lines) or `none`
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "HOW", hide_possible_values = true)]
    progress: ProgressMode,
    /// Time that one receive waits for messages, 1s to 20s; stopping takes as long [default: 2s on
    /// LocalStack, 20s with --aws, where an empty receive costs money]
    #[arg(long, value_name = "TIME", value_parser = poll_wait)]
    poll_wait: Option<Duration>,
    /// How long a received message is hidden, 1s to 12h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = visibility, hide = true)]
    visibility: Duration,
    /// Age at which bindings and retention of the stack are read again, 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = rules_age, hide = true)]
    rules_age: Duration,
    /// Address and port to serve this process's metrics for Prometheus, as in 127.0.0.1:9464; `:9464` is
    /// on all addresses. No authentication: anyone who can reach it can read them
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
    /// Exit when stdin closes
    #[arg(long, hide = true)]
    tied: bool,
}

/// What is shown while workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressMode {
    /// A live table on a terminal, lines elsewhere
    Auto,
    /// A live table
    Live,
    /// A line per event
    Plain,
    /// Nothing
    None,
}

fn poll_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    let fits = wait >= Duration::from_secs(1) && wait <= MAX_WAIT && wait.subsec_nanos() == 0;
    if fits { Ok(wait) } else { Err("a poll waits 1s to 20s, in whole seconds".to_owned()) }
}

fn visibility(text: &str) -> Result<Duration, String> {
    let visibility = parse_duration(text)?;
    let fits = visibility >= Duration::from_secs(1)
        && visibility <= Duration::from_hours(12)
        && visibility.subsec_nanos() == 0;
    if fits { Ok(visibility) } else { Err("1s to 12h, in whole seconds".to_owned()) }
}

fn rules_age(text: &str) -> Result<Duration, String> {
    let age = parse_duration(text)?;
    let fits = age >= Duration::from_secs(1) && age <= Duration::from_hours(1);
    if fits { Ok(age) } else { Err("1s to 1h".to_owned()) }
}

/// How long receives wait where `--poll-wait` does not say: on LocalStack an empty receive is free.
const LOCAL_POLL: Duration = Duration::from_secs(2);

impl Common {
    /// How long a receive waits, by default on this backend.
    fn poll_wait(&self, settings: &Settings) -> Duration {
        self.poll_wait.unwrap_or(match settings.backend() {
            Backend::LocalStack => LOCAL_POLL,
            Backend::Aws => MAX_WAIT,
        })
    }

    /// The plan for these providers.
    pub(super) fn provider_plan(&self, settings: &Settings, served: Vec<Served>) -> ProviderPlan {
        let (poll_wait, visibility) = (self.poll_wait(settings), self.visibility);
        ProviderPlan { served, poll_wait, visibility, drain: IN_FLIGHT }
    }

    /// Listens where `--metrics` says.
    pub(super) async fn listen_for_metrics(&self) -> Result<Option<MetricsListener>> {
        MetricsListener::open(self.metrics.as_deref()).await
    }

    pub(super) fn gathering(&self, settings: &Settings) -> gather::ConsumerSettings {
        let (concurrency, visibility) = (GATHER_CONCURRENCY, self.visibility);
        let options = ConsumeOptions { concurrency, visibility, drain: IN_FLIGHT };
        let (poll_wait, rules_age) = (self.poll_wait(settings), self.rules_age);
        gather::ConsumerSettings { poll_wait, options, rules_age }
    }
}

/// How long receives wait, and how long they hide messages.
fn polls(plan: &WorkerPlan) -> (Duration, Duration) {
    let providers = plan.providers.as_ref().map(|of| (of.poll_wait, of.visibility));
    let consumer = plan.consumer.as_ref().map(|of| (of.poll_wait, of.options.visibility));
    providers.or(consumer).unwrap_or_default()
}

fn consumer(plan: &WorkerPlan) -> ConsumerPart {
    if plan.consumer.is_some() { ConsumerPart::Included } else { ConsumerPart::LeftOut }
}

/// The table on the screen, if there is one.
struct LiveTable {
    live: Mutex<Option<Live>>,
    /// Notified when it was removed, to make room for lines.
    made_room: Notify,
}

/// Runs until a signal, then drains. `metrics` are served meanwhile.
pub(super) async fn run(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    plan: &WorkerPlan,
    common: &Common,
    metrics: Option<MetricsServer>,
) -> Result<u8> {
    let output = &context.output;
    let served = plan.providers.as_ref().map_or(&[][..], |providers| &providers.served);
    let tally = Arc::new(Mutex::new(Tally::of(served)));
    let view = WorkerView::of(output, common.progress);
    greet(output, settings, aws, plan, metrics.as_ref());
    let metrics = metrics.map(|metrics| metrics.begin(aws, plan));
    // A stop from inside is no signal: the user's first Ctrl-C still drains.
    let stop = &context.shutdown.part();
    if common.tied {
        stop_with_stdin(stop.clone());
    }
    let live = Arc::new(LiveTable {
        live: Mutex::new((view == WorkerView::Live).then(|| Live::new(output))),
        made_room: Notify::new(),
    });
    let sink = sink(context, view, &tally, &live);
    let sink = metrics.as_ref().map_or(Arc::clone(&sink), |metrics| metrics.beside(sink));
    let ended = tokio::select! {
        ended = workers::run(aws, plan, stop, &sink) => ended,
        () = draw(context, plan, &tally, &live, stop) => Ok(()),
        () = overdue(stop) => Err(Error::other(format!(
            "not everything was acknowledged within {} s; the rest will be delivered again",
            DRAIN.as_secs()
        ))),
        () = context.shutdown.second_signal() => {
            Err(left(context.shutdown.error(), lock(&tally).in_flight(), polls(plan).1))
        }
    };
    drop(lock(&live.live).take());
    if let Some(metrics) = metrics {
        metrics.end().await;
    }
    sum_up(context, aws, consumer(plan), view, &lock(&tally));
    ended.map(|()| exit::DONE)
}

fn sum_up(context: &Context, aws: &Aws, consumer: ConsumerPart, view: WorkerView, tally: &Tally) {
    let (output, clock) = (&context.output, context.clock());
    let usage = aws.meter.usage();
    if view == WorkerView::Live {
        let (columns, _) = size();
        let screen = Viewport { width: columns, now: clock.now() };
        // Events may be dropped: a stopped terminal must not make the workers fail.
        for line in tally.table(consumer, usize::MAX, screen) {
            output.toned_event(&line);
        }
    }
    if output.format == Format::Json {
        output.json(&tally.document(&usage));
    }
    // The table has the rest.
    let summary = if view == WorkerView::Live { tally.done() } else { tally.summary(consumer) };
    for line in summary {
        output.log_note(&line, &clock);
    }
    for line in tally.account(&usage) {
        output.detail(&line);
    }
}

/// The error of workers that leave requests in hand, hidden for at most this long.
fn left(error: Error, in_flight: u64, visibility: Duration) -> Error {
    if in_flight == 0 {
        return error;
    }
    let requests = count_of(in_flight, "request");
    let them = if in_flight == 1 { "it" } else { "them" };
    let after = show_duration(visibility);
    let message =
        format!("{error} with {requests} in hand: SQS delivers {them} again after {after}");
    Error::new(error.kind(), message)
}

/// Stops the workers when stdin closes.
fn stop_with_stdin(stop: StopSignal) {
    std::thread::spawn(move || {
        // A read error stops them too.
        _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.reach(Stage::Drain);
    });
}

/// Returns when the time for an orderly stop is over: a queue that does not respond must not block the exit.
async fn overdue(stop: &StopSignal) {
    stop.reached(Stage::Drain).await;
    sleep(DRAIN).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WorkerView {
    Live,
    Plain,
    Json,
    Nothing,
}

impl WorkerView {
    fn of(output: &Output, progress: ProgressMode) -> Self {
        match (output.format, progress) {
            (Format::Jsonl, _) => Self::Json,
            (Format::Json, _) | (_, ProgressMode::None) => Self::Nothing,
            (_, ProgressMode::Live) => Self::Live,
            (_, ProgressMode::Auto) if output.is_live() => Self::Live,
            (_, ProgressMode::Plain | ProgressMode::Auto) => Self::Plain,
        }
    }
}

fn greet(
    output: &Output,
    settings: &Settings,
    aws: &Aws,
    plan: &WorkerPlan,
    metrics: Option<&MetricsServer>,
) {
    let announce = || {
        if let Some(metrics) = metrics {
            metrics.announce(output);
        }
    };
    let Some(providers) = &plan.providers else {
        output.note(&format!("{} · the response consumer", aws.target_line()));
        announce();
        return;
    };
    let behaviour = providers.served.iter().find_map(|served| match &served.by {
        ServedBy::Simulation(simulation) => Some(&simulation.behaviour),
        ServedBy::Program(_) | ServedBy::Endpoint(_) => None,
    });
    output.note(&aws.target_line());
    if let Some(behaviour) = behaviour {
        output.note(&simulated(behaviour));
    }
    for line in real_providers(&providers.served) {
        output.note(&line);
    }
    output.note(match consumer(plan) {
        ConsumerPart::Included => "with the response consumer (--no-consumer to leave it out)",
        ConsumerPart::LeftOut => "without the response consumer: replies are gathered elsewhere",
    });
    if behaviour.is_some_and(|behaviour| behaviour.profile == Profile::Workshop) {
        output.note("the original's providers think up to 60 s: a deadline of 70s suits them");
    }
    announce();
    output.note("Ctrl-C finishes the requests in hand, then ends; Ctrl-C twice ends at once");
    let submit = settings.command("submit --from Frankfurt --to \"Las Vegas\"");
    output.next(&[(submit, "in another terminal")]);
}

/// Counts events and prints them as they come.
fn sink(
    context: &Context,
    view: WorkerView,
    tally: &Arc<Mutex<Tally>>,
    live: &Arc<LiveTable>,
) -> Sink<Event> {
    let (output, tally, live) = (context.output.clone(), Arc::clone(tally), Arc::clone(live));
    let clock = context.clock();
    let make_room = move || {
        if let Some(shown) = lock(&live.live).as_mut() {
            shown.make_room();
            live.made_room.notify_one();
        }
    };
    let (events, notes) = (output.is_terminal(), output.is_stderr_terminal());
    let of_lines = clock.clone();
    let time = move |is_terminal: bool, at| {
        let clock = of_lines.at(at);
        // A log is read on another day, and perhaps elsewhere.
        if is_terminal { clock.precise(at) } else { clock.stamp(at) }
    };
    let troubles = Troubles::default();
    Arc::new(move |event: Event| {
        let event = match event {
            // JSON Lines have every message.
            Event::Trouble(trouble @ Trouble::Entry { .. }) if view == WorkerView::Json => {
                Event::Trouble(trouble)
            }
            Event::Trouble(trouble) => match troubles.news(trouble) {
                Some(news) => Event::Trouble(news),
                None => return,
            },
            other => other,
        };
        let now = Timestamp::now();
        lock(&tally).count(&event, now);
        if let Event::Said { provider, line } = &event {
            make_room();
            output.log_note(&said(provider, line).into(), &clock.at(now));
        }
        match view {
            WorkerView::Plain => {
                if let Some(line) = line(&event, &time(events, now)) {
                    output.toned_event(&line);
                }
            }
            WorkerView::Json => {
                if let Some(document) = document(&event, now) {
                    output.event_json(&document);
                }
            }
            WorkerView::Nothing if matches!(event, Event::Trouble(_)) => {
                if let Some(line) = line(&event, &time(notes, now)) {
                    output.toned_note(&line);
                }
                return;
            }
            WorkerView::Live | WorkerView::Nothing => {}
        }
        if view != WorkerView::Plain
            && let Event::Trouble(_)
            | Event::AttemptFailed { .. }
            | Event::Crashed { .. }
            | Event::Left { .. } = &event
            && let Some(line) = line(&event, &time(notes, now))
        {
            if output.verbosity == Verbosity::Verbose {
                make_room();
            }
            output.detail(&line.text);
        }
    })
}

/// Redraws the table and counts the drain down. Stops the workers when stdout is closed. Never returns.
async fn draw(
    context: &Context,
    plan: &WorkerPlan,
    tally: &Mutex<Tally>,
    table: &LiveTable,
    stop: &StopSignal,
) {
    let (output, clock) = (&context.output, context.clock());
    let (poll, visibility) = polls(plan);
    let in_flight = || plan.providers.as_ref().map(|_| lock(tally).in_flight());
    let mut redraw = interval(REDRAW);
    let mut stopping: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = redraw.tick() => {}
            // Lines that come together stand above the same table.
            () = table.made_room.notified() => sleep(AT_ONCE).await,
        }
        if output.is_closed() {
            stop.reach(Stage::Drain);
        }
        if stop.has_reached(Stage::Drain) && stopping.is_none() {
            stopping = Some(Instant::now());
            if lock(&table.live).is_none() {
                let since = Duration::ZERO;
                let stopping = Stopping { in_flight: in_flight(), poll, visibility, since };
                output.log_note(&stopping.line().into(), &clock.at(Timestamp::now()));
            }
        }
        if let Some(live) = lock(&table.live).as_mut() {
            let (columns, rows) = size();
            let room = usize::from(rows.saturating_sub(FRAME_LINES + MOST_REAL_LINES)).max(3);
            let screen = Viewport { width: columns, now: Timestamp::now() };
            let mut lines = lock(tally).table(consumer(plan), room, screen);
            if let Some(since) = stopping {
                let since = since.elapsed();
                let stopping = Stopping { in_flight: in_flight(), poll, visibility, since };
                lines.extend(Line::from(stopping.line()).wrapped(Some(columns)));
            }
            live.draw(output.painted(&lines));
        }
        sleep(Duration::ZERO).await;
    }
}

/// What a stop still waits for.
struct Stopping {
    /// Requests in hand; `None` for the consumer alone.
    in_flight: Option<u64>,
    /// How long a receive waits.
    poll: Duration,
    /// How long a received message is hidden.
    visibility: Duration,
    /// How long ago it was asked for.
    since: Duration,
}

impl Stopping {
    fn line(&self) -> String {
        // Rounded up.
        let left = |of: Duration| of.saturating_sub(self.since).as_millis().div_ceil(1_000);
        let polls = format!("open polls end within {} s", left(self.poll));
        let waits = match self.in_flight {
            Some(count @ 1..) => {
                format!("{} in hand, at most {} s", count_of(count, "request"), left(DRAIN))
            }
            _ if self.since >= self.poll => format!("finishing, at most {} s", left(DRAIN)),
            Some(0) => format!("no request in hand, {polls}"),
            None => polls,
        };
        format!(
            "stopping: {waits}. Ctrl-C again ends at once; a message received just then comes back \
             after {}",
            show_duration(self.visibility)
        )
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Env, RawOptions};

    fn common(words: &[&str]) -> Common {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            common: Common,
        }
        <Line as clap::Parser>::parse_from([&["run"], words].concat()).common
    }

    #[test]
    fn polls_are_short_where_an_empty_receive_is_free() {
        let settings = |backend| {
            let stack = Some("x".to_owned());
            let typed = RawOptions { stack, backend, ..RawOptions::default() };
            Settings::resolve(&typed, Env::new(&|_| None)).expect("they are good")
        };
        let (local, aws) = (settings(Backend::LocalStack), settings(Backend::Aws));
        let waits = |words: &[&str]| {
            let common = common(words);
            [&local, &aws].map(|settings| common.poll_wait(settings).as_secs())
        };
        assert_eq!(waits(&[]), [2, 20]);
        assert_eq!(waits(&["--poll-wait", "5s"]), [5, 5]);
    }

    #[test]
    fn a_stop_says_what_it_still_waits_for() {
        let said = |in_flight, since| {
            let (poll, visibility) = (Duration::from_secs(2), Duration::from_secs(30));
            let since = Duration::from_millis(since);
            let line = Stopping { in_flight, poll, visibility, since }.line();
            line.strip_prefix("stopping: ")
                .and_then(|l| l.split_once(". "))
                .expect("two")
                .0
                .to_owned()
        };
        assert_eq!(said(Some(0), 0), "no request in hand, open polls end within 2 s");
        assert_eq!(said(Some(0), 1_200), "no request in hand, open polls end within 1 s");
        assert_eq!(said(Some(0), 2_100), "finishing, at most 23 s");
        assert_eq!(said(Some(1), 0), "1 request in hand, at most 25 s");
        assert_eq!(said(Some(3), 4_500), "3 requests in hand, at most 21 s");
        assert_eq!(said(None, 0), "open polls end within 2 s");
    }
}
