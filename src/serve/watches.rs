//! One poller for each followed RFQ, shared by all its followers. It ends with the last of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::answer::kind;
use super::unread::QueueCheck;
use super::{Commands, Operation, Reporter};
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::text::compact_json;
use crate::core::{RfqId, Timestamp};
use crate::error::Error;
use crate::flow::quotes::{Filters, WaitOptions, Watch};
use crate::view::page::{Unread, document};

/// How long an RFQ may be followed after its end, for late replies.
pub(super) const LONGEST_LINGER: Duration = Duration::from_mins(1);
/// An RFQ without a deadline never ends by itself: its followers decide.
const NO_DEADLINE: Duration = Duration::from_hours(24);

pub(super) struct Watches {
    reader: Reader,
    open: Arc<FollowedRfqs>,
}

/// What a poller reads with.
#[derive(Clone)]
struct Reader {
    aws: Aws,
    filters: Arc<Filters>,
    commands: Option<Arc<Commands>>,
    report: Reporter,
}

type FollowedRfqs = Mutex<HashMap<RfqId, Weak<Followed>>>;

/// A followed RFQ. Its poller runs until the last owner drops this.
pub(super) struct Followed {
    id: RfqId,
    latest: watch::Receiver<Latest>,
    poller: AbortOnDropHandle<()>,
    open: Weak<FollowedRfqs>,
}

/// What the poller has read last.
#[derive(Debug, Clone)]
pub(super) enum Latest {
    Unread,
    State(Arc<RfqState>),
    /// The RFQ does not exist, or no longer.
    Unknown,
    /// The RFQ cannot be read: a first read failed, or an error is permanent.
    Failed(Arc<Error>),
}

#[derive(Debug, Clone)]
pub(super) struct RfqState {
    /// The number of the change.
    pub(super) revision: u64,
    /// The document of the page, as JSON on one line.
    pub(super) document: String,
    /// Whether every expected provider has answered, in time or late.
    pub(super) is_settled: bool,
    pub(super) has_deadline: bool,
    /// Since when only late replies may come.
    pub(super) over_since: Option<Instant>,
    /// Why the last read failed.
    pub(super) trouble: Option<ReadTrouble>,
}

/// Why an RFQ cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadTrouble {
    /// In full, for programs and their logs.
    pub(super) error: String,
    /// A word to branch on.
    pub(super) kind: &'static str,
}

impl ReadTrouble {
    pub(super) fn of(error: &Error) -> Self {
        Self { error: error.in_full(), kind: kind(error).unwrap_or("backend") }
    }

    pub(super) fn gone() -> Self {
        Self { error: "this RFQ no longer exists".to_owned(), kind: "gone" }
    }
}

fn lock(open: &FollowedRfqs) -> MutexGuard<'_, HashMap<RfqId, Weak<Followed>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watches {
    pub(super) fn new(
        aws: Aws,
        filters: Arc<Filters>,
        commands: Option<Arc<Commands>>,
        report: Reporter,
    ) -> Self {
        Self { reader: Reader { aws, filters, commands, report }, open: Arc::default() }
    }

    /// Follows an RFQ. All its followers share one poller.
    pub(super) fn follow(&self, id: RfqId) -> Arc<Followed> {
        // Declared before the lock, so dropped after it: the last owner's drop takes the lock too.
        let followed;
        let mut open = lock(&self.open);
        followed = open.get(&id).and_then(Weak::upgrade);
        // A finished poller is replaced: a new one may read more.
        if let Some(followed) = followed.as_ref().filter(|one| !one.poller.is_finished()) {
            return Arc::clone(followed);
        }
        let (sender, latest) = watch::channel(Latest::Unread);
        let poller = tokio::spawn(poll(self.reader.clone(), id.clone(), sender));
        let new = Arc::new(Followed {
            id: id.clone(),
            latest,
            poller: AbortOnDropHandle::new(poller),
            open: Arc::downgrade(&self.open),
        });
        open.insert(id, Arc::downgrade(&new));
        new
    }
}

impl Followed {
    /// Receives the changes from now on. A slow receiver gets only the latest.
    pub(super) fn changes(&self) -> watch::Receiver<Latest> {
        self.latest.clone()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let Some(open) = self.open.upgrade() else { return };
        let mut open = lock(&open);
        // A successor may already have its place.
        if open.get(&self.id).is_some_and(|followed| followed.strong_count() == 0) {
            open.remove(&self.id);
        }
    }
}

/// Reads an RFQ repeatedly and sends each state.
async fn poll(reader: Reader, id: RfqId, tell: watch::Sender<Latest>) {
    let Reader { aws, filters, commands, report } = reader;
    let options =
        WaitOptions { until: None, stall: None, linger: LONGEST_LINGER, timeout: NO_DEADLINE };
    let mut watch = Watch::new(&aws, id, options);
    let mut queues = QueueCheck::new(aws.clone(), commands);
    let mut seen = LastState::default();
    while !watch.is_over() {
        let next = watch.next().await;
        super::tell(&report, Operation::Reading, next.as_ref().err());
        let latest = match next {
            Ok(Some(mut gathering)) => {
                filters.explain(&aws, &mut gathering).await;
                let unread = queues.of(&gathering).await;
                Latest::State(seen.take(&watch, &gathering, unread.as_ref()))
            }
            Ok(None) => Latest::Unknown,
            Err(error) => match seen.trouble(&error) {
                Some(state) => Latest::State(state),
                None => Latest::Failed(Arc::new(error)),
            },
        };
        let goes_on = matches!(latest, Latest::State(_));
        tell.send_replace(latest);
        if !goes_on {
            return;
        }
    }
}

/// What a poller has sent.
#[derive(Default)]
struct LastState {
    document: Value,
    state: Option<Arc<RfqState>>,
    over_since: Option<Instant>,
}

impl LastState {
    fn take(
        &mut self,
        watch: &Watch<'_>,
        gathering: &Gathering,
        unread: Option<&Unread>,
    ) -> Arc<RfqState> {
        let rows = watch.rows().expect("there are rows where there is a gathering");
        let document = document(rows, gathering, unread);
        if watch.has_ended() && self.over_since.is_none() {
            self.over_since = Some(since(gathering));
        }
        let before = self.state.as_deref().filter(|_| document == self.document);
        let (revision, text) = if let Some(before) = before {
            (before.revision, before.document.clone())
        } else {
            let revision = self.state.as_deref().map_or(1, |state| state.revision + 1);
            (revision, compact_json(&document))
        };
        self.document = document;
        self.keep(RfqState {
            revision,
            document: text,
            is_settled: gathering.is_settled(),
            has_deadline: gathering.cutoff().is_some(),
            over_since: self.over_since,
            trouble: None,
        })
    }

    /// Records a failed read; `None` if the poller must end.
    fn trouble(&mut self, error: &Error) -> Option<Arc<RfqState>> {
        let last = self.state.as_deref().filter(|_| error.is_transient())?;
        let state = RfqState { trouble: Some(ReadTrouble::of(error)), ..last.clone() };
        Some(self.keep(state))
    }

    fn keep(&mut self, state: RfqState) -> Arc<RfqState> {
        let state = Arc::new(state);
        self.state = Some(Arc::clone(&state));
        state
    }
}

/// When a gathering ended that has just been seen to be over.
fn since(gathering: &Gathering) -> Instant {
    let now = Instant::now();
    let ago = gathering.cutoff().map(|cutoff| Timestamp::now().saturating_since(cutoff));
    now.checked_sub(ago.unwrap_or_default()).unwrap_or(now)
}
