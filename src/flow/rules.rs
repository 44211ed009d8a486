//! The rules that a consumer follows, which are bindings and retention: read at its start, then again at a fixed age.
//! No reply waits for a read.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::sleep;

use super::events::{Event, Sink};
use crate::aws::{Aws, Queue, Topic};
use crate::consumer::{Trouble, retry_transient};
use crate::core::Responder;
use crate::error::{Result, innermost_cause};
use crate::shutdown::{Stage, StopSignal};
use crate::stack::ConsumerRules;

/// Age at which rules are read again.
pub const RULES_AGE: Duration = Duration::from_mins(1);
/// The subject of the trouble when a read fails.
const SUBJECT: &str = "reading the senders of the providers";

pub(super) struct RulesInForce {
    topic: Topic,
    beside: Queue,
    current: RwLock<ConsumerRules>,
}

impl RulesInForce {
    /// Reads them for the first time. `responses` is the response queue.
    ///
    /// # Errors
    /// The rules cannot be read: without them, replies of any sender would be gathered.
    pub(super) async fn read(aws: &Aws, responses: &Queue) -> Result<Self> {
        let topic = retry_transient(async || aws.topic_beside(responses).await).await?;
        let rules = retry_transient(async || ConsumerRules::of(&topic, responses).await).await?;
        Ok(Self { topic, beside: responses.clone(), current: RwLock::new(rules) })
    }

    /// Checks who sent a provider's reply.
    pub(super) fn check(&self, responder: &Responder, sender: Option<&str>) -> Result<(), String> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.bindings.check(responder, sender)
    }

    /// How long a row is kept after its reply was gathered.
    pub(super) fn kept(&self) -> Duration {
        self.current.read().unwrap_or_else(PoisonError::into_inner).retention.of_rows()
    }

    /// Reads the rules again whenever they reach this age, until `stop` reaches [`Stage::Drain`]. If a read fails, the
    /// last known rules stay in force.
    pub(super) async fn keep(self: Arc<Self>, age: Duration, stop: StopSignal, sink: Sink<Event>) {
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = stop.reached(Stage::Drain) => break,
                () = sleep(age) => {}
            }
            let read = tokio::select! {
                () = stop.reached(Stage::Drain) => break,
                read = ConsumerRules::of(&self.topic, &self.beside) => read,
            };
            let subject = SUBJECT.to_owned();
            match read {
                Ok(rules) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = rules;
                    if std::mem::take(&mut is_failing) {
                        sink(Event::Trouble(Trouble::Over { subject }));
                    }
                }
                Err(error) => {
                    let reason = innermost_cause(&error);
                    let reason = format!("{reason}; the last known ones stay in force");
                    is_failing = true;
                    sink(Event::Trouble(Trouble::Began { subject, reason }));
                }
            }
        }
        if is_failing {
            sink(Event::Trouble(Trouble::Abandoned { subject: SUBJECT.to_owned() }));
        }
    }
}
