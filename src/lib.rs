//! Scatter-gather on SNS, SQS and DynamoDB.

pub mod aggregate;
pub mod aws;
pub mod cli;
pub mod error;
pub mod event;
pub mod localstack;
pub mod model;
pub mod output;
pub mod settings;
