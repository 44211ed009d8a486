//! Finds out from the queues why no provider has answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Commands;
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::{Responder, Timestamp};
use crate::stack::depths;
use crate::view::page::Unread;

/// The queues are read after this long without any answer, as the terminal does it.
const SUSPICIOUS: Duration = Duration::from_secs(3);
/// The pause between two looks.
const AGAIN: Duration = Duration::from_secs(10);
/// Time limit for a look.
const LIMIT: Duration = Duration::from_secs(10);

/// What the queues of one RFQ have said. Looks run beside the poller, so that slow queues do not hold it up.
pub(super) struct QueueCheck {
    aws: Aws,
    commands: Arc<Commands>,
    began: Instant,
    looked: Option<Instant>,
    looking: Option<AbortOnDropHandle<Option<Unread>>>,
    said: Option<Unread>,
}

impl QueueCheck {
    pub(super) fn new(aws: Aws, commands: Arc<Commands>) -> Self {
        Self { aws, commands, began: Instant::now(), looked: None, looking: None, said: None }
    }

    /// What explains that there is no answer, as far as it is known. Begins a look at most every `AGAIN`, and none
    /// once there is an answer.
    pub(super) async fn of(&mut self, gathering: &Gathering) -> Option<Unread> {
        if !gathering.is_unanswered() {
            (self.looking, self.said) = (None, None);
            return None;
        }
        if let Some(look) = self.looking.take_if(|look| look.is_finished()) {
            self.said = look.await.ok().flatten();
        }
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= AGAIN);
        if is_due && self.looking.is_none() && self.waited(gathering) >= SUSPICIOUS {
            self.looked = Some(Instant::now());
            let (aws, commands) = (self.aws.clone(), Arc::clone(&self.commands));
            let expected = gathering.request.expected.clone();
            let look = tokio::spawn(async move { look(&aws, &commands, &expected?).await });
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
async fn look(aws: &Aws, commands: &Commands, expected: &[Responder]) -> Option<Unread> {
    let depths = timeout(LIMIT, depths(aws, expected)).await.ok()?.ok()?;
    let unread = |said: String, command: &str| Some(Unread { said, command: command.to_owned() });
    let copies = depths.providers.iter().filter_map(|(_, counts)| *counts);
    let copies = copies.filter(|counts| counts.ready > 0).count();
    let (run, gather) = (&commands.run_providers, &commands.run_consumer);
    match (depths.responses.total(), copies, expected.len()) {
        (1, ..) => unread("The response queue holds an unread reply".to_owned(), gather),
        (replies @ 2.., ..) => {
            unread(format!("The response queue holds {replies} unread replies"), gather)
        }
        (0, 0, _) => None,
        (0, 1, 1) => unread("The provider's queue holds an unread request".to_owned(), run),
        (0, copies, all) if copies >= all => {
            unread(format!("The queues of all {all} providers hold unread requests"), run)
        }
        (0, copies, all) => {
            unread(format!("The queues of {copies} of {all} providers hold unread requests"), run)
        }
    }
}
