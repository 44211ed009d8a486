//! What past gatherings add up to: a report on each provider, and advice on the deadline. Pure: it takes the rows of
//! one gathering at a time, and its memory does not grow with their number.

mod advice;
mod durations;
mod eligibility;
mod market;
mod report;
mod unsettled;

pub use self::advice::{Advice, Mark};
pub use self::durations::{Durations, Ratios};
pub use self::eligibility::{Eligibility, LeftOut, Period};
pub use self::market::{Market, Point};
pub use self::report::{Ends, ProviderRecord, Refusal, Report};
pub use self::unsettled::is_unsettled;

/// The most providers, and the most reasons, that are counted one by one. Hostile rows may name any number.
const MOST_COUNTED: usize = 1_000;
