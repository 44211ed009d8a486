//! The pattern: a draft is scattered, providers answer, the consumer gathers, the customer reads quotes.
//!
//! The loops report events and never print.

pub mod draft;
pub mod events;
pub mod gather;
pub mod provider;
pub mod quotes;
pub mod replay;
pub mod scatter;
pub mod verify;
pub mod workers;
