"""Traces: spans of requests, runs, segments, attempts and model calls, carried from process to process.

Switched on by OTEL_EXPORTER_OTLP_ENDPOINT alone; until a first span is made, and without it for ever, nothing of
OpenTelemetry is imported. Attributes are ids, names out of definitions and numbers: never prompts, inputs, results.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from orchestra import env

Value = str | int | float
Attributes = Mapping[str, Value]

TRACEPARENT = "traceparent"
"""Name of the header, in HTTP and in messages (https://www.w3.org/TR/trace-context/)."""

RUN, WORKFLOW, NODE = "orchestra.run.id", "orchestra.workflow", "orchestra.node"
INDEX = re.compile(r"\[\d+\]")


class Span(Protocol):
    """What is noted of a piece of work while it goes on."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes."""

    def name(self, name: str) -> None:
        """Call it otherwise than when it began."""

    def fail(self, code: str) -> None:
        """Mark it as failed, with a code of `orchestra.errors` or the name of an exception."""

    def end(self) -> None:
        """Note that it is over."""


class Tracer(Protocol):
    """What makes spans once traces are switched on."""

    def span(
        self, name: str, attributes: Attributes, *, kind: str, within: str
    ) -> AbstractContextManager[Span]: ...

    def begin(self, name: str, attributes: Attributes, *, kind: str) -> Span: ...

    def carrier(self) -> str: ...

    def trace_id(self) -> str: ...

    def close(self) -> None: ...


class _Nothing:
    """A span where there are no traces."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    def note(self, attributes: Attributes) -> None:
        """Note nothing."""

    def name(self, name: str) -> None:
        """Note nothing."""

    def fail(self, code: str) -> None:
        """Note nothing."""

    def end(self) -> None:
        """End nothing."""


class _Switch:
    is_on: bool = bool(env.text("OTEL_EXPORTER_OTLP_ENDPOINT"))
    tracer: Tracer | None = None


NOTHING = _Nothing()
switch = _Switch()
if not switch.is_on:
    # redis-py imports it wherever it is installed: 2 MB for each process that has no use for it.
    sys.modules.setdefault("opentelemetry.sdk.metrics", None)  # type: ignore[arg-type]  # None: not to be imported


def span(
    name: str, attributes: Attributes, *, kind: str = "internal", within: str = ""
) -> AbstractContextManager[Span]:
    """Return a context in which a span goes on: inside the current one, or `within` a traceparent.

    `kind` is `internal`, `server`, `client` or `consumer`. Only the type of an exception that passes is noted.
    """
    return _tracer().span(name, attributes, kind=kind, within=within) if switch.is_on else NOTHING


def begin(name: str, attributes: Attributes, *, kind: str = "internal") -> Span:
    """Begin a span inside the current one without becoming it; whoever began it ends it."""
    return _tracer().begin(name, attributes, kind=kind) if switch.is_on else NOTHING


def carrier() -> str:
    """Return the traceparent of the current span; "" when there is none."""
    return _tracer().carrier() if switch.is_on else ""


def trace_id() -> str:
    """Return the id of the current trace in hexadecimal; "" when there is none. Imports nothing."""
    return switch.tracer.trace_id() if switch.tracer is not None else ""


def headers_of(traceparent: str) -> dict[str, str]:
    """Return the headers that carry a trace in a message; none for no trace."""
    return {TRACEPARENT: traceparent} if traceparent else {}


def without_indexes(path: str) -> str:
    """Return a node's path as its definition knows it: `each[17].one` is `each[].one`, however many items there are."""
    return INDEX.sub("[]", path)


def close() -> None:
    """Send what is left of this process's spans."""
    if switch.tracer is not None:
        switch.tracer.close()


def _tracer() -> Tracer:
    if switch.tracer is None:
        from orchestra.tracing.otlp import (
            make_tracer,  # here: it costs 15 MB, and most installations have no traces
        )

        switch.tracer = make_tracer()
    return switch.tracer
