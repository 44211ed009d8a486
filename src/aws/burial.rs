//! Sends messages that cannot be handled to the dead letters: cuts a body that is too long, and sends none twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio_util::task::TaskTracker;

use super::queue::{Outgoing, Queue};
use crate::consumer::{Batcher, LastFew, Message, Outcome};
use crate::core::text::hexadecimal;
use crate::error::Permanence;
use crate::shutdown::StopSignal;

/// Bytes of one message at most, attributes included: the limit since August 2025, and that of older queues.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const LIMITS: [usize; 2] = [1_048_576, 262_144];
/// In bytes.
const MAX_REASON: usize = 1_024;
/// Messages to remember, so that none is sent twice.
const REMEMBERED: usize = 10_000;
/// Attribute: why the message is a dead letter.
pub(super) const REASON: &str = "reason";
/// Attribute: the name of the queue that it came from.
pub(super) const SOURCE: &str = "rydes-source";
/// Attribute: how many attempts to answer the request there were. The copy's own receive count begins anew, and
/// grows with each look at it.
pub(super) const ATTEMPTS: &str = "rydes-attempts";
/// Attribute of a cut body: the bytes of the whole.
pub(super) const CUT_LENGTH: &str = "rydes-cut-length";
/// Attribute of a cut body: the SHA-256 of the whole, in hexadecimal.
pub(super) const CUT_SHA256: &str = "rydes-cut-sha256";

/// The dead letters of requests or of replies. Cheap to clone; clones share one memory.
#[derive(Clone)]
pub struct DeadLetters {
    batch_sender: Batcher<Outgoing, ()>,
    buried: Arc<Mutex<LastFew<String>>>,
}

/// What a dead letter says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Why it cannot be handled.
    pub reason: &'a str,
    /// The name of the queue that it came from.
    pub source: &'a str,
    /// How many attempts to answer it there were; `None` if it was never attempted.
    pub attempts: Option<u32>,
}

impl Queue {
    /// This queue as a queue of dead letters, which are sent on `tasks`.
    pub fn dead_letters(&self, tasks: &TaskTracker, stop: &StopSignal) -> DeadLetters {
        let buried = Arc::new(Mutex::new(LastFew::new(REMEMBERED)));
        DeadLetters { batch_sender: self.batch_sender(tasks, stop), buried }
    }
}

impl DeadLetters {
    /// Sends a copy of a message with its `cause`; returns once SQS confirms it. None of the last 10,000 is
    /// sent again. `report` is called once per confirmed letter, even if the caller is dropped before.
    ///
    /// # Errors
    /// Why it could not be sent.
    pub async fn bury(
        &self,
        message: &Message,
        cause: Cause<'_>,
        report: impl Fn() + Clone + Send + 'static,
    ) -> Outcome<()> {
        if known(&self.buried).contains(&message.id) {
            return Ok(());
        }
        let send = async |copy| {
            let (buried, id, report) =
                (Arc::clone(&self.buried), message.id.clone(), report.clone());
            let note = move |sent: &Outcome<()>| {
                if sent.is_ok() {
                    known(&buried).insert(id);
                    report();
                }
            };
            self.batch_sender.submit_noted(copy, note).await
        };
        let [usual, older] = LIMITS;
        let copy = letter(&message.body, cause, usual);
        let size = copy.size();
        let outcome = send(copy).await;
        let is_refused =
            outcome.as_ref().is_err_and(|refusal| refusal.permanence == Permanence::Permanent);
        if is_refused && size > older {
            return send(letter(&message.body, cause, older)).await;
        }
        outcome
    }
}

fn known(buried: &Mutex<LastFew<String>>) -> MutexGuard<'_, LastFew<String>> {
    buried.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A dead letter of at most `limit` bytes. A body that does not fit is cut between two characters; attributes then
/// hold the length and the hash of the whole.
fn letter(body: &str, cause: Cause<'_>, limit: usize) -> Outgoing {
    let mut attributes = vec![(REASON, shortened(cause.reason)), (SOURCE, cause.source.to_owned())];
    attributes.extend(cause.attempts.map(|attempts| (ATTEMPTS, attempts.to_string())));
    let mut letter = Outgoing { body: String::new(), attributes };
    if letter.size() + body.len() > limit {
        letter.attributes.push((CUT_LENGTH, body.len().to_string()));
        letter.attributes.push((CUT_SHA256, hexadecimal(&Sha256::digest(body))));
    }
    let room = limit.saturating_sub(letter.size());
    body[..body.floor_char_boundary(room)].clone_into(&mut letter.body);
    letter
}

/// A reason as an attribute value: never empty, at most 1,024 bytes, and ASCII, since SQS refuses some characters.
fn shortened(reason: &str) -> String {
    const REST: &str = "...";
    let mut text = reason.escape_default().to_string();
    if text.is_empty() {
        "none given".clone_into(&mut text);
    }
    if text.len() > MAX_REASON {
        text.truncate(MAX_REASON - REST.len());
        text.push_str(REST);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::super::batch_sender::limits;
    use super::*;
    use crate::consumer::{Effect, Limits, Refusal};

    fn cause<'a>(reason: &'a str, source: &'a str) -> Cause<'a> {
        Cause { reason, source, attempts: Some(5) }
    }

    fn value<'a>(letter: &'a Outgoing, name: &str) -> Option<&'a str> {
        letter.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn what_fits_is_whole_to_the_last_byte() {
        let bare = letter("", cause("why", "queue"), LIMITS[0]).size();
        for length in [0, 1, LIMITS[0] - bare] {
            let body = "x".repeat(length);
            let letter = letter(&body, cause("why", "queue"), LIMITS[0]);
            assert!(letter.body == body && letter.size() <= LIMITS[0]);
            assert_eq!(
                (value(&letter, REASON), value(&letter, SOURCE)),
                (Some("why"), Some("queue"))
            );
            assert_eq!((value(&letter, CUT_LENGTH), value(&letter, CUT_SHA256)), (None, None));
            assert_eq!(value(&letter, ATTEMPTS), Some("5"));
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters_and_says_what_it_was() {
        let bare = letter("", cause("why", "queue"), LIMITS[0]).size();
        for (body, limit) in [
            ("x".repeat(LIMITS[0] - bare + 1), LIMITS[0]),
            ("x".repeat(LIMITS[0]), LIMITS[0]),
            (format!("x{}", "\u{1f984}".repeat(LIMITS[0] / 4 - 1)), LIMITS[0]),
            ("é".repeat(LIMITS[1] / 2), LIMITS[1]),
        ] {
            let reason = "\u{202e}".repeat(MAX_REASON);
            let letter = letter(&body, cause(&reason, &"q".repeat(80)), limit);
            assert!(body.starts_with(&letter.body) && letter.body.len() < body.len());
            assert!((limit - 3..=limit).contains(&letter.size()), "{}", letter.size());
            assert_eq!(value(&letter, CUT_LENGTH), Some(body.len().to_string().as_str()));
            let hash = value(&letter, CUT_SHA256).expect("a hash");
            assert_eq!(hash, hexadecimal(&Sha256::digest(&body)));
            assert_eq!(value(&letter, REASON).map(str::len), Some(MAX_REASON));
        }
    }

    /// Dead letters without a queue. Each of `refusals` refuses one letter; all others are taken.
    fn letters(refusals: &[Permanence]) -> (DeadLetters, Arc<Mutex<Vec<usize>>>) {
        let left = Mutex::new(refusals.iter().rev().copied().collect::<Vec<_>>());
        let sizes = Arc::<Mutex<Vec<usize>>>::default();
        let seen = Arc::clone(&sizes);
        let flush = move |batch: Arc<[Outgoing]>| {
            let answer = |letter: &Outgoing| {
                seen.lock().expect("unpoisoned").push(letter.size());
                let next = left.lock().expect("unpoisoned").pop();
                next.map_or(Ok(()), |permanence| {
                    let (code, message) = ("code".to_owned(), "message".to_owned());
                    Err(Refusal { code, message, permanence, effect: Effect::Excluded })
                })
            };
            let results: Vec<_> = batch.iter().map(answer).collect();
            async move { Ok(results) }
        };
        let limits = Limits { attempts: 1, ..limits() };
        let stop = StopSignal::new();
        let tasks = TaskTracker::new();
        let batch_sender = Batcher::start(&tasks, limits, stop, Outgoing::size, flush);
        (DeadLetters { batch_sender, buried: Arc::new(Mutex::new(LastFew::new(2))) }, sizes)
    }

    fn message(number: usize, body: &str) -> Message {
        let (id, receipt) = (format!("message {number}"), "r".to_owned());
        Message {
            id,
            body: body.to_owned(),
            receipt,
            receive_count: 1,
            sent_at: None,
            sender: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_sent_once_as_long_as_it_is_remembered() {
        let (letters, sizes) = letters(&[Permanence::Transient]);
        let reports = Arc::new(AtomicUsize::new(0));
        let bury = async |number| {
            let reports = Arc::clone(&reports);
            let report = move || _ = reports.fetch_add(1, Ordering::Relaxed);
            letters.bury(&message(number, "x"), cause("why", "queue"), report).await
        };
        assert!(bury(1).await.is_err(), "what was refused is not remembered");
        for number in [1, 1, 2, 1, 2, 3, 3, 1] {
            assert_eq!(bury(number).await, Ok(()));
        }
        assert_eq!(sizes.lock().expect("unpoisoned").len(), 1 + 3 + 1);
        assert_eq!(reports.load(Ordering::Relaxed), 3 + 1, "once for each letter");
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_whose_sender_was_dropped_meanwhile_is_remembered_and_reported() {
        let (letters, sizes) = letters(&[]);
        let reports = Arc::new(AtomicUsize::new(0));
        let bury = async || {
            let reports = Arc::clone(&reports);
            let report = move || _ = reports.fetch_add(1, Ordering::Relaxed);
            letters.bury(&message(1, "x"), cause("why", "queue"), report).await
        };
        // It submits its letter and is dropped before the batch leaves.
        assert!(timeout(Duration::ZERO, bury()).await.is_err());
        sleep(Duration::from_mins(1)).await;
        assert_eq!(reports.load(Ordering::Relaxed), 1);
        assert_eq!(bury().await, Ok(()));
        assert_eq!(
            (sizes.lock().expect("unpoisoned").len(), reports.load(Ordering::Relaxed)),
            (1, 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_older_queue_does_not_take_is_cut_shorter() {
        let large = "x".repeat(LIMITS[1]);
        let (letters, sizes) = letters(&[Permanence::Permanent]);
        let bury = async |letters: DeadLetters, body: &str| {
            letters.bury(&message(1, body), cause("why", "queue"), || {}).await
        };
        assert_eq!(bury(letters, &large).await, Ok(()));
        assert_eq!(sizes.lock().expect("unpoisoned")[1], LIMITS[1]);
        for (body, lasting) in
            [(large.as_str(), Permanence::Transient), ("small", Permanence::Permanent)]
        {
            let (letters, sizes) = self::letters(&[lasting]);
            assert!(bury(letters, body).await.is_err());
            assert_eq!(sizes.lock().expect("unpoisoned").len(), 1, "the size is not to blame");
        }
    }

    #[test]
    fn a_reason_is_never_empty_and_never_too_long() {
        assert_eq!(shortened(""), "none given");
        assert_eq!(shortened("caf\u{e9}"), "caf\\u{e9}");
        assert_eq!(shortened(&"x".repeat(MAX_REASON)), "x".repeat(MAX_REASON));
        let long = shortened(&"x".repeat(MAX_REASON + 1));
        assert!(long.len() == MAX_REASON && long.ends_with("x..."), "{long}");
    }
}
