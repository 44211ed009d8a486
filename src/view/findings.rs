//! What needs a person, as `status --check` finds it: each finding with the command that mends it.

use serde_json::{Value, json};

use super::count_of;
use super::names::Prefix;
use super::tone::{Line, Tone};
use crate::core::text::printable;
use crate::core::{Names, Responder};
use crate::stack::{
    Capacity, Checkup, Inactive, Inactivity, Subscriber, SubscriptionDelivery, TableTrouble,
    is_simulated,
};

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, safe to print.
    pub what: String,
    /// The command that mends it, or that shows what to decide.
    pub command: String,
}

/// How commands are written at this place.
pub struct CommandLines<'a> {
    /// A command of `rydes`, with the global options that were typed.
    pub rydes: &'a dyn Fn(&str) -> String,
    /// A command of the AWS CLI that works at the same place.
    pub aws: &'a dyn Fn(&str) -> String,
    /// The `setup` that makes no other providers, without global options.
    pub setup: &'a str,
}

/// Everything that needs a person, the most urgent first.
pub fn findings(checkup: &Checkup, names: &Names, commands: &CommandLines<'_>) -> Vec<Finding> {
    let rydes = |what: String, command: &str| Finding { what, command: (commands.rydes)(command) };
    let mut all = of_table(checkup, names, commands);
    all.extend(of_workers(checkup).map(|(what, command)| rydes(what, &command)));
    let dead = [
        (checkup.depths.provider_dead_letters.total(), "request"),
        (checkup.depths.response_dead_letters.total(), "reply"),
    ];
    for (count, what) in dead.into_iter().filter(|(count, _)| *count > 0) {
        all.push(rydes(dead_letters(count, what), "dlq list"));
    }
    all.extend(of_subscriptions(checkup, names, commands.setup).map(|(what, c)| rydes(what, &c)));
    all
}

fn dead_letters(count: u64, what: &str) -> String {
    let letters = if count == 1 { "is a dead letter" } else { "are dead letters" };
    format!("{} {letters}", count_of(count, what))
}

fn of_table(checkup: &Checkup, names: &Names, commands: &CommandLines<'_>) -> Vec<Finding> {
    let table = names.table();
    let setup = || (commands.rydes)(commands.setup);
    let describe = || (commands.aws)(&format!("dynamodb describe-table --table-name {table}"));
    let (what, command) = match &checkup.table {
        None => return Vec::new(),
        Some(TableTrouble::Missing) => (format!("table {table} is missing"), setup()),
        Some(TableTrouble::State(state)) => {
            (format!("table {table} cannot be used: {}", printable(state)), describe())
        }
        Some(TableTrouble::Throttles(Capacity::Provisioned)) => {
            let to = "--billing-mode PAY_PER_REQUEST";
            let update = format!("dynamodb update-table --table-name {table} {to}");
            let what = format!("table {table} throttles reads: its capacity is provisioned");
            (what, (commands.aws)(&update))
        }
        Some(TableTrouble::Throttles(Capacity::OnDemand)) => {
            (format!("table {table} throttles reads"), describe())
        }
    };
    vec![Finding { what, command }]
}

/// Queues without a reader. One command runs all simulated providers; a real one needs its own program.
fn of_workers(checkup: &Checkup) -> impl Iterator<Item = (String, String)> {
    let unread = &checkup.unread;
    let (simulated, real): (Vec<_>, Vec<_>) =
        unread.providers.iter().partition(|who| is_simulated(who));
    let requests = |names: &str| format!("no worker reads the requests of {names}");
    let simulated = (!simulated.is_empty())
        .then(|| (requests(&ranges(&simulated)), "providers run".to_owned()));
    let real = real.into_iter().map(move |who| {
        let name = printable(who.as_str());
        (requests(&name), format!("providers run {name} -- PROGRAM"))
    });
    let replies = (unread.replies > 0).then(|| {
        let what = format!("no consumer reads {}", count_of(unread.replies, "reply"));
        (what, "consumer run".to_owned())
    });
    simulated.into_iter().chain(real).chain(replies)
}

/// Subscriptions and marks. Settings of a subscription from elsewhere are its owner's.
fn of_subscriptions(
    checkup: &Checkup,
    names: &Names,
    setup: &str,
) -> impl Iterator<Item = (String, String)> {
    let subscribers = &checkup.subscribers;
    let own = |lacks: fn(&SubscriptionDelivery) -> bool| -> Vec<&Responder> {
        let lacks = |one: &&Subscriber| one.delivery.as_ref().is_some_and(lacks);
        let own = subscribers.live.iter().filter(|one| one.name.is_some());
        own.filter(lacks).map(|one| &one.responder).collect()
    };
    let (enveloped, lost) =
        (own(|delivery| !delivery.is_raw), own(|delivery| !delivery.has_redrive));
    let all = |whose: &[&Responder], what: &str| {
        (!whose.is_empty()).then(|| (format!("{what}: {}", ranges(whose)), setup.to_owned()))
    };
    let mark =
        |is_missing: bool, what: &str| is_missing.then(|| (what.to_owned(), setup.to_owned()));
    let settings = [
        all(&enveloped, "raw delivery is off"),
        all(&lost, "the subscription has no redrive policy"),
        mark(
            subscribers.is_unmarked,
            "the topic has no mark of its filters, so submissions ignore them",
        ),
        mark(
            checkup.has_unmarked_binding,
            "the topic has no mark of its bound providers, so replies of any sender are gathered",
        ),
    ];
    let has_gone = |who: &Responder| {
        checkup.depths.providers.iter().any(|(other, counts)| other == who && counts.is_none())
    };
    let gone = subscribers.live.iter().filter(|one| one.name.is_some() && has_gone(&one.responder));
    let gone = gone.map(|one| {
        let who = printable(one.responder.as_str());
        let add = || format!("providers add {who}");
        let mend = if is_simulated(&one.responder) { setup.to_owned() } else { add() };
        (format!("requests to {who} are lost: its queue is gone"), mend)
    });
    let gone: Vec<_> = gone.collect();
    let inactive: Vec<_> =
        subscribers.inactive.iter().map(|one| of_inactive(one, names, setup)).collect();
    gone.into_iter().chain(inactive).chain(settings.into_iter().flatten())
}

fn of_inactive(inactive: &Inactive, names: &Names, setup: &str) -> (String, String) {
    let who = printable(inactive.responder.as_str());
    let state = match inactive.state {
        Inactivity::Pending => "is not confirmed",
        Inactivity::Deleted => "was deleted",
    };
    let queue = inactive.queue_arn.rsplit(':').next().unwrap_or_default();
    let command = match names.provider(queue) {
        Some(_) if is_simulated(&inactive.responder) => setup.to_owned(),
        Some(name) => format!("providers add {name}"),
        // Only the owner of its queue can confirm it or subscribe it again.
        None => "providers list".to_owned(),
    };
    (format!("{who} receives nothing: its subscription {state}"), command)
}

fn ranges(names: &[&Responder]) -> String {
    Prefix::default().ranges(names)
}

/// The findings in lines: each with its command below it.
pub fn lines(findings: &[Finding]) -> Vec<Line> {
    let line = |finding: &Finding| {
        let command = Line::new(Tone::Faint, format!("  {}", finding.command));
        [Line::new(Tone::Failed, finding.what.clone()), command]
    };
    findings.iter().flat_map(line).collect()
}

/// The findings for a document.
pub fn documents(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| json!({"what": finding.what, "command": finding.command});
    findings.iter().map(one).collect()
}
