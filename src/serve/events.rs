//! The changes of an RFQ as server-sent events. `clock` comes first, with the server's time. `change` has the
//! whole state, at once and at each change. `trouble` has the error and its kind while the RFQ cannot be read, then nulls. `end`
//! has the final state. `beat` has no data, and is sent after 2 s without another event.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::watches::{Followed, Latest, ReadTrouble, RfqState};
use crate::core::Timestamp;
use crate::core::text::compact_json;
use crate::shutdown::{Stage, StopSignal};

/// The id of the last event. A client that reconnects with it has seen the end.
pub(super) const END: &str = "end";
/// The longest stream for an RFQ without a deadline. It stops without `end`, and the browser reconnects.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The longest silence, after which a `beat` is sent: the page notices a dead connection by its absence. A client
/// that closed its sending side may still read: only sending shows whether it is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// How long a client waits before it reconnects to a broken stream.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Follower {
    /// Keeps the poller running.
    pub(super) _followed: Arc<Followed>,
    pub(super) changes: watch::Receiver<Latest>,
    /// How long to stay for late replies after the end.
    pub(super) linger: Duration,
    /// Stops the stream without an `end` event.
    pub(super) stop: StopSignal,
    /// This stream's share of the limit.
    pub(super) _room: OwnedSemaphorePermit,
}

pub(super) fn answer(follower: Follower) -> Response {
    let stream = EventStream {
        follower,
        began: Instant::now(),
        progress: StreamPhase::Begins,
        revision: None,
        trouble: None,
    };
    let events = stream::unfold(stream, async |mut stream| {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let events = Sse::new(events).keep_alive(keep_alive());
    // A proxy must not buffer the events.
    ([("x-accel-buffering", "no")], events).into_response()
}

fn keep_alive() -> KeepAlive {
    KeepAlive::new().interval(KEEP_ALIVE).event(Event::default().event("beat").data("{}"))
}

struct EventStream {
    follower: Follower,
    began: Instant,
    progress: StreamPhase,
    revision: Option<u64>,
    trouble: Option<ReadTrouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPhase {
    Begins,
    GoesOn,
    Ended,
}

impl EventStream {
    async fn next(&mut self) -> Option<Event> {
        match self.progress {
            StreamPhase::Begins => {
                self.progress = StreamPhase::GoesOn;
                let now = compact_json(&json!({"now": Timestamp::now()}));
                return Some(Event::default().event("clock").retry(RETRY).data(now));
            }
            StreamPhase::Ended => return None,
            StreamPhase::GoesOn => {}
        }
        let mut is_last = false;
        loop {
            let latest = self.follower.changes.borrow_and_update().clone();
            let state = match latest {
                Latest::State(state) => state,
                Latest::Unread => return None,
                Latest::Unknown => return Some(self.broken(&ReadTrouble::gone())),
                Latest::Failed(error) => return Some(self.broken(&ReadTrouble::of(&error))),
            };
            let ends = self.ends(&state);
            if is_last || ends.is_some_and(|ends| ends <= Instant::now()) {
                self.progress = StreamPhase::Ended;
                // No `end` for an RFQ without a deadline, nor after its poller broke down.
                state.over_since?;
                return Some(Event::default().event("end").id(END).data(&state.document));
            }
            if self.trouble != state.trouble {
                self.trouble.clone_from(&state.trouble);
                return Some(trouble(state.trouble.as_ref()));
            }
            if self.revision != Some(state.revision) {
                self.revision = Some(state.revision);
                return Some(Event::default().event("change").data(&state.document));
            }
            let ended = async {
                match ends {
                    Some(ends) => sleep_until(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.follower.stop.reached(Stage::Drain) => return None,
                () = ended => {}
                changed = self.follower.changes.changed() => is_last = changed.is_err(),
            }
        }
    }

    /// When the stream ends, judged by this state.
    fn ends(&self, state: &RfqState) -> Option<Instant> {
        match state.over_since {
            Some(since) if state.is_settled => Some(since),
            Some(since) => Some(since + self.follower.linger),
            None if state.has_deadline => None,
            None => Some(self.began + TIMEOUT),
        }
    }

    /// The last event of a stream that will never see the end of its RFQ.
    fn broken(&mut self, why: &ReadTrouble) -> Event {
        self.progress = StreamPhase::Ended;
        trouble(Some(why))
    }
}

fn trouble(why: Option<&ReadTrouble>) -> Event {
    let (error, kind) = (why.map(|why| &why.error), why.map(|why| why.kind));
    let data = json!({"error": error, "kind": kind});
    Event::default().event("trouble").data(compact_json(&data))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_has_a_beat_each_time_the_keep_alive_has_passed() {
        let silent = Sse::new(stream::pending::<Result<Event, Infallible>>());
        let mut body = silent.keep_alive(keep_alive()).into_response().into_body();
        for number in 1..=3 {
            let began = Instant::now();
            let frame = body.frame().await.expect("it goes on").expect("it cannot fail");
            assert_eq!(frame.into_data().expect("it is data"), "event: beat\ndata: {}\n\n");
            assert_eq!(began.elapsed().as_secs(), KEEP_ALIVE.as_secs(), "beat {number}");
        }
    }

    #[test]
    fn the_page_knows_how_often_a_beat_comes() {
        let said = format!("const BEAT_MS = {};", KEEP_ALIVE.as_millis());
        assert!(include_str!("page/rfq.js").contains(&said), "{said}");
    }
}
