//! The state of an RFQ, for people and for programs.

mod document;
mod news;
mod sentences;
mod table;

pub(super) use document::best;
pub use document::{document, workshop};
pub use news::{News, news};
pub use sentences::{over, truth};
pub(super) use sentences::{seconds, seconds_of, standing};
pub use table::{Frame, table};
pub(super) use table::{receipt, rows};
