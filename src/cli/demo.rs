//! `rydes demo`: the whole pattern in one process, with the same result on every machine.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::watch::{Stay, WaitPlan, watch};
use super::{Context, localstack, trace, waiting};
use crate::aws::Aws;
use crate::consumer::ConsumeOptions;
use crate::core::aggregate::{Gathering, State, aggregate};
use crate::core::timeline::Timeline;
use crate::core::{ProviderName, Retention, RfqId, StackName, show_duration};
use crate::error::{Error, Result, exit};
use crate::flow::draft::Submission;
use crate::flow::events::{Event, Sink};
use crate::flow::gather::{self, RULES_AGE};
use crate::flow::provider::{
    Behaviour, Profile, ProviderPlan, Receipts, Served, ServedBy, Simulation,
};
use crate::flow::scatter::{self, Scattered};
use crate::flow::verify::verify;
use crate::flow::workers::{self, WorkerPlan};
use crate::settings::{Backend, Settings};
use crate::shutdown::{Shutdown, Stage};
use crate::stack::{self, Mode, SetupRequest, Untagged, find, inventory, teardown};
use crate::terminal::Format;

const STACK: &str = "rydes-demo";
/// The id of an RFQ whose ten answers show every state.
const RFQ: &str = "1f0a99e2-7d34-4b5c-9a61-2c8e5f0b0147";
/// The seed that gives these answers.
const SEED: u64 = 0;
const DEADLINE: Duration = Duration::from_secs(8);
/// How long to stay for the late answer, which comes at most 4 s after the deadline.
const LINGER: Duration = Duration::from_millis(4_500);
/// How long a receive waits: a drain takes as long.
const POLL_WAIT: Duration = Duration::from_secs(1);
const PROVIDERS: usize = 10;
/// The field of the replies' details that the table shows.
const SHOWN: &str = "eta-minutes";

#[derive(Debug, Args)]
#[command(after_help = "Example:
  rydes demo          needs Docker, or Python 3.13 with Java and npm")]
pub(super) struct Command {}

pub(super) async fn run(context: &Context, _command: Command) -> Result<u8> {
    let output = &context.output;
    if context.typed.backend == Backend::Aws {
        return Err(Error::invalid("`demo` is for LocalStack: it makes and removes a whole stack"));
    }
    let shutdown = &context.shutdown;
    tokio::select! {
        up = localstack::bring_up(context) => up?,
        () = shutdown.first_signal() => return Err(shutdown.error()),
    }
    let mut settings = context.settings()?;
    let is_typed = context.typed.stack.is_some();
    if !is_typed {
        settings = settings.with_stack(StackName::parse(STACK).map_err(Error::other)?);
    }
    let aws = context.connect(&settings).await?;
    if is_typed && inventory(&aws).await?.count() > 0 {
        return Err(Error::invalid(format!(
            "stack {} exists; the demo makes and removes a stack of its own",
            settings.stack
        )));
    }
    output.note(&format!("\n{}", aws.target_line()));
    let shown = tokio::select! {
        biased;
        shown = show(context, &settings, &aws) => shown,
        // This stops what is still running. The teardown below still follows.
        () = interrupted(shutdown) => Err(shutdown.error()),
    };
    let removed = clean_up(context, &aws).await;
    let (gathering, requests) = shown?;
    removed?;
    tell(context, &context.settings()?, &gathering, requests);
    Ok(exit::DONE)
}

/// Returns a little after the first signal: the view ends by itself and leaves its table.
async fn interrupted(shutdown: &Shutdown) {
    shutdown.first_signal().await;
    tokio::time::sleep(POLL_WAIT * 2).await;
}

/// Sets up, runs providers and consumer, submits and watches.
async fn show(context: &Context, settings: &Settings, aws: &Aws) -> Result<(Gathering, u64)> {
    let output = &context.output;
    // A demo that was killed leaves its stack behind.
    let left = inventory(aws).await?;
    if left.count() > 0 {
        teardown(aws, &left, &waiting(output)).await?;
    }
    let request = SetupRequest {
        providers: PROVIDERS,
        mode: Mode::Apply,
        untagged: Untagged::Refuse,
        retention: Retention::default(),
    };
    let report = Box::pin(stack::setup(aws, &request, &waiting(output))).await?;
    let made = report.changes().count();
    output.note(&format!(
        "$ rydes setup\n  {made} resources: a topic, 13 queues, 10 subscriptions, a table"
    ));

    let providers: Vec<_> =
        stack::register(aws).await?.into_iter().filter_map(|entry| entry.name).collect();
    output.note("$ rydes providers run\n  ten simulated providers and the response consumer");
    let stop = context.shutdown.part();
    let before = aws.meter.total();
    let plan = plan(providers);
    // Events are not shown: the table of quotes shows their result.
    let sink: Sink<Event> = Arc::new(|_| {});
    let customer = async {
        let asked = ask(context, settings, aws).await;
        // No request needs an answer any more.
        stop.reach(Stage::GiveBack);
        asked
    };
    let work = workers::run(aws, &plan, &stop, &sink);
    let (gathering, ()) = tokio::try_join!(customer, work)?;
    let requests = aws.meter.total() - before;
    if output.format == Format::Table
        && let Err(error) = explain(context, aws, &gathering.request.id).await
    {
        output.note(&format!("the timeline cannot be shown: {error}"));
    }
    Ok((gathering, requests))
}

/// Shows the timeline, and where every copy of the request is.
async fn explain(context: &Context, aws: &Aws, id: &RfqId) -> Result<()> {
    let (output, clock) = (&context.output, context.clock());
    if let Some(rows) = aws.table().rows(id).await? {
        let gathering = aggregate(&rows, clock.now(), None);
        output.note("\n$ rydes trace\n");
        trace::print(output, &Timeline::of(&rows, &gathering), &gathering, &clock);
    }
    if let Some(conservation) = Box::pin(verify(aws, id)).await? {
        output.note("\n$ rydes verify\n");
        super::verify::print(output, &conservation, &clock);
    }
    Ok(())
}

fn plan(providers: Vec<ProviderName>) -> WorkerPlan {
    let options = ConsumeOptions {
        concurrency: 100,
        visibility: Duration::from_secs(30),
        drain: Duration::from_secs(1),
    };
    let simulation = Simulation { behaviour: behaviour(), receipts: Receipts::Send };
    let by = ServedBy::Simulation(simulation);
    WorkerPlan {
        providers: Some(ProviderPlan {
            served: Served::all(providers, &by, options.concurrency),
            poll_wait: POLL_WAIT,
            visibility: options.visibility,
            drain: options.drain,
        }),
        consumer: Some(gather::ConsumerSettings {
            poll_wait: POLL_WAIT,
            options,
            rules_age: RULES_AGE,
        }),
    }
}

fn behaviour() -> Behaviour {
    Behaviour { profile: Profile::Demo, seed: SEED, think: None, speed: 1.0, faults: Vec::new() }
}

async fn ask(context: &Context, settings: &Settings, aws: &Aws) -> Result<Gathering> {
    let output = &context.output;
    let id = RfqId::parse(RFQ).map_err(Error::other)?;
    let submission = Submission::sample(id, "demo", DEADLINE);
    output.note(&format!(
        "$ rydes submit --from Frankfurt --to \"Las Vegas\" --deadline {}s",
        DEADLINE.as_secs()
    ));
    let row = match scatter::submit(aws, submission).await? {
        Scattered::Published(row) | Scattered::Answered(row) => row,
        Scattered::Unknown(error) => return Err(error),
    };
    output.note(&format!("  {}", row.id));
    output.note(&format!("$ rydes quotes --watch --linger 4500ms --show {SHOWN}\n"));
    let options = Stay { linger: LINGER, timeout: DEADLINE, ..Stay::default() }.options(&[]);
    let fields = vec![SHOWN.parse().map_err(Error::other)?];
    watch(context, settings, aws, &row.id, WaitPlan { options, fields }).await?.ended()
}

/// Removes the stack, also after an error or a signal.
async fn clean_up(context: &Context, aws: &Aws) -> Result<()> {
    let on_wait = waiting(&context.output);
    let found = find(aws, &on_wait).await?;
    let removed = teardown(aws, &found, &on_wait).await?;
    drop(on_wait);
    context.output.note(&format!(
        "\n$ rydes teardown --yes\n  removed {removed}; looked again: nothing is left"
    ));
    Ok(())
}

/// Prints what happened, in figures, and how to repeat it by hand.
fn tell(context: &Context, settings: &Settings, gathering: &Gathering, requests: u64) {
    let output = &context.output;
    let by_hand = [
        "setup",
        "providers run",
        "submit --from Frankfurt --to \"Las Vegas\"      # in the second terminal",
        "quotes --watch",
        "teardown",
    ];
    let by_hand = by_hand.map(|command| format!("  {}", settings.command(command)));
    let count = |state| gathering.count(state);
    let best = gathering
        .best
        .as_ref()
        .map_or("none".to_owned(), |best| format!("{} from {}", best.price, best.responder));
    let deadline = show_duration(DEADLINE);
    output.note(&format!(
        "
One request was published once and copied into {PROVIDERS} queues. {} providers quoted
in time, {} declined, {} failed after five tries, {} stayed silent and left a
receipt, {} quoted after the deadline of {deadline}.
The best quote in time: {best}.
It took {requests} requests to SNS, SQS and DynamoDB, polls and retries included.

By hand, in two terminals:
{}
LocalStack is still up; to stop it: {}",
        count(State::Quoted),
        count(State::Declined),
        count(State::Failed),
        count(State::Silent),
        count(State::Late),
        by_hand.join("\n"),
        settings.command("localstack down"),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Ride, Timestamp};
    use crate::flow::provider::{Intent, When};

    #[test]
    fn every_state_is_seen() {
        let submitted = Timestamp::from_millis(1_000_000).expect("in range");
        let states = |id: &str| {
            let mut seen = [0; 5];
            for number in 1..=PROVIDERS {
                let request = crate::core::Request {
                    id: RfqId::parse(id).expect("valid"),
                    ride: Ride::default(),
                    submitted_at: Some(submitted),
                    deadline: Some(submitted.plus(DEADLINE)),
                };
                let name = ProviderName::simulated(number);
                let decision = behaviour().decide(&name, &request, submitted);
                seen[match (decision.intent, decision.when) {
                    (Intent::Quote(_), When::After(_)) => 0,
                    (Intent::Quote(_), When::At(_)) => 1,
                    (Intent::Decline(_), _) => 2,
                    (Intent::Silence(_), _) => 3,
                    (Intent::Fail(_), _) => 4,
                }] += 1;
            }
            seen
        };
        assert_eq!(states(RFQ), [6, 1, 1, 1, 1]);
    }
}
