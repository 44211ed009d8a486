//! The nouns of the trade: ids, names, prices, times, messages and rows, each valid once it exists.
//!
//! Knows nothing of AWS, clocks or terminals.

mod condition;
mod envelope;
pub mod fields;
mod ids;
mod message;
mod price;
mod row;
pub mod text;
mod time;

pub use condition::{Condition, Until};
pub use envelope::opened;
pub use ids::{ProviderName, Responder, RfqId, StackName};
pub use message::{Answer, Reply, Request};
pub use price::Price;
pub use row::{AnswerRow, RequestRow, Rows};
pub use time::{Timestamp, parse_duration, show_duration};
