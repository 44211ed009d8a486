//! Runs several submissions of one id against a model of table and topic. They interleave, crash anywhere, lose
//! confirmations, and have requests carried out long after they gave them up.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::task::yield_now;
use uuid::Uuid;

use super::*;
use crate::core::{RfqId, Ride};

/// Seeds; each makes one history.
const HISTORIES: u64 = 50_000;
/// Attempts per request, as in [`crate::aws`].
const ATTEMPTS: u32 = 3;

/// A request to table or topic.
#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(Uuid),
    Adopt(Uuid),
    Forget(Uuid),
    Publish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Absent,
    Marked(Uuid),
    Unmarked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoredRow {
    Done,
    /// Its condition does not hold for this row.
    Unmet(Row),
}

/// A mistake in the protocol that the histories must reveal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    None,
    /// Removes rows without a look at their mark.
    ForgetsAny,
    /// Leaves every mark in place.
    AdoptsNone,
}

struct World {
    chance: ChaCha8Rng,
    slip: Slip,
    row: Row,
    messages: u32,
    /// Requests that were given up and are still in transit.
    late: Vec<Op>,
}

impl World {
    fn apply(&mut self, op: Op) -> StoredRow {
        match op {
            Op::Publish => self.messages += 1,
            Op::Insert(own) if self.row == Row::Absent => self.row = Row::Marked(own),
            Op::Adopt(own) if ![Row::Absent, Row::Marked(own)].contains(&self.row) => {
                if self.slip != Slip::AdoptsNone {
                    self.row = Row::Unmarked;
                }
            }
            Op::Forget(own) if self.row == Row::Marked(own) => self.row = Row::Absent,
            Op::Forget(_) if self.slip == Slip::ForgetsAny => self.row = Row::Absent,
            Op::Insert(_) | Op::Adopt(_) | Op::Forget(_) => return StoredRow::Unmet(self.row),
        }
        StoredRow::Done
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.chance.next_u64() % limit as u64).expect("it is below a limit")
    }

    fn arrive(&mut self) {
        let which = self.below(self.late.len());
        let op = self.late.swap_remove(which);
        self.apply(op);
    }
}

struct Client<'a> {
    world: &'a Mutex<World>,
    /// The request in flight.
    pending: Mutex<Option<Op>>,
}

impl Client<'_> {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test broke down")
    }

    /// Tries a request a few times. Other submissions may act before each attempt.
    async fn request(&self, op: Op) -> Result<StoredRow, (Error, Effect)> {
        let mut worst = Effect::Excluded;
        for attempt in 1..=ATTEMPTS {
            *self.pending.lock().expect("no test broke down") = Some(op);
            yield_now().await;
            *self.pending.lock().expect("no test broke down") = None;
            let mut world = self.world();
            match world.below(12) {
                0 => return Err((Error::other("denied"), worst)),
                1 | 2 if attempt < ATTEMPTS => {}
                1 | 2 => return Err((Error::other("throttled"), worst)),
                which @ 3..=5 => {
                    worst = Effect::Possible;
                    match which {
                        3 => _ = world.apply(op),
                        4 => world.late.push(op),
                        _ => {}
                    }
                }
                _ => return Ok(world.apply(op)),
            }
        }
        Err((Error::other("no answer"), worst))
    }
}

impl RfqStore for Client<'_> {
    async fn record(&self, insert: &RequestInsert) -> Result<Recorded, (Error, Effect)> {
        let found = self.request(Op::Insert(insert.submission)).await?;
        Ok(if found == StoredRow::Done { Recorded::New } else { Recorded::Taken })
    }

    async fn adopt(&self, insert: &RequestInsert) -> Result<Adopted> {
        let found = self.request(Op::Adopt(insert.submission)).await.map_err(|(error, _)| error)?;
        Ok(match found {
            StoredRow::Done => Adopted::Other(Box::new(insert.row.clone())),
            StoredRow::Unmet(Row::Marked(_)) => Adopted::Own,
            StoredRow::Unmet(_) => Adopted::Gone,
        })
    }

    async fn has_all_answers(&self, _: &RequestRow) -> Result<bool> {
        yield_now().await;
        let mut world = self.world();
        match world.below(6) {
            0 => Err(Error::other("no answer")),
            1 | 2 => Ok(world.messages > 0),
            _ => Ok(false),
        }
    }

    async fn publish(&self, _: &RequestRow) -> Result<(), (Error, Effect)> {
        self.request(Op::Publish).await.map(drop)
    }

    async fn forget(&self, insert: &RequestInsert) -> Result<Forgotten> {
        let found =
            self.request(Op::Forget(insert.submission)).await.map_err(|(error, _)| error)?;
        Ok(if found == StoredRow::Unmet(Row::Unmarked) {
            Forgotten::Kept
        } else {
            Forgotten::Removed
        })
    }
}

fn insert(number: u128) -> RequestInsert {
    RequestInsert {
        row: RequestRow::new(
            RfqId::parse("one").expect("an id"),
            Ride { from: "A".to_owned(), to: "B".to_owned(), customer: "c".to_owned() },
        ),
        submission: Uuid::from_u128(number + 1),
        kept: std::time::Duration::ZERO,
    }
}

/// What a submission reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Accepted,
    RowKept,
    Nothing,
    Crashed,
}

/// Runs one history; returns what the submissions reported, or which promise was broken.
fn history(seed: u64, slip: Slip) -> Result<BTreeSet<Said>, String> {
    let chance = ChaCha8Rng::seed_from_u64(seed);
    let world = World { chance, slip, row: Row::Absent, messages: 0, late: Vec::new() };
    let world = Mutex::new(world);
    let submissions = 2 + world.lock().expect("no test broke down").below(3);
    let clients: Vec<_> =
        (0..submissions).map(|_| Client { world: &world, pending: Mutex::default() }).collect();
    let same = |_: &RequestRow| Ok(());
    let mut running: Vec<(&Client, Pin<Box<dyn Future<Output = _> + '_>>)> = clients
        .iter()
        .zip(0..)
        .map(|(client, number)| (client, Box::pin(submit(client, insert(number), same)) as _))
        .collect();
    let mut said = BTreeSet::new();
    loop {
        let (which, crashes) = {
            let mut world = world.lock().expect("no test broke down");
            let choices = running.len() + world.late.len();
            if choices == 0 {
                return Ok(said);
            }
            (world.below(choices), world.below(25) == 0)
        };
        if which >= running.len() {
            world.lock().expect("no test broke down").arrive();
        } else if crashes {
            let (client, submission) = running.swap_remove(which);
            drop(submission);
            let mut world = client.world();
            // The request in flight may still arrive.
            if let Some(op) = client.pending.lock().expect("no test broke down").take()
                && world.below(2) == 0
            {
                world.late.push(op);
            }
            said.insert(Said::Crashed);
        } else if let Poll::Ready(outcome) =
            running[which].1.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            drop(running.swap_remove(which));
            said.insert(match outcome {
                Ok(Scattered::Published(_) | Scattered::Answered(_)) => Said::Accepted,
                Ok(Scattered::Unknown(error)) | Err(error) => {
                    let kept = error.to_string().contains("was kept");
                    if kept { Said::RowKept } else { Said::Nothing }
                }
            });
        }
        let world = world.lock().expect("no test broke down");
        if said.contains(&Said::Accepted) && (world.row == Row::Absent || world.messages == 0) {
            return Err(format!("accepted, but row {:?}, {} messages", world.row, world.messages));
        }
        if said.contains(&Said::RowKept) && world.row == Row::Absent {
            return Err("a row that was kept is gone".to_owned());
        }
    }
}

#[test]
fn what_was_accepted_keeps_its_row_beside_other_submissions() {
    let mut seen = BTreeSet::new();
    let mut together = 0;
    for seed in 0..HISTORIES {
        let said = history(seed, Slip::None).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        together += u32::from(said.contains(&Said::Accepted) && said.len() > 1);
        seen.extend(said);
    }
    assert_eq!(seen.len(), 4, "every end was met: {seen:?}");
    assert!(together > 1_000, "some are accepted where others fail: {together}");
}

#[test]
fn a_protocol_without_marks_is_found_out() {
    for slip in [Slip::ForgetsAny, Slip::AdoptsNone] {
        assert!((0..HISTORIES).any(|seed| history(seed, slip).is_err()), "{slip:?}");
    }
}
