//! Scatter-gather on SNS, SQS and DynamoDB: ask many providers for a quote at once, gather the
//! answers, take the best.
//!
//! # The way a message travels
//!
//! ```text
//! rydes submit ──> scatter ──PutItem──> table (request row "-")
//!                     └──Publish──> topic ──┬─> queue: provider 1 ─> provider worker 1 ─┐
//!                                           ├─> queue: provider 2 ─> provider worker 2 ─┼─> response queue
//!                                           └─> ...                                     ┘        │
//!                                                                                             gather
//!                                                                                                │
//! rydes quotes <── aggregate (pure: rows + now -> what stands) <── quotes: one Query <── table <─┘
//! ```
//!
//! State lives in SNS, SQS and DynamoDB alone: workers on any number of machines join by endpoint
//! and stack name, and killing any of them loses nothing.
//!
//! # The rooms
//!
//! | room | what is in it |
//! |---|---|
//! | [`model`] | ids, names, prices, times, the two messages and the rows, each valid once it exists |
//! | [`aggregate`] | the pure heart: rows + now + conditions -> status, best, ledger, late, regret |
//! | [`timeline`] | pure too: when everything happened to one RFQ, and which step was slowest |
//! | [`submission`] | a request as it was typed or read, checked before anything is sent |
//! | [`scatter`] | records a request, then publishes it |
//! | [`provider`] | simulated providers: receive, decide, answer, acknowledge |
//! | [`gather`] | the response consumer: decode, refuse, insert once, acknowledge last |
//! | [`quotes`] | the read side: one snapshot, or snapshots until a condition or the deadline |
//! | [`replay`] | dead letters back to where they came from |
//! | [`serve`] | the same over HTTP: the original's routes, events, and a page |
//! | [`verify`] | conservation: a row or a queue accounts for every copy, or nothing does |
//! | [`mod@bench`] | the whole path under load, measured: requests, latency, what was lost |
//! | [`event`] | everything that can happen, as data |
//! | [`queue`] | the machine under every worker: poll, lease, batch, drain |
//! | [`aws`] | clients, names, queues, topic, table, provisioning |
//! | [`proxy`] | a proxy in front of LocalStack that goes wrong on purpose |
//! | [`usage`] | processor time and memory of this process |
//! | [`mod@file`] | regular files of ours, opened through no link |
//! | [`limits`] | how many files may be open |
//! | [`localstack`] | brings LocalStack up or down |
//! | [`settings`] | flag before environment before default, each value with its origin |
//! | [`shutdown`] | the first signal asks to stop, the second to leave |
//! | [`output`] | the only place that prints |
//! | [`cli`] | one module per command |
//! | [`error`] | what code branches on, and the exit codes |
//!
//! # The rule
//!
//! Arrows point down. `model` knows nothing; `aggregate` knows `model` alone; `queue` knows no RFQ
//! and no AWS; the loops report events and never print; nothing below `cli` reads arguments or the
//! environment. A test keeps this: `tests/it/architecture.rs`.

pub mod aggregate;
pub mod aws;
pub mod bench;
pub mod cli;
pub mod error;
pub mod event;
pub mod file;
pub mod gather;
pub mod limits;
pub mod localstack;
pub mod model;
pub mod output;
pub mod provider;
pub mod proxy;
pub mod queue;
pub mod quotes;
pub mod replay;
pub mod scatter;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod submission;
pub mod timeline;
pub mod usage;
pub mod verify;
