//! The trace of an RFQ as collectors take it: one `ExportTraceServiceRequest` in OTLP/JSON, made of its rows alone. It
//! holds neither the customer's words nor details, and no time that is not recorded.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use serde_json::{Value, json};

use crate::core::aggregate::{CompletedBy, Gathering, State};
use crate::core::timeline::{Lane, Timeline, TimelineStep};
use crate::core::trace_ids::{SpanId, TraceId};
use crate::core::{Names, ProviderName, Timestamp};

/// The name of the resource and of what makes the spans.
const SERVICE: &str = "rydes";
const NANOS_PER_MILLI: i128 = 1_000_000;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// What a span is to a queue (OTLP's `SpanKind`).
#[derive(Debug, Clone, Copy)]
enum Kind {
    Internal = 1,
    Producer = 4,
    Consumer = 5,
}

/// The document of `--output otlp`. Without any time it has no span.
pub fn export(timeline: &Timeline, gathering: &Gathering, names: &Names) -> Value {
    let trace = Trace { timeline, gathering, names };
    let Some(spans) = trace.spans() else { return json!({"resourceSpans": []}) };
    let resource = vec![text("service.name", SERVICE), text("rydes.stack", names.stack().as_str())];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": {"name": SERVICE}, "spans": spans}],
    }]})
}

/// A line for each provider that has no span, with its state.
pub fn untraced(timeline: &Timeline) -> Vec<String> {
    let without = timeline.lanes.iter().filter(|lane| !Trace::is_traced(timeline, lane));
    let said = without.map(|lane| {
        let state = lane.provider.state.word();
        let times = if lane.has_row { ", no times" } else { "" };
        let reason = lane.provider.reason.as_ref().map(|reason| format!(": {reason}"));
        format!("{} {state}{times}{}", lane.provider.responder, reason.unwrap_or_default())
    });
    said.collect()
}

struct Trace<'a> {
    timeline: &'a Timeline,
    gathering: &'a Gathering,
    names: &'a Names,
}

impl Trace<'_> {
    /// The root, then the steps of each provider; `None` if no time is recorded.
    fn spans(&self) -> Option<Vec<Value>> {
        let steps = self.timeline.lanes.iter().flat_map(|lane| self.steps(lane));
        Some(std::iter::once(self.root()?).chain(steps).collect())
    }

    /// From the submission to the end, or to the last time that is recorded while it goes on.
    fn root(&self) -> Option<Value> {
        let Self { timeline, gathering, .. } = self;
        let ended =
            gathering.ended_at().zip(timeline.origin).map(|(end, from)| end.millis_since(from));
        let end = ended.unwrap_or_else(|| timeline.last());
        let mut span =
            self.span(SpanId::root(&gathering.request.id), "request for quotes", (0, end))?;
        span["kind"] = json!(Kind::Internal as u8);
        span["attributes"] = Value::Array(self.of_root());
        span["events"] = Value::Array(self.events_of_root(end));
        Some(span)
    }

    fn of_root(&self) -> Vec<Value> {
        let Self { timeline, gathering, .. } = self;
        let mut all = self.conversation();
        all.push(text("rydes.status", gathering.status.word()));
        let completed_by = gathering.completed_by.map(CompletedBy::word);
        all.extend(completed_by.map(|word| text("rydes.completed_by", word)));
        let time = |key: &str, at: Option<Timestamp>| Some(text(key, &at?.to_string()));
        all.extend(time("rydes.submitted_at", gathering.request.submitted_at));
        all.extend(time("rydes.deadline", gathering.request.deadline));
        all.extend(gathering.expected.map(|expected| number("rydes.expected", &expected)));
        all.push(number("rydes.answered", &gathering.answered));
        all.push(number("rydes.late", &gathering.late));
        if let Some(best) = &gathering.best {
            all.push(text("rydes.best.provider", best.responder.as_str()));
            all.push(text("rydes.best.quote", &best.price.to_string()));
        }
        let untraced = untraced(timeline);
        if !untraced.is_empty() {
            let values: Vec<_> = untraced.iter().map(|line| json!({"stringValue": line})).collect();
            let value = json!({"arrayValue": {"values": values}});
            all.push(json!({"key": "rydes.without_spans", "value": value}));
        }
        all
    }

    /// The closing, failures that better answers have replaced, and the deadline, unless the trace ends before it.
    fn events_of_root(&self, end: i64) -> Vec<Value> {
        let Timeline { deadline, closed, lanes, .. } = self.timeline;
        let last = end.max(self.timeline.last());
        let deadline = deadline.filter(|deadline| *deadline <= last);
        let plain = [("deadline", deadline), ("closed", *closed)];
        let plain = plain.into_iter().filter_map(|(name, at)| self.event(name, at?, &[]));
        let replaced = lanes.iter().filter_map(|lane| {
            let provider = text("rydes.provider", lane.provider.responder.as_str());
            self.event("replaced failure", lane.failed?, &[provider])
        });
        plain.chain(replaced).collect()
    }

    /// The steps of one provider whose times are recorded. The first of thinking, reply and gather says what the answer is.
    fn steps(&self, lane: &Lane) -> Vec<Value> {
        let steps = TimelineStep::ALL.into_iter();
        let mut spans: Vec<_> =
            steps.filter_map(|step| Some((step, self.step(lane, step)?))).collect();
        let answer = spans.iter_mut().find(|(step, _)| *step != TimelineStep::PickUp);
        if let Some((_, span)) = answer {
            self.add_answer(lane, span);
        }
        spans.into_iter().map(|(_, span)| span).collect()
    }

    /// Whether a provider has a span.
    fn is_traced(timeline: &Timeline, lane: &Lane) -> bool {
        let at = |at| nanos(timeline, at).is_some();
        let is_recorded = |(from, to)| at(from) && at(to);
        TimelineStep::ALL.into_iter().any(|step| lane.times_of(step).is_some_and(is_recorded))
    }

    fn step(&self, lane: &Lane, step: TimelineStep) -> Option<Value> {
        let (id, who) = (&self.gathering.request.id, &lane.provider.responder);
        let (from, to) = lane.times_of(step)?;
        // Where clocks disagree, the span has no length.
        let name = format!("{} {who}", step.span());
        let mut span =
            self.span(SpanId::of_step(id, who.as_str(), step), &name, (from, to.max(from)))?;
        let (kind, operation, queue) = self.messaging(lane, step);
        span["parentSpanId"] = json!(SpanId::root(id).to_string());
        span["kind"] = json!(kind as u8);
        let mut attributes = self.conversation();
        attributes.push(text("rydes.provider", who.as_str()));
        attributes.push(text("messaging.system", "aws_sqs"));
        attributes.extend(queue.map(|queue| text("messaging.destination.name", &queue)));
        attributes.extend(operation.iter().flat_map(|operation| {
            ["messaging.operation.name", "messaging.operation.type"].map(|key| text(key, operation))
        }));
        if to < from {
            attributes.push(number("rydes.clock_skew_ms", &(from - to)));
        }
        span["attributes"] = Value::Array(attributes);
        Some(span)
    }

    /// The kind of a step, its operation and its queue, as far as the queue's name is known.
    fn messaging(
        &self,
        lane: &Lane,
        step: TimelineStep,
    ) -> (Kind, Option<&'static str>, Option<String>) {
        let who = lane.provider.responder.as_str();
        let own = || match ProviderName::parse(who) {
            Ok(name) => Some(self.names.provider_queue(&name)),
            // A queue outside the stack answers under its own name.
            Err(_) => lane.provider.expected.filter(|is| *is).map(|_| who.to_owned()),
        };
        let responses = || Some(self.names.response_queue());
        match step {
            TimelineStep::PickUp => (Kind::Internal, None, own()),
            TimelineStep::Thinking => (Kind::Consumer, Some("process"), own()),
            TimelineStep::Sending => (Kind::Producer, Some("send"), responses()),
            TimelineStep::Gather => (Kind::Consumer, Some("process"), responses()),
        }
    }

    /// Adds the provider's answer to a span, with its attempts as events.
    fn add_answer(&self, lane: &Lane, span: &mut Value) {
        let provider = &lane.provider;
        let mut attributes = vec![text("rydes.state", provider.state.word())];
        attributes.extend(lane.price.as_ref().map(|price| text("rydes.quote", &price.to_string())));
        if lane.is_best {
            attributes.push(json!({"key": "rydes.best", "value": {"boolValue": true}}));
        }
        attributes.extend(provider.late_by().map(|late| number("rydes.late_ms", &late)));
        attributes.extend(provider.attempts.map(|attempts| number("rydes.attempts", &attempts)));
        let reason = provider.reason.as_deref().unwrap_or_default();
        if provider.state == State::Failed {
            span["status"] = json!({"code": ERROR, "message": reason});
        } else if !reason.is_empty() {
            attributes.push(text("rydes.reason", reason));
        }
        if let Some(all) = span["attributes"].as_array_mut() {
            all.extend(attributes);
        }
        let tries = lane.attempted.iter();
        let tries: Vec<_> = tries.filter_map(|at| self.event("attempt", *at, &[])).collect();
        span["events"] = Value::Array(tries);
    }

    /// The attribute that all spans of the trace share.
    fn conversation(&self) -> Vec<Value> {
        vec![text("messaging.message.conversation_id", self.gathering.request.id.as_str())]
    }

    /// A span between two times, in milliseconds since the origin; `None` if OTLP cannot express them.
    fn span(&self, id: SpanId, name: &str, (from, to): (i64, i64)) -> Option<Value> {
        Some(json!({
            "traceId": TraceId::of(&self.gathering.request.id).to_string(),
            "spanId": id.to_string(),
            "name": name,
            "startTimeUnixNano": nanos(self.timeline, from)?,
            "endTimeUnixNano": nanos(self.timeline, to.max(from))?,
        }))
    }

    fn event(&self, name: &str, at: i64, attributes: &[Value]) -> Option<Value> {
        let at = nanos(self.timeline, at)?;
        Some(json!({"name": name, "timeUnixNano": at, "attributes": attributes}))
    }
}

/// A time in nanoseconds since the epoch: from 1970 to 2554, which 64 bits can hold.
fn nanos(timeline: &Timeline, at: i64) -> Option<String> {
    let millis = i128::from(timeline.origin?.as_millis()) + i128::from(at);
    let nanos = u64::try_from(millis * NANOS_PER_MILLI).ok()?;
    (nanos > 0).then(|| nanos.to_string())
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Whole numbers are texts, as all 64-bit integers in protobuf's JSON.
fn number(key: &str, value: &impl ToString) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}
