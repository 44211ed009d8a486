//! The domain: ids, names, prices, times, messages and rows, each checked when it is parsed; and the state that
//! the rows of an RFQ add up to. Pure: no AWS, no clock but [`Timestamp::now`], no terminal.

pub mod aggregate;
mod best_by;
mod condition;
mod decimal;
mod details;
mod envelope;
pub mod fields;
pub mod filter;
mod gist;
pub mod history;
mod ids;
mod message;
mod names;
mod near;
mod pointer;
pub mod prefix;
mod price;
mod retention;
mod ride;
mod row;
mod sender;
pub mod text;
mod time;
pub mod timeline;
pub mod trace_ids;

pub use best_by::BestBy;
pub use condition::{Condition, Until};
pub use decimal::Decimal;
pub use details::Details;
pub use envelope::opened;
pub use gist::Gist;
pub use ids::{ProviderName, Responder, RfqId, StackName};
pub use message::{Answer, DetailedAnswer, Reply, Request};
pub use names::{
    CLOUDFORMATION_TAG, FILTERS_TAG, Names, PROVIDER_TAG, SENDER_TAG, SENDERS_TAG, STACK_TAG,
};
pub use near::{all_nearest, nearest};
pub use pointer::Pointer;
pub use price::Price;
pub use retention::{KEEP_DEAD_LETTERS_TAG, KEEP_TAG, Retention};
pub use ride::Ride;
pub use row::{AnswerRow, ExcludedProvider, RequestRow, Rows};
pub use sender::{SenderId, Senders, is_about_sender};
pub use time::{Timestamp, parse_age, parse_duration, show_duration};
