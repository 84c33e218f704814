"""Traces: one leads from a request to the call of a model, on any worker; none costs an import."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from apps.accounts.models import Team, User
from apps.agents.actions import create_connection
from apps.runs.actions import start_run
from apps.runs.models import Run
from orchestra import logs, tracing
from orchestra.tracing.otlp import OtelTracer, make_tracer
from tests.running import nodes_of, wait_for_end
from tests.runs import functions_for_tests as functions_for_tests  # registers them

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
FUNCTION = {"kind": "function", "settings": {"name": "test_ids", "arguments": {}}}
BODY = {"nodes": {"one": {"kind": "llm", "settings": {"prompt": "{{ item }}"}}}, "output": "{{ item }}"}
DEFINITION = {
    "orchestra": 1,
    "nodes": {
        "ask": {"kind": "llm", "settings": {"prompt": "Open, sesame."}},
        "work": {**FUNCTION, "needs": ["ask"]},
        "each": {"kind": "map", "needs": ["work"], "settings": {"items": list(range(20)), "body": BODY}},
    },
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[ReadableSpan]]:
    """Switch traces on; return what waits for so many spans of a name and returns them."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing.switch, "is_on", True)
    monkeypatch.setattr(tracing.switch, "tracer", OtelTracer(SimpleSpanProcessor(exporter)))

    def find(name: str, count: int = 1) -> list[ReadableSpan]:
        pause = threading.Event()
        for _ in range(1500):
            found = [span for span in exporter.get_finished_spans() if span.name == name]
            if len(found) >= count:
                return found
            pause.wait(0.02)
        raise AssertionError(f"{name}: {[span.name for span in exporter.get_finished_spans()]}")

    return find


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def test_one_trace_leads_from_the_request_to_the_call_of_the_model(
    worker: Any, told: Any, publish_workflow: Any, team: Team, editor: User, settings: Any
) -> None:
    quick = {"latency": 0, "tps": 0}
    create_connection(team=team, name="Sim", dialect="simulated", options=quick, is_default=True, by=editor)
    settings.MIDDLEWARE = ["orchestra.tracing.requests.request_spans", *settings.MIDDLEWARE]
    slug = publish_workflow(DEFINITION, name="Traced").slug
    client = Client()
    client.force_login(editor)
    path = f"/api/v1/workflows/{slug}/runs"

    answer = client.post(
        path, {"input": {}}, content_type="application/json", headers={"traceparent": TRACEPARENT}
    )

    run = wait_for_end(Run.objects.get(pk=answer.json()["id"]))
    (request,) = told("POST /api/v1/workflows/<slug:slug>/runs")
    (start,) = told("start run")
    segment = min(told("segment llm", 2), key=lambda span: span.start_time)
    node = min(told("node llm", 21), key=lambda span: span.start_time)
    call = min(told("chat simulated-1", 21), key=lambda span: span.start_time)
    assert parent_of(request) == 0xB7AD6B7169203331
    chain = [request, start, segment, node, call]
    assert [parent_of(span) for span in chain[1:]] == [span.context.span_id for span in chain[:-1]]
    every = [*chain, *told("segment cpu"), *told("node function"), *told("node map"), *told("node llm", 21)]
    assert {trace_of(span) for span in every} == {TRACE}
    assert run.trace.split("-")[1] == TRACE
    assert {span.attributes["orchestra.node"] for span in told("node llm", 21)} == {"ask", "each[].one"}
    assert "sesame" not in "".join(span.to_json() for span in every)


def test_an_attempt_that_fails_is_told_by_its_code_alone(
    worker: Any, told: Any, publish_workflow: Any, editor: User
) -> None:
    nodes = {"pay": {"kind": "tool", "settings": {"tool": "test_broken", "arguments": {}}}}
    workflow = publish_workflow({"orchestra": 1, "nodes": nodes})

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    (span,) = told("node tool")
    assert run.status == "failed"
    assert (span.status.is_ok, span.attributes["error.type"]) == (False, "tool_failed")
    assert (span.events, span.status.description) == ((), None)


def test_what_a_node_logs_names_run_node_attempt_and_trace(
    worker: Any, told: Any, publish_workflow: Any, editor: User
) -> None:
    workflow = publish_workflow({"orchestra": 1, "nodes": {"work": FUNCTION}})

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    expected = {"run": str(run.pk), "node": "work", "attempt": 1, "trace_id": run.trace.split("-")[1]}
    assert nodes_of(run)["work"].output == expected
    assert "trace_id" not in logs.add_trace(None, "", {})


def test_without_the_variable_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import django, sys; django.setup(); import orchestra.asgi, workers.tasks; from orchestra import tracing;"
        "tracing.span('x', {}).__enter__(); tracing.close();"
        "print([name for name, found in sys.modules.items() if found and name.startswith('opentelemetry.sdk')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A collector that keeps what it gets."""
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_spans_reach_a_collector_by_otlp_over_http(
    receiver: tuple[str, list[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, got = receiver
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    tracer = make_tracer()

    with tracer.span("segment llm", {tracing.RUN: "1"}, kind="consumer", within=TRACEPARENT):
        assert tracer.trace_id() == TRACE
    tracer.close()

    (path, body), *_more = got
    sent = ExportTraceServiceRequest.FromString(body).resource_spans[0]
    span = sent.scope_spans[0].spans[0]
    assert (path, span.name, span.trace_id.hex()) == ("/v1/traces", "segment llm", TRACE)
    said = {one.key: one.value.string_value for one in sent.resource.attributes}
    assert said["service.name"] == "orchestra"
