//! The one integration binary: the pure heart against a reference model, and the program against a
//! real LocalStack that it starts itself.

mod aggregate;
mod architecture;
mod completions;
mod decoders;
mod faults;
mod features;
mod flow;
mod frames;
mod http;
mod localstack;
mod manual;
mod packaging;
mod readme;
mod schemas;

mod stack;
mod support;
mod tables;
mod timeline;
mod version;
