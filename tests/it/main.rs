//! The one integration binary: the pure core against a reference model, and the program against a
//! real LocalStack that it starts itself.
//!
//! Tests begin in the order of their names. Those of `cache` keep the processors busy while those of `aws`
//! and `faults` wait; the longest of all would hold up the end if they were the last.

mod aggregate;
mod architecture;
mod aws;
mod cache;
mod completions;
mod decoders;
mod faults;
mod features;
mod filters;
mod flow;
mod history;
mod http;
mod localstack;
mod manual;
mod metrics;
mod otlp;
mod packaging;
mod readme;
mod real;
mod schemas;

mod stack;
mod support;
mod tables;
mod timeline;
mod version;
