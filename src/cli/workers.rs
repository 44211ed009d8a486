//! The options of the workers and the consumer, and the view while they run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::conduct::Conduct;
use crate::aws::{Aws, MAX_WAIT};
use crate::consumer::{Ending, Options, Trouble, Troubles};
use crate::core::{ProviderName, Timestamp, parse_duration};
use crate::error::{Error, Result, exit};
use crate::flow::events::{Event, Sink};
use crate::flow::gather;
use crate::flow::provider::{self, Receipts, Temper};
use crate::settings::Settings;
use crate::terminal::live::{Live, size};
use crate::terminal::{Format, Output};
use crate::view::table::wrapped;
use crate::view::workers::{Part, Screen, Tally, document, line};

/// How long the workers may take to end after a first Ctrl-C: longer than the longest poll.
const DRAIN: Duration = Duration::from_secs(25);
/// How much of it what is in hand may take; then it is given back.
const IN_HAND: Duration = Duration::from_secs(21);
/// How long the consumer goes on for answers that nobody has gathered yet.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// Replies in hand at once.
pub(super) const GATHER_CONCURRENCY: usize = 200;
/// How often the view is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// Lines of the view beside the providers.
const FRAME_LINES: u16 = 8;

/// The options that workers and consumer share.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// What is shown while it runs
    #[arg(long, value_enum, default_value_t = Progress::Auto, value_name = "HOW")]
    progress: Progress,
    /// How long a receive waits for messages, 1s to 20s
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = poll_wait, hide = true)]
    poll_wait: Duration,
    /// How long a received message is hidden, 1s to 12h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = visibility, hide = true)]
    visibility: Duration,
    /// Stop when stdin ends, which whoever started it holds
    #[arg(long, hide = true)]
    tied: bool,
}

/// What is shown while workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// A live table on a terminal, lines elsewhere
    Auto,
    /// A live table
    Live,
    /// A line per event
    Plain,
    /// Nothing
    None,
}

/// Answer requests as the simulated providers, and gather the answers.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  rydes providers run                                  all, with the consumer
  rydes providers run UnicornManagementResource3       one of them
  rydes providers run --behavior workshop              as the original (deadlines of 70s)
  rydes providers run --fault silent@0.1 --fault UnicornManagementResource3=slow:20s

Faults: [NAME=]KIND[@CHANCE][:ARGUMENT], the first that strikes counts:
  decline:REASON     declines
  silent             leaves a receipt and no answer
  error              fails at every attempt
  slow:TIME          thinks so long
  clock:+5m          its clock is 5 minutes fast (clock:-5m slow)
  poison             sends a body that is not JSON
  duplicate          answers twice, the second time dearer
  wrong-id           answers to an id that belongs to no RFQ
  crash-before-send  its worker dies once and is replaced; the request comes back
                     after 30 s: a --deadline of 60s suits it
  crash-after-send   the same, after its answer was sent")]
pub(super) struct Providers {
    /// Run only these
    #[arg(value_name = "NAME", value_parser = ProviderName::parse)]
    pub(super) names: Vec<ProviderName>,
    #[command(flatten)]
    conduct: Conduct,
    /// Leave the response consumer out
    #[arg(long)]
    no_consumer: bool,
    /// A silent provider leaves no receipt, so nobody can tell it from a dead one
    #[arg(long)]
    no_receipts: bool,
    #[command(flatten)]
    pub(super) common: Common,
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

/// What simulated providers do.
pub(super) struct Plan {
    pub(super) settings: provider::Settings,
    consumer: Part,
}

impl Providers {
    /// What the options ask for.
    pub(super) fn plan(&self) -> Plan {
        let settings = provider::Settings {
            behaviour: self.conduct.behaviour(Temper::Demo),
            receipts: if self.no_receipts { Receipts::Withhold } else { Receipts::Send },
            poll_wait: self.common.poll_wait,
            options: self.common.options(self.conduct.concurrency()),
        };
        let consumer = if self.no_consumer { Part::LeftOut } else { Part::Included };
        Plan { settings, consumer }
    }
}

impl Common {
    fn options(&self, concurrency: usize) -> Options {
        Options { concurrency, visibility: self.visibility, drain: IN_HAND }
    }
}

/// What is run: workers, the consumer, or both.
pub(super) struct Working {
    /// The simulated providers; none for the consumer alone.
    pub(super) providers: Vec<ProviderName>,
    /// How they behave; `None` for the consumer alone.
    pub(super) plan: Option<Plan>,
    pub(super) command: Common,
}

impl Working {
    fn consumer(&self) -> Part {
        self.plan.as_ref().map_or(Part::Included, |plan| plan.consumer)
    }
}

/// Runs until a signal, then drains.
pub(super) async fn run(
    context: &Context,
    settings: &Settings,
    aws: &Aws,
    working: Working,
) -> Result<u8> {
    let output = &context.output;
    let tally = Arc::new(Mutex::new(Tally::new(&working.providers)));
    let view = View::of(output, &working);
    greet(output, settings, aws, &working);
    let sink = sink(output, view, &tally);
    // A stop from inside is none of the user's signals: the first of those still drains.
    let stop = &context.shutdown.stop.child_token();
    if working.command.tied {
        stop_with_stdin(stop.clone());
    }
    // The consumer gathers what the workers still have to say, so it stops after them.
    let answered = if working.plan.is_some() { CancellationToken::new() } else { stop.clone() };
    let ending = Ending::with(stop);
    let work = async {
        let workers = async {
            let Some(plan) = &working.plan else { return Ok(()) };
            let ended =
                provider::run(aws, &working.providers, &plan.settings, &ending, &sink).await;
            if working.consumer() == Part::Included && ended.is_ok() {
                gathered(&tally).await;
            }
            answered.cancel();
            // One that cannot go on stops the other, in good order.
            if ended.is_err() {
                stop.cancel();
            }
            ended
        };
        let consumer = async {
            if working.consumer() == Part::LeftOut {
                return Ok(());
            }
            let settings = gather::Settings {
                poll_wait: working.command.poll_wait,
                options: working.command.options(GATHER_CONCURRENCY),
            };
            match gather::run(aws, settings, stop, &answered, &sink).await {
                // No answer is wanted any more: the workers give back what they have in hand, and
                // end with this error.
                Err(error) if working.plan.is_some() => {
                    ending.fail(error);
                    stop.cancel();
                    Ok(())
                }
                ended => ended,
            }
        };
        let (workers, consumer) = tokio::join!(workers, consumer);
        // An error of the consumer's that came after the workers had ended is still there.
        workers.and(consumer).and_then(|()| ending.outcome())
    };
    let mut live = (view == View::Live).then(|| Live::new(output));
    let ended = {
        let drawn = draw(output, aws, &working, &tally, live.as_mut(), stop);
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => ended,
            () = drawn => Ok(()),
            () = overdue(stop) => Err(Error::other(format!(
                "not everything was acknowledged within {} s; it comes back by itself",
                DRAIN.as_secs()
            ))),
            () = context.shutdown.leave.cancelled() => Err(context.shutdown.error()),
        }
    };
    drop(live);
    let tally = lock(&tally);
    if view == View::Live {
        let (columns, _) = size();
        let screen = Screen { width: columns, now: Timestamp::now() };
        let table = tally.table(&aws.meter.account(), working.consumer(), usize::MAX, screen);
        // A terminal that was stopped does not make the workers fail.
        for line in table {
            output.event(&line);
        }
    }
    if output.format == Format::Json {
        output.json(&tally.document(&aws.meter.account()));
    }
    let summary = tally.summary(&aws.meter.account(), working.consumer());
    for line in summary {
        output.note(&line);
    }
    ended.map(|()| exit::DONE)
}

/// Stops when stdin has ended.
fn stop_with_stdin(stop: CancellationToken) {
    std::thread::spawn(move || {
        // However it ends, nobody is there any more.
        _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.cancel();
    });
}

/// Returns when the consumer has seen what the providers have answered, or a little later: another
/// consumer may have been faster.
async fn gathered(tally: &Mutex<Tally>) {
    let until = Instant::now() + LAST_LOOK;
    while !lock(tally).is_gathered() && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Ends when the time to stop in good order is used up: a queue that does not answer must not hold
/// the program.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(DRAIN).await;
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Live,
    Plain,
    Json,
    Nothing,
}

impl View {
    fn of(output: &Output, working: &Working) -> Self {
        match (output.format, working.command.progress) {
            (Format::Jsonl, _) => Self::Json,
            (Format::Json, _) | (_, Progress::None) => Self::Nothing,
            (_, Progress::Live) => Self::Live,
            (_, Progress::Auto) if output.is_live() => Self::Live,
            (_, Progress::Plain | Progress::Auto) => Self::Plain,
        }
    }
}

fn greet(output: &Output, settings: &Settings, aws: &Aws, working: &Working) {
    let Some(plan) = &working.plan else {
        output.note(&format!("{} · the response consumer", aws.target_line()));
        return;
    };
    let behaviour = &plan.settings.behaviour;
    let name = behaviour.temper.to_possible_value().map_or(String::new(), |v| v.get_name().into());
    output.note(&format!("{} · behavior {name}, seed {}", aws.target_line(), behaviour.seed));
    output.note(match plan.consumer {
        Part::Included => "with the response consumer (--no-consumer to leave it out)",
        Part::LeftOut => "without the response consumer: answers are gathered elsewhere",
    });
    if behaviour.temper == Temper::Workshop {
        output.note("the original's providers think up to 60 s: a deadline of 70s suits them");
    }
    output.note("Ctrl-C finishes what is in hand; twice leaves at once. Now, in another terminal:");
    let submit = settings.command("submit --from Frankfurt --to \"Las Vegas\"");
    output.note(&format!("  {submit}"));
}

/// Counts events and prints them as they come.
fn sink(output: &Output, view: View, tally: &Arc<Mutex<Tally>>) -> Sink<Event> {
    let (output, tally) = (output.clone(), Arc::clone(tally));
    let troubles = Troubles::default();
    Arc::new(move |event: Event| {
        let event = match event {
            // Programs hear of every message.
            Event::Trouble(trouble @ Trouble::Entry { .. }) if view == View::Json => {
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
        match view {
            View::Plain => {
                if let Some(line) = line(&event, now) {
                    output.event(&line);
                }
            }
            View::Json => {
                if let Some(document) = document(&event, now) {
                    output.event_json(&document);
                }
            }
            View::Nothing if matches!(event, Event::Trouble(_)) => {
                output.note(&line(&event, now).unwrap_or_default());
                return;
            }
            View::Live | View::Nothing => {}
        }
        if view != View::Plain
            && let Event::Trouble(_)
            | Event::Attempt { .. }
            | Event::Crashed { .. }
            | Event::Left { .. } = &event
            && let Some(line) = line(&event, now)
        {
            output.detail(&line);
        }
    })
}

/// Redraws the table and counts the drain down; ends only when nobody reads any more.
async fn draw(
    output: &Output,
    aws: &Aws,
    working: &Working,
    tally: &Mutex<Tally>,
    mut live: Option<&mut Live>,
    stop: &CancellationToken,
) {
    let mut redraw = interval(REDRAW);
    let mut stopping: Option<Instant> = None;
    loop {
        redraw.tick().await;
        if output.is_closed() {
            stop.cancel();
        }
        if stop.is_cancelled() && stopping.is_none() {
            stopping = Some(Instant::now());
            if live.is_none() {
                output.note(&stopping_line(lock(tally).in_hand(), DRAIN));
            }
        }
        if let Some(live) = &mut live {
            let (columns, rows) = size();
            let room = usize::from(rows.saturating_sub(FRAME_LINES)).max(3);
            let screen = Screen { width: columns, now: Timestamp::now() };
            let mut lines =
                lock(tally).table(&aws.meter.account(), working.consumer(), room, screen);
            if let Some(since) = stopping {
                let left = DRAIN.saturating_sub(since.elapsed());
                let stopping = stopping_line(lock(tally).in_hand(), left);
                lines.extend(wrapped(&stopping, Some(columns)));
            }
            live.draw(lines);
        }
        sleep(Duration::ZERO).await;
    }
}

fn stopping_line(in_hand: u64, left: Duration) -> String {
    let left = left.as_secs() + u64::from(left.subsec_millis() > 0);
    format!(
        "stopping: {in_hand} in hand, at most {left} s (Ctrl-C again: at once, nothing is lost)"
    )
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
