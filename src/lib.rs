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
//! # The floors
//!
//! `src` is a stack of floors. Each floor names only floors below it; `tests/it/architecture.rs` keeps this.
//!
//! | floor | what is in it |
//! |---|---|
//! | `cli` | one file per command: options, the run, hints |
//! | `serve` | the same over HTTP: the original's routes, events, a page |
//! | `terminal` | the only floor that prints: streams, colour, the live region, progress |
//! | `metrics` | what happens in this process, counted for Prometheus |
//! | `view` | pure text and JSON: tables, sentences, timelines, pictures |
//! | `tools` | LocalStack on this machine; the load test and its fault-injecting proxy |
//! | `flow` | the pattern: draft, scatter, providers (simulated, programs, endpoints), gather, quotes, verify, replay, history |
//! | `stack` | the resources of a stack, and the register of its providers |
//! | `aws` | clients, queues, topic, table |
//! | `consumer` | the machine under every worker: poll, lease, batch, drain |
//! | `core` | ids, names, prices, times, messages, rows and filters; what rows add up to, past ones too |
//!
//! Beside the floors: `settings` (option before environment before default), `shutdown` (signals) and
//! `error` (what code branches on, and the exit codes).

pub mod aws;
pub mod cli;
pub mod consumer;
pub mod core;
mod error;
pub mod flow;
mod metrics;
mod serve;
mod settings;
mod shutdown;
mod stack;
mod terminal;
pub mod tools;
pub mod view;
