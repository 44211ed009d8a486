//! Finds out from the queues why no provider has answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Commands;
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::text::printable;
use crate::core::{Responder, Timestamp};
use crate::stack::{Backlog, depths, is_simulated};
use crate::view::page::Unread;

/// The queues are read after this long without any answer, as the terminal does it.
const SUSPICIOUS: Duration = Duration::from_secs(3);
/// The first pause between two looks; each later one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// Time limit for a look.
const LIMIT: Duration = Duration::from_secs(10);

/// What the queues of one RFQ have said. Looks run beside the poller, so that slow queues do not hold it up.
pub(super) struct QueueCheck {
    aws: Aws,
    commands: Option<Arc<Commands>>,
    began: Instant,
    looks: Looks,
    looking: Option<AbortOnDropHandle<Option<Unread>>>,
    said: Option<Unread>,
}

/// When the queues were read last, and the pause after that.
#[derive(Debug, Default)]
struct Looks(Option<(Instant, Duration)>);

impl Looks {
    fn is_due(&self) -> bool {
        self.0.is_none_or(|(at, pause)| at.elapsed() >= pause)
    }

    fn begin(&mut self) {
        let pause = self.0.map_or(FIRST_PAUSE, |(_, pause)| (2 * pause).min(LONGEST_PAUSE));
        self.0 = Some((Instant::now(), pause));
    }
}

impl QueueCheck {
    pub(super) fn new(aws: Aws, commands: Option<Arc<Commands>>) -> Self {
        Self {
            aws,
            commands,
            began: Instant::now(),
            looks: Looks::default(),
            looking: None,
            said: None,
        }
    }

    /// What explains that there is no answer, as far as it is known. Begins a look when one is due, and none once
    /// there is an answer.
    pub(super) async fn of(&mut self, gathering: &Gathering) -> Option<Unread> {
        if !gathering.is_unanswered() {
            (self.looking, self.said, self.looks) = (None, None, Looks::default());
            return None;
        }
        if let Some(look) = self.looking.take_if(|look| look.is_finished()) {
            self.said = look.await.ok().flatten();
        }
        if self.looks.is_due() && self.looking.is_none() && self.waited(gathering) >= SUSPICIOUS {
            self.looks.begin();
            let (aws, commands) = (self.aws.clone(), self.commands.clone());
            let expected = gathering.request.expected.clone();
            let look =
                tokio::spawn(async move { look(&aws, commands.as_deref(), &expected?).await });
            self.looking = Some(AbortOnDropHandle::new(look));
        }
        self.said.clone()
    }

    fn waited(&self, gathering: &Gathering) -> Duration {
        let submitted = gathering.request.submitted_at;
        submitted
            .map_or(self.began.elapsed(), |submitted| Timestamp::now().saturating_since(submitted))
    }
}

/// Reads the queues of the expected providers. A look that fails says nothing.
async fn look(aws: &Aws, commands: Option<&Commands>, expected: &[Responder]) -> Option<Unread> {
    let depths = timeout(LIMIT, depths(aws, expected)).await.ok()?.ok()?;
    said(&depths.backlog(), expected.len(), commands)
}

/// The words for what no worker reads; `None` where workers are at it.
fn said(backlog: &Backlog<'_>, all: usize, commands: Option<&Commands>) -> Option<Unread> {
    let (said, command) = match backlog {
        Backlog::Replies(replies) => {
            let held = match replies {
                1 => "an unread reply".to_owned(),
                _ => format!("{replies} unread replies"),
            };
            let said = format!("The response queue holds {held}. Is a consumer running?");
            (said, commands.map(|commands| commands.run_consumer.clone()))
        }
        Backlog::Requests(of) => {
            let held = match of.len() {
                1 if all == 1 => "The provider's queue holds an unread request".to_owned(),
                unread if unread >= all => {
                    format!("The queues of all {all} providers hold unread requests")
                }
                1 => format!("The queue of 1 of {all} providers holds an unread request"),
                unread => format!("The queues of {unread} of {all} providers hold unread requests"),
            };
            let (ask, command) = running(of, commands);
            (format!("{held}. {ask}"), command)
        }
        Backlog::Gathering | Backlog::InHand(_) | Backlog::Nothing => return None,
    };
    Some(Unread { said, command })
}

/// Whether the workers of these providers run, as a question, and the command that runs them. A real provider needs
/// its own program or endpoint.
fn running(of: &[&Responder], commands: Option<&Commands>) -> (&'static str, Option<String>) {
    let run = commands.map(|commands| &commands.run_providers);
    match of {
        _ if of.iter().any(|who| is_simulated(who)) => ("Are the providers running?", run.cloned()),
        [real] => {
            let name = printable(real.as_str());
            ("Is its worker running?", run.map(|run| format!("{run} {name} -- PROGRAM")))
        }
        _ => ("Are their workers running?", None),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pauses_between_looks_double() {
        let mut looks = Looks::default();
        let mut pauses = Vec::new();
        let mut last = Instant::now();
        while pauses.len() < 9 {
            if looks.is_due() {
                pauses.push(last.elapsed().as_secs());
                last = Instant::now();
                looks.begin();
            }
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
    }

    #[test]
    fn a_real_provider_needs_its_own_program() {
        let line = |line: &str| line.to_owned();
        let commands = Commands {
            serve: line("serve"),
            start_backend: None,
            set_up: line("setup"),
            run_providers: line("rydes providers run"),
            run_consumer: line("rydes consumer run"),
            status: line("status"),
        };
        let [acme, globex, simulated] =
            ["acme", "globex", "UnicornManagementResource1"].map(Responder::stored);
        let command =
            |backlog: Backlog<'_>| said(&backlog, 3, Some(&commands)).map(|said| said.command);
        let run = |more: &str| Some(Some(format!("rydes providers run{more}")));
        assert_eq!(command(Backlog::Requests(vec![&acme])), run(" acme -- PROGRAM"));
        assert_eq!(command(Backlog::Requests(vec![&acme, &simulated])), run(""));
        assert_eq!(command(Backlog::Requests(vec![&acme, &globex])), Some(None));
        assert_eq!(command(Backlog::Replies(1)), Some(Some(line("rydes consumer run"))));
        assert_eq!(command(Backlog::Gathering), None);
        let unnamed = said(&Backlog::Replies(1), 3, None).expect("it is said");
        assert_eq!(unnamed.command, None, "others have no command lines");
    }
}
