//! `rydes serve`: its routes, its streams, its page, and what it does when too much is asked of it.

mod beyond;
mod doors;
mod events;
mod load;
mod page;
mod routes;
pub(crate) mod token;
mod trouble;
