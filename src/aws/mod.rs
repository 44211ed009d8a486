//! SNS, SQS and DynamoDB: clients, queues, the topic, the table. It turns SDK errors into errors of this crate.
//! Nothing here makes or removes a resource.

mod attempt;
mod batch_sender;
mod burial;
mod connect;
pub mod dynamodb_json;
mod error;
mod failure;
pub mod health;
mod letter;
mod meter;
mod queue;
mod remedy;
mod request;
mod row;
mod scan;
mod table;
mod topic;
mod url_recorder;
mod watch;

pub use burial::{Cause, DeadLetters};
pub use connect::Aws;
pub(crate) use error::is_not_found;
pub use letter::{Cut, DeadLetter, LetterSource, ReceivedLetter};
pub use meter::{Cost, Meter, Usage};
pub use queue::{MAX_WAIT, Outgoing, PolledQueue, Queue, QueueCounts, WithSender};
pub use remedy::{Remedies, Remedy};
pub use request::{Adopted, Forgotten, Recorded};
pub use row::{
    Insert, Item, LOOKED_BACK_ON, REQUEST_KEY, RequestInsert, read_answer, read_expiry,
    read_request,
};
pub use scan::{Attributes, ScanPage, ScanPause, TableSize};
pub use table::{Inserted, MAX_STATEMENTS, MAX_STATEMENTS_BYTES, Table};
pub use topic::{MAX_PUBLISHED, MAX_PUBLISHED_BYTES, NonQueueSubscriber, Topic};
pub(crate) use topic::{Subscription, Subscriptions, topic_arn};
pub(crate) use watch::is_throttled;
pub use watch::{RequestOutcome, RequestWatcher};

/// Requests in flight at once: more would only queue up at the service.
pub(crate) const CONCURRENCY: usize = 8;
