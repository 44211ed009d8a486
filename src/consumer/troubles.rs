//! Reports each fault once, not for every queue that has it and not for every message that meets it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Trouble;

/// How long the same refusal of messages of one queue is not reported again.
const SAME: Duration = Duration::from_secs(10);

/// The faults that were reported.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Lasting faults by reason: the subject that reported it, and all subjects that have it.
    standing: HashMap<String, (String, HashSet<String>)>,
    /// When a refusal was reported, by subject and reason.
    entries: HashMap<(String, String), Instant>,
}

impl Troubles {
    /// What to report; `None` if it was reported already. A shared fault is over once its last subject recovers.
    pub fn news(&self, trouble: Trouble) -> Option<Trouble> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Trouble::Began { subject, reason } => {
                // The reason of a fault may change while it lasts.
                if told.standing.values().any(|(_, affected)| affected.contains(&subject)) {
                    return None;
                }
                if let Some((_, affected)) = told.standing.get_mut(&reason) {
                    affected.insert(subject);
                    return None;
                }
                let affected = HashSet::from([subject.clone()]);
                told.standing.insert(reason.clone(), (subject.clone(), affected));
                Some(Trouble::Began { subject, reason })
            }
            Trouble::Over { subject } => {
                told.leave(&subject).map(|subject| Trouble::Over { subject })
            }
            Trouble::Abandoned { subject } => {
                told.leave(&subject).map(|subject| Trouble::Abandoned { subject })
            }
            Trouble::Entry { subject, reason } => {
                let now = Instant::now();
                told.entries.retain(|_, at| now - *at < SAME);
                let key = (subject.clone(), reason.clone());
                if told.entries.contains_key(&key) {
                    return None;
                }
                told.entries.insert(key, now);
                Some(Trouble::Entry { subject, reason })
            }
        }
    }
}

impl Told {
    /// Removes a subject from its fault. Returns the subject that reported the fault if none has it any more.
    fn leave(&mut self, subject: &str) -> Option<String> {
        let of = |(reason, (_, affected)): (&String, &(String, HashSet<String>))| {
            affected.contains(subject).then(|| reason.clone())
        };
        let reason = self.standing.iter().find_map(of)?;
        let (first, affected) = self.standing.get_mut(&reason)?;
        affected.remove(subject);
        let last = affected.is_empty().then(|| first.clone());
        if last.is_some() {
            self.standing.remove(&reason);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(subject: &str, reason: &str) -> Trouble {
        Trouble::Began { subject: subject.to_owned(), reason: reason.to_owned() }
    }

    fn over(subject: &str) -> Trouble {
        Trouble::Over { subject: subject.to_owned() }
    }

    #[test]
    fn what_several_have_is_told_once_and_over_once() {
        let troubles = Troubles::default();
        assert_eq!(troubles.news(began("a", "away")), Some(began("a", "away")));
        assert_eq!(troubles.news(began("b", "away")), None);
        assert_eq!(troubles.news(began("c", "throttled")), Some(began("c", "throttled")));
        assert_eq!(troubles.news(over("a")), None, "b is not over it");
        assert_eq!(troubles.news(began("a", "away")), None, "nor is a, any more");
        assert_eq!(troubles.news(over("c")), Some(over("c")));
        assert_eq!(troubles.news(over("a")), None);
        assert_eq!(troubles.news(over("b")), Some(over("a")), "under the name that was told");
        assert_eq!(troubles.news(over("b")), None, "nothing of the kind was told");
        assert_eq!(troubles.news(began("b", "away")), Some(began("b", "away")));
    }

    #[test]
    fn a_subject_has_one_trouble_whatever_its_reason_becomes() {
        let troubles = Troubles::default();
        assert_eq!(troubles.news(began("a", "away")), Some(began("a", "away")));
        assert_eq!(troubles.news(began("a", "throttled")), None);
        assert_eq!(troubles.news(over("a")), Some(over("a")));
        assert_eq!(troubles.news(over("a")), None);
    }

    #[test]
    fn one_that_ends_in_trouble_does_not_hide_the_next_one() {
        let abandoned = |subject: &str| Trouble::Abandoned { subject: subject.to_owned() };
        let troubles = Troubles::default();
        assert_eq!(troubles.news(began("a", "away")), Some(began("a", "away")));
        assert_eq!(troubles.news(began("b", "away")), None);
        assert_eq!(troubles.news(abandoned("a")), None);
        assert_eq!(troubles.news(over("b")), Some(over("a")));
        assert_eq!(troubles.news(began("b", "away")), Some(began("b", "away")));
        assert_eq!(
            troubles.news(abandoned("b")),
            Some(abandoned("b")),
            "no subject has it any more"
        );
        assert_eq!(troubles.news(began("c", "away")), Some(began("c", "away")));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_meet_the_same_are_told_of_now_and_then() {
        let troubles = Troubles::default();
        let entry = |subject: &str| Trouble::Entry { subject: subject.into(), reason: "r".into() };
        assert_eq!(troubles.news(entry("a")), Some(entry("a")));
        assert_eq!(troubles.news(entry("a")), None);
        assert_eq!(troubles.news(entry("b")), Some(entry("b")));
        tokio::time::advance(SAME).await;
        assert_eq!(troubles.news(entry("a")), Some(entry("a")));
    }
}
