//! Scatter-gather on SNS, SQS and DynamoDB.

pub mod aggregate;
pub mod aws;
pub mod cli;
pub mod error;
pub mod event;
pub mod gather;
pub mod localstack;
pub mod model;
pub mod output;
pub mod provider;
pub mod queue;
pub mod quotes;
pub mod scatter;
pub mod settings;
pub mod shutdown;
