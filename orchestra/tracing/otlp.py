"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP; only imported where traces are switched on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orchestra.tracing import TRACEPARENT, Attributes

KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
FLUSH_MILLISECONDS = 3_000
_W3C = TraceContextTextMapPropagator()


class OtelSpan:
    """Implements `orchestra.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self._span.end()


class OtelTracer:
    """Implements `orchestra.tracing.Tracer` over a provider of this process."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=_resource())
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("orchestra")

    @contextmanager
    def span(self, name: str, attributes: Attributes, *, kind: str, within: str) -> Iterator[OtelSpan]:
        with self._tracer.start_as_current_span(
            name,
            context=_context(within),
            kind=KINDS[kind],
            attributes=dict(attributes),
            record_exception=False,  # its message and stack may hold what users wrote
            set_status_on_exception=False,
        ) as raw:
            span = OtelSpan(raw)
            try:
                yield span
            except Exception as error:
                span.fail(type(error).__name__)
                raise

    def begin(self, name: str, attributes: Attributes, *, kind: str) -> OtelSpan:
        return OtelSpan(self._tracer.start_span(name, kind=KINDS[kind], attributes=dict(attributes)))

    def carrier(self) -> str:
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        return headers.get(TRACEPARENT, "")

    def trace_id(self) -> str:
        found = trace.get_current_span().get_span_context()
        return trace.format_trace_id(found.trace_id) if found.is_valid else ""

    def close(self) -> None:
        self._provider.force_flush(FLUSH_MILLISECONDS)


def make_tracer() -> OtelTracer:
    """Return a tracer whose spans go in batches to the address that the environment names."""
    return OtelTracer(BatchSpanProcessor(OTLPSpanExporter()))


def _context(traceparent: str) -> Context | None:
    """Return the context that a traceparent names, on its own; None (the current one) for none."""
    return _W3C.extract({TRACEPARENT: traceparent}, Context()) if traceparent else None


def _resource() -> Resource:
    """Return what is said of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more."""
    own = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "orchestra"}
    return Resource.create({**own, "orchestra.role": os.environ.get("ORCHESTRA_ROLE", "all")})
