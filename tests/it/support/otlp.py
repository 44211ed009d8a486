"""Reads an OTLP/JSON document with the official protobuf definitions, and prints its spans: `otlp.py < DOCUMENT`."""

import base64
import json
import re
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


def values(of):
    """Every value in a document, however deep."""
    yield of
    for inner in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from values(inner)


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def attributes(of):
    return " ".join(f"{one.key}={plain(one.value)!r}" for one in of.attributes)


document = json.load(sys.stdin, parse_constant=refuse)
assert all(value is not None for value in values(document)), "a null"
for span in [span for one in values(document) if isinstance(one, dict) for span in one.get("spans", [])]:
    # OTLP/JSON differs from protobuf's JSON in two things: ids are hex, not base64, and enums are integers alone.
    for key, length in IDS.items():
        if key in span:
            assert re.fullmatch(f"[0-9a-f]{{{length}}}", span[key]) and span[key].strip("0"), span
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    assert isinstance(span["kind"], int) and isinstance(span.get("status", {}).get("code", 0), int), span
    # Protobuf's JSON takes numbers too, which lose digits elsewhere.
    assert isinstance(span["startTimeUnixNano"], str) and isinstance(span["endTimeUnixNano"], str), span

request = json_format.ParseDict(document, ExportTraceServiceRequest())
for resource in request.resource_spans:
    print("resource", attributes(resource.resource))
    for scope in resource.scope_spans:
        print("scope", scope.scope.name)
        names, start = {}, scope.spans[0].start_time_unix_nano
        for span in scope.spans:
            assert span.span_id not in names, f"{span.name}: its id is another's"
            assert not span.parent_span_id or span.parent_span_id in names, f"{span.name}: no such parent"
            assert span.trace_id == scope.spans[0].trace_id, f"{span.name}: another trace"
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"{span.name}: it ends before it begins"
            names[span.span_id] = span.name
            ms = lambda at: f"{(at - start) / 1e6:g}"
            kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
            print(f"{span.name}: {kind} {ms(span.start_time_unix_nano)}..{ms(span.end_time_unix_nano)} {span.span_id.hex()}"
                  + (f" of {names[span.parent_span_id]}" if span.parent_span_id else f" of {span.trace_id.hex()}"))
            if span.status.code or span.status.message:
                print("    status", Status.StatusCode.Name(span.status.code), repr(span.status.message))
            print("   ", attributes(span))
            for event in span.events:
                print("    event", ms(event.time_unix_nano), event.name, attributes(event))
