"""What each kind of node does with the world."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.attempt import attempt
from orchestra.engine.nodes import KINDS, kind
from orchestra.engine.outcome import Done, Expand, Failed, ItemResult, Outcome, Usage
from orchestra.engine.plan import ERROR, OUT
from orchestra.engine.schemas import find_schema_problems
from tests.engine.contexts import Answer, FakeContext, Http, Model, context


async def done(given: FakeContext) -> Done:
    outcome = await attempt(given)
    assert isinstance(outcome, Done), outcome
    return outcome


async def code(given: FakeContext) -> str:
    outcome = await attempt(given)
    assert isinstance(outcome, Failed), outcome
    return str(outcome.error["code"])


# Registry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_shown_and_drawn_as_a_form(name: str) -> None:
    found = KINDS[name]

    assert found.title
    assert found.description
    assert find_schema_problems(found.schema, "schema") == []
    for field in found.schema.get("properties", {}).values():
        assert field.get("title"), field


def test_available_kinds_run_and_the_others_say_so() -> None:
    available = {name for name, found in KINDS.items() if found.is_available}

    assert available >= {
        "llm",
        "agent",
        "tool",
        "transform",
        "branch",
        "map",
        "function",
        "http",
        "note",
        "wait",
        "workflow",
        "loop",
        "approval",
    }
    assert kind("item").name == "item"
    assert "item" not in KINDS


# llm ------------------------------------------------------------------------------------------


async def test_llm_streams_and_counts() -> None:
    given = context(
        "llm", {"prompt": "Hi {{ inputs.name }}", "system": "Be kind."}, {"inputs": {"name": "Ada"}}
    )

    outcome = await done(given)

    assert given.emitted == ["Hello"]
    assert outcome.output == {
        "text": "Hello",
        "data": None,
        "usage": {"input_tokens": 10, "output_tokens": 5, "cost": pytest.approx(20e-6)},
        "model": "m1",
        "finish_reason": "stop",
    }
    assert outcome.usage == Usage(10, 5, pytest.approx(20e-6), "m1")
    (request,) = given.model.requests
    assert [(turn.role, turn.content) for turn in request.messages] == [
        ("system", "You are brief.\n\nBe kind."),
        ("user", "Hi Ada"),
    ]
    assert (request.idempotency_key, request.attempt) == ("run/n", 1)


async def test_llm_asks_for_json_until_it_fits() -> None:
    schema = {"type": "object", "required": ["score"], "properties": {"score": {"type": "number"}}}
    given = context("llm", {"prompt": "Score", "schema": schema}, model=Model(["nonsense", '{"score": 7}']))

    outcome = await done(given)

    assert outcome.output["data"] == {"score": 7}
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == 10


async def test_llm_takes_a_whole_conversation_and_images() -> None:
    settings = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "prompt": "Look",
        "images": ["https://example.org/a.png"],
        "temperature": 0.5,
        "max_tokens": 100,
        "agent": "writer",
    }
    given = context("llm", settings)

    await done(given)

    (request,) = given.model.requests
    assert [turn.role for turn in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[-1].images == ("https://example.org/a.png",)
    assert (request.temperature, request.max_tokens) == (0.5, 100)
    assert given.asked[0]["agent"] == "writer"


async def test_a_schema_is_sent_as_it_is_written() -> None:
    schema = {"type": "object", "description": "{{ left alone }}"}
    given = context("llm", {"prompt": "x", "schema": schema}, model=Model(["{}"]))

    await done(given)

    assert given.model.requests[0].schema == schema


# branch ---------------------------------------------------------------------------------------

CASES = [{"name": "big", "when": "inputs.n > 10"}, {"name": "even", "when": "inputs.n is even"}]


@pytest.mark.parametrize(
    ("settings", "number", "ports"),
    [
        ({"cases": CASES}, 12, ("big",)),
        ({"cases": CASES}, 4, ("even",)),
        ({"cases": CASES}, 3, ("else",)),
        ({"cases": CASES, "else": "odd"}, 3, ("odd",)),
        ({"cases": CASES, "mode": "many"}, 12, ("big", "even")),
        ({"cases": CASES, "mode": "many"}, 3, ("else",)),
    ],
)
async def test_branch_takes_ports(settings: dict[str, Any], number: int, ports: tuple[str, ...]) -> None:
    outcome = await attempt(context("branch", settings, {"inputs": {"n": number}}))

    assert outcome == Done({"taken": list(ports)}, ports=(OUT, *ports))
    assert set(ports) <= set(KINDS["branch"].all_ports(settings))


def test_every_node_has_the_ports_out_and_error() -> None:
    assert KINDS["llm"].all_ports({}) == (OUT, ERROR)
    assert KINDS["branch"].all_ports({"cases": CASES}) == (OUT, "big", "even", "else", ERROR)


async def test_a_case_that_cannot_be_evaluated_fails_the_branch() -> None:
    assert await code(context("branch", {"cases": [{"name": "a", "when": "1 / 0"}]})) == "expression_error"


# map and item ---------------------------------------------------------------------------------


def gather(on_item_error: str, *results: ItemResult) -> FakeContext:
    settings = {"items": "{{ never.evaluated( }}", "on_item_error": on_item_error}
    return context("map", settings, items=results, when="never(")


GOOD, BAD = ItemResult(0, "zero"), ItemResult(1, error={"code": "bad_output", "message": "Nonsense."})
LAST = ItemResult(2, "two")


async def test_map_opens_a_scope_for_each_item() -> None:
    outcome = await attempt(
        context("map", {"items": "{{ inputs.list }}", "concurrency": 3}, {"inputs": {"list": [1, "a"]}})
    )

    assert outcome == Expand((1, "a"), 3)


async def test_an_empty_list_is_done_at_once() -> None:
    assert await attempt(context("map", {"items": []})) == Done({"items": [], "errors": []})


@pytest.mark.parametrize("items", ["text", 3, None, {"a": 1}, list(range(10_001))])
async def test_map_goes_over_lists_of_bounded_length_only(items: Any) -> None:
    assert await code(context("map", {"items": items})) == "bad_items"


@pytest.mark.parametrize(
    ("on_item_error", "items"),
    [("skip", ["zero", "two"]), ("collect", ["zero", None, "two"])],
)
async def test_map_collects_in_input_order(on_item_error: str, items: list[Any]) -> None:
    outcome = await done(gather(on_item_error, LAST, BAD, GOOD))

    assert outcome.output == {"items": items, "errors": [{"index": 1, "error": BAD.error}]}


async def test_map_fails_with_its_first_failed_item() -> None:
    outcome = await attempt(gather("fail", GOOD, LAST, BAD))

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "item_failed"
    assert outcome.error["message"] == "Item 1 failed: Nonsense."
    assert await attempt(gather("fail", GOOD, LAST)) == Done({"items": ["zero", "two"], "errors": []})


async def test_items_not_started_are_not_counted_as_failed() -> None:
    not_run = ItemResult(2, error={"code": "not_run", "message": "Not started."})
    also_bad = ItemResult(0, error={"code": "x", "message": "Also."})

    one = await attempt(gather("fail", BAD, not_run))
    two = await attempt(gather("fail", also_bad, BAD, not_run))

    assert isinstance(one, Failed)
    assert isinstance(two, Failed)
    assert one.error["message"] == "Item 1 failed: Nonsense."
    assert two.error["message"] == "Item 0 failed: Also. (2 items failed in all)"


async def test_an_item_is_the_value_of_its_body() -> None:
    scope = {"nodes": {"a": {"output": {"text": "Hi"}}}, "item": 3}
    settings = {"value": {"said": "{{ nodes.a.output.text }}", "to": "{{ item }}"}}

    assert await attempt(context("item", settings, scope)) == Done({"said": "Hi", "to": 3})


async def test_an_item_ends_in_the_first_failure_of_its_body() -> None:
    errors = ({"code": "first", "message": "One."}, {"code": "second", "message": "Two."})

    outcome = await attempt(context("item", {"value": "{{ 1 / 0 }}"}, failures=errors))

    assert outcome == Failed(errors[0])


# function and http ----------------------------------------------------------------------------


async def test_function_calls_by_name() -> None:
    def add(name: str, arguments: Any) -> Any:
        assert name == "add"
        return arguments["a"] + arguments["b"]

    given = context(
        "function",
        {"name": "add", "arguments": {"a": "{{ inputs.n }}", "b": 2}},
        {"inputs": {"n": 3}},
        function=add,
    )

    assert await attempt(given) == Done(5)


def http(answer: Answer, **settings: Any) -> FakeContext:
    return context(
        "http",
        {"url": "https://example.org/{{ inputs.n }}", **settings},
        {"inputs": {"n": 3}},
        http=Http(answer),
    )


async def test_http_sends_what_it_is_told_and_a_stable_key() -> None:
    given = http(
        Answer(201, {"X-Id": "7"}, {"ok": True}),
        method="POST",
        headers={"X-N": "{{ inputs.n }}"},
        body={"n": "{{ inputs.n }}"},
        query={"q": 1},
    )

    outcome = await done(given)

    assert outcome.output == {"status": 201, "headers": {"X-Id": "7"}, "body": {"ok": True}}
    assert given.http.requests == [
        {
            "method": "POST",
            "url": "https://example.org/3",
            "headers": {"X-N": "3", "Idempotency-Key": "run/n", "X-Attempt": "1"},
            "query": {"q": 1},
            "body": {"n": 3},
            "timeout": None,
        }
    ]


@pytest.mark.parametrize(
    ("status", "expect", "result"),
    [
        (200, None, "ok"),
        (299, None, "ok"),
        (304, None, "tool_failed"),
        (404, None, "tool_failed"),
        (404, [404], "ok"),
        (404, ["2xx", "400-404"], "ok"),
        (405, ["2xx", "400-404"], "tool_failed"),
        (200, [201], "tool_failed"),
        (500, None, "tool_unavailable"),
        (503, ["5xx"], "ok"),
        (429, None, "tool_unavailable"),
        (408, None, "tool_unavailable"),
    ],
)
async def test_http_statuses(status: int, expect: Any, result: str) -> None:
    given = http(Answer(status, body="Sorry"), **({} if expect is None else {"expect": expect}))

    outcome: Outcome = await attempt(given)

    assert ("ok" if isinstance(outcome, Done) else outcome.error["code"]) == result  # type: ignore[union-attr]  # not Done, so Failed


@pytest.mark.parametrize(("header", "delay"), [("7", 8.0), ("soon", 1.0), ("99999999", 3601.0)])
async def test_http_keeps_the_pause_that_a_service_asks_for(header: str, delay: float) -> None:
    outcome = await attempt(http(Answer(429, {"retry-after": header})))

    assert isinstance(outcome, Failed)
    assert outcome.retry_after == delay


async def test_the_answer_of_a_failed_request_is_quoted_shortly() -> None:
    outcome = await attempt(http(Answer(400, body={"error": "x" * 5_000})))

    assert isinstance(outcome, Failed)
    assert 100 < len(outcome.error["message"]) < 300
