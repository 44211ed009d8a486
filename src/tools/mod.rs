//! Tools around the pattern: LocalStack on this machine, and the load test.

pub mod bench;
pub mod file;
pub mod localstack;
