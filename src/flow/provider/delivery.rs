//! How answers go out. All but the simulated providers with a fault send theirs once, intact.

use crate::core::{Price, RfqId};

/// The receipt for a request that is received after its deadline.
pub(super) const RECEIVED_LATE: &str = "received after its deadline";

/// How an answer goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyDelivery {
    /// Once, intact.
    Sound,
    /// As a body that is not JSON.
    Poison,
    /// Twice; a second quote has this price.
    Twice(Price),
    /// To this id, which belongs to no RFQ.
    Astray(RfqId),
    /// The worker crashes at this moment, on the first delivery of the request.
    Crash(CrashMoment),
}

/// When a worker crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashMoment {
    /// Before its answer is sent.
    BeforeSend,
    /// After its answer was confirmed, before the request is deleted.
    AfterSend,
}
