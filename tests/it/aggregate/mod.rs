//! What stands, given rows, time and conditions: sections 3 to 5 of the contract.
//!
//! `sentences` reads as a specification; `properties` compares the real thing with `model`, which
//! says what the contract says in the plainest way; `messages` is about what goes over the wire.

mod messages;
mod model;
mod properties;
mod sentences;
pub mod sheet;
mod table;
