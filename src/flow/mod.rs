//! The pattern: a draft is scattered, providers answer, the consumer gathers, the customer reads quotes.
//!
//! The loops report events and never print.

pub(crate) mod close;
pub mod draft;
pub mod events;
pub(crate) mod gather;
pub mod history;
pub(crate) mod letters;
pub mod provider;
pub(crate) mod purge;
pub(crate) mod quotes;
pub(crate) mod replay;
mod rules;
pub(crate) mod scatter;
pub(crate) mod verify;
pub(crate) mod workers;
