//! Everything that speaks to AWS: clients, names, queues, the topic, the table, provisioning.
//!
//! Nothing here knows what a quote is worth; SDK errors end here and become ours.

mod asked;
mod attempt;
mod burial;
mod connect;
mod depths;
mod error;
mod failure;
mod letter;
mod meter;
mod names;
mod outbox;
pub mod provision;
mod queue;
mod request;
mod row;
mod subscription;
mod table;
mod topic;

pub use burial::DeadLetters;
pub use connect::Aws;
pub use depths::Depths;
pub use letter::{Cut, DeadLetter, HeldLetter, Source};
pub use meter::{Account, Cost, Meter};
pub use names::Names;
pub use queue::{MAX_WAIT, Outgoing, Polled, Queue, QueueCounts};
pub use request::{Adopted, Forgotten, Recorded, RequestInsert};
pub use row::{Item, read_answer, read_request};
pub use subscription::{Delivery, Filter, Inactive, Inactivity, Scope, Subscriber, Subscribers};
pub use table::{Insert, Inserted, MAX_STATEMENTS, Table};
pub use topic::{MAX_PUBLISHED, MAX_PUBLISHED_BYTES, Topic};

/// How many requests are under way at once: more would only queue up at the service.
const CONCURRENCY: usize = 8;
