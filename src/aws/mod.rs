//! Everything that speaks to AWS: clients, names, queues, the topic, the table, provisioning.
//!
//! Nothing here knows what a quote is worth; SDK errors end here and become ours.

mod connect;
mod error;
mod meter;
mod names;
pub mod provision;
mod queue;
mod table;
mod topic;

pub use connect::Aws;
pub use error::{Fate, Refusal, fate};
pub use meter::Meter;
pub use names::Names;
pub use queue::{Message, Outgoing, Queue, QueueCounts};
pub use table::{Insert, Inserted, Table};
pub use topic::Topic;
