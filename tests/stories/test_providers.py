"""A team points a connection at a provider of its own, and sees on the node what the provider does to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.conftest import Client

TEXT = "The harbour opens at six. Fishing boats leave first, and the ferry follows at half past seven."


@pytest.fixture(scope="module")
def connection(client: Client, provider: str) -> str:
    body = {"name": "Our provider", "dialect": "openai", "base_url": provider, "default_model": "simulated-1"}
    options = {"breaker_failures": 0, "retries": 1}
    made = client.post("connections", {**body, "secret": "sk-test-1234567890", "options": options})
    return str(made["slug"])


def workflow(connection: str, prompt: str, **node: Any) -> dict[str, Any]:
    settings = {"connection": connection, "model": "simulated-1", "prompt": prompt}
    call = {"kind": "llm", "settings": settings, "retry": {"max": 2, "base": 0.05}, **node}
    return {"orchestra": 1, "nodes": {"ask": call}, "output": "{{ nodes.ask.output.text }}"}


def run_of(client: Client, name: str, definition: dict[str, Any]) -> tuple[Any, Any]:
    run = client.start(client.publish(name, definition))
    return client.wait_for_end(run), client.get(f"runs/{run}/nodes/ask")


def test_a_call_over_http_is_streamed_counted_and_kept(client: Client, connection: str) -> None:
    run, node = run_of(client, "Plain call", workflow(connection, f"Summarize:\n{TEXT}"))

    assert run["status"] == "succeeded"
    assert "harbour" in run["output"] or "ferry" in run["output"]
    assert run["usage"]["input_tokens"] > 10
    assert node["output"]["model"] == "simulated-1"


def test_a_provider_that_stumbles_is_tried_again(client: Client, connection: str) -> None:
    prompt = f"[[simulate fail=500,429]] Summarize:\n{TEXT}"

    run, node = run_of(client, "Stumbles", workflow(connection, prompt))

    assert run["status"] == "succeeded"
    assert [attempt["status"] for attempt in node["attempts"]] == ["failed", "failed", "succeeded"]


def test_a_cut_stream_is_never_taken_for_an_answer(client: Client, connection: str) -> None:
    prompt = f"[[simulate fail=cut:1,cut:1,cut:1]] Summarize:\n{TEXT}"

    run, node = run_of(client, "Cut", workflow(connection, prompt))

    assert run["status"] == "failed"
    assert (node["status"], node["attempt"], node["output"]) == ("failed", 3, None)
    assert node["error"]["code"] == "model_unavailable"
    assert node["error"]["hint"]


def test_nonsense_fails_as_the_definition_says(client: Client, connection: str) -> None:
    definition = workflow(connection, f"[[simulate fail=html,html,html]] {TEXT}", on_error="continue")

    run, node = run_of(client, "Nonsense", definition)

    assert run["status"] == "succeeded"
    assert node["error"]["code"] == "model_unavailable"


def test_a_provider_that_is_away_says_so_on_the_node(client: Client, provider: str) -> None:
    body = {
        "name": "Nobody there",
        "dialect": "openai",
        "base_url": "http://127.0.0.1:9/v1",
        "default_model": "x",
    }
    slug = client.post("connections", body)["slug"]

    run, node = run_of(client, "Away", workflow(str(slug), TEXT, retry={"max": 0}))

    assert run["status"] == "failed"
    assert node["error"]["code"] == "model_unavailable"
    assert node["error"]["hint"]


def test_a_structured_answer_fits_its_schema(client: Client, connection: str) -> None:
    schema = {
        "type": "object",
        "required": ["score", "title"],
        "properties": {"score": {"type": "number", "minimum": 0, "maximum": 10}, "title": {"type": "string"}},
    }
    definition = workflow(connection, f"Score 0-10:\n{TEXT}")
    definition["nodes"]["ask"]["settings"]["schema"] = schema
    definition["output"] = "{{ nodes.ask.output.data }}"

    run, _node = run_of(client, "Structured", definition)

    assert run["status"] == "succeeded"
    assert 0 <= run["output"]["score"] <= 10
    assert isinstance(run["output"]["title"], str)
