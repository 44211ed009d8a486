//! Whether an endpoint takes requests. As long as it does not, its worker receives none: an outage must not use up
//! the attempts of every request that waits in the queue.

use tokio::sync::watch;

/// Attempts in a row that found no connection; then the gate closes.
const MISSES: u32 = 3;

/// Lets requests through while an endpoint is healthy. It is closed at first.
pub(super) struct Gate(watch::Sender<State>);

/// Whether an attempt made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Made,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        /// Attempts in a row that found no connection.
        misses: u32,
    },
}

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(State::Closed))
    }
}

impl Gate {
    pub(super) fn open(&self) {
        self.0.send_replace(State::Open { misses: 0 });
    }

    /// Counts an attempt. One that made a connection is a fresh start.
    pub(super) fn count(&self, connection: Connection) {
        self.0.send_if_modified(|state| {
            let State::Open { misses } = *state else { return false };
            let misses = match connection {
                Connection::None => misses + 1,
                Connection::Made => 0,
            };
            *state = if misses < MISSES { State::Open { misses } } else { State::Closed };
            *state == State::Closed
        });
    }

    pub(super) async fn opened(&self) {
        self.reaches(|state| *state != State::Closed).await;
    }

    pub(super) async fn closed(&self) {
        self.reaches(|state| *state == State::Closed).await;
    }

    async fn reaches(&self, is_reached: impl FnMut(&State) -> bool) {
        let mut state = self.0.subscribe();
        state.wait_for(is_reached).await.expect("the gate has its sender");
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn three_attempts_in_a_row_without_a_connection_close_it() {
        let gate = Gate::default();
        let is_open = || gate.opened().now_or_never().is_some();
        assert!(!is_open(), "nothing is received before it is known to be healthy");
        gate.open();
        let (made, none) = (Connection::Made, Connection::None);
        for connection in [none, none, made, none, none] {
            gate.count(connection);
            assert!(is_open());
        }
        gate.count(none);
        assert!(!is_open() && gate.closed().now_or_never().is_some());
        gate.count(made);
        assert!(!is_open(), "requests that were in hand do not open it");
        gate.open();
        assert!(is_open());
    }
}
