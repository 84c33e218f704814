"""The kinds `agent` and `tool`: the loop over model and tools, what stands of it, and what ends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.engine.attempt import attempt
from orchestra.engine.compiler import find_problems
from orchestra.engine.limits import TOOL_BYTES
from orchestra.engine.outcome import Done, Failed, Suspend
from orchestra.errors import ModelUnavailable, ToolFailed
from orchestra.llm.client import ToolCall
from orchestra.tools import functions
from tests.engine.contexts import FakeContext, Model, context

functions.load(["orchestra.tools.builtin"])


def calls(*named: tuple[str, Any]) -> list[ToolCall]:
    return [
        ToolCall(f"c{number}", name, given if isinstance(given, str) else json.dumps(given))
        for number, (name, given) in enumerate(named)
    ]


def working(*turns: list[ToolCall], texts: list[str] | None = None, **more: Any) -> FakeContext:
    """Return the context of an agent whose model asks for these calls, turn by turn, and then answers."""
    settings = {
        "task": "Count",
        "agent": "writer",
        "tools": ["count_words", "fibo"],
        **more.pop("settings", {}),
    }
    model = Model(texts or ["Done"], calls=turns)
    return context("agent", settings, model=model, function=functions.call, **more)


async def test_the_agent_calls_tools_until_the_model_answers() -> None:
    given = working(
        calls(("count_words", {"text": "a b c"})), calls(("fibo", {"n": 7})), texts=["One", "Two", "All 3."]
    )

    outcome = await attempt(given)

    assert isinstance(outcome, Done)
    assert outcome.output["text"] == "All 3."
    assert outcome.output["agent"] == "writer"
    steps = outcome.output["steps"]
    assert [(step["step"], step["type"]) for step in steps] == [
        (1, "model"), (1, "tool"), (2, "model"), (2, "tool"), (3, "model"),
    ]  # fmt: skip
    assert (steps[1]["tool"], steps[1]["arguments"], steps[1]["result"]) == (
        "count_words",
        '{"text": "a b c"}',
        "3",
    )
    assert steps[3]["result"] == "13"
    assert [step["output_tokens"] for step in steps if step["type"] == "model"] == [5, 5, 5]
    assert all(step["seconds"] >= 0 for step in steps)
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == 30
    assert outcome.output["usage"]["cost"] == pytest.approx(3 * (10 + 2 * 5) / 1e6)


async def test_the_model_is_told_its_tools_and_what_they_returned() -> None:
    given = working(calls(("count_words", {"text": "a b"}), ("fibo", {"n": 3})))

    await attempt(given)

    first, second = given.model.requests
    assert [spec.name for spec in first.tools] == ["count_words", "fibo"]
    assert first.tools[0].schema["required"] == ["text"]
    assert [(turn.role, turn.call_id, turn.content) for turn in second.messages[-2:]] == [
        ("tool", "c0", "2"),
        ("tool", "c1", "2"),
    ]
    assert [call.name for call in second.messages[-3].tool_calls] == ["count_words", "fibo"]
    assert first.idempotency_key != second.idempotency_key


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("fibo", {"n": -1}), "n must be between"),
        (("fibo", {"m": 1}), "do not fit"),
        (("fibo", "{broken"), "not JSON"),
        (("fibo", "[1]"), "not a JSON object"),
        (("rm", {}), "no tool 'rm'"),
        (("split_text", {"text": "x"}), "no tool 'split_text'"),
    ],
)
async def test_a_failing_call_is_told_to_the_model_and_not_to_the_run(
    call: tuple[str, Any], told: str
) -> None:
    given = working(calls(call))

    outcome = await attempt(given)

    assert isinstance(outcome, Done), outcome
    assert told in given.model.requests[1].messages[-1].content
    assert told in outcome.output["steps"][1]["error"]
    assert outcome.output["steps"][1]["result"] is None


async def test_too_many_steps_end_it_and_the_error_says_what_was_done() -> None:
    turns = [calls(("fibo", {"n": number})) for number in range(5)]

    outcome = await attempt(working(*turns, settings={"max_steps": 2}))

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "step_limit"
    assert [step["type"] for step in outcome.error["steps"]] == ["model", "tool"] * 2
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == 10
    assert outcome.retry_after is None


@pytest.mark.parametrize("limits", [{"settings": {"max_cost": 0.00003}}, {"budget": 0.00003}])
async def test_it_stops_before_the_call_that_no_longer_has_money(limits: Mapping[str, Any]) -> None:
    given = working(*[calls(("fibo", {"n": 1}))] * 5, **limits)

    outcome = await attempt(given)

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "cost_limit"
    assert len(given.model.requests) == 2


async def test_the_timeout_ends_it_for_good_and_counts_what_was_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = working(calls(("fibo", {"n": 1})), timeout=0.05)

    async def slow(name: str, arguments: Any, **_more: Any) -> Any:
        await asyncio.sleep(5)

    monkeypatch.setattr(given, "call", slow)
    outcome = await attempt(given)

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "time_limit"
    assert outcome.retry_after is None
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == 5


async def test_a_provider_that_is_away_is_tried_again_by_the_retry_policy() -> None:
    given = working()
    given.model.error = ModelUnavailable("away")

    outcome = await attempt(given)

    assert isinstance(outcome, Failed)
    assert outcome.retry_after == 1


async def test_the_answer_fits_the_schema_and_turns_with_calls_need_not() -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    given = working(
        calls(("fibo", {"n": 7})), texts=["not json", "not json", '{"n": 13}'], settings={"schema": schema}
    )

    outcome = await attempt(given)

    assert isinstance(outcome, Done)
    assert outcome.output["data"] == {"n": 13}
    assert len(given.model.requests) == 3


async def test_steps_stay_small_however_much_is_said() -> None:
    turns = [calls(*[("count_words", {"text": "word" * 1_000})] * 16)] * 40

    outcome = await attempt(working(*turns, settings={"max_steps": 50}))

    assert isinstance(outcome, Done)
    assert len(json.dumps(outcome.output)) < 1_000_000


async def test_a_name_with_a_dot_goes_to_providers_without_one() -> None:
    functions.function("text.upper")(lambda text: str(text).upper())
    given = working(calls(("text-upper", {"text": "a"})), settings={"tools": ["text.upper"]})

    outcome = await attempt(given)

    assert isinstance(outcome, Done)
    assert given.model.requests[0].tools[0].name == "text-upper"
    assert (outcome.output["steps"][1]["tool"], outcome.output["steps"][1]["result"]) == ("text.upper", "A")


async def test_a_tool_node_gives_the_result_of_its_tool() -> None:
    given = context(
        "tool",
        {"tool": "count_words", "arguments": {"text": "{{ inputs.text }}"}},
        {"inputs": {"text": "a b"}},
        function=functions.call,
    )

    assert await attempt(given) == Done(2)


@pytest.mark.parametrize(
    ("result", "code"),
    [("x" * TOOL_BYTES, "tool_result_too_large"), (object(), "bad_output"), (float("nan"), "bad_output")],
)
async def test_a_tool_returns_bounded_json(result: Any, code: str) -> None:
    outcome = await attempt(context("tool", {"tool": "any"}, function=lambda _n, _a: result))

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == code


async def test_a_tool_that_fails_fails_its_node() -> None:
    def fail(_name: str, _arguments: Any) -> Any:
        raise ToolFailed("No.")

    outcome = await attempt(context("tool", {"tool": "any"}, function=fail))

    assert isinstance(outcome, Failed)
    assert outcome.error["message"] == "No."


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"kind": "tool", "settings": {"tool": "count_word"}}, ("settings.tool", "unknown_tool")),
        ({"kind": "tool", "settings": {"tool": "files.read"}}, ("settings.tool", "unknown_tool")),
        ({"kind": "tool", "settings": {"tool": "fibo"}}, ("settings.arguments.n", "bad_arguments")),
        (
            {"kind": "tool", "settings": {"tool": "fibo", "arguments": {"n": "x"}}},
            ("settings.arguments.n", "bad_type"),
        ),
        (
            {"kind": "agent", "settings": {"task": "x", "tools": ["nop"]}},
            ("settings.tools[0]", "unknown_tool"),
        ),
        (
            {"kind": "agent", "settings": {"task": "x", "tools": ["count_words", "mcp.a"]}},
            ("settings.tools[1]", "unknown_tool"),
        ),
        ({"kind": "agent", "settings": {"tools": []}}, ("settings.task", "missing")),
        (
            {"kind": "agent", "settings": {"task": "x", "requires": ["code;B=1"]}},
            ("settings.requires[0]", "bad_value"),
        ),
        ({"kind": "agent", "settings": {"task": "x", "max_steps": 0}}, ("settings.max_steps", "bad_value")),
        (
            {"kind": "agent", "settings": {"task": "x", "schema": {"type": 1}}},
            ("settings.schema.type", "bad_schema"),
        ),
    ],
)
def test_what_is_wrong_with_tools_and_agents_is_found_when_they_are_saved(
    node: Mapping[str, Any], found: tuple[str, str]
) -> None:
    problems = find_problems({"orchestra": 1, "nodes": {"a": node}}, functions=functions.schemas())

    assert [(problem.path, problem.code) for problem in problems] == [(f"nodes.a.{found[0]}", found[1])]


async def test_the_conversation_before_the_task_is_told_first() -> None:
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    given = working(settings={"messages": before, "system": "Be kind"})

    outcome = await attempt(given)

    assert isinstance(outcome, Done)
    told = given.model.requests[0].messages
    assert [(one.role, one.content) for one in told] == [
        ("system", "You are brief.\n\nBe kind"), ("user", "Hi"), ("assistant", "Hello"), ("user", "Count"),
    ]  # fmt: skip


@pytest.mark.parametrize("before", ["{{ 'text' }}", "{{ [1] }}", "{{ [{'role': 'tool', 'content': 'x'}] }}"])
async def test_what_is_no_conversation_fails_the_node(before: str) -> None:
    outcome = await attempt(working(settings={"messages": before}))

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "expression_error"


async def test_a_later_attempt_repeats_neither_answers_nor_calls() -> None:
    turns = [calls(("count_words", {"text": "a b"})), calls(("fibo", {"n": 7}))]
    first = working(*turns)
    first.model.error_at = 3
    await attempt(first)
    made = len(first.keys)

    second = working(*turns, journal=first.journal, attempt=2, texts=["1", "2", "Done"])
    second.model.requests.extend(first.model.requests[:2])  # the model goes on with its third turn
    outcome = await attempt(second)

    assert isinstance(outcome, Done), outcome
    assert made == 2
    assert second.keys == []
    assert len(second.model.requests) == 3
    assert [step["type"] for step in outcome.output["steps"]] == ["model", "tool", "model", "tool", "model"]


async def test_a_call_that_may_have_happened_is_made_again_only_where_that_is_safe() -> None:
    turn = calls(("count_words", {"text": "a b"}))
    for is_safe, told in ((True, "2"), (False, "nobody knows")):
        first = working(turn)
        await attempt(first)
        begun = {"digest": first.journal["t1.0"]["digest"]}
        second = working(
            turn, journal={"m1": first.journal["m1"], "t1.0": begun}, is_safe=is_safe, texts=["x", "Done"]
        )
        second.model.requests.append(first.model.requests[0])

        outcome = await attempt(second)

        assert isinstance(outcome, Done)
        assert told in second.model.requests[-1].messages[-1].content


async def test_a_tool_that_a_person_has_to_allow_lays_the_node_down() -> None:
    given = working(calls(("fibo", {"n": 7}), ("count_words", {"text": "a"})), settings={"approve": ["fibo"]})

    outcome = await attempt(given)

    assert isinstance(outcome, Suspend)
    assert outcome.data["call"]["arguments"] == {"n": 7}
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == 5
    assert "t1.1" in given.journal


async def test_an_agents_own_list_and_time_hold_where_the_node_says_nothing_of_them() -> None:
    own = {"approve": ["fibo"], "timeout": 3}
    asked = await attempt(
        working(calls(("fibo", {"n": 7})), settings={"approve": ["count_words"]}, options=own)
    )
    hasty, patient = (
        working(texts=["Done"], options={"timeout": seconds}, timeout=limit)
        for seconds, limit in ((3, None), (3, 60))
    )
    for given in (hasty, patient):
        await attempt(given)

    assert isinstance(asked, Suspend)
    assert [given.model.requests[0].timeout for given in (hasty, patient)] == [3, 60]
