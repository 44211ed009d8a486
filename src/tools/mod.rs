//! Tools around the pattern: LocalStack on this machine, and the load test.

pub mod bench;
pub(crate) mod file;
pub(crate) mod localstack;
