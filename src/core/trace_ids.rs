//! The ids of an RFQ's trace and spans. They follow from its rows alone, so that every exporter, and every provider
//! that is asked, names the same trace and the same spans.

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::RfqId;
use super::timeline::TimelineStep;

/// The length of a UUID with its hyphens. Other spellings of a UUID are ids like any others.
const HYPHENATED: usize = 36;
/// The name of the root span among the steps. No provider has an empty name.
const ROOT: (&str, &str) = ("", "rfq");

/// The 16 bytes of a trace id, never all zero. Written as lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The 8 bytes of a span id, never all zero. Written as lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The bytes of an id that is a UUID, else the first 16 bytes of its SHA-256.
    pub fn of(id: &RfqId) -> Self {
        let text = Some(id.as_str()).filter(|text| text.len() == HYPHENATED);
        let uuid = text.and_then(|text| Uuid::try_parse(text).ok());
        Self(
            uuid.filter(|uuid| !uuid.is_nil()).map_or_else(
                || not_zero(first(&Sha256::digest(id.as_str()))),
                |uuid| *uuid.as_bytes(),
            ),
        )
    }
}

impl SpanId {
    /// The span of the whole RFQ.
    pub fn root(id: &RfqId) -> Self {
        Self::hashed(id, ROOT)
    }

    /// The span of one step of the provider that answers under this name.
    pub fn of_step(id: &RfqId, responder: &str, step: TimelineStep) -> Self {
        Self::hashed(id, (responder, step.span()))
    }

    /// The first 8 bytes of the SHA-256 over RFQ, provider and step. The length of each goes before it (8 bytes, big
    /// endian), so that no two triples have the same encoding.
    fn hashed(id: &RfqId, (responder, step): (&str, &str)) -> Self {
        let mut hash = Sha256::new();
        for part in [id.as_str(), responder, step] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(not_zero(first(&hash.finalize())))
    }
}

/// The `traceparent` of W3C Trace Context for the provider that answers under this name: its parent is the span of
/// its thinking. <https://www.w3.org/TR/trace-context/#traceparent-header>
pub fn traceparent(id: &RfqId, responder: &str) -> String {
    let span = SpanId::of_step(id, responder, TimelineStep::Thinking);
    format!("00-{}-{span}-01", TraceId::of(id))
}

fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    std::array::from_fn(|at| digest[at])
}

/// An id of zeros alone is invalid; no id is lost, since a hash is as likely to be this one.
fn not_zero<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes.iter().all(|byte| *byte == 0) {
        bytes[N - 1] = 1;
    }
    bytes
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(text: &str) -> RfqId {
        RfqId::parse(text).expect("valid")
    }

    fn trace(text: &str) -> String {
        TraceId::of(&id(text)).to_string()
    }

    #[test]
    fn a_uuid_is_its_own_trace_id_and_another_id_is_hashed() {
        let uuid = "78c371f6-87c4-4e6e-8c7d-33403c7b7049";
        assert_eq!(trace(uuid), "78c371f687c44e6e8c7d33403c7b7049");
        assert_eq!(trace(&uuid.to_uppercase()), "78c371f687c44e6e8c7d33403c7b7049");
        // `printf of-old | sha256sum`
        assert_eq!(trace("of-old"), "f3918b6db4b0ab612c14b84722fff0da");
        let zero = "00000000-0000-0000-0000-000000000000";
        for other in ["78c371f687c44e6e8c7d33403c7b7049", "78c371f6", zero, "ü", "\0"] {
            let trace = trace(other);
            assert!(trace.len() == 32 && trace != "78c371f687c44e6e8c7d33403c7b7049", "{other}");
            assert!(trace.bytes().any(|byte| byte != b'0'), "{other}");
        }
    }

    #[test]
    fn no_two_steps_share_a_span() {
        let mut seen = HashSet::new();
        // Without the lengths, some of these would have the same bytes.
        for (rfq, who) in
            [("a", "bthink"), ("ab", "think"), ("abt", "hink"), ("a", "b"), ("ab", "x")]
        {
            assert!(seen.insert(SpanId::of_step(&id(rfq), who, TimelineStep::Gather)));
            for step in [TimelineStep::PickUp, TimelineStep::Thinking, TimelineStep::Sending] {
                assert!(seen.insert(SpanId::of_step(&id(rfq), who, step)), "{rfq} {who}");
            }
        }
        assert!(seen.insert(SpanId::root(&id("a"))) && seen.insert(SpanId::root(&id("ab"))));
    }

    #[test]
    fn an_id_is_never_zero() {
        assert_eq!(not_zero([0; 8]), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(not_zero([0, 3]), [0, 3]);
    }

    #[test]
    fn the_ids_of_a_trace_stay_what_they_are() {
        // Traces that were exported before must match: these values may never change.
        let uuid = id("78c371f6-87c4-4e6e-8c7d-33403c7b7049");
        assert_eq!(SpanId::root(&uuid).to_string(), "aefdc3323093a773");
        assert_eq!(
            traceparent(&uuid, "acme"),
            "00-78c371f687c44e6e8c7d33403c7b7049-da85dcea3d12de0e-01"
        );
    }
}
